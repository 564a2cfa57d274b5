"""The painted labels of a project, which several windows may write."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import OvertakenError, stamp_of
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.sparse_ids import copy_of, same
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.project.kept_ids import KeptIds
from napari_matssl.project.merging_strokes import Saved, Version, merged
from napari_matssl.project.micrographs import PageChoice
from napari_matssl.project.panorama_parts import painted_parts


class KeptLabels(KeptIds):
    """Painted labels by the names of the images."""

    def read(self, name: str, page: PageChoice = ...) -> NDArray[np.uint8] | None:
        """Read the painted labels ``(H, W)``, 0 where unpainted; None if there are none.

        Raises
        ------
        InputError
            If they are damaged, of another size than the image, or hold more than the classes.
        """
        page = self._micrographs.page(name, page)
        version = self.version(name, page)
        self._files.note(self.path(name, page), version)
        return None if version.ids is None else copy_of(version.ids)

    def version(self, name: str, page: PageChoice = ...) -> Version:
        """Read the painted labels with the stamp of their file, to hand to :meth:`write`.

        Raises
        ------
        InputError
            As :meth:`read`.
        """
        page = self._micrographs.page(name, page)
        path = self.path(name, page)
        version = self._files.version(path)
        if version.ids is None:
            return version
        what = f"The labels {path}"
        try:
            return replace(version, ids=self._fitting(name, page, version.ids, what))
        except InputError:
            self._classes.look_again()  # another window may have added a class
            return replace(version, ids=self._fitting(name, page, version.ids, what))

    def changed(self, name: str, since: Version, page: PageChoice = ...) -> bool:
        """Whether another program has written or deleted the label file since it was read."""
        return stamp_of(self.path(name, page)) != since.stamp

    def write(
        self,
        name: str,
        labels: NDArray[np.integer],
        since: Version | None = None,
        page: PageChoice = ...,
    ) -> Saved:
        """Write the painted labels of an image; without any paint, the file is removed.

        If another window or program has written them meanwhile, both are joined: see
        :func:`napari_matssl.project.merging_strokes.merged`.

        Parameters
        ----------
        name
            The image.
        labels
            ``(H, W)``, class ids, 0 where unpainted.
        since
            What they were painted on; None: what was read or saved here last.
        page
            Of the image's file that they were painted on.

        Raises
        ------
        InputError
            If they are of another size than the image, or hold more than the classes; or if the
            others' labels can't be read, or don't fit.
        OutputError
            If they can't be written.
        """
        page = self._micrographs.page(name, page)
        path = self.path(name, page)
        with self._place.lock, self._place.saving():
            ids = self._fitting(name, page, labels, f"The labels painted on {name}")
            if since is None:
                since = self._files.noted(path)
            restored = self._classes.look_again_painting(ids)
            while True:
                theirs = since
                joined, remarks = ids, tuple[str, ...]()
                if self.changed(name, since, page):
                    theirs = self.version(name, page)
                    there = np.zeros_like(ids) if theirs.erased_after(since) else theirs.ids
                    joined, remarks = merged(name, since, ids, there)
                    if theirs.ids is not None and same(joined, theirs.ids):
                        return Saved(theirs, (*restored, *remarks))
                try:
                    if joined.any():
                        self._classes.begin()
                    stamp = self._files.write(path, joined, self._classes.table, theirs.stamp)
                except OvertakenError:
                    continue  # another window wrote it after it was read
                return Saved(Version(stamp, joined), (*restored, *remarks))

    def prepare(
        self, name: str, labels: NDArray[np.uint8], wanted: Callable[[], bool], page: PageChoice
    ) -> None:
        """Pack labels in advance that are about to be painted on, as long as that is `wanted`."""
        self._files.prepare(self.path(name, page), labels, wanted)

    def counts(self, name: str) -> dict[int, int]:
        """Count the painted pixels on disk by class id, below the info bar's edge too."""
        return self._files.counts(self.path(name))

    def use_of(self, class_id: int) -> dict[str, int]:
        """Count the painted pixels of a class.

        Returns
        -------
        Pixels by the name of the image; by that of the label file where its image isn't listed.
        """
        used = self._files.use_of(class_id)
        return {self._images.owner(path): pixels for path, pixels in used}

    def names(self) -> tuple[str, ...]:
        """List the images that have painted labels and aren't excluded."""
        return tuple(name for name in self._micrographs.analysed if self.has(name))

    def painted_parts(self, name: str) -> tuple[PaintedMicrograph, ...]:
        """Read an image with its labels, to train on; of a panorama the parts with strokes.

        Raises
        ------
        InputError
            As :meth:`with_micrograph`.
        """
        page = self._micrographs.page(name)
        image = self._micrographs.read_any(name, page)
        labels = self._painted(name, page)
        if isinstance(image, Panorama):
            return painted_parts(image, labels)
        return (PaintedMicrograph(image, labels),)

    def with_micrograph(self, name: str) -> PaintedMicrograph:
        """Read an image with its labels, to train on.

        Raises
        ------
        InputError
            If image or labels can't be read, don't fit, or nothing is painted.
        """
        page = self._micrographs.page(name)
        micrograph = self._micrographs.read(name, page)
        return PaintedMicrograph(micrograph, self._painted(name, page))

    def _painted(self, name: str, page: int | None) -> NDArray[np.uint8]:
        labels = self.read(name, page)
        if labels is None:
            raise InputError(f"Nothing is painted on {name}.", "Paint a few strokes of each class.")
        return labels
