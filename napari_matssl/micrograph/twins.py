"""Twins: micrographs that show the same field under other names.

They may be cropped, resized, compressed or brightened copies of one another, have an information
bar or none, or be two shots of one field. Turned by right angles and mirrored ones are found where
that is asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import specimen_values

LEAST_CORRELATION = 0.7
"""Copies were found at 0.90 to 1 and different fields of one alloy at 0.48 at most, in 8,100 pairs;
benchmarks/NOTES.md has them."""

LEAST_SHARE = 0.2
"""Share of the smaller image that the other has to show, too."""

_WIDTH = 128  # px of a thumbnail
_SMALLEST, _LARGEST = 24, 512  # px of its sides
_PER_PIXEL = 16  # pixels averaged for one of the thumbnail, in each direction
_LIKELY = 0.35  # correlation of thumbnails from which on a pair is looked at more closely
_CLOSER = 2  # how much finer
_FINEST, _COARSEST = 1.0, 4.0  # structures that are compared, px of a thumbnail
_BLOCK = 32  # px, closer

_Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Twin:
    """A micrograph that shows the field of another.

    Parameters
    ----------
    name, like
        Of the micrograph, and of the one that it is like.
    correlation
        Of the two where they overlap, the median over blocks, -1 to 1.
    share
        Of the smaller one that they have in common, 0 to 1.
    """

    name: str
    like: str
    correlation: float
    share: float

    def __str__(self) -> str:
        part = "" if self.share > 0.95 else f", {100 * self.share:.0f} % of the field"
        return f"{self.name} ~ {self.like} ({self.correlation:.2f}{part})"


class TwinSearch:
    """A search for micrographs that show the field of one of some others.

    Parameters
    ----------
    others
        What is looked for.
    turned
        Look for turned and mirrored ones, too, which takes eight times as long.
    """

    def __init__(self, others: Iterable[Micrograph] = (), turned: bool = False) -> None:
        self._others = [_Reduced(one) for one in others]
        self._views = 8 if turned else 1

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._others)

    def add(self, other: Micrograph) -> None:
        """Look for this one, too."""
        self._others.append(_Reduced(other))

    def twin_of(self, micrograph: Micrograph) -> Twin | None:
        """Return the one of the others that a micrograph is most like; None if it is like none."""
        best = (0.0, 0.0, "")
        for view in range(self._views if self._others else 0):
            this = _Reduced(micrograph if view == 0 else _turned(micrograph, view))
            best = max(best, *((*_likeness(this, other), other.name) for other in self._others))
        correlation, share, like = best
        if correlation < LEAST_CORRELATION:
            return None
        return Twin(micrograph.name, like, round(correlation, 3), round(share, 3))


def _turned(micrograph: Micrograph, view: int) -> Micrograph:
    """Turn a specimen by right angles, mirrored from the fourth view on."""

    def turn(pixels: NDArray[Any]) -> NDArray[Any]:
        turned = np.rot90(pixels, view % 4)
        return turned[:, ::-1] if view >= 4 else turned

    analysable = micrograph.specimen_analysable
    return replace(
        micrograph,
        pixels=turn(micrograph.specimen),
        analysable=None if analysable is None else turn(analysable),
        info_bar=None,
    )


class _Thumbnail:
    """A small picture of structures of middle size, and its spectra."""

    def __init__(self, picture: _Picture) -> None:
        self.picture = picture
        self._spectra: dict[tuple[int, ...], NDArray[np.complex64]] = {}

    def spectrum(self, shape: tuple[int, ...]) -> NDArray[np.complex64]:
        """Return the Fourier transform, padded to a shape."""
        if shape not in self._spectra:
            self._spectra[shape] = fft.rfft2(self.picture, shape)
        return self._spectra[shape]


class _Reduced:
    """A micrograph, and thumbnails of it."""

    def __init__(self, micrograph: Micrograph) -> None:
        self.name, self._micrograph = micrograph.name, micrograph
        height, width = micrograph.specimen.shape[:2]
        factor = min(_WIDTH / width, _LARGEST / height)
        self.factor = round(max(factor, _SMALLEST / min(height, width)), 6)
        self._thumbnails: dict[tuple[float, int], _Thumbnail] = {}

    def thumbnail(self, factor: float, closer: int = 1) -> _Thumbnail:
        """Return the thumbnail reduced by a factor, some times finer."""
        key = factor, closer
        if key not in self._thumbnails:
            self._thumbnails[key] = _Thumbnail(self._draw(factor * closer, closer))
        return self._thumbnails[key]

    def _draw(self, factor: float, closer: int) -> _Picture:
        grey = specimen_values(self._micrograph, "grey")
        # Of a panorama, only every n-th pixel is averaged.
        step = max(1, int(1 / (factor * _PER_PIXEL)))
        values = grey[::step, ::step].astype(np.float32)
        size = (max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor)))
        small = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
        fine, coarse = (
            ndimage.gaussian_filter(small, closer * sigma) for sigma in (_FINEST, _COARSEST)
        )
        return np.asarray(fine - coarse, dtype=np.float32)


def _likeness(one: _Reduced, other: _Reduced) -> tuple[float, float]:
    """Return correlation and share of two images at the scale at which they are most alike.

    Their pixels may be equally large, as those of crops are, or their widths are, as those of
    resized copies are.
    """
    best = (0.0, 0.0)
    for factor in {one.factor, other.factor}:
        pair = one.thumbnail(factor), other.thumbnail(other.factor)
        if min(side for thumbnail in pair for side in thumbnail.picture.shape) < _SMALLEST:
            continue
        first, second, share = _overlaid(*pair)
        if share < LEAST_SHARE or _correlation(first, second) < _LIKELY:
            continue
        closer = one.thumbnail(factor, _CLOSER), other.thumbnail(other.factor, _CLOSER)
        first, second, share = _overlaid(*closer)
        if share >= LEAST_SHARE:
            best = max(best, (_median_correlation(first, second), share))
    return best


def _overlaid(one: _Thumbnail, other: _Thumbnail) -> tuple[_Picture, _Picture, float]:
    """Move two pictures over each other so that their products sum to most.

    Returns
    -------
    What they have in common, of each, and its share of the smaller one.
    """
    first, second = one.picture, other.picture
    sides = zip(first.shape, second.shape, strict=True)
    shape = tuple(fft.next_fast_len(a + b, real=True) for a, b in sides)
    products = fft.irfft2(one.spectrum(shape) * other.spectrum(shape).conj(), shape)
    peak = np.unravel_index(int(products.argmax()), products.shape)
    parts: list[tuple[slice, slice]] = []
    for axis, place in enumerate(peak):
        a, b = first.shape[axis], second.shape[axis]
        moved = int(place) if place < a else int(place) - shape[axis]
        begin, end = max(0, moved), max(0, min(a, moved + b))
        parts.append((slice(begin, end), slice(begin - moved, end - moved)))
    (rows, others_rows), (columns, others_columns) = parts
    own, its = first[rows, columns], second[others_rows, others_columns]
    return own, its, own.size / min(first.size, second.size)


def _correlation(first: _Picture, second: _Picture) -> float:
    """Return Pearson's correlation; 0 where one of them is constant."""
    a, b = first - first.mean(), second - second.mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread > 0 else 0.0


def _median_correlation(first: _Picture, second: _Picture) -> float:
    """Return the median over blocks of the correlation.

    What all images of a microscope have in one place, such as a scale bar or dust, fills few
    blocks.
    """
    height, width = first.shape
    found: list[Any] = [
        _correlation(first[window], second[window])
        for row in range(0, max(1, height - _BLOCK + 1), _BLOCK)
        for column in range(0, max(1, width - _BLOCK + 1), _BLOCK)
        for window in [np.s_[row : row + _BLOCK, column : column + _BLOCK]]
    ]
    return float(np.median(found))
