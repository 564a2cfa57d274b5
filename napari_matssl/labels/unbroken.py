"""Classes that lie in unbroken strata: found in painted micrographs, kept in masks.

In a cross-section every area of a coating, a scale or a substrate runs through the image. If all
painted images show a class like that, a detached component of it is an error of the network, which
responds to grey values and texture alone. nnU-Net likewise keeps the largest component of an organ
(Isensee et al. 2021).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from napari_matssl.labels.class_table import ClassTable

ENOUGH_IMAGES = 2
"""One image doesn't show what images have in common."""

_SPECKS = 1e-4
"""Share of an image that areas may have together which are taken for slips of the brush."""

_SMALL = 0.5
"""A detached component is smaller than this share of the smallest one that is kept."""

_TOUCHING = np.ones((3, 3), dtype=bool)  # pixels touch at edges and at corners


class UnbrokenClass(BaseModel):
    """A class that runs through the image in unbroken strata, as everything else does."""

    model_config = ConfigDict(frozen=True)

    class_id: int
    inside: int = Field(ge=1, description="areas of the class that one image has at most")
    outside: int = Field(ge=1, description="areas of everything else that one image has at most")
    images: int = Field(ge=1, description="painted images that show it")


def find_unbroken(
    masks: Sequence[NDArray[np.integer]],
    table: ClassTable,
    painted: Sequence[NDArray[np.integer]] | None = None,
) -> tuple[UnbrokenClass, ...]:
    """Find the classes that lie in unbroken strata.

    Parameters
    ----------
    masks
        ``(H, W)`` each, class ids of a specimen without its info bar: full labels, or what a
        model makes of a painted image. Other values are of no class.
    painted
        Labels painted on them, class ids of the same shapes, other values unpainted: only
        areas that hold painted pixels count. None: all do.

    Returns
    -------
    Those classes of which in all images every area reaches from the left side to the right one, or
    in all from the top to the bottom, and every area of everything else does so too. Specks of
    together 0.01 % of an image are overlooked.
    """
    found = []
    for class_id in table.ids:
        others = [other for other in table.ids if other != class_id]
        sides = [
            (
                _Areas.of(mask == class_id, strokes == class_id),
                _Areas.of(mask != class_id, np.isin(strokes, others)),
            )
            for mask, strokes in zip(masks, painted or masks, strict=True)
        ]
        telling = [one for one in sides if all(areas.labelled.any() for areas in one)]
        for way in ("across", "down"):
            if telling and all(areas.run_through(way) for one in sides for areas in one):
                inside, outside = (
                    max(int(one[side].runs(way).sum()) for one in telling) for side in (0, 1)
                )
                found.append(
                    UnbrokenClass(
                        class_id=class_id, inside=inside, outside=outside, images=len(telling)
                    )
                )
                break
    return tuple(found)


def merge_detached(mask: NDArray[np.uint8], unbroken: Iterable[UnbrokenClass]) -> NDArray[np.uint8]:
    """Merge components that are detached from strata, and holes in strata, into what is around.

    Of each class, and of everything else, as many components stay as painted images have at most:
    the largest of those that reach two sides of the image. Others are detached if they are smaller
    than half of the smallest of these; so a stratum that the network tore in two isn't lost.

    Parameters
    ----------
    mask
        ``(H, W)`` class ids of the specimen alone, without an info bar.

    Returns
    -------
    A new mask ``(H, W)``, or the one given where no component is detached.
    """
    for rule in unbroken:
        mask = _merge(mask, mask != rule.class_id, rule.outside)
        mask = _merge(mask, mask == rule.class_id, rule.inside)
    return mask


@dataclass(frozen=True)
class _Areas:
    """Connected components, specks left out.

    Parameters
    ----------
    across, down
        ``(N,)`` whether each reaches from left to right, and from top to bottom.
    labelled
        ``(N,)`` whether each counts: it holds painted pixels.
    """

    across: NDArray[np.bool_]
    down: NDArray[np.bool_]
    labelled: NDArray[np.bool_]

    @classmethod
    def of(cls, where: NDArray[np.bool_], labelled: NDArray[np.bool_]) -> "_Areas":
        """Find the components of a boolean image ``(H, W)``, and which hold a pixel of another."""
        labels, sizes = _label(where)
        smallest_first = np.argsort(sizes)
        specks = smallest_first[np.cumsum(sizes[smallest_first]) <= _SPECKS * where.size]
        left, right, top, bottom = (np.delete(s, specks) for s in _reached(labels, len(sizes)))
        held = np.bincount(labels[labelled & where], minlength=len(sizes) + 1)[1:] > 0
        return cls(left & right, top & bottom, np.delete(held, specks))

    def runs(self, way: str) -> NDArray[np.bool_]:
        """Return which components run through that way."""
        return self.across if way == "across" else self.down

    def run_through(self, way: str) -> bool:
        """Whether all components that count do."""
        return bool(self.runs(way)[self.labelled].all())


def _merge(mask: NDArray[np.uint8], where: NDArray[np.bool_], most: int) -> NDArray[np.uint8]:
    """Merge the detached components of `where` into the classes that lie beside them."""
    labels, sizes = _label(where)
    sides = np.sum(_reached(labels, len(sizes)), axis=0)
    largest_first = np.argsort(-sizes, kind="stable")
    kept = largest_first[sides[largest_first] >= 2][:most]
    if len(kept) == 0:
        return mask
    detached = sizes < _SMALL * sizes[kept].min()
    detached[kept] = False
    if not detached.any():
        return mask
    merged = mask.copy()
    for index, box in enumerate(ndimage.find_objects(labels)):
        if not detached[index]:
            continue
        # Components don't touch, so the pixels around one belong to no other.
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        component = labels[around] == index + 1
        nearest = ndimage.distance_transform_edt(
            where[around], return_distances=False, return_indices=True
        )
        merged[around][component] = mask[around][tuple(nearest)][component]
    return merged


def _label(where: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Label connected components from 1, and return their sizes in px, that of 1 first."""
    labels, count = ndimage.label(where, structure=_TOUCHING)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]


def _reached(labels: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """Return which components touch the left, right, upper and lower side, ``(4, count)``."""
    reached = np.zeros((4, count + 1), dtype=bool)
    for index, side in enumerate((labels[:, 0], labels[:, -1], labels[0], labels[-1])):
        reached[index, side] = True
    return reached[:, 1:]
