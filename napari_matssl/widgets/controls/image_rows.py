"""The rows of the table of micrographs: their texts, and how thumbnail and state are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QRectF, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor, QFont, QIcon, QImage, QPainter, QPen, QPixmap

EXCLUDED = "excluded"
"""State of an image that counts nowhere."""

OLD = "old"
"""What is added to the state of an image whose segmentation may not be the last word."""

WRONG_SCALE = "⚠ scale"
"""What is added to the state of an image whose pixel size and scale bar contradict each other."""

DOUBTFUL = "doubtful"
"""What is added to the state of an image whose grey values contradict its segmentation."""

UNSURE = "unsure"
"""What is added to the state of an image of whose segmentation the model is unsure."""

THUMBNAIL = 48
"""Side of the square a thumbnail is shown in, in pixels of the screen."""

DOT = 12
"""Side of the dot of a state, in pixels of the screen."""

IMAGE, STATE = 0, 1
_HEADINGS = ("Image", "State")
TIPS = (
    "Double-click or press Enter to show an image. A and D step to the previous and the next. "
    "A click on a heading sorts; a right click offers more.",
    "Files of each image: painted strokes, saved labels, a segmentation. It is old if it "
    "was made before the last strokes on the image, with another info bar or pixel size, or by "
    "another model than the newest, and doubtful if the image is not like the painted ones; the "
    "model may be unsure of it. "
    "⚠ scale: pixel size and scale bar disagree.",
)
# Middle tones, visible on dark and light themes; the words beside them mean the same.
_DOTS = {
    "painted": "#e69f00",
    "saved": "#3f8fd0",
    "segmented": "#009e73",
    DOUBTFUL: "#cc79a7",
    UNSURE: "#cc79a7",
    WRONG_SCALE: "#d9480f",
    "can't be read": "#d9480f",
}
_GREY = QColor(128, 128, 128)
_FINE = 2  # pixmaps have twice their size on screen, for high-resolution displays


@dataclass(frozen=True)
class ImageRow:
    """One line of the table.

    Parameters
    ----------
    key
        What the table's signals and methods call the image; no two rows share one.
    name
        What is shown; long names are shortened in the middle.
    state
        Words with commas between: "unlabelled", "painted", "saved", "segmented",
        "saved, segmented", "painted, segmented", "segmented, old",
        "segmented, doubtful", "segmented, unsure", "excluded", "can't be read",
        "unlabelled, ⚠ scale",
        "stack" (no page of it was chosen). Each of the words has a dot of its colour; other words
        have a hollow one.
    detail
        For the tooltip: ``"1024 x 768, 0.052 µm/px"``.
    thumbnail
        ``(h, w, 3)``; None leaves an empty frame.
    tooltip
        More for the tooltip, such as why the image can't be read.
    """

    key: str
    name: str
    state: str
    detail: str = ""
    thumbnail: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    tooltip: str = ""


class ImageRows(QAbstractTableModel):
    """The rows, and icons of those that were drawn."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: list[ImageRow] = []
        self.places: dict[str, int] = {}  # row number by key
        self.shown: str | None = None
        self._icons: dict[str, QIcon] = {}
        self._dots: dict[str, QIcon] = {}

    def set_rows(self, rows: Sequence[ImageRow]) -> None:
        """Replace all rows; the shown image stays if it is among them."""
        self.beginResetModel()
        self.rows = list(rows)
        self.places = {row.key: place for place, row in enumerate(self.rows)}
        self._icons.clear()
        if self.shown not in self.places:
            self.shown = None
        self.endResetModel()

    def update_row(self, row: ImageRow) -> None:
        """Replace the row of the same key; KeyError if there is none."""
        self.rows[self.places[row.key]] = row
        self._icons.pop(row.key, None)
        self._redraw(row.key)

    def set_shown(self, key: str | None) -> None:
        """Mark the image that is shown."""
        before, self.shown = self.shown, key
        for one in {before, key}:
            if one is not None:
                self._redraw(one)

    def is_shown(self, place: int) -> bool:
        """Whether a row is that of the shown image."""
        return self.rows[place].key == self.shown

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Return the number of images."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Return 2: image and state."""
        return len(_HEADINGS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return what a column is called and means."""
        if orientation == Qt.Orientation.Horizontal:
            return {
                Qt.ItemDataRole.DisplayRole: _HEADINGS[section],
                Qt.ItemDataRole.ToolTipRole: TIPS[section],
            }.get(role)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, picture, tooltip or font of a cell."""
        row = self.rows[index.row()]
        image = index.column() == IMAGE
        if role == Qt.ItemDataRole.DisplayRole:
            return row.name if image else row.state
        if role == Qt.ItemDataRole.DecorationRole:
            return self._icon(row) if image else self._dot(row.state)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(t for t in (row.name, row.detail, row.tooltip) if t)
        if role == Qt.ItemDataRole.ForegroundRole and EXCLUDED in row.state:
            return _GREY
        if role == Qt.ItemDataRole.FontRole and image and self.is_shown(index.row()):
            bold = QFont()
            bold.setBold(True)
            return bold
        return None

    def _redraw(self, key: str) -> None:
        place = self.places[key]
        self.dataChanged.emit(self.index(place, IMAGE), self.index(place, STATE))

    def _icon(self, row: ImageRow) -> QIcon:
        if row.key not in self._icons:
            self._icons[row.key] = _thumbnail_icon(row.thumbnail)
        return self._icons[row.key]

    def _dot(self, state: str) -> QIcon:
        if state not in self._dots:
            self._dots[state] = _dot_icon(state)
        return self._dots[state]


class ListedRows(QSortFilterProxyModel):
    """The rows as they are listed: sorted by a click on a heading, filtered by what is typed."""

    def __init__(self, rows: ImageRows, parent: QObject) -> None:
        super().__init__(parent)
        self._wanted: tuple[str, ...] = ()
        self.setSourceModel(rows)
        self.setDynamicSortFilter(True)

    def set_filter(self, text: str) -> None:
        """List only rows whose name or state holds each of the words, in any case."""
        self._wanted = tuple(text.casefold().split())
        self.invalidateFilter()

    def filterAcceptsRow(self, place: int, _parent: QModelIndex) -> bool:  # noqa: N802
        """Whether a row is listed."""
        row = self.sourceModel().rows[place]
        text = f"{row.name} {row.state}".casefold()
        return all(word in text for word in self._wanted)

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:  # noqa: N802
        """Sort names as given, naturally (a2 before a10), states by their words."""
        if left.column() == STATE:
            rows = self.sourceModel().rows
            one, other = rows[left.row()].state, rows[right.row()].state
            if one != other:
                return one < other
        return left.row() < right.row()


def _blank(side: int) -> QPixmap:
    pixmap = QPixmap(side * _FINE, side * _FINE)
    pixmap.setDevicePixelRatio(_FINE)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap


def _untinted(pixmap: QPixmap) -> QIcon:
    """Make an icon that keeps its colours in a selected row."""
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


def _thumbnail_icon(pixels: NDArray[np.uint8] | None) -> QIcon:
    """Centre a thumbnail in a square, so that the names of all rows start at the same place."""
    square = _blank(THUMBNAIL)
    painter = QPainter(square)
    if pixels is None:
        painter.setPen(QPen(_GREY, 1, Qt.PenStyle.DotLine))
        painter.drawRect(QRectF(1, 1, THUMBNAIL - 2, THUMBNAIL - 2))
    else:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        height, width = pixels.shape[:2]
        data = np.ascontiguousarray(pixels).tobytes()
        image = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888)
        scale = THUMBNAIL / max(height, width)
        box = QRectF(0, 0, width * scale, height * scale)
        box.moveCenter(QRectF(0, 0, THUMBNAIL, THUMBNAIL).center())
        painter.drawImage(box, image)
    painter.end()
    return _untinted(square)


def _dot_icon(state: str) -> QIcon:
    """Draw a dot with a slice for each word of the state; a hollow one if none has a colour."""
    dot = _blank(DOT)
    painter = QPainter(dot)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    circle = QRectF(1, 1, DOT - 2, DOT - 2)
    colours = [_DOTS[word] for word in state.split(", ") if word in _DOTS]
    if not colours:  # a dark and a light ring, one of which contrasts with any row
        for inset, colour in ((0, QColor(90, 90, 90)), (1.2, QColor(225, 225, 225))):
            painter.setPen(QPen(colour, 1.2))
            painter.drawEllipse(circle.adjusted(inset, inset, -inset, -inset))
    painter.setPen(Qt.PenStyle.NoPen)
    for n, colour in enumerate(colours):
        painter.setBrush(QColor(colour))
        turn = 360 * 16 // len(colours)  # Qt counts in sixteenths of a degree
        painter.drawPie(circle, 90 * 16 + n * turn, turn)
    painter.end()
    return _untinted(dot)
