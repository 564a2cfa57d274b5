"""Files of an earlier run: masks that needn't be made again, and what lies beside new ones."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from os.path import isfile  # of a name that is too long, there is none
from pathlib import Path

from napari_matssl.errors import InputError, printable
from napari_matssl.export.outputs import MASK_PNG, MASK_TIFF, OVERLAY, PROBABILITIES
from napari_matssl.export.results import ImageFiles
from napari_matssl.files import unwritable
from napari_matssl.labels.names import few
from napari_matssl.labels.provenance import Provenance, mask_sha256, read_mask_facts
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.measure.phases import PhaseFraction, phase_fractions
from napari_matssl.micrograph.checksum import checksum_of
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.inputs import fingerprint
from napari_matssl.tasks.provenance import ModelIdentity, state_provenance

_THE_SAME = (
    "image",
    "page",
    "image_sha256",
    "model_sha256",
    "version",
    "torch",
    "settings",
    "cleaning",
    "info_bar",
)
"""What a mask's provenance has to agree in with that of the mask that would be made."""


def kept_fractions(
    files: ImageFiles,
    model: ModelIdentity,
    settings: PredictSettings,
    micrograph: AnyMicrograph,
    only: str = "",
) -> Sequence[PhaseFraction]:
    """Return the fractions of a mask that is there; none if it is missing or would be another.

    It counts if it was made of the same image file by the same model, settings and versions of the
    program and PyTorch, has the same pixel size and classes, can be read, holds the pixels that
    were written, and all files that are wanted were written with it and are still there.

    Parameters
    ----------
    files
        What is wanted, and where.
    model, settings
        What would make it.
    micrograph
        The image, with the info bar and the pixel size that count.
    only
        Ending of the mask, where nothing else is written of the image.
    """
    wanted, table = (only,) if only else files.outputs.endings, files.table
    path = files.path(micrograph.name, only or MASK_PNG)
    facts = read_mask_facts(path)
    origin = facts.provenance
    if origin is None or not model.sha256 or facts.classes != table:
        return ()
    there = all(files.path(micrograph.name, ending).is_file() for ending in wanted)
    if not set(wanted) <= set(origin.files) or not there:
        return ()
    sha256 = fingerprint(micrograph).sha256
    now = state_provenance(micrograph, model, settings, table, "", (), sha256)
    if any(getattr(origin, name) != getattr(now, name) for name in _THE_SAME):
        return ()
    size = micrograph.pixel_size
    own = None if facts.pixel_size is None else _parts(facts.pixel_size)
    if own != (None if size is None else _parts(size)):
        return ()
    return _fractions(path, files, micrograph, origin)


def set_aside_edited(path: Path) -> str:
    """Rename a mask that somebody has edited since it was written, before it is replaced.

    It counts as edited if its pixels aren't those that its own metadata state, or it has none, as
    image editors save it. What can't be read is left to be replaced.

    Returns
    -------
    A line on that; empty if it isn't edited, or isn't there.

    Raises
    ------
    OutputError
        If it can't be renamed.
    """
    try:
        origin, mask = read_mask_facts(path).provenance, read_labels(path)
    except InputError:
        return ""
    written = None if origin is None else origin.mask_sha256
    if written == "" or mask_sha256([mask]) == written:
        return ""
    aside, number = path.with_name(f"{path.stem}-edited{path.suffix}"), 2
    while aside.exists():
        aside, number = path.with_name(f"{path.stem}-edited-{number}{path.suffix}"), number + 1
    try:
        path.rename(aside)
    except OSError as error:
        raise unwritable(path, error) from error
    return f"{path.name} was edited since it was written: it is kept as {aside.name}."


def describe_replaced(masks: Iterable[tuple[Path, Path]]) -> str:
    """Return a line on masks that will be replaced by those of images of other content, or nothing.

    Parameters
    ----------
    masks
        Where the mask of an image goes, and the image's file. One that can't be read is passed
        over: it has no new mask.
    """
    names = []
    for mask, image in masks:
        origin = read_mask_facts(mask).provenance if isfile(mask) else None
        made_of = "" if origin is None else origin.image_sha256
        with suppress(InputError):
            if made_of and made_of != checksum_of(image):
                names.append(printable(mask.name))
    if not names:
        return ""
    return (
        "Replaced, as they were made of images of the same names but of other content: "
        f"{few(names, 8)}. To keep masks of other images, stop and choose another folder."
    )


def describe_older_files(files: ImageFiles, images: Iterable[str]) -> str:
    """Return a line on files of an earlier run beside masks that were just written, or nothing."""
    known = (MASK_PNG, MASK_TIFF, OVERLAY, PROBABILITIES)
    older = [ending for ending in known if ending not in files.outputs.endings]
    paths = [files.path(name, ending) for name in images for ending in older]
    names = [printable(path.name) for path in paths if isfile(path)]
    if not names:
        return ""
    are = "is" if len(names) == 1 else "are"
    return f"Beside these masks {few(names, 8)} {are} of an earlier run, and may show other masks."


def _parts(size: PixelSize) -> tuple[float, float, str]:
    return size.x_um, size.y_um, size.source


def _fractions(
    path: Path, files: ImageFiles, micrograph: AnyMicrograph, origin: Provenance
) -> Sequence[PhaseFraction]:
    """Measure a mask that is there; nothing if it is damaged or was changed."""
    try:
        mask = read_labels(path)
        if mask.shape != (micrograph.height, micrograph.width):
            return ()
        if mask_sha256([mask]) != origin.mask_sha256:
            return ()
        return phase_fractions(micrograph.name, mask, files.table, micrograph.pixel_size, origin)
    except InputError:
        return ()
