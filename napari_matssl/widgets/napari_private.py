"""The parts of napari that are used though they aren't public, in one place.

Everywhere else, napari is used by its public names alone; a test holds the modules to it. What each
is needed for, and what to wish of napari instead, stands in docs/upstream.md.
"""

from collections.abc import Iterable
from typing import Any, cast

from napari.layers import Labels, Layer, Shapes
from napari.layers._source import layer_source
from napari.viewer import Viewer
from qtpy.QtGui import QMouseEvent, QMovie
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QMainWindow, QWidget
from vispy.app.canvas import MouseEvent


def main_window(viewer: Viewer) -> QMainWindow:
    """Return the window of a viewer. A stored reference would outlive it."""
    return cast(QMainWindow, viewer.window._qt_window)


def has_window(viewer: Viewer) -> bool:
    """Whether the window has not been closed."""
    return hasattr(viewer.window, "_qt_window")


def viewer_widget(viewer: Viewer) -> QWidget:
    """Return the widget in the middle of the window, around the canvas."""
    return cast(QWidget, viewer.window._qt_viewer)


def canvas_widget(viewer: Viewer) -> QWidget:
    """Return the widget on which layers are drawn."""
    return cast(QWidget, viewer.window._qt_viewer.canvas.native)


def place_on_canvas(viewer: Viewer) -> Any:
    """Return vispy's view, whose transform leads from the scene to pixels of the canvas."""
    return viewer.window._qt_viewer.canvas.view


def scene_of(viewer: Viewer) -> Any:
    """Return what holds the camera: the scene, or the viewer itself before napari 0.9."""
    return getattr(viewer, "scene", viewer)


def layer_docks(viewer: Viewer) -> tuple[QDockWidget, QDockWidget]:
    """Return napari's docks of the layer list and of the layer's controls."""
    widget = viewer.window._qt_viewer
    return widget.dockLayerList, widget.dockLayerControls


def keep_canvas_alive(viewer: Viewer) -> None:
    """Let napari free what a removed layer drew with in the OpenGL context that it belongs to.

    napari 0.9 frees buffers and textures in whatever context is current. With PyQt6 that may be
    another one than the canvas's, after which the next drawing ends the process.
    """
    canvas = viewer.window._qt_viewer.canvas
    clean = getattr(canvas, "_clean_and_update_scenegraph", None)
    if clean is None:  # this version of napari frees nothing by itself
        return

    def clean_in_context() -> None:
        canvas.native.makeCurrent()
        clean()

    canvas._clean_and_update_scenegraph = clean_in_context


def take_box_off_brush(viewer: Viewer) -> None:
    """Take away the box behind the brush's circle.

    napari 0.9 gives every overlay a box of the canvas's colour. Beside a scale bar this one is
    drawn, too: a black square over what is painted, which stays where the mouse left the canvas.
    """
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", None)
    if overlays is not None and "box" in type(overlays._brush_circle).model_fields:
        overlays._brush_circle.box = False


def move_mouse_to(viewer: Viewer, event: QMouseEvent) -> bool:
    """Let napari draw up to a point at once, as if the mouse had moved there.

    Returns
    -------
    Whether a button is down, so that something was drawn.
    """
    canvas = viewer.window._qt_viewer.canvas
    backend = canvas.native
    known = backend._vispy_mouse_data
    if known["press_event"] is None:
        return False
    place = event.pos()
    move = MouseEvent(
        "mouse_move",
        native=event,
        pos=(place.x(), place.y()),
        button=known["press_event"].button,
        buttons=[1],
        modifiers=backend._modifiers(event),
        press_event=known["press_event"],
        last_event=known["press_event"],
    )
    canvas._on_mouse_move(move)
    return True


def without_own_drag(layer: Shapes) -> None:
    """Take away what napari does by itself when a shape of a layer is dragged in its mode."""
    drag = layer._drag_modes[layer._mode]
    if drag in layer.mouse_drag_callbacks:
        layer.mouse_drag_callbacks.remove(drag)


def add_as_opened(viewer: Viewer, path: str, data: tuple[Any, ...]) -> None:
    """Add a layer as if napari had opened its file: ``layer.source`` names it."""
    with layer_source(path=path):
        viewer.add_layer(Layer.create(*data))


def history_of(labels: Labels) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return what can be undone and what can be redone, the oldest first."""
    labels._commit_staged_history()
    return tuple(labels._undo_history), tuple(labels._redo_history)


def give_history(labels: Labels, undo: Iterable[Any], redo: Iterable[Any]) -> None:
    """Add what can be undone and redone; pixels have to be those to which it belongs."""
    labels._undo_history.extend(undo)
    labels._redo_history.extend(redo)


def forget_history(labels: Labels) -> None:
    """Drop what can be undone and redone: it belongs to other pixels."""
    labels._reset_history()


def running_spinners() -> list[QMovie]:
    """Return the spinners of all windows that turn."""
    from napari._qt.dialogs.qt_activity_dialog import ActivityToggleItem

    found = []
    for window in QApplication.topLevelWidgets():
        for item in window.findChildren(ActivityToggleItem):
            movies = [label.movie() for label in item.findChildren(QLabel)]
            found += [m for m in movies if m is not None and m.state() == m.MovieState.Running]
    return found
