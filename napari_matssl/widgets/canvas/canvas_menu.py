"""The menu of the canvas: the class under the cursor, undo, tools."""

from collections.abc import Callable, Sequence
from functools import partial

from napari.layers import Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import QObject
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QAction, QMenu

from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.shown import PREVIEW, SEGMENTATION, Shown
from napari_matssl.widgets.napari_private import history_of, main_window

TOOLS = {"paint": "Paint (P)", "erase": "Erase (E)", "fill": "Fill (F)", "pan_zoom": "Move (Z)"}
"""Modes of the painted labels, and what the menu calls them."""


class CanvasMenu(QObject):
    """Built anew at each right click, from what is below the cursor."""

    def __init__(self, viewer: Viewer, current: CurrentImage, palette: Palette) -> None:
        super().__init__(current)
        self._viewer, self._current, self._palette = viewer, current, palette
        self.menu = QMenu(main_window(viewer))

    def open_at(self, world: Sequence[float]) -> None:
        """Open the menu at the mouse, for a point in the viewer's coordinates."""
        shown = self._current.shown
        if shown is None:
            return
        self.fill(shown, world)
        self.menu.popup(QCursor.pos())

    def fill(self, shown: Shown, world: Sequence[float]) -> None:
        """Put the entries in."""
        self.menu.clear()
        class_id, words = self._below(shown, world)
        self._add(words, None, enabled=False)
        names = {one.id: one.name for one in self._palette.classes}
        if class_id in names:
            self._add(f"Paint with {names[class_id]}", lambda: self._palette.paint_with(class_id))
        self.menu.addSeparator()
        painted = shown.painted
        undo, redo = history_of(painted)
        self._add("Undo (Ctrl+Z)", painted.undo, enabled=bool(undo))
        self._add("Redo (Ctrl+Shift+Z)", painted.redo, enabled=bool(redo))
        self.menu.addSeparator()
        chosen = self._viewer.layers.selection.active is painted
        for mode, text in TOOLS.items():
            action = self._add(text, partial(self._use, painted, mode))
            action.setCheckable(True)
            action.setChecked(chosen and painted.mode == mode)
        overlays = [shown.extra[title] for title in (SEGMENTATION, PREVIEW) if title in shown.extra]
        if overlays:
            self.menu.addSeparator()
        for layer in overlays:
            action = self._add(f"Show {layer.name}", partial(_toggle, layer))
            action.setCheckable(True)
            action.setChecked(layer.visible)

    def _add(self, text: str, call: Callable[[], object] | None, enabled: bool = True) -> QAction:
        action = self.menu.addAction(text.replace("&", "&&"))
        action.setEnabled(enabled)
        if call is not None:
            action.triggered.connect(lambda _checked=False: call())
        return action

    def _use(self, layer: Labels, mode: str) -> None:
        self._viewer.layers.selection.active = layer
        layer.visible = True
        layer.mode = mode

    def _below(self, shown: Shown, world: Sequence[float]) -> tuple[int, str]:
        """Return the class id under the cursor, 0 for none, and its text in the menu."""
        names = {one.id: one.name for one in self._palette.classes}
        layers = [(shown.painted, "painted")]
        if SEGMENTATION in shown.extra:
            layers.append((shown.extra[SEGMENTATION], "segmented"))
        for layer, how in layers:
            value = layer.get_value(world[-2:], world=True) if layer.visible else None
            if value:
                return int(value), f"{names.get(int(value), f'id {value}')}, {how}"
        return 0, "Not painted"


def _toggle(layer: Layer) -> None:
    layer.visible = not layer.visible
