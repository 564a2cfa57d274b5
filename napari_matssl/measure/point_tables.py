"""Tables of point counts."""

from collections.abc import Sequence

import pandas as pd

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.measure.agreement import Agreement
from napari_matssl.measure.point_count import CountedPoint, ImagePoints, agreement_of, summarise

_AGREEMENT = (
    "compared_points",
    "agreement_percent",
    "kappa",
    "kappa_ci95_low",
    "kappa_ci95_high",
)
COUNT_COLUMNS = (
    "image",
    "class_id",
    "class",
    "points",
    "counted_points",
    "boundary_points",
    "untold_points",
    "hits",
    "manual_percent",
    "ci95_low_percent",
    "ci95_high_percent",
    "mask_percent",
    *_AGREEMENT,
    "excluded_by_one_points",
    "model",
    "counted_by",
    "first_time",
    "last_time",
    "reason",
)
SUMMARY_COLUMNS = (
    "class_id",
    "class",
    "n",
    "points",
    "manual_percent",
    "s_percent",
    "ci95_low_percent",
    "ci95_high_percent",
    "relative_accuracy_percent",
    "mask_percent",
    *_AGREEMENT,
    "excluded_by_one_points",
    "over",
    "reason",
)
POINT_COLUMNS = ("image", "y", "x", "manual_class", "mask_class", "time", "agrees")

BETWEEN = " / "
"""Stands between the two classes of a point on a boundary."""


def count_frame(images: Sequence[ImagePoints]) -> pd.DataFrame:
    """Make the table of each image's classes, with the columns ``COUNT_COLUMNS``."""
    return pd.DataFrame(
        [cells for image in images for cells in _image_cells(image)], columns=list(COUNT_COLUMNS)
    )


def count_summary_frame(images: Sequence[ImagePoints]) -> pd.DataFrame:
    """Make the table of classes over all images, with the columns ``SUMMARY_COLUMNS``."""
    found = agreement_of(images)
    points = sum(len(image.points) for image in images)
    excluded = sum(image.excluded_by_one_points for image in images)
    rows: list[tuple[object, ...]] = [
        (
            *(row.class_id, row.class_name, row.statistics.n, points),
            *(row.statistics.mean, row.statistics.s, row.low, row.high),
            row.statistics.relative_accuracy if row.over != "points" else None,
            row.mask_percent,
            *_agreement_cells(found),
            *(excluded, row.over, found.reason),
        )
        for row in summarise(images)
    ]
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def points_frame(images: Sequence[ImagePoints], classes: ClassTable) -> pd.DataFrame:
    """Make the table of all points, with the columns ``POINT_COLUMNS``.

    ``agrees`` is 1 or 0, and blank where hand or mask have no class that is analysed.
    """
    names = {one.id: one.name for one in classes.classes}
    rows: list[tuple[object, ...]] = []
    for image in images:
        for place, point in enumerate(image.points):
            by_mask = "" if image.mask_ids is None else names.get(image.mask_ids[place], "")
            agrees = image.agrees(place)
            rows.append(
                (
                    *(image.image, point.y, point.x, class_in_words(point, names), by_mask),
                    *(point.time, None if agrees is None else int(agrees)),
                )
            )
    frame = pd.DataFrame(rows, columns=list(POINT_COLUMNS))
    return frame.astype({"agrees": "Int64"})


def class_in_words(point: CountedPoint, names: dict[int, str]) -> str:
    """Name what a point was judged to be; empty where nobody could tell."""
    return BETWEEN.join(names.get(one, f"class {one}") for one in point.classes)


def _image_cells(image: ImagePoints) -> list[tuple[object, ...]]:
    found = image.agreement
    reason = "no mask" if image.mask_ids is None else found.reason
    return [
        (
            *(image.image, row.class_id, row.class_name, len(image.points), image.counted),
            *(image.on_boundary, image.untold, row.hits),
            *(row.percent, row.low, row.high, row.mask_percent),
            *_agreement_cells(found),
            *(image.excluded_by_one_points, image.model, image.by, *_times(image), reason),
        )
        for row in image.rows
    ]


def _times(image: ImagePoints) -> tuple[str, str]:
    """Return when the first and the last point were judged, as far as that is known."""
    times = [point.time for point in image.points if point.time]
    return (min(times), max(times)) if times else ("", "")


def _agreement_cells(found: Agreement) -> tuple[object, ...]:
    return (found.points, found.percent, found.kappa, found.low, found.high)
