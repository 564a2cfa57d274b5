"""Pixel size and info bar of the shown image: read, set, dragged, and back."""

import numpy as np
import pytest
import tifffile
from desk import NAMES, SIZE, UM, answer, docked, said, stroke, write_folder
from napari.utils._test_utils import read_only_mouse_event
from qtpy.QtCore import Qt

from napari_matssl.micrograph.image import PixelSize
from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.info_bar import LINE
from napari_matssl.widgets.canvas.setting_facts import set_pixel_size
from napari_matssl.widgets.canvas.shown import SEGMENTATION


def type_size(qtbot, panel, text):
    field = panel.facts.size
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def micrograph(panel):
    return panel.session.current.shown.micrograph


def sizes(folder):
    project = Project(folder)
    found = [project.micrographs.read(name).pixel_size for name in NAMES]
    return [None if size is None else size.mean_um for size in found]


def line(panel):
    """Row of the line in the image, px."""
    layer = panel.session.info_bar.layer
    return None if layer is None else layer.data[0][:, -2] + 0.5


# Pixel size.


def test_the_pixel_size_shows_with_its_source(panel):
    assert panel.facts.size.text() == "0.25"
    assert panel.facts.size_source.text().startswith("from ")


def test_the_source_of_the_pixel_size_is_read_in_full(panel, qtbot):
    source = "from FEI metadata (Scan.PixelWidth)"
    set_pixel_size(panel.session.current, PixelSize(0.1, 0.1, source[5:]))
    panel.resize(350, panel.height())
    line = panel.facts.size_source
    qtbot.waitUntil(lambda: source in line.text())
    qtbot.waitUntil(lambda: line.fontMetrics().horizontalAdvance(line.text()) <= line.width())


def test_an_uncalibrated_image_lists_what_cant_be_done(make_napari_viewer, tmp_path):
    panel = docked(make_napari_viewer())
    panel.session.folder.open([write_folder(tmp_path / "plain", um=None)])
    assert panel.facts.size.text() == ""
    assert panel.facts.size_source.text() == "not calibrated: no areas"
    assert tuple(map(str, panel.session.current.shown.image.units)) == ("pixel", "pixel")


def test_a_typed_pixel_size_reaches_every_layer_and_empty_goes_back(qtbot, panel, folder):
    session = panel.session
    mask = np.ones(SIZE, np.uint8)
    session.folder.project.masks.write("a1.tif", mask)
    session.results.take_over("a1.tif", mask)
    panel.facts.has_bar.click()
    stroke(panel)
    type_size(qtbot, panel, "0.5")
    shown = session.current.shown
    assert panel.facts.size_source.text() == "set by hand"
    assert set(shown.extra) == {SEGMENTATION, LINE}
    for layer in (shown.image, shown.painted, *shown.extra.values()):
        assert tuple(layer.scale) == (0.5, 0.5), layer.name
        assert tuple(map(str, layer.units)) == ("micrometer", "micrometer"), layer.name
    assert shown.painted.data[20, 30] == 1
    assert sizes(folder) == [0.5, pytest.approx(0.25), pytest.approx(0.25)]
    qtbot.waitUntil(lambda: "0.5 µm/px" in panel.table._model.rows[0].detail)
    type_size(qtbot, panel, "")
    assert panel.facts.size.text() == "0.25"
    assert panel.facts.size_source.text().startswith("from ")
    assert tuple(shown.painted.scale) == pytest.approx((0.25, 0.25))


def test_a_comma_is_a_decimal_point(qtbot, panel):
    type_size(qtbot, panel, "0,75")
    assert micrograph(panel).pixel_size.mean_um == 0.75


@pytest.mark.parametrize("text", ["-1", "0", "abc", "nan", "inf", "0.1 x", "1 x 2 x 3"])
def test_what_is_no_pixel_size_is_reported_and_the_old_one_stays(qtbot, panel, text):
    problems = said(panel)
    type_size(qtbot, panel, text)
    assert len(problems) == 1
    assert panel.facts.size.text() == "0.25"
    assert micrograph(panel).pixel_size.mean_um == pytest.approx(0.25)


@pytest.fixture
def tilted(make_napari_viewer, tmp_path):
    """A folder whose first image was corrected for a tilt: 0.1 x 0.2 µm."""
    folder = write_folder(tmp_path / "tilted")
    grey = np.random.default_rng(1).integers(20, 200, SIZE, dtype=np.uint8)
    resolution = {"resolution": (10, 5), "metadata": {"unit": "micron"}}
    tifffile.imwrite(folder / "a1.tif", grey, imagej=True, **resolution)
    panel = docked(make_napari_viewer(show=True))
    assert panel.session.folder.open([folder])
    return panel


def test_both_sides_of_a_pixel_are_shown_and_given_to_all_images(tilted):
    assert tilted.facts.size.text() == "0.1 x 0.2"
    tilted.facts.everywhere.click()
    project = tilted.session.folder.project
    for name in NAMES:
        size = Project(project.folder).micrographs.read(name).pixel_size
        assert (size.x_um, size.y_um) == pytest.approx((0.1, 0.2), rel=1e-6)
    tilted.session.current.step(1)
    assert tilted.facts.size.text() == "0.1 x 0.2"
    assert tuple(tilted.session.current.shown.image.scale) == pytest.approx((0.2, 0.1))


def test_leaving_the_field_of_two_sides_changes_nothing(qtbot, tilted):
    tilted.facts.size.setFocus()
    qtbot.keyClick(tilted.facts.size, Qt.Key.Key_Return)
    assert tilted.facts.size_source.text().startswith("from ")


@pytest.mark.parametrize("text", ["0.3 x 0.4", "0,3×0,4", "0.3X0.4 µm"])
def test_two_sides_can_be_typed(qtbot, panel, text):
    type_size(qtbot, panel, text)
    size = micrograph(panel).pixel_size
    assert (size.x_um, size.y_um) == (0.3, 0.4)
    assert panel.facts.size.text() == "0.3 x 0.4"


def test_all_images_get_the_very_size_that_is_shown_rounded(panel, folder):
    """1/3 is shown as 0.333333 and stays 1/3."""
    session = panel.session
    set_pixel_size(session.current, PixelSize(1 / 3, 1 / 3, "set by hand"))
    panel.facts.everywhere.click()
    assert sizes(folder) == [1 / 3] * 3


def test_a_pixel_size_for_all_images_and_back(qtbot, panel, folder):
    panel.facts.size.setText("2")
    panel.facts.everywhere.click()
    assert sizes(folder) == [2, 2, 2]
    panel.session.current.step(1)
    assert panel.facts.size.text() == "2"
    assert tuple(panel.session.current.shown.image.scale) == (2, 2)
    panel.facts.size.setText("")
    asked = []
    answer("Delete", asked)
    panel.facts.everywhere.click()
    assert asked == [
        "The pixel size of a1.tif, a10.tif was set by hand. Delete it, so that what the file has "
        "counts?"
    ]
    assert sizes(folder) == [pytest.approx(0.25)] * 3


@pytest.mark.parametrize("text", ["", "0.5"])
def test_sizes_set_by_hand_on_other_images_stay_unless_somebody_agrees(panel, folder, text):
    micrographs = panel.session.folder.project.micrographs
    micrographs.set_pixel_size("a10.tif", PixelSize(2.0, 2.0, "set by hand"))
    panel.facts.size.setText(text)
    asked = []
    answer("Cancel", asked)
    panel.facts.everywhere.click()
    assert "a10.tif was set by hand" in asked[0]
    assert sizes(folder) == [pytest.approx(0.25), pytest.approx(0.25), 2]
    assert panel.facts.size.text() == "0.25"


def test_a_pixel_size_that_cant_be_kept_is_reported(qtbot, panel, folder):
    problems = said(panel)
    (folder / "matssl").write_text("in the way")  # opening alone has made no folder
    type_size(qtbot, panel, "0.5")
    assert len(problems) == 1
    assert panel.facts.size.text() == "0.25"


def test_pixel_sizes_of_files_that_are_replaced_are_named(panel, folder, qtbot):
    told = []
    panel.session.notices.remarked.connect(told.append)
    qtbot.waitUntil(lambda: len(panel.session.folder.facts) == 3)
    type_size(qtbot, panel, "0.25")
    panel.facts.everywhere.click()
    assert told == [], "nothing is replaced by the same size"
    for name in NAMES:
        panel.session.folder.project.micrographs.set_pixel_size(name, None)
    type_size(qtbot, panel, "0.5")
    panel.facts.everywhere.click()
    assert len(told) == 1
    assert "a2.tif (0.25 µm)" in told[0]
    assert "a1.tif" not in told[0], "its own was replaced by hand before"


# Info bar.


def test_a_detected_info_bar_shows_as_a_line(make_napari_viewer, tmp_path):
    from napari_matssl.export.micrographs import write_micrograph
    from napari_matssl.samples import make_sample

    folder = tmp_path / "sem"
    folder.mkdir()
    sample = make_sample("coating", 0, (256, 256)).micrograph
    write_micrograph(folder / "sem.tif", sample)
    panel = docked(make_napari_viewer())
    panel.session.folder.open([folder])
    row = micrograph(panel).info_bar.row
    assert abs(row - sample.info_bar.row) <= 2
    assert panel.facts.has_bar.isChecked()
    assert panel.facts.row.value() == row
    np.testing.assert_allclose(line(panel), row)
    found = micrograph(panel).info_bar
    panel.facts.drag.click()
    drag(panel.session.info_bar.layer, (row - 0.5, 60))
    assert micrograph(panel).info_bar == found, "a click isn't set by hand"


def test_a_bar_is_set_by_row_moved_off_and_automatic_again(panel, folder):
    facts = panel.facts
    assert not facts.has_bar.isChecked()
    assert line(panel) is None
    facts.has_bar.click()
    facts.row.setValue(80)
    assert micrograph(panel).info_bar.row == 80
    assert "set by hand" in facts.bar_source.text()
    np.testing.assert_allclose(line(panel), 80)
    assert Project(folder).micrographs.read("a1.tif").info_bar.row == 80
    facts.has_bar.click()
    assert micrograph(panel).info_bar is None
    assert line(panel) is None
    assert Project(folder).micrographs.read("a1.tif").info_bar is None
    facts.has_bar.click()
    facts.auto.click()
    assert micrograph(panel).info_bar is None  # nothing is detected in noise
    assert not facts.has_bar.isChecked()


def drag(layer, start, *stops):
    """Drag with the mouse over a layer, in its data's pixels."""

    def event(kind, place):
        world = layer.data_to_world(place)
        return read_only_mouse_event(
            type=kind, is_dragging=kind != "mouse_press", position=world, pos=np.array(place),
            view_direction=None, dims_displayed=[0, 1],
        )  # fmt: skip

    from napari.utils import interactions

    interactions.mouse_press_callbacks(layer, event("mouse_press", start))
    for stop in stops:
        interactions.mouse_move_callbacks(layer, event("mouse_move", stop))
    interactions.mouse_release_callbacks(layer, event("mouse_release", (start, *stops)[-1]))


def test_the_line_can_be_dragged_and_stays_straight_and_inside(panel, folder):
    panel.facts.has_bar.click()
    panel.facts.row.setValue(80)
    panel.facts.drag.click()
    layer = panel.session.info_bar.layer
    assert panel.session.viewer.layers.selection.active is layer
    assert layer.mode == "select"
    drag(layer, (79.5, 60), (70, 62), (60.5, 65))
    assert panel.facts.row.value() == 61
    assert micrograph(panel).info_bar.row == 61
    np.testing.assert_allclose(line(panel), 61)
    np.testing.assert_allclose(layer.data[0][:, 1], (-0.5, SIZE[1] - 0.5))
    assert Project(folder).micrographs.read("a1.tif").info_bar.row == 61
    drag(layer, (60.5, 60), (300, 60))
    assert micrograph(panel).info_bar.row == SIZE[0] - 1
    np.testing.assert_allclose(line(panel), SIZE[0] - 1)


@pytest.mark.parametrize("column", [0, SIZE[1] // 2, SIZE[1] - 1], ids=["left", "middle", "right"])
def test_the_line_follows_wherever_it_is_caught(panel, column):
    panel.facts.has_bar.click()
    panel.facts.row.setValue(80)
    panel.facts.drag.click()
    drag(panel.session.info_bar.layer, (79.5, column), (75, column), (70.5, column))
    assert micrograph(panel).info_bar.row == 71
    drag(panel.session.info_bar.layer, (70.5, column), (60.5, column))  # again, without a button
    assert micrograph(panel).info_bar.row == 61


def test_a_click_far_from_the_line_moves_nothing(panel):
    panel.facts.has_bar.click()
    panel.facts.row.setValue(80)
    panel.facts.drag.click()
    panel.session.viewer.camera.zoom = 10 / UM
    drag(panel.session.info_bar.layer, (20, 60), (30, 60))
    assert micrograph(panel).info_bar.row == 80


def test_the_status_bar_explains_the_line_instead_of_napari_s_keys(panel):
    panel.facts.has_bar.click()
    panel.facts.drag.click()
    assert "info bar" in panel.session.viewer.help
    assert "<" not in panel.session.viewer.help
    panel.session.palette.paint_with(1)
    assert panel.session.viewer.help.startswith("1 to 9: class")


def test_a_tilted_line_is_straightened(panel):
    panel.facts.has_bar.click()
    panel.session.info_bar.layer.data = [np.array([[70, 0], [80, 128]])]
    assert micrograph(panel).info_bar.row == 76
    np.testing.assert_allclose(line(panel), 76)


def test_deleting_the_line_itself_sets_no_bar(panel):
    panel.facts.has_bar.click()
    layer = panel.session.info_bar.layer
    layer.selected_data = {0}
    layer.remove_selected()
    assert micrograph(panel).info_bar is None
    assert not panel.facts.has_bar.isChecked()
    assert layer not in panel.session.viewer.layers


def test_each_image_has_its_own_line(panel):
    panel.facts.has_bar.click()
    panel.facts.row.setValue(80)
    panel.session.current.step(1)
    assert line(panel) is None
    assert not panel.facts.has_bar.isChecked()
    panel.session.current.step(-1)
    np.testing.assert_allclose(line(panel), 80)
    assert [layer.name for layer in panel.session.viewer.layers].count(LINE) == 1


def test_two_panels_of_one_viewer_share_the_line(panel):
    again = docked(panel.session.viewer)
    again.facts.has_bar.click()
    again.facts.row.setValue(70)
    assert panel.facts.row.value() == 70
    panel.facts.row.setValue(75)
    np.testing.assert_allclose(line(again), 75)
    assert [layer.name for layer in panel.session.viewer.layers].count(LINE) == 1


def test_without_an_image_there_is_nothing_to_set(panel):
    assert panel.session.folder.close()
    assert not panel.facts.isEnabled()
    assert panel.facts.size.text() == ""
