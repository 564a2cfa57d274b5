"""The folder that is open, and the image of it that is shown, through a real viewer."""

import dask.array as da
import numpy as np
import pytest
import tifffile
from desk import (
    NAMES,
    SIZE,
    docked,
    drop,
    is_saved,
    labels_on_disk,
    rows,
    said,
    stroke,
    write_folder,
)
from napari.layers import Image
from napari.settings import get_settings
from qtpy.QtWidgets import QFileDialog

from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning
from napari_matssl.widgets.canvas.shown import PAINTED, SEGMENTATION

random = np.random.default_rng(1)


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "steel")


@pytest.fixture
def panel(make_napari_viewer):
    return docked(make_napari_viewer(show=True))


@pytest.fixture
def opened(panel, folder):
    assert panel.session.workspace.open([folder])
    return panel


def choose(monkeypatch, place):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(place))


def names_of_layers(panel):
    return [layer.name for layer in panel.session.viewer.layers]


# Opening.


def test_a_folder_opens_with_its_first_image_ready_to_paint(panel, folder, monkeypatch):
    choose(monkeypatch, folder)
    panel.open_folder.click()
    assert panel.table.keys == NAMES
    assert panel.table.current == "a1.tif"
    assert panel.folder.text() == str(folder)
    viewer = panel.session.viewer
    assert names_of_layers(panel) == ["a1.tif", PAINTED]
    assert viewer.layers.selection.active is panel.session.workspace.shown.painted
    assert viewer.layers.selection.active.mode == "paint"
    assert not (folder / "matssl" / "labels").exists()  # looking writes nothing


def test_giving_up_the_dialog_changes_nothing(opened, monkeypatch):
    choose(monkeypatch, "")
    opened.open_folder.click()
    assert opened.table.keys == NAMES


def test_some_files_of_a_folder_open(panel, folder, monkeypatch):
    chosen = ([str(folder / "a10.tif"), str(folder / "a2.tif")], "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: chosen)
    panel.open_files.click()
    assert panel.table.keys == ("a2.tif", "a10.tif")


def test_a_folder_or_files_can_be_dropped_on_the_table(panel, folder):
    drop(panel.table, folder)
    assert panel.table.keys == NAMES
    drop(panel.table, folder / "a2.tif")
    assert panel.table.keys == ("a2.tif",)
    assert names_of_layers(panel) == ["a2.tif", PAINTED]


def test_a_folder_dropped_on_the_canvas_opens_in_the_shell(make_napari_viewer, folder):
    from napari_matssl.widgets.shell import MatSSLWidget

    get_settings().plugins.extension2reader = {"*/": "napari-matssl"}  # as the dialog keeps it
    viewer = make_napari_viewer(show=True)
    drop(viewer.window._qt_viewer, folder)
    (shell,) = viewer.window.dock_widgets.values()
    assert isinstance(shell, MatSSLWidget)
    assert shell.panels["Micrographs"].table.keys == NAMES
    assert [layer.name for layer in viewer.layers] == ["a1.tif", PAINTED]


@pytest.mark.parametrize("what", ["empty", "missing", "two"])
def test_what_cant_be_opened_is_said_in_one_line_and_changes_nothing(opened, tmp_path, what):
    problems = said(opened)
    stroke(opened)
    (tmp_path / "empty").mkdir()
    paths = {
        "empty": [tmp_path / "empty"],
        "missing": [tmp_path / "missing.tif"],
        "two": [tmp_path, tmp_path / "empty"],
    }[what]
    drop(opened.table, *paths)
    assert len(problems) == 1
    assert "\n" not in problems[0]
    assert opened.table.keys == NAMES
    assert opened.table.current == "a1.tif"
    assert opened.session.workspace.shown.painted.data.any()


def test_images_of_one_name_are_remarked_upon(panel, folder):
    lines = []
    panel.session.workspace.said.connect(lines.append)
    (folder / "a1.png").write_bytes(b"")
    panel.session.workspace.open([folder])
    assert len(lines) == 1
    assert "is left out" in lines[0]


def test_a_damaged_image_says_so_and_the_others_open(panel, folder, qtbot):
    problems = said(panel)
    (folder / "a1.tif").write_bytes(b"II*\0 nothing more")
    assert panel.session.workspace.open([folder])
    assert len(problems) == 1
    qtbot.waitUntil(lambda: rows(panel)["a1.tif"] == "can't be read")
    assert panel.session.workspace.show_image("a2.tif")
    assert panel.table.current == "a2.tif"


def test_reopening_looks_the_same(make_napari_viewer, tmp_path, qtbot):
    folder = write_folder(tmp_path / "steel", um=None)
    panel = docked(make_napari_viewer(show=True))
    session = panel.session
    session.workspace.open([folder])
    session.workspace.show_image("a2.tif")
    session.palette.edit(lambda project: project.rename_class(1, "ferrite"))
    session.palette.edit(lambda project: project.add_class("stain", exclude=True))
    session.palette.edit(lambda project: project.reorder_classes((3, 1, 2)))
    panel.facts.size.setText("0.5")
    panel.facts.size.editingFinished.emit()
    panel.facts.has_bar.click()
    panel.facts.row.setValue(80)
    stroke(panel, class_id=3)
    session.workspace.flush()
    mask = np.ones(SIZE, np.uint8)
    mask[40:43, 40:43] = 2
    session.workspace.project.save_mask("a2.tif", mask)
    session.results.take_over("a2.tif", mask)
    session.results.clean(Cleaning(smallest_region=20))

    def look(panel):
        project, shown = panel.session.workspace.project, panel.session.workspace.shown
        facts = panel.facts
        return {
            "current": panel.table.current,
            "classes": project.classes,
            "states": rows(panel),
            "size": (facts.size.text(), facts.size_source.text()),
            "bar": (facts.has_bar.isChecked(), facts.row.value(), facts.bar_source.text()),
            "painted": shown.painted.data.tolist(),
            "mask": shown.extra[SEGMENTATION].data.tolist(),
            "cleaning": project.cleaning,
            "layers": [(x.name, tuple(x.scale), tuple(map(str, x.units))) for x in layers(panel)],
        }

    def layers(panel):
        return sorted(panel.session.viewer.layers, key=lambda layer: layer.name)

    before = look(panel)
    assert before["states"]["a2.tif"] == "saved, segmented"
    assert 2 not in np.unique(before["mask"])
    assert {scale for _, scale, _ in before["layers"]} == {(0.5, 0.5)}
    assert session.workspace.close_folder()
    assert len(session.viewer.layers) == 0
    assert panel.table.keys == ()
    again = docked(make_napari_viewer(show=True))
    again.session.workspace.open([folder])
    assert look(again) == before


def test_a_folder_opens_at_once_however_many_images_it_has(panel, tmp_path, qtbot):
    folder = write_folder(tmp_path / "many", [f"m{number:03d}.tif" for number in range(200)])
    panel.session.workspace.open([folder])
    assert panel.table.current == "m000.tif"
    assert len(panel._facts) < 200  # the thumbnails come later
    qtbot.waitUntil(lambda: len(panel._facts) == 200, timeout=60_000)


def test_a_folder_closed_in_the_middle_of_its_survey_tells_no_more(panel, tmp_path, folder, qtbot):
    many = write_folder(tmp_path / "many", [f"m{number:03d}.tif" for number in range(60)])
    panel.session.workspace.open([many])
    panel.session.workspace.open([folder])
    qtbot.waitUntil(lambda: len(panel._facts) == 3)
    assert set(panel._facts) == set(NAMES)
    assert panel.session.workspace.close_folder()
    qtbot.wait(50)
    assert panel._facts == {}


# Layers that aren't ours.


def plane(panel):
    return panel.session.workspace.shown.micrograph.pixels


def test_the_visible_plane_of_a_stack_is_added_then_another(panel, folder, qtbot):
    viewer, workspace = panel.session.viewer, panel.session.workspace
    workspace.open([folder])
    data = random.integers(0, 250, (4, 60, 80), dtype=np.uint8)
    stack = viewer.add_image(
        data, name="depth / 1", scale=(2, 0.5, 0.5), translate=(0, 3, 4), units=("um",) * 3
    )
    viewer.dims.set_point(0, 2)
    panel.add_layer.click()
    np.testing.assert_array_equal(plane(panel), data[1])
    assert panel.table.current == "depth_1_1.tif"
    painted = workspace.shown.painted
    assert workspace.shown.image is stack
    assert tuple(painted.scale) == (0.5, 0.5)
    assert tuple(painted.translate) == (3, 4)
    assert workspace.shown.micrograph.pixel_size.mean_um == pytest.approx(0.5)
    stroke(panel, 10, 10)
    viewer.dims.set_point(0, 6)
    viewer.layers.selection.active = stack
    panel.add_layer.click()
    np.testing.assert_array_equal(plane(panel), data[3])
    assert panel.table.current == "depth_1_3.tif"
    assert not workspace.shown.painted.data.any()
    workspace.show_image("depth_1_1.tif")
    assert workspace.shown.image is stack
    assert viewer.dims.point[0] == 2  # the plane to which these strokes belong
    assert workspace.shown.painted.data.any()
    assert names_of_layers(panel).count("depth / 1") == 1
    workspace.show_image("a1.tif")
    assert stack in viewer.layers  # what the user has opened stays


def test_a_plane_that_was_added_is_shown_again_not_added_again(opened, folder, qtbot):
    viewer, workspace = opened.session.viewer, opened.session.workspace
    before = {path.name for path in folder.iterdir()}
    stack = viewer.add_image(random.integers(0, 250, (4, 60, 80), dtype=np.uint8), name="depth")
    for plane_shown in (1, 2, 1):
        viewer.dims.set_point(0, plane_shown)
        viewer.layers.selection.active = stack
        opened.add_layer.click()
        assert workspace.shown.name == f"depth_{plane_shown}.tif"
        stroke(opened, 10, 10 * plane_shown)
    assert {path.name for path in folder.iterdir()} == before | {"matssl"}
    assert workspace.project.names == (*NAMES, "depth_1.tif", "depth_2.tif")
    assert opened.table.keys == workspace.project.names
    (folder / "a1.tif").rename(folder / "a3.tif")
    workspace.refresh()
    assert "depth_1.tif" in workspace.project.names
    assert workspace.open([folder])
    assert workspace.shown.name == "depth_1.tif"
    assert workspace.shown.painted.data[10, 10]


def test_an_image_of_the_folder_added_from_its_own_layer_is_no_other_image(opened):
    workspace = opened.session.workspace
    opened.session.viewer.layers.selection.active = workspace.shown.image
    opened.add_layer.click()
    assert workspace.project.names == NAMES
    assert workspace.shown.name == "a1.tif"


def test_strokes_hide_while_another_plane_of_their_stack_is_shown(opened):
    viewer, workspace = opened.session.viewer, opened.session.workspace
    viewer.add_image(random.integers(0, 250, (4, 60, 80), dtype=np.uint8), name="depth")
    viewer.dims.set_point(0, 2)
    opened.add_layer.click()
    assert workspace.shown.painted.visible
    viewer.dims.set_point(0, 3)
    assert not workspace.shown.painted.visible
    viewer.dims.set_point(0, 2)
    assert workspace.shown.painted.visible


def test_a_stack_keeps_its_grid_whatever_pixel_size_is_set(opened):
    viewer, workspace = opened.session.viewer, opened.session.workspace
    stack = viewer.add_image(
        random.integers(0, 250, (4, 60, 80), dtype=np.uint8), scale=(1, 0.5, 0.5), units=("um",) * 3
    )
    opened.add_layer.click()
    opened.facts.size.setText("2")
    opened.facts.size.editingFinished.emit()
    assert workspace.shown.micrograph.pixel_size.mean_um == 2
    assert tuple(stack.scale) == (1, 0.5, 0.5)
    assert tuple(workspace.shown.painted.scale) == (0.5, 0.5)


@pytest.mark.parametrize("kind", ["rgb", "dask", "pyramid", "float"])
def test_any_image_layer_is_taken_in_and_painted_on_its_own_grid(opened, kind, folder):
    viewer, workspace = opened.session.viewer, opened.session.workspace
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
    opened.add_layer.click()
    assert opened.table.current == f"{kind}.tif"
    np.testing.assert_array_equal(plane(opened), data)
    np.testing.assert_array_equal(
        read_micrograph(folder / "matssl" / "planes" / f"{kind}.tif").pixels, data
    )
    painted = workspace.shown.painted
    assert workspace.shown.image is layer
    assert painted.data.shape == (64, 80)
    assert tuple(painted.scale) == pytest.approx((0.2, 0.2))
    assert tuple(painted.translate) == (5, 6)
    stroke(opened, 3, 3)
    assert workspace.leave_image()
    assert labels_on_disk(folder, f"{kind}.tif")[3, 3] == 1
    assert layer in viewer.layers


def test_a_layer_finds_a_folder_of_its_own_if_none_is_open(panel, tmp_path, monkeypatch):
    choose(monkeypatch, tmp_path)
    viewer = panel.session.viewer
    data = random.integers(0, 250, (64, 80), dtype=np.uint8)
    layer = viewer.add_image(data, name="steel")
    panel.add_layer.click()
    assert panel.table.keys == ("steel.tif",)
    assert panel.session.workspace.shown.image is layer
    assert [x.name for x in viewer.layers] == ["steel", PAINTED]


def test_adding_what_is_no_image_says_why(panel, tmp_path, monkeypatch):
    problems = said(panel)
    panel.add_layer.click()
    assert "There is no image layer" in problems[0]
    choose(monkeypatch, tmp_path)
    panel.session.viewer.add_points([[1, 1]])
    panel.add_layer.click()
    assert problems[1].startswith('"Points" is not an image layer')
    assert panel.session.workspace.project is None


# Layers that the user deletes.


@pytest.mark.parametrize("what", ["image", "all", "selected"])
def test_deleting_layers_saves_the_strokes_and_leaves_the_image(opened, qtbot, folder, what):
    viewer, workspace = opened.session.viewer, opened.session.workspace
    heard = []
    workspace.said.connect(heard.append)
    stroke(opened)
    shown = workspace.shown
    if what == "all":
        viewer.layers.clear()
    elif what == "selected":
        viewer.layers.selection = set(viewer.layers)
        viewer.layers.remove_selected()
    else:
        viewer.layers.remove(shown.image)
    qtbot.waitUntil(lambda: workspace.shown is None)
    assert len(heard) == 1
    assert "a1.tif is closed, since its layer was deleted" in heard[0]
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1
    assert rows(opened)["a1.tif"] == "saved"
    assert opened.table.current is None
    assert len(viewer.layers) == 0
    assert workspace.show_image("a1.tif")
    assert workspace.shown.painted.data[20, 30] == 1


def test_the_painted_labels_come_back_when_they_are_deleted(opened, qtbot, folder):
    viewer, workspace = opened.session.viewer, opened.session.workspace
    heard = []
    workspace.said.connect(heard.append)
    layer = stroke(opened)
    for times in (1, 2):
        viewer.layers.remove(layer)
        qtbot.waitUntil(lambda: layer in viewer.layers)
        assert len(heard) == times
        assert "is back: it holds the strokes on a1.tif" in heard[-1]
        assert workspace.shown.painted is layer
    layer.undo()
    assert not layer.data.any()
    stroke(opened, 40, 50)
    qtbot.waitUntil(lambda: is_saved(opened), timeout=10_000)
    assert labels_on_disk(folder, "a1.tif")[40, 50] == 1


def test_deleting_the_segmentation_or_the_line_leaves_the_image_open(opened):
    viewer, session = opened.session.viewer, opened.session
    mask = np.ones(SIZE, np.uint8)
    session.workspace.project.save_mask("a1.tif", mask)
    session.results.take_over("a1.tif", mask)
    opened.facts.has_bar.click()
    for title in (SEGMENTATION, "info bar"):
        viewer.layers.remove(viewer.layers[title])
        assert title not in session.workspace.shown.extra
    assert session.workspace.shown is not None
    session.results.clean(Cleaning(smallest_region=5, largest_hole=5))
    assert SEGMENTATION in names_of_layers(opened)


def test_a_users_image_that_is_deleted_is_read_from_the_folder_next_time(opened, qtbot):
    viewer, workspace = opened.session.viewer, opened.session.workspace
    layer = viewer.add_image(random.integers(0, 250, (64, 80), dtype=np.uint8), name="mine")
    opened.add_layer.click()
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: workspace.shown is None)
    assert workspace.show_image("mine.tif")
    assert isinstance(workspace.shown.image, Image)
    assert workspace.shown.own_image


def test_an_image_that_vanishes_is_reported_and_the_shown_one_stays(opened, folder):
    problems = said(opened)
    (folder / "a2.tif").unlink()
    stroke(opened)
    assert not opened.session.workspace.show_image("a2.tif")
    assert len(problems) == 1
    assert opened.table.current == "a1.tif"
    assert opened.session.workspace.shown.painted.data.any()


def test_labels_of_another_size_are_refused(panel, folder):
    project = Project.open(folder)
    project.save_labels("a1.tif", np.ones(SIZE, np.uint8))
    tifffile.imwrite(folder / "a1.tif", random.integers(0, 200, (70, 70), dtype=np.uint8))
    problems = said(panel)
    panel.session.workspace.open([folder])
    assert len(problems) == 1
    assert "70 x 70" in problems[0]
    assert panel.session.workspace.shown.name == "a2.tif"  # the first that can be shown


def test_switching_back_and_forth_keeps_every_stroke(opened):
    workspace = opened.session.workspace
    for number, name in enumerate(NAMES):
        workspace.show_image(name)
        stroke(opened, 20 + number, 30)
        assert not is_saved(opened)
    for number, name in enumerate(NAMES):
        workspace.show_image(name)
        assert workspace.shown.painted.data[20 + number, 30] == 1
    assert len(opened.session.viewer.layers) == 2


def test_napari_tidies_up_once_for_an_image_however_many_layers_it_has(opened, monkeypatch):
    workspace = opened.session.workspace
    workspace.project.save_mask("a1.tif", np.ones(SIZE, np.uint8))
    workspace.show_image(NAMES[1])
    workspace.show_image("a1.tif")
    assert len(opened.session.viewer.layers) == 3
    times = []
    canvas = opened.session.viewer.window._qt_viewer.canvas
    tidy = canvas._clean_and_update_scenegraph
    monkeypatch.setattr(canvas, "_clean_and_update_scenegraph", lambda: (times.append(1), tidy()))
    workspace.show_image(NAMES[1])
    assert len(times) == 1
