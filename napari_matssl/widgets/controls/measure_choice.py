"""What to measure: ticks, the classes of each measure, and the settings of those ticked."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.boundaries import class_by_name
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.widgets.controls.class_choice import ClassChoice
from napari_matssl.widgets.controls.settings_form import SettingsForm

MEASURES = {
    "objects": (
        "Objects",
        "Inclusions, pores, precipitates: how many, how large, of what form, how far apart.",
        "all classes",
        "Classes whose objects are measured. None ticked: all.",
    ),
    "grains": (
        "Grain size",
        "By counting grains and by test lines (E112-style and ISO 643-style).",
        "by its name",
        "The class of grain boundaries, or of grains. None ticked: that with boundary or grain in "
        "its name.",
    ),
    "layers": (
        "Layers",
        "Coatings, oxide, nitrided cases: thickness across the layer, roughness, cracks, porosity.",
        "choose the layer...",
        "The class that is the layer.",
    ),
    "nodules": (
        "Nodules",
        "Cast iron: nodularity by number and by area, nodules per mm².",
        "choose the graphite...",
        "The class that is graphite.",
    ),
}
"""Measures beside the phase fractions: title, tooltip, what no class means, tooltip of classes."""

_NEED_A_CLASS = ("layers", "nodules")
_SETTINGS = {"objects": ("line_direction",)}
"""Settings of a measure, where they aren't a group of its name."""


class MeasureChoice(QWidget):
    """Ticks for measures, a list of classes beside each, and their settings."""

    changed = Signal()
    """Other measures, classes or settings are chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.phases = QCheckBox("Phase fractions")
        self.phases.setChecked(True)
        self.phases.setEnabled(False)
        self.phases.setToolTip("Area fractions of all classes. They are always measured.")
        self._named_grains = False  # a class is called boundary or grain
        self.ticks: dict[str, QCheckBox] = {}
        self.classes: dict[str, ClassChoice] = {}
        rows = QGridLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setVerticalSpacing(2)
        rows.addWidget(self.phases, 0, 0)
        for row, (name, (title, tip, none, of_classes)) in enumerate(MEASURES.items(), start=1):
            tick = self.ticks[name] = QCheckBox(title)
            tick.setToolTip(tip)
            tick.toggled.connect(self._on_ticked)
            chosen = self.classes[name] = ClassChoice(none, of_classes)
            chosen.setAccessibleName(f"Classes of {title.lower()}")
            chosen.changed.connect(self.changed)
            chosen.setEnabled(False)
            rows.addWidget(tick, row, 0)
            rows.addWidget(chosen, row, 1)
        rows.setColumnStretch(1, 1)
        self.form = SettingsForm(MeasureSettings, (), ("measures",))
        self.form.changed.connect(self._on_settings)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.form)
        self._on_ticked()

    @property
    def ticked(self) -> tuple[str, ...]:
        """The measures beside phases that are ticked."""
        return tuple(name for name, tick in self.ticks.items() if tick.isChecked())

    @property
    def missing(self) -> str:
        """What has to be chosen before anything can be measured; empty if nothing has."""
        if "grains" in self.ticked and not self.classes["grains"].names and not self._named_grains:
            return "Choose the class of boundaries, or of grains, beside Grain size."
        for name in _NEED_A_CLASS:
            if name in self.ticked and not self.classes[name].names:
                what = "the layer" if name == "layers" else "graphite"
                return f"Choose the class that is {what} beside {MEASURES[name][0]}."
        return ""

    def plan(self) -> MeasurePlan:
        """Return what is chosen.

        Raises
        ------
        SettingsError
            If settings contradict each other.
        """
        classes = {name: self.classes[name].names for name in self.ticked}
        return MeasurePlan(self.form.settings(), classes)

    def set_classes(self, classes: Sequence[LabelClass]) -> None:
        """Offer the classes of a class table."""
        by_id = tuple(sorted(classes, key=lambda one: one.id))  # a user orders them otherwise
        named = bool(by_id) and class_by_name(ClassTable(classes=by_id)) is not None
        before = {name: chosen.names for name, chosen in self.classes.items()}
        for chosen in self.classes.values():
            chosen.set_classes(classes)
        names = {name: chosen.names for name, chosen in self.classes.items()}
        if before != names or named != self._named_grains:
            self._named_grains = named
            self.changed.emit()

    def _on_ticked(self) -> None:
        for name, chosen in self.classes.items():
            chosen.setEnabled(name in self.ticked)
        fields = [field for name in self.ticked for field in _SETTINGS.get(name, (name,))]
        self.form.setVisible(bool(self.ticked))
        self.form.show_only([*fields, "mixed"])
        with signals_blocked(self.form):
            self.form.set_value("measures", ",".join(("phases", *self.ticked)))
        self.changed.emit()

    def _on_settings(self) -> None:
        """Follow a file of settings that was loaded: it has ticks, too."""
        chosen = self.form.settings().chosen
        for name, tick in self.ticks.items():
            with signals_blocked(tick):
                tick.setChecked(name in chosen)
        self._on_ticked()
