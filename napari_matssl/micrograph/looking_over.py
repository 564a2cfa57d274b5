"""Looking through a panorama once: what has to be known of all of its rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize, finite_pixels
from napari_matssl.micrograph.info_bar import look_for_info_bar, thinned
from napari_matssl.micrograph.intensity_scaling import sample_step
from napari_matssl.micrograph.metadata import FileMetadata
from napari_matssl.micrograph.overview import ALIGNED, Overview
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.micrograph.reading import (
    COLOURED_BAR,
    COLOURS_RUN,
    few_colours,
    not_analysed,
)

_BAND = 1 << 24  # pixels that are looked at at once
_GLANCES = 10  # pieces that a glance looks at
_GLANCED = 80  # part of the height that such a piece has at least
_GLANCED_PX = 1 << 21  # pixels of a piece; whole bands would be half of a file in large chunks
_SPREAD = 0.618  # of the width, from one piece to the next: they lie evenly across it


@dataclass(frozen=True)
class RowSource:
    """What a panorama is made of.

    Parameters
    ----------
    path, page, pages
        As for :class:`~napari_matssl.micrograph.image.Micrograph`.
    size
        Height and width.
    read
        Returns the rows from one to before another as they are seen, and remarks on them.
    metadata
        Where the info bar may stand.
    pixel_size
        None if the image isn't calibrated.
    orientation
        How the image was turned.
    lossy
        Whether colours may have run, as they do in JPEG.
    remark
        On the choice of the page, if there is one.
    read_part
        Returns a rectangle of pixels, as :meth:`Panorama.part`; may be called from any thread.
    held
        Rows that are decoded at once.
    """

    path: Path
    size: tuple[int, int]
    read: Callable[[int, int], tuple[NDArray[Any], tuple[str, ...]]]
    metadata: FileMetadata
    pixel_size: PixelSize | None
    read_part: Callable[[int, int, int, int], NDArray[Any]]
    held: int
    orientation: int = 1
    lossy: bool = False
    page: int = 1
    pages: int = 1
    remark: str = ""


@dataclass(frozen=True, eq=False)
class LookedOver:
    """What was found in all rows of a panorama.

    Parameters
    ----------
    sample
        Every k-th pixel in both directions.
    remarks
        What is unusual, without the file's name.
    bar
        The info bar.
    colourless
        Whether its three channels are equal: it is taken for grey.
    """

    sample: NDArray[Any]
    remarks: tuple[str, ...]
    bar: InfoBar | None
    colourless: bool

    def of(self, source: RowSource) -> Panorama:
        """Return the panorama of which this was found."""

        def seen(pixels: NDArray[Any]) -> NDArray[Any]:
            return pixels[..., 0] if self.colourless else pixels

        sample, name = self.sample, source.path.name
        panorama = Panorama(
            name=name,
            shape=(*source.size, *sample.shape[2:]),
            read=lambda start, stop: seen(source.read(start, stop)[0]),
            sample=Micrograph(name, sample, analysable=finite_pixels(sample)),
            path=source.path,
            pixel_size=source.pixel_size,
            remarks=tuple(f"{name}: {remark}." for remark in self.remarks),
            page=source.page,
            pages=source.pages,
            read_part=lambda *sides: seen(source.read_part(*sides)),
        )
        return panorama.with_info_bar(self.bar)


def look_over(source: RowSource, overview: Overview | None = None) -> LookedOver:
    """Look through all rows once: sample them, find the info bar, colours, what is no number.

    Parameters
    ----------
    source
        The panorama.
    overview
        Takes the rows in.

    Raises
    ------
    InputError
        If rows can't be read.
    """
    height, width = source.size
    step = sample_step(height, width)
    most = max(1, _BAND // width // ALIGNED) * ALIGNED
    thin, sample, remarks = list[NDArray[Any]](), list[NDArray[Any]](), dict[str, None]()
    coloured, finite = np.zeros(height, dtype=np.int64), 0
    for start in range(0, height, most):
        stop = min(start + most, height)
        pixels, said = source.read(start, stop)
        remarks |= dict.fromkeys(said)
        thin.append(thinned(pixels, height).copy())
        sample.append(pixels[-start % step :: step, ::step].copy())
        if pixels.ndim == 3:
            coloured[start:stop] = (pixels != pixels[..., :1]).any(axis=2).sum(axis=1)
        if overview is not None:
            overview.take(start, pixels)
        numbers = finite_pixels(pixels)
        finite += (stop - start) * width if numbers is None else int(numbers.sum())
    words = [source.remark, *remarks] if source.remark else [*remarks]
    if finite < height * width:
        words.append(not_analysed(1 - finite / (height * width)))
    columns = np.concatenate(thin)
    look = look_for_info_bar(
        columns, source.metadata, source.orientation, finite_pixels(columns), width
    )
    words += look.remarks
    row = height if look.bar is None else look.bar.row
    spared = COLOURS_RUN if source.lossy and row < height else 0
    sampled = np.concatenate(sample)
    colourless = sampled.ndim == 3 and not coloured[: max(1, row - spared)].any()
    if colourless:
        sampled = np.ascontiguousarray(sampled[..., 0])
        words += [COLOURED_BAR] if coloured[row:].any() else []
    elif sampled.ndim == 3:
        words += few_colours(float(coloured[:row].sum()) / (row * width))

    return LookedOver(sampled, tuple(words), look.bar, colourless)


def glance(source: RowSource, overview: Overview | None = None) -> LookedOver:
    """Look at a few pieces from top to bottom, for a first view: black and white, grey or not.

    Parameters
    ----------
    source, overview
        As for :func:`look_over`.

    Raises
    ------
    InputError
        If they can't be read.
    """
    height, width = source.size
    step = sample_step(height, width)
    sample, coloured = list[NDArray[Any]](), False
    rows = max(source.held, height // _GLANCED, ALIGNED)
    columns = min(width, max(ALIGNED, _GLANCED_PX // rows // ALIGNED * ALIGNED))
    for place, begin in enumerate(np.linspace(0, max(0, height - rows), _GLANCES)):
        start = int(begin) // source.held * source.held // ALIGNED * ALIGNED
        left = int(place * _SPREAD % 1 * (width - columns)) // ALIGNED * ALIGNED
        pixels = source.read_part(start, min(start + rows, height), left, left + columns)
        coloured |= pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())
        sample.append(pixels[::step, ::step].copy())
        if overview is not None:
            overview.take(start, pixels, left)
    sampled = np.concatenate(sample)
    colourless = sampled.ndim == 3 and not coloured
    if colourless:
        sampled = np.ascontiguousarray(sampled[..., 0])
    return LookedOver(sampled, (), None, colourless)
