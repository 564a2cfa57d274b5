"""A slider for the size of regions, in pixels or in square micrometres."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QWidget
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_matssl.settings import Size
from napari_matssl.widgets.controls.field_editor import WheelGuard

MOST_PIXELS = 2000
"""Right end of the slider, px; a size that is larger already moves it."""

UNITS = {"px": "px", "um2": "µm²"}
_UNIT_TIP = "Pixels of the image, or µm²: the same on images of any magnification."
_NO_UNIT_TIP = "In px: this image has no pixel size. Set one in the panel Micrographs for µm²."


class SizeSlider(QWidget):
    """A slider, its value to be typed, and its unit; the tooltip tells what the size is for."""

    changed = Signal(object)
    """The new Size, when the user has chosen one."""

    def __init__(self, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._area: float | None = None
        self._size = Size()
        self.slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip(tip)
        self.unit = QComboBox()
        for unit, words in UNITS.items():
            self.unit.addItem(words, unit)
        WheelGuard(self.slider)
        WheelGuard(self.unit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.slider, 1)
        row.addWidget(self.unit)
        self.slider.valueChanged.connect(self._on_value)
        self.unit.currentIndexChanged.connect(self._on_unit)
        self._show()

    def set_size(self, size: Size, pixel_area_um2: float | None) -> None:
        """Show a size on an image, without saying that it changed.

        Parameters
        ----------
        pixel_area_um2
            Area of the image's pixels, um2; None where it isn't calibrated: µm² can't be chosen.
        """
        self._size, self._area = size, pixel_area_um2
        self._show()

    def _show(self) -> None:
        size, area = self._size, self._area
        um2 = size.unit == "um2"
        most = MOST_PIXELS * (area or 0.01 if um2 else 1)
        with signals_blocked(self.slider), signals_blocked(self.unit):
            self.slider.setDecimals(_decimals(area) if um2 else 0)
            self.slider.setRange(0, max(most, size.value))
            self.slider.setSingleStep(most / MOST_PIXELS)
            self.slider.setPageStep(most / 100)
            self.slider.setValue(size.value)
            self.unit.setCurrentIndex(self.unit.findData(size.unit))
        self.unit.model().item(self.unit.findData("um2")).setEnabled(area is not None or um2)
        self.unit.setToolTip(_NO_UNIT_TIP if area is None else _UNIT_TIP)

    def _on_value(self, value: float) -> None:
        digits = _decimals(self._area) if self._size.unit == "um2" else 0
        self._take(Size(value=round(value, digits), unit=self._size.unit))

    def _on_unit(self, _index: int) -> None:
        """Keep the size as large as it is on the image, in the other unit."""
        unit, size, area = self.unit.currentData(), self._size, self._area
        if area is None:
            value = 0.0 if unit == "um2" else float(round(size.value))
        elif unit == "um2":
            value = round(size.value * area, _decimals(area))
        else:
            value = float(round(size.value / area))
        self._take(Size(value=value, unit=unit))
        self._show()

    def _take(self, size: Size) -> None:
        if size != self._size:
            self._size = size
            self.changed.emit(size)


def _decimals(area: float | None) -> int:
    """Return the decimals of a µm² that resolve the area of a pixel."""
    if area is None:
        return 2
    return next((digits for digits in range(9) if area * 10**digits >= 1), 9)
