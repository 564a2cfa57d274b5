"""The window closes: right after a stroke, and while a job runs."""

import sys
import threading

import numpy as np
import pytest
from desk import SIZE, answer, docked, in_own_process, labels_on_disk, stroke, write_folder
from qtpy.QtCore import QTimer

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


ANSWER = '''
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox

def answer(button):
    """Click a button of the question once it is asked."""
    box = QApplication.activeModalWidget()
    if not isinstance(box, QMessageBox):
        QTimer.singleShot(50, lambda: answer(button))
        return
    print("asked", flush=True)
    next(one for one in box.buttons() if one.text().replace("&", "") == button).click()
'''

LEAVES = (
    ANSWER
    + """
import sys, time
import napari
from napari_matssl.progress import Control, Progress
from napari_matssl.widgets.closing import CANCEL, FINISH
from napari_matssl.widgets.session import session_of

how = sys.argv[1]
if how == "stuck":
    import atexit
    atexit.register(lambda: print("another handler", flush=True))
viewer = napari.Viewer()
other = napari.Viewer() if how == "other window" else None

def job():
    try:
        while (yield Progress("working", 1, 2)) is not Control.STOP:
            time.sleep(600 if how == "stuck" else 0.01)
        print("finished", flush=True)
    finally:
        print("job over", flush=True)
        if other is not None:
            print("still open", other.window._qt_window.isVisible(), flush=True)

def close():
    answer(FINISH if how == "finish" else CANCEL)
    viewer.window._qt_window.close()
    if other is not None:
        QTimer.singleShot(1500, other.close)

session_of(viewer).runner.start("Working", job)
QTimer.singleShot(500, close)
napari.run()
sys.exit(3 if how == "stuck" else 0)
"""
)


def test_a_job_ends_with_its_window_while_another_stays_open():
    done = in_own_process(LEAVES, "other window")
    assert done.returncode == 0, done.stderr
    assert "finished" not in done.stdout
    assert "asked\njob over\nstill open True" in done.stdout


def test_a_job_that_is_to_be_finished_first_is_finished_before_its_window_closes():
    done = in_own_process(LEAVES, "finish")
    assert done.returncode == 0, done.stderr
    assert "asked\nfinished\njob over" in done.stdout


def test_a_step_that_takes_for_ever_keeps_neither_the_process_nor_its_status():
    done = in_own_process(LEAVES, "stuck")  # fails after two minutes, the step takes ten
    assert done.returncode == 3, done.stderr
    assert "asked" in done.stdout
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
        torch.linalg.matrix_power(torch.rand(4000, 4000), 2**62 - 1)
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
job_thread.JobThread("Working", job)
time.sleep(1.5)
sys.exit(3)
""",
        step,
    )
    assert done.returncode == 3, done.stderr
    assert "over" not in done.stdout


CLOSES = (
    ANSWER
    + """
import sys
from pathlib import Path
import napari
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
    answer(CANCEL)  # Qt 6 closes the windows before it quits
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
)


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
    if how == "window":
        assert "asked" in done.stdout
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


def test_a_window_stays_if_what_was_finished_couldnt_be_kept(working, qtbot):
    session, job = working

    def fails():
        yield from job()
        raise UnwrittenError("The disk is full.", "", lambda path: path)

    session.runner.job.cancel()
    qtbot.waitUntil(lambda: not session.runner.busy, timeout=10_000)
    session.start("Fine-tuning", fails, compute=False)
    qtbot.waitUntil(lambda: session.runner.job.percent == 81, timeout=10_000)
    answer(FINISH, [])
    window = session.viewer.window._qt_window
    assert not window.close()
    qtbot.waitUntil(lambda: not session.runner.busy, timeout=10_000)
    qtbot.wait(50)
    assert window.isVisible()
    questions = []
    answer("Cancel", questions)
    assert not window.close()
    assert questions == ["The result isn't saved. The disk is full."]


def test_closing_amid_another_job_asks_about_the_result_that_waits_too(working, qtbot):
    session, _job = working

    def fails():
        yield Progress("working", 0, 1)
        raise UnwrittenError("The disk is full.", "", lambda path: path)

    runner = session.runner
    runner.job.cancel()
    qtbot.waitUntil(lambda: not runner.busy, timeout=10_000)
    session.start("Fine-tuning", fails, compute=False)
    qtbot.waitUntil(lambda: not runner.busy, timeout=10_000)
    session.start("Segmenting", Steps(), compute=False)
    qtbot.waitUntil(lambda: runner.job.percent == 81, timeout=10_000)
    questions = []

    def answer_the_next():
        if questions:
            answer("Cancel", questions)
        else:
            QTimer.singleShot(20, answer_the_next)

    answer(CANCEL, questions)
    answer_the_next()
    assert not session.viewer.window._qt_window.close()
    assert questions[0].startswith("Segmenting is running")
    assert questions[1:] == ["The result isn't saved. The disk is full."]
    assert runner.unwritten is not None
    assert runner.busy  # nothing is cancelled while the window stays
    runner.job.cancel()
    qtbot.waitUntil(lambda: not runner.busy, timeout=10_000)
