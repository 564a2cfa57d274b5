"""What stands in a report, brought together before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.measure.size_distribution import ObjectSizes
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.settings.report_details import ReportDetails

FIELDS = "fields.csv"
PHASES = "phases.csv"
SUMMARY = "summary.csv"
CORRECTED = "corrected.csv"
GRAINS = "grains.csv"
COUNT = "point_count.csv"
COUNT_SUMMARY = "point_count_summary.csv"
VERDICTS = "verdicts.csv"
"""Names of tables that a report knows by name; all others are taken as they are."""


@dataclass(frozen=True)
class SourceFile:
    """A file that the figures come from, or stand in.

    Parameters
    ----------
    role
        ``"table"``, ``"mask"``, ``"strokes"``, ``"image"``, ``"model"`` or ``"input"``.
    name
        Of the file.
    place
        Its path from the folder of the report, with ``/``; absolute on another drive.
    sha256
        Checksum, 64 hexadecimal digits.
    """

    role: str
    name: str
    place: str
    sha256: str


@dataclass(frozen=True)
class Overlay:
    """A picture of a mask over its micrograph, with legend and scale bar.

    Parameters
    ----------
    name
        Of the field, as in the tables.
    jpeg
        The picture.
    width, height
        Of it, px.
    """

    name: str
    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Pictures:
    """Overlays, and the fields that have none.

    Parameters
    ----------
    shown
        Overlays.
    more
        Names of fields that have an image, too, but aren't shown.
    without
        Names of fields of which no image was found, or none that fits the mask.
    """

    shown: tuple[Overlay, ...] = ()
    more: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFacts:
    """A model that made masks.

    Parameters
    ----------
    name
        Of its file.
    sha256
        Of the file, as the masks name it; empty for a model that was never written.
    card
        Lines of its card, by their names; empty where the file wasn't found.
    sentence
        How it was trained, for the paragraph on methods; empty without a card.
    """

    name: str
    sha256: str
    card: tuple[tuple[str, str], ...] = ()
    sentence: str = ""


@dataclass(frozen=True)
class RecipeFacts:
    """The recipe that a run followed, and how it went.

    Parameters
    ----------
    name, checksum
        Of the recipe.
    verdict
        Of the run: pass, check or fail.
    reasons
        Of the verdict, without a full stop.
    rules
        What the recipe fixes, by name.
    deviations
        Lines on what was otherwise than when it was saved.
    signed
        Who has looked at the run, and when; empty while nobody has.
    """

    name: str
    checksum: str
    verdict: str
    reasons: tuple[str, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()
    deviations: tuple[str, ...] = ()
    signed: str = ""


@dataclass(frozen=True)
class Contents:
    """All of a report.

    Parameters
    ----------
    details
        What was typed.
    date
        Of the measurement, as it is to stand on the page.
    written
        When the report was made, ISO 8601.
    settings
        Of the measurement.
    tables
        All tables, by the names of their CSV files.
    colours
        ``#rrggbb`` by the name of a class.
    sizes
        Sizes of objects.
    corrected
        Fractions corrected for the model's own error; None if that wasn't tried.
    pictures
        Overlays.
    models
        That made the masks.
    segmenting
        Settings with which masks were made, as far as they are stored.
    versions
        Of programs, by their names.
    files
        With checksums.
    remarks
        Lines on what is unusual.
    recipe
        None where no recipe was followed.
    """

    details: ReportDetails
    date: str
    written: str
    settings: MeasureSettings
    tables: Mapping[str, pd.DataFrame]
    colours: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[ObjectSizes, ...] = ()
    corrected: CorrectedFractions | None = None
    pictures: Pictures = Pictures()
    models: tuple[ModelFacts, ...] = ()
    segmenting: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    files: tuple[SourceFile, ...] = ()
    remarks: tuple[str, ...] = ()
    recipe: RecipeFacts | None = None

    @property
    def fields(self) -> pd.DataFrame:
        """The table of fields."""
        return self.tables[FIELDS]

    @property
    def calibrated(self) -> bool:
        """Whether any field has a pixel size."""
        return bool(self.fields["pixel_width_um"].notna().any())
