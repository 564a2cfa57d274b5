"""Labels of other programs come in by the menus of the window."""

import json

import numpy as np
import pytest
from acting import User, painted_folder
from annotated import coco, write
from PIL import Image
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_matssl.widgets import exchange_menu
from napari_matssl.widgets.controls.import_dialog import ImportDialog
from napari_matssl.widgets.controls.import_tables import LEAVE_OUT
from napari_matssl.widgets.panels import importing_labels
from napari_matssl.widgets.panels.image_menu import image_menu


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases):
    """Somebody with three images of 96 x 96 px, the first of them painted."""
    someone = User(make_napari_viewer, qtbot, monkeypatch)
    someone.open(painted_folder(tmp_path / "steel", two_phases, count=3, painted=1))
    return someone


@pytest.fixture
def names(user):
    return user.project.images.names


@pytest.fixture
def source(tmp_path, names):
    """COCO with a square on each of the first two images."""
    square = [2, 2, 12, 2, 12, 12, 2, 12]
    content = coco([([square], 1, 1), ([square], 2, 2)], ("Class 1", "pore"), names[:2])
    for image in content["images"]:
        image["width"] = image["height"] = 96
    return write(tmp_path / "theirs" / "annotations.json", content)


def entry(user, text):
    """Find an entry in the menu of the list of images."""
    menu = image_menu(user.session, [user.shown.name], lambda: None, user.micrographs)
    return next(one for one in menu.actions() if one.text() == text)


def answer(user, monkeypatch, act):
    """Do something with the dialog once it is up, and agree if it can be agreed to."""

    def executed(dialog):
        act(dialog)
        return int(dialog.ok.isEnabled())

    monkeypatch.setattr(ImportDialog, "exec", executed)


def look_at(user, dialog, *sources):
    dialog.choose(sources)
    user.until(lambda: not dialog.status.text().startswith(("Reading", "Looking")))


def do_import(user, monkeypatch, act):
    answer(user, monkeypatch, act)
    entry(user, "Import labels...").trigger()
    user.until(lambda: not user.runner.busy)


def cells(table, row):
    return [table.item(row, column).text() for column in range(4) if table.item(row, column)]


def test_what_will_be_done_is_shown_and_done(user, monkeypatch, source, names):
    def act(dialog):
        assert not dialog.ok.isEnabled()
        look_at(user, dialog, source)
        assert dialog.status.text() == "COCO: labels for 2 of 3 images."
        assert cells(dialog.classes, 0) == ["Class 1", "1", "1"]
        assert [box.currentText() for box in dialog.classes.boxes] == ["class 1", "pore"]
        assert [dialog.classes.item(row, 4).text() for row in (0, 1)] == ["", "new"]
        assert cells(dialog.images, 1) == [names[1], "annotations.json", "1", "-"]
        assert dialog.remarks.toPlainText() == f"1 of 3 images has no annotation: {names[2]}."
        user.choose(dialog.painted, "Fill")

    user.current.show(names[1])
    before = user.project.labels.read(names[0])
    do_import(user, monkeypatch, act)
    assert "2 images got labels. New classes: pore." in user.heard[-1]
    pore = user.project.classes.table.classes[-1]
    assert (pore.name, user.session.palette.classes[-1].name) == ("pore", "pore")
    assert (user.shown.painted.data[2:12, 2:12] == pore.id).all(), "the image in view shows them"
    assert not any("another window" in line for line in user.heard)
    expected = before.copy()
    expected[2:12, 2:12][before[2:12, 2:12] == 0] = 1
    assert np.array_equal(user.project.labels.read(names[0]), expected)


def test_painted_images_are_left_unless_that_is_chosen(user, monkeypatch, source, names):
    before = user.project.labels.read(names[0])
    do_import(user, monkeypatch, lambda dialog: look_at(user, dialog, source))
    assert f"left as they are: {names[0]}." in user.heard[-1]
    assert np.array_equal(user.project.labels.read(names[0]), before)
    assert user.project.labels.has(names[1])

    def nothing_to_do(dialog):
        look_at(user, dialog, source)
        assert not dialog.ok.isEnabled()

    do_import(user, monkeypatch, nothing_to_do)  # both are painted now
    entry(user, "Undo the import of labels").trigger()
    user.until(lambda: not user.runner.busy)
    assert not user.project.labels.has(names[1])


def test_strokes_that_were_replaced_come_back(user, monkeypatch, source, names):
    before = user.shown.painted.data.copy()
    assert not entry(user, "Undo the import of labels").isEnabled()

    def act(dialog):
        look_at(user, dialog, source)
        user.choose(dialog.painted, "Replace")

    do_import(user, monkeypatch, act)
    assert np.count_nonzero(user.shown.painted.data) == 100
    entry(user, "Undo the import of labels").trigger()
    user.until(lambda: not user.runner.busy)
    assert "The labels of 2 images are as before the import." in user.heard[-1]
    assert np.array_equal(user.shown.painted.data, before)
    assert not user.project.labels.has(names[1])
    assert not entry(user, "Undo the import of labels").isEnabled()


def test_nothing_is_written_without_agreement(user, monkeypatch, source):
    def act(dialog):
        look_at(user, dialog, source)
        dialog.ok.setEnabled(False)

    do_import(user, monkeypatch, act)
    assert user.session.last_import is None
    assert len(user.project.classes.table) == 2


def test_colours_are_asked_for_one_by_one(user, monkeypatch, tmp_path, names):
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[:30], pixels[60:] = (200, 0, 0), (0, 0, 200)
    folder = tmp_path / "masks"
    folder.mkdir()
    Image.fromarray(pixels).save(folder / f"{names[1].rsplit('.', 1)[0]}_mask.png")

    def act(dialog):
        look_at(user, dialog, folder)
        assert [box.currentText() for box in dialog.classes.boxes] == [LEAVE_OUT, "", ""]
        assert not dialog.ok.isEnabled()
        assert dialog.why_not.text() == "Choose a class, or (leave out), for #0000c8, #c80000."
        assert cells(dialog.classes, 1) == ["#0000c8", "1", "37.5%"]
        user.choose(dialog.classes.boxes[1], "class 2")
        dialog.classes.boxes[2].setEditText("oxide")

    do_import(user, monkeypatch, act)
    labels = user.project.labels.read(names[1])
    oxide = user.project.classes.table.classes[-1]
    assert (oxide.name, oxide.colour) == ("oxide", "#c80000")
    assert (labels[:30] == oxide.id).all()
    assert (labels[60:] == 2).all()
    assert not labels[30:60].any()


def test_a_file_that_cannot_be_used_gives_one_line_and_no_import(user, monkeypatch, tmp_path):
    def act(dialog):
        look_at(user, dialog, write(tmp_path / "bad.json", "{"))
        assert "bad.json" in dialog.status.text()
        assert "\n" not in dialog.status.text()
        assert not dialog.ok.isEnabled()
        assert dialog.ok.toolTip() == dialog.status.text()

    do_import(user, monkeypatch, act)
    assert user.session.last_import is None


def test_rois_of_another_name_may_be_of_the_image_in_view(user, monkeypatch, tmp_path, names):
    roifile = pytest.importorskip("roifile")
    roi = roifile.ImagejRoi.frompoints(np.array([[3, 3], [23, 3], [23, 13], [3, 13]]))
    roi.name = "0008-0013"
    roifile.roiwrite(tmp_path / "RoiSet.zip", [roi])
    user.current.show(names[2])

    def act(dialog):
        look_at(user, dialog, tmp_path / "RoiSet.zip")
        assert "looked for RoiSet" in dialog.status.text()
        assert not dialog.of_shown.isHidden()
        dialog.of_shown.click()
        user.until(lambda: dialog._outlook is not None)
        assert dialog.told_by.currentText() == "one class for all"
        assert cells(dialog.classes, 0) == ["all shapes", "1", "1"]
        user.choose(dialog.classes.boxes[0], "class 1")

    do_import(user, monkeypatch, act)
    assert np.count_nonzero(user.shown.painted.data == 1) == 200


def test_only_the_last_choice_is_answered(user, monkeypatch, source, tmp_path):
    def act(dialog):
        dialog.choose([tmp_path / "gone.json"])
        look_at(user, dialog, source)
        user.qtbot.wait(100)
        assert dialog.status.text().startswith("COCO")

    do_import(user, monkeypatch, act)


def test_the_wheel_over_a_class_scrolls_and_changes_nothing(user, monkeypatch, source):
    def act(dialog):
        look_at(user, dialog, source)
        box = dialog.classes.boxes[0]
        event = QWheelEvent(
            QPointF(5, 5), QPointF(5, 5), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(box, event)
        assert box.currentText() == "class 1"

    do_import(user, monkeypatch, act)


def test_files_and_folders_are_asked_for(qtbot, monkeypatch, tmp_path):
    dialog = ImportDialog(["ferrite"], None, tmp_path)
    qtbot.addWidget(dialog)
    asked = []
    dialog.asked.connect(asked.append)
    chosen = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    dialog.files.click()
    dialog.folder.click()
    assert [one.sources for one in asked] == [
        (tmp_path / "a.json", tmp_path / "b.json"),
        (tmp_path,),
    ]


@pytest.mark.parametrize(
    "run",
    [
        exchange_menu.import_labels_from_menu,
        exchange_menu.export_coco_from_menu,
        exchange_menu.export_labelme_from_menu,
        exchange_menu.export_model_from_menu,
    ],
)
def test_without_a_folder_the_menu_gives_one_line(make_napari_viewer, run):
    from napari_matssl.widgets.session import session_of

    heard = []
    session_of(make_napari_viewer()).notices.failed.connect(heard.append)
    run()
    assert [str(error) for error in heard] == [
        "No folder is open. Open a folder of micrographs first."
    ]


def test_the_menu_exports_labels_and_undoes_what_was_imported(user, monkeypatch, tmp_path, source):
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "all.json"), "")
    )
    exchange_menu.export_coco_from_menu()
    user.until(lambda: not user.runner.busy)
    assert len(json.loads((tmp_path / "all.json").read_text())["images"]) == 1
    exchange_menu.undo_import_from_menu()
    assert user.heard[-1].startswith("No labels were imported")
    answer(user, monkeypatch, lambda dialog: look_at(user, dialog, source))
    exchange_menu.import_labels_from_menu()
    user.until(lambda: not user.runner.busy)
    exchange_menu.undo_import_from_menu()
    user.until(lambda: not user.runner.busy)
    assert "as before the import" in user.heard[-1]


def test_the_menu_exports_no_model_where_there_is_none(user):
    exchange_menu.export_model_from_menu()
    assert "model" in user.heard[-1]


def test_while_a_job_runs_nothing_is_imported(user, monkeypatch):
    monkeypatch.setattr(type(user.runner), "busy", property(lambda _runner: True))
    monkeypatch.setattr(type(user.runner), "busy_reason", property(lambda _runner: "Training."))
    assert not entry(user, "Import labels...").isEnabled()
    assert importing_labels.ask_and_import(user.session, user.micrographs) is None
    assert user.heard[-1] == "Training."
