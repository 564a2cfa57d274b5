"""Export what a project's images were segmented into."""

import contextlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import (
    InputError,
    MatSSLError,
    OutOfMemoryError,
    OutputError,
    printable,
)
from napari_matssl.export.lettering import undrawable
from napari_matssl.export.masks import write_mask, write_mask_tiff
from napari_matssl.export.overlay import write_overlay
from napari_matssl.export.run_tables import PHASES, SUMMARY, RunTables
from napari_matssl.files import check_room, check_writable_folder
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.provenance import MaskFacts, Provenance
from napari_matssl.labels.tables import CLASSES_FILE
from napari_matssl.measure.phases import PhaseFraction, phase_fractions
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.project.folder import Project
from napari_matssl.tasks.batch import check_output_names, left_out, memory_told, none_left
from napari_matssl.tasks.meter import final_mask, final_origin, segmented_names
from napari_matssl.tasks.provenance import new_run

MASK_PNG: Final = "_mask.png"
MASK_TIFF: Final = "_mask.tif"
OVERLAY: Final = "_overlay.png"


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
    check_room(out, _bytes_wanted(project, chosen, outputs))
    export = _Export(project, out, outputs)
    if (yield Progress("exporting", 0, len(chosen), message=export.remark())) is Control.STOP:
        return Exported(out, (), len(chosen), ())
    try:
        for number, name in enumerate(chosen, start=1):
            message = export.one(name)
            step = Progress("exporting", number, len(chosen), message=message)
            if (yield step) is Control.STOP:
                break
    except BaseException:  # a full disk, or the end of the program
        with contextlib.suppress(MatSSLError):
            export.finish()
        raise
    if remark := export.finish():
        yield Progress("exporting", 1, 1, message=remark)
    return Exported(out, tuple(export.done), len(chosen), tuple(s.reason for s in export.skipped))


class _Export:
    """One export; `done` and `skipped` grow on the way. Parameters as of the job."""

    def __init__(self, project: Project, out: Path, outputs: ExportOutputs) -> None:
        self.done: list[str] = []
        self.skipped: list[Skipped] = []
        self._project, self._out, self._outputs = project, out, outputs
        self._table = project.classes.table
        self._tables = RunTables(out)
        self._run = new_run()
        self._rows: list[PhaseFraction] = []
        self._first: MatSSLError | None = None

    def remark(self) -> str:
        """Say what the user should know before anything is written."""
        remarks = [self._tables.remark()] if self._outputs.tables else []
        remarks += [undrawable(self._table.names)] if self._outputs.overlays else []
        return "\n".join(filter(None, remarks))

    def one(self, name: str) -> str:
        """Export one image; a line if it had to be left out."""
        try:
            check_output_names(Path(name), self._out, _endings(self._outputs))
            with memory_told(name):
                micrograph = self._project.micrographs.read(name)
                size = micrograph.pixel_size
                mask = final_mask(self._project, name, self._table, size)
                self._begin()
                origin = final_origin(self._project, name, self._table, size)
                origin = origin.model_copy(update={"run": self._run})
                self._rows += write_image(
                    self._out, micrograph, mask, self._table, self._outputs, origin
                )
        except (InputError, OutOfMemoryError) as error:
            self._first = self._first or error
            self.skipped.append(Skipped(printable(name), str(error), error.settings))
            return left_out(self.skipped[-1])
        self.done.append(name)
        return ""

    def finish(self) -> str:
        """Write the tables of what is done; a line if they are not where they were wanted.

        Raises
        ------
        MatSSLError
            If they can't be written, or no image could be exported.
        """
        if not self.done:
            self._tables.restore()
            if self.skipped:
                raise none_left(self._first, len(self.skipped))
            return ""
        return self._tables.write(self._rows)[1] if self._outputs.tables else ""

    def _begin(self) -> None:
        """Write what the first mask needs; also after a cancelled export it says what ids mean."""
        if not self.done:
            if self._outputs.tables:
                self._tables.set_aside()
            self._table.write(self._out / CLASSES_FILE)


def _bytes_wanted(project: Project, names: Sequence[str], outputs: ExportOutputs) -> int:
    """Estimate how much an export writes; damaged masks show themselves later."""
    pixels = 0
    for name in names:
        with (
            contextlib.suppress(OSError, struct.error),
            project.masks.path(name).open("rb") as file,
        ):
            width, height = struct.unpack(">II", file.read(24)[16:])  # where a PNG has its size
            pixels += width * height
    per_pixel = 0.05 * outputs.masks_png + 1.0 * outputs.masks_tiff + 1.0 * outputs.overlays
    return round(pixels * per_pixel)


def write_image(
    out: Path,
    micrograph: Micrograph,
    mask: NDArray[np.uint8],
    table: ClassTable,
    outputs: ExportOutputs,
    origin: Provenance | None = None,
) -> tuple[PhaseFraction, ...]:
    """Write the files of one image, named after its file.

    Parameters
    ----------
    mask
        ``(H, W)``, class ids, and `table`'s ``not_analysed`` where there is no class.
    origin
        How the mask came about.

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
    size = micrograph.pixel_size
    phases = phase_fractions(micrograph.name, mask, table, size, origin)
    if outputs.masks_png:
        write_mask(out / f"{stem}{MASK_PNG}", mask, table, facts=MaskFacts(size, origin, table))
    if outputs.masks_tiff:
        write_mask_tiff(out / f"{stem}{MASK_TIFF}", mask, size, origin, table)
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
    if chosen.is_relative_to(project.own.resolve()):
        raise OutputError(
            f"{out} is where the strokes and masks of this project are kept.",
            "Choose another folder.",
        )
