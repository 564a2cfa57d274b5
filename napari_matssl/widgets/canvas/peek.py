"""A look at the bare micrograph: what lies over it is out of sight while a key is held."""

from napari.layers import Layer
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication

from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.layers import KIND, MEASURED
from napari_matssl.widgets.canvas.shown import OVERLAYS
from napari_matssl.widgets.napari_private import main_window

KEY = Qt.Key.Key_H
"""Hides the overlays while it is held; napari has no use for it."""

KEY_NAME = QKeySequence(KEY).toString()


class Peek(QObject):
    """Hide segmentation, preview and what was measured while the key is held; strokes stay."""

    def __init__(self, current: CurrentImage) -> None:
        super().__init__(main_window(current.viewer))
        self._current = current
        self._hidden: list[Layer] = []
        self._held = False
        current.leaving.connect(self.end)

    def begin(self) -> None:
        """Take the overlays out of sight until the key is released."""
        shown = self._current.shown
        if self._held or shown is None:
            return
        self._held = True
        overlays = [
            layer
            for title, layer in shown.extra.items()
            if title in OVERLAYS or layer.metadata.get(KIND) == MEASURED
        ]
        self._hidden = [layer for layer in overlays if layer.visible]
        for layer in self._hidden:
            layer.visible = False
        QApplication.instance().installEventFilter(self)  # any widget may receive the release

    def end(self) -> None:
        """Show them again."""
        if not self._held:
            return
        self._held = False
        QApplication.instance().removeEventFilter(self)
        for layer in self._hidden:
            layer.visible = True
        self._hidden = []

    def eventFilter(self, widget: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """End with the release of the key, whatever widget receives it."""
        kind = event.type()
        if kind == QEvent.Type.WindowDeactivate and widget is self.parent():
            self.end()  # another program will receive the release
        elif kind == QEvent.Type.KeyRelease and event.key() == KEY and not event.isAutoRepeat():
            self.end()
        return False
