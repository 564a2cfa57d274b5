"""The list of micrographs: filtered, sorted, pulled longer, and kept in step with the folder."""

import pytest
import tifffile
from desk import NAMES, docked, key, menu_of, rows, write_folder
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_matssl.project.folder import Project
from napari_matssl.tasks.measuring.measure_project import segmented_names
from napari_matssl.widgets.controls.image_list import ImageList
from napari_matssl.widgets.controls.image_rows import IMAGE, STATE
from napari_matssl.widgets.controls.image_table import ImageRow


@pytest.fixture
def many(qtbot):
    made = ImageList()
    qtbot.addWidget(made)
    states = ("unlabelled", "saved", "segmented")
    made.table.set_rows([ImageRow(f"k{n}", f"steel-{n}.tif", states[n % 3]) for n in range(12)])
    made.resize(380, 600)
    made.show()
    return made


@pytest.fixture
def panel(make_napari_viewer, tmp_path):
    panel = docked(make_napari_viewer(show=True))
    assert panel.session.folder.open([write_folder(tmp_path / "steel")])
    return panel


def choose(panel, names, text):
    """Choose an entry of the menu of some images."""
    menu = menu_of(panel, names)
    next(action for action in menu.actions() if action.text().startswith(text)).trigger()


def pull(edge, by):
    """Press the edge, move the mouse down, and let go."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    for kind, button, held, down in (
        (QEvent.Type.MouseButtonPress, left, left, 0),
        (QEvent.Type.MouseMove, none, left, by),
        (QEvent.Type.MouseButtonRelease, left, none, by),
    ):
        place = edge.rect().center() + QPoint(0, down)
        on_screen = edge.mapToGlobal(place)
        event = QMouseEvent(
            kind, QPointF(place), QPointF(on_screen), button, held, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(edge, event)


def test_the_list_follows_the_height_of_the_window_until_it_is_pulled(many, qtbot):
    table = many.table
    lines = 54  # of a row, px
    qtbot.waitUntil(lambda: 3 * lines < table.height() < 4 * lines)
    many.resize(380, 1100)
    qtbot.waitUntil(lambda: 7 * lines < table.height() < 8 * lines)
    many.resize(380, 600)
    qtbot.waitUntil(lambda: 3 * lines < table.height() < 4 * lines)
    pull(many.edge, 100)
    pulled = table.height()
    many.resize(380, 1100)
    qtbot.wait(50)
    assert table.height() == pulled


def test_typing_lists_images_by_name_and_state(many, qtbot):
    qtbot.keyClicks(many.filter, "steel segm")
    assert many.table.keys == ("k2", "k5", "k8", "k11")
    assert many.count.text() == "4 of 12 images"
    many.filter.clear()
    assert many.table.keys == tuple(f"k{n}" for n in range(12))
    assert many.count.text() == "12 images"


def test_a_click_on_a_heading_sorts_and_names_sort_naturally(many, qtbot):
    header = many.table.horizontalHeader()

    def click(column):
        x = header.sectionViewportPosition(column) + 10
        qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, 8))

    click(STATE)
    states = [many.table.model().index(n, STATE).data() for n in range(12)]
    assert states == sorted(states)
    click(IMAGE)
    click(IMAGE)
    assert many.table.keys == tuple(f"k{n}" for n in reversed(range(12)))


def test_the_shown_image_stays_marked_when_sorted_or_not_listed(many):
    many.table.set_current("k4")
    many.table.sortByColumn(STATE, Qt.SortOrder.DescendingOrder)
    place = many.table.keys.index("k4")
    assert many.table.is_shown(many.table.model().index(place, IMAGE))
    many.filter.setText("segmented")
    assert many.table.current == "k4"
    many.table.set_current("k1")  # not listed: nothing to scroll to, and no error
    assert many.table.current == "k1"


def test_the_edge_makes_the_list_longer(many, qtbot):
    before = many.table.height()
    pull(many.edge, 60)
    assert many.table.height() > before
    pulled = many.table.height()
    many.table.set_rows([ImageRow("a", "a.tif", "saved")])
    assert many.table.height() == pulled


def test_d_steps_through_the_list_as_it_is_sorted_and_filtered(panel, qtbot):
    session = panel.session
    viewer = session.viewer
    panel.table.sortByColumn(IMAGE, Qt.SortOrder.DescendingOrder)
    session.current.show("a10.tif")
    key(qtbot, viewer, Qt.Key.Key_D)
    assert session.current.shown.name == "a2.tif"
    panel.list.filter.setText("a1")  # a1.tif and a10.tif: the shown one is not listed
    key(qtbot, viewer, Qt.Key.Key_D)
    assert session.current.shown.name == "a10.tif"


def test_files_that_come_and_go_are_seen(panel, qtbot):
    session = panel.session
    told = []
    session.notices.remarked.connect(told.append)
    folder = session.folder.project.folder
    grey = tifffile.imread(folder / "a1.tif")
    tifffile.imwrite(folder / "b7.tif", grey)
    (folder / "a2.tif").unlink()
    qtbot.waitUntil(lambda: panel.table.keys == ("a1.tif", "a10.tif", "b7.tif"), timeout=20_000)
    assert told == ["Images of the folder: 1 new, 1 gone."]
    assert session.current.show("b7.tif")


def test_the_image_that_is_painted_on_stays_although_its_file_is_gone(panel, qtbot):
    session = panel.session
    (session.folder.project.folder / "a1.tif").unlink()
    session.folder.refresh()
    assert set(panel.table.keys) == set(NAMES)
    qtbot.waitUntil(lambda: rows(panel)["a1.tif"] == "can't be read", timeout=20_000)
    layer = session.current.shown.painted
    layer.paint((20, 30), 1)
    session.current.flush()
    assert session.folder.project.labels.read("a1.tif").any()


def test_an_excluded_image_counts_nowhere_until_it_is_taken_in_again(panel):
    session = panel.session
    project = session.folder.project
    for name in NAMES:
        labels = project.labels.read(name)
        assert labels is None
        session.current.show(name)
        session.current.shown.painted.paint((20, 30), 1)
        session.current.flush()
        project.masks.write(name, project.labels.read(name))
    choose(panel, ["a1.tif", "a2.tif"], "Exclude")
    assert rows(panel)["a2.tif"] == "excluded, saved, segmented"
    again = Project(project.folder)
    for one in (project, again):
        assert (
            one.micrographs.analysed == one.labels.names() == segmented_names(one) == ("a10.tif",)
        )
    choose(panel, ["a1.tif", "a2.tif"], "Take in again")
    assert project.labels.names() == NAMES


def test_the_menu_of_an_image_shows_it(panel):
    choose(panel, ["a10.tif"], "Show")
    assert panel.session.current.shown.name == "a10.tif"


def test_d_in_the_list_passes_an_image_that_cant_be_read(panel, qtbot):
    """As it does over the image: the list has no way of stepping of its own."""
    folder = panel.session.folder
    (folder.project.folder / "a2.tif").write_bytes(b"damaged")
    qtbot.keyClick(panel.table, "d")
    assert panel.session.current.shown.name == "a10.tif"
    qtbot.keyClick(panel.table, "d")
    assert panel.session.current.shown.name == "a10.tif"  # the last
    qtbot.keyClick(panel.table, "a")
    assert panel.session.current.shown.name == "a1.tif"
