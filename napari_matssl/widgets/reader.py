"""Opening image files and folders in napari: micrographs with their pixel size and info bar."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_matssl.errors import InputError
from napari_matssl.widgets.canvas.image_layer import image_arguments

# Decoders are imported where they are used: napari loads this module with the panels.

SHELL_NAME = "All panels (MatSSL)"
"""Name of the dock with all panels, as napari's menus build it: what they show and hide."""

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData] | list[tuple[None]]] | None:
    """Offer napari a reader.

    Parameters
    ----------
    path
        A file, a folder, or several files.

    Returns
    -------
    :func:`read_layers`; for stacks napari's own reader: napari asks by the ending alone who shall
    read a file, and who was chosen has to. None for what isn't ours: addresses on the web, folders
    without images.
    """
    paths = _paths(path)
    if all(_can_read(one) for one in paths):
        return read_layers
    if not all(one.is_file() for one in paths):
        return None
    from napari_builtins.io import napari_get_reader

    return napari_get_reader(path)


def read_layers(path: str | Sequence[str]) -> list[LayerData] | list[tuple[None]]:
    """Read micrographs as image layers, or open a folder in the MatSSL panels.

    Parameters
    ----------
    path
        A file, a folder, or several files.

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


def _can_read(path: Path) -> bool:
    """Whether to read a path, by a look at its beginning; damage shows when it is read."""
    from napari_matssl.micrograph.reading import find_micrographs

    if not path.is_dir():
        return path.is_file() and not _is_stack(path)
    try:
        find_micrographs([path])
    except InputError:  # no images: it may be a folder of another format, such as zarr
        return False
    return True


def _is_stack(path: Path) -> bool:
    """Whether a TIFF has several planes of one size."""
    import tifffile

    from napari_matssl.micrograph.metadata import fact, tifffile_silenced

    with tifffile_silenced():
        tiff = fact(lambda: tifffile.TiffFile(path))
        if tiff is None:  # another format, or damaged
            return False
        with tiff:
            first = fact(lambda: tiff.series[0])
            axes = () if first is None else zip(first.shape, first.axes, strict=True)
            return math.prod(length for length, axis in axes if axis not in "YXS") > 1


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
