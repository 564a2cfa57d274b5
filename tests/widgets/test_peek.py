"""Overlays: out of sight while H is held, and one at a time."""

import numpy as np
import pytest
from acting import User, painted_folder
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication

from napari_matssl.widgets.canvas.shown import PREVIEW, SEGMENTATION


@pytest.fixture
def viewing(make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases):
    """Somebody who looks at a segmentation."""
    user = User(make_napari_viewer, qtbot, monkeypatch)
    user.open(painted_folder(tmp_path / "steel", two_phases, count=2))
    for name in user.project.images.names:
        mask = np.full(user.shown.painted.data.shape, 2, np.uint8)
        user.project.masks.write(name, mask)
        user.session.results.take_over(name, mask)
    return user


def hold(user):
    user.qtbot.keyPress(user.viewer.window._qt_viewer.canvas.native, Qt.Key.Key_H)


def release(user, repeated=False):
    canvas = user.viewer.window._qt_viewer.canvas.native
    none = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(
        canvas, QKeyEvent(QEvent.Type.KeyRelease, Qt.Key.Key_H, none, "h", repeated)
    )


def show_preview(user):
    shape = user.shown.painted.data.shape
    user.session.results.show_piece(PREVIEW, user.shown.name, 0, 0, np.ones(shape, np.uint8))
    return user.shown.extra[PREVIEW]


def test_the_segmentation_hides_while_the_key_is_held_and_the_strokes_stay(viewing):
    layer = viewing.shown.extra[SEGMENTATION]
    hold(viewing)
    assert not layer.visible
    assert viewing.shown.painted.visible
    release(viewing, repeated=True)  # a held key repeats itself
    assert not layer.visible
    release(viewing)
    assert layer.visible


def test_what_was_hidden_before_stays_hidden(viewing):
    viewing.shown.extra[SEGMENTATION].visible = False
    hold(viewing)
    release(viewing)
    assert not viewing.shown.extra[SEGMENTATION].visible


def test_an_image_shown_while_the_key_is_held_has_its_segmentation_in_sight(viewing):
    hold(viewing)
    viewing.press_key(Qt.Key.Key_D)
    assert viewing.shown.name == "steel-1.tif"
    assert viewing.shown.extra[SEGMENTATION].visible
    release(viewing)
    assert viewing.shown.extra[SEGMENTATION].visible


def test_typing_the_letter_into_a_field_hides_nothing(viewing):
    line = viewing.micrographs.list.filter
    viewing.qtbot.keyPress(line, Qt.Key.Key_H)
    assert line.text() == "h"
    assert viewing.shown.extra[SEGMENTATION].visible


def test_a_preview_covers_the_segmentation_until_it_goes(viewing):
    preview = show_preview(viewing)
    assert preview.visible
    assert not viewing.shown.extra[SEGMENTATION].visible
    viewing.session.results.remove_layer(PREVIEW)
    assert viewing.shown.extra[SEGMENTATION].visible


def test_showing_one_overlay_hides_the_other(viewing):
    preview = show_preview(viewing)
    segmentation = viewing.shown.extra[SEGMENTATION]
    segmentation.visible = True
    assert not preview.visible
    show_preview(viewing)
    assert not preview.visible, "the user wanted to see the segmentation"
    preview.visible = True
    assert not segmentation.visible


def test_a_covered_segmentation_is_in_sight_on_the_next_image(viewing):
    show_preview(viewing)
    viewing.press_key(Qt.Key.Key_D)
    assert viewing.shown.extra[SEGMENTATION].visible


def test_what_is_in_sight_is_copied(viewing):
    show_preview(viewing)
    viewing.session.results.copy_into_strokes()
    assert (viewing.shown.painted.data == 1).all()
    viewing.shown.extra[SEGMENTATION].visible = True
    viewing.session.results.copy_into_strokes()
    assert (viewing.shown.painted.data == 2).all()


def test_a_new_segmentation_is_in_sight_though_the_last_was_hidden(viewing):
    viewing.shown.extra[SEGMENTATION].visible = False
    mask = np.ones(viewing.shown.painted.data.shape, np.uint8)
    viewing.session.results.take_over(viewing.shown.name, mask)
    assert viewing.shown.extra[SEGMENTATION].visible
