"""Checks before the first of many images is segmented."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_matssl.errors import InputError, MatSSLError, OutOfMemoryError, OutputError, printable
from napari_matssl.files import check_room
from napari_matssl.learn.card import LARGEST_MAGNIFICATION_RATIO
from napari_matssl.learn.magnification import magnification
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
from napari_matssl.progress import Job, Progress, Skipped
from napari_matssl.project.pixel_sizes import read_calibrated
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.batch import check_output_names, left_out, memory_errors, none_left
from napari_matssl.tasks.info_bars import with_info_bar, without_info_bar

_STAGE = "checking"


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
    """

    path: Path
    remarks: tuple[str, ...]
    pixels: int
    bar: str


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
        Which image of files that hold several, from 1; None takes the only or first one.
    """

    settings: PredictSettings
    bar_row: int | None = None
    page: int | None = None

    def read(self, path: Path) -> Micrograph:
        """Read an image with the info bar that counts.

        Raises
        ------
        InputError
            If it can't be read, or the info bar lies outside.
        OutOfMemoryError
            If it doesn't fit into the memory.
        """
        with memory_errors(path.name):
            micrograph = read_calibrated(path, self.page)
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
    segmenter: Segmenter, paths: Sequence[Path], out: Path, reading: Reading, endings: Sequence[str]
) -> Job[CheckedBatch | None]:
    """Check every image before the first is segmented, and collect remarks.

    Parameters
    ----------
    segmenter
        Gives intensity scaling and magnification of images.
    paths
        The images.
    out
        Folder of the results, which exists.
    reading
        How images are read.
    endings
        What is added to an image's stem for the files that will be written.

    Yields
    ------
    A progress per image; sent STOP, the job returns None.

    Raises
    ------
    InputError
        If no image can be segmented.
    """
    good: list[CheckedImage] = []
    skipped: list[Skipped] = []
    first: MatSSLError | None = None
    for number, path in enumerate(paths, start=1):
        try:
            check_output_names(path, out, endings)
            good.append(_looked_at(segmenter, reading, path))
            message = "\n".join(filter(None, (good[-1].bar, *good[-1].remarks)))
        except (InputError, OutOfMemoryError) as error:
            first = first or error
            skipped.append(Skipped(printable(path.name), str(error), error.settings))
            message = left_out(skipped[-1])
        if (yield Progress(_STAGE, number, len(paths), message=message)) is not None:
            return None
    if not good:
        raise none_left(first, len(skipped))
    without_bar = [one for one in good if not one.bar]
    if reading.settings.info_bar == "auto" and len(without_bar) < len(good):
        good = [one if one.bar else _with_bar_remark(one) for one in good]
        if without_bar:
            message = "\n".join(_no_bar(one.path) for one in without_bar)
            yield Progress(_STAGE, len(paths), len(paths), message=message)
    return CheckedBatch(tuple(good), tuple(skipped))


def check_space(out: Path, images: Iterable[CheckedImage], bytes_per_pixel: float) -> None:
    """Check that the results fit on the disk, by an estimate.

    Raises
    ------
    OutputError
        If they don't.
    """
    check_room(out, round(sum(one.pixels for one in images) * bytes_per_pixel))


def _looked_at(segmenter: Segmenter, reading: Reading, path: Path) -> CheckedImage:
    micrograph = reading.read(path)
    with memory_errors(path.name):
        magnification(segmenter.card, micrograph)
        fit_intensity_scaling(micrograph, segmenter.card.intensity_scaling, segmenter.card.channels)
    pixels = micrograph.width * micrograph.height
    remarks = _remarks(micrograph, segmenter, reading.settings)
    return CheckedImage(path, remarks, pixels, _bar_line(micrograph))


def _remarks(
    micrograph: Micrograph, segmenter: Segmenter, settings: PredictSettings
) -> tuple[str, ...]:
    """Return remarks on one image before it is segmented."""
    needs_size = settings.cleaning.needs_calibration(segmenter.classes.ids)
    remarks = (
        *micrograph.remarks,
        warn_of_magnification(micrograph, segmenter),
        _no_size(micrograph) * (needs_size and micrograph.pixel_size is None),
    )
    return tuple(dict.fromkeys(filter(None, remarks)))


def _bar_line(micrograph: Micrograph) -> str:
    bar = micrograph.info_bar
    if bar is None:
        return ""
    return (
        f"{micrograph.name}: the info bar from row {bar.row} down is left out "
        f"({bar.source}); it is kept with the info bar set to none."
    )


def warn_of_magnification(micrograph: Micrograph, segmenter: Segmenter) -> str:
    """Warn of an image of quite another um/px than the model was trained at, else ``""``."""
    trained = segmenter.card.pixel_size_um
    if micrograph.pixel_size is None or trained is None:
        return ""
    ratio = micrograph.pixel_size.mean_um / trained
    if max(ratio, 1 / ratio) <= LARGEST_MAGNIFICATION_RATIO:
        return ""
    return (
        f"{micrograph.name}: {micrograph.pixel_size.in_words}, but the model was "
        f"trained at {trained:.4g}: its masks are less reliable."
    )


def _no_size(micrograph: Micrograph) -> str:
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
