"""Keys that work wherever the mouse is in the window, except while typing."""

from collections.abc import Callable, Mapping
from functools import partial

from napari.layers import Labels
from napari.settings import get_settings
from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut

from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.peek import KEY, KEY_NAME, Peek
from napari_matssl.widgets.canvas.shown import Shown
from napari_matssl.widgets.canvas.users_keys import users_keys
from napari_matssl.widgets.napari_private import canvas_widget, main_window, viewer_widget

HINT = (
    "1 to 9: class, P: paint, E: erase, F: fill, Z: move, A, D: other image, N: next to paint, "
    f"{KEY_NAME} held: no overlay, Ctrl+Z: undo, right click: more"
)
"""Text of napari's status bar for painted labels."""


class Keys(QObject):
    """Keys that pick classes, go through the images and hide overlays, whatever layer is chosen.

    They are shortcuts of the window, which fields to type in come before, and which the user's own
    shortcuts replace. Key events that reach the canvas all the same, in a window that isn't active,
    are taken there, before napari gives them to the chosen layer.
    """

    def __init__(self, viewer: Viewer, current: CurrentImage, palette: Palette, peek: Peek) -> None:
        window = main_window(viewer)
        super().__init__(window)
        self._viewer, self._current, self._palette = viewer, current, palette
        self._folder = current.folder
        self._calls: dict[Qt.Key, Callable[[], None]] = {
            getattr(Qt.Key, f"Key_{place + 1}"): partial(self._pick, place) for place in range(9)
        }
        self._calls[Qt.Key.Key_A] = partial(current.step, -1)
        self._calls[Qt.Key.Key_D] = partial(current.step, 1)
        self._calls[KEY] = peek.begin
        self._shortcuts = {key: self._shortcut(key, call) for key, call in self._calls.items()}
        self._users = users_keys()
        self._lent: dict[tuple[Qt.Key, bool], Callable[[], None]] = {}
        self._lent_shortcuts: list[QShortcut] = []
        current.folder.changed.connect(self._update)
        current.appeared.connect(self._on_shown)
        get_settings().shortcuts.events.shortcuts.connect(self._on_settings)
        for widget in self._watched():
            widget.installEventFilter(self)
        self._update()

    def eventFilter(self, _widget: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take our keys before napari does."""
        if event.type() != QEvent.Type.KeyPress or self._folder.project is None:
            return False
        if self._lent:
            with_control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            lent = self._lent.get((event.key(), with_control))
            if lent is not None:
                lent()
            return True
        plain = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        )
        call = self._calls.get(event.key()) if plain else None
        if call is None or event.key() in self._users:
            return False
        call()
        return True

    def bind(self, key: Qt.Key, call: Callable[[], None]) -> None:
        """Let one more key do something."""
        self._calls[key] = call
        self._shortcuts[key] = self._shortcut(key, call)
        self._update()

    def lend(self, calls: Mapping[tuple[Qt.Key, bool], Callable[[], None]]) -> None:
        """Give the keys to something else for a while; none reaches napari through the canvas.

        Parameters
        ----------
        calls
            What keys do, each without or with Ctrl (True).
        """
        self.take_back()
        self._lent = dict(calls)
        for (key, with_control), call in calls.items():
            sequence = f"Ctrl+{QKeySequence(key).toString()}" if with_control else key
            shortcut = QShortcut(QKeySequence(sequence), self.parent())
            shortcut.activated.connect(call)
            self._lent_shortcuts.append(shortcut)
        self._update()

    def take_back(self) -> None:
        """Use the keys again that were lent."""
        for shortcut in self._lent_shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._lent, self._lent_shortcuts = {}, []
        self._update()

    def let_go(self) -> None:
        """Watch no more: Python ends before Qt does."""
        get_settings().shortcuts.events.shortcuts.disconnect(self._on_settings)
        for widget in self._watched():
            widget.removeEventFilter(self)

    def _watched(self) -> tuple[QObject, QObject]:
        return viewer_widget(self._viewer), canvas_widget(self._viewer)

    def _shortcut(self, key: Qt.Key, call: Callable[[], None]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self.parent())
        shortcut.activated.connect(call)
        return shortcut

    def _pick(self, place: int) -> None:
        if place < len(self._palette.classes):
            self._palette.paint_with(self._palette.classes[place].id)

    def _update(self) -> None:
        """Leave keys to napari while no folder is open, to the user, and to whom they are lent."""
        ours = self._folder.project is not None and not self._lent
        for key, shortcut in self._shortcuts.items():
            shortcut.setEnabled(ours and key not in self._users)

    def _on_settings(self, _event: Event) -> None:
        if isalive(self):  # napari's settings outlive the window
            self._users = users_keys()
            self._update()

    def _on_shown(self, shown: Shown) -> None:
        layer = shown.painted
        # After napari has set its own text.
        layer.events.mode.connect(self._show_help, position="last")
        self._say(layer)

    def _show_help(self, event: Event) -> None:
        self._say(event.source)

    def _say(self, layer: Labels) -> None:
        layer.help = HINT
        if self._viewer.layers.selection.active is layer:
            self._viewer.help = HINT
