"""The class table: what is painted with, and what edits do to labels, layers and files."""

import numpy as np
import pytest
from desk import SIZE, key, labels_on_disk, rows, said, stroke, write_folder
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit, QPushButton

from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.keys import HINT
from napari_matssl.widgets.canvas.shown import SEGMENTATION
from napari_matssl.widgets.controls.class_model import EXCLUDE, NAME
from napari_matssl.widgets.controls.class_model import PAINTED as COUNT
from napari_matssl.widgets.controls.class_removal import ClassRemoval


@pytest.fixture
def folder(tmp_path):
    folder = write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))
    Project(folder).classes.add("stain", exclude=True)
    return folder


def shown(panel):
    return panel.session.current.shown


def button(panel, text):
    return next(b for b in panel.classes.findChildren(QPushButton) if b.text() == text)


def cell(panel, row, column):
    return panel.classes._model.index(row, column)


def names(panel):
    return [one.name for one in panel.session.palette.classes]


# Picking.


def test_digits_on_the_canvas_pick_classes_instead_of_modes(panel, qtbot):
    viewer, painted = panel.session.viewer, shown(panel).painted
    for digit, class_id in ((Qt.Key.Key_2, 2), (Qt.Key.Key_3, 3), (Qt.Key.Key_1, 1)):
        key(qtbot, viewer, digit)
        assert painted.selected_label == class_id
        assert painted.mode == "paint"  # napari's own 1, 3 would erase or draw polygons
        assert panel.session.palette.picked == class_id
        assert panel.classes._selected == class_id
    key(qtbot, viewer, Qt.Key.Key_9)  # no such class
    assert (painted.selected_label, painted.mode) == (1, "paint")


def test_class_keys_count_whatever_layer_is_chosen(panel, qtbot):
    viewer = panel.session.viewer
    others = [
        viewer.add_labels(np.zeros(SIZE, np.uint8), name="mine"),
        viewer.add_shapes(ndim=2, name="drawn"),
        viewer.add_points(ndim=2, name="dots"),
    ]
    for layer in others:
        panel.session.palette.paint_with(1)
        viewer.layers.selection.active = layer
        key(qtbot, viewer, Qt.Key.Key_2)
        assert viewer.layers.selection.active is shown(panel).painted
        assert shown(panel).painted.selected_label == 2
    for which, name in ((Qt.Key.Key_D, "a2.tif"), (Qt.Key.Key_A, "a1.tif")):
        viewer.layers.selection.active = others[1]
        key(qtbot, viewer, which)
        assert shown(panel).name == name


def test_the_keys_are_naparis_while_no_folder_is_open(panel, qtbot):
    viewer = panel.session.viewer
    assert panel.session.folder.close()
    mine = viewer.add_labels(np.zeros(SIZE, np.uint8), name="mine")
    viewer.layers.selection.active = mine
    key(qtbot, viewer, Qt.Key.Key_4)
    assert mine.mode == "fill"


def test_letters_and_digits_go_into_a_field_that_is_typed_in(panel, qtbot):
    panel.session.viewer.window._qt_window.activateWindow()
    field = QLineEdit(panel)
    field.show()
    field.setFocus()
    qtbot.keyClicks(field, "2da1")
    assert field.text() == "2da1"
    assert shown(panel).name == "a1.tif"
    assert panel.session.palette.picked == 1


def test_a_button_that_has_the_focus_keeps_no_key(panel, qtbot):
    window = panel.session.viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=5000)
    panel.opening.open_folder.setFocus()
    qtbot.keyClick(panel.opening.open_folder, Qt.Key.Key_2)
    assert panel.session.palette.picked == 2
    qtbot.keyClick(panel.opening.open_folder, Qt.Key.Key_D)
    assert shown(panel).name == "a2.tif"


def test_naparis_list_of_keys_has_ours(panel):
    viewer, painted = panel.session.viewer, shown(panel).painted
    for mode in ("erase", "paint", "pan_zoom"):
        painted.mode = mode
        assert viewer.help == HINT
    viewer.layers.selection.active = shown(panel).image
    assert viewer.help != HINT


def test_an_id_that_is_no_class_cant_be_picked(panel, qtbot):
    """By napari's key for a new label."""
    heard = []
    panel.session.notices.remarked.connect(heard.append)
    stroke(panel, 40, 30, 3)
    panel.session.palette.paint_with(2)
    key(qtbot, panel.session.viewer, Qt.Key.Key_M)
    assert shown(panel).painted.selected_label == panel.session.palette.picked == 2
    assert panel.classes._selected == 2
    assert heard == ["4 is the id of no class: Add, below the class table, makes a new class."]
    button(panel, "Add").click()
    assert panel.session.palette.picked == panel.classes._selected == 4


def test_the_key_x_changes_between_brush_and_eraser(panel, qtbot):
    painted = shown(panel).painted
    panel.session.palette.paint_with(2)
    for mode in ("erase", "paint"):
        key(qtbot, panel.session.viewer, Qt.Key.Key_X)
        assert (painted.mode, painted.selected_label) == (mode, 2)


def test_the_picker_on_an_unpainted_pixel_picks_nothing(panel):
    painted = shown(panel).painted
    panel.session.palette.paint_with(2)
    painted.mode = "pick"
    painted.selected_label = 0
    assert (painted.mode, painted.selected_label) == ("pick", 2)


def test_a_class_is_painted_with_after_a_click_on_it(panel, qtbot):
    view, viewer = panel.classes._view, panel.session.viewer
    viewer.layers.selection.active = shown(panel).image
    place = view.visualRect(cell(panel, 1, NAME)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    painted = shown(panel).painted
    assert viewer.layers.selection.active is painted
    assert (painted.selected_label, painted.mode) == (2, "paint")


def test_naparis_own_choice_of_a_label_shows_in_the_class_table(panel):
    shown(panel).painted.selected_label = 3
    assert panel.classes._selected == 3
    shown(panel).painted.selected_label = 77  # no class
    assert panel.classes._selected == shown(panel).painted.selected_label == 3


def test_the_class_stays_when_another_image_is_shown(panel):
    panel.session.palette.paint_with(2)
    panel.session.current.step(1)
    assert shown(panel).painted.selected_label == 2
    stroke(panel)
    assert panel.session.palette.painted_pixels()[2] > 0


def test_picking_leaves_erasing_but_not_filling(panel):
    painted = shown(panel).painted
    for before, after in (("erase", "paint"), ("fill", "fill"), ("pan_zoom", "paint")):
        painted.mode = before
        panel.session.palette.paint_with(2)
        assert painted.mode == after


# Editing.


def test_added_classes_are_painted_with_at_once(panel):
    button(panel, "Add").click()
    assert len(names(panel)) == 4
    assert shown(panel).painted.selected_label == panel.classes._selected == 4
    button(panel, "Add exclude class").click()
    assert panel.session.palette.classes[-1].exclude
    assert panel.session.palette.picked == 5
    assert len(Project(panel.session.folder.project.folder).classes.in_order) == 5


def test_a_rename_shows_in_the_layers_and_stays(panel):
    panel.classes._model.setData(cell(panel, 0, NAME), "ferrite")
    painted = shown(panel).painted
    assert "ferrite" in list(painted.features["class"])
    assert Project(panel.session.folder.project.folder).classes.in_order[0].name == "ferrite"


def test_a_new_colour_reaches_all_layers_and_keeps_strokes_and_undo(panel, monkeypatch):
    session = panel.session
    mask = np.ones(SIZE, np.uint8)
    session.folder.project.masks.write("a1.tif", mask)
    session.results.take_over("a1.tif", mask)
    painted = stroke(panel)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#ff0000"))
    panel.classes._ask_colour(0)
    for layer in (painted, shown(panel).extra[SEGMENTATION]):
        assert tuple(layer.colormap.map(np.uint8(1))) == pytest.approx((1, 0, 0, 1))
    assert painted.data[20, 30] == 1
    painted.undo()
    assert not painted.data.any()


def test_edits_leave_the_layer_that_the_user_works_on_active(panel):
    viewer = panel.session.viewer
    viewer.layers.selection.active = shown(panel).image
    panel.classes._model.setData(cell(panel, 0, NAME), "ferrite")
    assert viewer.layers.selection.active is shown(panel).image


def test_the_order_decides_the_keys(panel, qtbot):
    panel.session.palette.paint_with(3)
    button(panel, "Up").click()
    button(panel, "Up").click()
    assert [one.id for one in panel.session.palette.classes] == [3, 1, 2]
    key(qtbot, panel.session.viewer, Qt.Key.Key_1)
    assert shown(panel).painted.selected_label == 3


def test_excluding_a_class_is_kept(panel):
    box = cell(panel, 0, EXCLUDE)
    panel.classes._model.setData(box, None, Qt.ItemDataRole.CheckStateRole)
    assert panel.session.palette.classes[0].exclude


# Deleting.


def answer_removal(panel, choose, seen):
    """Press the button that deletes, and answer the question that comes up."""

    def reply():
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, ClassRemoval):
            QTimer.singleShot(50, reply)
            return
        seen.append(f"{dialog.use.text()} {dialog.delete.text()}")
        choose(dialog)

    QTimer.singleShot(50, reply)
    button(panel, "Delete").click()


def accept(dialog):
    dialog.accept_button.click()


def merge_into(name):
    def choose(dialog):
        dialog.target.setCurrentText(name)
        dialog.merge.click()
        assert dialog.accept_button.text() == "Merge"
        dialog.accept_button.click()

    return choose


def cancel(dialog):
    QTest.keyClick(dialog, Qt.Key.Key_Return)  # Cancel is the default


def test_a_class_is_deleted_from_every_image_after_a_question(panel, folder):
    session = panel.session
    session.folder.project.masks.write("a2.tif", np.full(SIZE, 2, np.uint8))
    stroke(panel, class_id=2)
    session.current.step(1)
    stroke(panel, 20, 30, class_id=2)
    stroke(panel, 50, 60, class_id=1)
    session.palette.paint_with(2)
    pixels = session.palette.painted_pixels()[2]
    seen = []
    answer_removal(panel, accept, seen)
    assert len(seen) == 1
    assert f"{pixels:,} painted pixels in 2 images; 100.0 % of the mask of a2.tif" in seen[0]
    assert "its mask is removed, to be segmented again" in seen[0]
    assert names(panel) == ["phase 1", "stain"]
    painted = shown(panel).painted
    assert set(np.unique(painted.data)) == {0, 1}
    assert painted.selected_label == panel.classes._selected == 1
    assert labels_on_disk(folder, "a1.tif") is None
    assert SEGMENTATION not in shown(panel).extra
    assert session.current.shown.name == "a2.tif"
    assert rows(panel)["a2.tif"] == "saved"


def test_a_class_that_only_masks_have_is_not_deleted_as_if_nobody_missed_it(panel):
    """Fractions of 63.1, 36.0 and 0.9 % must not become 63.6 and 36.4 % unsaid."""
    project = panel.session.folder.project
    mask = np.ones(SIZE, np.uint8)
    mask.flat[:4424], mask.flat[-110:] = 2, 3
    project.masks.write("a1.tif", mask)
    project.masks.write("a2.tif", np.where(mask == 3, 1, mask))
    panel.session.palette.paint_with(3)
    seen = []
    answer_removal(panel, cancel, seen)
    assert "0.9 % of the mask of a1.tif" in seen[0]
    assert project.masks.read("a1.tif") is not None
    answer_removal(panel, accept, seen)
    assert project.masks.read("a1.tif") is None
    assert project.masks.read("a2.tif") is not None
    assert rows(panel)["a1.tif"] == "unlabelled"


def test_a_class_is_merged_into_another_in_labels_and_masks(panel, folder):
    project = panel.session.folder.project
    mask = np.ones(SIZE, np.uint8)
    mask.flat[:500], mask.flat[-110:] = 2, 3
    project.masks.write("a1.tif", mask)
    project.masks.write("a2.tif", mask)
    stroke(panel, class_id=3)
    pixels = panel.session.palette.painted_pixels()[3]
    panel.session.palette.paint_with(3)
    seen = []
    answer_removal(panel, merge_into("phase 2"), seen)
    assert "0.9 % of 2 masks on average, at most 0.9 % (a1.tif)" in seen[0]
    assert names(panel) == ["phase 1", "phase 2"]
    assert panel.session.palette.painted_pixels() == {2: pixels}
    assert np.count_nonzero(project.masks.read("a2.tif") == 2) == 610
    assert np.count_nonzero(labels_on_disk(folder, "a1.tif") == 2) == pixels


def test_a_class_stays_if_the_question_is_answered_with_cancel(panel):
    stroke(panel, class_id=2)
    panel.session.palette.paint_with(2)
    seen = []
    answer_removal(panel, cancel, seen)
    assert len(seen) == 1
    assert names(panel) == ["phase 1", "phase 2", "stain"]
    assert shown(panel).painted.data[20, 30] == 2


@pytest.mark.parametrize("into", [None, 1])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_undo_and_redo_never_bring_back_a_class_that_is_gone(panel, folder, into, elsewhere):
    current = panel.session.current
    stroke(panel, 20, 30, 2)
    shown(panel).painted.undo()
    if elsewhere:
        current.step(1)
    panel.session.palette.delete(2, into)
    current.show("a1.tif")
    shown(panel).painted.redo()
    assert not shown(panel).painted.data.any()
    current.flush()
    assert not shown(panel).autosave.unsaved
    assert current.show("a2.tif"), "strokes that can't be saved would hold the image"


def test_nothing_is_deleted_while_strokes_cant_be_saved(panel, folder):
    problems = said(panel)
    stroke(panel, class_id=2)
    (folder / "matssl" / "labels").write_text("in the way")
    panel.session.palette.delete(1)
    assert problems
    assert names(panel) == ["phase 1", "phase 2", "stain"]
    assert shown(panel).painted.data[20, 30] == 2
    (folder / "matssl" / "labels").unlink()


def test_labels_that_cant_be_read_are_reported_before_the_question(panel, folder):
    problems = said(panel)
    (folder / "matssl" / "labels").mkdir(parents=True)
    (folder / "matssl" / "labels" / "a2.png").write_bytes(b"no image")
    button(panel, "Delete").click()  # would hang here if it asked
    assert len(problems) == 1
    assert "a2.png" in problems[0]


# Another folder.


def test_another_folder_brings_its_own_classes(panel, tmp_path):
    panel.session.palette.paint_with(3)
    other = write_folder(tmp_path / "other")
    project = Project(other)
    project.classes.add("pearlite")
    project.classes.delete(1)
    panel.session.folder.open([other])
    assert names(panel) == ["phase 2", "pearlite"]
    assert shown(panel).painted.selected_label == panel.classes._selected
    assert panel.session.folder.close()
    assert panel.session.palette.picked is None
    assert not panel.classes.isEnabled()


def test_painted_pixels_are_counted_as_they_are_painted(panel, qtbot):
    stroke(panel, class_id=2)
    pixels = int((shown(panel).painted.data == 2).sum())
    model = panel.classes._model
    qtbot.waitUntil(lambda: model.index(1, COUNT).data() == f"{pixels:,}", timeout=3000)
