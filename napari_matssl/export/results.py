"""A folder of results: masks, overlays and tables, the same for each job that writes them."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_matssl.errors import OutputError, printable
from napari_matssl.export.lettering import undrawable
from napari_matssl.export.mask_pyramid import write_mask_pyramid
from napari_matssl.export.masks import write_mask, write_mask_tiff
from napari_matssl.export.outputs import MASK_PNG, MASK_TIFF, OVERLAY, PROBABILITIES, Outputs
from napari_matssl.export.overlay import write_overlay
from napari_matssl.export.run_tables import RunTables
from napari_matssl.files import atomic_write, unwritable
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.names import few
from napari_matssl.labels.provenance import MaskFacts, Provenance, mask_sha256, read_mask_facts
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.measure.phases import PhaseFraction, counted_phases, phase_fractions
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.mask_text import KEY
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.micrograph.place import Place

_BAND = 512  # rows of a panorama at a time


@dataclass(frozen=True)
class ImageFiles:
    """Writes the files of single images into a folder; processes may do so beside each other.

    Parameters
    ----------
    folder
        It exists, or is made.
    table
        The classes of the masks.
    outputs
        What is written.
    """

    folder: Path
    table: ClassTable
    outputs: Outputs

    def write(
        self,
        micrograph: Micrograph,
        mask: NDArray[np.uint8],
        origin: Provenance | None = None,
        probabilities: NDArray[np.uint8] | None = None,
        place: Place | None = None,
    ) -> list[PhaseFraction]:
        """Write the files of one image, named after its file.

        The mask comes last: where one names its run, what else was written with it is there.

        Parameters
        ----------
        mask
            ``(H, W)``, class ids, and the table's ``not_analysed`` where there is no class.
        origin
            How the mask came about.
        probabilities
            ``(K, H, W)``; written if there are any.
        place
            Where the field was taken, for the tables.

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
        size, table, outputs = micrograph.pixel_size, self.table, self.outputs
        phases = phase_fractions(micrograph.name, mask, table, size, origin, place)
        if origin is not None:
            origin = origin.model_copy(update={"mask_sha256": mask_sha256([mask])})
        if outputs.overlays:
            fractions = {phase.class_id: phase.fraction_percent for phase in phases}
            write_overlay(self.path(micrograph.name, OVERLAY), micrograph, mask, table, fractions)
        if probabilities is not None:
            self._write_probabilities(micrograph, probabilities, origin or Provenance())
        if outputs.masks_tiff:
            write_mask_tiff(self.path(micrograph.name, MASK_TIFF), mask, size, origin, table)
        if outputs.masks_png:
            facts = MaskFacts(size, origin, table)
            write_mask(self.path(micrograph.name, MASK_PNG), mask, table, facts=facts)
        return phases

    def write_panorama(
        self,
        panorama: Panorama,
        read: Callable[[int, int], NDArray[np.uint8]],
        pixels: Mapping[int, int],
        origin: Provenance,
        place: Place | None = None,
    ) -> list[PhaseFraction]:
        """Write the mask of a panorama as a TIFF with smaller copies, if any mask was chosen.

        Parameters
        ----------
        read
            Returns the rows of the mask from one to before another.
        pixels
            How many of them each value of the mask has.
        origin, place
            As for :meth:`write`.

        Returns
        -------
        The phase fractions.

        Raises
        ------
        OutputError
            If the file can't be written.
        """
        size, table = panorama.pixel_size, self.table
        path, extent = self.path(panorama.name, MASK_TIFF), (panorama.height, panorama.width)
        if self.outputs.endings_of_panoramas:
            bands = (
                read(row, min(row + _BAND, panorama.height))
                for row in range(0, panorama.height, _BAND)
            )
            origin = origin.model_copy(update={"mask_sha256": mask_sha256(bands)})
            write_mask_pyramid(path, read, extent, table, MaskFacts(size, origin, table))
        return counted_phases(panorama.name, pixels, table, size, origin, place)

    def path(self, name: str, ending: str) -> Path:
        """Return where a file of an image is written."""
        return self.folder / f"{Path(name).stem}{ending}"

    def _write_probabilities(
        self, micrograph: Micrograph, probabilities: NDArray[np.uint8], origin: Provenance
    ) -> None:
        metadata = {
            "axes": "CYX",
            "classes": list(self.table.names),
            KEY: origin.model_dump(mode="json"),
        }
        with atomic_write(self.path(micrograph.name, PROBABILITIES)) as temporary:
            tifffile.imwrite(
                temporary,
                probabilities,
                compression="zlib",
                photometric="minisblack",
                metadata=metadata,
            )


class ResultFolder:
    """A folder that a run writes its images into, and tables at the end.

    Parameters
    ----------
    folder
        It may hold the results of another run.
    table
        The classes of the masks.
    outputs
        What is written.
    correct
        Corrects fractions for the error of the model that found them.

    Attributes
    ----------
    files
        Writes the files of single images.
    done
        Names of the images that were written.
    corrected
        The corrected fractions of all, after :meth:`finish`.
    """

    def __init__(
        self,
        folder: Path,
        table: ClassTable,
        outputs: Outputs,
        correct: Callable[[Sequence[PhaseFraction]], CorrectedFractions],
    ) -> None:
        self.folder, self.table, self.outputs = folder, table, outputs
        self.files = ImageFiles(folder, table, outputs)
        self.done: list[str] = []
        self.corrected = CorrectedFractions()
        self._correct = correct
        self._tables = RunTables(folder)
        self._rows: list[PhaseFraction] = []
        self._begun = False
        self._old_classes: bytes | None = None

    def remark(self) -> str:
        """Return remarks for the user before anything is written."""
        remarks = [self._tables.remark()] if self.outputs.tables else []
        remarks += [undrawable(self.table.names)] if self.outputs.overlays else []
        return "\n".join(filter(None, remarks))

    def begin(self) -> None:
        """Make ready for the files of an image.

        Tables of other runs are renamed. At the first call, ``classes.json`` gets what the ids
        mean, also if the run ends early.

        Raises
        ------
        OutputError
            If that can't be done.
        """
        if self.outputs.tables:
            self._tables.set_aside()
        if self._begun:
            return
        self._begun = True
        path = self.folder / CLASSES_FILE
        try:
            self._old_classes = path.read_bytes() if path.is_file() else None
        except OSError as error:
            raise unwritable(path, error) from error
        self.table.write(path)

    def write(
        self,
        micrograph: Micrograph,
        mask: NDArray[np.uint8],
        origin: Provenance | None = None,
        place: Place | None = None,
    ) -> list[PhaseFraction]:
        """Write the files of one image, as :meth:`ImageFiles.write`, and add its fractions."""
        self.begin()
        phases = self.files.write(micrograph, mask, origin, place=place)
        self.add(micrograph.name, phases)
        return phases

    def write_panorama(
        self,
        panorama: Panorama,
        mask: NDArray[np.uint8],
        origin: Provenance,
        place: Place | None = None,
    ) -> None:
        """Write the mask of a panorama, as :meth:`ImageFiles.write_panorama`; add its fractions."""
        self.begin()
        pixels = count_values(mask)
        rows = self.files.write_panorama(
            panorama, lambda start, stop: mask[start:stop], pixels, origin, place
        )
        self.add(panorama.name, rows)

    def add(self, name: str, phases: Sequence[PhaseFraction]) -> None:
        """Add the fractions of an image whose files are there."""
        self._rows += phases
        self.done.append(name)

    def finish(self, restore: bool = True) -> tuple[tuple[Path, ...] | None, str]:
        """Write the tables of what is done.

        Parameters
        ----------
        restore
            If nothing is done, make all as it was. Not where files may have been written
            that nobody has reported.

        Returns
        -------
        Where the tables are, if there are any (phases, summary, corrected), and lines if they are
        not where they were wanted, or of masks that another run has replaced.

        Raises
        ------
        OutputError
            If they can't be written.
        """
        if not self.done:
            if restore:
                self._restore()
            return None, ""
        self.corrected = self._correct(self._rows)
        if self.outputs.tables:
            tables, remark = self._tables.write(self._rows, self.corrected.rows)
            return tables, "\n".join(filter(None, [remark, self._remark_on_replaced()]))
        return None, self._remark_on_replaced()

    def _remark_on_replaced(self) -> str:
        """Return a line on masks of this run that another one has replaced meanwhile."""
        runs = {row.image: row.origin.run for row in self._rows if row.origin is not None}
        endings = [MASK_PNG] * self.outputs.masks_png + [*self.outputs.endings_of_panoramas]
        others = []
        for name in self.done:
            paths = [self.files.path(name, ending) for ending in endings]
            mask = next((path for path in paths if path.is_file()), None)
            origin = None if mask is None else read_mask_facts(mask).provenance
            if origin is not None and origin.run != runs.get(name, origin.run):
                others.append(printable(name))
        if not others:
            return ""
        return (
            f"Another run has replaced the masks of {few(others, 8)} meanwhile, but the figures "
            "are those of this one: segment these images again, into another folder."
        )

    def _restore(self) -> None:
        """Give old tables their names and the class table its content back."""
        self._tables.restore()
        if not self._begun:
            return
        path, old = self.folder / CLASSES_FILE, self._old_classes
        with contextlib.suppress(OutputError, OSError):
            if old is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != old:
                with atomic_write(path) as temporary:
                    temporary.write_bytes(old)
