"""A folder of results: masks, overlays and tables, the same for each job that writes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_matssl.export.lettering import undrawable
from napari_matssl.export.masks import write_mask, write_mask_tiff
from napari_matssl.export.overlay import write_overlay
from napari_matssl.export.run_tables import RunTables
from napari_matssl.files import atomic_write
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.labels.provenance import MaskFacts, Provenance
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.measure.phases import PhaseFraction, phase_fractions
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.mask_text import KEY
from napari_matssl.micrograph.place import Place

MASK_PNG: Final = "_mask.png"
MASK_TIFF: Final = "_mask.tif"
OVERLAY: Final = "_overlay.png"
PROBABILITIES: Final = "_probabilities.tif"


@dataclass(frozen=True)
class Outputs:
    """Files that are written for each image, and for all together.

    Parameters
    ----------
    masks_png, masks_tiff
        Class ids as pixel values: with the classes' colours, with the pixel size for ImageJ.
    overlays
        The mask over its micrograph, with legend and scale bar.
    tables
        ``phases.csv``, ``summary.csv`` and ``corrected.csv``.
    probabilities
        Of each class, 0 to 255, where a model has just segmented.
    """

    masks_png: bool = True
    masks_tiff: bool = True
    overlays: bool = True
    tables: bool = True
    probabilities: bool = False

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings that are added to an image's stem for its files."""
        endings = [MASK_PNG] * self.masks_png + [MASK_TIFF] * self.masks_tiff
        return (*endings, *[OVERLAY] * self.overlays, *[PROBABILITIES] * self.probabilities)

    def bytes_per_pixel(self, classes: int) -> float:
        """Estimate how much is written per pixel of the images; noise hardly compresses."""
        masks = 0.05 * self.masks_png + 1.0 * self.masks_tiff
        return masks + 1.0 * self.overlays + 0.1 * classes * self.probabilities


class ResultFolder:
    """A folder that a run writes its images into, one after another, and tables at the end.

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
        self.done: list[str] = []
        self.corrected = CorrectedFractions()
        self._correct = correct
        self._tables = RunTables(folder)
        self._rows: list[PhaseFraction] = []

    def remark(self) -> str:
        """Return remarks for the user before anything is written."""
        remarks = [self._tables.remark()] if self.outputs.tables else []
        remarks += [undrawable(self.table.names)] if self.outputs.overlays else []
        return "\n".join(filter(None, remarks))

    def write(
        self,
        micrograph: Micrograph,
        mask: NDArray[np.uint8],
        origin: Provenance | None = None,
        probabilities: NDArray[np.uint8] | None = None,
        place: Place | None = None,
    ) -> list[PhaseFraction]:
        """Write the files of one image, named after its file.

        With the first one, tables of the run before are renamed, and
        ``classes.json`` lists what the ids mean, also if the run ends early.

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
        if not self.done:
            if outputs.tables:
                self._tables.set_aside()
            table.write(self.folder / CLASSES_FILE)
        if outputs.masks_png:
            facts = MaskFacts(size, origin, table)
            write_mask(self._path(micrograph, MASK_PNG), mask, table, facts=facts)
        if outputs.masks_tiff:
            write_mask_tiff(self._path(micrograph, MASK_TIFF), mask, size, origin, table)
        if outputs.overlays:
            fractions = {phase.class_id: phase.fraction_percent for phase in phases}
            write_overlay(self._path(micrograph, OVERLAY), micrograph, mask, table, fractions)
        if probabilities is not None:
            self._write_probabilities(micrograph, probabilities, origin or Provenance())
        self._rows += phases
        self.done.append(micrograph.name)
        return phases

    def finish(self) -> tuple[tuple[Path, ...] | None, str]:
        """Write the tables of what is done; give the old ones their names back if nothing is.

        Returns
        -------
        Where the tables are, if there are any (phases, summary, corrected), and a line if they are
        not where they were wanted.

        Raises
        ------
        OutputError
            If they can't be written.
        """
        if not self.done:
            self._tables.restore()
            return None, ""
        self.corrected = self._correct(self._rows)
        if self.outputs.tables:
            return self._tables.write(self._rows, self.corrected.rows)
        return None, ""

    def _path(self, micrograph: Micrograph, ending: str) -> Path:
        return self.folder / f"{Path(micrograph.name).stem}{ending}"

    def _write_probabilities(
        self, micrograph: Micrograph, probabilities: NDArray[np.uint8], origin: Provenance
    ) -> None:
        metadata = {
            "axes": "CYX",
            "classes": list(self.table.names),
            KEY: origin.model_dump(mode="json"),
        }
        with atomic_write(self._path(micrograph, PROBABILITIES)) as temporary:
            tifffile.imwrite(
                temporary,
                probabilities,
                compression="zlib",
                photometric="minisblack",
                metadata=metadata,
            )
