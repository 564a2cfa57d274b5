"""A dialog for what a recipe fixes that no folder knows: its limits, and lines of each report."""

from pydantic import ValidationError
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.settings import LimitSettings
from napari_matssl.settings.report_details import LONGEST, ReportDetails
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.forms import note, say
from napari_matssl.widgets.controls.settings_form import SettingsForm

_WIDTH = 480
"""Of the dialog, px."""

_ABOUT = (
    "Others run the recipe on their folders, and can change nothing in it. It holds the model, the "
    "cleaning, and the measures that are ticked. Specimen and operator are typed at each run."
)
_LINES = {
    "etchant": ("Preparation, etchant", "How sections are prepared and etched."),
    "orientation": ("Orientation", "Of the sections: to the axis of deformation, or the surface."),
}


class RecipeDialog(QDialog):
    """Ask for limits and lines of the report; OK is off while something can't be.

    Parameters
    ----------
    model
        Name of the model.
    measures
        Names of the measures.
    details
        Of the folder's reports.
    """

    def __init__(
        self, model: str, measures: str, details: ReportDetails, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Save recipe")
        self.setMinimumWidth(_WIDTH)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", note(model))
        form.addRow("Measures", note(measures))
        self.lines: dict[str, QLineEdit] = {}
        for name, (title, tip) in _LINES.items():
            line = self.lines[name] = QLineEdit(getattr(details, name))
            line.setMaxLength(LONGEST)
            line.setToolTip(tip)
            form.addRow(title, line)
        self.limits = SettingsForm(LimitSettings, [*LimitSettings.model_fields])
        self.limits.changed.connect(self._check)
        self.problem = note("", "What is wrong with a limit.")
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.ok = self.buttons.button(buttons.Ok)
        self.ok.setText("Save as...")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(note(_ABOUT))
        layout.addLayout(form)
        layout.addWidget(self.limits)
        layout.addWidget(self.problem)
        layout.addWidget(self.buttons)
        self._check()

    @property
    def details(self) -> ReportDetails:
        """The lines of the report.

        Raises
        ------
        ValidationError
            If one can't be.
        """
        return ReportDetails(**{name: line.text() for name, line in self.lines.items()})

    def _check(self) -> None:
        try:
            self.limits.settings()
            _ = self.details
        except (MatSSLError, ValidationError) as error:
            say(self.problem, explain(error) if isinstance(error, MatSSLError) else str(error))
            self.ok.setEnabled(False)
        else:
            say(self.problem, "")
            self.ok.setEnabled(True)


def asked_limits(
    parent: QWidget, model: str, measures: str, details: ReportDetails
) -> tuple[LimitSettings, ReportDetails] | None:
    """Ask for limits and lines of the report; None if that was cancelled."""
    dialog = RecipeDialog(model, measures, details, parent)
    try:
        return (dialog.limits.settings(), dialog.details) if dialog.exec() else None
    finally:
        dialog.deleteLater()
