"""The rectangle inside which a segmentation is copied: drawn, given up, deleted."""

import numpy as np
import pytest
from desk import SIZE, docked, key, write_folder
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_matssl.widgets.canvas.correction_area import AREA
from napari_matssl.widgets.panels.result_editor import COPY, DRAW, ResultEditor


@pytest.fixture
def editor(make_napari_viewer, tmp_path, qtbot):
    session = docked(make_napari_viewer(show=True)).session
    session.folder.open([write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))])
    mask = np.full(SIZE, 2, np.uint8)
    session.folder.project.masks.write("a1.tif", mask)
    session.results.take_over("a1.tif", mask)
    editor = ResultEditor(session)
    session.viewer.window.add_dock_widget(editor, name="editor")
    editor.copy_area.click()
    assert editor.copy_area.text() == COPY
    assert not editor.cancel_area.isHidden()
    return editor


def is_over(editor):
    layers = editor.session.viewer.layers
    shown = editor.session.current.shown
    return (
        AREA not in layers
        and AREA not in shown.extra
        and editor.copy_area.text() == DRAW
        and editor.cancel_area.isHidden()
    )


def test_escape_gives_it_up_and_takes_the_brush_again(editor, qtbot):
    viewer = editor.session.viewer
    window = viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=5000)
    key(qtbot, viewer, Qt.Key.Key_Escape)
    assert is_over(editor)
    painted = editor.session.current.shown.painted
    assert viewer.layers.selection.active is painted
    assert painted.mode == "paint"


def test_the_button_cancel_gives_up_what_is_drawn_and_copies_nothing(editor):
    editor.session.area.layer.add_rectangles([[10, 10], [40, 40]])
    editor.cancel_area.click()
    assert is_over(editor)
    assert not editor.session.current.shown.painted.data.any()


def test_the_buttons_follow_when_its_layer_is_deleted(editor):
    viewer = editor.session.viewer
    viewer.layers.remove(viewer.layers[AREA])
    assert is_over(editor)
    editor.copy_area.click()
    assert AREA in viewer.layers


def test_another_image_ends_it(editor, qtbot):
    key(qtbot, editor.session.viewer, Qt.Key.Key_D)
    assert is_over(editor)


def test_class_keys_pick_classes_while_it_is_drawn(editor, qtbot):
    key(qtbot, editor.session.viewer, Qt.Key.Key_2)
    shown = editor.session.current.shown
    assert editor.session.viewer.layers.selection.active is shown.painted
    assert shown.painted.selected_label == 2
    assert not editor.session.area.layer.data
