"""Settings of measuring masks."""

from typing import Any, Final, Literal

from pydantic import field_validator

from napari_matssl.settings.base import Settings
from napari_matssl.settings.fields import setting
from napari_matssl.settings.grains import GrainSettings
from napari_matssl.settings.layers import LayerSettings
from napari_matssl.settings.nodules import NoduleSettings

MEASURES: Final = ("phases", "objects", "grains", "layers", "nodules")
"""What can be measured."""

LineDirection = Literal["0", "90", "both"]
"""Direction of test lines: 0 along the rows, 90 along the columns."""


class MeasureSettings(Settings):
    """Settings of measuring masks."""

    measures: str = setting("phases", f"what to measure, with commas between: {','.join(MEASURES)}")
    line_direction: LineDirection = setting(
        "0", "test lines of objects: 0 along the rows, 90 along the columns, in degrees, or both"
    )
    mixed: bool = setting(
        False, "allow masks of different pixel size in one group", title="Mixed pixel sizes"
    )
    grains: GrainSettings = setting(GrainSettings(), "how grain size is measured")
    layers: LayerSettings = setting(LayerSettings(), "how layers are measured")
    nodules: NoduleSettings = setting(NoduleSettings(), "which particles are nodules")

    @field_validator("measures", mode="before")
    @classmethod
    def _of_a_list(cls, value: Any) -> Any:
        """Take a list of a JSON file for the same as words with commas between."""
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return ",".join(value)
        return value

    @field_validator("line_direction", mode="before")
    @classmethod
    def _of_a_number(cls, value: Any) -> Any:
        """Take a number of a JSON file."""
        return str(value) if isinstance(value, int) else value

    @field_validator("measures")
    @classmethod
    def _are_known(cls, value: str) -> str:
        chosen = _words(value)
        unknown = [one for one in chosen if one not in MEASURES]
        if unknown or not chosen:
            named = ", ".join(unknown) or "nothing"
            raise ValueError(f"{named} can't be measured, but {', '.join(MEASURES)} can")
        return ",".join(chosen)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The measures, each once, in the order in which they were given."""
        return _words(self.measures)

    @property
    def directions(self) -> tuple[int, ...]:
        """The directions of test lines in degrees."""
        return (0, 90) if self.line_direction == "both" else (int(self.line_direction),)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (word.strip().lower() for word in text.split(",")))))
