"""Stepping through a folder: what stays as it was, and what can't be read is passed."""

import numpy as np
import pytest
from desk import NAMES, SIZE, docked, key, labels_on_disk, rows, said, stroke, write_folder
from qtpy.QtCore import Qt

from napari_matssl.export.masks import write_mask
from napari_matssl.widgets.canvas.shown import SEGMENTATION
from napari_matssl.widgets.controls.image_rows import IMAGE


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "steel")


@pytest.fixture
def panel(make_napari_viewer, folder):
    panel = docked(make_napari_viewer(show=True))
    assert panel.session.workspace.open([folder])
    return panel


def damage(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"II*\0 no more than this")


def layer(panel):
    return panel.session.workspace.shown.painted


# There and back.


def test_strokes_can_be_undone_after_another_image_was_shown(panel):
    workspace = panel.session.workspace
    stroke(panel, 20, 30, 1)
    once = layer(panel).data.copy()
    stroke(panel, 60, 60, 2)
    twice = layer(panel).data.copy()
    workspace.step(1)
    stroke(panel, 40, 40, 2)
    workspace.step(-1)
    layer(panel).undo()
    assert np.array_equal(layer(panel).data, once)
    layer(panel).redo()
    assert np.array_equal(layer(panel).data, twice)
    layer(panel).undo()
    layer(panel).undo()
    assert not layer(panel).data.any()
    workspace.flush()
    assert labels_on_disk(workspace.project.folder, "a1.tif") is None


def test_what_was_undone_can_be_redone_after_another_image_was_shown(panel):
    stroke(panel, 20, 30, 1)
    painted = layer(panel).data.copy()
    layer(panel).undo()
    panel.session.workspace.step(1)
    panel.session.workspace.step(-1)
    layer(panel).redo()
    assert np.array_equal(layer(panel).data, painted)


def test_strokes_that_became_others_meanwhile_are_not_undone_into_a_mixture(panel):
    workspace = panel.session.workspace
    stroke(panel, 20, 30, 1)
    workspace.step(1)
    other = np.zeros(SIZE, np.uint8)
    other[50:60] = 2
    write_mask(workspace.project.label_path("a1.tif"), other, workspace.project.table)
    workspace.step(-1)
    layer(panel).undo()
    assert np.array_equal(layer(panel).data, other)


def test_brush_and_hidden_layers_stay_as_they_are(panel):
    workspace = panel.session.workspace
    for name in NAMES[:2]:
        workspace.project.save_mask(name, np.ones(SIZE, np.uint8))
    workspace.step(1)
    shown = workspace.shown
    shown.painted.brush_size = 37
    shown.painted.opacity = 0.4
    shown.extra[SEGMENTATION].visible = False
    shown.extra[SEGMENTATION].contour = 2
    for step in (-1, 1):
        workspace.step(step)
        again = workspace.shown
        assert again is not shown
        assert (again.painted.brush_size, again.painted.opacity) == (37, 0.4)
        assert again.painted.visible
        assert not again.extra[SEGMENTATION].visible
        assert again.extra[SEGMENTATION].contour == 2


def test_a_new_segmentation_is_shown_though_the_last_one_was_hidden(panel):
    workspace = panel.session.workspace
    mask = np.ones(SIZE, np.uint8)
    workspace.project.save_mask("a1.tif", mask)
    panel.session.results.take_over("a1.tif", mask)
    workspace.shown.extra[SEGMENTATION].visible = False
    workspace.step(1)
    workspace.project.save_mask("a2.tif", mask)
    panel.session.results.take_over("a2.tif", mask)
    assert workspace.shown.extra[SEGMENTATION].visible


# Images that can't be read.


def test_a_and_d_pass_an_image_that_cant_be_read(panel, folder, qtbot):
    problems = said(panel)
    damage(folder, "a2.tif")
    viewer, workspace = panel.session.viewer, panel.session.workspace
    for which, name in (("D", "a10.tif"), ("A", "a1.tif"), ("D", "a10.tif")):
        key(qtbot, viewer, getattr(Qt.Key, f"Key_{which}"))
        assert workspace.shown.name == name
    assert len(problems) == 1
    assert "a2.tif" in problems[0]


def test_an_image_that_cant_be_read_is_marked_with_its_reason(panel, folder, qtbot):
    damage(folder, "a2.tif")
    panel.session.workspace.step(1)
    assert rows(panel)["a2.tif"] == "can't be read"
    model = panel.table.model()
    tip = model.index(panel.table.keys.index("a2.tif"), IMAGE).data(Qt.ItemDataRole.ToolTipRole)
    assert "a2.tif" in tip
    assert len(tip) > 40


def test_damaged_labels_are_passed_and_marked_too(panel, folder, qtbot):
    (folder / "matssl" / "labels").mkdir(parents=True)
    (folder / "matssl" / "labels" / "a2.png").write_bytes(b"no image")
    panel.session.workspace.step(1)
    assert panel.session.workspace.shown.name == "a10.tif"
    assert rows(panel)["a2.tif"] == "can't be read"


def test_a_last_image_that_cant_be_read_leaves_the_one_before(panel, folder):
    damage(folder, "a2.tif", "a10.tif")
    panel.session.workspace.step(1)
    panel.session.workspace.step(1)
    assert panel.session.workspace.shown.name == "a1.tif"


def test_a_folder_whose_first_images_cant_be_read_opens_at_the_first_that_can(
    make_napari_viewer, folder
):
    damage(folder, "a1.tif", "a2.tif")
    panel = docked(make_napari_viewer(show=True))
    problems = said(panel)
    assert panel.session.workspace.open([folder])
    assert panel.session.workspace.shown.name == panel.table.current == "a10.tif"
    assert len(panel.session.viewer.layers) == 2
    assert "a1.tif" in problems[0]


def test_an_image_that_was_repaired_opens_again(panel, folder):
    whole = (folder / "a2.tif").read_bytes()
    damage(folder, "a2.tif")
    workspace = panel.session.workspace
    workspace.step(1)
    (folder / "a2.tif").write_bytes(whole)
    assert workspace.show_image("a2.tif")
    workspace.step(-1)
    workspace.step(1)
    assert workspace.shown.name == "a2.tif"


# All strokes of an image.


def test_the_strokes_of_the_shown_image_are_cleared_and_come_back(panel):
    stroke(panel, 20, 30, 1)
    stroke(panel, 60, 60, 2)
    painted = layer(panel).data.copy()
    actions = {one.text(): one for one in panel.menu(["a1.tif"]).actions()}
    actions["Clear the strokes"].trigger()
    assert not layer(panel).data.any()
    layer(panel).undo()
    assert np.array_equal(layer(panel).data, painted)
    assert "Clear the strokes" not in [one.text() for one in panel.menu(["a2.tif"]).actions()]
