"""The record of a project: what the user has set that stands in no image, table or mask."""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from types import EllipsisType
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from napari_matssl.errors import InputError, OutputError
from napari_matssl.files import Stamp, damaged_file, read_json, stamp_of, write_json
from napari_matssl.labels.names import composed
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.place import Place as FieldPlace
from napari_matssl.project.own_folder import Place
from napari_matssl.project.retried_edit import SharedFile
from napari_matssl.settings import Cleaning
from napari_matssl.settings.report_details import ReportDetails

FORMAT_VERSION: Final = 1
_LOG = logging.getLogger(__name__)
_OLD_SIZES: Final = ("smallest_region", "largest_hole")


class ImageRecord(BaseModel):
    """The user's settings of one image.

    Parameters
    ----------
    pixel_size
        None: that of the file.
    info_bar
        First row of the bar, None for no bar, ``"auto"`` for what is detected.
    excluded
        The image counts nowhere: it isn't trained on, segmented with the others, or measured.
    page
        Which image of a file that holds several counts, from 1; None: the one that is read
        without a choice.
    place
        Where the field was taken: specimen, section, and the group that it is measured in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixel_size: PixelSize | None = None
    info_bar: int | Literal["auto"] | None = "auto"
    excluded: bool = False
    page: int | None = Field(default=None, ge=1)
    place: FieldPlace = FieldPlace()

    @field_validator("pixel_size")
    @classmethod
    def _is_a_length(cls, size: PixelSize | None) -> PixelSize | None:
        if size is not None and not all(0 < um < math.inf for um in (size.x_um, size.y_um)):
            raise ValueError("a pixel size must be above 0")
        return size


class ModelRecord(BaseModel):
    """Name and note of a model, which its file doesn't hold.

    A note within the file would change its checksum, by which masks name it.

    Parameters
    ----------
    file
        Its name now, or when it was deleted.
    created
        When its training ended, as its card has it.
    former
        What it was called before.
    note
        A line of the user's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    created: str = ""
    former: tuple[str, ...] = ()
    note: str = ""

    @field_validator("file")
    @classmethod
    def _in_one_form(cls, name: str) -> str:
        return composed(name)

    @property
    def names(self) -> tuple[str, ...]:
        """All names that it has or had."""
        return (self.file, *self.former)

    def noted(self, note: str) -> "ModelRecord":
        """Return it with another note."""
        return self.model_copy(update={"note": note})

    def renamed(self, file: str) -> "ModelRecord":
        """Return it under another name."""
        plain = composed(file)
        former = tuple(name for name in self.names if name != plain)
        return self.model_copy(update={"file": plain, "former": former})


class Record(BaseModel):
    """Content of ``project.json``; names of images are those of their files, without folders.

    They are kept in one Unicode form (NFC), as copying may change that of a file's name.

    Parameters
    ----------
    current
        The image that was shown last.
    class_order
        Ids of the classes in the user's order; classes that are missing here follow by id.
    former_names
        Id of the class that once had a name.
    images
        What was set for single images, by name.
    cleaning
        How masks are cleaned before they are shown and measured; the files hold them as found.
    painted_counts
        Painted pixels overrule the mask where it is measured and exported.
    models
        Models that were renamed or deleted, or that have a note.
    details
        What reports of this folder say of the specimen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    current: str | None = None
    class_order: tuple[int, ...] = ()
    former_names: dict[str, int] = Field(default_factory=dict)
    images: dict[str, ImageRecord] = Field(default_factory=dict)
    cleaning: Cleaning = Cleaning()
    painted_counts: bool = True
    models: tuple[ModelRecord, ...] = ()
    details: ReportDetails = ReportDetails()

    @model_validator(mode="before")
    @classmethod
    def _with_sizes_of_all(cls, data: Any) -> Any:
        """Take up the two sizes that records held before classes could have their own."""
        if isinstance(data, dict) and "cleaning" not in data:
            old = {name: data[name] for name in _OLD_SIZES if name in data}
            rest = {name: value for name, value in data.items() if name not in old}
            return {**rest, "cleaning": old} if old else data
        return data

    @field_validator("images", "former_names")
    @classmethod
    def _names_in_one_form(cls, by_name: dict[str, Any]) -> dict[str, Any]:
        return {composed(name): kept for name, kept in by_name.items()}

    def image(self, name: str) -> ImageRecord:
        """Return what was set for an image."""
        return self.images.get(composed(name), ImageRecord())

    def with_image(self, name: str, settings: ImageRecord) -> "Record":
        """Return the record with other settings of one image."""
        plain = composed(name)
        others = {key: kept for key, kept in self.images.items() if key != plain}
        changed = {} if settings == ImageRecord() else {plain: settings}
        return self.model_copy(update={"images": {**others, **changed}})

    def model(self, name: str, created: str) -> ModelRecord:
        """Return what is known of a model that has or had this name."""
        plain = composed(name)
        alike = [one for one in self.models if one.created == created and plain in one.names]
        now = [one for one in alike if one.file == plain]
        return next(iter(now or alike), ModelRecord(file=plain, created=created))

    def with_model(self, model: ModelRecord) -> "Record":
        """Return the record with what is now known of a model, under whatever name."""
        others = [one for one in self.models if not _is_same(one, model)]
        return self.model_copy(update={"models": (*others, model)})

    def write(self, path: Path, expected: Stamp | EllipsisType | None = ...) -> None:
        """Write the record as JSON, atomically, over the file that is `expected` there."""
        # In its mode for JSON, pydantic makes U+FFFD of each byte of a name that is no UTF-8.
        write_json(path, self.model_dump(), expected)


class KeptRecord(SharedFile[Record]):
    """The record of a project, on disk.

    Attributes
    ----------
    refused
        Why the last thing that was noted while looking at images is not on disk; None if it is.

    Raises
    ------
    InputError
        If it is damaged.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place, place.record_path, read_record, Record.write)
        self.refused: str | None = None

    def note(self, change: Callable[[Record], Record]) -> None:
        """Change the record by looking at images: on disk if there is a project that is writable.

        Looking leaves no trace; the first stroke writes it along. Whoever only looks needs no
        error.
        """
        with self._place.lock:
            try:
                if self._place.own.is_dir():
                    self.change(change)
                else:
                    self.value = change(self.value)
                self.refused = None
            except OutputError as error:
                _LOG.info("What is looked at isn't kept: %s", error)
                self.refused = error.what.rstrip(".")
                self.value = change(self.value)


def _is_same(one: ModelRecord, other: ModelRecord) -> bool:
    return one.created == other.created and one.file in other.names


def read_record(path: Path) -> Record:
    """Read a record; an empty one where there is no file.

    Raises
    ------
    InputError
        If the file can't be read, is damaged, or was written by a newer version.
    """
    if stamp_of(path) is None:
        return Record()
    data = read_json(path, _START_ANEW)
    version = data.get("format_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InputError(
            f"{path} was written by a newer version (format {version}, known is {FORMAT_VERSION}).",
            "Update napari-matssl.",
        )
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        detail = f"{place}: {first['msg']}" if place else first["msg"]
        raise damaged_file(path, detail, _START_ANEW) from error


_START_ANEW = (
    "Move the file away: labels, masks and classes stay; pixel sizes and info bars set by hand "
    "have to be set again."
)
