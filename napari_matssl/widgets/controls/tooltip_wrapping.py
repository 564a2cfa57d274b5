"""Tooltips of our docks: lines are broken, and nothing that a user wrote is taken for markup.

Qt shows a plain tooltip as one line, however long, and takes one with a tag in it for HTML. So
tooltips of controls and cells are plain text, and what Qt is given to show is made of it.
"""

from html import escape

from qtpy.QtCore import QEvent, QObject, QRect, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QToolTip, QWidget

_LINE = 50
"""Characters from which on a line is broken."""

_WIDTH = 360
"""Of a tooltip with longer lines, px."""

_BREAK = "\u200b"  # allows a line break; paths have no spaces
_BREAKS = str.maketrans({mark: f"{mark}{_BREAK}" for mark in "/\\_"})
_WATCHED = "matssl_tooltip"
_DIRECT = Qt.FindChildOption.FindDirectChildrenOnly
_NEW = {QEvent.Type.ChildPolished, QEvent.Type.LayoutRequest, QEvent.Type.Enter}


class WrappedTooltips(QObject):
    """Show the tooltips of a widget, and of all that is or comes to be in it."""

    def __init__(self, top: QWidget) -> None:
        super().__init__(top)
        self._watch(top)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Show a tooltip in Qt's place; notice widgets that are new."""
        kind = event.type()
        if kind == QEvent.Type.ToolTip:
            return _show(watched, event)
        if kind in _NEW and isinstance(watched, QWidget):
            self._watch(watched)
        return False

    def _watch(self, widget: QWidget) -> None:
        if not widget.property(_WATCHED):
            widget.setProperty(_WATCHED, True)
            widget.installEventFilter(self)
        for inside in widget.findChildren(QWidget, options=_DIRECT):
            if not inside.property(_WATCHED):
                self._watch(inside)


def laid_out(text: str) -> str:
    """Make of a plain text what Qt shows as just that text, in lines of a readable length."""
    given = text.splitlines()
    lines = "<br>".join(escape(line, quote=False).translate(_BREAKS) for line in given)
    # Left to itself, Qt makes a narrow column of either.
    if max(map(len, given), default=0) <= _LINE:
        return f'<qt><div style="white-space: nowrap">{lines}</div></qt>'
    return f'<qt><table width="{_WIDTH}"><tr><td>{lines}</td></tr></table></qt>'


def _show(watched: QObject, event: QHelpEvent) -> bool:
    """Show a widget's tooltip; False if it has none, and Qt asks what is around it."""
    if not isinstance(watched, QWidget):
        return False
    text, where = _text_at(watched, event)
    if text:
        QToolTip.showText(event.globalPos(), laid_out(text), watched, where)
    return bool(text)


def _text_at(widget: QWidget, event: QHelpEvent) -> tuple[str, QRect]:
    """Return the text, and where the mouse may move meanwhile; empty: anywhere."""
    role, view = Qt.ItemDataRole.ToolTipRole, widget.parentWidget()
    if isinstance(widget, QMenu):
        action = widget.actionAt(event.pos())
        shown = action is not None and widget.toolTipsVisible()
        return (action.toolTip(), widget.actionGeometry(action)) if shown else ("", QRect())
    if not isinstance(view, QAbstractItemView) or view.viewport() is not widget:
        return widget.toolTip(), QRect()
    if isinstance(view, QHeaderView):
        section = view.logicalIndexAt(event.pos())
        return view.model().headerData(section, view.orientation(), role) or "", QRect()
    index = view.indexAt(event.pos())
    return (index.data(role) or "") if index.isValid() else "", view.visualRect(index)
