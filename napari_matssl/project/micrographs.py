"""The micrographs of a project, with what the user has set for each."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import EllipsisType
from typing import Any, Literal, cast

from napari_matssl.errors import InputError, StackError, one_line
from napari_matssl.labels.names import composed
from napari_matssl.labels.pairing import stem_of, stem_of_page
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.micrograph.place import ALL, Place
from napari_matssl.project.image_list import ImageList
from napari_matssl.project.panoramas import (
    InSight,
    KeptPanoramas,
    check_no_panorama,
    default_page,
    no_panoramas,
    size_of,
)
from napari_matssl.project.pixel_sizes import as_set, check_bar, guarded
from napari_matssl.project.record import ImageRecord, KeptRecord, Record

PageChoice = int | EllipsisType | None
"""Page of a file, from 1; None: the one that is read without a choice; ...: the one that counts."""

_AS_FOUND = {"pixel_size": None, "info_bar": "auto"}


class Micrographs:
    """Reading the images of a project; pixel sizes and info bars that were set go before."""

    def __init__(self, images: ImageList, record: KeptRecord, own: Path) -> None:
        self._images, self._record = images, record
        self._panoramas = KeptPanoramas(own)
        self._shapes: dict[tuple[str, int | None], tuple[int, int]] = {}
        self._held: tuple[str, int | None] | None = None

    @property
    def current(self) -> str | None:
        """The image that was shown last; on disk where there is a project and it can be written."""
        shown = composed(self._record.value.current or "")
        return next((name for name in self._images.names if composed(name) == shown), None)

    @current.setter
    def current(self, name: str | None) -> None:
        if name is not None:
            self._images.path(name)
        self._record.note(lambda record: record.model_copy(update={"current": name}))

    @property
    def analysed(self) -> tuple[str, ...]:
        """The images that the user hasn't excluded."""
        return tuple(
            name for name in self._images.names if not self._record.value.image(name).excluded
        )

    def is_excluded(self, name: str) -> bool:
        """Whether the user has excluded an image."""
        return self._record.value.image(name).excluded

    def set_excluded(self, names: Iterable[str], excluded: bool) -> None:
        """Exclude images from training, segmenting all, and measuring; or take them in again."""
        chosen = [self._images.path(name).name for name in names]
        self._set_for(chosen, excluded=excluded)

    def place(self, name: str) -> Place:
        """Return where an image's field was taken, as far as that was typed."""
        return self._record.value.image(name).place

    def set_places(self, places: Mapping[str, Place]) -> None:
        """Set where the fields of several images were taken, at once."""
        tidy = {self._images.path(name).name: _tidy(place) for name, place in places.items()}

        def change(record: Record) -> Record:
            for name, place in tidy.items():
                record = _with(record, name, place=place)
            return record

        self._record.change(change)

    def read(self, name: str, page: PageChoice = ...) -> Micrograph:
        """Read an image, with the pixel size and the info bar that the user has set.

        Raises
        ------
        InputError
            If the image can't be read, is a panorama, or the info bar that was set lies outside.
        StackError
            If its file is a stack of which no page was chosen.
        """
        page = self.page(name, page)
        path = self._images.path(name)
        check_no_panorama(path, page)
        image = self.read_any(name, page)
        if isinstance(image, Panorama):
            raise no_panoramas(path, image.height, image.width)
        return image

    def read_any(self, name: str, page: PageChoice = ...) -> AnyMicrograph:
        """Read an image of any size as :meth:`read`, a panorama without looking for a scale bar.

        Raises
        ------
        InputError, StackError
            As there, but for panoramas.
        """
        page = self.page(name, page)
        path, stem = self._images.path(name), self.stem(name, page)
        image = self._as_set(name, page, self._panoramas.read(path, page, stem))
        # Without its bar, an image has no scale bar to contradict it.
        return guarded(image, by_bar=self._record.value.image(name).info_bar is not None)

    def in_sight(self, name: str, page: PageChoice = ...) -> InSight | None:
        """Open a panorama to be shown at once, with what the user has set; None for other images.

        Raises
        ------
        InputError, StackError
            As :meth:`read_any`.
        """
        return self._in_sight(name, page, self._panoramas.in_sight)

    def look_over(self, name: str, page: PageChoice = ...) -> InSight | None:
        """Look through all of a panorama, unless that was done; None for other images.

        Raises
        ------
        InputError, StackError
            As :meth:`read_any`.
        """
        return self._in_sight(name, page, self._panoramas.look_over)

    def _in_sight(
        self,
        name: str,
        page: PageChoice,
        look: Callable[[Path, int | None, str], InSight | None],
    ) -> InSight | None:
        page = self.page(name, page)
        seen = look(self._images.path(name), page, self.stem(name, page))
        if seen is None:
            return None
        panorama = guarded(self._as_set(name, page, seen.panorama))
        return replace(seen, panorama=cast(Panorama, panorama))

    def _as_set(self, name: str, page: int | None, image: AnyMicrograph) -> AnyMicrograph:
        """Return an image with the pixel size and the info bar that the user has set."""
        self._shapes[name, page] = (image.height, image.width)
        return as_set(image, self._record.value.image(name))

    def set_pixel_size(self, name: str, size: PixelSize | None) -> None:
        """Set the pixel size of an image; None returns to that of its file."""
        self._images.path(name)
        self._set_for([name], pixel_size=_checked(size))

    def pixel_size_by_hand(self, name: str) -> PixelSize | None:
        """Return the pixel size that the user has set; None where the file's counts."""
        return self._record.value.image(name).pixel_size

    def set_pixel_size_of_all(self, size: PixelSize | None) -> None:
        """Set the pixel size of every image; None returns to those of the files."""
        self._set_for(self._images.names, pixel_size=_checked(size))

    def set_pixel_sizes(self, sizes: Mapping[str, PixelSize | None]) -> None:
        """Set the pixel sizes of several images at once; None returns to that of the file."""
        checked = {self._images.path(name).name: _checked(size) for name, size in sizes.items()}

        def change(record: Record) -> Record:
            for name, size in checked.items():
                record = _with(record, name, pixel_size=size)
            return record

        self._record.change(change)

    def set_info_bar(self, name: str, row: int | Literal["auto"] | None) -> None:
        """Set the first row of an image's info bar.

        Parameters
        ----------
        name
            The image.
        row
            None: there is no bar; ``"auto"``: as it is detected.

        Raises
        ------
        InputError
            If the row is outside the image.
        """
        self._images.path(name)
        if row is not None and row != "auto":
            check_bar(name, row, self.shape(name, self.page(name))[0])
            row = int(row)  # JSON takes no integers of NumPy
        self._set_for([name], info_bar=row)

    def page(self, name: str, chosen: PageChoice = ...) -> int | None:
        """Return the page of an image's file that counts, from 1; None: the default page.

        Strokes and masks belong to a page. What lies on others is kept, and counts nowhere.

        Parameters
        ----------
        name
            The image.
        chosen
            A page that is wanted whatever counts.
        """
        if chosen is not ...:
            return chosen
        held = self._held
        if held is not None and held[0] == name:
            return held[1]
        return self._record.value.image(name).page

    def begin_page(self, name: str) -> str:
        """Stay with the page of an image that is about to be shown, whatever other windows choose.

        Of a stack without a chosen page, it is the first from now on.

        Returns
        -------
        A line if that is so.

        Raises
        ------
        InputError
            If the file can't be opened, or the record is damaged.
        """
        self._held = None
        self._record.look_again()
        page, line = self.page(name), ""
        if page is None and default_page(self._images.path(name)) is None:
            page = 1
            line = (
                f"{name} is a stack: its first page is shown and counts. Choose another at "
                '"Page" under Micrographs.'
            )
            self._record.note(lambda record: _with(record, name, page=page))
        self._held = name, page
        return line

    def set_page(self, name: str, page: int) -> tuple[str, ...]:
        """Choose which page of an image's file counts, from 1.

        A pixel size and an info bar that were set by hand stay if the new page has the size of the
        old one; else they go.

        Returns
        -------
        Lines on what else that changes.

        Raises
        ------
        InputError
            If there is no such page, it can't be read, or another image has its name.
        OutputError
            If the choice can't be kept.
        """
        path = self._images.path(name)
        chosen = None if page == default_page(path) else page
        stem = stem_of_page(stem_of(name), chosen)
        other = next((n for n in self._images.names if n != name and stem_of(n) == stem), None)
        if other is not None:
            raise InputError(
                f"Page {page} of {name} would share its strokes with {other}.",
                f"Rename {other}, and open the folder again.",
            )
        before, settings = self.page(name), self._record.value.image(name)
        shape = size_of(path, chosen)
        others = {"page": None, "excluded": False, "place": Place()}
        by_hand = settings.model_copy(update=others) != ImageRecord()
        lost = by_hand and self._shape_or_none(name, before) != shape
        self._set_for([name], page=chosen, **(_AS_FOUND if lost else {}))
        self._shapes[name, chosen] = shape
        if self._held is not None and self._held[0] == name:
            self._held = name, chosen
        if not lost:
            return ()
        return (
            f"{name}: page {page} has another size; pixel size and info bar that were set by hand "
            "are those of the file again.",
        )

    def settings(self, name: str) -> ImageRecord:
        """Return what is set for an image, to go back to by :meth:`set_back`."""
        return self._record.value.image(name)

    def set_back(self, name: str, settings: ImageRecord) -> None:
        """Set for an image what was set before, its page, too.

        Raises
        ------
        OutputError
            If that can't be kept.
        """
        self._record.change(lambda record: record.with_image(name, settings))
        if self._held is not None and self._held[0] == name:
            self._held = name, settings.page

    def stem(self, name: str, page: int | None) -> str:
        """Return what labels and masks of a page of an image are called."""
        self._images.path(name)  # raises an error if there is no such image
        return stem_of_page(stem_of(name), page)

    def _shape_or_none(self, name: str, page: int | None) -> tuple[int, int] | None:
        """Height and width of a page; None of a stack without a choice."""
        try:
            return self.shape(name, page)
        except StackError:
            return None

    def shape(self, name: str, page: int | None) -> tuple[int, int]:
        """Height and width of a page of an image, as it was last read."""
        if (name, page) not in self._shapes:
            self._shapes[name, page] = size_of(self._images.path(name), page)
        return self._shapes[name, page]

    def _set_for(self, names: Sequence[str], **values: Any) -> None:
        self._record.change(lambda record: _with(record, *names, **values))


def _with(record: Record, *names: str, **values: Any) -> Record:
    """Return a record with other settings of some images."""
    for name in names:
        record = record.with_image(name, record.image(name).model_copy(update=values))
    return record


def _tidy(place: Place) -> Place:
    """Return a place whose words are single lines without blanks at their ends."""
    specimen, section, group = (
        one_line(" ".join(word.split())) for word in (place.specimen, place.section, place.group)
    )
    return Place(specimen, section, group or ALL)


def _checked(size: PixelSize | None) -> PixelSize | None:
    if size is None:
        return None
    x_um, y_um = float(size.x_um), float(size.y_um)  # layers hold numbers of NumPy
    if not all(0 < um < math.inf for um in (x_um, y_um)):
        raise InputError(f"A pixel can't be {x_um:g} x {y_um:g} µm.", "Give a size above 0.")
    return PixelSize(x_um, y_um, size.source)
