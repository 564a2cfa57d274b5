"""Models get other names and notes and are deleted in the window, by mouse and keyboard."""

import threading

import numpy as np
import pytest
from acting import LONG_MS, User, painted_folder
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QMenu, QMessageBox
from test_model_picker import model

from napari_matssl.labels.provenance import MaskFacts, Provenance
from napari_matssl.progress import Progress
from napari_matssl.widgets.controls.line_dialog import LineDialog

CREATED = "2025-03-01T12:00:00+00:00"


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases):
    """Somebody with two models and an encoder, and a mask of the older model."""
    someone = User(make_napari_viewer, qtbot, monkeypatch, show=True)
    someone.open(painted_folder(tmp_path / "steel", two_phases, count=1))
    folder = someone.project.models.folder
    model(folder / "model-001.safetensors", day=1)
    model(folder / "model-002.safetensors", day=2)
    model(folder / "encoder-001.safetensors", day=3, kind="encoder")
    origin = Provenance(model="model-001.safetensors", model_created=CREATED)
    mask = np.ones(someone.shown.painted.data.shape, np.uint8)
    someone.project.masks.write(someone.shown.name, mask, MaskFacts(provenance=origin))
    someone.session.results.take_over(someone.shown.name, mask)
    someone.session.models_changed.emit()
    someone.look_at("Segment")
    someone.choose(someone.segment.models.combo, "model-001")
    return someone


def when_up(find, act):
    """Do something once a popup or dialog is there: it waits in an event loop of its own."""

    def look():
        found = find()
        if found is None:
            QTimer.singleShot(20, look)
        else:
            act(found)

    QTimer.singleShot(20, look)


def popup():
    menu = QApplication.activePopupWidget()
    return menu if isinstance(menu, QMenu) and menu.isVisible() else None


def dialog(kind):
    def find():
        box = QApplication.activeModalWidget()
        return box if isinstance(box, kind) and box.isVisible() else None

    return find


def open_menu(picker, act):
    """Click Manage, and do something with its menu; it may wait in a loop of its own or not."""
    done = []
    when_up(popup, lambda menu: done.append(act(menu)))
    for wait in range(LONG_MS // 20):
        if done:
            return
        if wait % 50 == 0:  # a click is lost while the panel is laid out anew
            QTest.mouseClick(picker.manage, Qt.MouseButton.LeftButton)
        QTest.qWait(20)
    raise AssertionError("no menu")


def manage(picker, entry, kind, act):
    """Click Manage, go down to an entry by the keyboard, and answer the dialog that comes."""

    def choose(menu):
        offered = [a.text() for a in menu.actions() if a.isVisible() and a.isEnabled()]
        for _ in range(1 + offered.index(entry)):
            QTest.keyClick(menu, Qt.Key.Key_Down)
        when_up(dialog(kind), act)
        QTest.keyClick(menu, Qt.Key.Key_Return)

    open_menu(picker, choose)


def type_line(text, seen=None):
    def act(box):
        QTest.keyClicks(box.line, text)
        if seen is not None:
            seen.append((box.problem.text(), box.ok.isEnabled()))
        key = Qt.Key.Key_Return if box.ok.isEnabled() else Qt.Key.Key_Escape
        QTest.keyClick(box.line, key)

    return act


def files(user):
    return sorted(path.stem for path in user.project.models.folder.iterdir())


def test_a_renamed_model_stays_chosen_and_its_masks_are_matched(user):
    seen = []
    user.choose(user.finetune.start_from.list, "Model: model-001")
    manage(user.segment.models, "Rename...", LineDialog, type_line("ferrite & pearlite", seen))
    assert seen == [("", True)]
    assert files(user) == ["encoder-001", "ferrite & pearlite", "model-002"]
    new = user.project.models.folder / "ferrite & pearlite.safetensors"
    assert user.segment.models.path == new
    assert user.segment.models.combo.currentText().startswith("ferrite & pearlite  (")
    assert user.finetune.start_from.model == new
    assert user.segment.origin.text().startswith("Mask made by ferrite & pearlite (trained")
    assert not user.heard


def test_a_name_that_is_taken_is_refused_while_it_is_typed(user):
    seen = []
    manage(user.segment.models, "Rename...", LineDialog, type_line("a/b", seen))
    manage(user.segment.models, "Rename...", LineDialog, type_line("model-002", seen))
    assert ("/" in seen[0][0], seen[0][1]) == (True, False)
    assert seen[1] == ("Names such as model-002 are given to new models.", False)
    assert files(user) == ["encoder-001", "model-001", "model-002"]


def test_a_note_is_shown_in_lists_and_card_and_is_never_markup(user):
    picker, line = user.segment.models, "<b>steel</b> A"
    manage(picker, "Note...", LineDialog, type_line(line))
    assert picker.combo.currentText().endswith(line)
    shown = picker._card._rows["Note"]
    assert shown.isVisible()
    assert shown.text() == "&lt;b&gt;steel&lt;/b&gt; A"
    starts = user.finetune.start_from.list
    assert f"Model: model-001  {line}" in [starts.itemText(i) for i in range(starts.count())]
    manage(picker, "Note...", LineDialog, lambda box: type_line(" ")(box))
    assert not picker._card._rows["Note"].isVisible()
    assert picker.combo.currentText().endswith(")")


def test_deleting_asks_and_puts_the_file_where_it_can_be_had_back(user):
    questions = []

    def answer(button):
        def act(box):
            questions.append(box.text())
            found = next(b for b in box.buttons() if b.text().replace("&", "") == button)
            QTest.mouseClick(found, Qt.MouseButton.LeftButton)

        return act

    def escape(box):
        QTest.keyClick(box, Qt.Key.Key_Escape)

    user.choose(user.finetune.start_from.list, "Model: model-001")
    manage(user.segment.models, "Delete...", QMessageBox, escape)
    assert "model-001" in files(user), "not doing it is the default"
    manage(user.segment.models, "Delete...", QMessageBox, answer("Delete"))
    assert "models-backup" in questions[0]
    assert files(user) == ["encoder-001", "model-002"]
    assert user.segment.models.path.stem == "model-002"
    assert "Mask made by model-001 (not in this folder any more, " in user.segment.origin.text()
    start = user.finetune.start_from
    assert start.model is None
    assert start.problem.text() == (
        "model-001.safetensors isn't in this folder; ImageNet weights are chosen."
    )
    kept = user.project.own / "models-backup" / "model-001.safetensors"
    assert any(str(kept) in line for line in user.heard)
    user.answer_dialogs(kept)
    user.click(user.segment.models.import_file)
    assert user.segment.models.path.stem == "model-001"


def test_an_encoder_is_managed_where_it_is_chosen(user):
    user.look_at("Pretrain")
    picker = user.pretrain.start_from
    assert not picker.manage.isEnabled(), "ImageNet's weights are no file of the folder"
    user.choose(picker.list, "Encoder: encoder-001")
    manage(picker, "Rename...", LineDialog, type_line("lab 3"))
    assert user.pretrain.settings().weights.endswith("lab 3.safetensors")
    assert picker.list.currentText() == "Encoder: lab 3"


def test_jobs_of_panels_hold_the_files_that_they_use(user):
    """Those of the folder hold no network: the jobs end with an error."""
    held, encoder = [], user.project.models.folder / "encoder-001.safetensors"
    user.runner.started.connect(lambda job: held.append({p.stem for p in job.uses}))
    user.pretrain.start_from.select(encoder)
    user.run(user.pretrain.start)
    user.finetune.start_from.select(user.segment.models.path)
    user.run(user.finetune.start)
    user.finetune.start_from.select(encoder)
    user.run(user.finetune.start)
    user.run(user.segment.start)
    assert held == [
        {"encoder-001", "encoder-002"},
        {"model-001", "model-003"},
        {"encoder-001", "model-003"},
        {"model-001"},
    ]


def test_a_model_that_a_job_uses_can_be_noted_on_but_not_renamed_or_deleted(user):
    path, go_on = user.segment.models.path, threading.Event()
    offered, texts = [], []

    def job():
        yield Progress("thinking", 0, 1)
        go_on.wait(60)
        return 1

    def look(menu):
        shown = [a for a in menu.actions() if a.isVisible()]
        offered[:] = [a.text() for a in shown if a.isEnabled()]
        texts[:] = [a.text() for a in shown]
        QTest.keyClick(menu, Qt.Key.Key_Escape)

    user.session.start("Thinking", job, compute=False, uses=[path])
    try:
        open_menu(user.segment.models, look)
        assert offered == ["Note..."]
        assert texts[0] == "Thinking uses it."
        # The job began while the user was asked.
        user.segment.models.manage.delete_wanted.emit(path)
        user.segment.models.manage.rename_wanted.emit(path, "ferrite")
        assert path.is_file()
        assert sum("Thinking uses it." in line for line in user.heard) == 2
    finally:
        go_on.set()
        user.wait()
    open_menu(user.segment.models, look)
    assert offered == ["Rename...", "Note...", "Export for other programs...", "Delete..."]


def test_a_question_shows_what_is_wrong_as_plain_text(qtbot):
    box = LineDialog(
        "T", "About <b>it</b>", "x", lambda line: "" if line else "Nothing <i>there</i>"
    )
    qtbot.addWidget(box)
    box.show()
    QTest.keyClick(box.line, Qt.Key.Key_Delete)
    assert box.problem.text() == "Nothing <i>there</i>"
    assert all(w.textFormat() == Qt.TextFormat.PlainText for w in box.findChildren(QLabel))
    assert not box.ok.isEnabled()
