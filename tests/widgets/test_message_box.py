"""Messages beside jobs: read in the dock, file name first, one box for all."""

import pytest
from desk import write_folder
from qtpy.QtWidgets import QApplication

from napari_matssl.errors import InputError
from napari_matssl.widgets.controls.message_box import MOST, MessageBox
from napari_matssl.widgets.shell import JobDock


@pytest.fixture
def dock(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer(show=True)
    dock = JobDock(viewer, "Micrographs")
    viewer.window.add_dock_widget(dock, name="Micrographs")
    place = tmp_path / "a folder with a long name" / "steel"
    place.mkdir(parents=True)
    assert dock.panel.session.workspace.open([write_folder(place)])
    return dock


@pytest.fixture
def box(dock):
    box = dock.findChild(MessageBox)
    box.clear()
    return box


def test_a_problem_begins_with_the_name_of_the_file_and_is_copied_with_its_folder(dock, box):
    workspace = dock.panel.session.workspace
    path = workspace.project.folder / "a2.tif"
    path.write_bytes(b"II*\0 no more than this")
    workspace.show_image("a2.tif")
    assert box.isVisible()
    assert box.is_problem
    assert box.lines[0].startswith("a2.tif")
    box.copy.click()
    assert QApplication.clipboard().text().startswith(str(path))


def test_messages_stay_in_one_box_until_they_are_closed(dock, box, qtbot):
    workspace = dock.panel.session.workspace
    workspace.said.emit("12 pixels were taken over.")
    assert not box.is_problem
    for number in range(6):
        workspace.failed.emit(InputError(f"Problem {number}.", "Do something."))
    workspace.failed.emit(InputError("Problem 5.", "Do something."))
    assert len(box.lines) == MOST
    assert box.lines[0] == "Problem 5. Do something."
    assert len(set(box.lines)) == MOST
    box.dismiss.click()
    assert not box.isVisible()
    assert box.lines == ()


def test_the_whole_of_a_long_message_can_be_read(dock, box, qtbot):
    long = f"Elsewhere: /{'/'.join(['deeply_nested_folder'] * 12)}/image.tif is no image."
    dock.panel.session.workspace.failed.emit(InputError(long, "Choose another."))
    qtbot.wait(50)
    assert box.text.height() >= box.text.heightForWidth(box.text.width())
    assert box.mapTo(dock, box.rect().bottomRight()).x() <= dock.width()
