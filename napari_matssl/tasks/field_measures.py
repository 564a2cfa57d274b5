"""What each measure makes of every field, and its tables."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from napari_matssl.errors import SettingsError
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
from napari_matssl.measure.layer_tables import layers_frame, layers_summary_frame
from napari_matssl.measure.layers import LayerMeasure, measure_layer
from napari_matssl.measure.nodule_tables import nodules_frame, nodules_summary_frame
from napari_matssl.measure.nodules import NoduleMeasure, measure_nodules
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
from napari_matssl.settings.layers import LayerSettings
from napari_matssl.settings.nodules import NoduleSettings

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


class LayerThickness:
    """Thickness, roughness and cracks of layers.

    Parameters
    ----------
    classes
        Their names, one at least.

    Raises
    ------
    SettingsError
        If there is none.
    """

    def __init__(self, settings: LayerSettings, classes: Sequence[str]) -> None:
        if not classes:
            raise SettingsError(
                "Which class is the layer isn't stated.", "Name it.", settings="class"
            )
        self._settings, self._classes = settings, classes
        self._results: list[LayerMeasure] = []

    def add(self, field: Field, origin: Provenance | None) -> None:
        """Measure a field."""
        for name in self._classes:
            self._results.append(measure_layer(field, name, self._settings))

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the table of images, and that of groups."""
        return {
            "layers.csv": layers_frame(self._results),
            "layers_summary.csv": layers_summary_frame(self._results),
        }

    def remarks(self) -> Sequence[str]:
        """Return lines on fields."""
        return [line for one in self._results for line in one.remarks]


class Nodularity:
    """Nodules of graphite, and how much of the graphite they are.

    Parameters
    ----------
    classes
        Names of the classes of graphite, one at least.

    Raises
    ------
    SettingsError
        If there is none.
    """

    def __init__(self, settings: NoduleSettings, classes: Sequence[str]) -> None:
        if not classes:
            raise SettingsError(
                "Which class is graphite isn't stated.", "Name it.", settings="class"
            )
        self._settings, self._classes = settings, classes
        self._results: list[NoduleMeasure] = []

    def add(self, field: Field, origin: Provenance | None) -> None:
        """Measure a field."""
        for name in self._classes:
            self._results.append(measure_nodules(field, name, self._settings))

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the table of images, and that of groups."""
        return {
            "nodules.csv": nodules_frame(self._results),
            "nodules_summary.csv": nodules_summary_frame(self._results),
        }

    def remarks(self) -> Sequence[str]:
        """Return what makes a nodule, then lines on fields."""
        given = self._settings
        rule = (
            f"Nodules: circularity from {given.circularity:g} (perimeter of the convex hull),"
            f" aspect ratio up to {given.aspect_ratio:g}; particles at the edge, below"
            f" {given.smallest_um:g} um or below {given.smallest_px:g} px are left out."
        )
        return (rule, *(line for one in self._results for line in one.remarks))
