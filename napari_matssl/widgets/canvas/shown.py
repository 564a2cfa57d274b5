"""The image that a viewer shows, with its layers."""

from dataclasses import dataclass, field

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_matssl.micrograph.image import Micrograph
from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.autosave import Autosave

PAINTED, SEGMENTATION, PREVIEW = "painted labels", "segmentation", "preview"
"""Names of layers."""

OVERLAYS = SEGMENTATION, PREVIEW
"""Layers of which one at a time is in sight."""


@dataclass
class Shown:
    """The image in the viewer and its layers.

    Parameters
    ----------
    project, name
        What the image belongs to, and how it is called there.
    micrograph
        As it was read, with what the user has set.
    image, painted
        Their layers.
    autosave
        Watches `painted`.
    own_image
        The image layer was added here and goes when another image is shown; False for a layer
        that the user had in the viewer.
    page
        Of its file, as in the project: None for the default page.
    mask
        The last segmentation as it was found, before cleaning.
    extra
        Layers by title: segmentation, preview, probabilities.
    """

    project: Project
    name: str
    micrograph: Micrograph
    image: Image
    painted: Labels
    autosave: Autosave
    own_image: bool
    page: int | None = None
    mask: NDArray[np.uint8] | None = None
    extra: dict[str, Layer] = field(default_factory=dict)

    @property
    def layers(self) -> list[Layer]:
        """All layers that go with the image."""
        return [*([self.image] if self.own_image else []), self.painted, *self.extra.values()]

    def remove_from(self, viewer: ViewerModel) -> None:
        """Take the layers out of the viewer."""
        for layer in self.layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
