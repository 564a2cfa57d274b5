"""The measures that can be chosen: what each makes of every field, and its tables."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd

from napari_matssl.errors import SettingsError
from napari_matssl.files import check_writable, check_writable_folder
from napari_matssl.labels.provenance import Provenance
from napari_matssl.measure.boundaries import class_to_measure
from napari_matssl.measure.field import Field
from napari_matssl.measure.grain_tables import (
    grain_summary_frame,
    grains_frame,
    summary_remarks,
)
from napari_matssl.measure.grains import GrainSize, measure_grains
from napari_matssl.measure.group_statistics import Place
from napari_matssl.measure.object_statistics import object_statistics_frame
from napari_matssl.measure.objects import (
    Objects,
    measure_objects,
    object_summary_frame,
    objects_frame,
)
from napari_matssl.measure.phases import (
    PhaseFraction,
    measure_phases,
    phases_frame,
    summary_frame,
)
from napari_matssl.settings.grains import GrainSettings
from napari_matssl.settings.measuring import MeasureSettings

PHASES = "phases.csv"
SUMMARY = "summary.csv"
GRAINS = "grains.csv"
GRAIN_SUMMARY = "grains_summary.csv"


class FieldMeasure(Protocol):
    """What measures one field after another, and gives tables in the end."""

    def add(self, field: Field, origin: Provenance | None) -> None:
        """Measure a field."""

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the tables of all fields so far, by the names of their files."""

    def remarks(self) -> Sequence[str]:
        """Return lines on what makes figures doubtful."""


class Phases:
    """Area fractions of all classes.

    Attributes
    ----------
    rows
        One per field and class.
    """

    def __init__(self) -> None:
        self.rows: list[PhaseFraction] = []

    def add(self, field: Field, origin: Provenance | None) -> None:
        """Measure a field."""
        self.rows += measure_phases(field, origin)

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return both tables."""
        return {PHASES: phases_frame(self.rows), SUMMARY: summary_frame(self.rows)}

    def remarks(self) -> Sequence[str]:
        """Return none."""
        return ()


class Grains:
    """Grain size by counting grains, and by two figures of test lines.

    Parameters
    ----------
    classes
        Names of the classes of boundaries, or of grains; none chooses one by its name.
    """

    def __init__(self, settings: GrainSettings, classes: Sequence[str]) -> None:
        self._settings = settings
        self._classes = classes
        self._sizes: list[GrainSize] = []
        self._remarks: list[str] = []

    def add(self, field: Field, origin: Provenance | None) -> None:
        """Measure a field."""
        named = [field.class_named(name) for name in self._classes]
        for measured in named or [class_to_measure(field)]:
            found = measure_grains(field, measured, self._settings)
            self._sizes += found.sizes
            self._remarks += found.remarks

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return both tables."""
        return {GRAINS: grains_frame(self._sizes), GRAIN_SUMMARY: grain_summary_frame(self._sizes)}

    def remarks(self) -> Sequence[str]:
        """Return lines on fields, then on groups."""
        return (*self._remarks, *summary_remarks(self._sizes))


class ObjectMeasure:
    """Objects of single classes.

    Parameters
    ----------
    classes
        Their names; empty for all that aren't excluded.
    directions
        Of test lines, in degrees.
    """

    def __init__(self, classes: Sequence[str], directions: Sequence[int]) -> None:
        self._classes, self._directions = classes, directions
        self._results: list[Objects] = []
        self._places: dict[str, Place] = {}

    def add(self, field: Field, origin: Provenance | None) -> None:
        """Measure a field."""
        self._places[field.name] = Place(field.specimen, field.section, field.group)
        for name in self._classes or field.analysed_classes:
            self._results.append(measure_objects(field, name, self._directions))

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the table of objects, that of images, and that of groups."""
        return {
            "objects.csv": objects_frame(self._results),
            "object_summary.csv": object_summary_frame(self._results),
            "objects_summary.csv": object_statistics_frame(self._results, self._places),
        }

    def remarks(self) -> Sequence[str]:
        """Return none."""
        return ()


def check_table_place(out: Path, settings: MeasureSettings) -> None:
    """Check early that tables can be written.

    Parameters
    ----------
    out
        A folder, or the table of area fractions alone if its name ends in ``.csv``.

    Raises
    ------
    OutputError
        If they can't.
    SettingsError
        If one table is wanted of other measures.
    """
    if not _is_table(out):
        check_writable_folder(out)
    elif settings.chosen != ("phases",):
        raise SettingsError(
            f"{out} is the name of one table, but {settings.measures} give several.",
            "Name a folder.",
            settings="out",
        )
    else:
        check_writable(out)


def table_paths(out: Path, tables: Mapping[str, pd.DataFrame]) -> dict[Path, pd.DataFrame]:
    """Return where each table is written: in a folder, or area fractions alone beside `out`."""
    if not _is_table(out):
        return {out / name: frame for name, frame in tables.items()}
    summary = SUMMARY if out.name == PHASES else f"{out.stem}_{SUMMARY}"
    return {out: tables[PHASES], out.with_name(summary): tables[SUMMARY]}


def _is_table(out: Path) -> bool:
    return out.suffix.lower() == ".csv"


def make_measures(settings: MeasureSettings, classes: Sequence[str]) -> dict[str, FieldMeasure]:
    """Make the measures that were chosen, by name.

    Parameters
    ----------
    classes
        Names of the classes to be measured where a measure takes single ones; empty for all.
    """
    makers: dict[str, Callable[[], FieldMeasure]] = {
        "phases": Phases,
        "objects": lambda: ObjectMeasure(classes, settings.directions),
        "grains": lambda: Grains(settings.grains, classes),
    }
    return {name: makers[name]() for name in settings.chosen}
