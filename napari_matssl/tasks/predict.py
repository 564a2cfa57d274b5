"""Segment a list of images and write masks, overlays and phase fractions."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tifffile

from napari_matssl.errors import InputError, OutputError
from napari_matssl.files import atomic_write, check_writable_folder
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.inference import Segmentation, segment
from napari_matssl.learn.magnification import magnification
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.measure.cleaning import clean_mask
from napari_matssl.measure.phases import PhaseFraction, write_tables
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.normalise import fit_grey_values
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.progress import Job, Progress, one_of_many
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.info_bars import without_info_bar
from napari_matssl.tasks.report import MASK_PNG, PHASES, SUMMARY, ExportOutputs, write_image

log = logging.getLogger(__name__)

LARGEST_MAGNIFICATION_RATIO = 2.0
"""Beyond this ratio of um/px between image and model, the user is warned."""


@dataclass(frozen=True)
class PredictOutputs:
    """What is written beside masks and tables."""

    overlay: bool = True
    probabilities: bool = False


@dataclass(frozen=True)
class SegmentedImage:
    """One image that was segmented.

    Parameters
    ----------
    name
        The image's file name.
    mask
        Where the mask was written.
    seconds
        For reading, segmenting and writing.
    phases
        Its area fractions.
    """

    name: str
    mask: Path
    seconds: float
    phases: tuple[PhaseFraction, ...]


@dataclass(frozen=True)
class PredictResult:
    """All images that were segmented, and where the tables are."""

    images: tuple[SegmentedImage, ...]
    phases: Path
    summary: Path


def predict(
    segmenter: Segmenter,
    paths: Sequence[Path],
    out: Path,
    settings: PredictSettings,
    outputs: PredictOutputs | None = None,
) -> Job[PredictResult]:
    """Segment images and write masks, overlays and tables of phase fractions.

    Every image is read and checked before the first is segmented, so that a broken file shows
    itself at once.

    Parameters
    ----------
    segmenter
        From a model file.
    paths
        Image files, none of them in `out`.
    out
        Folder for ``<stem>_mask.png``, ``<stem>_overlay.png``, ``<stem>_probabilities.tif``,
        ``classes.json``, ``phases.csv`` and ``summary.csv``.
    outputs
        What to write beside masks and tables; overlays by default.

    Yields
    ------
    A progress per tile; sent STOP, the job returns with the images that are done.

    Raises
    ------
    InputError
        If an image can't be used, or two would give masks of one name.
    OutputError
        If `out` can't be written or is a folder of the images.
    DeviceError, ComputeError
        If the device isn't there or its memory doesn't suffice.
    """
    outputs = outputs or PredictOutputs()
    _check_names(paths, out)
    check_writable_folder(out)
    compute = choose_compute(settings.device)
    yield Progress("checking", 0, len(paths), message=begin_in_words(segmenter, compute, settings))
    for number, path in enumerate(paths):
        micrograph = _read(path, settings)
        magnification(segmenter.card, micrograph)
        fit_grey_values(micrograph, segmenter.card.normalisation, segmenter.card.channels)
        yield Progress("checking", number + 1, len(paths), message=_remarks(micrograph, segmenter))
    network = compute.place(segmenter.network.eval())
    segmenter.classes.write(out / "classes.json")
    done: list[SegmentedImage] = []
    for number, path in enumerate(paths):
        begin = time.monotonic()
        micrograph = _read(path, settings)
        job = segment(network, segmenter.card, micrograph, compute, settings, outputs.probabilities)
        segmentation = yield from one_of_many(job, number, len(paths), "segmenting")
        if segmentation is None:
            break
        segmentation = _cleaned(segmentation, segmenter, settings)
        phases, mask = _write(segmenter, micrograph, segmentation, path, out, outputs)
        done.append(SegmentedImage(path.name, mask, time.monotonic() - begin, phases))
    tables = out / PHASES, out / SUMMARY
    write_tables([row for image in done for row in image.phases], *tables)
    return PredictResult(tuple(done), *tables)


def _check_names(paths: Sequence[Path], out: Path) -> None:
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            raise InputError(
                f"{stems[path.stem]} and {path} would both give {path.stem}_mask.png.",
                "Rename one of them, or segment them into two folders.",
            )
        stems[path.stem] = path
        if path.parent.resolve() == out.resolve():
            raise OutputError(
                f"The output folder {out} is the folder of the image {path.name}.",
                "Choose another folder, so that masks and images don't mix.",
            )


def _read(path: Path, settings: PredictSettings) -> Micrograph:
    micrograph = read_micrograph(path)
    return without_info_bar(micrograph) if settings.info_bar == "none" else micrograph


def _remarks(micrograph: Micrograph, segmenter: Segmenter) -> str:
    """Tell what the user should know about one image before it is segmented."""
    remarks = []
    if micrograph.info_bar is not None:
        remarks.append(
            f"{micrograph.name}: the info bar from row {micrograph.info_bar.row} down is left out "
            f"({micrograph.info_bar.source}); --info-bar none keeps it."
        )
    remarks.append(warn_of_magnification(micrograph, segmenter))
    return "\n".join(remark for remark in remarks if remark)


def begin_in_words(segmenter: Segmenter, compute: Compute, settings: PredictSettings) -> str:
    """Say what segments, and what it will do to masks by itself."""
    names = segmenter.card.kept_unbroken(settings.islands)
    if not names:
        return f"Device: {compute.describe()}"
    return (
        f"Device: {compute.describe()}. In the painted images {', '.join(names)} ran through in "
        "unbroken layers: islands are closed."
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
        f"{micrograph.name}: {micrograph.pixel_size.mean_um:.4g} µm/px, but the model was "
        f"trained at {trained:.4g}: its masks are less reliable."
    )


def _cleaned(
    segmentation: Segmentation, segmenter: Segmenter, settings: PredictSettings
) -> Segmentation:
    """Clean the mask; probabilities stay what the network said."""
    mask = clean_mask(
        segmentation.mask, segmenter.classes, settings.smallest_region, settings.largest_hole
    )
    return replace(segmentation, mask=mask)


def _write(
    segmenter: Segmenter,
    micrograph: Micrograph,
    segmentation: Segmentation,
    path: Path,
    out: Path,
    outputs: PredictOutputs,
) -> tuple[tuple[PhaseFraction, ...], Path]:
    files = ExportOutputs(masks_tiff=False, overlays=outputs.overlay)
    phases = write_image(out, micrograph, segmentation.mask, segmenter.classes, files)
    if segmentation.probabilities is not None:
        with atomic_write(out / f"{path.stem}_probabilities.tif") as temporary:
            tifffile.imwrite(
                temporary,
                segmentation.probabilities,
                compression="zlib",
                photometric="minisblack",
                metadata={"axes": "CYX", "classes": list(segmenter.classes.names)},
            )
    return phases, out / f"{path.stem}{MASK_PNG}"
