"""A rectangle inside which a segmentation is copied into the strokes."""

from napari.viewer import Viewer

from napari_matssl.widgets.canvas.drawing import Drawing
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.results import Results

AREA = "correction area"
"""Name of the layer in which the rectangle is drawn."""

HINT = "Draw a rectangle with the left mouse button. Esc: no rectangle"
"""Text of napari's status bar meanwhile."""


class CorrectionArea(Drawing):
    """The layer to draw the rectangle in."""

    def __init__(self, viewer: Viewer, results: Results, palette: Palette) -> None:
        super().__init__(viewer, results, palette, AREA, HINT)

    def draw(self) -> None:
        """Prepare drawing of a rectangle on the image in view."""
        shown, layer = self._results.current.shown, self.layer
        if shown is None:
            return
        if layer is None:
            width = max(1.0, shown.micrograph.height / 250)
            layer = self._add(
                shown.image, edge_color="#ffd400", face_color="transparent", edge_width=width
            )
            self.changed.emit()
        self._begin(layer, "add_rectangle")
