"""Small pieces that all panels are made of."""

from collections.abc import Callable
from pathlib import Path

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices, QResizeEvent
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QWidget,
)

_FOLLOWED_MS = 2000
"""How long a panel scrolls after a widget that was shown."""


def button(text: str, tip: str, clicked: Callable[[], object] | None = None) -> QPushButton:
    """Make a button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tip)
    if clicked is not None:
        made.clicked.connect(lambda _checked=False: clicked())
    return made


def note(text: str = "", tip: str = "") -> QLabel:
    """Make a line of plain text that wraps, never widens its panel, and can be copied."""
    made = QLabel(text)
    made.setWordWrap(True)
    made.setTextFormat(Qt.TextFormat.PlainText)
    policy = made.sizePolicy()  # a copy of the old policy keeps height-for-width
    policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
    made.setSizePolicy(policy)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    made.setToolTip(tip)
    return made


class WrappedLabel(QLabel):
    """Text that breaks its lines, never widens the dock and is never cut off below."""

    def __init__(self, tooltip: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        policy = self.sizePolicy()
        policy.setHorizontalPolicy(policy.Policy.Ignored)
        self.setSizePolicy(policy)
        self.setToolTip(tooltip)

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Show another text."""
        super().setText(text)
        self._reserve()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Make room for all lines at the new width."""
        super().resizeEvent(event)
        self._reserve()

    def _reserve(self) -> None:
        # Layouts don't reserve the height that wrapped labels need.
        self.setMinimumHeight(0)  # else Qt counts the room of a longer text before
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))


def heading(text: str) -> QLabel:
    """Make a heading of a part of a panel."""
    made = QLabel(text)
    font = made.font()
    font.setBold(True)
    made.setFont(font)
    return made


def side_by_side(*widgets: QWidget, stretch: int | None = None) -> QWidget:
    """Put widgets in a row; `stretch` is the place of the one that takes the room left."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for place, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if place == stretch else 0)
    if stretch is None:
        layout.addStretch(1)
    return row


def offer(made: QWidget, reason: str, tip: str) -> None:
    """Switch a control on, or off with the reason as its tooltip."""
    made.setEnabled(not reason)
    made.setToolTip(reason or tip)


def say(line: QLabel, text: str) -> None:
    """Show a text in a line of its own, which is hidden while it is empty."""
    line.setText(text)
    line.setVisible(bool(text))


def keep_narrow(box: QComboBox, letters: int) -> None:
    """Ask for the width of so many letters: else the longest entry would widen the panel."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(letters)


def show_in_files(folder: Path) -> None:
    """Open a folder in the system's file manager."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def bring_into_sight(widget: QWidget) -> None:
    """Scroll the panel to a widget that has just been shown, once it is laid out.

    Lines that wrap take their height step by step: for a while the panel follows its growth.
    """
    above = widget.parentWidget()
    while above is not None and not isinstance(above, QScrollArea):
        above = above.parentWidget()
    if above is not None:
        _Following(above, widget)


class _Following(QObject):
    """Keeps a widget in the sight of a scroll area while what is above it grows."""

    def __init__(self, area: QScrollArea, widget: QWidget) -> None:
        super().__init__(area)
        self._area, self._widget = area, widget
        area.verticalScrollBar().rangeChanged.connect(self._scroll)
        QTimer.singleShot(50, self._scroll)
        QTimer.singleShot(_FOLLOWED_MS, self.deleteLater)

    def _scroll(self) -> None:
        if isalive(self._widget):
            self._area.ensureWidgetVisible(self._widget, 0, 8)


def agreed(parent: QWidget, title: str, question: str, yes: str) -> bool:
    """Ask before something is lost; not doing it is the default."""
    box = QMessageBox(QMessageBox.Icon.Question, title, question, parent=parent)
    accept = box.addButton(yes, QMessageBox.ButtonRole.DestructiveRole)
    refuse = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(refuse)
    box.setEscapeButton(refuse)
    box.exec()
    return box.clickedButton() is accept
