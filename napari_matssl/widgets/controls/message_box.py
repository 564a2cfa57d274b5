"""Messages of the window beside jobs: one box to read, copy and close."""

from typing import NamedTuple

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QApplication, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from napari_matssl.widgets.controls.forms import WrappedLabel, button

MOST = 4
"""Number of messages in sight; each is shown once, the newest first."""

_RED, _AMBER = "#d9534f", "#e6a23c"
_BREAK = "\u200b"  # allows a line break; paths have no spaces
_WIDEST, _MARGIN = 560, 10  # widest box over the canvas, and its margin, px


class Message(NamedTuple):
    """One message.

    Parameters
    ----------
    shown, full
        Without and with folders before the names of files.
    problem
        Something went wrong.
    """

    shown: str
    full: str
    problem: bool


class Messages(QObject):
    """The latest messages of a window, the newest first, whichever boxes show them."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.latest: tuple[Message, ...] = ()

    def add(self, shown: str, full: str, problem: bool) -> None:
        """Put a message above the others; parameters as of :class:`Message`."""
        others = [message for message in self.latest if message.full != full]
        self.latest = (Message(shown, full, problem), *others)[:MOST]
        self.changed.emit()

    def clear(self) -> None:
        """Put all messages away."""
        self.latest = ()
        self.changed.emit()


class MessageBox(QFrame):
    """The latest messages, with a red edge while a problem is among them, else an amber one."""

    def __init__(self, messages: Messages | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.messages = Messages(self) if messages is None else messages
        self.setObjectName("matssl_messages")
        self.text = WrappedLabel("The latest messages, the newest first.")
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.copy = button(
            "Copy",
            "Copy the messages with the full paths of files.",
            lambda: QApplication.clipboard().setText(self.report),
        )
        self.dismiss = button("Close", "Put the messages away.", self.messages.clear)
        buttons = QVBoxLayout()
        buttons.addWidget(self.copy)
        buttons.addWidget(self.dismiss)
        buttons.addStretch(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 2, 0, 2)
        layout.addWidget(self.text, 1)
        layout.addLayout(buttons)
        self.messages.changed.connect(self._show)
        self._show()

    @property
    def lines(self) -> tuple[str, ...]:
        """The messages in sight, the newest first."""
        return tuple(message.shown for message in self.messages.latest)

    @property
    def is_problem(self) -> bool:
        """Whether one of the messages is of something that went wrong."""
        return any(message.problem for message in self.messages.latest)

    @property
    def report(self) -> str:
        """All messages in full."""
        return "\n".join(message.full for message in self.messages.latest)

    def clear(self) -> None:
        """Put all messages away."""
        self.messages.clear()

    def _show(self) -> None:
        breaks = str.maketrans({"/": f"/{_BREAK}", "\\": f"\\{_BREAK}", "_": f"_{_BREAK}"})
        self.text.setText("\n".join(self.lines).translate(breaks))
        # An edge is visible on dark and light themes; coloured text isn't legible on both.
        edge = _RED if self.is_problem else _AMBER
        self.setStyleSheet(f"#matssl_messages {{ border-left: 4px solid {edge}; }}")
        self.setVisible(bool(self.lines))


class MessagesOver(MessageBox):
    """The same over the lower left corner of its parent, while it is called for."""

    def __init__(self, messages: Messages, parent: QWidget) -> None:
        self._called = False
        super().__init__(messages, parent)
        self.setAutoFillBackground(True)
        # Else a click beside the buttons would paint on what lies below.
        self.setAttribute(Qt.WidgetAttribute.WA_NoMousePropagation)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        parent.installEventFilter(self)

    def call(self, wanted: bool) -> None:
        """Show the messages, or leave them to other boxes."""
        self._called = wanted
        self._show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay in the corner."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def _show(self) -> None:
        super()._show()
        self._called = self._called and bool(self.lines)
        self.setVisible(self._called)
        if self._called:
            self._place()
            self.raise_()

    def _place(self) -> None:
        room = self.parentWidget().size()
        width = max(1, min(_WIDEST, room.width() - 2 * _MARGIN))
        self.resize(width, self.height())
        self.layout().activate()  # so that the text has its width, and makes room for its lines
        height = self.layout().minimumSize().height()
        self.setGeometry(_MARGIN, max(0, room.height() - height - _MARGIN), width, height)
