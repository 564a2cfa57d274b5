"""A dialog for what a report says of the specimen."""

from datetime import date

from pydantic import ValidationError
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.settings.report_details import LONGEST, MOST_REMARKS, ReportDetails
from napari_matssl.widgets.controls.forms import note

_WIDTH = 460
"""Of the dialog, px."""

_ABOUT = (
    "The folder keeps this for its next report. What is empty becomes a line to be filled in by "
    "hand."
)
_LINES = {
    "specimen": ("Specimen", "Which one, with material and heat: the title of the report."),
    "etchant": ("Preparation, etchant", "How the section was prepared and etched."),
    "orientation": (
        "Orientation",
        "Of the section: to the axis of deformation, or to the surface.",
    ),
    "operator": ("Operator", "Who has prepared, imaged and measured."),
}


class ReportDialog(QDialog):
    """Ask for the details of a report; OK is off while one is too long.

    Parameters
    ----------
    details
        That were typed before.
    """

    def __init__(self, details: ReportDetails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Report")
        self.setMinimumWidth(_WIDTH)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.lines: dict[str, QLineEdit] = {}
        for name, (title, tip) in _LINES.items():
            line = self.lines[name] = QLineEdit(getattr(details, name))
            line.setToolTip(tip)
            line.textChanged.connect(self._check)
            form.addRow(title, line)
        self.date = QLineEdit(date.today().isoformat())
        self.date.setToolTip("Date of the measurement, as it is to stand on the page.")
        form.addRow("Date", self.date)
        self.remarks = QPlainTextEdit("\n".join(details.remarks))
        self.remarks.setToolTip("Lines of any kind for the head of the report.")
        self.remarks.setTabChangesFocus(True)
        # In napari's style it has neither frame nor ground of its own.
        self.remarks.setStyleSheet("QPlainTextEdit { border: 1px solid #808080 }")
        self.remarks.setFixedHeight(4 * self.remarks.fontMetrics().lineSpacing())
        self.remarks.textChanged.connect(self._check)
        form.addRow("Remarks", self.remarks)
        self.problem = note("", "What is wrong with a line.")
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.ok = self.buttons.button(buttons.Ok)
        self.ok.setText("Write report")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(note(_ABOUT))
        layout.addLayout(form)
        layout.addWidget(self.problem)
        layout.addWidget(self.buttons)
        self._check()

    @property
    def details(self) -> ReportDetails:
        """What stands there.

        Raises
        ------
        ValidationError
            If a line is too long, or there are too many.
        """
        remarks = (line.strip() for line in self.remarks.toPlainText().splitlines())
        typed = {name: line.text() for name, line in self.lines.items()}
        return ReportDetails(**typed, remarks=tuple(filter(None, remarks)))

    def _check(self) -> None:
        try:
            _ = self.details
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            limit = f"at most {LONGEST} letters"
            self.problem.setText(
                f"{_LINES[name][0]}: {limit}."
                if name in _LINES
                else f"Remarks: {limit} a line, at most {MOST_REMARKS} lines."
            )
        else:
            self.problem.setText("")
        self.ok.setEnabled(not self.problem.text())


def asked_details(parent: QWidget, details: ReportDetails) -> tuple[ReportDetails, str] | None:
    """Ask for details and date; None if that was cancelled."""
    dialog = ReportDialog(details, parent)
    try:
        return (dialog.details, dialog.date.text().strip()) if dialog.exec() else None
    finally:
        dialog.deleteLater()
