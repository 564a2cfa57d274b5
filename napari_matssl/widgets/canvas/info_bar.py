"""The edge of the info bar as a line that can be dragged."""

import numpy as np
from napari.layers import Shapes
from napari.utils.events import Event
from qtpy.QtCore import QObject

from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.results import Results

LINE = "info bar"
"""Name of the layer."""


class InfoBarLine(QObject):
    """A shapes layer with one horizontal line over the shown image, if that has an info bar."""

    def __init__(self, results: Results) -> None:
        super().__init__(results)
        self._results = results
        self._workspace = results.workspace
        self._workspace.shown_changed.connect(self._show)

    @property
    def layer(self) -> Shapes | None:
        """The layer with the line, if there is one."""
        shown = self._workspace.shown
        return None if shown is None else shown.extra.get(LINE)

    def grab(self) -> None:
        """Make the line ready to be dragged."""
        layer = self.layer
        if layer is not None:
            layer.visible = True
            self._workspace.viewer.layers.selection.active = layer
            layer.mode = "select"
            layer.selected_data = {0}

    def _show(self) -> None:
        shown = self._workspace.shown
        bar = None if shown is None else shown.micrograph.info_bar
        if bar is None:
            self._results.remove_layer(LINE)
            return
        layer = self.layer or self._add()
        with layer.events.data.blocker():
            layer.data = [self._line(bar.row)]

    def _add(self) -> Shapes:
        viewer, shown = self._workspace.viewer, self._workspace.shown
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

    def _line(self, row: int) -> np.ndarray:
        edge = row - 0.5  # between the last row of the specimen and the first of the bar
        return np.array([[edge, -0.5], [edge, self._workspace.shown.micrograph.width - 0.5]])

    def _on_data(self, event: Event) -> None:
        """Take over where the line was dragged; it stays horizontal and inside."""
        layer = self.layer
        if event.source is not layer or event.action not in ("changed", "removed"):
            return
        if not layer.data:
            self._workspace.set_info_bar(None)
            return
        row = round(float(np.mean(layer.data[0][:, -2])) + 0.5)
        height = self._workspace.shown.micrograph.height
        self._workspace.set_info_bar(int(np.clip(row, 1, height - 1)))
        layer.selected_data = {0}
