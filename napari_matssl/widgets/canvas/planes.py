"""Image layers of the user's own: a plane of one as a file of a folder, and painted on in place."""

import re
from collections.abc import Sequence
from pathlib import Path

from napari.components import Dims, ViewerModel
from napari.layers import Image, Layer

from napari_matssl.errors import InputError
from napari_matssl.files import check_writable_folder
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.writing import write_micrograph
from napari_matssl.widgets.canvas.layers import micrograph_of


class UserLayers:
    """Which images of a folder were taken from layers of the user, and from which plane."""

    def __init__(self) -> None:
        self._planes: dict[str, tuple[Image, tuple[int, ...]]] = {}

    def remember(self, name: str, layer: Image, step: Sequence[int]) -> None:
        """Keep from which layer an image came, and where the viewer's sliders stood."""
        self._planes[name] = (layer, tuple(step))

    def bring_up(self, name: str, viewer: ViewerModel) -> Image | None:
        """Show the layer of an image above all others, at its plane; None if there is none."""
        layer, step = self._planes.get(name, (None, ()))
        if layer is None or layer not in viewer.layers:
            return None
        layer.visible = True
        viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
        if len(step) == len(viewer.dims.current_step):
            viewer.dims.current_step = step
        return layer

    def shows(self, name: str, dims: Dims) -> bool:
        """Whether the sliders stand at the plane of that image."""
        layer, step = self._planes[name]
        stack = slice(-layer.ndim, -2)
        return tuple(dims.current_step)[stack] == step[stack]


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
