"""The micrographs of a project, with what the user has set for each."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from napari_matssl.errors import InputError, OutputError
from napari_matssl.labels.names import composed
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.project.hindrance import hindrance
from napari_matssl.project.models import KeptModels
from napari_matssl.project.planes import PLANES
from napari_matssl.project.presence import Presence
from napari_matssl.project.record import Record

_LOG = logging.getLogger(__name__)


class Micrographs(KeptModels):
    """Reading the images of a project; pixel sizes and info bars that were set go before.

    Parameters
    ----------
    folder, names, remarks, own
        As for :class:`KeptClasses`.

    Attributes
    ----------
    presence
        Tells others that a window has the folder open, once that has called its ``enter``.
    """

    def __init__(
        self, folder: Path, names: tuple[str, ...], remarks: list[str], own: Path | None = None
    ) -> None:
        super().__init__(folder, names, remarks, own)
        self._refused: str | None = None
        self._shapes: dict[str, tuple[int, int]] = {}
        self.presence = Presence(folder, self.own, self._check_place)
        self._planes_folder = self.own / PLANES
        self._planes: frozenset[str] = frozenset()

    @property
    def current(self) -> str | None:
        """The image that was shown last; on disk where there is a project and it can be written."""
        shown = composed(self._record.current or "")
        return next((name for name in self.names if composed(name) == shown), None)

    @current.setter
    def current(self, name: str | None) -> None:
        if name is not None:
            self.image_path(name)
        with self._lock:
            try:
                if self.own.is_dir():
                    self._keep(current=name)
                else:  # looking at images leaves no trace; the first stroke writes it along
                    self._record = self._record.model_copy(update={"current": name})
                self._refused = None
            except OutputError as error:  # whoever only looks at images needs no error
                _LOG.info("The current image isn't kept: %s", error)
                self._refused = error.what.rstrip(".")
                self._record = self._record.model_copy(update={"current": name})

    @property
    def hindrance(self) -> str | None:
        """Why nothing can be saved at present; None where nothing speaks against it."""
        return hindrance(self.own) or self._refused

    @property
    def analysed(self) -> tuple[str, ...]:
        """The images that the user hasn't excluded."""
        return tuple(name for name in self.names if not self._record.image(name).excluded)

    def set_excluded(self, names: Iterable[str], excluded: bool) -> None:
        """Exclude images from training, segmenting all, and measuring; or take them in again."""
        chosen = [self.image_path(name).name for name in names]
        self._set_for(chosen, excluded=excluded)

    def image_path(self, name: str) -> Path:
        """Return the file of an image: in the folder, or among the planes below ``matssl``.

        Raises
        ------
        InputError
            If the project has no such image.
        """
        if name not in self.names:
            raise InputError(f"{self.folder} has no image {name}.", "Open the folder again.")
        return (self._planes_folder if name in self._planes else self.folder) / name

    def read(self, name: str) -> Micrograph:
        """Read an image, with the pixel size and the info bar that the user has set.

        Raises
        ------
        InputError
            If the image can't be read, or the info bar that was set lies outside.
        """
        micrograph = read_micrograph(self.image_path(name))
        self._shapes[name] = (micrograph.height, micrograph.width)
        settings = self._record.image(name)
        if settings.pixel_size is not None:
            micrograph = replace(micrograph, pixel_size=settings.pixel_size)
        if settings.info_bar == "auto":
            return micrograph
        if settings.info_bar is None:
            return micrograph.with_info_bar(None)
        _check_bar(name, settings.info_bar, micrograph.height)
        return micrograph.with_info_bar(InfoBar(settings.info_bar, "set by hand"))

    def set_pixel_size(self, name: str, size: PixelSize | None) -> None:
        """Set the pixel size of an image; None goes back to what its file says."""
        self.image_path(name)
        self._set_for([name], pixel_size=_checked(size))

    def pixel_size_by_hand(self, name: str) -> PixelSize | None:
        """Return the pixel size that the user has set; None where the file's counts."""
        return self._record.image(name).pixel_size

    def set_pixel_size_of_all(self, size: PixelSize | None) -> None:
        """Set the pixel size of every image; None goes back to what the files say."""
        self._set_for(self.names, pixel_size=_checked(size))

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
        self.image_path(name)
        if row is not None and row != "auto":
            _check_bar(name, row, self._shape(name)[0])
            row = int(row)  # numpy's integers aren't JSON's
        self._set_for([name], info_bar=row)

    def _shape(self, name: str) -> tuple[int, int]:
        """Height and width of an image, as it was last read."""
        if name not in self._shapes:
            self.read(name)
        return self._shapes[name]

    def _set_for(self, names: Sequence[str], **values: Any) -> None:
        def changed(record: Record) -> Record:
            for name in names:
                settings = record.image(name).model_copy(update=values)
                record = record.with_image(name, settings)
            return record

        self._change_record(changed)


def _checked(size: PixelSize | None) -> PixelSize | None:
    if size is not None and not all(0 < um < math.inf for um in (size.x_um, size.y_um)):
        raise InputError(
            f"A pixel can't be {size.x_um:g} x {size.y_um:g} µm.", "Give a size above 0."
        )
    return size


def _check_bar(name: str, row: int, height: int) -> None:
    if not 0 < row < height:
        raise InputError(
            f"The info bar of {name} can't start at row {row}: the image has {height} rows.",
            "Set it to a row inside the image, or back to automatic.",
        )
