"""Keeping napari's canvas alive while layers come and go."""

from napari.viewer import Viewer


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
