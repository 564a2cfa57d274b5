"""What is measured of a project: measures, their settings, and the classes of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_matssl.measure.field import Field
from napari_matssl.measure.intercept_items import Figure, items_of_intercepts
from napari_matssl.measure.items import (
    FieldItems,
    items_of_grains,
    items_of_layer,
    items_of_nodules,
    items_of_objects,
)
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.field_measures import FieldMeasure
from napari_matssl.tasks.measuring.measures import TABLES, make_measures


@dataclass(frozen=True)
class MeasurePlan:
    """Which measures are made of a project, and how.

    Parameters
    ----------
    settings
        Those of the command ``measure``.
    classes
        Names of the classes by measure; without names, all (objects), or one chosen by its name
        (grains).
    """

    settings: MeasureSettings = field(default_factory=MeasureSettings)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def make(self, measure: str) -> FieldMeasure:
        """Make one of the measures.

        Raises
        ------
        SettingsError
            If it needs a class, and none is named.
        """
        alone = self.settings.model_copy(update={"measures": measure})
        return make_measures(alone, self.classes.get(measure, ()))[measure]

    def key(self, measure: str) -> object:
        """Return what the figures of a measure depend on, beside masks."""
        given = self.settings
        own = {"objects": given.line_direction, "phases": None}
        return own.get(measure, getattr(given, measure, None)), self.classes.get(measure, ())

    @property
    def table_names(self) -> tuple[str, ...]:
        """Names of the tables of all its measures."""
        return tuple(name for measure in self.settings.chosen for name in TABLES[measure])

    def items(
        self, measure: str, measured: Field, class_name: str, figure: Figure | None = None
    ) -> FieldItems:
        """List what a measure finds of one class in a field, one by one.

        Parameters
        ----------
        measure
            Any but the phases.
        class_name
            The class; for grains, ``""`` chooses one by its name.
        figure
            For grain size: the test figure whose intercepts are listed; None lists grains.

        Raises
        ------
        InputError
            If the field has no such class.
        """
        if measure == "objects":
            return items_of_objects(measured, class_name, self.settings.directions)
        if measure == "grains":
            one = measured.class_named(class_name) if class_name else None
            if figure is not None:
                return items_of_intercepts(measured, one, self.settings.grains, figure)
            return items_of_grains(measured, one, self.settings.grains)
        if measure == "layers":
            return items_of_layer(measured, class_name, self.settings.layers)
        return items_of_nodules(measured, class_name, self.settings.nodules)
