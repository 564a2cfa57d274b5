"""Export what a project's images were segmented into."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, OutputError
from napari_matssl.files import check_writable_folder
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.tables import CLASSES_FILE
from napari_matssl.measure.phases import PhaseFraction, phase_fractions, write_tables
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.writing import write_mask, write_mask_tiff, write_overlay
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.project.folder import Project
from napari_matssl.project.kept import FOLDER
from napari_matssl.tasks.meter import final_mask, segmented_names

MASK_PNG: Final = "_mask.png"
MASK_TIFF: Final = "_mask.tif"
OVERLAY: Final = "_overlay.png"
PHASES: Final = "phases.csv"
SUMMARY: Final = "summary.csv"


@dataclass(frozen=True)
class ExportOutputs:
    """What is written of each image, and of all together.

    Parameters
    ----------
    masks_png, masks_tiff
        Class ids as pixel values: with the classes' colours, with the pixel size for ImageJ.
    overlays
        The mask over its micrograph, with legend and scale bar.
    tables
        ``phases.csv`` and ``summary.csv``.
    """

    masks_png: bool = True
    masks_tiff: bool = True
    overlays: bool = True
    tables: bool = True


@dataclass(frozen=True)
class Exported:
    """What came of an export.

    Parameters
    ----------
    folder
        Where the files are.
    images
        Names of the images that were exported.
    wanted
        How many were to be.
    problems
        A line for each that could not be.
    """

    folder: Path
    images: tuple[str, ...]
    wanted: int
    problems: tuple[str, ...]


def existing_exports(
    project: Project, out: Path, outputs: ExportOutputs, names: Iterable[str] | None = None
) -> tuple[Path, ...]:
    """List the files that :func:`export_project` would overwrite.

    Raises
    ------
    OutputError
        If `out` is the folder of the images, or inside the project's own.
    """
    _check_folder(project, out)
    paths = [out / CLASSES_FILE]
    paths += [out / PHASES, out / SUMMARY] if outputs.tables else []
    for name in segmented_names(project, names):
        paths += [out / f"{Path(name).stem}{ending}" for ending in _endings(outputs)]
    return tuple(path for path in paths if path.exists())


def export_project(
    project: Project,
    out: Path,
    outputs: ExportOutputs | None = None,
    names: Sequence[str] | None = None,
) -> Job[Exported]:
    """Write the final masks of a project, overlays, and tables of phase fractions.

    An image that can't be read, or whose mask can't, doesn't keep the others from being exported.

    Parameters
    ----------
    project
        Its class table is that of the moment when the job begins.
    out
        Folder for ``<stem>_mask.png``, ``<stem>_mask.tif``, ``<stem>_overlay.png``,
        ``phases.csv``, ``summary.csv``, and ``classes.json``, which says what the ids mean.
    outputs
        All by default.
    names
        The images; None takes all that have a mask.

    Yields
    ------
    A progress per image; sent STOP, the job returns with the images that are done, their tables
    written.

    Raises
    ------
    InputError
        If nothing is segmented, or no image could be exported.
    OutputError
        If `out` can't be written, is the folder of the images, or inside the project's own.
    """
    outputs = outputs or ExportOutputs()
    _check_folder(project, out)
    chosen = segmented_names(project, names)
    if not chosen:
        raise InputError(
            f"No image in {project.folder} is segmented.", "Segment some images first."
        )
    check_writable_folder(out)
    table = project.table
    table.write(out / CLASSES_FILE)  # first: after a cancelled export, the masks need it too
    rows: list[PhaseFraction] = []
    done: list[str] = []
    errors: list[InputError] = []
    control = yield Progress("exporting", 0, len(chosen))
    for number, name in enumerate(chosen, start=1):
        if control is Control.STOP:
            break
        message = ""
        try:
            micrograph = project.read(name)
            mask = final_mask(project, name, table)
            rows += write_image(out, micrograph, mask, table, outputs)
            done.append(name)
        except InputError as error:
            errors.append(error)
            message = str(error)
        control = yield Progress("exporting", number, len(chosen), message=message)
    if errors and not done:
        raise errors[0]
    if done and outputs.tables:
        write_tables(rows, out / PHASES, out / SUMMARY)
    return Exported(out, tuple(done), len(chosen), tuple(str(error) for error in errors))


def write_image(
    out: Path,
    micrograph: Micrograph,
    mask: NDArray[np.uint8],
    table: ClassTable,
    outputs: ExportOutputs,
) -> tuple[PhaseFraction, ...]:
    """Write the files of one image, named after its file.

    Parameters
    ----------
    mask
        ``(H, W)``, class ids, and `table`'s ``not_analysed`` where there is no class.

    Returns
    -------
    The phase fractions, as the overlay's legend shows them.

    Raises
    ------
    InputError
        If micrograph and mask differ in size, or the mask holds a value that is no class.
    OutputError
        If a file can't be written.
    """
    stem = Path(micrograph.name).stem
    phases = phase_fractions(micrograph.name, mask, table, micrograph.pixel_size)
    if outputs.masks_png:
        write_mask(out / f"{stem}{MASK_PNG}", mask, table)
    if outputs.masks_tiff:
        write_mask_tiff(out / f"{stem}{MASK_TIFF}", mask, micrograph.pixel_size)
    if outputs.overlays:
        fractions = {phase.class_id: phase.fraction_percent for phase in phases}
        write_overlay(out / f"{stem}{OVERLAY}", micrograph, mask, table, fractions)
    return tuple(phases)


def _endings(outputs: ExportOutputs) -> list[str]:
    endings = [MASK_PNG] * outputs.masks_png
    endings += [MASK_TIFF] * outputs.masks_tiff
    return endings + [OVERLAY] * outputs.overlays


def _check_folder(project: Project, out: Path) -> None:
    folder, chosen = project.folder.resolve(), out.resolve()
    if chosen == folder:
        raise OutputError(
            f"{out} is the folder of the micrographs.",
            "Choose another folder, or make a new one in it, so that masks and images don't mix.",
        )
    if chosen.is_relative_to(folder / FOLDER):
        raise OutputError(
            f"{out} is where the strokes and masks of this project are kept.",
            "Choose another folder.",
        )
