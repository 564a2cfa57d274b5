"""Tooltips are shown in lines of a readable length, and as what they are: plain text."""

import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QHelpEvent, QTextDocument
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.widgets.controls.tooltip_wrapping import WrappedTooltips, laid_out
from napari_matssl.widgets.shell import MatSSLWidget

LONG = ("What the model tells apart, and much more that nobody reads in one line. " * 5).strip()
HOSTILE = "<b>bold</b> & <img src=x> a_class/of_a_user"
WIDEST = 420
"""Of a tooltip, px."""


@pytest.fixture
def dock(qtbot):
    top = QWidget()
    qtbot.addWidget(top)
    top.setLayout(QVBoxLayout())
    top.watcher = WrappedTooltips(top)
    top.resize(300, 300)
    top.show()
    return top


def put(dock, widget):
    dock.layout().addWidget(widget)
    QApplication.processEvents()
    return widget


def hover(widget, place=None):
    """Let the mouse rest on a widget; return what pops up, None if nothing does."""
    QToolTip.hideText()
    for label in tips():
        label.hide()
    place = widget.rect().center() if place is None else place
    event = QHelpEvent(QEvent.Type.ToolTip, place, widget.mapToGlobal(place))
    QApplication.sendEvent(widget, event)
    shown = [label for label in tips() if label.isVisible()]
    return shown[0] if shown else None


def tips():
    return [w for w in QApplication.topLevelWidgets() if w.inherits("QTipLabel")]


def words(label):
    document = QTextDocument()
    document.setHtml(label.text())
    return document.toPlainText().replace("\u200b", "").strip()


def test_a_long_tooltip_is_broken_into_lines_and_stays_as_it_was_set(dock):
    button = put(dock, QPushButton("x"))
    button.setToolTip(LONG)
    shown = hover(button)
    assert words(shown) == LONG
    assert shown.width() <= WIDEST
    assert shown.height() > 3 * shown.fontMetrics().height()
    assert button.toolTip() == LONG


def test_short_lines_stay_lines(dock):
    button = put(dock, QPushButton("x"))
    button.setToolTip("Above 0 and at most 1.\nDefault: 0.003; with paper: 0.0001.")
    shown = hover(button)
    assert shown.height() < 3 * shown.fontMetrics().height()


def test_a_path_without_blanks_is_broken_too(dock):
    path = "/home/somebody" + "/a_folder_of_micrographs" * 12
    button = put(dock, QPushButton("x"))
    button.setToolTip(path)
    shown = hover(button)
    assert words(shown) == path
    assert shown.width() <= WIDEST


def test_what_a_user_wrote_is_shown_letter_by_letter(dock):
    button = put(dock, QPushButton("x"))
    button.setToolTip(f"{HOSTILE}\nsecond line")
    assert words(hover(button)) == f"{HOSTILE}\nsecond line"
    assert "&lt;qt&gt;a&lt;/\u200bqt&gt;" in laid_out("<qt>a</qt>")


def test_what_comes_later_and_lies_deep_is_reached(dock):
    page = QWidget()
    inside = QLabel("x", page)
    inside.setToolTip(LONG)
    page.ensurePolished()  # before it is anybody's
    put(dock, page)
    assert hover(inside).width() <= WIDEST
    dialog = QWidget(inside, Qt.WindowType.Window)
    dialog.setToolTip(HOSTILE)
    dialog.show()
    QApplication.processEvents()
    assert words(hover(dialog)) == HOSTILE


def test_cells_headings_and_entries_of_lists_are_reached(dock):
    table = put(dock, QTableWidget(1, 1))
    table.setToolTip("the table")
    table.setItem(0, 0, QTableWidgetItem("x"))
    table.item(0, 0).setToolTip(HOSTILE)
    table.setHorizontalHeaderItem(0, QTableWidgetItem("h"))
    table.horizontalHeaderItem(0).setToolTip(LONG)
    cell = table.visualItemRect(table.item(0, 0)).center()
    assert words(hover(table.viewport(), cell)) == HOSTILE
    assert hover(table.horizontalHeader().viewport(), QPoint(5, 5)).width() <= WIDEST
    assert words(hover(table.viewport(), QPoint(250, 250))) == "the table"
    combo = put(dock, QComboBox())
    combo.addItem("x")
    combo.setItemData(0, HOSTILE, Qt.ItemDataRole.ToolTipRole)
    combo.showPopup()
    QApplication.processEvents()
    assert words(hover(combo.view().viewport(), QPoint(3, 3))) == HOSTILE
    combo.hidePopup()


def test_no_tooltip_of_the_dock_is_wide_or_markup(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    shell = MatSSLWidget(viewer)
    viewer.window.add_dock_widget(shell)
    for section in shell.sections.values():
        section.expand(animate=False)
    QApplication.processEvents()
    said = [widget for widget in shell.findChildren(QWidget) if widget.toolTip()]
    assert len(said) > 60
    assert not [w.toolTip() for w in said if "<" in w.toolTip()]
    for widget in sorted(said, key=lambda w: len(w.toolTip()))[-8:]:
        assert hover(widget).width() <= WIDEST, widget.toolTip()
