"""Strokes reach the disk, whatever happens."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tifffile
from desk import SIZE, answer, docked, is_saved, labels_on_disk, rows, said, stroke, write_folder
from napari.components import ViewerModel
from qtpy.QtCore import QObject

from napari_matssl.errors import OutputError
from napari_matssl.files import unwritable
from napari_matssl.project.folder import Project
from napari_matssl.project.merging_strokes import Saved, Version
from napari_matssl.widgets.canvas.autosave import Autosave


def test_an_image_goes_from_unlabelled_to_painted_to_saved_to_segmented(panel, qtbot):
    seen = []
    panel.session.folder.painted_changed.connect(lambda name: seen.append(rows(panel)[name]))
    assert rows(panel)["a1.tif"] == "unlabelled"
    stroke(panel)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=20_000)
    qtbot.waitUntil(lambda: rows(panel)["a1.tif"] == "saved")
    assert seen == ["painted", "saved"]
    assert panel.status.text() == "All strokes are saved."
    mask = np.ones(SIZE, np.uint8)
    panel.session.folder.project.masks.write("a1.tif", mask)
    panel.session.results.take_over("a1.tif", mask)
    assert rows(panel)["a1.tif"] == "saved, segmented"


def test_strokes_in_quick_succession_are_all_saved_within_two_seconds_of_the_last(panel, qtbot):
    for place in range(20, 60, 2):
        stroke(panel, place, place)
        qtbot.wait(60)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=2000)


def test_an_undo_after_the_save_is_saved_too(panel, qtbot, folder):
    painted = stroke(panel)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=3000)
    stroke(panel, 60, 60)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=3000)
    painted.undo()
    qtbot.waitUntil(lambda: labels_on_disk(folder, "a1.tif")[60, 60] == 0, timeout=3000)
    painted.undo()
    qtbot.waitUntil(lambda: labels_on_disk(folder, "a1.tif") is None, timeout=3000)
    qtbot.waitUntil(lambda: rows(panel)["a1.tif"] == "unlabelled")


class Disk:
    """A place to save to that can be held up or broken."""

    def __init__(self):
        self.kept = []
        self.free = threading.Event()
        self.free.set()
        self.problem = None
        self.remarks = ()
        self.begun = threading.Event()

    def save(self, ids):
        self.begun.set()
        assert self.free.wait(10)
        if self.problem is not None:
            raise self.problem
        self.kept.append(ids)
        return Saved(Version(None, ids), self.remarks)

    def prepare(self, wanted):
        pass

    def written_elsewhere(self):
        return False


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def watched(qtbot, disk):
    layer = ViewerModel().add_labels(np.zeros((40, 40), np.uint8))
    owner = QObject()
    autosave = Autosave(layer, disk, owner)
    yield autosave, layer
    disk.free.set()
    disk.problem = None
    autosave.close()


def test_an_undo_while_the_stroke_is_being_written_is_saved_after_it(qtbot, watched, disk):
    _, layer = watched
    disk.free.clear()
    layer.paint((5, 5), 1)
    qtbot.waitUntil(disk.begun.is_set, timeout=3000)
    layer.undo()
    qtbot.wait(900)  # the next round finds the layer as it was at first, and nothing to save
    disk.free.set()
    qtbot.waitUntil(lambda: len(disk.kept) == 2, timeout=4000)
    assert disk.kept[0].any()
    assert not disk.kept[1].any()


def test_flushing_waits_for_the_thread_and_writes_nothing_twice(qtbot, watched, disk):
    autosave, layer = watched
    disk.free.clear()
    layer.paint((5, 5), 1)
    qtbot.waitUntil(disk.begun.is_set, timeout=3000)
    threading.Timer(0.2, disk.free.set).start()
    autosave.flush()
    assert len(disk.kept) == 1
    assert not autosave.unsaved


def test_a_save_that_ends_while_the_image_is_left_is_told(qtbot, watched, disk):
    autosave, layer = watched
    told = []
    autosave.saved.connect(lambda: told.append("saved"))
    autosave.remarked.connect(told.append)
    disk.remarks = ("Strokes of Anna were added.",)
    disk.free.clear()
    layer.paint((5, 5), 1)
    qtbot.waitUntil(disk.begun.is_set, timeout=3000)
    threading.Timer(0.2, disk.free.set).start()
    autosave.close()
    assert told == ["Strokes of Anna were added.", "saved"]


def test_what_was_painted_while_a_save_ran_is_flushed_and_stays_the_newest(qtbot, watched, disk):
    autosave, layer = watched
    disk.free.clear()
    layer.paint((5, 5), 1)
    qtbot.waitUntil(disk.begun.is_set, timeout=3000)
    layer.paint((30, 30), 2)
    disk.free.set()
    autosave.flush()
    qtbot.wait(50)  # what the thread has handed over arrives now
    np.testing.assert_array_equal(disk.kept[-1], layer.data)
    assert not autosave.unsaved


def test_a_full_disk_is_reported_and_the_next_stroke_tries_again(qtbot, watched, disk):
    autosave, layer = watched
    told = []
    autosave.failed.connect(told.append)
    disk.problem = unwritable("labels.png", OSError(errno.ENOSPC, "No space left on device"))
    layer.paint((5, 5), 1)
    qtbot.waitUntil(lambda: bool(told), timeout=3000)
    assert isinstance(told[0], OutputError)
    assert autosave.unsaved
    assert autosave.problem is told[0]
    assert autosave.problem.__traceback__ is None
    disk.problem = None
    layer.paint((30, 30), 1)
    qtbot.waitUntil(lambda: not autosave.unsaved, timeout=3000)
    qtbot.waitUntil(lambda: autosave.problem is None)


def test_after_closing_nothing_is_watched(watched, disk, qtbot):
    autosave, layer = watched
    autosave.close()
    layer.paint((5, 5), 1)
    qtbot.wait(900)
    assert disk.kept == []


# In the viewer.


def test_switching_right_after_a_stroke_loses_nothing(panel, folder):
    stroke(panel)
    panel.session.current.step(1)
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1
    assert rows(panel)["a1.tif"] == "saved"
    assert not panel.session.current.shown.painted.data.any()
    panel.session.current.step(-1)
    assert panel.session.current.shown.painted.data[20, 30] == 1


def block(folder):
    """Make the labels unwritable for root, too."""
    (folder / "matssl").mkdir(exist_ok=True)
    (folder / "matssl" / "labels").write_text("in the way")


def test_strokes_that_cant_be_saved_stay_and_the_image_isnt_left(panel, folder, qtbot):
    problems = said(panel)
    block(folder)
    painted = stroke(panel)
    qtbot.waitUntil(lambda: bool(problems), timeout=3000)
    assert rows(panel)["a1.tif"] == "painted"
    assert panel.status.text().startswith("The strokes are NOT saved. Can't write")
    panel.session.current.step(1)
    assert panel.table.current == "a1.tif"
    assert painted in panel.session.viewer.layers
    assert not panel.session.folder.close()
    assert painted.data[20, 30] == 1
    (folder / "matssl" / "labels").unlink()
    panel.session.current.step(1)
    assert panel.table.current == "a2.tif"
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1


def test_a_deleted_layer_whose_strokes_cant_be_saved_comes_back(panel, folder, qtbot):
    viewer = panel.session.viewer
    block(folder)
    painted = stroke(panel)
    viewer.layers.remove(painted)
    qtbot.waitUntil(lambda: painted in viewer.layers)
    assert painted.data[20, 30] == 1
    (folder / "matssl" / "labels").unlink()
    assert panel.session.folder.close()
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1


def test_a_window_with_strokes_that_cant_be_saved_asks_before_it_closes(panel, folder):
    block(folder)
    stroke(panel)
    window = panel.session.viewer.window._qt_window
    questions = []
    answer("Cancel", questions)
    assert not window.close()
    assert "can't be saved" in questions[0]
    assert window.isVisible()
    (folder / "matssl" / "labels").unlink()
    panel.session.current.flush()
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_folder_is_reported(panel, folder, qtbot):
    problems = said(panel)
    folder.chmod(0o500)
    stroke(panel)
    qtbot.waitUntil(lambda: bool(problems), timeout=3000)
    assert "Permission denied" in problems[0]
    folder.chmod(0o700)
    panel.session.current.flush()


def test_the_labels_of_the_last_opening_are_kept_as_a_backup(panel, folder):
    stroke(panel)
    assert panel.session.folder.close()
    before = labels_on_disk(folder, "a1.tif")
    panel.session.folder.open([folder])
    stroke(panel, 60, 60)
    assert panel.session.folder.close()
    backup = folder / "matssl" / "labels-backup" / "a1.png"
    from PIL import Image

    np.testing.assert_array_equal(np.asarray(Image.open(backup)), before)
    assert labels_on_disk(folder, "a1.tif")[60, 60] == 1


PAINTS_UNTIL_KILLED = """
import sys
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from napari_matssl.widgets.session import session_of

viewer = napari.Viewer()
session = session_of(viewer)
assert session.folder.open([Path(sys.argv[1])])
painted = session.current.shown.painted

def late():
    painted.paint((60, 60), 2)
    print("painted", flush=True)

QTimer.singleShot(500, lambda: painted.paint((20, 30), 1))
QTimer.singleShot(1200, lambda: painted.paint((40, 40), 1))
QTimer.singleShot(3200, late)
napari.run()
"""


PAINTS_ON_MUCH_UNTIL_KILLED = """
import sys
from pathlib import Path
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication
from napari_matssl.project.folder import KeptStrokes, Project
from napari_matssl.widgets.canvas.autosave import Autosave

app = QApplication([])
project = Project(Path(sys.argv[1]))
project.micrographs.read("wide.tif")
version = project.labels.version("wide.tif")
kept, parent = KeptStrokes(project, "wide.tif", version), QObject()
layer = Labels(version.ids.copy())
autosave = Autosave(layer, kept, parent)

def paint():
    layer.paint((60, 60), 2)
    print("painted", flush=True)

QTimer.singleShot(50, paint)
app.exec_() if hasattr(app, "exec_") else app.exec()
"""


@pytest.mark.timeout(120)
def test_the_first_stroke_on_a_large_image_full_of_strokes_survives_a_kill(tmp_path):
    random = np.random.default_rng(0)
    folder = write_folder(tmp_path / "panorama", names=())
    tifffile.imwrite(folder / "wide.tif", np.tile(np.arange(200, dtype=np.uint8), (4000, 30)))
    small = random.integers(1, 3, (1000, 1500), dtype=np.uint8)
    full = np.kron(small, np.ones((4, 4), np.uint8))
    full[:200, :200] = 0
    Project(folder).labels.write("wide.tif", full)
    process = subprocess.Popen(
        [sys.executable, "-c", PAINTS_ON_MUCH_UNTIL_KILLED, folder], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"painted\n"
    time.sleep(2.5)
    process.kill()
    process.wait(30)
    process.stdout.close()
    data = labels_on_disk(folder, "wide.tif").copy()
    assert data[60, 60] == 2
    data[50:70, 50:70] = 0
    np.testing.assert_array_equal(data, full)


def test_a_killed_process_loses_at_most_the_last_two_seconds(folder, make_napari_viewer):
    process = subprocess.Popen(
        [sys.executable, "-c", PAINTS_UNTIL_KILLED, folder], stdout=subprocess.PIPE, text=True
    )
    assert "painted\n" in process.stdout  # reads up to it
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    panel = docked(make_napari_viewer(show=True))
    assert panel.session.folder.open([folder])
    data = panel.session.current.shown.painted.data
    assert data[20, 30] == data[40, 40] == 1
    assert rows(panel)["a1.tif"] == "saved"
    assert (folder / "matssl" / "labels-backup" / "a1.png").is_file()
    assert Project(folder).labels.names() == ("a1.tif",)
