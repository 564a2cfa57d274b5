"""What each measure makes of every field, and its tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.labels.provenance import Provenance
from napari_matssl.measure.boundaries import class_to_measure
from napari_matssl.measure.field import Field
from napari_matssl.measure.grain_items import GrainField
from napari_matssl.measure.grain_tables import (
    grain_summary_frame,
    grains_frame,
    summary_remarks,
)
from napari_matssl.measure.grains import GrainSize, measure_grains
from napari_matssl.measure.layer_tables import layers_frame, layers_summary_frame
from napari_matssl.measure.layers import LayerMeasure, measure_layer
from napari_matssl.measure.nodule_tables import nodules_frame, nodules_summary_frame
from napari_matssl.measure.nodules import NoduleMeasure, measure_nodules
from napari_matssl.measure.object_statistics import object_statistics_frame, sizes_by_group
from napari_matssl.measure.object_tables import object_summary_frame, objects_frame
from napari_matssl.measure.objects import Objects, measure_objects
from napari_matssl.measure.phases import (
    PhaseFraction,
    measure_phases,
    phases_frame,
    summary_frame,
)
from napari_matssl.measure.size_distribution import ObjectSizes
from napari_matssl.micrograph.place import Place
from napari_matssl.settings.grains import GrainSettings
from napari_matssl.settings.layers import LayerSettings
from napari_matssl.settings.nodules import NoduleSettings

PHASES = "phases.csv"
SUMMARY = "summary.csv"
GRAINS = "grains.csv"
GRAIN_SUMMARY = "grains_summary.csv"
OBJECTS = "objects.csv"
OBJECT_SUMMARY = "object_summary.csv"
OBJECT_STATISTICS = "objects_summary.csv"
LAYERS = "layers.csv"
LAYER_SUMMARY = "layers_summary.csv"
NODULES = "nodules.csv"
NODULE_SUMMARY = "nodules_summary.csv"


class FieldMeasure(Protocol):
    """What measures one field after another, and gives tables in the end.

    What was measured of a field can be kept, and added to another measure made with the same
    settings.
    """

    def of(self, field: Field, origin: Provenance | None) -> Sequence[Any]:
        """Measure a field, without adding it to the tables."""

    def add(self, measured: Sequence[Any]) -> None:
        """Add what was measured of a field."""

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

    def of(self, field: Field, origin: Provenance | None) -> Sequence[PhaseFraction]:
        """Measure a field."""
        return measure_phases(field, origin)

    def add(self, measured: Sequence[PhaseFraction]) -> None:
        """Add a field."""
        self.rows += measured

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

    Attributes
    ----------
    results
        One per field and class.
    """

    def __init__(self, settings: GrainSettings, classes: Sequence[str]) -> None:
        self._settings = settings
        self._classes = classes
        self.results: list[GrainField] = []
        self._guessed: dict[str, GrainField] = {}  # the first field of each class that was

    def of(self, field: Field, origin: Provenance | None) -> Sequence[GrainField]:
        """Measure a field."""
        named = [field.class_named(name) for name in self._classes]
        return [
            GrainField.of(field, measure_grains(field, measured, self._settings))
            for measured in named or [class_to_measure(field)]
        ]

    def add(self, measured: Sequence[GrainField]) -> None:
        """Add a field.

        Raises
        ------
        InputError
            If a class would be boundaries in one field and grains in another, by its area.
        """
        for one in measured:
            if one.guessed is None:
                continue
            first = self._guessed.setdefault(one.class_name, one)
            if first.guessed != one.guessed:
                raise InputError(
                    f"{one.class_name} would be taken for {first.guessed} in {first.image}, but "
                    f"for {one.guessed} in {one.image}, by its share of the area.",
                    "State which it is.",
                    settings="grains_class_is",
                )
        self.results += measured

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return both tables."""
        sizes = self._sizes
        return {GRAINS: grains_frame(sizes), GRAIN_SUMMARY: grain_summary_frame(sizes)}

    def remarks(self) -> Sequence[str]:
        """Return lines on fields, then on groups."""
        how = {"boundaries": "less", "grains": "more"}
        guessed = [
            f"{name} is taken for {one.guessed}, as it covers {how[one.guessed]} than half of the "
            "area; a setting states which it is."
            for name, one in self._guessed.items()
            if one.guessed is not None
        ]
        own = [line for one in self.results for line in one.remarks]
        return (*guessed, *own, *summary_remarks(self._sizes))

    @property
    def _sizes(self) -> list[GrainSize]:
        return [size for one in self.results for size in one.sizes]


class ObjectMeasure:
    """Objects of single classes.

    Parameters
    ----------
    classes
        Their names; empty for all that aren't excluded.
    directions
        Of test lines, in degrees.

    Attributes
    ----------
    results
        One per field and class.
    """

    def __init__(self, classes: Sequence[str], directions: Sequence[int]) -> None:
        self._classes, self._directions = classes, directions
        self.results: list[Objects] = []
        self._places: dict[str, Place] = {}

    def of(self, field: Field, origin: Provenance | None) -> Sequence[tuple[Objects, Place]]:
        """Measure a field."""
        place = Place(field.specimen, field.section, field.group)
        return [
            (measure_objects(field, name, self._directions), place)
            for name in self._classes or field.analysed_classes
        ]

    def add(self, measured: Sequence[tuple[Objects, Place]]) -> None:
        """Add a field."""
        self.results += [found for found, _ in measured]
        self._places |= {found.image: place for found, place in measured}

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the table of objects, that of images, and that of groups."""
        return {
            OBJECTS: objects_frame(self.results),
            OBJECT_SUMMARY: object_summary_frame(self.results),
            OBJECT_STATISTICS: object_statistics_frame(self.results, self._places),
        }

    def sizes(self) -> tuple[ObjectSizes, ...]:
        """Return the sizes of all objects, per group and class; of calibrated fields if any are."""
        return sizes_by_group(self.results)

    def remarks(self) -> Sequence[str]:
        """Return lines on fields."""
        return [line for one in self.results for line in one.remarks]


class LayerThickness:
    """Thickness, roughness and cracks of layers.

    Parameters
    ----------
    classes
        Their names, one at least.

    Attributes
    ----------
    results
        One per field and class.

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
        self.results: list[LayerMeasure] = []

    def of(self, field: Field, origin: Provenance | None) -> Sequence[LayerMeasure]:
        """Measure a field."""
        return [measure_layer(field, name, self._settings) for name in self._classes]

    def add(self, measured: Sequence[LayerMeasure]) -> None:
        """Add a field."""
        self.results += measured

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the table of images, and that of groups."""
        return {
            LAYERS: layers_frame(self.results),
            LAYER_SUMMARY: layers_summary_frame(self.results),
        }

    def remarks(self) -> Sequence[str]:
        """Return lines on fields."""
        return [line for one in self.results for line in one.remarks]


class Nodularity:
    """Nodules of graphite, and how much of the graphite they are.

    Parameters
    ----------
    classes
        Names of the classes of graphite, one at least.

    Attributes
    ----------
    results
        One per field and class.

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
        self.results: list[NoduleMeasure] = []

    def of(self, field: Field, origin: Provenance | None) -> Sequence[NoduleMeasure]:
        """Measure a field."""
        return [measure_nodules(field, name, self._settings) for name in self._classes]

    def add(self, measured: Sequence[NoduleMeasure]) -> None:
        """Add a field."""
        self.results += measured

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the table of images, and that of groups."""
        return {
            NODULES: nodules_frame(self.results),
            NODULE_SUMMARY: nodules_summary_frame(self.results),
        }

    def remarks(self) -> Sequence[str]:
        """Return what makes a nodule, then lines on fields."""
        given = self._settings
        rule = (
            f"Nodules: circularity from {given.circularity:g} (perimeter of the convex hull),"
            f" aspect ratio up to {given.aspect_ratio:g}; particles at the edge, below"
            f" {given.smallest_um:g} um or below {given.smallest_px:g} px are left out."
        )
        return (rule, *(line for one in self.results for line in one.remarks))
