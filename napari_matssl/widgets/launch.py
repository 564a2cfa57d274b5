"""Opening napari with the panels docked, from the command line and from scripts."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_matssl.errors import MatSSLError, OutputError
from napari_matssl.files import check_writable_folder
from napari_matssl.project.first_look import find_images
from napari_matssl.project.own_folder import FOLDER
from napari_matssl.project.planes import PLANES, plane_files

if TYPE_CHECKING:
    import napari

_WIDTH, _HEIGHT = 1600, 1000
"""Of the first window, px, where the screen has room."""

_FRAME = 20
"""Of a window, at each side, px."""

_OPENGL = (2, 0)
"""The oldest version with which micrographs were drawn."""

_INSTALL = 'Install napari and Qt: pip install "napari-matssl[pyqt6]" (or [pyside6], [pyqt5]).'


def check_window() -> None:
    """Find out before anything else is done whether a window can be opened.

    Raises
    ------
    MatSSLError
        If napari or Qt is not installed, or there is no screen.
    """
    try:
        import napari  # noqa: F401
        import qtpy.QtWidgets  # noqa: F401
    except ImportError as error:
        raise MatSSLError(f"napari can't open a window: {error}.", _INSTALL) from error
    # Without a screen, Qt aborts the process.
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, screens)):
        raise MatSSLError(
            "napari can't open a window: there is no screen (DISPLAY is not set).",
            "Run this on a desktop, or over ssh -X.",
        )


def check_home() -> None:
    """Find out before napari is imported whether it can write icons and settings, else it fails.

    Raises
    ------
    OutputError
        If a folder for them can't be written.
    """
    if not sys.platform.startswith("linux"):
        return
    places = {"XDG_CACHE_HOME": ".cache"}
    if not os.environ.get("NAPARI_CONFIG"):
        places["XDG_CONFIG_HOME"] = ".config"
    for name, usual in places.items():
        try:
            check_writable_folder(Path(os.environ.get(name) or Path.home() / usual) / "napari")
        except OutputError as error:
            raise OutputError(
                f"napari can't keep its icons or settings: {error}",
                f"Name a folder that can be written by {name}.",
            ) from error


def check_opengl() -> None:
    """Find out before a window opens whether images can be drawn in it.

    Raises
    ------
    MatSSLError
        If the screen has no OpenGL that napari can use, or only an older one.
    """
    from napari.qt import get_qapp

    get_qapp()
    found = _opengl()
    if found < _OPENGL:
        older = f"OpenGL {found[0]}.{found[1]} only" if found[0] else "no OpenGL that it can use"
        raise MatSSLError(
            f"napari can't draw images: this screen has {older}.",
            "Install the driver of the graphics card, or on Linux Mesa (Debian: libgl1-mesa-dri); "
            "from afar, use a remote desktop that has OpenGL. The commands need no screen.",
        )


def _opengl() -> tuple[int, int]:
    """Return the version of OpenGL, as napari's library sees it; 0 if there is none."""
    from OpenGL import GL, contextdata
    from OpenGL.error import Error
    from qtpy.QtGui import QOffscreenSurface, QOpenGLContext

    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    found = (0, 0)
    if context.create() and context.makeCurrent(surface):
        try:
            contextdata.getContext()  # as it draws
            version = (GL.glGetString(GL.GL_VERSION) or b"").decode()
        except Error:  # Qt draws by another way to the screen than the library
            version = ""
        if number := re.search(r"(\d+)\.(\d+)", version):
            found = (int(number[1]), int(number[2]))
        context.doneCurrent()
    surface.destroy()
    return found


def open_viewer(folder: Path | None = None) -> "napari.Viewer":
    """Open napari with all panels docked, and a folder of micrographs in them.

    Raises
    ------
    MatSSLError
        If no window can be opened, or none can be drawn in.
    OutputError
        If napari can't write its icons or settings.
    InputError
        If there is no such folder, or no image in it.
    """
    check_window()
    check_home()
    if folder is not None:
        # Reports errors in the terminal, not in a window.
        find_images(folder, (), plane_files(folder / FOLDER / PLANES))
    import napari

    from napari_matssl.widgets.reader import SHELL_NAME
    from napari_matssl.widgets.shell import MatSSLWidget

    check_opengl()
    viewer = napari.Viewer()
    shell = MatSSLWidget(viewer)
    viewer.window.add_dock_widget(shell, name=SHELL_NAME)
    _enlarge(viewer)
    if folder is not None:
        shell.open_paths([folder])
    return viewer


def _enlarge(viewer: "napari.Viewer") -> None:
    """Enlarge a new window to hold image, layers and panels."""
    from napari.settings import get_settings

    from napari_matssl.widgets.napari_private import main_window

    if get_settings().application.window_size is not None:
        return
    window = main_window(viewer)
    room = window.screen().availableGeometry()
    width = max(window.width(), min(_WIDTH, room.width() - _FRAME))
    height = max(window.height(), min(_HEIGHT, room.height() - 2 * _FRAME))
    window.setGeometry(
        room.x() + (room.width() - width) // 2,
        room.y() + (room.height() - height + _FRAME) // 2,
        width,
        height,
    )


def run_viewer(folder: Path | None = None) -> None:
    """Open napari with all panels docked, and return when its window is closed.

    Raises
    ------
    MatSSLError, InputError
        As :func:`open_viewer` raises them.
    """
    open_viewer(folder)
    import napari

    napari.run()
