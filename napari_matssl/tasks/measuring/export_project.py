"""Export the masks of a project."""

import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_matssl.errors import InputError, MatSSLError, OutOfMemoryError, OutputError, printable
from napari_matssl.export.outputs import Outputs
from napari_matssl.export.results import ResultFolder
from napari_matssl.export.run_tables import CORRECTED, PHASES, SUMMARY
from napari_matssl.files import check_room, check_writable_folder
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.project.folder import Project
from napari_matssl.tasks.batch import check_output_names, left_out, memory_errors, none_left
from napari_matssl.tasks.measuring.correcting import correct_project
from napari_matssl.tasks.measuring.measure_project import final_mask, final_origin, segmented_names
from napari_matssl.tasks.measuring.project_places import Places, places_that_count
from napari_matssl.tasks.provenance import new_run
from napari_matssl.tasks.recipe.run_guard import check_no_run


@dataclass(frozen=True)
class Exported:
    """The result of an export.

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


def existing_exports(project: Project, out: Path, outputs: Outputs) -> tuple[Path, ...]:
    """List the files that :func:`export_project` would overwrite.

    Raises
    ------
    OutputError
        If `out` is the folder of the images, or inside the project's own.
    """
    check_export_folder(project, out)
    paths = [out / CLASSES_FILE]
    paths += [out / PHASES, out / SUMMARY, out / CORRECTED] if outputs.tables else []
    for name in segmented_names(project):
        paths += [out / f"{Path(name).stem}{ending}" for ending in _endings(project, name, outputs)]
    return tuple(path for path in paths if path.exists())


def export_project(
    project: Project,
    out: Path,
    outputs: Outputs | None = None,
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
        ``phases.csv``, ``summary.csv``, ``corrected.csv``, and ``classes.json`` with the meaning
        of the ids. Of a panorama, the mask is ``<stem>_mask.tif``, and there is no overlay.
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
        If nothing is segmented, no image could be exported, or what is set for the project can't
        be read.
    OutputError
        If `out` can't be written, is the folder of the images, or inside the project's own.
    """
    outputs = outputs or Outputs()
    check_export_folder(project, out)
    project.look_again()
    chosen = segmented_names(project, names)
    if not chosen:
        raise InputError(
            f"No image in {project.folder} is segmented.", "Segment some images first."
        )
    check_writable_folder(out)
    table = project.classes.table
    check_room(out, round(_bytes(project, chosen, outputs)))
    results = ResultFolder(out, table, outputs, partial(correct_project, project))
    export = _Export(project, results, places_that_count(project, chosen))
    if (yield Progress("exporting", 0, len(chosen), message=results.remark())) is Control.STOP:
        return Exported(out, (), len(chosen), ())
    try:
        for number, name in enumerate(chosen, start=1):
            message = export.one(name)
            step = Progress("exporting", number, len(chosen), message=message)
            if (yield step) is Control.STOP:
                break
    except BaseException:  # such as a full disk, or the end of the program
        with contextlib.suppress(MatSSLError):
            results.finish()
        raise
    _, remark = results.finish()
    if not results.done and export.skipped:
        raise none_left(export.first, len(export.skipped))
    if remark:
        yield Progress("exporting", 1, 1, message=remark)
    return Exported(out, tuple(results.done), len(chosen), tuple(s.reason for s in export.skipped))


class _Export:
    """One export; `skipped` grows on the way."""

    def __init__(self, project: Project, results: ResultFolder, places: Places) -> None:
        self.skipped: list[Skipped] = []
        self.first: MatSSLError | None = None
        self._project, self._results, self._run = project, results, new_run()
        self._places = places

    def one(self, name: str) -> str:
        """Export one image; a line if it, or something of it, had to be left out."""
        results, table = self._results, self._results.table
        try:
            endings = _endings(self._project, name, results.outputs)
            check_output_names(Path(name), results.folder, endings)
            with memory_errors(name):
                image = self._project.micrographs.read_any(name)
                size, place = image.pixel_size, self._places.of(name)
                mask = final_mask(self._project, name, table, size)
                origin = final_origin(self._project, name, table, size)
                origin = origin.model_copy(update={"run": self._run})
                if isinstance(image, Micrograph):
                    results.write(image, mask, origin, place=place)
                else:
                    results.write_panorama(image, mask, origin, place)
                    return results.outputs.left_out_of(name)
        except (InputError, OutOfMemoryError) as error:
            self.first = self.first or error
            self.skipped.append(Skipped(printable(name), str(error), error.settings))
            return left_out(self.skipped[-1])
        return ""


def _endings(project: Project, name: str, outputs: Outputs) -> tuple[str, ...]:
    """Return the endings of what is written of an image."""
    return outputs.endings_of_panoramas if project.masks.is_large(name) else outputs.endings


def _bytes(project: Project, names: Sequence[str], outputs: Outputs) -> float:
    """Estimate how much is written; damaged masks show themselves later."""
    per_pixel, total = outputs.bytes_per_pixel(len(project.classes.table)), 0.0
    for name in names:
        path = project.masks.path(name)
        with contextlib.suppress(OSError, struct.error):
            if project.masks.is_large(name):  # it is packed again as it is packed now
                total += path.stat().st_size * len(outputs.endings_of_panoramas)
                continue
            with path.open("rb") as file:
                width, height = struct.unpack(">II", file.read(24)[16:])  # of a PNG
                total += width * height * per_pixel
    return total


def check_export_folder(project: Project, out: Path) -> None:
    """Refuse to write results among the images, or among what the project keeps.

    Raises
    ------
    OutputError
        If `out` is the folder of the images, inside the project's own, or holds a run of a recipe.
    """
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
    check_no_run(out)
