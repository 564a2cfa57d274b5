"""Keeping napari's canvas alive while layers come and go."""

from napari.utils.events import Event


def keep_canvas_alive(viewer) -> None:
    """Make the canvas's OpenGL context current before napari frees what a removed layer drew with.

    napari 0.9 frees buffers and textures in whatever context is current. With PyQt6 that is
    another one than the canvas's, and the next drawing ends the process.
    """
    canvas = viewer.window._qt_viewer.canvas.native

    def make_current(_event: Event) -> None:
        canvas.makeCurrent()

    for event in (viewer.layers.events.removed, viewer.layers.events.end_batch):
        event.connect(make_current)  # called before napari's own: the last to connect comes first
