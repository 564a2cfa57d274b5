"""The edge of the info bar as a line that can be dragged."""

from collections.abc import Iterator

import numpy as np
from napari.layers import Shapes
from napari.utils.events import Event
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.results import Results
from napari_matssl.widgets.canvas.setting_facts import set_info_bar
from napari_matssl.widgets.canvas.shown import Shown
from napari_matssl.widgets.napari_private import without_own_drag

LINE = "info bar"
"""Name of the layer."""

HINT = "Drag the yellow line to the first row of the info bar. 1 to 9: back to painting"
"""Text of napari's status bar while the line can be dragged."""

_REACH = 12
"""How far from the line it is caught, px of the screen."""


class InfoBarLine(QObject):
    """A shapes layer with one horizontal line over the shown image, if that has an info bar."""

    def __init__(self, results: Results) -> None:
        super().__init__(results)
        self._results = results
        self._current = results.current
        self._current.changed.connect(self._show)

    @property
    def layer(self) -> Shapes | None:
        """The layer with the line, if there is one."""
        shown = self._current.shown
        return None if shown is None else shown.extra.get(LINE)

    def grab(self) -> None:
        """Make the line ready to be dragged."""
        layer = self.layer
        if layer is None:
            return
        viewer = self._current.viewer
        layer.visible = True
        viewer.layers.selection.active = layer
        layer.mode = "select"
        layer.selected_data = {0}
        # At a handle of the line, napari's own drag would stretch it.
        without_own_drag(layer)
        if self._drag not in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.append(self._drag)
        layer.help = viewer.help = HINT

    def _drag(self, layer: Shapes, event: Event) -> Iterator[None]:
        """Move the line up and down with the mouse, wherever along it the drag began."""
        shown = self._current.shown
        if shown is None or layer.mode != "select" or not layer.data:
            return
        edge = float(layer.data[0][0, -2])
        caught = float(layer.world_to_data(event.position)[-2])
        on_screen = self._current.viewer.camera.zoom * layer.scale[-2]
        if abs(caught - edge) * on_screen > _REACH:
            return
        yield
        moved = False
        while event.type == "mouse_move":
            moved = True
            row = edge + float(layer.world_to_data(event.position)[-2]) - caught
            self._place(layer, shown, row + 0.5)
            yield
        if moved:  # else a click would make the bar that was found one set by hand
            self._take_over(layer)

    def _show(self) -> None:
        shown = self._current.shown
        bar = None if shown is None else shown.micrograph.info_bar
        if shown is None or bar is None:
            self._results.remove_layer(LINE)
            return
        if self.layer is None:
            self._add(shown, bar.row)
        else:
            self._place(self.layer, shown, bar.row)

    @staticmethod
    def _place(layer: Shapes, shown: Shown, row: float) -> None:
        with layer.events.data.blocker():
            layer.data = [_line(shown, row)]
        if layer.mode == "select":
            layer.selected_data = {0}

    def _add(self, shown: Shown, row: int) -> None:
        viewer = self._current.viewer
        active = viewer.layers.selection.active
        layer = viewer.add_shapes(
            [_line(shown, row)],
            shape_type="line",
            name=LINE,
            edge_color="#ffd400",
            edge_width=max(1.0, shown.micrograph.height / 250),
            **grid_of(shown.image),
        )
        viewer.layers.selection.active = active
        layer.events.data.connect(self._on_data)
        self._results.add_layer(LINE, layer)

    def _on_data(self, event: Event) -> None:
        """Take over where napari's tools have put the line."""
        layer = self.layer
        if layer is None or event.source is not layer:
            return
        if event.action not in ("changed", "removed"):
            return
        if layer.data:
            self._take_over(layer)
        else:
            set_info_bar(self._current, None)

    def _take_over(self, layer: Shapes) -> None:
        """Take the line's row as the first of the bar; it stays horizontal and inside."""
        row = round(float(np.mean(layer.data[0][:, -2])) + 0.5)
        height = self._current.require_shown().micrograph.height
        set_info_bar(self._current, int(np.clip(row, 1, height - 1)))


def _line(shown: Shown, row: float) -> NDArray[np.float64]:
    """Make the ends of a line between the last row of the specimen and the first of the bar."""
    edge = row - 0.5
    return np.array([[edge, -0.5], [edge, shown.micrograph.width - 0.5]])
