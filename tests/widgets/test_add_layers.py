"""Taking the user's own image layers into a folder, through a real viewer."""

import dask.array as da
import numpy as np
import pytest
from desk import (
    NAMES,
    labels_on_disk,
    said,
    stroke,
)
from qtpy.QtWidgets import QFileDialog

from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.widgets.canvas.shown import PAINTED

random = np.random.default_rng(1)


def choose(monkeypatch, place):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(place))


def names_of_layers(empty_panel):
    return [layer.name for layer in empty_panel.session.viewer.layers]


def plane(empty_panel):
    return empty_panel.session.current.shown.micrograph.pixels


def test_the_visible_plane_of_a_stack_is_added_then_another(empty_panel, folder, qtbot):
    session = empty_panel.session
    viewer = session.viewer
    session.folder.open([folder])
    data = random.integers(0, 250, (4, 60, 80), dtype=np.uint8)
    stack = viewer.add_image(
        data, name="depth / 1", scale=(2, 0.5, 0.5), translate=(0, 3, 4), units=("um",) * 3
    )
    viewer.dims.set_point(0, 2)
    empty_panel.opening.add_layer.click()
    np.testing.assert_array_equal(plane(empty_panel), data[1])
    assert empty_panel.table.current == "depth_1_1.tif"
    painted = session.current.shown.painted
    assert session.current.shown.image is stack
    assert tuple(painted.scale) == (0.5, 0.5)
    assert tuple(painted.translate) == (3, 4)
    assert session.current.shown.micrograph.pixel_size.mean_um == pytest.approx(0.5)
    stroke(empty_panel, 10, 10)
    viewer.dims.set_point(0, 6)
    viewer.layers.selection.active = stack
    empty_panel.opening.add_layer.click()
    np.testing.assert_array_equal(plane(empty_panel), data[3])
    assert empty_panel.table.current == "depth_1_3.tif"
    assert not session.current.shown.painted.data.any()
    session.current.show("depth_1_1.tif")
    assert session.current.shown.image is stack
    assert viewer.dims.point[0] == 2  # the plane to which these strokes belong
    assert session.current.shown.painted.data.any()
    assert names_of_layers(empty_panel).count("depth / 1") == 1
    session.current.show("a1.tif")
    assert stack in viewer.layers  # what the user has panel stays


def test_a_plane_that_was_added_is_shown_again_not_added_again(panel, folder, qtbot):
    session = panel.session
    viewer = session.viewer
    before = {path.name for path in folder.iterdir()}
    stack = viewer.add_image(random.integers(0, 250, (4, 60, 80), dtype=np.uint8), name="depth")
    for plane_shown in (1, 2, 1):
        viewer.dims.set_point(0, plane_shown)
        viewer.layers.selection.active = stack
        panel.opening.add_layer.click()
        assert session.current.shown.name == f"depth_{plane_shown}.tif"
        stroke(panel, 10, 10 * plane_shown)
    assert {path.name for path in folder.iterdir()} == before | {"matssl"}
    assert session.folder.project.images.names == (*NAMES, "depth_1.tif", "depth_2.tif")
    assert panel.table.keys == session.folder.project.images.names
    (folder / "a1.tif").rename(folder / "a3.tif")
    session.folder.refresh()
    assert "depth_1.tif" in session.folder.project.images.names
    assert session.folder.open([folder])
    assert session.current.shown.name == "depth_1.tif"
    assert session.current.shown.painted.data[10, 10]


def test_an_image_of_the_folder_added_from_its_own_layer_is_no_other_image(panel):
    session = panel.session
    panel.session.viewer.layers.selection.active = session.current.shown.image
    panel.opening.add_layer.click()
    assert session.folder.project.images.names == NAMES
    assert session.current.shown.name == "a1.tif"


def test_strokes_hide_while_another_plane_of_their_stack_is_shown(panel):
    session = panel.session
    viewer = session.viewer
    viewer.add_image(random.integers(0, 250, (4, 60, 80), dtype=np.uint8), name="depth")
    viewer.dims.set_point(0, 2)
    panel.opening.add_layer.click()
    assert session.current.shown.painted.visible
    viewer.dims.set_point(0, 3)
    assert not session.current.shown.painted.visible
    viewer.dims.set_point(0, 2)
    assert session.current.shown.painted.visible


def test_the_next_image_shows_its_strokes_after_another_plane_was_looked_at(panel):
    session, viewer = panel.session, panel.session.viewer
    viewer.add_image(random.integers(0, 250, (4, 60, 80), dtype=np.uint8), name="depth")
    viewer.dims.set_point(0, 2)
    panel.opening.add_layer.click()
    viewer.dims.set_point(0, 3)
    assert not session.current.shown.painted.visible
    assert session.current.show(NAMES[0])
    assert session.current.shown.painted.visible
    session.current.shown.painted.visible = False  # as the user wants it
    assert session.current.show("depth_2.tif")
    viewer.dims.set_point(0, 3)
    assert session.current.show(NAMES[0])
    assert not session.current.shown.painted.visible


def test_a_stack_keeps_its_grid_whatever_pixel_size_is_set(panel):
    session = panel.session
    viewer = session.viewer
    stack = viewer.add_image(
        random.integers(0, 250, (4, 60, 80), dtype=np.uint8), scale=(1, 0.5, 0.5), units=("um",) * 3
    )
    panel.opening.add_layer.click()
    panel.facts.size.setText("2")
    panel.facts.size.editingFinished.emit()
    assert session.current.shown.micrograph.pixel_size.mean_um == 2
    assert tuple(stack.scale) == (1, 0.5, 0.5)
    assert tuple(session.current.shown.painted.scale) == (0.5, 0.5)


@pytest.mark.parametrize("kind", ["rgb", "dask", "pyramid", "float"])
def test_any_image_layer_is_taken_in_and_painted_on_its_own_grid(panel, kind, folder):
    session = panel.session
    viewer = session.viewer
    data = random.integers(0, 250, (64, 80), dtype=np.uint8)
    grid = {"scale": (0.2, 0.2), "translate": (5, 6), "units": ("um", "um"), "name": kind}
    if kind == "rgb":
        data = random.integers(0, 250, (64, 80, 3), dtype=np.uint8)
        layer = viewer.add_image(data, rgb=True, **grid)
    elif kind == "dask":
        layer = viewer.add_image(da.from_array(data, chunks=16), **grid)
    elif kind == "pyramid":
        layer = viewer.add_image([data, data[::2, ::2]], multiscale=True, **grid)
    else:
        data = data.astype(np.float32) / 250
        layer = viewer.add_image(data, **grid)
    panel.opening.add_layer.click()
    assert panel.table.current == f"{kind}.tif"
    np.testing.assert_array_equal(plane(panel), data)
    np.testing.assert_array_equal(
        read_micrograph(folder / "matssl" / "planes" / f"{kind}.tif").pixels, data
    )
    painted = session.current.shown.painted
    assert session.current.shown.image is layer
    assert painted.data.shape == (64, 80)
    assert tuple(painted.scale) == pytest.approx((0.2, 0.2))
    assert tuple(painted.translate) == (5, 6)
    stroke(panel, 3, 3)
    assert session.current.leave()
    assert labels_on_disk(folder, f"{kind}.tif")[3, 3] == 1
    assert layer in viewer.layers


def test_a_layer_finds_a_folder_of_its_own_if_none_is_open(empty_panel, tmp_path, monkeypatch):
    choose(monkeypatch, tmp_path)
    viewer = empty_panel.session.viewer
    data = random.integers(0, 250, (64, 80), dtype=np.uint8)
    layer = viewer.add_image(data, name="steel")
    empty_panel.opening.add_layer.click()
    assert empty_panel.table.keys == ("steel.tif",)
    assert empty_panel.session.current.shown.image is layer
    assert [x.name for x in viewer.layers] == ["steel", PAINTED]


def test_a_layer_added_without_an_open_folder_is_the_first_image_shown(
    empty_panel, folder, monkeypatch
):
    """The folder that was chosen for it may hold images already; none of them is loaded before."""
    choose(monkeypatch, folder)
    session, shown = empty_panel.session, []
    session.current.appeared.connect(lambda: shown.append(session.current.shown.name))
    layer = session.viewer.add_image(random.integers(0, 250, (64, 80), dtype=np.uint8), name="iron")
    empty_panel.opening.add_layer.click()
    assert shown == ["iron.tif"]
    assert session.current.shown.image is layer
    assert set(empty_panel.table.keys) == {*NAMES, "iron.tif"}
    assert session.folder.project.micrographs.current == "iron.tif"


def test_a_file_that_napari_opened_is_shown_first_if_its_folder_is_chosen(
    empty_panel, folder, monkeypatch
):
    choose(monkeypatch, folder)
    session, shown = empty_panel.session, []
    session.current.appeared.connect(lambda: shown.append(session.current.shown.name))
    session.viewer.open(str(folder / "a10.tif"), plugin="napari")
    empty_panel.opening.add_layer.click()
    assert shown == ["a10.tif"]
    assert set(empty_panel.table.keys) == {*NAMES}


def test_adding_what_is_no_image_says_why(empty_panel, tmp_path, monkeypatch):
    problems = said(empty_panel)
    empty_panel.opening.add_layer.click()
    assert "There is no image layer" in problems[0]
    choose(monkeypatch, tmp_path)
    empty_panel.session.viewer.add_points([[1, 1]])
    empty_panel.opening.add_layer.click()
    assert problems[1].startswith('"Points" is not an image layer')
    assert empty_panel.session.folder.project is None
