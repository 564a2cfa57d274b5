"""What a table of images shows of one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.panorama import AnyMicrograph
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
    seen = project.micrographs.look_over(name)
    if seen is None:
        micrograph = project.micrographs.read(name)
        sources = size_sources(micrograph, project.micrographs.pixel_size_by_hand(name))
        return _facts(project, name, micrograph, thumbnail(micrograph), sources)
    small = thumbnail(Micrograph(name, seen.overview.levels[-1]))
    return _facts(project, name, seen.panorama, small)


def _facts(
    project: Project,
    name: str,
    micrograph: AnyMicrograph,
    small: NDArray[np.uint8],
    sources: tuple[SizeSource, ...] = (),
) -> ImageFacts:
    project.labels.counts(name)  # refuses unreadable labels, and is quick from now on
    return ImageFacts(
        width=micrograph.width,
        height=micrograph.height,
        thumbnail=small,
        pixel_size=micrograph.pixel_size,
        page=micrograph.page,
        pages=micrograph.pages,
        sources=sources,
    )
