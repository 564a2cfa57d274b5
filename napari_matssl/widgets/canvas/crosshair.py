"""A cross in the image at one pixel, which it leaves free."""

import numpy as np
from napari.layers import Image, Layer, Shapes
from napari.viewer import Viewer

from napari_matssl.widgets.canvas.layer_grid import grid_of

CROSS = "point to count"
"""Name of the layer."""

_GAP, _ARM = 7.0, 15.0
"""Distance of the arms from the pixel, and their length, px of the screen."""

_STROKES = (("black", 6.0), ("#ffd400", 3.0))
"""Colours and widths, px of the screen: to be seen on any grey."""


class Crosshair:
    """A layer with four arms around a pixel, of one size on the screen at any zoom."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Shapes | None = None
        self._at = (0, 0)

    @property
    def layer(self) -> Layer | None:
        """The layer, while there is one."""
        there = self._layer is not None and self._layer in self._viewer.layers
        return self._layer if there else None

    def show(self, image: Image, at: tuple[int, int]) -> None:
        """Move the cross to a pixel ``(row, column)`` of an image."""
        self._at = at
        if self.layer is None:
            self._layer = self._viewer.add_shapes(ndim=2, name=CROSS, **grid_of(image))
            self._viewer.camera.events.zoom.connect(self._draw)
        self._draw()

    def remove(self) -> None:
        """Take the cross away."""
        if self._layer is None:
            return
        self._viewer.camera.events.zoom.disconnect(self._draw)
        if self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None

    def _draw(self, _event: object = None) -> None:
        layer = self.layer
        if layer is None:
            return
        # Pixels of the image per pixel of the screen, down and across.
        step = 1 / (self._viewer.camera.zoom * np.abs(np.asarray(layer.scale)[-2:]))
        arms, colours, widths = [], [], []
        for colour, width in _STROKES:
            border = (width - _STROKES[-1][1]) / 2  # the dark arms show around the bright ones
            for axis in (0, 1):
                near = max(0.5 + (1 + border) * step[axis], (_GAP - border) * step[axis])
                far = near + (_ARM + 2 * border) * step[axis]
                for sign in (-1, 1):
                    ends = np.array([self._at, self._at], dtype=float)
                    ends[:, axis] += sign * np.array([near, far])
                    arms.append(ends)
                    colours.append(colour)
                    widths.append(width * float(step[0]))
        layer.data = []
        layer.add_lines(arms, edge_color=colours, edge_width=widths)
        layer.selected_data = set()
        layer.mode = "pan_zoom"
