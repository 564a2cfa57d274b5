"""Strokes on the image in view, for its live preview."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.sparse_ids import copy_of
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.project.panorama_parts import Part, painted_areas, part_around, part_of
from napari_matssl.project.panorama_strokes import Area
from napari_matssl.widgets.canvas.shown import Shown

Ids = NDArray[np.uint8]

_MOST_KNOWN = 32  # parts


class KnownParts:
    """Parts of panoramas with their strokes: the same object as long as both are the same.

    So are page, pixel size, which decides how much a part is magnified, and info bar, which doesn't
    count among the grey values of the whole.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], PaintedMicrograph] = {}

    def of(self, panorama: Panorama, area: Area, ids: Ids) -> PaintedMicrograph:
        """Read a part, with its strokes `ids`."""
        rows, columns = area
        name = f"{panorama.path} {rows.start} {rows.stop} {columns.start} {columns.stop}"
        key = name, panorama.page, panorama.pixel_size, panorama.info_bar, zlib.crc32(ids.tobytes())
        painted = self._known.pop(key, None)
        if painted is None:
            painted = PaintedMicrograph(part_of(panorama, rows, columns).micrograph, ids.copy())
        self._known[key] = painted  # the latest is at the end
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return painted


@dataclass(frozen=True, eq=False)
class OwnStrokes:
    """The image in view and its strokes, not to be changed.

    Parameters
    ----------
    micrograph
        The image.
    strokes
        ``(H, W)``; of a panorama, those in `area`.
    every
        ``(H, W)``, all strokes of a panorama as they were saved.
    area
        Rows and columns.
    middle
        Row and column in the middle of the view.
    """

    micrograph: AnyMicrograph
    strokes: Ids
    every: Ids | None = None
    area: Area = (slice(0), slice(0))
    middle: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def of(shown: Shown, strokes: Ids) -> "OwnStrokes":
        """Take them from the image in view, with `strokes` in its layer."""
        painting = shown.painting
        if painting is None:
            return OwnStrokes(shown.micrograph, strokes)
        every, middle = painting.strokes.ids, painting.middle_of_view()
        return OwnStrokes(shown.micrograph, strokes, every, painting.area, middle)

    def view(self) -> tuple[Micrograph, Part | None]:
        """Return what to preview: the image, or the part of a panorama in the middle of the view.

        Raises
        ------
        InputError
            If it can't be read.
        """
        if isinstance(self.micrograph, Micrograph):
            return self.micrograph, None
        part = part_around(self.micrograph, *self.middle)
        return part.micrograph, part

    def painted(self, known: KnownParts, most: int) -> list[PaintedMicrograph]:
        """Return what to learn from: the image, or a few painted parts of a panorama.

        Parts near the middle of the view are preferred, as long as all classes are among them.

        Raises
        ------
        InputError
            If one can't be read.
        """
        if isinstance(self.micrograph, Micrograph) or self.every is None:
            assert isinstance(self.micrograph, Micrograph)
            return [PaintedMicrograph(self.micrograph, self.strokes)]
        every = copy_of(self.every)
        every[self.area] = self.strokes
        areas = sorted(painted_areas(self.micrograph, every), key=self._distance)
        classes = {str(n): {*np.unique(every[one]).tolist()} - {0} for n, one in enumerate(areas)}
        chosen = few_with_all_classes(classes, "0", most)
        return [known.of(self.micrograph, areas[int(n)], every[areas[int(n)]]) for n in chosen]

    def _distance(self, area: Area) -> float:
        return math.dist([(one.start + one.stop) / 2 for one in area], self.middle)


def few_with_all_classes(classes: Mapping[str, set[int]], first: str, most: int) -> tuple[str, ...]:
    """Choose a few painted images that together have all classes.

    Parameters
    ----------
    classes
        Ids of the classes that are painted on each image; images without any are left out.
    first
        An image that is preferred.
    most
        How many images at most, even if classes are then missing.

    Returns
    -------
    Names, in the order of `classes`.
    """
    order = sorted((n for n in classes if classes[n]), key=lambda name: name != first)
    covered: set[int] = set()
    new = []
    for name in order:
        if classes[name] - covered:
            new.append(name)
            covered |= classes[name]
    kept = [*new, *(name for name in order if name not in new)][:most]
    return tuple(name for name in classes if name in kept)
