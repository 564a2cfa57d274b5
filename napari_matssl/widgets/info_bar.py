"""The edge of the info bar as a line that can be dragged."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from napari.utils.events import Event
from qtpy.QtCore import QObject, Signal

from napari_matssl.widgets.layer_grid import grid_of

LINE = "info bar"
"""Name of the layer."""


class InfoBarLine(QObject):
    """A shapes layer with one horizontal line over an image.

    Parameters
    ----------
    viewer, image
        Where, and over which image.
    row
        First row of the info bar, px.
    """

    moved = Signal(int)
    """The user has dragged the line to that row."""

    def __init__(self, viewer: ViewerModel, image: Image, row: int, parent: QObject) -> None:
        super().__init__(parent)
        self._height, self._width = (
            image.level_shapes[0][-2:]
            if image.multiscale
            else (image.data.shape[-3:-1] if image.rgb else image.data.shape[-2:])
        )
        self._row = row
        active = viewer.layers.selection.active
        self.layer: Shapes = viewer.add_shapes(
            [self._line()],
            shape_type="line",
            name=LINE,
            edge_color="#ffd400",
            edge_width=max(1.0, self._height / 250),
            **grid_of(image),
        )
        viewer.layers.selection.active = active
        self.layer.events.data.connect(self._on_data)

    def set_row(self, row: int) -> None:
        """Put the line elsewhere; `moved` is not emitted."""
        self._row = row
        with self.layer.events.data.blocker():
            self.layer.data = [self._line()]

    def grab(self, viewer: ViewerModel) -> None:
        """Make the line ready to be dragged."""
        viewer.layers.selection.active = self.layer
        self.layer.mode = "select"
        self.layer.selected_data = {0}

    def _line(self) -> np.ndarray:
        edge = self._row - 0.5  # between the last row of the specimen and the first of the bar
        return np.array([[edge, -0.5], [edge, self._width - 0.5]])

    def _on_data(self, event: Event) -> None:
        """Keep the line horizontal and inside, whatever was done to it."""
        if str(getattr(event, "action", "changed")) != "changed" or not self.layer.data:
            return
        row = round(float(np.mean(self.layer.data[0][:, -2])) + 0.5)
        row = int(np.clip(row, 1, self._height - 1))
        if row != self._row:
            self.set_row(row)
            self.layer.selected_data = {0}
            self.moved.emit(row)
