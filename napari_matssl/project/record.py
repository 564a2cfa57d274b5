"""The record of a project: what the user has set that stands in no image, table or mask."""

import math
from pathlib import Path
from types import EllipsisType
from typing import Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_matssl.errors import InputError
from napari_matssl.files import Stamp, atomic_write, read_json, stamp_of
from napari_matssl.labels.names import composed
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings import Cleaning

FORMAT_VERSION: Final = 1
_OLD_SIZES: Final = ("smallest_region", "largest_hole")


class ImageRecord(BaseModel):
    """What the user has set for one image.

    Parameters
    ----------
    pixel_size
        None: what the file says.
    info_bar
        First row of the bar, None for no bar, ``"auto"`` for what is detected.
    excluded
        The image counts nowhere: it isn't trained on, segmented with the others, or measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixel_size: PixelSize | None = None
    info_bar: int | Literal["auto"] | None = "auto"
    excluded: bool = False

    @field_validator("pixel_size")
    @classmethod
    def _is_a_length(cls, size: PixelSize | None) -> PixelSize | None:
        if size is not None and not all(0 < um < math.inf for um in (size.x_um, size.y_um)):
            raise ValueError("a pixel size must be above 0")
        return size


class Record(BaseModel):
    """What ``project.json`` holds; names of images are those of their files, without folders.

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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    current: str | None = None
    class_order: tuple[int, ...] = ()
    former_names: dict[str, int] = Field(default_factory=dict)
    images: dict[str, ImageRecord] = Field(default_factory=dict)
    cleaning: Cleaning = Cleaning()
    painted_counts: bool = True

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

    def write(self, path: Path, expected: Stamp | EllipsisType | None = ...) -> None:
        """Write the record as JSON, atomically, over the file that is `expected` there."""
        with atomic_write(path, expected) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


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
        raise InputError(f"{path} is damaged ({detail}).", _START_ANEW) from error


_START_ANEW = (
    "Move the file away: labels, masks and classes stay; pixel sizes and info bars set by hand "
    "have to be set again."
)
