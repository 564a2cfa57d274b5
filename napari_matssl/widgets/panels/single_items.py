"""The single items of the shown image: listed, shown as a layer, chosen in table and image."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from superqt.utils import signals_blocked

from napari_matssl.errors import MatSSLError
from napari_matssl.measure.items import FieldItems
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.project_meter import items_of_image
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.session import Session

if TYPE_CHECKING:  # pyqtgraph is slow to import
    from napari_matssl.widgets.controls.measure_tabs import MeasureTabs
    from napari_matssl.widgets.controls.measure_view import MeasureView

DELAY_MS = 300
"""Time to gather changes before items are looked for again."""


class SingleItems(QObject):
    """Looks for items when somebody looks at them, and again when their mask has changed.

    Parameters
    ----------
    session
        Of the window.
    tabs
        Where items are listed.
    parent
        The panel.
    """

    def __init__(self, session: Session, tabs: "MeasureTabs", parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._tabs, self._views = session, tabs, tabs.views
        self._plan: MeasurePlan | None = None
        self._wish = 0  # counts requests; only the last is met
        self.layer = session.measured
        self._background = Background(self)
        self._timer = later(self, self._look, DELAY_MS)
        for measure, view in self._views.items():
            view.items.wanted_changed.connect(partial(self._on_wanted, measure))
            view.items.chosen.connect(partial(self._on_chosen, measure))
            view.tabs.currentChanged.connect(self.refresh)
        tabs.currentChanged.connect(self.refresh)
        self.layer.picked.connect(self._on_picked)
        self.layer.removed.connect(self._on_removed)
        current, results = session.current, session.results
        current.changed.connect(self.refresh)
        results.mask_changed.connect(self.refresh)
        results.cleaning_changed.connect(self.refresh)
        session.palette.classes_changed.connect(self.refresh)
        session.folder.painted_changed.connect(self.refresh)

    def set_plan(self, plan: MeasurePlan | None) -> None:
        """Look for the items of other measures, classes or settings."""
        self._plan = plan
        chosen = () if plan is None else plan.settings.chosen
        for measure, view in self._views.items():
            if measure not in chosen and view.items.tick.isChecked():
                view.items.tick.setChecked(False)
        self.refresh()

    def refresh(self, _what: object = None) -> None:
        """Look again soon."""
        self._timer.start()

    @property
    def _ticked(self) -> "MeasureView | None":
        """The view whose items are shown in the image."""
        ticked = (view for view in self._views.values() if view.items.tick.isChecked())
        return next(ticked, None)

    def _on_wanted(self, measure: str) -> None:
        """Show the items of one measure at a time in the image."""
        if self._views[measure].items.tick.isChecked():
            for other, view in self._views.items():
                if other != measure:
                    view.items.tick.setChecked(False)
        elif self._ticked is None:
            self.layer.clear()
        self._look()

    def _look(self) -> None:
        """Look for the items that are wanted of the shown image, beside the window."""
        self._wish += 1
        self._background.drop_waiting()
        for view in self._views.values():
            view.items.set_classes(self._classes_of(view.measure))
            looked_at = view.items.tick.isChecked() or view.items.isVisible()
            plan = self._plan
            if looked_at and plan is not None and view.measure in plan.settings.chosen:
                self._find(view, plan)

    def _find(self, view: "MeasureView", plan: MeasurePlan) -> None:
        wish, shown = self._wish, self._session.current.shown
        if shown is None or not shown.project.masks.has(shown.name):
            name = "No image is shown" if shown is None else f"{shown.name} isn't segmented yet"
            todo = "Choose one in Micrographs." if shown is None else "Segment it in Segment."
            self._show_none(view, f"{name}. {todo}")
            return
        if shown.is_panorama:
            self._show_none(view, explain(shown.too_large()))
            return
        find = partial(
            items_of_image,
            shown.project,
            shown.name,
            shown.micrograph.pixel_size,
            plan,
            view.measure,
            view.items.class_name,
            view.items.figure,
        )

        def show(items: FieldItems) -> None:
            if wish == self._wish and self._session.current.shown is shown:
                self._show(view, shown.name, items)

        def complain(error: MatSSLError) -> None:
            if wish == self._wish:
                self._show_none(view, explain(error))

        self._background.run(find, show, complain)

    def _classes_of(self, measure: str) -> tuple[str, ...]:
        project = self._session.folder.project
        if self._plan is None or project is None:
            return ()
        named = self._plan.classes.get(measure, ())
        if named or measure != "objects":
            return named
        return tuple(one.name for one in project.classes.in_order if not one.exclude)

    def _show(self, view: "MeasureView", image: str, items: FieldItems) -> None:
        drawn = None
        if view.items.tick.isChecked():
            several, of_class = view.items.nouns[1], view.items.class_name
            name = f"measured {several}: {of_class}" if of_class else f"measured {several}"
            drawn = self.layer.show(name, items, view.items.colours)
        shown = self._session.current.shown
        calibrated = shown is not None and shown.micrograph.pixel_size is not None
        view.items.show_items(image, items, calibrated, drawn)

    def _show_none(self, view: "MeasureView", why: str) -> None:
        if view.items.tick.isChecked():
            self.layer.clear()
        view.items.clear(why)

    # --- choosing

    def _on_chosen(self, measure: str, row: int) -> None:
        """Mark the item of a row in the image; show the layer for it if it isn't there."""
        view = self._views[measure]
        if self.layer.on and view.items.tick.isChecked():
            self.layer.mark(row)
            return
        items, shown = view.items.listed, self._session.current.shown
        if items is None or shown is None:
            return
        for other in self._views.values():  # nothing has to be looked for
            with signals_blocked(other.items):
                other.items.tick.setChecked(other is view)
        self._show(view, shown.name, items)
        self.layer.mark(row)

    def _on_picked(self, row: int) -> None:
        """Select the row of what was clicked in the image, and mark it."""
        view = self._ticked
        if view is not None:
            self._tabs.setCurrentWidget(view)
            view.tabs.setCurrentWidget(view.items)
            view.items.table.select(row)
            self.layer.mark(row, centre=False)

    def _on_removed(self) -> None:
        """Untick what the user has removed from the list of layers."""
        for view in self._views.values():
            view.items.tick.setChecked(False)
