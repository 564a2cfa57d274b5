"""A dialog for labels of other programs: which files, and what becomes of each class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QRect, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_matssl.labels.exchange import cellpose, colour_masks, fiji, value_masks
from napari_matssl.labels.names import few
from napari_matssl.tasks.exchanging.find_labels import LINE_WIDTH_PX
from napari_matssl.tasks.label_import.importing import ImportWish, Painted
from napari_matssl.tasks.label_import.outlook import Outlook
from napari_matssl.tasks.label_import.sources import ToldBy
from napari_matssl.widgets.controls.forms import button, heading, note, offer, say, side_by_side
from napari_matssl.widgets.controls.import_tables import LEAVE_OUT, ClassesToImport, ImagesToImport

_ABOUT = (
    "Labels from COCO, LabelMe, CVAT, Supervisely, Fiji (ROIs), cellpose, ilastik or Labkit, or "
    "masks in which a colour is a class. Nothing is written until you press Import."
)
_TOLD_BY: dict[ToldBy, str] = {
    "file": "as the files tell it",
    "group": "the group of each ROI",
    "name": "the name of each ROI, up to a dash",
    "one": "one class for all",
}
_PAINTED: dict[Painted, str] = {
    "keep": "Leave these images as they are",
    "fill": "Fill what is unpainted on them",
    "replace": "Replace their strokes",
}
_PROGRAMS = {colour_masks.PROGRAM: "Masks of colours", value_masks.PROGRAM: "Masks of grey values"}
_CHOOSE = "Choose files or a folder."
_IMPORT_TIP = "Write the labels into the painted labels of the images. It can be undone."
_SIZE = (680, 640)
_LINES = 4  # of remarks in sight


@dataclass(frozen=True)
class Asked:
    """What a user wants to look at.

    Parameters
    ----------
    sources
        Files, or a folder.
    told_by
        What tells the class of shapes without one.
    shown
        ROIs and masks belong to the image that is shown, whatever they are called.
    """

    sources: tuple[Path, ...]
    told_by: ToldBy
    shown: bool


class ImportDialog(QDialog):
    """Choose files, look at what would be done, and choose the class of each of theirs.

    Parameters
    ----------
    classes
        Names of the classes of the folder.
    shown
        Name of the image that is shown; None if there is none.
    start
        Folder where file dialogs begin.
    """

    asked = Signal(object)
    """The Asked to be read; then :meth:`show_outlook` or :meth:`show_problem` is to be called."""

    def __init__(
        self,
        classes: Sequence[str],
        shown: str | None = None,
        start: Path | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import labels")
        self.resize(*_SIZE)
        self._start = "" if start is None else str(start)
        self._sources: tuple[Path, ...] = ()
        self._outlook: Outlook | None = None
        self.files = button("Files...", "Choose annotation files, or masks.", self._ask_files)
        self.folder = button(
            "Folder...", "Choose a folder; those inside it are not looked into.", self._ask_folder
        )
        self.place = note("", "What is imported.")
        self.told_by = _combo(_TOLD_BY.values(), "What tells the class of ROIs and numbered masks.")
        self.of_shown = QCheckBox(f"They are of the image shown: {shown}")
        self.of_shown.setToolTip("Whatever the file of ROIs, or the mask, is called.")
        self.of_shown.setEnabled(shown is not None)
        self.status = note("", "What was found, or what is wrong.")
        self.classes = ClassesToImport(classes)
        self.images = ImagesToImport()
        self.remarks = QPlainTextEdit()
        self.remarks.setReadOnly(True)
        self.remarks.setToolTip("What is left out and why, and what was decided.")
        self.painted = _combo(_PAINTED.values(), "What becomes of images that are painted already.")
        self.width = QDoubleSpinBox()
        self.width.setRange(1, 1000)
        self.width.setValue(LINE_WIDTH_PX)
        self.width.setSuffix(" px")
        self.width.setToolTip("Width of lines and points that have none of their own.")
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.ok = self.buttons.button(buttons.Ok)
        self.ok.setText("Import")
        self._lay_out()
        self.told_by.activated.connect(self._ask)
        self.of_shown.toggled.connect(self._ask)
        self.classes.changed.connect(self._check)
        self.painted.currentIndexChanged.connect(self._check)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._forget(_CHOOSE)

    # --- what was found

    def choose(self, sources: Sequence[Path]) -> None:
        """Look at other files, or a folder."""
        self._sources = tuple(sources)
        self.place.setText(few([path.name for path in sources], 4))
        self.place.setToolTip("\n".join(map(str, sources[:20])))
        self.told_by.setCurrentIndex(0)
        with signals_blocked(self.of_shown):
            self.of_shown.setChecked(False)
        self._ask()

    def show_progress(self, text: str) -> None:
        """Show how far the reading is."""
        self.status.setText(text)

    def show_problem(self, text: str, nameless: bool = False) -> None:
        """Show why nothing can be imported; `nameless`: no image is called like the files."""
        self._forget(text)
        self._offer_choices(nameless or self.of_shown.isChecked())

    def show_outlook(self, outlook: Outlook) -> None:
        """Show what an import would do."""
        self._outlook = outlook
        self.told_by.setCurrentIndex(list(_TOLD_BY).index(outlook.told_by))
        shapeless = {fiji.PROGRAM, cellpose.PROGRAM}.intersection(outlook.found.programs)
        self._offer_choices(self.of_shown.isChecked(), bool(shapeless))
        programs = ", ".join(_PROGRAMS.get(one, one) for one in outlook.found.programs)
        there = outlook.total
        self.status.setText(f"{programs}: labels for {len(outlook.images)} of {there} images.")
        for part in self._found:
            part.show()
        self._show_remarks("\n".join(outlook.problems))
        self._line_row.setVisible(outlook.has_lines)
        self._painted_row.setVisible(outlook.painted > 0)
        self._painted_words.setText(f"{outlook.painted} painted already:")
        self.images.show_images(outlook.images)
        self.classes.show_classes(outlook.classes)

    def _show_remarks(self, text: str) -> None:
        """Show remarks from the first on, in as many lines as they take, up to some."""
        metrics, margin = self.remarks.fontMetrics(), self.remarks.document().documentMargin()
        around = self.layout().contentsMargins()
        width = self.size().width() - around.left() - around.right() - round(2 * margin)
        flags = int(Qt.TextFlag.TextWordWrap)
        needed = metrics.boundingRect(QRect(0, 0, width, 0), flags, text).height()
        line = metrics.lineSpacing()
        self.remarks.setFixedHeight(min(_LINES * line, needed) + line)
        self.remarks.setPlainText(text)
        self.remarks.setVisible(bool(text))

    @property
    def wish(self) -> ImportWish:
        """What is wanted; there is something to import."""
        assert self._outlook is not None
        painted = list(_PAINTED)[self.painted.currentIndex()]
        return ImportWish(self._outlook, self.classes.chosen, painted, self.width.value())

    # --- inside

    def _lay_out(self) -> None:
        self._told_row = side_by_side(QLabel("Class of a shape:"), self.told_by)
        self._painted_words = QLabel()
        self._painted_row = side_by_side(self._painted_words, self.painted)
        self._line_row = side_by_side(QLabel("Width of lines and points:"), self.width)
        titles = heading("Classes"), heading("Images")
        self._found = (*titles, self.classes, self.images)
        self.why_not = note("", "Why nothing can be imported yet.")
        layout = QVBoxLayout(self)
        layout.addWidget(note(_ABOUT))
        layout.addWidget(side_by_side(self.files, self.folder, self.place, stretch=2))
        layout.addWidget(self.status)
        layout.addWidget(self._told_row)
        layout.addWidget(self.of_shown)
        layout.addWidget(titles[0])
        layout.addWidget(self.classes, 1)
        layout.addWidget(titles[1])
        layout.addWidget(self.images, 1)
        layout.addWidget(self.remarks)
        layout.addWidget(self._line_row)
        layout.addWidget(self._painted_row)
        layout.addWidget(self.why_not)
        layout.addStretch(0)
        layout.addWidget(self.buttons)

    def _forget(self, text: str) -> None:
        self._outlook = None
        rows = self._told_row, self.of_shown, self._line_row, self._painted_row
        for part in (*self._found, *rows, self.remarks):
            part.hide()
        self.status.setText(text)
        self._check()

    def _offer_choices(self, nameless: bool, shapeless: bool = False) -> None:
        """Offer what may mend or change what was found."""
        self.of_shown.setVisible(nameless and self.of_shown.isEnabled())
        self._told_row.setVisible(shapeless or self.told_by.currentIndex() > 0)

    def _ask_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Import labels from files", self._start)
        if chosen:
            self.choose([Path(path) for path in chosen])

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Import labels from a folder", self._start)
        if chosen:
            self.choose([Path(chosen)])

    def _ask(self, _choice: object = None) -> None:
        self._outlook = None
        self.status.setText("Reading...")
        self._check()
        told_by = list(_TOLD_BY)[self.told_by.currentIndex()]
        self.asked.emit(Asked(self._sources, told_by, self.of_shown.isChecked()))

    def _check(self) -> None:
        reason = self._why_not()
        offer(self.ok, reason, _IMPORT_TIP)
        say(self.why_not, reason if self._outlook is not None else "")

    def _why_not(self) -> str:
        if self._outlook is None:
            return self.status.text()
        names = self.classes.open_names
        if names:
            return f"Choose a class, or {LEAVE_OUT}, for {few(names)}."
        if not self.classes.chosen:
            return "All classes are left out."
        keep = list(_PAINTED)[self.painted.currentIndex()] == "keep"
        if keep and self._outlook.painted == len(self._outlook.images):
            return "All of these images are painted already: choose what becomes of them."
        return ""


def _combo(entries: Iterable[str], tip: str) -> QComboBox:
    combo = QComboBox()
    combo.addItems(list(entries))
    combo.setToolTip(tip)
    return combo
