"""Opening folders and files in napari: micrographs with their pixel size and info bar."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_matssl.errors import InputError
from napari_matssl.widgets.canvas.image_layer import image_arguments

# Decoders are imported where they are used: napari loads this module with the panels.

SHELL_NAME = "All panels (MatSSL)"
"""Name of the dock with all panels, as napari's menus build it: what they show and hide."""

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[LayerData] | list[tuple[None]]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Offer napari a reader of folders.

    Files are left to napari: it asks by the ending alone who shall read a file, every time, and
    scripts that open a TIFF would have to name a plugin.

    Returns
    -------
    :func:`read_layers`; None for files, and for folders without images.
    """
    return read_layers if all(_holds_images(one) for one in _paths(path)) else None


def open_micrographs() -> None:
    """Ask for micrographs and open them in the viewer at hand, each as a layer with its size."""
    from napari import current_viewer
    from napari.utils.notifications import show_error
    from qtpy.QtWidgets import QFileDialog

    from napari_matssl.micrograph.reading import SUFFIXES
    from napari_matssl.widgets.controls.error_text import explain
    from napari_matssl.widgets.napari_private import add_as_opened, main_window

    viewer = current_viewer()
    known = " ".join(f"*{suffix}" for suffix in SUFFIXES)
    chosen, _ = QFileDialog.getOpenFileNames(
        main_window(viewer), "Open calibrated micrographs", "", f"Micrographs ({known})"
    )
    for path in chosen:
        try:
            made = read_layers(path)
        except InputError as error:
            show_error(explain(error))
            continue
        for data in made:
            add_as_opened(viewer, path, data)


def read_layers(path: str | Sequence[str]) -> list[LayerData] | list[tuple[None]]:
    """Read micrographs as image layers, or open a folder in the MatSSL panels.

    Returns
    -------
    One layer for each image; ``[(None,)]`` if the panels of a viewer show the folder.

    Raises
    ------
    InputError
        If a file is missing, damaged, or no image that is understood.
    """
    from napari_matssl.micrograph.reading import find_micrographs, read_micrograph

    paths = _paths(path)
    if any(one.is_dir() for one in paths) and _opened_in_panels(paths):
        return [(None,)]
    micrographs = [read_micrograph(one) for one in find_micrographs(paths)]
    return [(one.pixels, image_arguments(one), "image") for one in micrographs]


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(one) for one in ([path] if isinstance(path, str) else path)]


def _holds_images(path: Path) -> bool:
    """Whether it is a folder with images; one of another format, such as zarr, has none."""
    from napari_matssl.micrograph.reading import images_in

    try:
        return path.is_dir() and bool(images_in(path))
    except (InputError, OSError, ValueError):
        return False


def _opened_in_panels(paths: Sequence[Path]) -> bool:
    """Open paths in the panels of the viewer at hand, which open too; False without a viewer."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None:
        return False
    from napari_matssl.widgets.shell import MatSSLWidget

    docked = viewer.window.dock_widgets.values()
    shell = next((widget for widget in docked if isinstance(widget, MatSSLWidget)), None)
    if shell is None:
        shell = MatSSLWidget(viewer)
        viewer.window.add_dock_widget(shell, name=SHELL_NAME)
    dock = shell.parentWidget()
    dock.show()
    dock.raise_()
    shell.open_paths(list(paths))
    return True
