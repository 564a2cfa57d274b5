"""A layer that lies over the image for a moment, to draw a shape in."""

from typing import Any

from napari.layers import Layer, Shapes
from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut

from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.results import Results
from napari_matssl.widgets.napari_private import main_window


class Drawing(QObject):
    """The layer, while something is drawn; Escape takes it away, like a deletion by napari.

    Parameters
    ----------
    viewer
        Shows the image.
    results
        Keep the layer with those of the image.
    palette
        Takes the brush again afterwards.
    name
        Of the layer.
    hint
        Text of napari's status bar meanwhile.
    """

    changed = Signal()
    """The layer came or went."""

    def __init__(
        self, viewer: Viewer, results: Results, palette: Palette, name: str, hint: str
    ) -> None:
        super().__init__(results)
        self._viewer, self._results, self._palette = viewer, results, palette
        self._name, self._hint = name, hint
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), main_window(viewer))
        self._escape.activated.connect(self.cancel)
        self.changed.connect(self._update)
        results.current.changed.connect(self.changed)
        viewer.layers.events.removed.connect(self._on_removed, position="last")
        self._update()

    @property
    def layer(self) -> Shapes | None:
        """The layer, while it is there."""
        shown = self._results.current.shown
        return None if shown is None else shown.extra.get(self._name)

    def cancel(self) -> None:
        """Take the layer away, drawn in or not, and be ready to paint."""
        if self.layer is not None:
            self._results.remove_layer(self._name)
            self._palette.resume()
            self.changed.emit()

    def _add(self, image: Layer, **look: Any) -> Shapes:
        layer = self._viewer.add_shapes(ndim=2, name=self._name, **look, **grid_of(image))
        self._results.add_layer(self._name, layer)
        return layer

    def _begin(self, layer: Shapes, mode: str) -> None:
        self._viewer.layers.selection.active = layer
        layer.mode = mode
        layer.help = self._viewer.help = self._hint

    def _on_removed(self, event: Event) -> None:
        if event.value.name == self._name:
            self.changed.emit()

    def _update(self) -> None:
        self._escape.setEnabled(self.layer is not None)
