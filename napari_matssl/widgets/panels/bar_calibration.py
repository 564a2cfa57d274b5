"""Calibrating by the burnt-in scale bar: a line along it, and its length as it is printed."""

from collections.abc import Mapping

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.labels.names import few
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.scale_bar import length_in_words
from napari_matssl.project.image_summary import ImageFacts
from napari_matssl.project.pixel_sizes import agree
from napari_matssl.tasks.measuring.calibrate import size_of_bar
from napari_matssl.widgets.canvas.setting_facts import set_pixel_sizes
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import button, note, offer, say, side_by_side
from napari_matssl.widgets.session import Session

_UNITS = {"µm": 1.0, "nm": 1e-3, "mm": 1e3}
_START_TIP = (
    "Draw a line along the scale bar in the image and type its length. Where the bar is found, the "
    "line is there already."
)
_HERE_TIP = "Give this image the pixel size that follows, in the project; no file is changed."
_ALL_TIP = (
    "Give every image of the folder the pixel size that follows. Only for images taken at one "
    "magnification."
)
_UNDO_TIP = "Go back to the pixel sizes from before."
_DRAW = "Draw the line from one end of the scale bar to the other."


class BarCalibration(QWidget):
    """The button that begins, and while a line is drawn, its length with what follows from it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._folder, self._current, self._line = session.folder, session.current, session.bar_line
        self._before: Mapping[str, PixelSize | None] = {}
        self._applied: PixelSize | None = None
        self._has_line = False
        self._build()
        session.bar_line.changed.connect(self._update)
        session.folder.changed.connect(self._forget)
        session.counting.changed.connect(self._update)
        self._update()

    def _build(self) -> None:
        self.start = button("By the scale bar...", _START_TIP, self._begin)
        self.undo = button("Undo", _UNDO_TIP, self._take_back)
        self.length = QLineEdit()
        self.length.setPlaceholderText("length")
        self.length.setFixedWidth(80)
        self.length.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.length.setToolTip("Length of the scale bar as it is printed beside it.")
        self.unit = QComboBox()
        self.unit.addItems([*_UNITS])
        self.unit.setToolTip("Unit of the length.")
        WheelGuard(self.unit)
        self.found = note("", "Length of the line, and the pixel size that follows.")
        self.here = button("This image", _HERE_TIP, lambda: self._apply(everywhere=False))
        self.everywhere = button("All images", _ALL_TIP, lambda: self._apply(everywhere=True))
        self.cancel = button("Cancel", "Remove the line (Esc).", self._line.cancel)
        self.form = QWidget()
        inside = QVBoxLayout(self.form)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(side_by_side(QLabel("The bar is"), self.length, self.unit))
        inside.addWidget(self.found)
        inside.addWidget(side_by_side(self.here, self.everywhere, self.cancel))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(side_by_side(self.start, self.undo))
        layout.addWidget(self.form)
        self.length.textChanged.connect(self._update)
        self.unit.currentTextChanged.connect(self._update)
        self.length.returnPressed.connect(self.here.click)

    def _begin(self) -> None:
        self._session.area.cancel()  # its Esc would be another
        self.length.clear()
        bar = self._line.draw()
        if bar is not None and bar.printed_um is not None:
            self._propose(bar.printed_um)
        self.length.setFocus()
        self.length.selectAll()

    def _propose(self, um: float) -> None:
        """Fill in the length that was read beside the bar; it counts once somebody applies it."""
        number, unit = length_in_words(um).split()
        self.unit.setCurrentText(unit)
        self.length.setText(number)

    def _size(self) -> PixelSize | None:
        """Return the pixel size that line and length give; None while they don't.

        Raises
        ------
        InputError
            If the length is none, or the image's pixels aren't square.
        """
        length_px, text = self._line.length_px, self.length.text().strip().replace(",", ".")
        if length_px is None or not text:
            return None
        try:
            um = float(text) * _UNITS[self.unit.currentText()]
        except ValueError:
            raise InputError(f'"{text}" is no length.', "Type a number, such as 50.") from None
        shown = self._current.require_shown()
        size = shown.micrograph.pixel_size
        if size is not None and not size.square:
            raise InputError(
                f"The pixels of {shown.name} aren't square, and one line can't tell both sides.",
                "Type width x height into the field above.",
            )
        return size_of_bar(length_px, um)

    def _apply(self, everywhere: bool) -> None:
        try:
            size, project = self._size(), self._folder.require_project()
            shown = self._current.require_shown()
        except MatSSLError as error:
            self._session.notices.failed.emit(error)
            return
        if size is None:
            return
        names, spared = [shown.name], []
        if everywhere:
            spared = [name for name in project.images.names if not self._may_change(name)]
            names = [name for name in project.images.names if name not in spared]
        before = {name: project.micrographs.pixel_size_by_hand(name) for name in names}
        replaced = [name for name in names if everywhere and self._differs(name, size)]
        self._line.cancel()
        set_pixel_sizes(self._current, dict.fromkeys(names, size))
        now = {name: project.micrographs.pixel_size_by_hand(name) for name in names}
        if any(now[name] != size for name in names):
            return  # it couldn't be kept, which was told
        self._before, self._applied = before, size
        which = shown.name if len(names) == 1 else f"{len(names)} images"
        text = f"{which}: {size.in_words} by the scale bar."
        text += f" It replaces the size of {few(replaced)}." if replaced else ""
        text += f" Left out, as their pixels aren't square: {few(spared)}." if spared else ""
        self._session.notices.remarked.emit(text)
        self._update()

    def _may_change(self, name: str) -> bool:
        facts = self._folder.facts.get(name)
        size = facts.pixel_size if isinstance(facts, ImageFacts) else None
        return size is None or size.square

    def _differs(self, name: str, size: PixelSize) -> bool:
        facts = self._folder.facts.get(name)
        known = facts.pixel_size if isinstance(facts, ImageFacts) else None
        return known is not None and not agree(known, size)

    def _take_back(self) -> None:
        """Give images their size of before, but for those that got another since."""
        project = self._folder.project
        if project is None:
            return
        now = {name: project.micrographs.pixel_size_by_hand(name) for name in self._before}
        before = {n: size for n, size in self._before.items() if now[n] == self._applied}
        others = [name for name in now if name not in before]
        set_pixel_sizes(self._current, before)
        sizes = {name: project.micrographs.pixel_size_by_hand(name) for name in before}
        if sizes != before:
            return  # it couldn't be kept, which was told; it can be tried again
        self._before = {}
        which = few([*before]) if len(before) == 1 else f"{len(before)} images"
        text = f"{which}: the pixel size is as before."
        text += f" Left out, as they got another since: {few(others)}." if others else ""
        self._session.notices.remarked.emit(text)
        self._update()

    def _forget(self) -> None:
        self._before = {}
        self._update()

    def _update(self, _what: object = None) -> None:
        shown, drawing = self._current.shown, self._line.layer is not None
        reason = "" if shown is not None else "No image is shown."
        reason = reason or ("A count is running." if self._session.counting.running else "")
        offer(self.start, reason, _START_TIP)
        self.undo.setVisible(bool(self._before))
        self.form.setVisible(drawing)
        if not drawing:
            self._has_line = False
            return
        length_px, why = self._line.length_px, ""
        if length_px is not None and not self._has_line:
            self.length.setFocus()  # the next that is typed is the length, no class's key
        self._has_line = length_px is not None
        text = _DRAW if length_px is None else f"The line is {length_px:.1f} px long."
        try:
            size = self._size()
        except MatSSLError as error:
            size, why = None, str(error)
        if size is not None:
            text += f" So {size.in_words}."
        say(self.found, why or text)
        missing = why or ("" if size is not None else "Draw the line and type its length first.")
        offer(self.here, missing, _HERE_TIP)
        offer(self.everywhere, missing, _ALL_TIP)
