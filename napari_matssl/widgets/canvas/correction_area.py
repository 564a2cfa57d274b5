"""A rectangle inside which a segmentation is copied into the strokes."""

from napari.layers import Shapes
from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut

from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.results import Results

AREA = "correction area"
"""Name of the layer in which the rectangle is drawn."""

HINT = "Draw a rectangle with the left mouse button. Esc: no rectangle"
"""Text of napari's status bar meanwhile."""


class CorrectionArea(QObject):
    """The layer to draw the rectangle in; Escape takes it away, like a deletion by napari."""

    changed = Signal()
    """The layer came or went."""

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
        """The layer, while a rectangle is drawn in it."""
        shown = self._results.current.shown
        return None if shown is None else shown.extra.get(AREA)

    def draw(self) -> None:
        """Prepare drawing of a rectangle on the image in view."""
        shown, layer = self._results.current.shown, self.layer
        if shown is None:
            return
        if layer is None:
            layer = self._viewer.add_shapes(
                ndim=2, name=AREA, edge_color="#ffd400", face_color="transparent",
                edge_width=max(1.0, shown.micrograph.height / 250), **grid_of(shown.image),
            )  # fmt: skip
            self._results.add_layer(AREA, layer)
            self.changed.emit()
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        layer.help = self._viewer.help = HINT

    def cancel(self) -> None:
        """Take the layer away, drawn in or not, and be ready to paint."""
        if self.layer is not None:
            self._results.remove_layer(AREA)
            self._palette.resume()
            self.changed.emit()

    def _on_removed(self, event: Event) -> None:
        if event.value.name == AREA:
            self.changed.emit()

    def _update(self) -> None:
        self._escape.setEnabled(self.layer is not None)
