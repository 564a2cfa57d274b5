"""A dialog for one line of text, checked while it is typed."""

from collections.abc import Callable

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLineEdit, QVBoxLayout, QWidget

from napari_matssl.widgets.controls.forms import note

_WIDTH = 360
"""Of the lines of text, px."""


class LineDialog(QDialog):
    """Ask for a line; OK is off while something is wrong with it.

    Parameters
    ----------
    title, question
        What is asked for.
    text
        What stands there at first, selected.
    problem
        What is wrong with a line; empty if nothing is.
    """

    def __init__(
        self,
        title: str,
        question: str,
        text: str,
        problem: Callable[[str], str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self._problem_of = problem
        self.line = QLineEdit(text)
        self.line.setAccessibleName(title)
        self.problem = note("", "What is wrong with this line.")
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.ok = self.buttons.button(buttons.Ok)
        asked = note(question)
        for label, lines in ((asked, 0), (self.problem, 2)):
            # Layouts don't reserve the height that wrapped labels need.
            label.setMinimumWidth(_WIDTH)
            height = max(label.heightForWidth(_WIDTH), lines * label.fontMetrics().lineSpacing())
            label.setMinimumHeight(height)
        layout = QVBoxLayout(self)
        layout.addWidget(asked)
        layout.addWidget(self.line)
        layout.addWidget(self.problem)
        layout.addWidget(self.buttons)
        self.line.textChanged.connect(self._check)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._check()
        self.line.selectAll()
        self.line.setFocus()

    def _check(self) -> None:
        reason = self._problem_of(self.line.text())
        self.problem.setText(reason)
        self.ok.setEnabled(not reason)


def asked_line(
    parent: QWidget, title: str, question: str, text: str, problem: Callable[[str], str]
) -> str | None:
    """Ask for a line; None if that was cancelled. Parameters as of :class:`LineDialog`."""
    dialog = LineDialog(title, question, text, problem, parent)
    try:
        return dialog.line.text() if dialog.exec() else None
    finally:
        dialog.deleteLater()
