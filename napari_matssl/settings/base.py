"""What all settings have in common: presets, files, and errors in words."""

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_matssl.errors import SettingsError
from napari_matssl.files import read_json, write_json

ENCODERS = (
    "tf_efficientnet_lite0",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "se_resnet50",
    "densenet121",
    "efficientnet-b0",
    "efficientnet-b3",
)
"""Encoder networks that forms offer; any other of smp or timm can be typed. The first is the one
whose ImageNet weights need no download."""

_WEIGHTS = ("imagenet", "micrographs", "random")
_FILES = (".safetensors", ".pth", ".pt", ".tar", ".ckpt")


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown fields, JSON on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    former: ClassVar[dict[str, str]] = {}
    """What became of settings that files of earlier versions hold, by their names then."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    @classmethod
    def make(cls, given: dict[str, Any] | None = None, file: Path | None = None) -> Self:
        """Build settings from a settings file, then a preset, then single values.

        Parameters
        ----------
        given
            Values that were given one by one; None means "not given". A ``preset`` among them
            replaces what the preset names and leaves the rest. Epochs alone lift a limit of
            minutes and the other way round; given both, a job ends with the first.
        file
            A JSON file as :meth:`write` writes it; may hold only some of the fields.

        Raises
        ------
        SettingsError
            If a name is unknown, a value is out of bounds, or the file is unreadable.
        """
        chosen = {name: value for name, value in (given or {}).items() if value is not None}
        values = _read_json(file) if file is not None else {}
        _lift_other_limit(values, values)
        source = f"{file}: " if file is not None else ""
        preset = chosen.get("preset", None if file is not None else cls._default_preset())
        named = cls._of_preset(preset or values.get("preset"), {**values, **chosen})
        values = {**named, **values} if preset is None else {**values, **named, "preset": preset}
        _lift_other_limit(chosen, values)
        try:
            return cls.model_validate({**values, **chosen})
        except ValidationError as error:
            raise SettingsError(
                f"{source}{_explain(error, cls.former)}", "See --help for bounds."
            ) from error

    @classmethod
    def _of_preset(cls, preset: object, values: dict[str, Any]) -> dict[str, Any]:
        """Give what a preset names; `values` are the others, on which it may depend."""
        return cls.presets.get(str(preset), {})

    @classmethod
    def _default_preset(cls) -> str | None:
        field = cls.model_fields.get("preset")
        return None if field is None else str(field.default)

    def write(self, path: Path) -> None:
        """Write all values as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))


def check_end(epochs: int | None, minutes: float | None) -> None:
    """Refuse settings of a job that would never end."""
    if epochs is None and minutes is None:
        raise ValueError("give epochs or minutes")


def _lift_other_limit(given: dict[str, Any], values: dict[str, Any]) -> None:
    """Epochs alone lift a limit of minutes, and the other way round."""
    if ("epochs" in given) != ("minutes" in given):
        values["minutes" if "epochs" in given else "epochs"] = None


def _read_json(path: Path) -> dict[str, Any]:
    values = read_json(path, "Give a JSON file of settings.", SettingsError)
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no settings.", "Give a JSON object of settings.")
    return values


def check_names_a_network(encoder: str) -> str:
    """Refuse an encoder that is the place of weights: earlier versions had them there."""
    if encoder in _WEIGHTS or encoder.lower().endswith(_FILES):
        raise ValueError(
            "encoder names a network; where its weights come from is a setting of its own, weights"
        )
    return encoder


def _explain(error: ValidationError, former: dict[str, str]) -> str:
    """Put pydantic's findings into one line: field, value, bound."""
    parts = []
    for finding in error.errors():
        field = ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "extra_forbidden":
            renamed = former.get(field)
            parts.append(f"{field} {renamed}" if renamed else f"there is no setting {field!r}")
        elif field:
            message = finding["msg"].removeprefix("Value error, ").lower()
            parts.append(f"{field} = {finding['input']!r}: {message}")
        else:
            parts.append(finding["msg"].removeprefix("Value error, "))
    return "; ".join(parts) + "."
