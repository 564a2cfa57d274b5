"""Docks close and open again at will, at rest and while jobs run; nothing of a closed one stays."""

import re
from pathlib import Path

import numpy as np
import pytest
from desk import SIZE, in_own_process, write_folder

import napari_matssl
from napari_matssl.project.folder import Project

DOCKS = [
    *("All panels", "Micrographs", "Pretrain", "Fine-tune", "Segment", "Measure", "Point count"),
    "Run recipe",
]

USES = """
import gc, sys, time
from pathlib import Path
import napari
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication
from napari_matssl.progress import Progress
from napari_matssl.widgets.session import session_of

folder, how, names = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
viewer = napari.Viewer()
session = session_of(viewer)
session.notices.failed.connect(lambda error: print("failed", error, flush=True))
session.folder.open([folder])

def turn(seconds=0.1):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        time.sleep(0.01)

def job():
    for step in range(100_000):
        yield Progress("working", step, 100_000, metrics={"loss": 1.0})
        time.sleep(0.005)

if how == "job":
    session.start("Working", job, compute=False)
for name in names:
    for again in range(2 if name == "All panels" else 1):
        dock, inside = viewer.window.add_plugin_dock_widget("napari-matssl", name)
        if hasattr(inside, "sections"):
            for section in inside.sections.values():
                section.expand(animate=False)
        turn()
        session.current.step(1 if again else -1)
        dock.setFloating(how == "job")
        turn()
        dock.destroyOnClose()
        gc.collect()  # at once, and when Qt has let go, too
        del dock, inside
        gc.collect()
        turn()
        gc.collect()
        painted = session.current.shown.painted
        painted.paint((20, 20 + again), 1 + again)
        session.palette.edit(lambda project: project.classes.rename(1, f"{name} {again}"))
        session.current.step(-1 if again else 1)
        session.models_changed.emit()
        turn()
        print(name, again, flush=True)
print("busy", session.runner.busy, flush=True)
if session.runner.job is not None:
    session.runner.job.cancel()
turn()
viewer.close()
turn()
print("over", flush=True)
"""


@pytest.fixture
def folder(tmp_path):
    folder = write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))
    project = Project(folder)
    labels = np.zeros(SIZE, np.uint8)
    labels[30:40, 10:100], labels[50:60, 10:100] = 1, 2
    project.labels.write("a1.tif", labels)
    return folder


@pytest.mark.parametrize("how", ["rest", "job"])
def test_every_dock_closes_and_opens_again(folder, how):
    done = in_own_process(USES, folder, how, *DOCKS, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "failed" not in done.stdout
    said = [line for line in done.stdout.splitlines() if not line.startswith("WARNING")]
    assert said == [
        *("All panels 0", "All panels 1", *(f"{name} 0" for name in DOCKS[1:])),
        f"busy {how == 'job'}",
        "over",
    ]


def test_no_python_code_is_called_while_an_object_of_qt_dies():
    """Slots of `destroyed` are called in garbage collections, when what they use is gone."""
    package = Path(napari_matssl.__file__).parent
    called = r"destroyed\s*\.\s*connect(?!\(self\._process\.kill\))|__del__"  # that one is Qt's
    found = [str(path) for path in package.rglob("*.py") if re.search(called, path.read_text())]
    assert found == []
