"""What takes long to open is opened beside the window, which says so and stays alive."""

import threading

import numpy as np
import pytest
from acting import write_model
from desk import SIZE, docked, write_folder
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_matssl.errors import InputError
from napari_matssl.learn import card
from napari_matssl.project.folder import Project
from napari_matssl.project.image_list import ImageList
from napari_matssl.project.kept_classes import KeptClasses
from napari_matssl.project.labels import KeptLabels
from napari_matssl.project.masks import KeptMasks
from napari_matssl.project.micrographs import Micrographs
from napari_matssl.widgets.canvas import layers as canvas_layers
from napari_matssl.widgets.canvas import open_folder
from napari_matssl.widgets.canvas.add_layers import add_layer
from napari_matssl.widgets.canvas.shown import SEGMENTATION
from napari_matssl.widgets.controls.model_picker import ModelPicker
from napari_matssl.widgets.jobs.waiting import wait_for

BOUND_S = 60


@pytest.fixture
def panel(make_napari_viewer, tmp_path):
    return docked(make_napari_viewer(show=True))


@pytest.fixture
def slow(monkeypatch):
    """Let a step of a project's part take until it is told to go on."""

    class Slow:
        def __init__(self):
            self.go_on, self.threads, self.monkeypatch = threading.Event(), [], monkeypatch

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
    assert said[:2] == ["Opening steel...", ""]  # a busy machine may tell of the image, too
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


@pytest.fixture
def segmented(panel, tmp_path):
    """Three images, the second of them segmented."""
    session = panel.session
    session.folder.open([write_folder(tmp_path / "steel")])
    session.folder.project.masks.write("a2.tif", np.ones(SIZE, np.uint8))
    return session


def test_a_mask_is_read_beside_the_window(segmented, slow):
    slow.make(KeptMasks, "read", "a2.tif")
    segmented.notices.busy.connect(lambda _text: slow.go_on.set())
    assert segmented.current.show("a2.tif")
    assert segmented.current.shown.extra[SEGMENTATION].data.all()
    assert threading.main_thread() not in slow.threads


def test_a_mask_that_a_job_writes_while_the_image_is_read_is_the_one_that_is_shown(segmented, slow):
    project = segmented.folder.project
    read = KeptMasks.read
    slow.make(KeptLabels, "version", "a2.tif")

    def finish(text):
        if text:
            slow.go_on.set()

    segmented.notices.busy.connect(finish)

    def read_then_overtaken(*arguments):
        mask = read(*arguments)
        slow.monkeypatch.setattr(KeptMasks, "read", read)
        project.masks.write("a2.tif", np.full(SIZE, 2, np.uint8))
        return mask

    slow.monkeypatch.setattr(KeptMasks, "read", read_then_overtaken)
    assert segmented.current.show("a2.tif")
    assert (segmented.current.shown.extra[SEGMENTATION].data == 2).all()


def test_a_damaged_mask_is_told_and_the_image_shown(segmented):
    problems = []
    segmented.notices.failed.connect(problems.append)
    segmented.folder.project.masks.path("a2.tif").write_bytes(b"damaged")
    assert segmented.current.show("a2.tif")
    assert len(problems) == 1
    assert SEGMENTATION not in segmented.current.shown.extra


def test_of_two_wishes_to_show_an_image_the_later_counts(segmented, slow):
    shown = []
    slow.make(Micrographs, "read", "a2.tif")

    def step_on(text):
        if text and not shown:
            shown.append(segmented.current.show("a10.tif"))
            slow.go_on.set()

    segmented.notices.busy.connect(step_on)
    assert not segmented.current.show("a2.tif")
    assert shown == [True]
    assert segmented.current.shown.name == "a10.tif"


@pytest.mark.parametrize("step", [(ImageList, "add_plane"), (canvas_layers, "finite_pixels")])
def test_a_layer_is_read_and_written_beside_the_window(segmented, slow, step):
    layer = segmented.viewer.add_image(np.zeros((64, 80), np.uint8), name="iron")
    slow.make(*step)
    segmented.notices.busy.connect(lambda _text: slow.go_on.set())
    assert add_layer(segmented.current, layer)
    assert segmented.current.shown.image is layer
    assert threading.main_thread() not in slow.threads[:1]


def test_a_layer_whose_folder_is_closed_while_it_is_written_is_not_shown(segmented, slow):
    layer = segmented.viewer.add_image(np.zeros((64, 80), np.uint8), name="iron")
    slow.make(ImageList, "add_plane")

    def close(text):
        if text and not slow.go_on.is_set():
            assert segmented.folder.close()
            slow.go_on.set()

    segmented.notices.busy.connect(close)
    assert not add_layer(segmented.current, layer)
    assert segmented.current.shown is None
    assert [*segmented.viewer.layers] == [layer]


def test_strokes_are_copied_elsewhere_beside_the_window(segmented, slow, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    slow.make(open_folder, "begin_elsewhere")
    segmented.notices.busy.connect(lambda _text: slow.go_on.set())
    assert segmented.folder.keep_elsewhere(place)
    assert segmented.folder.project.masks.path("a2.tif").is_relative_to(place)
    assert threading.main_thread() not in slow.threads


def test_another_folder_opened_while_strokes_are_copied_stays_open(segmented, slow, tmp_path):
    place, other = tmp_path / "mine", write_folder(tmp_path / "other", ("b.tif",))
    place.mkdir()
    slow.make(open_folder, "begin_elsewhere")

    def drop(text):
        if text and not slow.go_on.is_set():
            assert segmented.folder.open([other])
            slow.go_on.set()

    segmented.notices.busy.connect(drop)
    assert not segmented.folder.keep_elsewhere(place)
    assert segmented.folder.project.folder == other


def test_model_cards_are_read_beside_the_window_and_once(panel, tmp_path, slow):
    folder = write_folder(tmp_path / "steel")
    (folder / "matssl" / "models").mkdir(parents=True)
    file = write_model(folder / "matssl" / "models" / "model-001.safetensors")
    picker = ModelPicker()
    slow.make(card, "read_header")
    panel.session.notices.busy.connect(lambda _text: slow.go_on.set())
    assert panel.session.folder.open([folder])
    picker.set_folders([file.parent])
    assert picker.path == file
    assert len(slow.threads) == 1
    assert threading.main_thread() not in slow.threads
