"""The window closes: right after a stroke, and while a job runs."""

import sys
import threading

import numpy as np
import pytest
from desk import SIZE, answer, docked, in_own_process, labels_on_disk, stroke, write_folder
from qtpy.QtGui import QCloseEvent

from napari_matssl.errors import UnwrittenError
from napari_matssl.progress import Control, Progress
from napari_matssl.project.folder import Project
from napari_matssl.widgets.closing import CANCEL, FINISH, STAY


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))


def test_a_stroke_right_before_a_script_closes_the_viewer_is_saved(make_napari_viewer, folder):
    viewer = make_napari_viewer(show=True)
    panel = docked(viewer)
    panel.session.folder.open([folder])
    stroke(panel)
    viewer.close()
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1


LEAVES = """
import sys, time
import napari
from qtpy.QtCore import QTimer
from napari_matssl.progress import Progress
from napari_matssl.widgets.closing import CANCEL
from napari_matssl.widgets.session import session_of

how = sys.argv[1]
if how == "stuck":
    import atexit
    atexit.register(lambda: print("another handler", flush=True))
viewer = napari.Viewer()
other = napari.Viewer() if how == "other window" else None

def job():
    try:
        while True:
            yield Progress("working", 1, 2)
            time.sleep(0.01 if how == "other window" else 600)
    finally:
        print("job over", flush=True)
        if other is not None:
            print("still open", other.window._qt_window.isVisible(), flush=True)

def close():
    session_of(viewer).closing._ask = lambda: CANCEL
    viewer.window._qt_window.close()
    if other is not None:
        QTimer.singleShot(1500, other.close)

session_of(viewer).runner.start("Working", job)
QTimer.singleShot(500, close)
napari.run()
sys.exit(3 if how == "stuck" else 0)
"""


def test_a_job_ends_with_its_window_while_another_stays_open():
    done = in_own_process(LEAVES, "other window")
    assert done.returncode == 0, done.stderr
    assert "job over\nstill open True" in done.stdout


def test_a_step_that_takes_for_ever_keeps_neither_the_process_nor_its_status():
    done = in_own_process(LEAVES, "stuck")  # fails after two minutes, the step takes ten
    assert done.returncode == 3, done.stderr
    assert "job over" not in done.stdout
    assert "another handler" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other systems can't be told to leave")
@pytest.mark.parametrize("step", ["one call", "many calls"])
def test_a_thread_amid_torch_doesnt_crash_the_end_of_the_program(step):
    """A thread that comes back to Python while that is ending is unwound through torch."""
    done = in_own_process(
        """
import sys, time, torch
from napari_matssl.progress import Progress
from napari_matssl.widgets.jobs import job_thread

def job():
    yield Progress("working", 1, 2)
    if sys.argv[1] == "one call":
        torch.linalg.matrix_power(torch.rand(1000, 1000), 2**62 - 1)
    layer = torch.nn.Conv2d(16, 16, 3)
    while sys.argv[1] == "many calls":
        layer(torch.randn(4, 16, 64, 64)).sum().backward()
    print("over", flush=True)

class Slow:
    def __init__(self):
        self.itself = self

    def __del__(self):
        time.sleep(0.3)

slow = Slow()  # Python takes its time to end
job_thread.LAST_STEP_S = 0.1
job_thread.JobThread("Working", job)
time.sleep(1.5)
sys.exit(3)
""",
        step,
    )
    assert done.returncode == 3, done.stderr
    assert "over" not in done.stdout


CLOSES = """
import sys
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from napari_matssl.widgets.closing import CANCEL
from napari_matssl.widgets.session import session_of
from napari_matssl.widgets.shell import MatSSLWidget

folder, how = Path(sys.argv[1]), sys.argv[2]
viewer = napari.Viewer()
shell = MatSSLWidget(viewer)
viewer.window.add_dock_widget(shell, name="MatSSL")
session = session_of(viewer)
assert session.folder.open([folder])
painted = session.current.shown.painted

def close():
    painted.paint((60, 60), 1)
    print("closing", flush=True)
    session.closing._ask = lambda: CANCEL  # Qt 6 closes the windows before it quits
    if how == "window":
        viewer.window._qt_window.close()
    elif how == "viewer":
        viewer.close()
    else:
        QApplication.quit()

def start():
    from napari_matssl.settings import FinetuneSettings
    project = session.folder.project

    def make():
        from napari_matssl.tasks.inputs import PaintedSet
        from napari_matssl.tasks.models import train_model
        images = tuple(project.labels.with_micrograph(name) for name in project.labels.names())
        settings = FinetuneSettings(
            encoder="test_efficientnet", weights="random", minutes=10, crop_size=64,
            device="cpu",
        )
        read = lambda: PaintedSet(images, (), project.classes.table, "")
        view = lambda: session.current.shown and session.current.shown.micrograph
        return train_model(read, settings, project.models.new_path(), None, view)

    def on_progress(progress):
        if progress.metrics:
            job.progressed.disconnect(on_progress)
            QTimer.singleShot(300, close)

    job = session.start("Fine-tuning", make)
    job.progressed.connect(on_progress)
    job.failed.connect(lambda error: print("failed", error, flush=True))

QTimer.singleShot(200, start)
napari.run()
print("run returned", flush=True)
"""


@pytest.mark.parametrize("how", ["window", "viewer", "quit"])
def test_closing_during_a_fine_tune_ends_the_process_and_leaves_no_half_written_file(folder, how):
    project = Project(folder)
    for name in project.images.names:
        project.labels.write(name, two_classes())
    # Fails after four minutes; the fine-tune takes ten.
    done = in_own_process(CLOSES, folder, how, timeout=240)
    assert "closing" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert labels_on_disk(folder, "a1.tif")[60, 60] == 1
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "a1.tif",
        "a2.tif",
        "matssl/classes.json",
        "matssl/project.json",
        "matssl/labels/a1.png",
        "matssl/labels/a2.png",
        "matssl/labels-backup/a1.png",
        "matssl/labels-backup/a2.png",
    }


def two_classes():
    labels = np.zeros(SIZE, np.uint8)
    labels[10:30, 10:100] = 1
    labels[40:50, 10:100] = 2
    return labels


class Steps:
    """A job that can be finished, and what became of it."""

    def __init__(self):
        self.end = ""
        self.go = threading.Event()

    def __call__(self):
        try:
            for step in range(1, 101):
                control = yield Progress("fine-tuning", 81 if step > 1 else 0, 100)
                if control is Control.STOP:
                    self.end = "kept"
                    return "model"
                self.go.wait(0.01)
        finally:
            self.end = self.end or "given up"


@pytest.fixture
def working(make_napari_viewer, folder, qtbot):
    """A viewer with a job that runs: session and job."""
    session = docked(make_napari_viewer(show=True)).session
    session.folder.open([folder])
    job = Steps()
    assert session.start("Fine-tuning", job, compute=False)
    qtbot.waitUntil(lambda: session.runner.job.percent == 81, timeout=10_000)
    return session, job


def test_closing_amid_a_job_names_it_and_may_stay(working, qtbot):
    session, _job = working
    questions = []
    answer(STAY, questions)
    window = session.viewer.window._qt_window
    assert not window.close()
    assert questions == ["Fine-tuning is running: 81 % of fine-tuning is done."]
    assert window.isVisible()
    assert session.runner.busy
    assert not session.runner.job.stopping
    session.runner.job.cancel()
    qtbot.waitUntil(lambda: not session.runner.busy, timeout=10_000)


def test_closing_amid_a_job_may_finish_it_first(working, qtbot):
    session, job = working
    answer(FINISH, [])
    window = session.viewer.window._qt_window
    closed = []
    session.closing._close = lambda: closed.append(job.end)
    assert not window.close()
    qtbot.waitUntil(lambda: bool(closed), timeout=10_000)
    assert closed == ["kept"]
    assert not session.runner.busy


def test_closing_amid_a_job_may_give_it_up(working, qtbot):
    session, job = working
    answer(CANCEL, [])
    event = QCloseEvent()
    assert not session.closing.eventFilter(session.viewer.window._qt_window, event)
    session.runner.close()
    assert job.end == "given up"


def test_a_window_stays_if_what_was_finished_couldnt_be_kept(working, qtbot):
    session, job = working

    def fails():
        yield from job()
        raise UnwrittenError("The disk is full.", "", lambda path: path)

    session.runner.job.cancel()
    qtbot.waitUntil(lambda: not session.runner.busy, timeout=10_000)
    session.start("Fine-tuning", fails, compute=False)
    qtbot.waitUntil(lambda: session.runner.job.percent == 81, timeout=10_000)
    closed = []
    session.closing._close = lambda: closed.append(True)
    answer(FINISH, [])
    assert not session.viewer.window._qt_window.close()
    qtbot.waitUntil(lambda: not session.runner.busy, timeout=10_000)
    qtbot.wait(50)
    assert closed == []
    questions = []
    answer("Cancel", questions)
    assert not session.viewer.window._qt_window.close()
    assert questions == ["The result isn't saved. The disk is full."]
