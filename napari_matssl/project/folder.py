"""A folder of micrographs with what was painted, segmented and set for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, OutputError
from napari_matssl.files import OvertakenError, stamp_of
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.pairing import stem_of, stem_of_page
from napari_matssl.labels.provenance import MaskFacts, Provenance, read_mask_facts
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.micrograph.reading import images_in
from napari_matssl.micrograph.thumbnail import thumbnail
from napari_matssl.project.finding import find_images, without_image
from napari_matssl.project.kept import ELSEWHERE, FOLDER
from napari_matssl.project.micrographs import Micrographs, PageChoice
from napari_matssl.project.planes import PLANES, keep_plane, plane_files
from napari_matssl.project.strokes import Saved, Version, merged
from napari_matssl.settings import Cleaning


@dataclass(frozen=True)
class ImageState:
    """What there is of an image: painted labels, a segmentation."""

    painted: bool
    segmented: bool


@dataclass(frozen=True)
class ImageFacts:
    """What a table of images shows of one.

    Parameters
    ----------
    name
        Name of the file.
    width, height
        Size in px, the info bar included.
    thumbnail
        ``(h, w, 3)``, RGB, the longer side 64 px.
    pixel_size, info_bar
        None when there is none.
    painted
        Painted pixels by class id.
    segmented
        Whether there is a mask.
    page, pages
        Which image of its file counts, from 1, and how many there are.
    """

    name: str
    width: int
    height: int
    thumbnail: NDArray[np.uint8]
    pixel_size: PixelSize | None
    info_bar: InfoBar | None
    painted: dict[int, int]
    segmented: bool
    page: int = 1
    pages: int = 1


class Project(Micrographs):
    """A folder of micrographs; made by :meth:`open`.

    Attributes
    ----------
    folder
        The folder of images.
    own
        The folder of all else: ``matssl`` in it, or a place elsewhere.
    names
        The images by the names of their files, in natural order; planes that were added come last.
    remarks
        What was left out when it was opened, and why.
    """

    _only: tuple[Path, ...] = ()

    @classmethod
    def open(cls, folder: Path, only: Sequence[Path] = (), own: Path | None = None) -> Self:
        """Open a folder; nothing is written but a copy of the painted labels, as they are now.

        Parameters
        ----------
        folder
            The folder of images. It may be read-only, until something is saved.
        only
            List just these files of the folder.
        own
            The folder of strokes, masks, classes and models, whose parent has to exist; None:
            ``matssl`` in the folder of images.

        Raises
        ------
        InputError
            If there is no such folder, no image in it, a file of `only` is elsewhere, or record
            or class table are damaged.
        """
        planes = () if only else plane_files((own or folder / FOLDER) / PLANES)
        names, taken, remarks = find_images(folder, only, planes)
        project = cls(folder.absolute(), names, remarks, None if own is None else own.absolute())
        project._only, project._planes = tuple(only), taken
        if not only:
            project.remarks += tuple(without_image(names, project._labels))
        why = project.hindrance
        if own is not None:
            project.remarks += (f"{folder}: strokes and masks are kept in {own}.",)
        if why is not None:
            line = f"{folder}: strokes, masks and classes can't be saved, as {why}. {ELSEWHERE}"
            project.remarks += (line,)
            return project
        try:
            project._labels.back_up(project.own / "labels-backup")
        except OutputError as error:  # no reason not to look at the images
            project.remarks += (f"The painted labels have no backup: {error.what}",)
        return project

    def refresh(self, keep: str | None = None) -> bool:
        """List the images of the folder anew; whether others are there than before.

        Labels, masks and settings of an image that is gone stay, for when it comes back. While the
        folder can't be listed or holds no image, the list stays as it is.

        Parameters
        ----------
        keep
            An image that stays in the list even if its file is gone: its strokes are being painted.
        """
        here = [path for path in self._only if path.exists()]
        if self._only and not here:
            return False
        planes = plane_files(self._planes_folder)
        if self._only:
            planes = [path for path in planes if path.name in self._planes]
        try:
            names, taken, _ = find_images(self.folder, here, planes)
        except InputError:
            return False
        if keep is not None and keep not in names:
            names = (*names, keep)
            taken |= {keep} & self._planes
        changed, self.names, self._planes = names != self.names, names, taken
        return changed

    def add_plane(self, title: str, micrograph: Micrograph) -> tuple[str, bool]:
        """Take in a plane of another program's image; one that is there isn't taken in again.

        Parameters
        ----------
        title
            What it shall be called, if that is free.
        micrograph
            What is in it.

        Returns
        -------
        Name of the image, and whether it is new.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        with self._lock, self._saving():
            images = images_in(self.folder)
            path, new = keep_plane(self._planes_folder, images, title, micrograph)
            if path.name not in self.names:
                self.names = (*self.names, path.name)
                if path.parent == self._planes_folder:
                    self._planes |= {path.name}
                elif self._only:
                    self._only = (*self._only, path)
            return path.name, new

    def label_path(self, name: str, page: PageChoice = ...) -> Path:
        """Where the painted labels of an image, on a page of its file, are, or would be."""
        return self._labels.path(self._stem(name, page))

    def mask_path(self, name: str, page: PageChoice = ...) -> Path:
        """Where the mask of an image, of a page of its file, is, or would be."""
        return self._masks.path(self._stem(name, page))

    def _stem(self, name: str, page: PageChoice) -> str:
        self.image_path(name)
        return stem_of_page(stem_of(name), self.page(name) if page is ... else page)

    def labels(self, name: str, page: PageChoice = ...) -> NDArray[np.uint8] | None:
        """Read the painted labels ``(H, W)``, 0 where unpainted; None if there are none.

        Raises
        ------
        InputError
            If they are damaged, of another size than the image, or hold more than the classes.
        """
        page = self.page(name) if page is ... else page
        version = self.label_version(name, page)
        self._labels.note(self.label_path(name, page), version)
        return None if version.ids is None else version.ids.copy()

    def label_version(self, name: str, page: PageChoice = ...) -> Version:
        """Read the painted labels with the stamp of their file, to hand to :meth:`save_labels`.

        Raises
        ------
        InputError
            As :meth:`labels`.
        """
        page = self.page(name) if page is ... else page
        path = self.label_path(name, page)
        version = self._labels.version(path)
        if version.ids is None:
            return version
        what = f"The labels {path}"
        try:
            return replace(version, ids=self._fitting(name, page, version.ids, what))
        except InputError:
            self._look_again()  # another window may have added a class
            return replace(version, ids=self._fitting(name, page, version.ids, what))

    def labels_changed(self, name: str, since: Version, page: PageChoice = ...) -> bool:
        """Whether somebody else has written or deleted the label file since it was read."""
        return stamp_of(self.label_path(name, page)) != since.stamp

    def save_labels(
        self,
        name: str,
        labels: NDArray[np.integer],
        since: Version | None = None,
        page: PageChoice = ...,
    ) -> Saved:
        """Write the painted labels of an image; without any paint, the file is removed.

        If another window or program has written them meanwhile, both are joined: see
        :func:`napari_matssl.project.strokes.merged`.

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
        page = self.page(name) if page is ... else page
        path = self.label_path(name, page)
        with self._lock, self._saving():
            ids = self._fitting(name, page, labels, f"The labels painted on {name}")
            if since is None:
                since = self._labels.noted(path)
            restored = self._with_painted_classes(ids)
            while True:
                theirs = since
                joined, remarks = ids, tuple[str, ...]()
                if self.labels_changed(name, since, page):
                    theirs = self.label_version(name, page)
                    there = np.zeros_like(ids) if theirs.erased_after(since) else theirs.ids
                    joined, remarks = merged(name, since, ids, there)
                    if theirs.ids is not None and np.array_equal(joined, theirs.ids):
                        return Saved(theirs, (*restored, *remarks))
                try:
                    if joined.any():
                        self._begin()
                    stamp = self._labels.write(path, joined, self.table, theirs.stamp)
                except OvertakenError:
                    continue  # written by another window between the look and the writing
                return Saved(Version(stamp, joined), (*restored, *remarks))

    def prepare_labels(
        self, name: str, labels: NDArray[np.uint8], wanted: Callable[[], bool], page: PageChoice
    ) -> None:
        """Pack labels in advance that are about to be painted on, as long as that is `wanted`."""
        self._labels.prepare(self.label_path(name, page), labels, wanted)

    def mask(self, name: str, page: PageChoice = ...) -> NDArray[np.uint8] | None:
        """Read the last segmentation ``(H, W)``, 0 where not analysed; None if there is none.

        Raises
        ------
        InputError
            As :meth:`labels`.
        """
        page = self.page(name) if page is ... else page
        path = self.mask_path(name, page)
        version = self._masks.version(path)
        self._masks.note(path, replace(version, ids=None))
        mask = version.ids
        return None if mask is None else self._fitting(name, page, mask, f"The mask {path}")

    @property
    def cleaning(self) -> Cleaning:
        """How masks are cleaned where they are shown and measured; of classes that exist."""
        return self._record.cleaning.within(self.table.ids)

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Set how masks are cleaned; see :func:`napari_matssl.measure.cleaning.clean_mask`."""
        with self._lock:
            self._keep(cleaning=cleaning.within(self.table.ids))

    @property
    def painted_counts(self) -> bool:
        """Whether painted pixels overrule the mask where it is measured and exported."""
        return self._record.painted_counts

    def set_painted_counts(self, counts: bool) -> None:
        """Set whether painted pixels overrule the mask."""
        with self._lock:
            self._keep(painted_counts=bool(counts))

    def mask_provenance(self, name: str) -> Provenance | None:
        """Tell how the last segmentation came about; None if there is none, or it doesn't tell."""
        return read_mask_facts(self.mask_path(name)).provenance

    def save_mask(
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
        A remark if it replaced a mask of somebody else's that was never read here.

        Raises
        ------
        InputError, OutputError
            As :meth:`save_labels`.
        """
        page = self.page(name) if page is ... else page
        path = self.mask_path(name, page)
        with self._lock, self._saving():
            self._look_again()
            ids = self._fitting(name, page, mask, f"The mask of {name}")
            self._begin()
            while True:
                there, known = stamp_of(path), self._masks.noted(path).stamp
                try:
                    self._masks.write(path, ids, self.table, there, facts)
                except OvertakenError:
                    continue
                if there in (None, known):
                    return ()
                return (
                    f"{name}: another window or program had segmented it meanwhile; that mask "
                    "was replaced.",
                )

    def state(self, name: str) -> ImageState:
        """Say what there is of an image on disk."""
        return ImageState(self.label_path(name).is_file(), self.mask_path(name).is_file())

    def painted(self, name: str) -> dict[int, int]:
        """Count the painted pixels on disk by class id, below the info bar's edge too."""
        return self._labels.counts(self.label_path(name))

    def painted_names(self) -> tuple[str, ...]:
        """List the images that have painted labels and aren't excluded."""
        return tuple(name for name in self.analysed if self.label_path(name).is_file())

    def painted_micrograph(self, name: str) -> PaintedMicrograph:
        """Read an image with its labels, to train on.

        Raises
        ------
        InputError
            If image or labels can't be read, don't fit, or nothing is painted.
        """
        page = self.page(name)
        micrograph = self.read(name, page)
        labels = self.labels(name, page)
        if labels is None:
            raise InputError(f"Nothing is painted on {name}.", "Paint a few strokes of each class.")
        return PaintedMicrograph(micrograph, labels)

    def survey(self, name: str) -> ImageFacts:
        """Gather what a table of images shows of one; may run in another thread.

        Raises
        ------
        InputError
            If the image or its labels can't be read.
        """
        micrograph = self.read(name)
        return ImageFacts(
            name=name,
            width=micrograph.width,
            height=micrograph.height,
            thumbnail=thumbnail(micrograph),
            pixel_size=micrograph.pixel_size,
            info_bar=micrograph.info_bar,
            painted=self.painted(name),
            segmented=self.state(name).segmented,
            page=micrograph.page,
            pages=micrograph.pages,
        )

    def _with_painted_classes(self, ids: NDArray[np.uint8]) -> tuple[str, ...]:
        """Take up others' classes; one that they deleted and that is painted here comes back."""
        known = self._classes
        self._look_again()
        gone = [one for one in known.table.classes if one.id not in self.table.ids]
        back = [one for one in gone if (ids == one.id).any()]
        for one in back:
            self._edit(lambda classes, one=one: classes.with_back(one))  # type: ignore[misc]
        return tuple(
            f'The class "{one.name}" was deleted in another window, and is painted in this one: '
            "it is kept."
            for one in back
        )

    def _fitting(
        self, name: str, page: int | None, ids: NDArray[np.integer], what: str
    ) -> NDArray[np.uint8]:
        """Make sure that ids have the image's size and are classes, or 0."""
        height, width = self._shape(name, page)
        if ids.shape != (height, width):
            size = " x ".join(str(n) for n in reversed(ids.shape))
            raise InputError(
                f"{what}: {size} pixels, but the image has {width} x {height}.",
                "Use the image's original size, or move one of the two files away.",
            )
        counts = count_values(ids)
        strange = {v: n for v, n in counts.items() if v not in (0, *self.table.ids)}
        if strange:
            raise InputError(
                f"{what}: values that are no class: {listed(strange)}.",
                f'Press "Add" below the classes until one has the id {max(strange)}, or take these '
                "pixels back (Ctrl+Z, or another file in its place).",
            )
        return ids.astype(np.uint8, copy=False)


class KeptStrokes:
    """The label file of the image that is painted on, and what was last read from or written to it.

    Parameters
    ----------
    project, name
        The image.
    version
        As it was read.
    page
        Of the image's file, as :meth:`Project.page` tells it. It stays, whatever is chosen later.
    """

    def __init__(
        self, project: Project, name: str, version: Version, page: int | None = None
    ) -> None:
        self._project, self._name, self._version = project, name, version
        self._page = page

    def save(self, ids: NDArray[np.uint8]) -> Saved:
        """Write the strokes, joined with what somebody else has painted meanwhile.

        Raises
        ------
        InputError, OutputError
            As :meth:`Project.save_labels`.
        """
        saved = self._project.save_labels(self._name, ids, self._version, self._page)
        self._version = saved.version
        return saved

    def prepare(self, wanted: Callable[[], bool]) -> None:
        """Make the first saving as quick as later ones; ends early once that isn't `wanted`."""
        if self._version.ids is not None:
            self._project.prepare_labels(self._name, self._version.ids, wanted, self._page)

    def written_elsewhere(self) -> bool:
        """Whether somebody else has written or deleted the file; asked by the window that paints.

        So it shows others, too, that this window is still there.
        """
        self._project.presence.keep_up()
        return self._project.labels_changed(self._name, self._version, self._page)
