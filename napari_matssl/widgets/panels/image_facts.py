"""Page, pixel size and info bar of the shown image, to read and to set."""

import math
from dataclasses import replace
from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QSpinBox, QWidget
from superqt.utils import signals_blocked

from napari_matssl.errors import InputError
from napari_matssl.labels.names import few
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.project.image_summary import ImageFacts
from napari_matssl.project.pixel_sizes import agree
from napari_matssl.widgets.canvas.setting_facts import (
    set_info_bar,
    set_page,
    set_pixel_size,
    set_pixel_size_of_all,
)
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import agreed, button, note, offer, say, side_by_side
from napari_matssl.widgets.panels.bar_calibration import BarCalibration
from napari_matssl.widgets.session import Session

_BY_HAND = "set by hand"
_PAGE_TIP = (
    "Which image of the file counts: a slice of a stack, another detector. Strokes and masks "
    "belong to their page; those of the others are kept."
)


class ImageFactsEditor(QWidget):
    """A pixel's size and where the info bar begins, with where that was found.

    Of a file of several images, also which of them counts.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._folder, self._current = session.folder, session.current
        self._notices = session.notices
        self._build()
        session.runner.started.connect(self._offer_page)
        session.runner.ended.connect(self._offer_page)
        session.folder.surveyed.connect(self._show_sources)
        self.show_facts()

    def _build(self) -> None:
        self.page = QSpinBox()
        self.page.setToolTip(_PAGE_TIP)
        self.page.setKeyboardTracking(False)
        self.page.valueChanged.connect(partial(set_page, self._current))
        WheelGuard(self.page)
        self.size = QLineEdit()
        self.size.setPlaceholderText("not calibrated")
        self.size.setToolTip(
            "Side of a pixel in micrometres; width x height where they differ, such as 0.1 x 0.2. "
            "Type another value to correct it; empty it to return to the value of the file."
        )
        self.size.editingFinished.connect(lambda: self._set_size(everywhere=False))
        self.everywhere = button(
            "All images",
            "Give this pixel size to every image of the folder.",
            lambda: self._set_size(everywhere=True),
        )
        self.size_source = note("", "Where the pixel size was read from.")
        self.by_bar = BarCalibration(self._session)
        self.size_doubt = note("", "The length of the scale bar by this pixel size isn't round.")
        self.size_doubt.hide()
        self.has_bar = QCheckBox("from row")
        self.has_bar.setToolTip(
            "Leave the strip with scale bar and text at the lower edge out of training, "
            "segmentation and fractions."
        )
        self.has_bar.toggled.connect(self._set_bar)
        self.row = QSpinBox()
        self.row.setKeyboardTracking(False)
        self.row.setToolTip("First row of the info bar, counted from the top of the image.")
        self.row.valueChanged.connect(self._set_bar)
        WheelGuard(self.row)
        self.drag = button(
            "Drag the line",
            "Drag the yellow line in the image.",
            self._session.info_bar.grab,
        )
        self.auto = button(
            "Automatic",
            "Go back to the info bar as it was detected.",
            lambda: set_info_bar(self._current, "auto"),
        )
        self.bar_source = note("", "How the info bar, below the yellow line, was found.")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.addRow("Page", self.page)
        form.addRow("Pixel size (µm)", side_by_side(self.size, self.everywhere, stretch=0))
        form.addRow(self.size_source)  # a row of its own, as it would be cut off beside labels
        form.addRow(self.size_doubt)
        form.addRow(self.by_bar)
        form.addRow("Info bar", side_by_side(self.has_bar, self.row))
        form.addRow(self.bar_source)
        form.addRow("", side_by_side(self.drag, self.auto))
        for line in (self.size_source, self.bar_source):
            line.setWordWrap(False)  # a form reserves two lines for labels that wrap
        self._page_title = form.labelForField(self.page)

    def show_facts(self) -> None:
        """Show the facts of the image in view."""
        shown = self._current.shown
        self.setEnabled(shown is not None)
        several = shown is not None and shown.micrograph.pages > 1
        for widget in (self.page, self._page_title):
            widget.setVisible(several)
        if shown is None:
            self.size.clear()
            self.size_source.setText("")
            say(self.size_doubt, "")
            self.bar_source.setText("")
            return
        micrograph = shown.micrograph
        with signals_blocked(self.page):
            self.page.setRange(1, micrograph.pages)
            self.page.setValue(micrograph.page)
        self.page.setSuffix(f" of {micrograph.pages}")
        self._offer_page()
        size = micrograph.pixel_size
        self.size.setText(_sides(size))
        self.size_source.setText(_size_in_words(size))
        say(self.size_doubt, "" if size is None or not size.doubt else f"⚠ {size.doubt}")
        self._show_sources()
        bar = micrograph.info_bar
        with signals_blocked(self.has_bar), signals_blocked(self.row):
            self.has_bar.setChecked(bar is not None)
            self.row.setRange(1, micrograph.height - 1)
            self.row.setValue(bar.row if bar is not None else round(0.93 * micrograph.height))
        self.row.setEnabled(bar is not None)
        self.drag.setEnabled(bar is not None)
        found = "No info bar was found." if bar is None else f"left out ({bar.source})"
        self.bar_source.setText(found)

    def _show_sources(self, _name: str = "") -> None:
        """List all that is known of the pixel size in the tooltip, once the image is surveyed."""
        shown = self._current.shown
        if shown is None:
            return
        facts = self._folder.facts.get(shown.name)
        sources = facts.sources if isinstance(facts, ImageFacts) else ()
        listed = [one.in_words for one in sources]
        text = _size_in_words(shown.micrograph.pixel_size)
        self.size_source.setToolTip("\n".join(listed) if len(listed) > 1 else text)

    def _offer_page(self, _title: str = "") -> None:
        offer(self.page, self._session.runner.busy_reason, _PAGE_TIP)

    def _set_size(self, everywhere: bool) -> None:
        shown = self._current.shown
        if shown is None:
            return
        text, now = self.size.text().strip(), shown.micrograph.pixel_size
        if text == _sides(now):
            if not everywhere:
                return  # the field was left without a change
            size = None if now is None else replace(now, source=_BY_HAND)
        else:
            try:
                size = _typed(text)
            except InputError as problem:
                self._notices.failed.emit(problem)
                self.show_facts()
                return
        lost = self._lost_by_hand(shown.name, size) if everywhere else []
        if lost and not self._may_lose(lost, size):
            self.show_facts()
            return
        if not everywhere:
            set_pixel_size(self._current, size)
            return
        replaced = self._calibrated_otherwise(size)
        if set_pixel_size_of_all(self._current, size) and replaced:
            self._notices.remarked.emit(
                f"The pixel size of all images replaces those of {few(replaced)}. Empty the field "
                "of an image to go back to its own."
            )

    def _lost_by_hand(self, shown: str, size: PixelSize | None) -> list[str]:
        """Return the other images whose size was set by hand and would be another one."""
        project, found = self._folder.require_project(), []
        for name in project.images.names:
            own = project.micrographs.pixel_size_by_hand(name)
            if name != shown and own is not None and (size is None or not agree(own, size)):
                found.append(name)
        return found

    def _may_lose(self, names: list[str], size: PixelSize | None) -> bool:
        """Ask before sizes that were set by hand go."""
        which = f"The pixel size of {few(names)} was set by hand."
        if size is None:
            question = f"{which} Delete it, so that what the file has counts?"
            return agreed(self, "Pixel size of all images", question, "Delete")
        question = f"{which} Replace it by {size.in_words}?"
        return agreed(self, "Pixel size of all images", question, "Replace")

    def _calibrated_otherwise(self, size: PixelSize | None) -> list[str]:
        """Return a remark on files whose own pixel size is another one."""
        project, found = self._folder.require_project(), []
        for name in project.images.names:
            facts = self._folder.facts.get(name)
            own = facts.pixel_size if isinstance(facts, ImageFacts) else None
            if own is None or project.micrographs.pixel_size_by_hand(name) is not None:
                continue
            if size is None or not math.isclose(own.mean_um, size.mean_um, rel_tol=1e-3):
                found.append(f"{name} ({_sides(own)} µm)")
        return found

    def _set_bar(self, _value: object = None) -> None:
        set_info_bar(self._current, self.row.value() if self.has_bar.isChecked() else None)


def _sides(size: PixelSize | None) -> str:
    """Write a size to be edited: one number, or width and height where they differ."""
    if size is None:
        return ""
    x, y = f"{size.x_um:.6g}", f"{size.y_um:.6g}"
    return x if x == y else f"{x} x {y}"


def _typed(text: str) -> PixelSize | None:
    """Read what :func:`_sides` writes; decimal commas and the multiplication sign are welcome.

    Raises
    ------
    InputError
        If it is not one number, or two with an x between.
    """
    if not text:
        return None
    parts = text.replace(",", ".").lower().replace("×", "x").removesuffix("µm").split("x")
    try:
        x, y = (float(part) for part in (parts * 2 if len(parts) == 1 else parts))
    except ValueError:
        remedy = "Give micrometres, such as 0.25, or width x height, such as 0.1 x 0.2."
        raise InputError(f'"{text}" is no pixel size.', remedy) from None
    return PixelSize(x, y, _BY_HAND)


def _size_in_words(size: PixelSize | None) -> str:
    if size is None:
        return "not calibrated: no areas"
    return size.source if size.source == _BY_HAND else f"from {size.source}"
