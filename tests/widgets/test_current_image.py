"""The image that is shown, its layers and strokes, through a real viewer."""

import numpy as np
import pytest
import tifffile
from desk import (
    NAMES,
    SIZE,
    is_saved,
    labels_on_disk,
    rows,
    said,
    stroke,
)
from napari.layers import Image

from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning
from napari_matssl.widgets.canvas.shown import SEGMENTATION

random = np.random.default_rng(1)


def names_of_layers(empty_panel):
    return [layer.name for layer in empty_panel.session.viewer.layers]


@pytest.mark.parametrize("what", ["image", "all", "selected"])
def test_deleting_layers_saves_the_strokes_and_leaves_the_image(panel, qtbot, folder, what):
    session = panel.session
    viewer = session.viewer
    heard = []
    session.notices.remarked.connect(heard.append)
    stroke(panel)
    shown = session.current.shown
    if what == "all":
        viewer.layers.clear()
    elif what == "selected":
        viewer.layers.selection = set(viewer.layers)
        viewer.layers.remove_selected()
    else:
        viewer.layers.remove(shown.image)
    qtbot.waitUntil(lambda: session.current.shown is None)
    assert len(heard) == 1
    assert "a1.tif is closed, since its layer was deleted" in heard[0]
    assert labels_on_disk(folder, "a1.tif")[20, 30] == 1
    assert rows(panel)["a1.tif"] == "saved"
    assert panel.table.current is None
    assert len(viewer.layers) == 0
    assert session.current.show("a1.tif")
    assert session.current.shown.painted.data[20, 30] == 1


def test_the_painted_labels_come_back_when_they_are_deleted(panel, qtbot, folder):
    session = panel.session
    viewer = session.viewer
    heard = []
    session.notices.remarked.connect(heard.append)
    layer = stroke(panel)
    for times in (1, 2):
        viewer.layers.remove(layer)
        qtbot.waitUntil(lambda: layer in viewer.layers)
        assert len(heard) == times
        assert "is back: it holds the strokes on a1.tif" in heard[-1]
        assert session.current.shown.painted is layer
    layer.undo()
    assert not layer.data.any()
    stroke(panel, 40, 50)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=10_000)
    assert labels_on_disk(folder, "a1.tif")[40, 50] == 1


def test_deleting_the_segmentation_or_the_line_leaves_the_image_open(panel):
    session = panel.session
    viewer = session.viewer
    mask = np.ones(SIZE, np.uint8)
    session.folder.project.masks.write("a1.tif", mask)
    session.results.take_over("a1.tif", mask)
    panel.facts.has_bar.click()
    for title in (SEGMENTATION, "info bar"):
        viewer.layers.remove(viewer.layers[title])
        assert title not in session.current.shown.extra
    assert session.current.shown is not None
    session.results.clean(Cleaning(smallest_region=5, largest_hole=5))
    assert SEGMENTATION in names_of_layers(panel)


def test_a_users_image_that_is_deleted_is_read_from_the_folder_next_time(panel, qtbot):
    session = panel.session
    viewer = session.viewer
    layer = viewer.add_image(random.integers(0, 250, (64, 80), dtype=np.uint8), name="mine")
    panel.opening.add_layer.click()
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: session.current.shown is None)
    assert session.current.show("mine.tif")
    assert isinstance(session.current.shown.image, Image)
    assert session.current.shown.own_image


def test_an_image_that_vanishes_is_reported_and_the_shown_one_stays(panel, folder):
    problems = said(panel)
    (folder / "a2.tif").unlink()
    stroke(panel)
    assert not panel.session.current.show("a2.tif")
    assert len(problems) == 1
    assert panel.table.current == "a1.tif"
    assert panel.session.current.shown.painted.data.any()


def test_labels_of_another_size_are_refused(empty_panel, folder):
    project = Project(folder)
    project.labels.write("a1.tif", np.ones(SIZE, np.uint8))
    tifffile.imwrite(folder / "a1.tif", random.integers(0, 200, (70, 70), dtype=np.uint8))
    problems = said(empty_panel)
    empty_panel.session.folder.open([folder])
    assert len(problems) == 1
    assert "70 x 70" in problems[0]
    assert empty_panel.session.current.shown.name == "a2.tif"  # the first that can be shown


def test_switching_back_and_forth_keeps_every_stroke(panel):
    session = panel.session
    for number, name in enumerate(NAMES):
        session.current.show(name)
        stroke(panel, 20 + number, 30)
        assert not is_saved(panel)
    for number, name in enumerate(NAMES):
        session.current.show(name)
        assert session.current.shown.painted.data[20 + number, 30] == 1
    assert len(panel.session.viewer.layers) == 2


def test_napari_tidies_up_once_for_an_image_however_many_layers_it_has(panel, monkeypatch):
    session = panel.session
    session.folder.project.masks.write("a1.tif", np.ones(SIZE, np.uint8))
    session.current.show(NAMES[1])
    session.current.show("a1.tif")
    assert len(panel.session.viewer.layers) == 3
    times = []
    canvas = panel.session.viewer.window._qt_viewer.canvas
    tidy = canvas._clean_and_update_scenegraph
    monkeypatch.setattr(canvas, "_clean_and_update_scenegraph", lambda: (times.append(1), tidy()))
    session.current.show(NAMES[1])
    assert len(times) == 1
