"""A page of a file of several images, chosen with the mouse; strokes stay with their page."""

import numpy as np
import pytest
import tifffile
from desk import SIZE, UM, docked, labels_on_disk, rows, said, write_folder
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QStyle, QStyleOptionSpinBox
from test_mouse import Hand

from napari_matssl.errors import OutputError
from napari_matssl.progress import Progress
from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.setting_facts import set_info_bar, set_pixel_size
from napari_matssl.widgets.canvas.shown import SEGMENTATION

STACK, TWO, PLAIN = "stack.tif", "two.ome.tif", "a1.tif"


@pytest.fixture
def pages():
    return np.random.default_rng(1).integers(20, 200, (3, *SIZE), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, pages):
    """A plain micrograph, a stack, and a file of two channels of which the first opens."""
    place = write_folder(tmp_path / "steel", (PLAIN,))
    tifffile.imwrite(place / STACK, pages, photometric="minisblack", metadata=None)
    axes = {"axes": "CYX", "PhysicalSizeX": UM, "PhysicalSizeY": UM}
    tifffile.imwrite(place / TWO, pages[:2], photometric="minisblack", metadata=axes)
    return place


@pytest.fixture
def panel(make_napari_viewer, folder, qtbot):
    panel = docked(make_napari_viewer(show=True))
    assert panel.session.folder.open([folder])
    qtbot.wait(200)  # until the canvas has its size
    return panel


@pytest.fixture
def told(panel):
    told = []
    panel.session.notices.remarked.connect(told.append)
    return told


def press_arrow(qtbot, box, up=True):
    """Click on an arrow of a box of numbers."""
    option = QStyleOptionSpinBox()
    box.initStyleOption(option)
    part = QStyle.SubControl.SC_SpinBoxUp if up else QStyle.SubControl.SC_SpinBoxDown
    control = QStyle.ComplexControl.CC_SpinBox
    place = box.style().subControlRect(control, option, part, box).center()
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(place))


def shown(panel):
    return panel.session.current.shown


def test_only_files_of_several_images_have_a_page_to_choose(panel):
    session, box = panel.session, panel.facts.page
    assert session.current.show(PLAIN)
    assert not box.isVisible()
    assert session.current.show(TWO)
    assert box.isVisible()
    assert box.text() == "1 of 2"
    assert session.current.show(PLAIN)
    assert not box.isVisible()


def test_another_page_shows_its_own_pixels_strokes_and_undo(panel, folder, pages, told, qtbot):
    hand, box = Hand(panel, qtbot), panel.facts.page
    assert panel.session.current.show(TWO)
    qtbot.wait(100)
    hand.painted.brush_size = 3
    hand.stroke((20, 20), (20, 60))
    first = hand.painted.data.copy()
    assert first.any()
    press_arrow(qtbot, box)  # at once: the stroke isn't saved yet
    assert box.text() == "2 of 2"
    assert np.array_equal(shown(panel).image.data, pages[1])
    assert not hand.painted.data.any()
    assert f"{np.count_nonzero(first):,} px painted on page 1 are kept" in told[-1]
    hand.stroke((60, 20), (60, 60))
    second = hand.painted.data.copy()
    assert second.any()
    assert not (second.astype(bool) & first.astype(bool)).any()
    press_arrow(qtbot, box, up=False)
    assert np.array_equal(shown(panel).image.data, pages[0])
    assert np.array_equal(hand.painted.data, first)
    assert np.array_equal(labels_on_disk(folder, "two.tif"), first)
    hand.painted.undo()
    assert not hand.painted.data.any()
    press_arrow(qtbot, box)
    assert np.array_equal(hand.painted.data, second)
    labels = folder / "matssl" / "labels" / "two.page2.png"
    assert np.array_equal(np.asarray(Image.open(labels)), second)


def test_a_page_can_be_typed(panel, pages, qtbot):
    assert panel.session.current.show(STACK)
    line = panel.facts.page.lineEdit()
    line.selectAll()
    qtbot.keyClicks(line, "3")
    assert np.array_equal(shown(panel).image.data, pages[0])  # not before it is typed
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert np.array_equal(shown(panel).image.data, pages[2])


def test_a_stack_is_listed_shown_and_stepped_to(panel, told, pages, qtbot):
    problems, session = said(panel), panel.session
    assert session.current.show(PLAIN)
    qtbot.waitUntil(lambda: rows(panel)[STACK] == "stack")
    assert '1 to 3 ("Page" under Micrographs)' in panel._row(STACK).tooltip
    session.current.step(1)
    assert shown(panel).name == STACK
    assert np.array_equal(shown(panel).image.data, pages[0])
    assert any("first page is shown and counts" in line for line in told)
    qtbot.waitUntil(lambda: rows(panel)[STACK] == "unlabelled")
    assert "page 1 of 3" in panel._row(STACK).detail
    assert problems == []


def test_masks_are_kept_and_shown_by_page(panel, folder, qtbot):
    session, box = panel.session, panel.facts.page
    assert session.current.show(TWO)
    project = session.folder.project
    project.masks.write(TWO, np.ones(SIZE, np.uint8))
    panel.session.results.take_over(TWO, project.masks.read(TWO))
    assert SEGMENTATION in shown(panel).extra
    press_arrow(qtbot, box)
    assert SEGMENTATION not in shown(panel).extra
    # A result for the first page, late: it is kept for that page, and not shown on this one.
    project.masks.write(TWO, np.full(SIZE, 2, np.uint8), page=None)
    panel.session.results.take_over(TWO, np.full(SIZE, 2, np.uint8), None)
    assert SEGMENTATION not in shown(panel).extra
    assert rows(panel)[TWO] == "unlabelled"
    press_arrow(qtbot, box, up=False)
    assert np.all(shown(panel).extra[SEGMENTATION].data == 2)


def test_the_page_stays_while_a_job_runs(panel, qtbot):
    assert panel.session.current.show(TWO)
    runner, box, go = panel.session.runner, panel.facts.page, []

    def job():
        while not go:
            yield Progress("working", 0, 1)

    runner.start("Working", job)
    assert not box.isEnabled()
    assert "Working is running" in box.toolTip()
    go.append(True)
    qtbot.waitUntil(lambda: not runner.busy)
    assert box.isEnabled()


def test_the_choice_is_there_after_reopening(panel, folder, pages, qtbot):
    session = panel.session
    assert session.current.show(STACK)
    press_arrow(qtbot, panel.facts.page)
    assert session.folder.open([folder])
    assert np.array_equal(shown(panel).image.data, pages[1])
    assert Project(folder).micrographs.page(STACK) == 2


def test_a_page_whose_strokes_cant_be_saved_is_not_left(panel, qtbot):
    session, problems = panel.session, said(panel)
    assert session.current.show(TWO)

    class Full:
        """A place to save to that has no room."""

        def save(self, _ids):
            raise OutputError("The disk is full.", "Make room.")

        def prepare(self, _wanted):
            pass

        def written_elsewhere(self):
            return False

    shown(panel).autosave.go_on_with(Full())
    layer = shown(panel).painted
    layer.paint((20, 30), 1)
    press_arrow(qtbot, panel.facts.page)
    assert panel.facts.page.text() == "1 of 2"
    assert shown(panel).painted is layer
    assert problems == ["The disk is full. Make room."]
    layer.undo()


@pytest.mark.parametrize("damaged", ["page", "labels"])
def test_a_page_that_cant_be_shown_does_not_count(panel, folder, pages, told, damaged, qtbot):
    session, problems = panel.session, said(panel)
    with tifffile.TiffWriter(folder / STACK) as tiff:
        tiff.write(pages[0], photometric="minisblack", metadata=None)
        tiff.write(pages[1], photometric="minisblack", metadata=None, compression="zlib")
    if damaged == "page":
        with tifffile.TiffFile(folder / STACK) as tiff:
            start = tiff.pages[1].dataoffsets[0]
        whole = bytearray((folder / STACK).read_bytes())
        whole[start : start + 40] = bytes(40)
        (folder / STACK).write_bytes(whole)
    assert session.current.show(STACK)
    layer, project = shown(panel).painted, session.folder.project
    set_info_bar(session.current, 90)
    layer.paint((20, 30), 1)
    if damaged == "labels":
        (folder / "matssl" / "labels").mkdir(parents=True, exist_ok=True)
        (folder / "matssl" / "labels" / "stack.page2.png").write_bytes(b"no image")
    told.clear()
    press_arrow(qtbot, panel.facts.page)
    assert len(problems) == 1
    assert told == []
    assert shown(panel).painted is layer
    assert panel.facts.page.text().startswith("1 of ")
    assert project.micrographs.page(STACK) == Project(folder).micrographs.page(STACK) == 1
    assert shown(panel).micrograph.info_bar.row == 90
    set_pixel_size(session.current, None)
    assert shown(panel).micrograph.page == 1
    qtbot.waitUntil(lambda: rows(panel)[STACK] != "can't be read")
    assert STACK not in session.folder.unreadable
