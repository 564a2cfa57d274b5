"""The masks of a project, and how they are cleaned and measured."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_matssl.files import OvertakenError, stamp_of
from napari_matssl.labels.provenance import MaskFacts, Provenance, read_mask_facts
from napari_matssl.project.kept_ids import KeptIds
from napari_matssl.project.micrographs import PageChoice
from napari_matssl.project.record import KeptRecord
from napari_matssl.settings import Cleaning


@dataclass(frozen=True, eq=False)
class KeptMasks(KeptIds):
    """Masks by the names of the images, and how they are cleaned."""

    _record: KeptRecord

    def read(self, name: str, page: PageChoice = ...) -> NDArray[np.uint8] | None:
        """Read the last segmentation ``(H, W)``, 0 where not analysed; None if there is none.

        Raises
        ------
        InputError
            If it is damaged, of another size than the image, or holds more than the classes.
        """
        page = self._micrographs.page(name, page)
        path = self.path(name, page)
        version = self._files.version(path)
        self._files.note(path, replace(version, ids=None))
        mask = version.ids
        return None if mask is None else self._fitting(name, page, mask, f"The mask {path}")

    def write(
        self,
        name: str,
        mask: NDArray[np.integer],
        facts: MaskFacts | None = None,
        page: PageChoice = ...,
    ) -> tuple[str, ...]:
        """Write a segmentation ``(H, W)`` in this project's class ids, 0 where not analysed.

        It replaces whatever mask is there: masks aren't merged, as one is one model's.

        Parameters
        ----------
        name, mask
            The image, and what was found on it.
        facts
            Pixel size and provenance, which the file keeps.
        page
            Of the image's file that was segmented.

        Returns
        -------
        A remark if it replaced another program's mask that was never read here.

        Raises
        ------
        InputError
            If it is of another size than the image, or holds more than the classes.
        OutputError
            If it can't be written.
        """
        page = self._micrographs.page(name, page)
        path = self.path(name, page)
        with self._place.lock, self._place.saving():
            self._classes.look_again()
            ids = self._fitting(name, page, mask, f"The mask of {name}")
            self._classes.begin()
            while True:
                there, known = stamp_of(path), self._files.noted(path).stamp
                try:
                    self._files.write(path, ids, self._classes.table, there, facts)
                except OvertakenError:
                    continue
                if there in (None, known):
                    return ()
                return (
                    f"{name}: another window or program had segmented it meanwhile; that mask "
                    "was replaced.",
                )

    def provenance(self, name: str) -> Provenance | None:
        """Return the provenance of the last segmentation; None if there is none."""
        return read_mask_facts(self.path(name)).provenance

    def share_of(self, class_id: int) -> dict[str, float]:
        """Return which masks have a class.

        Returns
        -------
        Share of the class in all that is segmented, 0 to 1, by the name of the image; by that of
        the mask's file where its image isn't listed.
        """
        return {
            self._images.owner(path): pixels / sum(self._files.counts(path).values())
            for path, pixels in self._files.use_of(class_id)
        }

    @property
    def cleaning(self) -> Cleaning:
        """The cleaning of masks that are shown and measured; of classes that exist."""
        return self._record.value.cleaning.within(self._classes.table.ids)

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Set how masks are cleaned; see :func:`napari_matssl.measure.cleaning.clean_mask`."""
        kept = cleaning.within(self._classes.table.ids)
        self._record.change(lambda record: record.model_copy(update={"cleaning": kept}))

    @property
    def painted_counts(self) -> bool:
        """Whether painted pixels overrule the mask where it is measured and exported."""
        return self._record.value.painted_counts

    def set_painted_counts(self, counts: bool) -> None:
        """Set whether painted pixels overrule the mask."""
        update = {"painted_counts": bool(counts)}
        self._record.change(lambda record: record.model_copy(update=update))
