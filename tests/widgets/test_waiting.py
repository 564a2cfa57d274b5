"""What takes long to open is opened beside the window, which says so and stays alive."""

import threading

import pytest
from desk import docked, write_folder
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_matssl.errors import InputError
from napari_matssl.project.folder import Project
from napari_matssl.project.kept_classes import KeptClasses
from napari_matssl.project.labels import KeptLabels
from napari_matssl.project.micrographs import Micrographs
from napari_matssl.widgets.jobs.waiting import wait_for

BOUND_S = 60


@pytest.fixture
def panel(make_napari_viewer, tmp_path):
    return docked(make_napari_viewer(show=True))


@pytest.fixture
def slow(monkeypatch):
    """Let a step of a project's part take until it is told to go on."""

    class Slow:
        go_on, threads = threading.Event(), []

        def make(self, part, name, first=None):
            real = getattr(part, name)

            def slowly(*arguments, **options):
                if first is None or first in arguments:
                    self.threads.append(threading.current_thread())
                    self.go_on.wait(BOUND_S)
                return real(*arguments, **options)

            monkeypatch.setattr(part, name, slowly)

    return Slow()


def test_quick_work_shows_no_sign_and_an_error_is_the_callers(qtbot):
    signs = []
    assert wait_for(lambda: 7, signs.append, "quick") == 7
    with pytest.raises(InputError, match="damaged"):
        wait_for(fails, signs.append, "quick")
    assert signs == []


def fails():
    raise InputError("It is damaged.")


def test_slow_work_shows_a_sign_while_timers_go_on(qtbot):
    signs, seen, go_on = [], [], threading.Event()

    def sign(text):
        signs.append(text)
        if text:
            seen.append(QApplication.overrideCursor().shape())
            QTimer.singleShot(20, go_on.set)

    wait_for(lambda: go_on.wait(BOUND_S), sign, "Opening steel...")
    assert signs == ["Opening steel...", ""]
    assert seen == [Qt.CursorShape.BusyCursor]
    assert QApplication.overrideCursor() is None


@pytest.mark.parametrize("step", [(Micrographs, "read"), (KeptLabels, "version")])
def test_an_image_is_opened_beside_the_window_which_says_which(panel, tmp_path, slow, step):
    folder = write_folder(tmp_path / "steel")
    session, said = panel.session, []
    assert session.folder.open([folder])
    slow.make(*step)
    slow.threads.clear()

    def look(text):
        said.append((text, panel.busy.text(), panel.busy.isVisible()))
        slow.go_on.set()

    session.notices.busy.connect(look)
    assert session.current.show("a2.tif")
    text = "Opening a2.tif..."
    assert said == [(text, text, True), ("", "", False)]
    assert session.current.shown.name == "a2.tif"
    assert threading.main_thread() not in slow.threads


def test_a_folder_is_opened_beside_the_window(panel, tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "steel")
    session, threads, said, go_on = panel.session, [], [], threading.Event()

    def slowly(*arguments):
        threads.append(threading.current_thread())
        go_on.wait(BOUND_S)
        return Project(*arguments)

    monkeypatch.setattr("napari_matssl.widgets.canvas.open_folder.Project", slowly)
    session.notices.busy.connect(lambda text: (said.append(text), go_on.set()))
    assert session.folder.open([folder])
    assert said == ["Opening steel...", ""]
    assert threading.main_thread() not in threads
    assert session.current.shown.name == "a1.tif"


def test_what_was_opened_meanwhile_is_not_mixed_up(panel, tmp_path, slow):
    one, other = write_folder(tmp_path / "one"), write_folder(tmp_path / "other", ("b.tif",))
    session, results = panel.session, []
    session.folder.open([one])
    slow.make(Micrographs, "read", "a2.tif")

    def drop(text):
        if text and not results:
            results.append(session.folder.open([other]))  # as a drop of files does
            slow.go_on.set()

    session.notices.busy.connect(drop)
    assert not session.current.show("a2.tif")
    assert results == [True]
    assert (session.folder.project.folder, session.current.shown.name) == (other, "b.tif")


def test_a_window_that_closes_meanwhile_shows_nothing_any_more(panel, tmp_path, slow):
    session = panel.session
    session.folder.open([write_folder(tmp_path / "one")])
    slow.make(Micrographs, "read", "a2.tif")
    session.notices.busy.connect(lambda _text: (session.folder.end(), slow.go_on.set()))
    assert not session.current.show("a2.tif")
    assert session.current.shown is None


def test_a_class_is_looked_for_and_deleted_beside_the_window(panel, tmp_path, slow, monkeypatch):
    session = panel.session
    session.folder.open([write_folder(tmp_path / "steel")])
    slow.make(KeptLabels, "use_of")
    slow.make(KeptClasses, "delete")
    slow.go_on.set()
    gone = session.folder.project.classes.in_order[0].id
    module = "napari_matssl.widgets.panels.palette_editor.agreed"
    monkeypatch.setattr(module, lambda *_: True)
    panel.classes.delete_wanted.emit(gone)
    assert gone not in [one.id for one in session.folder.project.classes.in_order]
    assert len(slow.threads) == 2
    assert threading.main_thread() not in slow.threads
