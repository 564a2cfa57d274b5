"""What a recipe holds: everything that decides a figure, but the images."""

from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.learn.card import LARGEST_PIXEL_UM, SMALLEST_PIXEL_UM
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings import Cleaning, LimitSettings, MeasureSettings, PredictSettings
from napari_matssl.settings.measuring import MEASURES
from napari_matssl.settings.report_details import ReportDetails

FORMAT_VERSION: Final = 1

STATED: Final = "stated in the recipe"
"""Source of a pixel size that a recipe has for images without one."""

_Line = Annotated[
    str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$")
]
_Side = Annotated[float, Field(ge=SMALLEST_PIXEL_UM, le=LARGEST_PIXEL_UM)]


def _is_a_file_name(name: str) -> str:
    if name != PurePath(name).name or "\\" in name or not name.endswith(".safetensors"):
        raise ValueError("is no name of a model file")
    return name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(_Part):
    """When and with what a recipe was saved; a run elsewhere lists what differs.

    Parameters
    ----------
    saved
        ISO 8601.
    program, torch
        Versions.
    device
        That would segment there, with its number format.
    """

    saved: _Line
    program: _Line
    torch: _Line
    device: _Line

    @field_validator("saved")
    @classmethod
    def _is_a_time(cls, saved: str) -> str:
        datetime.fromisoformat(saved)
        return saved


class RecipeModel(_Part):
    """The model of a recipe; its file is part of the recipe.

    Parameters
    ----------
    file
        Name of the file.
    sha256
        Its checksum.
    created
        When its training ended.
    """

    file: Annotated[_Line, AfterValidator(_is_a_file_name)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created: _Line


class CalibrationRules(_Part):
    """Which pixel size counts.

    Parameters
    ----------
    expected_um
        Of the model's images, um/px, with which those of a run are compared; None: they have none.
    stated_um
        Width and height of a pixel, for images without a pixel size; None: these stay without.
    """

    expected_um: _Side | None = None
    stated_um: tuple[_Side, _Side] | None = None

    @property
    def stated(self) -> PixelSize | None:
        """The size for images without one."""
        return None if self.stated_um is None else PixelSize(*self.stated_um, STATED)


class MeasureRules(_Part):
    """What is measured.

    Parameters
    ----------
    settings
        Of all measures.
    classes
        Names of the classes by measure; a measure without names takes all.
    """

    settings: MeasureSettings
    classes: dict[str, tuple[_Line, ...]] = Field(default_factory=dict)

    @field_validator("classes")
    @classmethod
    def _of_measures(cls, classes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if unknown := classes.keys() - set(MEASURES):
            raise ValueError(f"{min(unknown)} is no measure")
        return classes


class Recipe(_Part):
    """A locked way from images to a report.

    Parameters
    ----------
    name
        What it is called.
    origin
        When and with what it was saved.
    model
        The model.
    classes
        Those of the model, in its ids.
    segmenting
        How images are segmented; cleaning and device are no part of it.
    cleaning
        Of masks, by the model's ids.
    calibration
        Which pixel size counts.
    measuring
        What is measured.
    report
        What stands in each report; specimen and operator are blank, as each run asks for them.
    limits
        By which images are accepted.
    """

    format_version: Literal[1] = FORMAT_VERSION
    name: Annotated[_Line, StringConstraints(min_length=1)]
    origin: Origin
    model: RecipeModel
    classes: ClassTable
    segmenting: PredictSettings
    cleaning: Cleaning
    calibration: CalibrationRules
    measuring: MeasureRules
    report: ReportDetails
    limits: LimitSettings

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names, ids = set(self.classes.names), set(self.classes.ids)
        for measured in self.measuring.classes.values():
            if strange := [one for one in measured if one not in names]:
                raise ValueError(f"{strange[0]} is measured, but no class")
        if strange_ids := set(self.cleaning.of_class) - ids:
            raise ValueError(f"class {min(strange_ids)} is cleaned, but no class")
        if self.segmenting.cleaning != Cleaning() or self.segmenting.device != "auto":
            raise ValueError("cleaning and device are no settings of segmenting here")
        if self.report.specimen or self.report.operator:
            raise ValueError("specimen and operator can't be fixed")
        return self

    @property
    def prediction(self) -> PredictSettings:
        """The settings of segmenting with the sizes of cleaning."""
        return self.segmenting.with_cleaning(self.cleaning)

    def rules(self) -> tuple[tuple[str, str], ...]:
        """List in words what it fixes, for reports and for those who look at it."""
        names = dict(zip(self.classes.ids, self.classes.names, strict=True))
        measured = [
            f"{one} ({', '.join(self.measuring.classes[one])})"
            if self.measuring.classes.get(one)
            else one
            for one in self.measuring.settings.chosen
        ]
        stated = self.calibration.stated
        rules = [
            ("Saved", f"{self.origin.saved}, napari-matssl {self.origin.program}"),
            ("Model", f"{self.model.file}, trained {self.model.created}"),
            ("Classes", ", ".join(self.classes.names)),
            ("Cleaning", self.cleaning.in_words(names) or "none"),
            ("Measures", ", ".join(measured)),
            ("Images without a pixel size", f"have {stated.in_words}" if stated else "have none"),
        ]
        return (*rules, *self.limits.in_words(self.calibration.expected_um))
