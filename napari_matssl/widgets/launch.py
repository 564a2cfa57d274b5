"""Opening napari with the panels docked, from the command line and from scripts."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_matssl.errors import MatSSLError
from napari_matssl.project.first_look import find_images
from napari_matssl.project.own_folder import FOLDER
from napari_matssl.project.planes import PLANES, plane_files

if TYPE_CHECKING:
    import napari

_WIDTH, _HEIGHT = 1600, 1000
"""Of the first window, px, where the screen has room."""

_FRAME = 20
"""Of a window, at each side, px."""

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


def open_viewer(folder: Path | None = None) -> "napari.Viewer":
    """Open napari with all panels docked, and a folder of micrographs in them.

    Raises
    ------
    MatSSLError
        If no window can be opened.
    InputError
        If there is no such folder, or no image in it.
    """
    check_window()
    if folder is not None:
        # Reports errors in the terminal, not in a window.
        find_images(folder, (), plane_files(folder / FOLDER / PLANES))
    import napari

    from napari_matssl.widgets.reader import SHELL_NAME
    from napari_matssl.widgets.shell import MatSSLWidget

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
