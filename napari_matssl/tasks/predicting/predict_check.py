"""Checks before the first of many images is segmented."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_matssl.errors import InputError, OutputError
from napari_matssl.export.outputs import PANORAMA_ENDINGS, Outputs
from napari_matssl.files import check_room
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.magnification import magnification, warn_of_magnification
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.project.image_settings import remark_on_excluded, settings_of_image
from napari_matssl.project.pixel_sizes import read_any_calibrated, with_size_by_hand
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.batch import (
    Each,
    Prepared,
    check_output_names,
    memory_errors,
    none_left,
)
from napari_matssl.tasks.info_bars import with_info_bar, without_info_bar

_STAGE = "checking"
_PANORAMA_BYTES = 1.1  # per pixel, for the mask as it grows and packed


@dataclass(frozen=True)
class CheckedImage:
    """An image that can be segmented.

    Parameters
    ----------
    path
        Its file.
    remarks
        Remarks on it.
    pixels
        How many it has, the info bar's included.
    bar
        A line on its info bar; empty if there is none.
    kept
        The fractions of a mask that needn't be made again; empty: it has to be made.
    is_panorama
        It is read by rows, and its mask is written so.
    """

    path: Path
    remarks: tuple[str, ...]
    pixels: int
    bar: str
    kept: tuple[PhaseFraction, ...] = ()
    is_panorama: bool = False


@dataclass(frozen=True)
class CheckedBatch:
    """The images that can be segmented, and those that can't."""

    images: tuple[CheckedImage, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Reading:
    """Choices for reading images.

    Parameters
    ----------
    settings
        Whether an info bar is left out.
    bar_row
        First row of the info bar of every image, where the user has named it.
    page
        Which image of files that hold several, from 1; None takes that of the folder's project,
        else the only or first one.
    pixel_size
        Of images that have none.
    """

    settings: PredictSettings
    bar_row: int | None = None
    page: int | None = None
    pixel_size: PixelSize | None = None

    def read(self, path: Path) -> AnyMicrograph:
        """Read an image with the info bar that counts.

        Raises
        ------
        InputError
            If it can't be read, or the info bar lies outside.
        OutOfMemoryError
            If it doesn't fit into the memory.
        """
        with memory_errors(path.name):
            page = settings_of_image(path).page if self.page is None else self.page
            micrograph = read_any_calibrated(path, page)
        if page != self.page:
            told = f"{micrograph.name}: page {page} is segmented, which was chosen in its folder."
            micrograph = replace(micrograph, remarks=(*micrograph.remarks, told))
        if micrograph.pixel_size is None:
            micrograph = with_size_by_hand(micrograph, self.pixel_size)
        if self.bar_row is not None:
            return with_info_bar(micrograph, self.bar_row)
        if self.settings.info_bar == "none":
            return without_info_bar(micrograph)
        return micrograph


def check_names(paths: Sequence[Path], out: Path) -> None:
    """Check that every image gets a mask of its own, on any file system.

    Raises
    ------
    InputError
        If two would give masks of one name; upper and lower case are one on many systems.
    OutputError
        If `out` is a folder of the images.
    """
    stems: dict[str, Path] = {}
    for path in paths:
        key = unicodedata.normalize("NFC", path.stem).casefold()
        if key in stems:
            raise InputError(
                f"{stems[key]} and {path} would both give {path.stem}_mask.png.",
                "Rename one of them, or segment them into two folders.",
            )
        stems[key] = path
        if path.parent.resolve() == out.resolve():
            raise OutputError(
                f"The output folder {out} is the folder of the image {path.name}.",
                "Choose another folder, so that masks and images don't mix.",
            )


def check_images(
    each: Each,
    prepare: Callable[[], Prepared[Path, CheckedImage]],
    paths: Sequence[Path],
    reading: Reading,
) -> Job[CheckedBatch | None]:
    """Check every image before the first is segmented, and collect remarks.

    Parameters
    ----------
    each
        Does it here or elsewhere.
    prepare
        Gives the job of one image, such as :func:`check_image`.
    paths
        The images, no two of one name.
    reading
        How they are read.

    Yields
    ------
    A progress per image; sent STOP, the job returns None.

    Raises
    ------
    InputError
        If no image can be segmented.
    """
    found: dict[str, CheckedImage] = {}
    names = {path.name: path for path in paths}
    ended = yield from each(prepare, names, _STAGE, found.__setitem__)
    if ended.stopped:
        return None
    good = [found[name] for name in names if name in found]
    if not good:
        raise none_left(ended.first, len(ended.skipped))
    without_bar = [one for one in good if not one.bar]
    if reading.settings.info_bar == "auto" and len(without_bar) < len(good):
        good = [one if one.bar else _with_bar_remark(one) for one in good]
        if without_bar:
            message = "\n".join(_no_bar(one.path) for one in without_bar)
            yield Progress(_STAGE, len(paths), len(paths), message=message)
    if line := remark_on_excluded(one.path for one in good):
        yield Progress(_STAGE, len(paths), len(paths), message=line)
    return CheckedBatch(tuple(good), ended.skipped)


def check_image(
    card: ModelCard,
    out: Path,
    reading: Reading,
    outputs: Outputs,
    kept: Callable[[AnyMicrograph], Sequence[PhaseFraction]],
    path: Path,
) -> Job[CheckedImage | None]:
    """Check one image, and collect remarks on it.

    Parameters
    ----------
    card
        Gives intensity scaling and magnification.
    out
        Folder of the results, which exists.
    reading
        How the image is read.
    outputs
        What will be written.
    kept
        Gives the fractions of a mask that is there already and needn't be made again.
    path
        Its file.

    Raises
    ------
    InputError, OutOfMemoryError
        If it can't be segmented.
    """
    check_output_names(path, out, outputs.endings)
    micrograph = reading.read(path)
    is_panorama = isinstance(micrograph, Panorama)
    if is_panorama:
        check_output_names(path, out, PANORAMA_ENDINGS)
    with memory_errors(path.name):
        magnification(card, micrograph)
        fit_intensity_scaling(micrograph, card.intensity_scaling, card.channels)
        rows = tuple(kept(micrograph))
    pixels = micrograph.width * micrograph.height
    remarks = _remarks(micrograph, card, reading.settings)
    checked = CheckedImage(path, remarks, pixels, _bar_line(micrograph), rows, is_panorama)
    lines = [checked.bar, *remarks]
    if is_panorama:
        lines.append(outputs.left_out_of(path.name))
    message = "" if rows else "\n".join(filter(None, lines))
    if (yield Progress(_STAGE, 1, 1, message=message)) is Control.STOP:
        return None
    return checked


def check_space(out: Path, images: Iterable[CheckedImage], bytes_per_pixel: float) -> None:
    """Check that the results fit on the disk, by an estimate.

    Raises
    ------
    OutputError
        If they don't.
    """
    wanted = (
        one.pixels * (_PANORAMA_BYTES if one.is_panorama else bytes_per_pixel) for one in images
    )
    check_room(out, round(sum(wanted)))


def _remarks(
    micrograph: AnyMicrograph, card: ModelCard, settings: PredictSettings
) -> tuple[str, ...]:
    """Return remarks on one image before it is segmented."""
    needs_size = settings.cleaning.needs_calibration(card.classes.ids)
    remarks = (
        *micrograph.remarks,
        warn_of_magnification(micrograph, card),
        _no_size(micrograph) * (needs_size and micrograph.pixel_size is None),
    )
    return tuple(dict.fromkeys(filter(None, remarks)))


def _bar_line(micrograph: AnyMicrograph) -> str:
    bar = micrograph.info_bar
    if bar is None:
        return ""
    return (
        f"{micrograph.name}: the info bar from row {bar.row} down is left out "
        f"({bar.source}); it is kept with the info bar set to none."
    )


def _no_size(micrograph: AnyMicrograph) -> str:
    return (
        f"{micrograph.name}: no pixel size was found, so sizes in um2 clean nothing here; give "
        "them in px."
    )


def _with_bar_remark(one: CheckedImage) -> CheckedImage:
    return replace(one, remarks=(*one.remarks, _no_bar(one.path)))


def _no_bar(path: Path) -> str:
    return (
        f"{path.name}: no info bar was found, though other images have one; its first row can "
        "be given."
    )
