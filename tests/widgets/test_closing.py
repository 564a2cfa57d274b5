"""The window closes: right after a stroke, and while a job runs."""

import re
import subprocess
import sys

import pytest
from desk import SIZE, docked, labels_on_disk, stroke, write_folder

from napari_matssl.project.folder import Project


@pytest.fixture
def folder(tmp_path):
    folder = write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))
    return folder


def test_a_stroke_right_before_the_window_closes_is_saved(make_napari_viewer, folder):
    panel = docked(make_napari_viewer(show=True))
    panel.session.workspace.open([folder])
    stroke(panel)
    panel.session.viewer.window._qt_window.close()
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1


def test_a_stroke_right_before_a_script_closes_the_viewer_is_saved(make_napari_viewer, folder):
    viewer = make_napari_viewer(show=True)
    panel = docked(viewer)
    panel.session.workspace.open([folder])
    stroke(panel)
    viewer.close()
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1


def test_a_job_ends_with_its_window_while_another_window_stays(make_napari_viewer, folder, qtbot):
    from napari_matssl.progress import Progress

    closed = []

    def endless():
        try:
            while True:
                yield Progress("working", 1, 2)
        finally:
            closed.append(True)

    viewer = make_napari_viewer(show=True)
    panel = docked(viewer)
    make_napari_viewer(show=True)
    assert panel.session.start("Working", endless)
    viewer.window._qt_window.close()
    qtbot.waitUntil(lambda: closed == [True], timeout=5000)


CLOSES = """
import sys, threading, time
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from napari_matssl.widgets.finetune_panel import TITLE, FinetunePanel
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
    print("closing", time.time(), flush=True)
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
print("run returned", time.time(), flush=True)
"""


@pytest.mark.parametrize("how", ["window", "viewer", "quit"])
def test_closing_during_a_fine_tune_ends_the_process_and_leaves_no_half_written_file(folder, how):
    import time

    project = Project.open(folder)
    for name in project.names:
        labels = project.labels(name)
        assert labels is None
        project.save_labels(name, two_classes())
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", CLOSES, folder, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said, _ = process.communicate(timeout=240)
    ended = time.time()
    began = re.search(r"closing ([\d.]+)", said)
    assert began, said
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert ended - float(began[1]) < 5
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
    import numpy as np

    labels = np.zeros(SIZE, np.uint8)
    labels[10:30, 10:100] = 1
    labels[40:50, 10:100] = 2
    return labels
