"""Boxes to tick in tables and lists, seen on every theme."""

from qtpy.QtCore import QModelIndex
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

_EDGE = QColor(140, 140, 140)  # visible on dark and light themes


class TickCells(QStyledItemDelegate):
    """Draws an edge around the box of a tick, which napari's dark themes fill like the row."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw a cell, then the edge."""
        super().paint(painter, option, index)
        drawn = QStyleOptionViewItem(option)
        self.initStyleOption(drawn, index)
        if not drawn.features & QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator:
            return
        style = drawn.widget.style()
        part = QStyle.SubElement.SE_ItemViewItemCheckIndicator
        box = style.subElementRect(part, drawn, drawn.widget)
        painter.save()
        painter.setPen(QPen(_EDGE, 1))
        painter.drawRect(box.adjusted(0, 0, -1, -1))
        painter.restore()
