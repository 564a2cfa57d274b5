"""The list of micrographs: the table, a line to filter it, and an edge to pull it longer."""

from qtpy.QtCore import QEvent, QObject, QPoint, QSize, Qt
from qtpy.QtGui import QMouseEvent, QShowEvent
from qtpy.QtWidgets import QFrame, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_matssl.widgets.controls.forms import side_by_side
from napari_matssl.widgets.controls.image_rows import THUMBNAIL
from napari_matssl.widgets.controls.image_table import ImageTable

FEWEST_ROWS, MOST_ROWS = 3, 7
"""Rows in sight until the user pulls the edge."""

_BELOW = 660
"""Height of what stands above and below the rows in a window, the classes included, px."""


class ImageList(QWidget):
    """The table of micrographs with its filter; as long as its rows, or as the user pulled it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = ImageTable()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter by name or state")
        self.filter.setClearButtonEnabled(True)
        self.filter.setToolTip(
            "List only images whose name or state holds these words, such as: steel segmented."
        )
        self.count = QLabel()
        self.count.setToolTip("How many images are listed.")
        self._pulled: int | None = None
        self.edge = _Edge(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(side_by_side(self.filter, self.count, stretch=0))
        layout.addWidget(self.table)
        layout.addWidget(self.edge)
        self.filter.textChanged.connect(self.table.set_filter)
        self.table.listed_changed.connect(self._on_listed)
        self._on_listed(())

    def pull_to(self, height: int) -> None:
        """Make the table so high, px; from now on it stays as high whatever it lists."""
        self._pulled = max(self._height_of(2), height)
        self.table.setFixedHeight(self._pulled)

    def _on_listed(self, keys: tuple[str, ...]) -> None:
        listed, total = len(keys), self.table.total
        number = f"{listed}" if listed == total else f"{listed} of {total}"
        self.count.setText(f"{number} image{'s' * (total != 1)}" if total else "")
        self._fit()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the height of the window that the list is in now."""
        super().showEvent(event)
        self.window().installEventFilter(self)
        self._fit()

    def eventFilter(self, window: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Fit the list to a window of another height."""
        if event.type() == QEvent.Type.Resize and window is self.window():
            self._fit()
        return False

    def _fit(self) -> None:
        total = self.table.total
        if self._pulled is None:
            room = (self.window().height() - _BELOW) // THUMBNAIL
            most = min(max(room, FEWEST_ROWS), MOST_ROWS)
            self.table.setFixedHeight(self._height_of(min(max(total, FEWEST_ROWS), most)))

    def _height_of(self, rows: int) -> int:
        table = self.table
        heading = table.horizontalHeader().sizeHint().height()
        return heading + rows * table.verticalHeader().defaultSectionSize() + THUMBNAIL // 8


class _Edge(QFrame):
    """The lower edge of the list: pull it to make the list longer or shorter."""

    def __init__(self, of: ImageList) -> None:
        super().__init__(of)
        self._list = of
        self._from: tuple[QPoint, int] | None = None
        self.setFrameShape(QFrame.Shape.HLine)
        self.setFixedHeight(7)
        self.setCursor(Qt.CursorShape.SizeVerCursor)
        self.setToolTip("Pull to make the list longer or shorter.")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a thin strip."""
        return QSize(40, 7)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Begin to pull."""
        self._from = _on_screen(event), self._list.table.height()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Follow the mouse."""
        if self._from is not None:
            begin, height = self._from
            self._list.pull_to(height + _on_screen(event).y() - begin.y())

    def mouseReleaseEvent(self, _event: QEvent) -> None:  # noqa: N802
        """End the drag."""
        self._from = None


def _on_screen(event: QMouseEvent) -> QPoint:
    """Return where the mouse is; Qt 5 and 6 name it differently."""
    return event.globalPos() if hasattr(event, "globalPos") else event.globalPosition().toPoint()
