"""A look at the bare micrograph: segmentation and preview are out of sight while a key is held."""

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QShortcut

from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.shown import OVERLAYS

KEY = "H"
"""Hides the overlays while it is held; napari has no use for it."""

_KEY = getattr(Qt.Key, f"Key_{KEY}")


class Peek(QObject):
    """Hide segmentation and preview while the key is held; strokes stay in sight.

    The press is a shortcut of the window, which fields to type in come before. Key events that
    reach the canvas all the same, in a window that isn't active, are taken there.
    """

    def __init__(self, viewer: Viewer, current: CurrentImage) -> None:
        window = viewer.window._qt_window
        super().__init__(window)
        self._current, self._folder = current, current.folder
        self._hidden: list[Layer] = []
        self._held = False
        self._shortcut = QShortcut(QKeySequence(_KEY), window)
        self._shortcut.setAutoRepeat(False)
        self._shortcut.activated.connect(self.begin)
        for widget in (viewer.window._qt_viewer, viewer.window._qt_viewer.canvas.native):
            widget.installEventFilter(self)
        current.folder.changed.connect(self._update)
        current.leaving.connect(self.end)
        self._update()

    def begin(self) -> None:
        """Take the overlays out of sight until the key is released."""
        shown = self._current.shown
        if self._held or shown is None:
            return
        self._held = True
        overlays = [shown.extra[title] for title in OVERLAYS if title in shown.extra]
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
        """Begin with a press on the canvas, end with the release anywhere."""
        kind = event.type()
        if kind == QEvent.Type.WindowDeactivate and widget is self.parent():
            self.end()  # another program will receive the release
        elif kind == QEvent.Type.KeyRelease and event.key() == _KEY and not event.isAutoRepeat():
            self.end()
        elif kind == QEvent.Type.KeyPress and event.key() == _KEY and not self._held:
            plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
            if plain and self._folder.project is not None:
                self.begin()
                return True
        return False

    def _update(self) -> None:
        """Leave the key to others while no folder is open."""
        self._shortcut.setEnabled(self._folder.project is not None)
