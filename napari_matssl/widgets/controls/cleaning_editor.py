"""Controls for the sizes by which masks are cleaned, for all classes or for one."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget
from superqt.utils import signals_blocked

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings import Cleaning, Size
from napari_matssl.widgets.controls.class_model import swatch
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import button, keep_narrow, note, offer, side_by_side
from napari_matssl.widgets.controls.size_slider import SizeSlider

ALL = "All classes"
OWN = "{} *"

_CLASS_TIP = (
    "Class of the sizes below. Classes with a star have own sizes, the others those of all classes."
)
_RESET_TIP = "Reset the sizes of this class to those of all classes."
_REGION_TIP = (
    "Smaller regions take the class around them. Live, for all images; "
    "the model's own mask is kept."
)
_HOLE_TIP = (
    "Holes in a class up to this size take the class around them. Live, for all images; the "
    "model's own mask is kept."
)


class CleaningEditor(QWidget):
    """A picker of the class, and the sizes of what is picked."""

    changed = Signal(object)
    """The new Cleaning, when the user has changed it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cleaning = Cleaning()
        self._classes: tuple[LabelClass, ...] = ()
        self._pixel_size: PixelSize | None = None
        self.picker = QComboBox()
        self.picker.setToolTip(_CLASS_TIP)
        keep_narrow(self.picker, 6)
        WheelGuard(self.picker)
        self.reset = button("As all", _RESET_TIP, self._reset)
        self.region, self.hole = SizeSlider(_REGION_TIP), SizeSlider(_HOLE_TIP)
        self.words = note(tip="The cleaning, as in the tables.")
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Class", side_by_side(self.picker, self.reset, stretch=0))
        rows.addRow("Smallest region", self.region)
        rows.addRow("Fill holes up to", self.hole)
        rows.addRow(self.words)
        self.picker.currentIndexChanged.connect(lambda _index: self._show_sizes())
        self.region.changed.connect(lambda size: self._set(smallest_region=size))
        self.hole.changed.connect(lambda size: self._set(largest_hole=size))
        self._list_classes()

    @property
    def cleaning(self) -> Cleaning:
        """The sizes that the controls show."""
        return self._cleaning

    @property
    def picked(self) -> int | None:
        """Id of the class whose sizes are shown; None: those of all classes."""
        return self.picker.currentData()

    def pick(self, class_id: int | None) -> None:
        """Show the sizes of a class, or those of all classes."""
        self.picker.setCurrentIndex(max(0, self.picker.findData(class_id)))

    def set_classes(self, classes: Sequence[LabelClass]) -> None:
        """Offer these classes; sizes of others are dropped."""
        self._classes = tuple(classes)
        self._cleaning = self._cleaning.within([one.id for one in classes])
        self._list_classes()

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Show other sizes, without saying that they changed."""
        self._cleaning = cleaning
        self._list_classes()

    def set_pixel_size(self, size: PixelSize | None) -> None:
        """Show sizes as they are on an image with this pixel size."""
        self._pixel_size = size
        self._show_sizes()

    def _set(self, **sizes: Size | None) -> None:
        self._cleaning = self._cleaning.with_sizes(self.picked, **sizes)
        self._list_classes()
        self.changed.emit(self._cleaning)

    def _reset(self) -> None:
        self._set(smallest_region=None, largest_hole=None)

    def _list_classes(self) -> None:
        picked = self.picked
        with signals_blocked(self.picker):
            self.picker.clear()
            self.picker.addItem(ALL, None)
            for one in self._classes:
                own = one.id in self._cleaning.of_class
                name = OWN.format(one.name) if own else one.name
                self.picker.addItem(swatch(one.colour), name, one.id)
            self.pick(picked)
        self._show_sizes()

    def _show_sizes(self) -> None:
        picked, cleaning, size = self.picked, self._cleaning, self._pixel_size
        area = None if size is None else size.area_um2
        both = (cleaning.smallest_region, cleaning.largest_hole)
        if picked is not None:
            both = (cleaning.smallest_region_of(picked), cleaning.largest_hole_of(picked))
        self.region.set_size(both[0], area)
        self.hole.set_size(both[1], area)
        why_not = "" if picked in cleaning.of_class else "The class in the picker has no own sizes."
        offer(self.reset, why_not, _RESET_TIP)
        names = {one.id: one.name for one in self._classes}
        self.words.setText(cleaning.in_words(names, calibrated=size is not None))
        needed = bool(cleaning.of_class) or cleaning.needs_calibration(names)
        self.words.setVisible(needed and bool(self.words.text()))
