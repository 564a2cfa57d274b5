"""What the window has to tell beside jobs: one box in the dock, to be read, copied and closed."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_matssl.widgets.controls.forms import note

MOST = 4
"""Messages that are kept in sight; each is told once, the newest first."""

_RED, _AMBER = "#d9534f", "#e6a23c"
_BREAK = "\u200b"  # lines may break here: paths have no spaces


class MessageBox(QFrame):
    """The latest messages, with a red edge while a problem is among them, else an amber one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("matssl_messages")
        self._messages: list[tuple[str, str, bool]] = []
        self.text = note("", "The latest messages, the newest first.")
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the messages with the full paths of files.")
        self.copy.clicked.connect(lambda: QApplication.clipboard().setText(self.report))
        self.dismiss = QPushButton("Close")
        self.dismiss.setToolTip("Put the messages away.")
        self.dismiss.clicked.connect(self.clear)
        buttons = QVBoxLayout()
        buttons.addWidget(self.copy)
        buttons.addWidget(self.dismiss)
        buttons.addStretch(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 2, 0, 2)
        layout.addWidget(self.text, 1)
        layout.addLayout(buttons)
        self.hide()

    @property
    def lines(self) -> tuple[str, ...]:
        """What is shown, the newest first."""
        return tuple(shown for shown, _, _ in self._messages)

    @property
    def is_problem(self) -> bool:
        """Whether one of the messages is of something that went wrong."""
        return any(problem for _, _, problem in self._messages)

    @property
    def report(self) -> str:
        """All messages in full."""
        return "\n".join(full for _, full, _ in self._messages)

    def tell(self, shown: str, full: str, problem: bool) -> None:
        """Show a message above the others.

        Parameters
        ----------
        shown, full
            Without and with folders before the names of files.
        problem
            Something went wrong.
        """
        known = [message for message in self._messages if message[1] != full]
        self._messages = [(shown, full, problem), *known][:MOST]
        self._show()

    def clear(self) -> None:
        """Put all messages away."""
        self._messages = []
        self._show()

    def _show(self) -> None:
        breaks = str.maketrans({"/": f"/{_BREAK}", "\\": f"\\{_BREAK}", "_": f"_{_BREAK}"})
        self.text.setText("\n".join(self.lines).translate(breaks))
        # An edge is seen on dark and light themes alike; coloured text isn't legible on both.
        edge = _RED if self.is_problem else _AMBER
        self.setStyleSheet(f"#matssl_messages {{ border-left: 4px solid {edge}; }}")
        self.setVisible(bool(self._messages))
        self.text.setMinimumHeight(max(0, self.text.heightForWidth(self.text.width())))
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
