"""Keeping the visible plane of any image layer as a file of a folder."""

import re
from collections.abc import Sequence
from pathlib import Path

from napari.components import Dims
from napari.layers import Layer

from napari_matssl.errors import InputError
from napari_matssl.files import check_writable_folder
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.writing import write_micrograph
from napari_matssl.widgets.layers import micrograph_of


def keep_plane(layer: Layer, dims: Dims, folder: Path) -> tuple[Path, Micrograph]:
    """Write the plane that the viewer shows into a folder, unless it is a file of it already.

    Returns
    -------
    The file, and what is in it.

    Raises
    ------
    InputError
        If the layer is no image, or doesn't show.
    OutputError
        If the folder can't be written.
    """
    micrograph = micrograph_of(layer, dims)
    path = micrograph.path
    if path is None or path.parent != folder:
        check_writable_folder(folder)
        path = _unused(folder, layer.name, dims.current_step[dims.ndim - layer.ndim : -2])
        write_micrograph(path, micrograph)
    return path, micrograph


def _unused(folder: Path, name: str, plane: Sequence[int]) -> Path:
    """Name a new file after a layer, and the plane of a stack."""
    number = "".join(f"_{index}" for index in plane)
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._") or "layer"
    for again in range(1, 10_000):
        path = folder / f"{stem}{number}{'' if again == 1 else f'-{again}'}.tif"
        if not path.exists():
            return path
    raise InputError(f"{folder} is full of files called {stem}.", "Choose another folder.")
