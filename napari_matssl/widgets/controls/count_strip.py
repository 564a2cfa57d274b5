"""What is asked at a point, over the upper edge of the canvas."""

from collections.abc import Sequence
from html import escape

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_matssl.labels.class_table import LabelClass

_MARGIN = 10  # px
_OTHERS = (("B", "boundary"), ("0", "can't tell"), ("Backspace", "undo"))
_LAST = (("+ −", "zoom"), ("Esc", "pause"))


class CountStrip(QLabel):
    """Progress and keys of a point count, at the upper edge of its parent; clicks pass through."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMargin(6)
        # Of one look in both of napari's themes: it stands on the image.
        self.setStyleSheet("background: rgba(20, 20, 20, 215); color: white; border-radius: 4px;")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        parent.installEventFilter(self)

    def ask(self, progress: str, classes: Sequence[LabelClass], boundary: bool) -> None:
        """Show how far a count is, and which keys there are.

        Parameters
        ----------
        progress
            In words.
        classes
            In the order of their keys.
        boundary
            Both classes beside a boundary are asked for.
        """
        keys = [
            f'<span style="color:{one.colour}">■</span> <b>{n}</b> {escape(one.name)}'
            for n, one in enumerate(classes[:9], start=1)
        ]
        others = (*(() if boundary else _OTHERS), *_LAST)
        keys += [f"<b>{escape(key)}</b> {escape(text)}" for key, text in others]
        asked = "Boundary between which two classes? (<b>B</b> or Backspace: none)&nbsp; "
        self.setText(
            f"<b>{escape(progress)}</b><br>{asked if boundary else ''}{' &nbsp; '.join(keys)}"
        )
        self.show()
        self._place()
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay at the edge."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        width = max(1, self.parentWidget().width() - 2 * _MARGIN)
        self.setGeometry(_MARGIN, _MARGIN, width, self.heightForWidth(width))
