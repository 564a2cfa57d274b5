"""What takes long to open is opened beside the window, which says so and stays alive."""

import threading

import pytest
from desk import docked, write_folder
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_matssl.errors import InputError
from napari_matssl.project.folder import Project
from napari_matssl.widgets.jobs.waiting import wait_for

BOUND_S = 60


@pytest.fixture
def panel(make_napari_viewer, tmp_path):
    return docked(make_napari_viewer(show=True))


@pytest.fixture
def slow(monkeypatch):
    """Let a step of a project take until it is told to go on."""

    class Slow:
        go_on, threads = threading.Event(), []

        def make(self, name, first=None):
            real = getattr(Project, name)

            def slowly(*arguments, **options):
                if first is None or first in arguments:
                    self.threads.append(threading.current_thread())
                    self.go_on.wait(BOUND_S)
                return real(*arguments, **options)

            monkeypatch.setattr(Project, name, slowly)

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


@pytest.mark.parametrize("step", ["read", "label_version"])
def test_an_image_is_opened_beside_the_window_which_says_which(panel, tmp_path, slow, step):
    folder = write_folder(tmp_path / "steel")
    workspace, said = panel.session.workspace, []
    assert workspace.open([folder])
    slow.make(step)
    slow.threads.clear()

    def look(text):
        said.append((text, panel.busy.text(), panel.busy.isVisible()))
        slow.go_on.set()

    workspace.busy.connect(look)
    assert workspace.show_image("a2.tif")
    text = "Opening a2.tif..."
    assert said == [(text, text, True), ("", "", False)]
    assert workspace.shown.name == "a2.tif"
    assert threading.main_thread() not in slow.threads


def test_a_folder_is_opened_beside_the_window(panel, tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "steel")
    workspace, threads, said, go_on = panel.session.workspace, [], [], threading.Event()
    real = Project.open

    def slowly(*arguments):
        threads.append(threading.current_thread())
        go_on.wait(BOUND_S)
        return real(*arguments)

    monkeypatch.setattr(Project, "open", slowly)
    workspace.busy.connect(lambda text: (said.append(text), go_on.set()))
    assert workspace.open([folder])
    assert said == ["Opening steel...", ""]
    assert threading.main_thread() not in threads
    assert workspace.shown.name == "a1.tif"


def test_what_was_opened_meanwhile_is_not_mixed_up(panel, tmp_path, slow):
    one, other = write_folder(tmp_path / "one"), write_folder(tmp_path / "other", ("b.tif",))
    workspace, results = panel.session.workspace, []
    workspace.open([one])
    slow.make("read", "a2.tif")

    def drop(text):
        if text and not results:
            results.append(workspace.open([other]))  # as a drop of files does
            slow.go_on.set()

    workspace.busy.connect(drop)
    assert not workspace.show_image("a2.tif")
    assert results == [True]
    assert (workspace.project.folder, workspace.shown.name) == (other, "b.tif")


def test_a_window_that_closes_meanwhile_shows_nothing_any_more(panel, tmp_path, slow):
    workspace = panel.session.workspace
    workspace.open([write_folder(tmp_path / "one")])
    slow.make("read", "a2.tif")
    workspace.busy.connect(lambda _text: (workspace.close(), slow.go_on.set()))
    assert not workspace.show_image("a2.tif")
    assert workspace.shown is None


def test_a_class_is_looked_for_and_deleted_beside_the_window(panel, tmp_path, slow, monkeypatch):
    workspace = panel.session.workspace
    workspace.open([write_folder(tmp_path / "steel")])
    slow.make("class_use")
    slow.make("delete_class")
    slow.go_on.set()
    gone = workspace.project.classes[0].id
    module = "napari_matssl.widgets.panels.micrographs_panel.agreed"
    monkeypatch.setattr(module, lambda *_: True)
    panel._delete_class(gone)
    assert gone not in [one.id for one in workspace.project.classes]
    assert len(slow.threads) == 2
    assert threading.main_thread() not in slow.threads
