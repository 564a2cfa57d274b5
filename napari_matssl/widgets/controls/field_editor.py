"""The control of one settings field: right for its type, within its bounds, with its help text."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from magicgui.widgets import create_widget
from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QWidget,
)

from napari_matssl.settings.fields import about, may_be_none
from napari_matssl.widgets.controls.forms import keep_narrow

_DECIMALS = 12
_SMALLEST = 10.0**-_DECIMALS


class FieldEditor(QWidget):
    """A control for one field, with a tick box before it where the field may be unset.

    Parameters
    ----------
    field
        The field, with its type, bounds, description and default.
    when
        Values in place of the default, by preset or method. The first value of all is what a first
        tick brings, for a field that may be unset.
    """

    changed = Signal(object)

    def __init__(
        self, field: FieldInfo, when: Mapping[str, Any], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._showing = False
        self._value = next(v for v in (field.default, *when.values(), 1) if v is not None)
        # Numbers or words, such as "auto", are typed as on the command line.
        self._words = any(get_origin(kind) is Literal for kind in get_args(field.annotation))
        self._build_control(field)
        WheelGuard(self.control)
        self.setFocusProxy(self.control)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.tick: QCheckBox | None = None
        if may_be_none(field) and not self._words:
            unset = about(field, "unset")
            self.tick = QCheckBox()
            self.tick.setToolTip("Ticked: use the value beside. Not ticked: " + unset)
            self.tick.toggled.connect(self._tick_changed)
            self._unset = QLabel(unset)
            self._unset.setWordWrap(True)
            row.addWidget(self.tick)
            row.addWidget(self._unset, 1)
        row.addWidget(self.control, 1)
        self.setToolTip(help_text(field, when))
        self.control.setToolTip(help_text(field, when))

    def show_value(self, value: Any) -> None:
        """Show a value without saying that it changed."""
        self._showing = True
        if value is not None or self._words:
            self._value = value
            self._set(value)
        if self.tick is not None:
            self.tick.setChecked(value is not None)
            self._tick_changed(value is not None)
        self._showing = False

    def _build_control(self, field: FieldInfo) -> None:
        kind = str if self._words else field.annotation
        if type(None) in get_args(kind):
            kind = next(k for k in get_args(kind) if k is not type(None))
        if kind in (float, int):
            box = NumberBox(field, whole=kind is int)
            box.valueChanged.connect(lambda value: self._edited(kind(value)))
            self.control: QWidget = box
            self._set = box.setValue
            return
        if kind is str and field.examples:
            self._build_list(field.examples)
            return
        words = self._words
        control: Any = create_widget(annotation=kind)
        control.changed.connect(self._edited)
        self.control = control.native
        self._set = lambda value: setattr(control, "value", _typed(value) if words else value)
        if isinstance(self.control, QComboBox):
            keep_narrow(self.control, 8)

    def _build_list(self, names: list[str]) -> None:
        """Offer names to choose; others can be typed."""
        box = QComboBox()
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        keep_narrow(box, 8)
        box.addItems(names)
        box.currentTextChanged.connect(self._edited)
        self.control = box
        self._set = box.setEditText

    def _edited(self, value: Any) -> None:
        self._value = value
        if not self._showing:
            self.changed.emit(value)

    def _tick_changed(self, ticked: bool) -> None:
        self.control.setVisible(ticked)
        self._unset.setVisible(not ticked)
        if not self._showing:
            self._showing = True
            self._set(self._value)
            self._showing = False
            self.changed.emit(self._value if ticked else None)


class WheelGuard(QObject):
    """Leaves the wheel to the scroll area around a control unless the control has the focus.

    A control may be made of several, as a slider with its value is.
    """

    def __init__(self, control: QWidget) -> None:
        super().__init__(control)
        for kind in (QAbstractSlider, QAbstractSpinBox, QComboBox):
            for part in (control, *control.findChildren(kind)):
                if isinstance(part, kind):
                    part.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                    part.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Keep wheel events away from a control without the focus."""
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


class NumberBox(QDoubleSpinBox):
    """A spin box that shows 0.5 as 0.5 and 0.000001 as 1e-6, and understands both.

    Parameters
    ----------
    field
        A field of numbers, with its bounds and default.
    whole
        Whether they are integers. Those may be too large for Qt's own box of integers, and
        superqt's puts bounds in the way while one types: 512 can't be typed from 32 on.
    """

    def __init__(
        self, field: FieldInfo, whole: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        low, high = bounds(field)
        self._digits = 16 if whole else _DECIMALS
        self.setDecimals(0 if whole else _DECIMALS)
        self.setRange(low, high)
        self._open_ends = {low, high} - {_bound(field, Ge), _bound(field, Le)}
        small = not whole and field.default and field.default <= 0.01
        self._from_zero = field.default if small else None
        if whole or small:
            self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        else:
            span = high - low
            self.setSingleStep(0.05 if span <= 1 else 0.1 if span <= 100 else 1)

    def textFromValue(self, value: float) -> str:  # noqa: N802
        """Write a number with no more digits than it has."""
        return f"{value:.{self._digits}g}".replace("e-0", "e-")

    def valueFromText(self, text: str) -> float:  # noqa: N802
        """Read a number with a point or a comma."""
        return float(text.replace(",", "."))

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Return whether a text is a number in bounds, might become one, or can't."""
        if not set(text) <= set("0123456789.,eE+-"):
            return QValidator.State.Invalid, text, position
        try:
            inside = self.minimum() <= self.valueFromText(text) <= self.maximum()
        except ValueError:
            inside = False
        state = QValidator.State.Acceptable if inside else QValidator.State.Intermediate
        return state, text, position

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Step, but neither onto a bound that is out of bounds itself, nor from 0 to 1e-12."""
        before = self.value()
        if before == 0 and self._from_zero:
            self.setValue(self._from_zero * steps)
        else:
            super().stepBy(steps)
        if self.value() in self._open_ends:
            self.setValue(before)


def bounds(field: FieldInfo) -> tuple[float, float]:
    """Return the smallest and largest value that a control may offer."""
    low, high = _bound(field, Ge), _bound(field, Le)
    above, below = _bound(field, Gt), _bound(field, Lt)
    if low is None:
        low = -(2.0**31) if above is None else above + _SMALLEST
    if high is None:
        high = 2.0**31 if below is None else below - _SMALLEST
    return low, high


def help_text(field: FieldInfo, when: Mapping[str, Any]) -> str:
    """Put description, bounds, and the defaults with each preset and method into a tooltip."""
    words = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below"}
    limits = [
        f"{word} {bound:,g}"
        for kind, word in words.items()
        if (bound := _bound(field, kind)) is not None
    ]
    defaults = [f"Default: {_in_words(field, field.default)}"]
    for case, value in when.items():
        defaults.append(f"with {case.replace('+', ' and ')}: {_in_words(field, value)}")
    parts = [field.description or "", " and ".join(limits), "; ".join(defaults)]
    return "\n".join(f"{part[:1].upper()}{part[1:]}." for part in parts if part)


def _in_words(field: FieldInfo, value: Any) -> str:
    if value is None:
        return str(about(field, "unset"))
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _typed(value: Any) -> str:
    return "none" if value is None else str(value)


def _bound(field: FieldInfo, kind: type) -> float | None:
    """Return the bound of one kind, if the field has it."""
    for entry in field.metadata:
        if isinstance(entry, kind):
            return getattr(entry, kind.__name__.lower())
    return None
