"""Single objects, grains, columns and particles: in the table, in the image, and between both."""

import numpy as np
import pytest
from acting import User
from iron import CLASSES, OF_CLASS, mask_of, write_iron
from napari.layers import Vectors
from qtpy.QtCore import Qt

from napari_matssl.errors import InputError
from napari_matssl.widgets.canvas.layers import KIND, MEASURED
from napari_matssl.widgets.canvas.measured_layer import HINT, MARKED
from napari_matssl.widgets.canvas.outlines import nearest_segment, outline
from napari_matssl.widgets.canvas.peek import KEY
from napari_matssl.widgets.controls.items_view import ITEMS
from napari_matssl.widgets.writer import write_labels

WORDS = {
    "objects": "measured objects: graphite",
    "grains": "measured grains: grain boundary",
    "layers": "measured columns: oxide",
    "nodules": "measured particles: graphite",
}


@pytest.fixture
def project(tmp_path):
    return write_iron(tmp_path / "iron")


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch, project):
    user = User(make_napari_viewer, qtbot, monkeypatch, show=True)
    user.open(project.folder)
    user.look_at("Measure")
    user.until(lambda: user.measure.tabs is not None and user.measure.tabs.isVisible())
    yield user
    user.runner.close()
    user.folder.end()


def items_of(user, measure, show=True):
    """Choose a measure and look at its items in this image; no job is needed for that."""
    user.measure.choice.ticks[measure].setChecked(True)
    for name in OF_CLASS[measure]:
        user.measure.choice.classes[measure].tick(name)
    view = user.measure.tabs.views[measure]
    view._pages.setCurrentIndex(1)
    view.tabs.setCurrentWidget(view.items)
    user.until(lambda: view.items.listed is not None)
    if show:
        view.items.tick.setChecked(True)
        user.until(lambda: WORDS[measure] in user.names)
    return view.items


def centre(user):
    camera = getattr(user.viewer, "scene", user.viewer).camera
    return np.array(camera.center[-2:])


@pytest.mark.parametrize("measure", list(OF_CLASS))
def test_items_are_shown_and_removed_by_the_tick(user, measure):
    before = user.names
    items = items_of(user, measure)
    assert len(items.table.frame) == len(items.listed.places) > 0
    assert items.state.text().startswith("a1.tif: ")
    assert ITEMS[measure][1] in items.state.text()
    assert not user.viewer.layers["segmentation"].visible
    assert user.viewer.layers.selection.active.name == WORDS[measure]
    assert user.viewer.help == HINT  # napari's own names keys that choose classes here
    items.tick.setChecked(False)
    assert user.names == before
    assert user.viewer.layers["segmentation"].visible
    assert user.viewer.layers.selection.active is user.shown.painted


@pytest.mark.parametrize("measure", list(OF_CLASS))
def test_a_chosen_row_is_marked_in_the_middle_of_the_view(user, measure):
    items = items_of(user, measure, show=False)
    row = len(items.table.frame) - 1
    items.table.chosen.emit(row)
    assert items.tick.isChecked()
    assert {WORDS[measure], MARKED} <= {*user.names}
    world = user.shown.image.data_to_world(items.listed.places[row])
    assert centre(user) == pytest.approx(np.array(world)[-2:])
    marked = user.viewer.layers[MARKED]
    assert isinstance(marked, Vectors)
    ends = np.concatenate([marked.data[:, 0], marked.data.sum(axis=1)])
    assert ends.mean(axis=0) == pytest.approx(items.listed.places[row], abs=1)
    listed = items.listed
    user.folder.painted_changed.emit("a1.tif")  # looked for again, and found as they were
    user.until(lambda: items.listed is not listed)
    assert MARKED in user.names


def test_what_is_too_small_to_be_seen_is_zoomed_to(user):
    items = items_of(user, "objects")
    camera = getattr(user.viewer, "scene", user.viewer).camera
    camera.zoom = 0.1
    items.table.chosen.emit(0)
    extent = 2 * np.sqrt(items.listed.table.area_px[0] / np.pi)
    assert extent * user.shown.image.scale[-1] * camera.zoom > 24
    camera.zoom = 20
    items.table.chosen.emit(1)
    assert camera.zoom == 20


BOUNDARY = next(one.id for one in CLASSES.classes if "boundary" in one.name)
INTERCEPTS = "measured intercepts of the lines: grain boundary"


def intercepts_of(user):
    items = items_of(user, "grains")
    items.of_figure.setCurrentIndex(items.of_figure.findData("lines"))
    user.until(lambda: INTERCEPTS in user.names)
    return items


def test_intercepts_are_shown_with_their_test_lines_by_what_they_count(user):
    items = intercepts_of(user)
    assert WORDS["grains"] not in user.names
    listed = items.listed
    total = listed.table.counted.sum()
    assert total > 10
    assert f"They count {total:g} in all" in items.state.text()
    assert "intercepts of the lines with grain boundary" in items.state.text()
    layer = user.viewer.layers[INTERCEPTS]
    assert len(layer.data) == len(listed.lines) + len(listed.table)
    ticks, colours = layer.data[len(listed.lines) :], layer.edge_color[len(listed.lines) :]
    assert ticks[:, 0] + ticks[:, 1] / 2 == pytest.approx(listed.places)
    for words in listed.words.values():
        of_kind = (listed.table.counts_as == words).to_numpy()
        assert len(np.unique(colours[of_kind], axis=0)) == of_kind.any()
        assert (words.replace(" ", "&nbsp;") in items.legend.text()) == of_kind.any()
    assert len(np.unique(colours, axis=0)) == listed.table.counts_as.nunique() > 1
    items.of_figure.setCurrentIndex(0)
    user.until(lambda: WORDS["grains"] in user.names)
    assert INTERCEPTS not in user.names


def test_a_click_on_an_intercept_selects_its_row_and_a_row_marks_it(user):
    items = intercepts_of(user)
    place = items.listed.places[5]
    user.drag(place, place)
    assert items.table.selected == [5]
    items.table.chosen.emit(7)
    world = user.shown.image.data_to_world(items.listed.places[7])
    assert centre(user) == pytest.approx(np.array(world)[-2:])
    assert len(user.viewer.layers[MARKED].data) == 1


def test_a_boundary_that_is_painted_over_takes_its_intercepts_along(user):
    items = intercepts_of(user)
    layer, before = user.viewer.layers[INTERCEPTS], items.listed
    boundary = user.viewer.layers["segmentation"].data == BOUNDARY
    user.shown.painted.data_setitem(np.nonzero(boundary), 1)
    user.until(lambda: items.listed is not before)
    assert len(items.listed.table) == 0 < len(before.table)
    assert user.viewer.layers[INTERCEPTS] is layer
    assert len(layer.data) == len(items.listed.lines)  # the test lines are still there


def test_items_are_those_of_the_mask_alone_where_paint_does_not_overrule_it(user):
    items = items_of(user, "objects")
    found = len(items.listed.table)
    user.shown.painted.data_setitem(np.nonzero(mask_of(0) == 2), 1)
    user.until(lambda: len(items.listed.table) == 0)
    user.click(user.measure.painted)
    user.until(lambda: len(items.listed.table) == found)


@pytest.mark.parametrize("measure", list(OF_CLASS))
def test_a_click_in_the_image_selects_the_row(user, measure):
    items = items_of(user, measure)
    row = len(items.table.frame) // 2
    place = items.listed.places[row]
    user.drag(place, place)
    assert items.table.selected == [row]
    assert MARKED in user.names
    listed = items.listed
    user.folder.painted_changed.emit("a1.tif")
    user.until(lambda: items.listed is not listed)
    assert items.table.selected == [row]
    assert centre(user) != pytest.approx(np.array(user.shown.image.data_to_world(place))[-2:])


def test_a_click_beside_or_a_drag_selects_nothing(user):
    items = items_of(user, "objects")
    user.drag((5, 5), (5, 5))
    place = items.listed.places[0]
    user.drag(place, (place[0] + 40, place[1] + 40))
    assert items.table.selected == []


def test_painting_over_an_item_paints(user):
    items = items_of(user, "objects")
    user.press_key(Qt.Key.Key_1)
    assert user.viewer.layers.selection.active is user.shown.painted
    place = items.listed.places[0]
    user.drag(place, place)
    assert user.shown.painted.data[tuple(np.round(place).astype(int))] == 1
    assert items.table.selected == []


def test_a_stroke_changes_the_items_soon(user):
    items = items_of(user, "objects")
    assert len(items.listed.table) == 8
    layer = user.shown.painted
    layer.data_setitem(np.nonzero(user.viewer.layers["segmentation"].data == 2), 1)
    user.until(lambda: items.listed is not None and len(items.listed.table) == 0)
    assert items.state.text().startswith("a1.tif: 0 objects")


@pytest.mark.parametrize("measure", ["objects", "layers"])
def test_what_is_painted_with_stays_selected_while_items_are_found_again(user, measure):
    items = items_of(user, measure)
    layer = user.viewer.layers[WORDS[measure]]
    user.press_key(Qt.Key.Key_1)
    seen, before = [], items.listed
    user.viewer.layers.selection.events.active.connect(lambda event: seen.append(event.value))
    user.shown.painted.data_setitem(np.nonzero(mask_of(0) == 2), 1)
    user.until(lambda: items.listed is not before)
    assert user.viewer.layers[WORDS[measure]] is layer
    assert not seen
    assert user.shown.painted.mode == "paint"
    if measure == "objects":
        assert not layer.data.any()


def test_items_follow_the_image_in_view(user):
    items = items_of(user, "layers")
    user.press_key(Qt.Key.Key_D)
    user.until(lambda: items.state.text().startswith("a2.tif"))
    assert items.table.frame.thickness_px.mean() == pytest.approx(13)
    user.until(lambda: WORDS["layers"] in user.names)
    items.tick.setChecked(False)
    assert user.viewer.layers["segmentation"].visible


def test_an_image_that_is_not_segmented_tells_what_to_do(user):
    items = items_of(user, "objects")
    user.current.show("b.tif")
    user.until(lambda: "isn't segmented yet" in items.state.text())
    assert "Segment it" in items.state.text()
    assert not items.table.isVisible()
    assert WORDS["objects"] not in user.names


def test_one_measure_at_a_time_is_shown(user):
    objects = items_of(user, "objects")
    items_of(user, "grains")
    assert not objects.tick.isChecked()
    assert WORDS["objects"] not in user.names


def test_removing_the_layer_removes_the_tick(user):
    items = items_of(user, "objects")
    user.viewer.layers.remove(WORDS["objects"])
    user.until(lambda: not items.tick.isChecked())
    assert user.viewer.layers["segmentation"].visible


def test_unticking_the_measure_removes_the_layer(user):
    items_of(user, "objects")
    user.measure.choice.ticks["objects"].setChecked(False)
    assert WORDS["objects"] not in user.names


def test_of_several_classes_one_is_listed(user):
    items = items_of(user, "objects")
    user.measure.choice.classes["objects"].tick("oxide")
    user.until(lambda: items.of_class.count() == 2)
    assert not items.of_class.isHidden()
    items.of_class.setCurrentText("oxide")
    user.until(lambda: "measured objects: oxide" in user.names)
    assert len(items.listed.table) == 1


def test_measured_layers_are_nobodys_labels(user, project, tmp_path):
    items_of(user, "objects")
    layer = user.viewer.layers[WORDS["objects"]]
    assert layer.metadata[KIND] == MEASURED
    assert not layer.editable
    colours = layer.colormap
    user.session.palette.edit(lambda project: project.classes.recolour(2, "#00ff00"))
    assert layer.colormap is colours
    data, facts, _ = layer.as_layer_data_tuple()
    with pytest.raises(InputError, match="no class ids"):
        write_labels(str(tmp_path / "objects.png"), data, facts)
    user.current.flush()
    assert not project.labels.has("a1.tif")
    assert (project.masks.read("a1.tif") == mask_of(0)).all()
    user.click(user.segment.editor.copy)
    assert (user.shown.painted.data == mask_of(0)).all()  # of the mask, not of what was measured


def test_they_are_out_of_sight_while_h_is_held(user, qtbot):
    items_of(user, "objects")
    layer = user.viewer.layers[WORDS["objects"]]
    qtbot.keyPress(user.viewer.window._qt_viewer, KEY)
    assert not layer.visible
    qtbot.keyRelease(user.viewer.window._qt_viewer, KEY)
    assert layer.visible


def test_not_counted_objects_have_their_own_colour(user, project):
    mask = mask_of(0)
    mask[50:60, :8] = 2  # at the left edge
    project.masks.write("a1.tif", mask)
    user.session.results.take_over("a1.tif", mask)
    items = items_of(user, "objects")
    user.until(lambda: len(items.listed.table) == 9)
    assert "counted&nbsp;(8)" in items.legend.text()
    assert "not&nbsp;counted" in items.legend.text()


def test_outlines_run_along_the_edges_of_pixels():
    region = np.zeros((4, 5), bool)
    region[1:3, 1:4] = True
    region[2, 3] = False
    lines = outline(region)
    length = np.abs(lines[:, 1] - lines[:, 0]).sum()
    assert length == 10  # of a rectangle of 2 x 3 px, whatever corner is missing
    assert lines[..., 0].min() == 0.5
    assert lines[..., 0].max() == 2.5
    assert lines[..., 1].min() == 0.5
    assert lines[..., 1].max() == 3.5


def test_the_nearest_line_within_reach():
    ends = np.array([[[0.0, 0.0], [10.0, 0.0]], [[0.0, 5.0], [10.0, 5.0]]])
    assert nearest_segment(ends, np.array([5.0, 4.0]), 2) == 1
    assert nearest_segment(ends, np.array([13.0, 0.0]), 2) is None
    assert nearest_segment(ends[:0], np.array([0.0, 0.0]), 2) is None
