"""Which files of a folder are masks, each once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_matssl.errors import InputError
from napari_matssl.export.outputs import OVERLAY, PROBABILITIES
from napari_matssl.labels.names import few
from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.micrograph.reading import LABEL_SUFFIXES, find_micrographs

MASK = "_mask"
"""What ends the name of a mask of ours."""

_BESIDE_MASKS = tuple(Path(name).stem for name in (OVERLAY, PROBABILITIES))
"""What ends the names of pictures that are written beside masks."""


def mask_paths(inputs: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Return the masks among files and those of folders, each once, and lines on others there.

    Raises
    ------
    InputError
        If there is none, or a mask of ours is there as a PNG and as a TIFF of other pixels.
    """
    found: list[Path] = []
    remarks: dict[str, None] = {}
    for given in inputs:
        masks, left = _masks(given)
        found += masks
        remarks |= dict.fromkeys(left)
    found = list({path.resolve(): path for path in reversed(found)}.values())[::-1]
    # A mask as a PNG and the same as a TIFF would be two fields.
    _check_twins(found)
    taken = list({(p.resolve().parent, p.stem): p for p in reversed(found)}.values())[::-1]
    if twins := [path.name for path in found if path not in taken]:
        remarks[f"Not measured, since others have their stems: {few(twins, 8)}."] = None
    return taken, tuple(remarks)


def _masks(given: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Return the masks among the images that were given, and a line on others that aren't taken."""
    found = find_micrographs([given], LABEL_SUFFIXES)
    if not given.is_dir():
        return found, ()
    ours = [path for path in found if path.stem.endswith(MASK)]
    # An export holds each mask as a PNG and as a TIFF, of which one is measured.
    _check_twins(ours)
    taken = list({path.stem: path for path in reversed(ours or found)}.values())[::-1]
    stems = {path.stem.removesuffix(MASK) for path in ours}
    beside = {f"{stem}{end}" for stem in stems for end in ("", MASK, *_BESIDE_MASKS)}
    left = [path.name for path in found if path not in taken and path.stem not in beside]
    if not left:
        return taken, ()
    why = f"their names don't end in {MASK}, as others do" if ours else "others have their stems"
    return taken, (f"Not measured in {given.name}, since {why}: {few(left, 8)}.",)


def _check_twins(paths: Sequence[Path]) -> None:
    """Refuse to choose between a mask of ours and one of its name that holds other pixels."""
    of_stem: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        of_stem.setdefault((path.resolve().parent, path.stem), []).append(path)
    for twins in of_stem.values():
        if len(twins) == 1:
            continue
        origins = [read_mask_facts(path).provenance for path in twins]
        ours = any(one is not None and one.mask_sha256 for one in origins)
        if ours and not _same_pixels(twins):
            raise InputError(
                f"{twins[0]} and {twins[1].name} are different masks: one is of an earlier run, or "
                "was edited.",
                "Remove the one that doesn't count, or name the masks that do.",
            )


def _same_pixels(twins: Sequence[Path]) -> bool:
    """Whether masks hold the same class ids; what an editor has saved in colours doesn't."""
    try:
        first, *others = [read_labels(path) for path in twins]
    except InputError:
        return False
    return all(np.array_equal(first, other) for other in others)
