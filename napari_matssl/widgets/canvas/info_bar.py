"""The edge of the info bar as a line that can be dragged."""

from collections.abc import Iterator

import numpy as np
from napari.layers import Shapes
from napari.utils.events import Event
from qtpy.QtCore import QObject

from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.results import Results

LINE = "info bar"
"""Name of the layer."""

HINT = "Drag the yellow line to the first row of the info bar. 1 to 9: back to painting"
"""What napari's status bar tells while the line can be dragged."""

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
        # napari would stretch the line where one of its handles is caught.
        napari_drag = layer._drag_modes[layer._mode]
        if napari_drag in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(napari_drag)
        if self._drag not in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.append(self._drag)
        layer.help = viewer.help = HINT

    def _drag(self, layer: Shapes, event: Event) -> Iterator[None]:
        """Let the line follow the mouse up and down, wherever along it the mouse has caught it."""
        if layer.mode != "select" or not layer.data:
            return
        edge = float(layer.data[0][0, -2])
        caught = float(layer.world_to_data(event.position)[-2])
        on_screen = self._current.viewer.camera.zoom * layer.scale[-2]
        if abs(caught - edge) * on_screen > _REACH:
            return
        yield
        while event.type == "mouse_move":
            row = edge + float(layer.world_to_data(event.position)[-2]) - caught
            self._place(row + 0.5)
            yield
        self._take_over()

    def _show(self) -> None:
        shown = self._current.shown
        bar = None if shown is None else shown.micrograph.info_bar
        if bar is None:
            self._results.remove_layer(LINE)
            return
        if self.layer is None:
            self._add()
        self._place(bar.row)

    def _place(self, row: float) -> None:
        layer = self.layer
        with layer.events.data.blocker():
            layer.data = [self._line(row)]
        if layer.mode == "select":
            layer.selected_data = {0}

    def _add(self) -> Shapes:
        viewer, shown = self._current.viewer, self._current.shown
        active = viewer.layers.selection.active
        layer = viewer.add_shapes(
            [self._line(shown.micrograph.info_bar.row)],
            shape_type="line",
            name=LINE,
            edge_color="#ffd400",
            edge_width=max(1.0, shown.micrograph.height / 250),
            **grid_of(shown.image),
        )
        viewer.layers.selection.active = active
        layer.events.data.connect(self._on_data)
        self._results.add_layer(LINE, layer)
        return layer

    def _line(self, row: float) -> np.ndarray:
        edge = row - 0.5  # between the last row of the specimen and the first of the bar
        return np.array([[edge, -0.5], [edge, self._current.shown.micrograph.width - 0.5]])

    def _on_data(self, event: Event) -> None:
        """Take over where napari's tools have put the line."""
        if event.source is not self.layer or event.action not in ("changed", "removed"):
            return
        if self.layer.data:
            self._take_over()
        else:
            self._current.set_info_bar(None)

    def _take_over(self) -> None:
        """Take the line's row as the first of the bar; it stays horizontal and inside."""
        row = round(float(np.mean(self.layer.data[0][:, -2])) + 0.5)
        height = self._current.shown.micrograph.height
        self._current.set_info_bar(int(np.clip(row, 1, height - 1)))
