"""Cleaning the segmentation of the shown image, and handing it over to be corrected."""

from napari.layers import Shapes
from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt.utils import qdebounced

from napari_matssl.errors import MatSSLError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.settings import Cleaning
from napari_matssl.widgets.controls.cleaning_editor import CleaningEditor
from napari_matssl.widgets.controls.forms import (
    bring_into_sight,
    button,
    heading,
    note,
    offer,
    side_by_side,
)
from napari_matssl.widgets.session import Session

DRAW, COPY = "Only in a rectangle", "Copy the rectangle"
"""Captions of the button before and while a rectangle can be drawn."""

_COPY_TIP = (
    "Copy the segmentation into the painted labels of this image, to be corrected with the brush "
    "and trained on. Ctrl+Z undoes it."
)
_AREA_TIP = (
    "Copy it inside a rectangle only. The first press adds a layer to draw the rectangle in, the "
    "second copies."
)
_DRAW_FIRST = f"Draw a rectangle on the image, then press {COPY}. Esc or Cancel ends this."
_CANCEL_TIP = "Remove the rectangle and copy nothing (Esc)."


class ResultEditor(QWidget):
    """Sliders that clean the segmentation, buttons that copy it into the strokes."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._folder, self._current = session.folder, session.current
        self._notices = session.notices
        self.sizes = CleaningEditor()
        self.copy = button("Copy into painted labels", _COPY_TIP, lambda: self._copy(None))
        self.copy_area = button(DRAW, _AREA_TIP, self._copy_inside)
        self.cancel_area = button("Cancel", _CANCEL_TIP, session.area.cancel)
        self.draw_first = note(_DRAW_FIRST)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(heading("Clean the result"))
        layout.addWidget(self.sizes)
        layout.addWidget(heading("Correct the result"))
        layout.addWidget(side_by_side(self.copy, self.copy_area))
        layout.addWidget(self.draw_first)
        layout.addWidget(side_by_side(self.cancel_area))
        self.sizes.changed.connect(lambda _cleaning: self._clean())
        self._folder.changed.connect(self._on_folder)
        self._current.changed.connect(self._update)
        self._current.changed.connect(self._on_shown)
        session.palette.classes_changed.connect(self._on_classes)
        session.results.mask_changed.connect(self._update)
        session.results.cleaning_changed.connect(self._show_cleaning)
        session.area.changed.connect(self._update)
        self._on_folder()

    @property
    def cleaning(self) -> Cleaning:
        """The sizes that the controls show, by the project's class ids."""
        return self.sizes.cleaning

    def cleaning_by(self, table: ClassTable) -> Cleaning:
        """Return the sizes by the ids of another class table.

        Classes are matched by name, or by a name that one of the project once had.
        """
        project = self._folder.project
        if project is None:
            return self.cleaning
        theirs = {ours: one for one, ours in project.classes.matching(table).items()}
        return self.cleaning.renumbered(theirs)

    def _on_folder(self) -> None:
        project = self._folder.project
        self.sizes.set_classes(() if project is None else project.classes.in_order)
        self._show_cleaning()
        self._on_shown()
        self._update()

    def _show_cleaning(self) -> None:
        """Show what counts: what was kept, also where another panel or window has set it."""
        project = self._folder.project
        cleaning = Cleaning() if project is None else project.masks.cleaning
        if cleaning != self.sizes.cleaning:
            self.sizes.set_cleaning(cleaning)

    def _on_classes(self) -> None:
        """Follow classes that came, went, or have another name; their sizes go with them."""
        project = self._folder.project
        if project is not None:
            self.sizes.set_classes(project.classes.in_order)

    def _on_shown(self) -> None:
        shown = self._current.shown
        self.sizes.set_pixel_size(None if shown is None else shown.micrograph.pixel_size)

    def _update(self, _name: str = "") -> None:
        shown = self._current.shown
        there = shown is not None and shown.mask is not None
        offer(self.copy, "" if there else "Segment this image first.", _COPY_TIP)
        offer(self.copy_area, "" if there else "Segment this image first.", _AREA_TIP)
        drawing = self.session.area.layer is not None
        self.copy_area.setText(COPY if drawing else DRAW)
        self.draw_first.setVisible(drawing)
        self.cancel_area.setVisible(drawing)

    @qdebounced(timeout=120)  # while a slider is dragged
    def _clean(self) -> None:
        self.session.results.clean(self.cleaning)

    def _copy(self, area: Shapes | None) -> bool:
        try:
            count = self.session.results.copy_into_strokes(area)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return False
        self._notices.remarked.emit(
            f"{count:,} pixels were copied into the painted labels; Ctrl+Z undoes it."
        )
        self.session.palette.resume()
        return True

    def _copy_inside(self) -> None:
        area = self.session.area
        if area.layer is not None and len(area.layer.data):
            if self._copy(area.layer):
                area.cancel()
            return
        self.session.bar_line.cancel()  # its Esc would be another
        area.draw()
        bring_into_sight(self.cancel_area)
