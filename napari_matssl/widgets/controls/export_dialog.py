"""A dialog for a model that is to be written for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.errors import SettingsError
from napari_matssl.tasks.exchanging.credits import LICENCES, Credits, check_credits
from napari_matssl.widgets.controls.forms import note

Form = Literal["onnx", "torchscript", "bioimageio"]

PACKAGE: Form = "bioimageio"
_WIDTH = 360
"""Of the lines of text, px."""

_FORMS: dict[Form, tuple[str, str, str]] = {
    "onnx": ("ONNX", ".onnx", "For most programs: Python, C++, C#, Java, MATLAB."),
    PACKAGE: (
        "Package of bioimage.io",
        ".zip",
        "For QuPath, ImageJ and others: both networks with a description, a test image and the "
        "model itself. A part of a painted image is shown in it.",
    ),
    "torchscript": ("TorchScript", ".pt", "For programs with PyTorch inside."),
}


@dataclass(frozen=True)
class ExportWish:
    """What a user wants of a model.

    Parameters
    ----------
    form
        What is written.
    out
        The file to write; the user has agreed to replace it if it is there.
    credits
        Who made the model; empty but for packages.
    """

    form: Form
    out: Path
    credits: Credits


class ExportDialog(QDialog):
    """Ask for the format; for a package, also for authors and licence."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export a model")
        self.form = QComboBox()
        self.form.addItems([title for title, _, _ in _FORMS.values()])
        self.about = note("", "What the chosen format is for.")
        self.authors = QLineEdit()
        self.authors.setPlaceholderText("A. Name; B. Name")
        self.authors.setToolTip("Who made the model; several names with a semicolon between them.")
        self.licence = QComboBox()
        self.licence.addItems(LICENCES)
        self.licence.setToolTip("Terms under which others may use the model, as SPDX calls them.")
        self.problem = note("", "What is missing.")
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.ok = self.buttons.button(buttons.Ok)
        self.ok.setText("Choose file...")
        for label in (self.about, self.problem):
            label.setFixedWidth(_WIDTH)
            label.setMinimumHeight(3 * label.fontMetrics().lineSpacing())
        self.form.setAccessibleName("Format")
        rows = QFormLayout()
        rows.addRow("Format", self.form)
        rows.addRow("Authors", self.authors)
        rows.addRow("Licence", self.licence)
        layout = QVBoxLayout(self)
        layout.addWidget(note(f"Write {name} for other programs. The file is compared with it."))
        layout.addLayout(rows)
        layout.addWidget(self.about)
        layout.addWidget(self.problem)
        layout.addWidget(self.buttons)
        self.form.currentIndexChanged.connect(self._check)
        self.authors.textChanged.connect(self._check)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._check()

    @property
    def chosen(self) -> Form:
        """The format."""
        return list(_FORMS)[self.form.currentIndex()]

    @property
    def credits(self) -> Credits:
        """Who made the model; empty but for packages."""
        if self.chosen != PACKAGE:
            return Credits()
        names = (one.strip() for one in self.authors.text().split(";"))
        return Credits(tuple(one for one in names if one), self.licence.currentText())

    def _check(self) -> None:
        is_package = self.chosen == PACKAGE
        self.about.setText(_FORMS[self.chosen][2])
        self.authors.setEnabled(is_package)
        self.licence.setEnabled(is_package)
        reason = ""
        if is_package:
            try:
                check_credits(self.credits)
            except SettingsError as error:
                reason = str(error)
        self.problem.setText(reason)
        self.ok.setEnabled(not reason)


def asked_export(parent: QWidget, model: Path) -> ExportWish | None:
    """Ask how and where to export a model; None if that was cancelled."""
    dialog = ExportDialog(model.stem, parent)
    try:
        if not dialog.exec():
            return None
        form, credits = dialog.chosen, dialog.credits
    finally:
        dialog.deleteLater()
    title, suffix, _ = _FORMS[form]
    chosen, _ = QFileDialog.getSaveFileName(
        parent, "Export a model", f"{model.stem}{suffix}", f"{title} (*{suffix})"
    )
    if not chosen:
        return None
    out = Path(chosen)
    return ExportWish(form, out if out.suffix else out.with_suffix(suffix), credits)
