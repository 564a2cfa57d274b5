"""The window closes: right after a stroke, and while a job runs."""

import numpy as np
import pytest
from desk import SIZE, docked, in_own_process, labels_on_disk, stroke, write_folder

from napari_matssl.project.folder import Project


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))


def test_a_stroke_right_before_a_script_closes_the_viewer_is_saved(make_napari_viewer, folder):
    viewer = make_napari_viewer(show=True)
    panel = docked(viewer)
    panel.session.workspace.open([folder])
    stroke(panel)
    viewer.close()
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1


LEAVES = """
import sys, time
import napari
from qtpy.QtCore import QTimer
from napari_matssl.progress import Progress
from napari_matssl.widgets.session import session_of

how = sys.argv[1]
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
    viewer.window._qt_window.close()
    if other is not None:
        QTimer.singleShot(1500, other.close)

session_of(viewer).runner.start("Working", job)
QTimer.singleShot(500, close)
napari.run()
"""


def test_a_job_ends_with_its_window_while_another_stays_open():
    done = in_own_process(LEAVES, "other window")
    assert done.returncode == 0, done.stderr
    assert "job over\nstill open True" in done.stdout


def test_a_step_that_takes_for_ever_doesnt_keep_the_process():
    done = in_own_process(LEAVES, "stuck")  # fails after two minutes, the step takes ten
    assert done.returncode == 0, done.stderr
    assert "job over" not in done.stdout


CLOSES = """
import sys
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from napari_matssl.widgets.panels.finetune_panel import TITLE
from napari_matssl.widgets.session import session_of
from napari_matssl.widgets.shell import MatSSLWidget

folder, how = Path(sys.argv[1]), sys.argv[2]
viewer = napari.Viewer()
shell = MatSSLWidget(viewer)
viewer.window.add_dock_widget(shell, name="MatSSL")
session = session_of(viewer)
assert session.workspace.open([folder])
painted = session.workspace.shown.painted

def close():
    painted.paint((60, 60), 1)
    print("closing", flush=True)
    if how == "window":
        viewer.window._qt_window.close()
    elif how == "viewer":
        viewer.close()
    else:
        QApplication.quit()

def start():
    from napari_matssl.settings import FinetuneSettings
    project = session.workspace.project

    def make():
        from napari_matssl.tasks.inputs import PaintedSet
        from napari_matssl.tasks.models import train_model
        images = tuple(project.painted_micrograph(name) for name in project.painted_names())
        settings = FinetuneSettings(
            encoder_name="test_efficientnet", encoder="random", minutes=10, crop_size=64,
            device="cpu",
        )
        read = lambda: PaintedSet(images, (), project.table, "")
        view = lambda: session.workspace.shown and session.workspace.shown.micrograph
        return train_model(read, settings, project.new_model_path(), None, view)

    def on_progress(progress):
        if progress.metrics:
            session.runner.progressed.disconnect(on_progress)
            QTimer.singleShot(300, close)

    session.runner.progressed.connect(on_progress)
    session.runner.failed.connect(lambda error: print("failed", error, flush=True))
    assert session.start(TITLE, make)

QTimer.singleShot(200, start)
napari.run()
print("run returned", flush=True)
"""


@pytest.mark.parametrize("how", ["window", "viewer", "quit"])
def test_closing_during_a_fine_tune_ends_the_process_and_leaves_no_half_written_file(folder, how):
    project = Project.open(folder)
    for name in project.names:
        project.save_labels(name, two_classes())
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
