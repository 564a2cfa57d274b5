"""Opening napari with the panels docked, by the command line."""

import json
import os
import subprocess
import sys

import napari
import pytest

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.project.folder import Project
from napari_matssl.samples.to_paint import write_samples_to_paint
from napari_matssl.widgets.launch import open_viewer
from napari_matssl.widgets.reader import SHELL_NAME

CLOSE_WHEN_READY = """
import json, sys
import napari
from napari._qt.qt_event_loop import get_qapp
from qtpy.QtCore import QTimer
from napari_matssl.widgets.session import session_of

app = get_qapp()
timer = QTimer()

def look():
    viewer = napari.current_viewer()
    shown = None if viewer is None else session_of(viewer).current.shown
    if shown is not None:
        timer.stop()
        docks = list(viewer.window.dock_widgets)
        torch = "torch" in sys.modules
        print(json.dumps([shown.name, str(shown.painted.mode), docks, torch]))
        viewer.close()

timer.timeout.connect(look)
timer.start(50)
"""

WITHOUT_NAPARI = "import sys; sys.modules['napari'] = None"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_samples_to_paint(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def viewer(qtbot, folder):
    viewer = open_viewer(folder)
    yield viewer
    viewer.close()


@pytest.fixture
def shell(viewer):
    return viewer.window.dock_widgets[SHELL_NAME]


def call(*arguments, before="", cwd=None, **environment):
    """Run the command line in a process of its own; variables that are None are unset."""
    code = f"{before}\nimport sys\nsys.argv[0] = 'napari-matssl'\n"
    code += "from napari_matssl.cli import main\nmain()"
    env = {k: v for k, v in {**os.environ, **environment}.items() if v is not None}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=env,
        timeout=120,  # a window that nobody closes
    )


# The sample micrographs.


def test_the_samples_are_calibrated_and_one_has_an_info_bar(folder):
    project = Project(folder)
    read = [project.micrographs.read(name) for name in project.images.names]
    assert len(read) == 6
    assert all(one.pixel_size is not None for one in read)
    assert [one.info_bar is not None for one in read].count(True) == 1
    assert project.classes.table.names == ("ferrite", "martensite")
    assert project.labels.names() == ()


def test_samples_that_are_there_keep_their_strokes_and_classes(tmp_path):
    folder = write_samples_to_paint(tmp_path)
    project = Project(folder)
    strokes = project.micrographs.read("steel-1.tif").pixels // 200
    project.labels.write("steel-1.tif", strokes)
    table = ClassTable.model_validate_json((folder / "classes.json").read_text()).without(2)
    table.write(folder / "classes.json")
    (folder / "steel-2.tif").write_bytes(b"mine")
    (folder / "steel-6.tif").unlink()
    assert write_samples_to_paint(tmp_path) == folder
    assert ClassTable.model_validate_json((folder / "classes.json").read_text()) == table
    assert (folder / "steel-2.tif").read_bytes() == b"mine"
    assert (folder / "steel-6.tif").is_file()
    assert (Project(folder).labels.read("steel-1.tif") == strokes).all()


# The viewer.


def test_the_viewer_has_the_shell_docked_and_the_folder_ready_to_paint(viewer, shell, folder):
    session = shell.session
    assert session.folder.project.folder == folder
    assert session.current.shown.name == "steel-1.tif"
    assert viewer.layers.selection.active is session.current.shown.painted
    assert session.current.shown.painted.mode == "paint"
    assert shell.panels["Micrographs"].table.isVisible()


def test_an_opened_panel_comes_into_sight_with_its_arrow_down(shell, qtbot):
    section, viewport = shell.sections["Segment"], shell._scroll.viewport()

    def rows_in_sight():
        top = section.mapTo(viewport, section.rect().topLeft()).y()
        return min(top + section.height(), viewport.height()) - max(top, 0)

    assert section.text() == "▸ Segment"
    folded = rows_in_sight()
    section.toggleButton().click()
    assert section.text() == "▾ Segment"
    qtbot.waitUntil(
        lambda: (
            section.height() > folded + 100
            and rows_in_sight() >= min(section.height(), viewport.height()) - 10
        ),
        timeout=20_000,
    )


def test_the_device_is_not_spoken_of_before_something_computes(shell):
    assert not shell.device.isVisible()
    shell.sections["Measure"].expand(animate=False)
    assert not shell.device.isVisible()
    shell.sections["Fine-tune"].expand(animate=False)
    assert shell.device.isVisible()


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_folder_without_images_opens_no_window(tmp_path, what):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=what):
        open_viewer(tmp_path / what)
    assert napari.current_viewer() is None


# The commands.


def test_demo_gui_writes_samples_where_the_demo_does_and_opens_them(tmp_path):
    done = call("demo", "--gui", before=CLOSE_WHEN_READY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said, *_, facts = done.stdout.splitlines()
    assert said.endswith(f"{os.path.join('demo-output', 'micrographs')}.")
    assert json.loads(facts) == ["steel-1.tif", "paint", [SHELL_NAME], False]
    assert len(list((tmp_path / "demo-output" / "micrographs").glob("*.tif"))) == 6


def test_gui_opens_a_folder(folder):
    done = call("gui", folder, before=CLOSE_WHEN_READY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])[0] == "steel-1.tif"


@pytest.mark.parametrize(
    ("arguments", "before", "environment", "words"),
    [
        (["demo", "--gui"], WITHOUT_NAPARI, {}, 'pip install "napari-matssl[pyqt6]"'),
        (["gui"], WITHOUT_NAPARI, {}, 'pip install "napari-matssl[pyqt6]"'),
        pytest.param(
            ["demo", "--gui"],
            "",
            {"DISPLAY": None, "WAYLAND_DISPLAY": None, "QT_QPA_PLATFORM": None},
            "no screen",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="others have a screen"),
        ),
        (["demo", "--gui", "--device", "cpu"], "", {}, "--device doesn't go with --gui"),
        (["gui", "nowhere"], "", {}, "There is no nowhere"),
    ],
    ids=["demo without napari", "gui without napari", "no screen", "device", "no folder"],
)
def test_what_keeps_the_window_from_opening_is_reported_in_a_line(
    tmp_path, arguments, before, environment, words
):
    done = call(*arguments, before=before, cwd=tmp_path, **environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Mesa's switch")
def test_a_screen_with_old_opengl_is_one_line(folder):
    done = call("gui", folder, MESA_GL_VERSION_OVERRIDE="1.4", LIBGL_ALWAYS_SOFTWARE="1")
    assert done.returncode == 2
    assert "can't draw images: this screen has OpenGL 1.4 only." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="napari's folders on Linux")
@pytest.mark.parametrize("name", ["XDG_CACHE_HOME", "XDG_CONFIG_HOME"])
def test_a_home_that_cant_be_written_is_one_line(folder, tmp_path, name):
    (tmp_path / "file").touch()
    done = call("gui", folder, **{"NAPARI_CONFIG": None, name: str(tmp_path / "file")})
    assert done.returncode == 2
    assert "napari can't keep its icons or settings" in done.stderr
    assert f"by {name}." in done.stderr
    assert "Traceback" not in done.stderr
