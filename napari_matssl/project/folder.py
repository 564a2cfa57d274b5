"""A folder of micrographs with what was painted, segmented and set for each."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import OutputError
from napari_matssl.project.first_look import without_image
from napari_matssl.project.id_images import IdImages
from napari_matssl.project.image_list import ImageList
from napari_matssl.project.kept_classes import KeptClasses
from napari_matssl.project.kept_points import KeptPoints
from napari_matssl.project.labels import KeptLabels
from napari_matssl.project.masks import KeptMasks
from napari_matssl.project.merging_strokes import Saved, Version
from napari_matssl.project.micrographs import Micrographs
from napari_matssl.project.models import KeptModels
from napari_matssl.project.own_folder import ELSEWHERE, FOLDER, Place
from napari_matssl.project.presence import Presence
from napari_matssl.project.record import KeptRecord
from napari_matssl.project.writable import hindrance


class Project:
    """An open folder of micrographs; nothing is written but a copy of the painted labels.

    Parameters
    ----------
    folder
        The folder of images. It may be read-only, until something is saved.
    only
        List just these files of the folder.
    own
        The folder of strokes, masks, classes and models, whose parent has to exist; None:
        ``matssl`` in the folder of images.

    Attributes
    ----------
    folder, own
        The folder of images, and that of all else.
    images
        Which images there are.
    micrographs
        Reading them, on the page that counts, with what the user has set for each.
    record
        What the user has set, as it is kept.
    classes, labels, masks, models
        What was painted, segmented and trained.
    points
        Points at which classes were counted by eye.
    presence
        Shows others that a window has the folder open, once that has called its ``enter``.
    remarks
        What was left out when it was opened, and why.

    Raises
    ------
    InputError
        If there is no such folder, no image in it, a file of `only` is elsewhere, or record
        or class table are damaged.
    """

    def __init__(self, folder: Path, only: Sequence[Path] = (), own: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.own = self.folder / FOLDER if own is None else own.absolute()
        self._place = place = Place(self.own)
        self.images = ImageList(self.folder, place, only)
        self.record = record = KeptRecord(place)
        labels, masks = IdImages(self.own / "labels"), IdImages(self.own / "masks", pyramids=True)
        self.classes = KeptClasses(self.folder, place, record, labels, masks)
        self.micrographs = Micrographs(self.images, record, self.own)
        self.labels = KeptLabels(labels, self.images, self.micrographs, self.classes, place)
        self.masks = KeptMasks(masks, self.images, self.micrographs, self.classes, place, record)
        self.points = KeptPoints(place, self.micrographs, self.classes, record)
        self.models = KeptModels(place, record)
        self.presence = Presence(self.folder, self.own, place.check)
        self.remarks = (*self.images.remarks, *self.classes.remarks)
        if not only:
            self.remarks += tuple(without_image(self.images.names, labels))
        if own is not None:
            self.remarks += (f"{folder}: strokes and masks are kept in {own}.",)
        why = self.hindrance
        if why is not None:
            line = f"{folder}: strokes, masks and classes can't be saved, as {why}. {ELSEWHERE}"
            self.remarks += (line,)
            return
        try:
            labels.back_up(self.own / "labels-backup")
        except OutputError as error:  # images can be viewed without a backup
            self.remarks += (f"The painted labels have no backup: {error.what}",)

    def look_again(self) -> bool:
        """Take up classes and settings that another window or program has written meanwhile.

        Returns
        -------
        Whether there are any; which image another window shows is none.

        Raises
        ------
        InputError
            If their files are damaged now.
        """
        with self._place.lock:
            record, table = self.record.value, self.classes.table
            self.classes.look_again()
            now = self.record.value
            if now is record and self.classes.table is table:
                return False
            alike = now.model_copy(update={"current": record.current}) == record
            return not alike or self.classes.table != table

    @property
    def hindrance(self) -> str | None:
        """Why nothing can be saved at present; None where nothing speaks against it."""
        return hindrance(self.own) or self.record.refused


class KeptStrokes:
    """The label file of the image that is painted on, and what was last read from or written to it.

    Parameters
    ----------
    project, name
        The image.
    version
        As it was read.
    page
        Of the image's file, as :meth:`Micrographs.page` tells it; it stays, whatever is chosen
        later.
    """

    def __init__(
        self, project: Project, name: str, version: Version, page: int | None = None
    ) -> None:
        self._project, self._name, self._version = project, name, version
        self._page = page

    def at(self, project: Project) -> "KeptStrokes":
        """Return the file in another place, to which this one was copied.

        The strokes that were last read or saved stay what later ones are painted on.
        """
        return KeptStrokes(project, self._name, Version(None, self._version.ids), self._page)

    def save(self, ids: NDArray[np.uint8]) -> Saved:
        """Write the strokes, joined with strokes of other programs.

        Raises
        ------
        InputError, OutputError
            As :meth:`KeptLabels.write`.
        """
        saved = self._project.labels.write(self._name, ids, self._version, self._page)
        self._version = saved.version
        return saved

    def prepare(self, wanted: Callable[[], bool]) -> None:
        """Make the first saving as quick as later ones; ends early once that isn't `wanted`."""
        if self._version.ids is not None:
            self._project.labels.prepare(self._name, self._version.ids, wanted, self._page)

    def written_elsewhere(self) -> bool:
        """Whether another program has written or deleted the file; for the window that paints.

        So it shows others, too, that this window is still there.
        """
        self._project.presence.keep_up()
        return self._project.labels.changed(self._name, self._version, self._page)
