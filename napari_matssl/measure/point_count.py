"""Fractions of classes counted by eye at points of images, beside those of masks.

P_P = 100 * (hits + half of the hits on a boundary) / points (E562-style).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.agreement import Agreement, agreement
from napari_matssl.measure.field_statistics import CONFIDENCE, FieldStatistics
from napari_matssl.measure.group_statistics import GroupStatistics, Sample, group_statistics

_Z = float(ndtri(0.5 + CONFIDENCE / 2))


@dataclass(frozen=True)
class CountedPoint:
    """One point as somebody has judged it.

    Parameters
    ----------
    y, x
        Row and column of its pixel.
    classes
        Id of its class; ids of both where it lies on a boundary; none where nobody can tell.
    time
        When, ISO 8601.
    """

    y: int
    x: int
    classes: tuple[int, ...]
    time: str = ""


@dataclass(frozen=True)
class ClassCount:
    """One class at the points of one image.

    Parameters
    ----------
    class_id, class_name
        The class.
    hits
        Points of the class; one on a boundary counts half.
    percent
        Of the points that count; None where none does.
    low, high
        95 % confidence interval of the image's fraction, in %.
    mask_percent
        The mask's share at those of the points that both have judged; None without a mask.
    """

    class_id: int
    class_name: str
    hits: float
    percent: float | None
    low: float | None
    high: float | None
    mask_percent: float | None


@dataclass(frozen=True, eq=False)
class ImagePoints:
    """What was counted on one image.

    Parameters
    ----------
    image
        Its name.
    points
        What was judged, in the order of counting.
    counted
        Points of classes that aren't excluded: the denominator. Halves come from boundaries of a
        class that is.
    on_boundary, untold
        Points between two classes, and those where nobody could tell.
    rows
        One per class that isn't excluded.
    confusion
        ``(K, K)`` points by hand and by mask, of the classes in `rows`, without those on a
        boundary.
    mask_ids
        Class of the mask at each point; None without a mask.
    model
        What made the mask; empty if that isn't known.
    by
        Who counted; empty if that isn't known.
    specimen
        What it was taken of; images of one specimen aren't independent. Empty if that isn't known.
    excluded
        Ids of the classes that are excluded.
    """

    image: str
    points: tuple[CountedPoint, ...]
    counted: float
    on_boundary: int
    untold: int
    rows: tuple[ClassCount, ...]
    confusion: NDArray[np.int64]
    mask_ids: tuple[int, ...] | None
    model: str = ""
    by: str = ""
    specimen: str = ""
    excluded: frozenset[int] = frozenset()

    @property
    def agreement(self) -> Agreement:
        """How well hand and mask agree on this image."""
        return agreement(self.confusion[None])

    def agrees(self, place: int) -> bool | None:
        """Whether the mask has the class that was judged, either one on a boundary.

        None where one of them has none.
        """
        own = self.points[place].classes
        if self.mask_ids is None or not own:
            return None
        ids = [row.class_id for row in self.rows]
        found = self.mask_ids[place]
        return found in own if found in ids and set(own) & set(ids) else None

    def excluded_by_one(self, place: int) -> bool:
        """Whether a point counts by hand and is excluded by the mask, or the other way round.

        Such points are in no agreement, as nothing is compared there.
        """
        own = set(self.points[place].classes)
        if self.mask_ids is None or not own:
            return False
        ids = {row.class_id for row in self.rows}
        found = self.mask_ids[place]
        if found in self.excluded:
            return bool(own & ids)
        return found in ids and own <= self.excluded

    @property
    def excluded_by_one_points(self) -> int:
        """Number of points that hand or mask, not both, have excluded."""
        return sum(map(self.excluded_by_one, range(len(self.points))))


@dataclass(frozen=True)
class ClassSummary:
    """One class over several images.

    Parameters
    ----------
    class_id, class_name
        The class.
    statistics
        Of the percentages per image, or of their means per specimen.
    low, high
        95 % confidence interval of the mean, in %.
    over
        What the interval is over: ``"images"``; ``"specimens"`` where there are several; or
        ``"points"`` where there is one image, or none of them differs.
    mask_percent
        Mean of the mask's; None where an image that counts has no mask: it would be the mean of
        other images than that by hand.
    """

    class_id: int
    class_name: str
    statistics: FieldStatistics
    low: float | None
    high: float | None
    over: str
    mask_percent: float | None


def wilson(hits: float, points: float) -> tuple[float, float]:
    """Return the 95 % confidence interval of a fraction that was counted at points, in %.

    (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), for p = hits/n and z = 1.96 (Wilson,
    *J. Am. Stat. Assoc.* 22, 1927). It isn't of length 0 where there is no hit. Hits may be halves.
    """
    share, extra = hits / points, _Z**2 / points
    middle = share + extra / 2
    half = _Z * math.sqrt(share * (1 - share) / points + extra / (4 * points))
    low, high = ((middle + sign * half) / (1 + extra) for sign in (-1, 1))
    return 100 * low if hits > 0 else 0.0, 100 * high if hits < points else 100.0


def count_image(
    image: str,
    points: Sequence[CountedPoint],
    classes: ClassTable,
    mask: NDArray[np.integer] | None = None,
    model: str = "",
    by: str = "",
    specimen: str = "",
) -> ImagePoints:
    """Take stock of the points of one image.

    Excluded classes (scratches, stains) leave the denominator, and so do points where nobody could
    tell.

    Parameters
    ----------
    image
        Its name.
    points
        What was judged.
    classes
        What the ids mean, by hand and in the mask.
    mask
        ``(H, W)`` of the image.
    model
        What made it.
    by
        Who counted.
    specimen
        What the image was taken of.
    """
    analysed = [one for one in classes.classes if not one.exclude]
    place = {one.id: n for n, one in enumerate(analysed)}
    mask_ids = None if mask is None else tuple(int(mask[one.y, one.x]) for one in points)
    hits = np.zeros(len(analysed))
    found = np.zeros(len(analysed))
    confusion = np.zeros((len(analysed), len(analysed)), np.int64)
    for n, one in enumerate(points):
        own = [place[id_] for id_ in one.classes if id_ in place]
        hits[own] += 1 / max(1, len(one.classes))
        theirs = None if mask_ids is None else place.get(mask_ids[n])
        if theirs is None or not own:
            continue
        found[theirs] += 1
        if len(one.classes) == 1:
            confusion[own[0], theirs] += 1
    return ImagePoints(
        image=image,
        points=tuple(points),
        counted=float(hits.sum()),
        on_boundary=sum(len(one.classes) == 2 for one in points),
        untold=sum(not one.classes for one in points),
        rows=_class_counts(analysed, hits, found),
        confusion=confusion,
        mask_ids=mask_ids,
        model=model,
        by=by,
        specimen=specimen,
        excluded=frozenset(one.id for one in classes.classes if one.exclude),
    )


def _class_counts(
    classes: Sequence[LabelClass], hits: NDArray[np.float64], found: NDArray[np.float64]
) -> tuple[ClassCount, ...]:
    """Put hits by hand and by mask, one per class, into percent."""
    total, both = float(hits.sum()), float(found.sum())
    rows = []
    for one, hit, by_mask in zip(classes, hits.tolist(), found.tolist(), strict=True):
        low, high = wilson(hit, total) if total else (None, None)
        percent = 100 * hit / total if total else None
        mask_percent = 100 * by_mask / both if both else None
        rows.append(ClassCount(one.id, one.name, hit, percent, low, high, mask_percent))
    return tuple(rows)


def summarise(images: Sequence[ImagePoints]) -> tuple[ClassSummary, ...]:
    """Summarise the images of one class table; one row per class.

    Over several images, the interval is that of the mean of their percentages (E562-style), within
    0 and 100 %; each specimen counts once where there are several. Over one image, and where none
    of them differs (a class that nobody met), it is Wilson's over all points: that of these images,
    not of the specimen.
    """
    first = images[0].rows if images else ()
    rows = []
    for n, one in enumerate(first):
        counts = [image.rows[n] for image in images]
        stats = _statistics([row.percent for row in counts], images)
        masks = _statistics([row.mask_percent for row in counts], images)
        low, high, over = _bounds(stats, counts, sum(image.counted for image in images))
        lacking = any(row.mask_percent is None for row in counts if row.percent is not None)
        by_mask = None if lacking else masks.fields.mean
        rows.append(
            ClassSummary(one.class_id, one.class_name, stats.fields, low, high, over, by_mask)
        )
    return tuple(rows)


def _statistics(percents: Sequence[float | None], images: Sequence[ImagePoints]) -> GroupStatistics:
    pairs = zip(percents, images, strict=True)
    return group_statistics([Sample(p, image.specimen) for p, image in pairs if p is not None])


def agreement_of(images: Sequence[ImagePoints]) -> Agreement:
    """Return how well hand and mask agree over images of one class table."""
    if not images:
        return agreement(np.zeros((1, 1, 1), np.int64))
    return agreement(np.stack([image.confusion for image in images]))


def _bounds(
    stats: GroupStatistics, counts: Sequence[ClassCount], points: float
) -> tuple[float | None, float | None, str]:
    mean, ci95 = stats.fields.mean, stats.fields.ci95
    if mean is None:
        return None, None, stats.over
    if ci95:
        return max(0.0, mean - ci95), min(100.0, mean + ci95), stats.over
    low, high = wilson(sum(row.hits for row in counts), points)
    return low, high, "points"
