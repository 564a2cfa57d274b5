"""A line along the burnt-in scale bar, whose length gives the size of a pixel."""

import math

import numpy as np
from napari.layers import Shapes
from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut

from napari_matssl.micrograph.scale_bar import ScaleBar, find_scale_bar
from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.results import Results

LINE = "line along the scale bar"
"""Name of the layer in which the line is drawn."""

HINT = "Draw a line along the scale bar, or drag its ends. Esc: no line"
"""Text of napari's status bar meanwhile."""


class BarLine(QObject):
    """The layer to draw the line in; a scale bar that is found is drawn already."""

    changed = Signal()
    """The layer came or went, or a line was drawn."""

    def __init__(self, viewer: Viewer, results: Results, palette: Palette) -> None:
        super().__init__(results)
        self._viewer, self._results, self._palette = viewer, results, palette
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), viewer.window._qt_window)
        self._escape.activated.connect(self.cancel)
        self.changed.connect(self._update)
        results.current.changed.connect(self.changed)
        viewer.layers.events.removed.connect(self._on_removed, position="last")
        self._update()

    @property
    def layer(self) -> Shapes | None:
        """The layer, while a line is drawn in it."""
        shown = self._results.current.shown
        return None if shown is None else shown.extra.get(LINE)

    @property
    def length_px(self) -> float | None:
        """Length of the line that was drawn last, in px of the image; None without one."""
        layer = self.layer
        if layer is None or not len(layer.data):
            return None
        first, last = np.asarray(layer.data[-1])[[0, -1], -2:]
        length = math.dist(first, last)
        return length if length > 0 else None

    def draw(self) -> ScaleBar | None:
        """Prepare drawing of a line; return the scale bar if it was found and is drawn already."""
        shown = self._results.current.shown
        if shown is None:
            return None
        self.cancel()
        height, width = shown.micrograph.height, shown.micrograph.width
        layer = self._viewer.add_shapes(
            ndim=2, name=LINE, edge_color="#ff2020", face_color="transparent",
            edge_width=max(1.0, min(height, width) / 300), opacity=1, **grid_of(shown.image),
        )  # fmt: skip
        self._results.add_layer(LINE, layer)
        bar = find_scale_bar(shown.micrograph)
        self._viewer.layers.selection.active = layer
        if bar is None:
            layer.mode = "add_line"
        else:
            layer.add_lines(
                np.array([[bar.row, bar.first], [bar.row, bar.last]]), edge_color="#ff2020"
            )
            layer.mode = "direct"
        layer.events.data.connect(self._on_drawn)
        layer.events.set_data.connect(self._on_drawn)
        layer.help = self._viewer.help = HINT
        self.changed.emit()
        return bar

    def cancel(self) -> None:
        """Take the line away, and be ready to paint."""
        if self.layer is not None:
            self._results.remove_layer(LINE)
            self._palette.resume()
            self.changed.emit()

    def _on_drawn(self, _event: Event) -> None:
        self.changed.emit()

    def _on_removed(self, event: Event) -> None:
        if event.value.name == LINE:
            self.changed.emit()

    def _update(self) -> None:
        self._escape.setEnabled(self.layer is not None)
