"""The parts of napari that aren't public: this fails first where a new napari changes them."""

import re
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

import napari_matssl.widgets
from napari_matssl.widgets import napari_private

WIDGETS = Path(napari_matssl.widgets.__file__).parent
PRIVATE = re.compile(
    r"\b(?:window|viewer|canvas|layer|backend|overlays|painted)\._[a-z]|napari(?:\.\w+)*\._"
)


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer(show=True)
    made.add_image(np.zeros((32, 32), np.uint8))
    return made


@pytest.mark.parametrize("path", sorted(WIDGETS.rglob("*.py")), ids=lambda p: p.stem)
def test_no_other_module_uses_what_is_not_public(path):
    found = [line for line in path.read_text("utf-8").splitlines() if PRIVATE.search(line)]
    assert bool(found) == (path.stem == "napari_private"), found


def test_the_parts_of_the_window_are_there(viewer):
    window = napari_private.main_window(viewer)
    assert isinstance(window, QMainWindow)
    for part in (napari_private.viewer_widget(viewer), napari_private.canvas_widget(viewer)):
        assert isinstance(part, QWidget)
        assert part.window() is window
    docks = napari_private.layer_docks(viewer)
    assert all(isinstance(dock, QDockWidget) for dock in docks)
    assert [dock.windowTitle() for dock in docks] == ["layer list", "layer controls"]


def test_a_closed_window_is_told(make_napari_viewer):
    viewer = make_napari_viewer()
    assert napari_private.has_window(viewer)
    viewer.close()
    assert not napari_private.has_window(viewer)


def test_a_place_of_the_image_is_found_on_the_canvas(viewer):
    view = napari_private.place_on_canvas(viewer)
    transform = view.transform * view.scene.transform
    zoom = napari_private.scene_of(viewer).camera.zoom
    left, right = (transform.map([column, 0])[:2] for column in (0, 10))
    assert right[0] - left[0] == pytest.approx(10 * zoom, rel=1e-3)


def test_a_removed_layer_is_freed_in_the_context_of_the_canvas(viewer, monkeypatch):
    napari_private.keep_canvas_alive(viewer)
    made_current = []
    canvas = napari_private.canvas_widget(viewer)
    monkeypatch.setattr(canvas, "makeCurrent", lambda: made_current.append(1), raising=False)
    viewer.layers.clear()
    assert made_current


def test_the_brush_has_no_box(viewer):
    overlays = viewer.canvas.overlays
    assert overlays._brush_circle.box
    napari_private.take_box_off_brush(viewer)
    assert not overlays._brush_circle.box


def test_a_move_without_a_button_draws_nothing_and_one_with_it_draws(viewer):
    labels = viewer.add_labels(np.zeros((32, 32), np.uint8))
    labels.mode, labels.brush_size, labels.selected_label = "paint", 1, 3
    canvas = napari_private.canvas_widget(viewer)
    middle = QPointF(canvas.width() / 2, canvas.height() / 2)
    aside = middle + QPointF(6 * napari_private.scene_of(viewer).camera.zoom, 0)
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier

    def event(kind, place):
        return QMouseEvent(
            kind, place, QPointF(canvas.mapToGlobal(place.toPoint())), left, left, none
        )

    assert not napari_private.move_mouse_to(viewer, event(QEvent.Type.MouseMove, middle))
    canvas.mousePressEvent(event(QEvent.Type.MouseButtonPress, middle))
    before = (labels.data == 3).sum()
    assert before > 0
    assert napari_private.move_mouse_to(viewer, event(QEvent.Type.MouseMove, aside))
    assert (labels.data == 3).sum() > before + 3
    canvas.mouseReleaseEvent(event(QEvent.Type.MouseButtonRelease, aside))


def test_a_layer_names_the_file_that_it_was_opened_from(viewer):
    data = (np.zeros((4, 4)), {"name": "a"}, "image")
    napari_private.add_as_opened(viewer, "a.tif", data)
    assert viewer.layers["a"].source.path == "a.tif"


def test_a_history_goes_on_with_another_layer(viewer):
    first = viewer.add_labels(np.zeros((8, 8), np.uint8))
    first.data_setitem((np.array([2]), np.array([3])), 5)
    undo, redo = napari_private.history_of(first)
    assert len(undo) == 1
    assert not redo
    second = viewer.add_labels(first.data.copy())
    napari_private.give_history(second, undo, redo)
    second.undo()
    assert not second.data.any()
    second.redo()
    assert second.data[2, 3] == 5


def test_a_shape_is_not_dragged_by_napari(viewer):
    shapes = viewer.add_shapes([np.array([[4, 4], [4, 20]])], shape_type="line")
    assert isinstance(shapes, Shapes)
    shapes.mode = "select"
    assert shapes.mouse_drag_callbacks
    napari_private.without_own_drag(shapes)
    assert not shapes.mouse_drag_callbacks


def test_a_spinner_is_found_while_it_turns(viewer, qtbot):
    from napari.utils import progress

    with progress(total=3):
        qtbot.waitUntil(lambda: len(napari_private.running_spinners()) > 0)
    qtbot.waitUntil(lambda: not napari_private.running_spinners())
