"""Figures of all measures: one tab each."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QTabWidget

from napari_matssl.widgets.controls.measure_choice import MEASURES
from napari_matssl.widgets.controls.measure_view import MeasureView
from napari_matssl.widgets.controls.phases_view import PhasesView

_TABS = {"objects": "Objects", "grains": "Grains", "layers": "Layers", "nodules": "Nodules"}

_HEIGHT_OF_PHASES, _HEIGHT = 380, 540
"""Least heights, px: other measures have longer tables above their plots."""


class MeasureTabs(QTabWidget):
    """Phases, and each measure that is ticked; without others, phases alone and no tabs."""

    image_chosen = Signal(str)
    """The user wants to see that image."""

    def __init__(self) -> None:
        super().__init__()
        self.phases = PhasesView()
        self.phases.image_chosen.connect(self.image_chosen)
        self.views = {name: MeasureView(name) for name in MEASURES}
        for view in self.views.values():
            view.setParent(self)
            view.hide()
            view.image_chosen.connect(self.image_chosen)
        self.setTabBarAutoHide(True)
        self.setMinimumHeight(_HEIGHT_OF_PHASES)
        self.addTab(self.phases, "Phases")
        self.setTabToolTip(0, "Area fractions of the phases")

    def set_measures(self, measures: Sequence[str]) -> None:
        """Show the tabs of some measures; that of one that is new comes to the front."""
        for name, view in self.views.items():
            place = self.indexOf(view)
            if name in measures and place < 0:
                before = [one for one in self.views if one in measures]
                place = self.insertTab(1 + before.index(name), view, _TABS[name])
                self.setTabToolTip(place, MEASURES[name][1])
                self.setCurrentIndex(place)
            elif name not in measures and place >= 0:
                self.removeTab(place)
        self.setMinimumHeight(_HEIGHT if measures else _HEIGHT_OF_PHASES)

    def clear(self) -> None:
        """Show no figures."""
        self.phases.clear()
        for view in self.views.values():
            view.clear("Not measured yet: press Measure.")
