"""A line along the burnt-in scale bar, whose length gives the size of a pixel."""

import math
from functools import partial

import numpy as np
from napari.utils.events import Event
from napari.viewer import Viewer

from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.micrograph.scale_bar import ScaleBar, find_scale_bar
from napari_matssl.widgets.canvas.drawing import Drawing
from napari_matssl.widgets.canvas.notices import Notices
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.results import Results

LINE = "line along the scale bar"
"""Name of the layer in which the line is drawn."""

HINT = "Draw a line along the scale bar, or drag its ends. Esc: no line"
"""Text of napari's status bar meanwhile."""


class BarLine(Drawing):
    """The layer to draw the line in; a scale bar that is found is drawn already.

    It also tells by `changed` that a line was drawn.
    """

    def __init__(
        self, viewer: Viewer, results: Results, palette: Palette, notices: Notices
    ) -> None:
        super().__init__(viewer, results, palette, LINE, HINT)
        self._notices = notices

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
        if isinstance(shown.micrograph, Panorama):  # its bar isn't looked for
            bar = None
        else:
            # Whoever reads the number beside it for the first time loads networks, which takes
            # seconds.
            look = partial(find_scale_bar, shown.micrograph)
            bar = self._notices.wait_for(look, "Looking for the scale bar...")
        if self._results.current.shown is not shown:  # while it was looked for
            return None
        height, width = shown.micrograph.height, shown.micrograph.width
        layer = self._add(
            shown.image, edge_color="#ff2020", face_color="transparent",
            edge_width=max(1.0, min(height, width) / 300), opacity=1,
        )  # fmt: skip
        if bar is not None:
            layer.add_lines(
                np.array([[bar.row, bar.first], [bar.row, bar.last]]), edge_color="#ff2020"
            )
        self._begin(layer, "add_line" if bar is None else "direct")
        layer.events.data.connect(self._on_drawn)
        layer.events.set_data.connect(self._on_drawn)
        self.changed.emit()
        return bar

    def _on_drawn(self, _event: Event) -> None:
        self.changed.emit()
