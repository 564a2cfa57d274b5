"""Positions of patches for pretraining."""


def patch_starts(length: int, size: int, overlap: float) -> list[int]:
    """Return where patches start along one axis; the last one ends at the edge.

    Parameters
    ----------
    length, size
        Of the image and of a patch in px. An image smaller than a patch gives one start.
    overlap
        Of neighbouring patches, 0 to less than 1.
    """
    if length <= size:
        return [0]
    step = max(1, round(size * (1 - overlap)))
    starts = list(range(0, length - size + 1, step))
    if starts[-1] + size < length:
        starts.append(length - size)
    return starts


def count_patches(height: int, width: int, size: int, overlap: float) -> int:
    """Count the patches of one image of ``height`` x ``width`` px, its info bar left out.

    Constant ones are among them.
    """
    return len(patch_starts(height, size, overlap)) * len(patch_starts(width, size, overlap))
