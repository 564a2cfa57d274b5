"""Painted labels that several windows and programs may write: versions of them, and merging."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.files import Stamp
from napari_matssl.labels.sparse_ids import bands

Ids = NDArray[np.uint8]


@dataclass(frozen=True)
class Version:
    """The content of a label file at some moment.

    Parameters
    ----------
    stamp
        Of the file; None if there was none.
    ids
        ``(H, W)``, not to be changed; None if nothing was painted or only the stamp is known.
    erased
        Stamp of the word that a window left when all strokes were erased there, so that there is
        no file; else None.
    """

    stamp: Stamp | None
    ids: Ids | None
    erased: Stamp | None = None

    def erased_after(self, base: "Version") -> bool:
        """Whether there is no file because its strokes were erased since it was as in `base`."""
        if self.ids is not None or self.erased is None:
            return False
        return base.stamp is None or self.erased.mtime_ns >= base.stamp.mtime_ns


@dataclass(frozen=True)
class Saved:
    """The content of the label file after saving.

    Parameters
    ----------
    version
        The file as it is now; its `ids` are ``(H, W)``, zeros where nothing is painted.
    remarks
        A line if another program has changed the file meanwhile.
    """

    version: Version
    remarks: tuple[str, ...] = ()


def merged(name: str, base: Version, ours: Ids, theirs: Ids | None) -> tuple[Ids, tuple[str, ...]]:
    """Join strokes painted here with a label file that another program has written meanwhile.

    A pixel that changed on one side only is that side's; one that changed on both is ours, which
    is the later one. Of a file that was deleted by another program everything painted here stays;
    if all strokes were erased in another window, its pixels are 0 like any others.

    Parameters
    ----------
    name
        The image, for the remark.
    base
        What both started from. Where only its stamp is known, everything painted counts as changed.
    ours
        ``(H, W)``.
    theirs
        ``(H, W)``; None if the file was deleted.

    Returns
    -------
    The joined ids, and a remark if anything of theirs matters.
    """
    if theirs is None:
        deleted = base.stamp is not None and ours.any()
        line = (
            f"The labels of {name} were deleted by another window or program while the image was "
            "open: the strokes were written again."
        )
        return ours, (line,) if deleted else ()
    joined, taken, contested = np.zeros(ours.shape, np.uint8), 0, 0
    for rows in bands(ours.shape):
        mine, other = ours[rows], theirs[rows]
        before = np.zeros_like(mine) if base.ids is None else base.ids[rows]
        if not (mine.any() or other.any() or before.any()):
            continue
        painted = mine != before
        joined[rows] = np.where(painted, mine, other)
        taken += int(np.count_nonzero(joined[rows] != mine))
        contested += int(np.count_nonzero(painted & (other != before) & (other != mine)))
    if not taken and not contested:
        return ours, ()
    line = f"The labels of {name} were changed by another window or program: {taken:,} px merged"
    if contested:
        line += f"; {contested:,} px painted in both are as in this window"
    return joined, (f"{line}.",)
