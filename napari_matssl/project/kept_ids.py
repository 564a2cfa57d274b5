"""Base of labels and masks: class ids, of the size of their image."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.project.id_images import IdImages
from napari_matssl.project.image_list import ImageList
from napari_matssl.project.kept_classes import KeptClasses
from napari_matssl.project.micrographs import Micrographs, PageChoice
from napari_matssl.project.own_folder import Place


@dataclass(frozen=True, eq=False)
class KeptIds:
    """Images of class ids by the names of the micrographs; parts of one project."""

    _files: IdImages
    _images: ImageList
    _micrographs: Micrographs
    _classes: KeptClasses
    _place: Place

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._files.folder

    def path(self, name: str, page: PageChoice = ...) -> Path:
        """Return where the file of an image, of a page of it, is, or would be."""
        page = self._micrographs.page(name, page)
        return self._files.path(self._micrographs.stem(name, page))

    def has(self, name: str) -> bool:
        """Whether an image has such a file."""
        return self.path(name).is_file()

    def _fitting(
        self, name: str, page: int | None, ids: NDArray[np.integer], what: str
    ) -> NDArray[np.uint8]:
        """Check that ids have the image's size and are classes, or 0."""
        height, width = self._micrographs.shape(name, page)
        if ids.shape != (height, width):
            size = " x ".join(str(n) for n in reversed(ids.shape))
            raise InputError(
                f"{what}: {size} pixels, but the image has {width} x {height}.",
                "Use the image's original size, or move one of the two files away.",
            )
        self._check_classes(count_values(ids), what)
        return ids.astype(np.uint8, copy=False)

    def _check_classes(self, counts: Mapping[int, int], what: str) -> None:
        """Check that values are classes, or 0; `counts` has the pixels of each."""
        strange = {v: n for v, n in counts.items() if v not in (0, *self._classes.table.ids)}
        if strange:
            raise InputError(
                f"{what}: values that are no class: {listed(strange)}.",
                f'Press "Add" below the classes until one has the id {max(strange)}, or take these '
                "pixels back (Ctrl+Z, or another file in its place).",
            )
