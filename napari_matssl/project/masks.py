"""The masks of a project, and how they are cleaned and measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.export.mask_pyramid import write_mask_pyramid
from napari_matssl.files import OvertakenError, stamp_of, unwritable
from napari_matssl.labels.provenance import MaskFacts, Provenance, read_mask_facts
from napari_matssl.micrograph.mask_levels import MaskLevels
from napari_matssl.project.id_images import PYRAMID, pyramid_beside
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

    def is_large(self, name: str) -> bool:
        """Whether an image has a mask that is kept as that of a panorama."""
        path = self.path(name)
        return path.suffix == PYRAMID and path.is_file()

    def growing_path(self, name: str, page: PageChoice = ...) -> Path:
        """Return the file in which the mask of a panorama grows until it is finished."""
        page = self._micrographs.page(name, page)
        stem = self._micrographs.stem(name, page)
        return self._files.folder / f"{stem}.unfinished"

    def begin_growing(self, name: str, page: PageChoice = ...) -> Path:
        """Make ready for a mask that grows, and return its file.

        Raises
        ------
        OutputError
            If the folder can't be written.
        """
        path = self.growing_path(name, page)
        with self._place.lock, self._place.saving():
            self._classes.begin()
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise unwritable(path, error) from error
        return path

    def levels(self, name: str, page: PageChoice = ...) -> MaskLevels | None:
        """Open the last segmentation of a panorama, to be read by parts; None if there is none.

        Raises
        ------
        InputError
            If it is damaged, or of another size than the image.
        """
        page = self._micrographs.page(name, page)
        path = self.path(name, page)
        if path.suffix != PYRAMID or not path.is_file():
            return None
        levels = MaskLevels(path)
        if levels.shapes[0] != self._micrographs.shape(name, page):
            raise InputError(
                f"The mask {path} has another size than its image.", "Segment the image again."
            )
        return levels

    def write_panorama(
        self,
        name: str,
        read: Callable[[int, int], NDArray[np.uint8]],
        pixels: Mapping[int, int],
        facts: MaskFacts,
        page: PageChoice = ...,
    ) -> None:
        """Write the mask of a panorama, by rows; it replaces whatever mask is there.

        Parameters
        ----------
        name
            The image.
        read
            Returns the rows from one to before another, in this project's class ids.
        pixels
            How many pixels each id has.
        facts, page
            As for :meth:`write`.

        Raises
        ------
        InputError
            If it holds more than the classes.
        OutputError
            If it can't be written.
        """
        page = self._micrographs.page(name, page)
        size = self._micrographs.shape(name, page)
        with self._place.lock, self._place.saving():
            self._classes.look_again()
            self._check_classes(pixels, f"The mask of {name}")
            self._classes.begin()
            plain = self._files.folder / f"{self._micrographs.stem(name, page)}.png"
            write_mask_pyramid(pyramid_beside(plain), read, size, self._classes.table, facts)
            self._files.remove(plain)

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
