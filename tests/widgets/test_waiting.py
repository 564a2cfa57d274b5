"""What takes long to open is opened beside the window, which shows what and stays alive."""

import threading

import dask
import dask.array
import numpy as np
import pytest
from acting import write_model, write_strokes
from desk import SIZE, answer, docked, write_folder
from file_events import slow_disk, when_file_is
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_matssl.errors import InputError
from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.add_layers import add_layer
from napari_matssl.widgets.canvas.shown import SEGMENTATION
from napari_matssl.widgets.controls.model_picker import ModelPicker
from napari_matssl.widgets.jobs.waiting import wait_for

BOUND_S = 60


@pytest.fixture
def panel(make_napari_viewer, tmp_path):
    return docked(make_napari_viewer(show=True))


def strokes_on(folder, name):
    write_strokes(folder, name, np.ones(SIZE, np.uint8))


def lazy_layer(viewer, threads):
    """Add a layer whose pixels are computed when they are asked for, and in which thread."""

    def compute(block):
        threads.append(threading.current_thread())
        return block

    pixels = dask.array.zeros((64, 80), dtype=np.uint8)
    return viewer.add_image(pixels.map_blocks(compute, meta=np.empty((0, 0), np.uint8)))


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


@pytest.mark.parametrize("file", ["a2.tif", "matssl/labels/a2.png"])
def test_an_image_is_opened_beside_the_window_and_named_meanwhile(panel, tmp_path, file):
    folder = write_folder(tmp_path / "steel")
    strokes_on(folder, "a2.tif")
    session, told = panel.session, []
    assert session.folder.open([folder])
    with slow_disk(f"*/steel/{file}") as disk:

        def look(text):
            told.append((text, panel.busy.text(), panel.busy.isVisible()))
            disk.go_on()

        session.notices.busy.connect(look)
        assert session.current.show("a2.tif")
    text = "Opening a2.tif..."
    assert told == [(text, text, True), ("", "", False)]
    assert session.current.shown.name == "a2.tif"
    assert disk.threads
    assert threading.main_thread() not in disk.threads


def test_a_folder_is_opened_beside_the_window(panel, tmp_path):
    folder = write_folder(tmp_path / "steel")
    Project(folder).labels.write("a1.tif", np.ones(SIZE, np.uint8))
    session, told = panel.session, []
    with slow_disk("*/matssl/classes.json") as disk:
        session.notices.busy.connect(lambda text: (told.append(text), disk.go_on()))
        assert session.folder.open([folder])
    assert told[:2] == ["Opening steel...", ""]  # a busy machine may show the image's, too
    assert disk.threads
    assert threading.main_thread() not in disk.threads
    assert session.current.shown.name == "a1.tif"


def test_what_was_opened_meanwhile_is_not_mixed_up(panel, tmp_path):
    one, other = write_folder(tmp_path / "one"), write_folder(tmp_path / "other", ("b.tif",))
    session, results = panel.session, []
    session.folder.open([one])
    with slow_disk("*/one/a2.tif") as disk:

        def drop(text):
            if text and not results:
                results.append(session.folder.open([other]))  # as a drop of files does
                disk.go_on()

        session.notices.busy.connect(drop)
        assert not session.current.show("a2.tif")
    assert results == [True]
    assert (session.folder.project.folder, session.current.shown.name) == (other, "b.tif")


def test_a_window_that_closes_meanwhile_shows_nothing_any_more(panel, tmp_path):
    session = panel.session
    session.folder.open([write_folder(tmp_path / "one")])
    with slow_disk("*/one/a2.tif") as disk:
        session.notices.busy.connect(lambda _text: (session.folder.end(), disk.go_on()))
        assert not session.current.show("a2.tif")
    assert session.current.shown is None


def test_a_class_is_looked_for_and_deleted_beside_the_window(segmented, panel):
    gone, threads, questions = 2, [], []  # the mask has class 1 alone
    answer("Delete", questions)

    def note(_path):
        threads.append(threading.current_thread())

    with (
        when_file_is("opened", "*/masks/a2.png", note),
        when_file_is("replaced", "*/matssl/classes.json", note),
    ):
        panel.classes.delete_wanted.emit(gone)
    assert len(questions) == 1
    assert gone not in [one.id for one in segmented.folder.project.classes.in_order]
    assert len(threads) >= 2
    assert threading.main_thread() not in threads


@pytest.fixture
def segmented(panel, tmp_path):
    """Three images, the second of them segmented."""
    session, folder = panel.session, write_folder(tmp_path / "steel")
    Project(folder).masks.write("a2.tif", np.ones(SIZE, np.uint8))
    session.folder.open([folder])
    return session


def test_a_mask_is_read_beside_the_window(segmented):
    with slow_disk("*/masks/a2.png") as disk:
        segmented.notices.busy.connect(lambda _text: disk.go_on())
        assert segmented.current.show("a2.tif")
    assert segmented.current.shown.extra[SEGMENTATION].data.all()
    assert disk.threads
    assert threading.main_thread() not in disk.threads


def test_a_mask_that_a_job_writes_while_the_image_is_read_is_the_one_that_is_shown(segmented):
    project = segmented.folder.project
    with slow_disk("*/steel/a2.tif") as disk:

        def write_once_it_is_read(text):
            disk.go_on()
            if not text:
                project.masks.write("a2.tif", np.full(SIZE, 2, np.uint8))

        segmented.notices.busy.connect(write_once_it_is_read)
        assert segmented.current.show("a2.tif")
    assert (segmented.current.shown.extra[SEGMENTATION].data == 2).all()


def test_a_damaged_mask_is_reported_and_the_image_shown(segmented):
    problems = []
    segmented.notices.failed.connect(problems.append)
    segmented.folder.project.masks.path("a2.tif").write_bytes(b"damaged")
    assert segmented.current.show("a2.tif")
    assert len(problems) == 1
    assert SEGMENTATION not in segmented.current.shown.extra


def test_of_two_requests_to_show_an_image_the_later_counts(segmented):
    shown = []
    with slow_disk("*/steel/a2.tif") as disk:

        def step_on(text):
            if text and not shown:
                shown.append(segmented.current.show("a10.tif"))
                disk.go_on()

        segmented.notices.busy.connect(step_on)
        assert not segmented.current.show("a2.tif")
    assert shown == [True]
    assert segmented.current.shown.name == "a10.tif"


def test_a_layer_is_read_beside_the_window(segmented):
    threads = []
    layer = lazy_layer(segmented.viewer, threads)
    threads.clear()
    with dask.config.set(scheduler="synchronous"):  # else dask has threads of its own
        assert add_layer(segmented.current, layer)
    assert segmented.current.shown.image is layer
    assert threads
    assert threads[0] is not threading.main_thread()  # later ones draw it


def test_a_layer_is_written_beside_the_window(segmented):
    layer = segmented.viewer.add_image(np.zeros((64, 80), np.uint8), name="iron")
    with slow_disk("*/matssl/planes/*", "replaced") as disk:
        segmented.notices.busy.connect(lambda _text: disk.go_on())
        assert add_layer(segmented.current, layer)
    assert segmented.current.shown.image is layer
    assert disk.threads
    assert threading.main_thread() not in disk.threads


def test_a_layer_whose_folder_is_closed_while_it_is_written_is_not_shown(segmented):
    layer = segmented.viewer.add_image(np.zeros((64, 80), np.uint8), name="iron")
    with slow_disk("*/matssl/planes/*", "replaced") as disk:

        def close(text):
            if text and segmented.folder.project is not None:
                assert segmented.folder.close()
                disk.go_on()

        segmented.notices.busy.connect(close)
        assert not add_layer(segmented.current, layer)
    assert segmented.current.shown is None
    assert [*segmented.viewer.layers] == [layer]


def test_strokes_are_copied_elsewhere_beside_the_window(segmented, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    with slow_disk("*/steel/matssl/masks/a2.png") as disk:
        segmented.notices.busy.connect(lambda _text: disk.go_on())
        assert segmented.folder.keep_elsewhere(place)
    assert segmented.folder.project.masks.path("a2.tif").is_relative_to(place)
    assert disk.threads
    assert threading.main_thread() not in disk.threads


def test_another_folder_opened_while_strokes_are_copied_stays_open(segmented, tmp_path):
    place, other = tmp_path / "mine", write_folder(tmp_path / "other", ("b.tif",))
    place.mkdir()
    opened = []
    with slow_disk("*/steel/matssl/masks/a2.png") as disk:

        def drop(text):
            if text and not opened:
                opened.append(segmented.folder.open([other]))
                disk.go_on()

        segmented.notices.busy.connect(drop)
        assert not segmented.folder.keep_elsewhere(place)
    assert opened == [True]
    assert segmented.folder.project.folder == other


def test_model_cards_are_read_beside_the_window_and_once(panel, tmp_path):
    folder = write_folder(tmp_path / "steel")
    (folder / "matssl" / "models").mkdir(parents=True)
    file = write_model(folder / "matssl" / "models" / "model-001.safetensors")
    picker, opened = ModelPicker(), []
    with slow_disk("*/model-001.safetensors") as disk:
        panel.session.notices.busy.connect(lambda _text: disk.go_on())
        assert panel.session.folder.open([folder])
    with when_file_is("opened", "*/model-001.safetensors", opened.append):
        picker.set_folder(file.parent)
    assert picker.path == file
    assert opened == []
    assert disk.threads
    assert threading.main_thread() not in disk.threads
