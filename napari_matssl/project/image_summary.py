"""What a table of images shows of one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.thumbnail import thumbnail
from napari_matssl.project.folder import Project
from napari_matssl.project.pixel_sizes import SizeSource, size_sources


@dataclass(frozen=True)
class ImageFacts:
    """What a table of images shows of one.

    Parameters
    ----------
    width, height
        Size in px, the info bar included.
    thumbnail
        ``(h, w, 3)``, RGB, the longer side 64 px.
    pixel_size
        None when there is none.
    page, pages
        Which image of its file counts, from 1, and how many there are.
    sources
        All that is known of the pixel size; the first counts.
    """

    width: int
    height: int
    thumbnail: NDArray[np.uint8]
    pixel_size: PixelSize | None
    page: int = 1
    pages: int = 1
    sources: tuple[SizeSource, ...] = ()


def survey(project: Project, name: str) -> ImageFacts:
    """Gather what a table of images shows of one; may run in another thread.

    Raises
    ------
    InputError
        If the image or its labels can't be read.
    """
    micrograph = project.micrographs.read(name)
    project.labels.counts(name)  # refuses unreadable labels, and is quick from now on
    return ImageFacts(
        width=micrograph.width,
        height=micrograph.height,
        thumbnail=thumbnail(micrograph),
        pixel_size=micrograph.pixel_size,
        page=micrograph.page,
        pages=micrograph.pages,
        sources=size_sources(micrograph, project.micrographs.pixel_size_by_hand(name)),
    )
