"""The image that a viewer shows, with its layers."""

from dataclasses import dataclass, field

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.counting import count_values
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.project.folder import Project
from napari_matssl.project.panorama_parts import Part, is_part, part_around
from napari_matssl.project.panoramas import no_panoramas
from napari_matssl.widgets.canvas.autosave import Autosave
from napari_matssl.widgets.canvas.painting_area import PaintingArea

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
    painting
        Of a panorama: the area that `painted` holds, and all strokes.
    """

    project: Project
    name: str
    micrograph: AnyMicrograph
    image: Image
    painted: Labels
    autosave: Autosave
    own_image: bool
    page: int | None = None
    mask: NDArray[np.uint8] | None = None
    extra: dict[str, Layer] = field(default_factory=dict)
    painting: PaintingArea | None = None

    @property
    def is_panorama(self) -> bool:
        """Whether it is read by parts."""
        return isinstance(self.micrograph, Panorama)

    def whole(self) -> Micrograph:
        """Return the micrograph, for what needs all of its pixels.

        Raises
        ------
        InputError
            If it is a panorama.
        """
        if isinstance(self.micrograph, Panorama):
            raise self.too_large()
        return self.micrograph

    def too_large(self) -> InputError:
        """Make the error of what can't be done with a panorama."""
        path = self.project.images.path(self.name)
        return no_panoramas(path, self.micrograph.height, self.micrograph.width)

    def part_in_view(self) -> Part | None:
        """Read the part of a panorama in the middle of the view; None for other images.

        Raises
        ------
        InputError
            If it can't be read.
        """
        if self.painting is None or not isinstance(self.micrograph, Panorama):
            return None
        return part_around(self.micrograph, *self.painting.middle_of_view())

    def has_part(self, name: str) -> bool:
        """Whether a part of that name is one of this panorama."""
        return self.is_panorama and is_part(name, self.micrograph.name)

    def painted_pixels(self) -> dict[int, int]:
        """Count painted pixels by class id, those that aren't saved among them."""
        if self.painting is not None:
            return self.painting.counts()
        counts = count_values(self.painted.data)
        return {value: count for value, count in counts.items() if value}

    @property
    def layers(self) -> list[Layer]:
        """All layers that go with the image."""
        return [*([self.image] if self.own_image else []), self.painted, *self.extra.values()]

    def remove_from(self, viewer: ViewerModel) -> None:
        """Take the layers out of the viewer."""
        for layer in self.layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
