"""The panel Micrographs: stepping by keys and mouse, its notes, and what it can't do."""

import numpy as np
import pytest
from desk import NAMES, docked, key, rows, said, stroke, write_folder
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QLineEdit, QTableView

from napari_matssl.widgets.controls.image_rows import IMAGE
from napari_matssl.widgets.shell import JobDock


@pytest.fixture
def empty(make_napari_viewer):
    return docked(make_napari_viewer(show=True))


def current(panel):
    return panel.session.current.shown.name


def test_a_and_d_on_the_canvas_step_through_the_images(panel, qtbot):
    viewer = panel.session.viewer
    for which, name in (
        (Qt.Key.Key_D, "a2.tif"),
        (Qt.Key.Key_D, "a10.tif"),
        (Qt.Key.Key_D, "a10.tif"),
        (Qt.Key.Key_A, "a2.tif"),
        (Qt.Key.Key_A, "a1.tif"),
        (Qt.Key.Key_A, "a1.tif"),
    ):
        key(qtbot, viewer, which)
        assert current(panel) == panel.table.current == name
        assert len(viewer.layers) == 2


def test_a_and_d_step_while_the_line_of_the_info_bar_is_selected(panel, qtbot):
    panel.facts.has_bar.click()
    panel.facts.drag.click()
    key(qtbot, panel.session.viewer, Qt.Key.Key_D)
    assert current(panel) == "a2.tif"
    panel.facts.has_bar.click()
    panel.facts.drag.click()
    key(qtbot, panel.session.viewer, Qt.Key.Key_A)
    assert current(panel) == "a1.tif"


def test_holding_d_down_runs_through_a_folder(empty, tmp_path, qtbot):
    names = [f"m{number:02d}.tif" for number in range(12)]
    empty.session.folder.open([write_folder(tmp_path / "many", names)])
    for _ in range(20):
        qtbot.keyPress(empty.session.viewer.window._qt_viewer.canvas.native, Qt.Key.Key_D)
    assert current(empty) == names[-1]
    qtbot.wait(100)


def test_enter_and_double_click_open_an_image(panel, qtbot):
    table = panel.table
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert current(panel) == "a1.tif"  # only the highlight has moved
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert current(panel) == "a2.tif"
    place = table.visualRect(table.model().index(2, IMAGE)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert current(panel) == "a10.tif"
    qtbot.keyClick(table, Qt.Key.Key_A)
    assert current(panel) == "a2.tif"


def test_keys_without_a_folder_do_nothing(empty, qtbot):
    problems = said(empty)
    for which in (Qt.Key.Key_A, Qt.Key.Key_D, Qt.Key.Key_1):
        key(qtbot, empty.session.viewer, which)
    assert problems == []
    assert empty.folder.text() == "No folder is open."
    assert not empty.take.isEnabled()
    assert not empty.facts.isEnabled()
    assert not empty.classes.isEnabled()


def test_a_second_panel_of_the_viewer_shows_the_same(panel, qtbot):
    stroke(panel)
    again = docked(panel.session.viewer)
    assert again.session is panel.session
    assert again.table.keys == NAMES
    panel.session.current.step(1)
    assert again.table.current == "a2.tif"
    assert rows(again) == rows(panel)
    assert rows(again)["a1.tif"] == "saved"


def test_thumbnails_and_sizes_come_with_the_survey(panel, qtbot):
    qtbot.waitUntil(lambda: len(panel.session.folder.facts) == 3)
    row = panel.table._model.rows[0]
    assert row.detail == "128 x 96 px, 0.25 µm/px"
    assert isinstance(row.thumbnail, np.ndarray)


def test_a_dock_that_comes_later_has_the_thumbnails_too(panel, qtbot, tmp_path):
    qtbot.waitUntil(lambda: len(panel.session.folder.facts) == 3)
    later = docked(panel.session.viewer)
    assert all(row.thumbnail is not None for row in later.table._model.rows)
    assert panel.session.folder.open([write_folder(tmp_path / "iron")])
    later = docked(panel.session.viewer)
    qtbot.waitUntil(lambda: all(row.thumbnail is not None for row in later.table._model.rows))


def test_a_folder_that_was_opened_before_is_opened_again(panel, folder, tmp_path):
    other = write_folder(tmp_path / "iron")
    panel.session.folder.open([other])
    menu = panel.opening.recent.menu()
    menu.aboutToShow.emit()
    assert [action.text() for action in menu.actions()] == [str(other), str(folder)]
    menu.actions()[1].trigger()
    assert panel.session.folder.project.folder == folder


def test_every_control_has_a_tooltip_and_is_wholly_in_sight_in_a_narrow_dock(
    make_napari_viewer, folder, qtbot
):
    viewer = make_napari_viewer(show=True)
    dock = JobDock(viewer, "Micrographs")
    viewer.window.add_dock_widget(dock, name="Micrographs")
    panel = dock.panel
    panel.session.folder.open([folder])
    qtbot.wait(50)
    window = viewer.window._qt_window
    window.resizeDocks([dock.parentWidget()], [380], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: panel.width() <= 380)
    controls = [
        one
        for kind in (QAbstractButton, QAbstractSpinBox, QLineEdit)
        for one in panel.findChildren(kind)
        if one.isVisibleTo(panel) and not isinstance(one.parent(), (QAbstractSpinBox, QTableView))
    ]
    assert len(controls) > 12
    for one in controls:
        assert one.toolTip(), one
        assert one.mapTo(panel, QPoint(one.width(), 0)).x() <= panel.width(), one.toolTip()
        assert one.width() >= one.minimumSizeHint().width(), one.toolTip()
