"""Reading all that an image is shown with, in another thread than the window's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import MatSSLError
from napari_matssl.files import Stamp, stamp_of
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.project.folder import Project
from napari_matssl.project.merging_strokes import Version
from napari_matssl.project.panoramas import InSight
from napari_matssl.widgets.canvas.layers import load_units

Mask = NDArray[np.uint8] | MatSSLError | None
"""The last segmentation as it was found; why it can't be read; None if there is none."""


@dataclass(frozen=True)
class ReadImage:
    """An image, what is painted on it, and its last segmentation.

    Parameters
    ----------
    name, page
        Of the image in its project, and of its file.
    chosen
        A line on the page, if it wasn't chosen; else empty.
    micrograph, strokes, mask
        What was read; of a panorama no mask, which is read by parts.
    mask_stamp
        Of the mask's file, from before it was read.
    seen
        The panorama with its smaller copies; None for other images.
    """

    name: str
    page: int | None
    chosen: str
    micrograph: AnyMicrograph
    strokes: Version
    mask: Mask
    mask_stamp: Stamp | None
    seen: InSight | None = None

    def mask_now(self, project: Project) -> Mask:
        """Return the mask that was read; read the file again if a job has written it since."""
        if self.seen is not None:
            return None
        try:
            same = stamp_of(project.masks.path(self.name, self.page)) == self.mask_stamp
            return self.mask if same else project.masks.read(self.name, self.page)
        except MatSSLError as error:
            return error


def read_image(project: Project, name: str) -> ReadImage:
    """Read an image of a project; without its mask, if that can't be read.

    Raises
    ------
    MatSSLError
        If the image or its painted labels can't be read.
    """
    load_units()
    micrographs = project.micrographs
    chosen, page = micrographs.begin_page(name), micrographs.page(name)
    seen = micrographs.in_sight(name, page)
    if seen is not None:
        strokes = project.labels.version(name, page)
        return ReadImage(name, page, chosen, seen.panorama, strokes, None, None, seen)
    micrograph, strokes = micrographs.read(name, page), project.labels.version(name, page)
    stamp, mask = None, None
    try:
        stamp = stamp_of(project.masks.path(name, page))
        mask = project.masks.read(name, page)
    except MatSSLError as error:
        return ReadImage(name, page, chosen, micrograph, strokes, error, stamp)
    return ReadImage(name, page, chosen, micrograph, strokes, mask, stamp)
