"""A button that opens a list of classes to tick."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAction, QMenu, QPushButton, QSizePolicy

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.widgets.controls.class_model import swatch


class ClassChoice(QPushButton):
    """Choose some classes; the button shows which.

    Parameters
    ----------
    none
        What it shows while no class is ticked: what that means.
    tip
        What the classes are for.
    """

    changed = Signal()

    def __init__(self, none: str, tip: str) -> None:
        super().__init__()
        self._none, self._tip = none, tip
        self._classes: tuple[LabelClass, ...] = ()
        self._ticked: set[int] = set()
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.setMenu(self._menu)
        self.setStyleSheet("QPushButton {text-align: left; padding-left: 6px}")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._show()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the ticked classes, in the order of the table."""
        return tuple(one.name for one in self._classes if one.id in self._ticked)

    def set_classes(self, classes: Sequence[LabelClass]) -> None:
        """Offer other classes; those that are gone are unticked, renamed ones stay ticked."""
        self._classes = tuple(one for one in classes if not one.exclude)
        self._ticked &= {one.id for one in self._classes}
        self._menu.clear()
        for one in self._classes:
            action = QAction(swatch(one.colour), "", self._menu)
            action.setCheckable(True)
            action.setChecked(one.id in self._ticked)
            action.toggled.connect(lambda on, class_id=one.id: self._tick(class_id, on))
            self._menu.addAction(action)
        self._show()

    def tick(self, name: str, on: bool = True) -> None:
        """Tick a class, as the user would."""
        for one, action in zip(self._classes, self._menu.actions(), strict=True):
            if one.name == name:
                action.setChecked(on)

    def _tick(self, class_id: int, on: bool) -> None:
        (self._ticked.add if on else self._ticked.discard)(class_id)
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        names = self.names
        for one, action in zip(self._classes, self._menu.actions(), strict=True):
            # Beside an icon, styles show no mark of their own.
            mark = "✓ " if one.id in self._ticked else "\u2003 "
            action.setText(mark + one.name.replace("&", "&&"))
        text = self._none if not names else ", ".join(names)
        self.setToolTip(f"{self._tip}\nNow: {text}.")
        self._text = text
        self._elide()

    def resizeEvent(self, event: object) -> None:  # noqa: N802
        """Cut the names to the width."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        room = max(self.width() - 34, 20)  # of the arrow and the margins
        elided = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, room)
        self.setText(elided.replace("&", "&&"))
