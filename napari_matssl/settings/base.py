"""Base of all settings: presets, files and error messages."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from napari_matssl.errors import SettingsError
from napari_matssl.files import read_json, write_json
from napari_matssl.settings.draft import Draft
from napari_matssl.settings.fields import group_of, key_of

NameOf = Callable[[Sequence[str]], str]


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown fields, JSON on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    former: ClassVar[Mapping[str, str]] = {}
    """Remarks on renamed settings, by the names in files of earlier versions."""

    @classmethod
    def make(
        cls,
        given: Mapping[str, Any] | None = None,
        file: Path | None = None,
        name_of: NameOf = key_of,
    ) -> Self:
        """Build settings from a settings file, then values that were given one by one.

        A preset among them also sets other fields; see
        :meth:`~napari_matssl.settings.draft.Draft.change`.

        Parameters
        ----------
        file
            A JSON file as :meth:`write` writes it; may hold only some of the fields.
        name_of
            Gives names to the fields `given` in an error; others are named with the file.

        Raises
        ------
        SettingsError
            If a name is unknown, a value is out of bounds, or the file is unreadable.
        """
        given = given or {}
        draft = cls.draft({} if file is None else read_values(file)).change(given)

        def name(path: Sequence[str]) -> str:
            beside = file is None or path[0] in given
            return name_of(path) if beside else f"{file}: {key_of(path)}"

        return cls.check(draft.values, name)

    @classmethod
    def draft(cls, values: Mapping[str, Any]) -> Draft[Self]:
        """Begin with the values of a file, which may name some fields only."""
        draft = Draft(cls, cls().model_dump()).change(values)
        return Draft(cls, draft.values)

    @classmethod
    def check(cls, values: Mapping[str, Any], name_of: NameOf = key_of) -> Self:
        """Make settings of the values of all fields.

        Parameters
        ----------
        name_of
            Gives names to fields in an error.

        Raises
        ------
        SettingsError
            If a name is unknown, a value is out of bounds, or values contradict each other.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise cls._refusal(error, name_of) from error

    @classmethod
    def check_field(cls, name: str, value: Any, name_of: NameOf = key_of) -> None:
        """Check one value by itself: it may contradict others, which the next change can resolve.

        Raises
        ------
        SettingsError
            If it is out of the field's bounds.
        """
        try:
            cls.model_validate({name: value})
        except ValidationError as error:
            if any(finding["loc"] for finding in error.errors()):
                raise cls._refusal(error, name_of) from error

    def write(self, path: Path) -> None:
        """Write all values as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def _refusal(cls, error: ValidationError, name_of: NameOf) -> SettingsError:
        """Return pydantic's findings as one error: field, value, bound."""
        parts: dict[str, str] = {}
        settings = ""
        for finding in error.errors():
            path = cls._path_of(finding["loc"])
            message = finding["msg"].removeprefix("Value error, ")
            if not path:
                parts[""] = message[:1].upper() + message[1:]
            elif finding["type"] == "extra_forbidden":
                what = cls.former.get(path[0], "is no setting")
                parts[path[0]] = f"{name_of(path)} {what}"
            else:
                key = f"{name_of(path)} = {finding['input']!r}"
                start = f"{parts[key]}, or" if key in parts else f"{key}:"
                parts[key] = f"{start} {message.lower()}"
            settings = finding.get("ctx", {}).get("settings", settings)
        return SettingsError("; ".join(parts.values()) + ".", settings=settings)

    @classmethod
    def _path_of(cls, place: Sequence[int | str]) -> list[str]:
        """Return the path of the field that a finding is about."""
        if not place:
            return []
        name, *inner = map(str, place)
        field = cls.model_fields.get(name)
        group = None if field is None else group_of(field)
        return [name, *inner[: 1 if group else 0]]


def contradiction(message: str, settings: str) -> PydanticCustomError:
    """Return a validator's error for values that contradict each other."""
    return PydanticCustomError("contradiction", message, {"settings": settings})


def read_values(path: Path) -> dict[str, Any]:
    """Read a file of settings, unchecked.

    Raises
    ------
    SettingsError
        If it is no JSON object.
    """
    values = read_json(path, "Give a JSON file of settings.", SettingsError)
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no settings.", "Give a JSON object of settings.")
    return values
