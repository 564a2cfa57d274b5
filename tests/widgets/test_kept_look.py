"""Stepping through a folder: what stays as it was, and what can't be read is passed."""

import numpy as np
from desk import NAMES, SIZE, docked, key, labels_on_disk, menu_of, rows, said, stroke
from qtpy.QtCore import Qt

from napari_matssl.export.masks import write_mask
from napari_matssl.widgets.canvas.shown import SEGMENTATION
from napari_matssl.widgets.controls.image_rows import IMAGE


def damage(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"II*\0 no more than this")


def layer(panel):
    return panel.session.current.shown.painted


# There and back.


def test_strokes_can_be_undone_after_another_image_was_shown(panel):
    session = panel.session
    stroke(panel, 20, 30, 1)
    once = layer(panel).data.copy()
    stroke(panel, 60, 60, 2)
    twice = layer(panel).data.copy()
    session.current.step(1)
    stroke(panel, 40, 40, 2)
    session.current.step(-1)
    layer(panel).undo()
    assert np.array_equal(layer(panel).data, once)
    layer(panel).redo()
    assert np.array_equal(layer(panel).data, twice)
    layer(panel).undo()
    layer(panel).undo()
    assert not layer(panel).data.any()
    session.current.flush()
    assert labels_on_disk(session.folder.project.folder, "a1.tif") is None


def test_what_was_undone_can_be_redone_after_another_image_was_shown(panel):
    stroke(panel, 20, 30, 1)
    painted = layer(panel).data.copy()
    layer(panel).undo()
    panel.session.current.step(1)
    panel.session.current.step(-1)
    layer(panel).redo()
    assert np.array_equal(layer(panel).data, painted)


def test_strokes_that_became_others_meanwhile_are_not_undone_into_a_mixture(panel):
    session = panel.session
    stroke(panel, 20, 30, 1)
    session.current.step(1)
    other = np.zeros(SIZE, np.uint8)
    other[50:60] = 2
    write_mask(
        session.folder.project.labels.path("a1.tif"), other, session.folder.project.classes.table
    )
    session.current.step(-1)
    layer(panel).undo()
    assert np.array_equal(layer(panel).data, other)


def test_brush_and_hidden_layers_stay_as_they_are(panel):
    session = panel.session
    for name in NAMES[:2]:
        session.folder.project.masks.write(name, np.ones(SIZE, np.uint8))
    session.current.step(1)
    shown = session.current.shown
    shown.painted.brush_size = 37
    shown.painted.opacity = 0.4
    shown.extra[SEGMENTATION].visible = False
    shown.extra[SEGMENTATION].contour = 2
    for step in (-1, 1):
        session.current.step(step)
        again = session.current.shown
        assert again is not shown
        assert (again.painted.brush_size, again.painted.opacity) == (37, 0.4)
        assert again.painted.visible
        assert not again.extra[SEGMENTATION].visible
        assert again.extra[SEGMENTATION].contour == 2


def test_a_new_segmentation_is_shown_though_the_last_one_was_hidden(panel):
    session = panel.session
    mask = np.ones(SIZE, np.uint8)
    session.folder.project.masks.write("a1.tif", mask)
    panel.session.results.take_over("a1.tif", mask)
    session.current.shown.extra[SEGMENTATION].visible = False
    session.current.step(1)
    session.folder.project.masks.write("a2.tif", mask)
    panel.session.results.take_over("a2.tif", mask)
    assert session.current.shown.extra[SEGMENTATION].visible


# Images that can't be read.


def test_a_and_d_pass_an_image_that_cant_be_read(panel, folder, qtbot):
    problems = said(panel)
    damage(folder, "a2.tif")
    session = panel.session
    viewer = session.viewer
    for which, name in (("D", "a10.tif"), ("A", "a1.tif"), ("D", "a10.tif")):
        key(qtbot, viewer, getattr(Qt.Key, f"Key_{which}"))
        assert session.current.shown.name == name
    assert len(problems) == 1
    assert "a2.tif" in problems[0]


def test_an_image_that_cant_be_read_is_marked_with_its_reason(panel, folder, qtbot):
    damage(folder, "a2.tif")
    panel.session.current.step(1)
    assert rows(panel)["a2.tif"] == "can't be read"
    model = panel.table.model()
    tip = model.index(panel.table.keys.index("a2.tif"), IMAGE).data(Qt.ItemDataRole.ToolTipRole)
    assert "a2.tif" in tip
    assert len(tip) > 40


def test_damaged_labels_are_passed_and_marked_too(panel, folder, qtbot):
    (folder / "matssl" / "labels").mkdir(parents=True)
    (folder / "matssl" / "labels" / "a2.png").write_bytes(b"no image")
    panel.session.current.step(1)
    assert panel.session.current.shown.name == "a10.tif"
    assert rows(panel)["a2.tif"] == "can't be read"


def test_a_last_image_that_cant_be_read_leaves_the_one_before(panel, folder):
    damage(folder, "a2.tif", "a10.tif")
    panel.session.current.step(1)
    panel.session.current.step(1)
    assert panel.session.current.shown.name == "a1.tif"


def test_a_folder_whose_first_images_cant_be_read_opens_at_the_first_that_can(
    make_napari_viewer, folder
):
    damage(folder, "a1.tif", "a2.tif")
    panel = docked(make_napari_viewer(show=True))
    problems = said(panel)
    assert panel.session.folder.open([folder])
    assert panel.session.current.shown.name == panel.table.current == "a10.tif"
    assert len(panel.session.viewer.layers) == 2
    assert "a1.tif" in problems[0]


def test_an_image_that_was_repaired_opens_again(panel, folder):
    whole = (folder / "a2.tif").read_bytes()
    damage(folder, "a2.tif")
    session = panel.session
    session.current.step(1)
    (folder / "a2.tif").write_bytes(whole)
    assert session.current.show("a2.tif")
    session.current.step(-1)
    session.current.step(1)
    assert session.current.shown.name == "a2.tif"


# All strokes of an image.


def test_the_strokes_of_the_shown_image_are_cleared_and_come_back(panel):
    stroke(panel, 20, 30, 1)
    stroke(panel, 60, 60, 2)
    painted = layer(panel).data.copy()
    actions = {one.text(): one for one in menu_of(panel, ["a1.tif"]).actions()}
    actions["Clear the strokes"].trigger()
    assert not layer(panel).data.any()
    layer(panel).undo()
    assert np.array_equal(layer(panel).data, painted)
    assert "Clear the strokes" not in [one.text() for one in menu_of(panel, ["a2.tif"]).actions()]
