"""The mouse on the canvas: the left button alone paints, the right one opens a menu."""

from functools import partial

import numpy as np
from napari.layers import Labels
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, QPoint, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QAbstractItemView, QApplication, QPlainTextEdit, QTextEdit, QWidget

from napari_matssl.widgets.canvas.canvas_menu import CanvasMenu
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.mouse_moves import Moves
from napari_matssl.widgets.napari_private import canvas_widget, move_mouse_to, scene_of

_PAINTING = ("paint", "erase", "fill", "polygon", "pick")
_STROKES = ("paint", "erase")
FLOOD = 0.5
"""Share of an image that is hardly filled on purpose."""

_STILL = 4
"""Farthest that a mouse moves during a click, px."""

_FINE = 1 / 4
"""Share of the brush's radius by which a stroke may leave the mouse's path."""


class Mouse(QObject):
    """Watch the mouse events of one canvas before vispy and napari see them.

    In napari every button paints, and the right one begins a stroke that lasts until the next
    click. Moves in quick succession are dropped by vispy and delayed by napari, so that a quick
    stroke in a busy window becomes a dot; those of a stroke are handed to napari one by one.
    """

    def __init__(
        self, viewer: Viewer, current: CurrentImage, menu: CanvasMenu, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewer, self._current, self._menu = viewer, current, menu
        self._folder, self._notices = current.folder, current.folder.notices
        self._drawing = False  # a stroke is being painted
        self._taken: set[Qt.MouseButton] = set()  # pressed buttons that were hidden from napari
        self._clicked: QPoint | None = None  # where the right button was pressed
        self._drawn_to: QPoint | None = None
        self._moves = Moves()
        current.folder.changed.connect(self._keep_moves)
        current.appeared.connect(self._keep_moves)
        self._canvas.installEventFilter(self)

    @property
    def _canvas(self) -> QWidget:
        return canvas_widget(self._viewer)  # a stored reference would outlive the window

    def eventFilter(self, canvas: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Decide what napari hears of."""
        kind = event.type()
        if kind == QEvent.Type.MouseMove:
            return self._on_move(event)
        if kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
            return self._on_press(event)
        if kind == QEvent.Type.MouseButtonRelease:
            return self._on_release(event)
        if kind == QEvent.Type.Enter:
            self._take_focus()
        if kind == QEvent.Type.Show:
            self._keep_moves()
        if kind == QEvent.Type.Hide:
            self._moves.let_go()
        return False

    def _keep_moves(self) -> None:
        if self._folder.project is not None and self._canvas.isVisible():
            self._moves.keep()
        else:  # a window that was never shown gets no hide event
            self._moves.let_go()

    def let_go(self) -> None:
        """Watch no more: Python ends before Qt does."""
        self._moves.let_go()
        self._canvas.removeEventFilter(self)

    def _painted(self, modes: tuple[str, ...]) -> Labels | None:
        """Return the painted labels if they are selected, in one of some modes."""
        shown, active = self._current.shown, self._viewer.layers.selection.active
        if shown is None or active is not shown.painted or active.mode not in modes:
            return None
        return active

    # --- buttons

    def _on_press(self, event: QMouseEvent) -> bool:
        button = event.button()
        if button == Qt.MouseButton.LeftButton:
            if self._drawing:  # the release went to another window
                self._end_stroke(event)
            self._drawing = self._painted(_STROKES) is not None
            self._drawn_to = event.pos()
            if self._drawing and event.type() == QEvent.Type.MouseButtonDblClick:
                # Quick strokes must not become a double click.
                self._send(QEvent.Type.MouseButtonPress, event)
                return True
            filled = self._painted(("fill",))
            if filled is not None:
                QTimer.singleShot(0, partial(self._show_flood, filled, filled.data.copy()))
            return False
        if button == Qt.MouseButton.RightButton:
            self._clicked = event.pos()
        if self._painted(_PAINTING) is None and not self._drawing:
            return False
        self._taken.add(button)
        return True

    def _on_release(self, event: QMouseEvent) -> bool:
        button = event.button()
        if button == Qt.MouseButton.LeftButton:
            if self._drawing:
                self._draw_to(event)
            self._drawing = False
            return False
        if button == Qt.MouseButton.RightButton and self._is_click(event):
            QTimer.singleShot(0, self._open_menu)
        taken = button in self._taken
        self._taken.discard(button)
        return taken

    def _is_click(self, event: QMouseEvent) -> bool:
        began, self._clicked = self._clicked, None
        return (
            began is not None
            and not self._drawing
            and self._current.shown is not None
            and (event.pos() - began).manhattanLength() <= _STILL
        )

    def _open_menu(self) -> None:
        self._menu.open_at(self._viewer.cursor.position)

    # --- filling

    def _show_flood(self, layer: Labels, before: NDArray[np.uint8]) -> None:
        """Warn where an outline wasn't closed."""
        share = np.count_nonzero(layer.data != before) / before.size
        if share > FLOOD:
            self._notices.remarked.emit(
                f"{100 * share:.0f} % of the image were filled: the outline isn't closed. "
                "Ctrl+Z undoes it."
            )

    # --- strokes

    def _on_move(self, event: QMouseEvent) -> bool:
        if not self._drawing:
            return False
        if not event.buttons() & Qt.MouseButton.LeftButton:  # the release went to another window
            self._end_stroke(event)
            return False
        if self._is_far_enough(event.pos()):
            self._draw_to(event)
        return True

    def _is_far_enough(self, place: QPoint) -> bool:
        """Whether a point adds to the stroke: a fast mouse sends more than can be drawn in time."""
        shown, away = self._current.shown, (place - self._drawn_to).manhattanLength()
        if shown is None:  # the folder was closed during the stroke
            return False
        brush = shown.painted.brush_size * abs(shown.painted.scale[-1])
        radius = brush / 2 * scene_of(self._viewer).camera.zoom
        return away >= max(1, _FINE * radius)

    def _draw_to(self, event: QMouseEvent) -> None:
        """Make napari draw up to a point at once."""
        if move_mouse_to(self._viewer, event):
            self._drawn_to = event.pos()

    def _end_stroke(self, event: QMouseEvent) -> None:
        self._drawing = False
        self._send(QEvent.Type.MouseButtonRelease, event)

    def _send(self, kind: QEvent.Type, like: QMouseEvent) -> None:
        """Send the canvas an event of the left button, where another one was."""
        left = Qt.MouseButton.LeftButton
        held = like.buttons() | left if kind == QEvent.Type.MouseButtonPress else like.buttons()
        place = like.localPos() if hasattr(like, "localPos") else like.position()
        screen = like.screenPos() if hasattr(like, "screenPos") else like.globalPosition()
        made = QMouseEvent(kind, place, screen, left, held, like.modifiers())
        QApplication.sendEvent(self._canvas, made)

    # --- focus

    def _take_focus(self) -> None:
        """Move the keyboard focus to where the mouse is, unless a text is being typed."""
        field = QApplication.focusWidget()
        native = self._canvas
        if field is None or field is native or field.window() is not native.window():
            return
        above, texts = field.parentWidget(), (QPlainTextEdit, QTextEdit)
        in_table = above is not None and isinstance(above.parentWidget(), QAbstractItemView)
        if not isinstance(field, texts) and not in_table:
            native.setFocus(Qt.FocusReason.MouseFocusReason)
