"""Image layers of the user's own: planes of them are painted on in place."""

from collections.abc import Sequence

from napari.components import Dims, ViewerModel
from napari.layers import Image, Layer


class UserLayers:
    """Images of a folder that were copied from layers of the user, with their planes."""

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


def plane_title(layer: Layer, step: Sequence[int]) -> str:
    """Name the plane of a layer at which the sliders stand, one number per axis of the viewer."""
    stack = step[max(0, len(step) - layer.ndim) : -2]
    return layer.name + "".join(f"_{index}" for index in stack)
