"""Messages beside jobs: read in the dock, file name first, one box for all."""

import pytest
from desk import write_folder
from napari._qt.dialogs.qt_notification import NapariQtNotification
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel

from napari_matssl.errors import InputError
from napari_matssl.progress import Progress
from napari_matssl.widgets.controls.message_box import MOST, MessageBox
from napari_matssl.widgets.shell import JobDock


@pytest.fixture
def dock(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer(show=True)
    dock = JobDock(viewer, "Micrographs")
    viewer.window.add_dock_widget(dock, name="Micrographs")
    place = tmp_path / "a folder with a long name" / "steel"
    place.mkdir(parents=True)
    assert dock.panel.session.folder.open([write_folder(place)])
    return dock


@pytest.fixture
def box(dock):
    box = dock.findChild(MessageBox)
    box.clear()
    return box


def test_a_problem_begins_with_the_name_of_the_file_and_is_copied_with_its_folder(dock, box):
    session = dock.panel.session
    path = session.folder.project.folder / "a2.tif"
    path.write_bytes(b"II*\0 no more than this")
    session.current.show("a2.tif")
    assert box.isVisible()
    assert box.is_problem
    assert box.lines[0].startswith("a2.tif")
    box.copy.click()
    assert QApplication.clipboard().text().startswith(str(path))


def test_messages_stay_in_one_box_until_they_are_closed(dock, box, qtbot):
    session = dock.panel.session
    session.notices.remarked.emit("12 pixels were taken over.")
    assert not box.is_problem
    for number in range(6):
        session.notices.failed.emit(InputError(f"Problem {number}.", "Do something."))
    session.notices.failed.emit(InputError("Problem 5.", "Do something."))
    assert len(box.lines) == MOST
    assert box.lines[0] == "Problem 5. Do something."
    assert len(set(box.lines)) == MOST
    box.dismiss.click()
    assert not box.isVisible()
    assert box.lines == ()


def test_the_whole_of_a_long_message_can_be_read(dock, box, qtbot):
    long = f"Elsewhere: /{'/'.join(['deeply_nested_folder'] * 12)}/image.tif is no image."
    dock.panel.session.notices.failed.emit(InputError(long, "Choose another."))
    qtbot.wait(50)
    assert box.text.height() >= box.text.heightForWidth(box.text.width())
    assert box.mapTo(dock, box.rect().bottomRight()).x() <= dock.width()


def test_a_short_message_takes_no_more_room_after_a_long_one(dock, box, qtbot):
    notices = dock.panel.session.notices
    notices.remarked.emit("Zoom in to paint.")
    qtbot.wait(50)
    short = box.height()
    notices.remarked.emit("Many words. " * 40)
    qtbot.waitUntil(lambda: box.height() > 2 * short)
    box.dismiss.click()
    notices.remarked.emit("Zoom in to paint.")
    qtbot.waitUntil(lambda: box.height() == short)


# While no dock is in sight.


def dock_of(widget):
    while not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget


def hidden(dock, how, qtbot):
    """Take the dock out of sight: close it, or put another before it."""
    session = dock.session
    if how == "closed":
        dock_of(dock).close()
    else:
        window = session.viewer.window
        other = window.add_dock_widget(QLabel("another plugin"), name="Other")
        qtbot.waitUntil(other.isVisible)
        window._qt_window.tabifyDockWidget(dock_of(dock), other)
        qtbot.wait(50)
        other.raise_()
    qtbot.waitUntil(lambda: dock.visibleRegion().isEmpty())
    return session


def toasts(session):
    return session.viewer.window._qt_window.findChildren(NapariQtNotification)


@pytest.mark.parametrize("how", ["closed", "behind"])
def test_while_no_dock_is_in_sight_messages_stand_over_the_image(dock, box, how, qtbot):
    session = hidden(dock, how, qtbot)
    over = session.over_canvas
    folder = session.folder.project.folder
    long = f"{folder / 'a2.tif'} is damaged: " + "a reason that takes some lines to tell, " * 6
    session.notices.remarked.emit("12 pixels were taken over.")
    assert over.isVisible()
    session.notices.failed.emit(InputError(long, "Copy it again."))
    assert over.lines == (
        long.replace(f"{folder}/", "") + "Copy it again.",
        "12 pixels were taken over.",
    )
    assert over.is_problem
    assert not toasts(session)
    qtbot.wait(50)
    canvas = session.viewer.window._qt_viewer.canvas.native
    assert canvas.rect().contains(over.geometry())
    assert over.text.height() >= over.text.heightForWidth(over.text.width())
    qtbot.mouseClick(over.copy, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text().startswith(str(folder))
    qtbot.mouseClick(over.dismiss, Qt.MouseButton.LeftButton)
    assert not over.isVisible()


def test_a_click_on_the_messages_paints_nothing(dock, box, qtbot):
    session = hidden(dock, "closed", qtbot)
    session.notices.remarked.emit("12 pixels were taken over.")
    over, painted = session.over_canvas, session.current.shown.painted
    qtbot.wait(50)
    for place in (QPoint(5, 5), QPoint(over.width() // 2, over.height() - 3)):
        qtbot.mouseClick(over, Qt.MouseButton.LeftButton, pos=place)
    assert not painted.data.any()
    assert over.isVisible()


def test_a_dock_that_comes_back_has_the_messages_and_the_image_is_free(dock, box, qtbot):
    session = hidden(dock, "closed", qtbot)
    session.notices.failed.emit(InputError("a2.tif is damaged.", "Copy it again."))
    again = JobDock(session.viewer, "Segment")
    session.viewer.window.add_dock_widget(again, name="Segment")
    qtbot.waitUntil(again.isVisible)
    assert again.findChild(MessageBox).lines == ("a2.tif is damaged. Copy it again.",)
    assert again.findChild(MessageBox).isVisible()
    assert not session.over_canvas.isVisible()
    session.notices.remarked.emit("Something else.")
    assert not session.over_canvas.isVisible()


def test_a_tab_that_is_chosen_again_has_the_messages(dock, box, qtbot):
    session = hidden(dock, "behind", qtbot)
    session.notices.failed.emit(InputError("a2.tif is damaged.", "Copy it again."))
    dock_of(dock).raise_()
    qtbot.waitUntil(lambda: not session.over_canvas.isVisible())
    assert box.lines == ("a2.tif is damaged. Copy it again.",)


def test_a_job_that_ends_out_of_sight_is_reported_over_the_image(dock, box, qtbot):
    session = hidden(dock, "closed", qtbot)

    def fails():
        yield Progress("working", 0, 1)
        raise InputError("a2.tif is damaged.", "Copy it again.")

    def ends():
        yield Progress("working", 0, 1)

    for job in (fails, ends):
        with qtbot.waitSignal(session.runner.ended):
            session.start("Segmenting", job, compute=False)
    assert session.over_canvas.isVisible()
    assert session.over_canvas.lines == (
        "Segmenting is done.",
        "Segmenting failed. a2.tif is damaged. Copy it again.",
    )


def test_a_job_that_fails_in_sight_is_reported_once(dock, box, qtbot):
    def fails():
        yield Progress("working", 0, 1)
        raise InputError("a2.tif is damaged.", "Copy it again.")

    session = dock.session
    with qtbot.waitSignal(session.runner.ended):
        session.start("Segmenting", fails, compute=False)
    assert box.lines == ()
    assert not session.over_canvas.isVisible()
