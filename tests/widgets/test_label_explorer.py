"""The label explorer: going to strokes, deleting them, bringing them back."""

import numpy as np
import pytest
from acting import User, painted_folder, write_strokes
from qtpy.QtCore import QPoint, Qt

from napari_matssl.labels.strokes import find_strokes
from napari_matssl.widgets.controls.stroke_tree import MOST

CONTROL = Qt.KeyboardModifier.ControlModifier


def strokes_on(side=96):
    """Three strokes of two classes."""
    ids = np.zeros((side, side), np.uint8)
    ids[10, 10:30] = 1
    ids[40:43, 50:60] = 1
    ids[80:84, 70:74] = 2
    return ids


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases):
    """Somebody with strokes on the first two of three images, and the explorer open."""
    someone = User(make_napari_viewer, qtbot, monkeypatch)
    folder = painted_folder(tmp_path / "steel", two_phases, painted=0)
    for name in ("steel-0.tif", "steel-1.tif"):
        write_strokes(folder, name, strokes_on())
    someone.open(folder)
    assert someone.shown.name == "steel-0.tif"
    someone.micrographs.explorer.expand(animate=False)
    someone.until(lambda: len(rows(someone, "steel-0.tif")) == 3)
    return someone


def tree_of(user):
    return user.micrographs.strokes.tree


def image_item(user, name):
    tree = tree_of(user)
    items = [tree.topLevelItem(n) for n in range(tree.topLevelItemCount())]
    return next(item for item in items if item.text(0) == name)


def rows(user, name):
    """Class and pixels of the strokes that are listed below an image."""
    image = image_item(user, name)
    children = [image.child(n) for n in range(image.childCount())]
    return [(child.text(0), child.text(1)) for child in children]


def open_image(user, name):
    image_item(user, name).setExpanded(True)
    user.until(lambda: len(rows(user, name)) > 0)


def click(user, name, row):
    tree, item = tree_of(user), image_item(user, name).child(row)
    tree.scrollToItem(item)
    place = tree.visualItemRect(item).center() + QPoint(5, 0)
    user.qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=place)


def press(user, key, modifier=Qt.KeyboardModifier.NoModifier):
    user.qtbot.keyClick(tree_of(user), key, modifier)


def on_disk(user, name):
    user.current.flush()
    ids = user.project.labels.read(name)
    return None if ids is None else ids


def same_strokes(user, name, expected):
    np.testing.assert_array_equal(on_disk(user, name), expected)


def test_strokes_are_listed_by_image_and_class_the_largest_first(user):
    tree = tree_of(user)
    assert [tree.topLevelItem(n).text(0) for n in range(2)] == ["steel-0.tif", "steel-1.tif"]
    assert tree.topLevelItemCount() == 2
    assert image_item(user, "steel-1.tif").text(1) == "66"
    expected = [("class 1", "30"), ("class 1", "20"), ("class 2", "16")]
    assert rows(user, "steel-0.tif") == expected
    assert rows(user, "steel-1.tif") == [], "looked for once it is opened"
    open_image(user, "steel-1.tif")
    assert rows(user, "steel-1.tif") == expected


def test_a_click_goes_to_a_stroke_of_another_image_and_marks_it(user):
    open_image(user, "steel-1.tif")
    click(user, "steel-1.tif", 2)
    assert user.shown.name == "steel-1.tif"
    scale = np.asarray(user.shown.image.scale)[-2:]
    np.testing.assert_allclose(user.viewer.camera.center[-2:], np.array([81.5, 71.5]) * scale)
    flash = user.session.strokes._flash
    assert not flash.isHidden()
    corners = [user._on_canvas(corner).toPoint() for corner in ((80, 70), (83, 73))]
    assert all(flash.geometry().contains(corner) for corner in corners)
    assert not flash.geometry().contains(user._on_canvas((41, 55)).toPoint())
    assert user.viewer.layers.selection.active is user.shown.painted, "painting goes on"
    user.until(flash.isHidden)


def test_enter_goes_there_too_and_an_image_row_shows_the_image(user):
    open_image(user, "steel-1.tif")
    tree = tree_of(user)
    tree.setCurrentItem(image_item(user, "steel-1.tif").child(0))
    press(user, Qt.Key.Key_Return)
    assert user.shown.name == "steel-1.tif"
    assert user.viewer.camera.center[-2] == pytest.approx(
        41 * user.shown.image.scale[0], abs=user.shown.image.scale[0]
    )
    tree.setCurrentItem(image_item(user, "steel-0.tif"))
    press(user, Qt.Key.Key_Return)
    assert user.shown.name == "steel-0.tif"


def test_delete_clears_one_stroke_and_ctrl_z_brings_it_back(user):
    click(user, "steel-0.tif", 1)
    press(user, Qt.Key.Key_Delete)
    without = strokes_on()
    without[10, 10:30] = 0
    same_strokes(user, "steel-0.tif", without)
    user.until(lambda: rows(user, "steel-0.tif") == [("class 1", "30"), ("class 2", "16")])
    assert image_item(user, "steel-0.tif").text(0) == "steel-0.tif"
    user.until(lambda: image_item(user, "steel-0.tif").text(1) == "46")
    assert user.shown.painted.mode == "paint", "the brush stays in hand"
    _name, selected = tree_of(user).selected
    assert selected.class_id == 2, "the next one is selected, to go on deleting"
    press(user, Qt.Key.Key_Z, CONTROL)
    same_strokes(user, "steel-0.tif", strokes_on())
    user.until(lambda: len(rows(user, "steel-0.tif")) == 3)
    assert not user.micrographs.strokes.undo.isEnabled()


def test_naparis_own_undo_takes_a_deletion_back_too(user):
    click(user, "steel-0.tif", 0)
    user.click(user.micrographs.strokes.delete)
    assert user.shown.painted.data[41, 55] == 0
    user.shown.painted.undo()
    same_strokes(user, "steel-0.tif", strokes_on())
    user.click(user.micrographs.strokes.undo)
    same_strokes(user, "steel-0.tif", strokes_on())
    assert "no deleted stroke" in user.micrographs.strokes.state.text()


def test_a_stroke_of_another_image_is_deleted_there_in_sight(user):
    open_image(user, "steel-1.tif")
    tree_of(user).setCurrentItem(image_item(user, "steel-1.tif").child(2))
    press(user, Qt.Key.Key_Delete)
    assert user.shown.name == "steel-1.tif"
    without = strokes_on()
    without[80:84, 70:74] = 0
    same_strokes(user, "steel-1.tif", without)
    same_strokes(user, "steel-0.tif", strokes_on())
    user.current.show("steel-0.tif")
    user.click(user.micrographs.strokes.undo)
    assert user.shown.name == "steel-1.tif", "it comes back where it was"
    same_strokes(user, "steel-1.tif", strokes_on())


def test_what_was_painted_over_meanwhile_stays(user):
    click(user, "steel-0.tif", 0)
    press(user, Qt.Key.Key_Delete)
    user.shown.painted.data_setitem((np.array([41]), np.array([55])), 2)
    press(user, Qt.Key.Key_Z, CONTROL)
    expected = strokes_on()
    expected[41, 55] = 2
    same_strokes(user, "steel-0.tif", expected)


def test_deletions_come_back_one_after_another_the_last_first(user):
    for _ in range(2):
        click(user, "steel-0.tif", 0)
        count = len(rows(user, "steel-0.tif"))
        press(user, Qt.Key.Key_Delete)
        user.until(lambda count=count: len(rows(user, "steel-0.tif")) == count - 1)
    assert [one.class_id for one in find_strokes(user.shown.painted.data)] == [2]
    press(user, Qt.Key.Key_Z, CONTROL)
    assert [one.pixels for one in find_strokes(user.shown.painted.data)] == [20, 16]
    press(user, Qt.Key.Key_Z, CONTROL)
    same_strokes(user, "steel-0.tif", strokes_on())


def test_the_last_stroke_of_an_image_takes_it_out_of_the_list(user):
    for count in (2, 1, 0):
        click(user, "steel-0.tif", 0)
        press(user, Qt.Key.Key_Delete)
        user.until(lambda count=count: len(find_strokes(user.shown.painted.data)) == count)
        if count:
            user.until(lambda count=count: len(rows(user, "steel-0.tif")) == count)
    assert on_disk(user, "steel-0.tif") is None
    user.until(lambda: tree_of(user).topLevelItemCount() == 1)
    user.click(user.micrographs.strokes.undo)
    user.until(lambda: tree_of(user).topLevelItemCount() == 2)
    assert user.shown.painted.data.any()


def test_the_list_follows_the_brush(user):
    user.shown.painted.data_setitem((np.array([0, 0]), np.array([0, 1])), 2)
    user.until(lambda: ("class 2", "2") in rows(user, "steel-0.tif"))


def test_a_stroke_that_is_gone_is_not_deleted(user):
    tree_of(user).setCurrentItem(image_item(user, "steel-0.tif").child(0))
    name, stroke = tree_of(user).selected
    user.shown.painted.data_setitem((np.array([stroke.row]), np.array([stroke.column])), 0)
    assert not user.session.strokes.delete(name, stroke)
    assert "changed meanwhile" in user.micrographs.strokes.state.text()
    assert user.shown.painted.data[42, 55] == 1


def test_of_very_many_strokes_the_largest_are_listed(user):
    ids = np.zeros((96, 96), np.uint8)
    ids[::2, ::2] = 1
    ids[0:3, 0:3] = 1
    user.shown.painted.data = ids
    user.until(lambda: len(rows(user, "steel-0.tif")) == MOST + 1)
    listed = rows(user, "steel-0.tif")
    assert listed[0] == ("class 1", "9")
    left = len(find_strokes(ids)) - MOST
    assert listed[-1] == (f"and {left:,} smaller ones", "")


def test_nothing_is_offered_without_a_stroke(user):
    tree_of(user).setCurrentItem(image_item(user, "steel-0.tif"))
    assert not user.micrographs.strokes.delete.isEnabled()
    press(user, Qt.Key.Key_Delete)
    same_strokes(user, "steel-0.tif", strokes_on())


def test_another_folder_has_its_own_strokes(user, tmp_path, two_phases):
    click(user, "steel-0.tif", 0)
    press(user, Qt.Key.Key_Delete)
    user.open(painted_folder(tmp_path / "other", two_phases, count=1, painted=0))
    user.until(lambda: tree_of(user).topLevelItemCount() == 0)
    assert not user.micrographs.strokes.undo.isEnabled()
    press(user, Qt.Key.Key_Z, CONTROL)
    assert not user.shown.painted.data.any()


def test_a_damaged_label_file_is_named(user):
    user.project.labels.path("steel-1.tif").write_bytes(b"no image")
    image_item(user, "steel-1.tif").setExpanded(True)
    user.until(lambda: "steel-1.png" in user.micrographs.strokes.state.text())
