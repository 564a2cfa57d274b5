"""Tables of objects: one row per object, and one per image, class and direction of test lines."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from napari_matssl.measure.objects import Objects
from napari_matssl.measure.size_distribution import weighted_quantiles

OBJECT_COLUMNS = (
    "image",
    "group",
    "class",
    "object",
    "area_px",
    "area_um2",
    "equivalent_diameter_um",
    "feret_max_um",
    "feret_min_um",
    "aspect_ratio",
    "orientation_deg",
    "circularity",
    "centroid_x_px",
    "centroid_y_px",
    "counted",
)
OBJECT_SUMMARY_COLUMNS = (
    "image",
    "group",
    "class",
    "objects",
    "objects_per_mm2",
    "mean_area_um2",
    "mean_diameter_um",
    "d10_um",
    "d50_um",
    "d90_um",
    "line_direction_deg",
    "intercepts_per_mm",
    "mean_chord_um",
    "mean_free_path_um",
)
SHARES: Mapping[str, float] = {"d10_um": 0.1, "d50_um": 0.5, "d90_um": 0.9}


def objects_frame(results: Iterable[Objects]) -> pd.DataFrame:
    """Put objects into a table with the columns ``OBJECT_COLUMNS``; NaN where uncalibrated."""
    parts = [_object_rows(one) for one in results]
    if not parts:
        return pd.DataFrame(columns=list(OBJECT_COLUMNS))
    return pd.concat(parts, ignore_index=True)


def _object_rows(one: Objects) -> pd.DataFrame:
    unit = 1.0 if one.calibrated else np.nan
    return pd.DataFrame(
        {
            "image": one.image,
            "group": one.group,
            "class": one.class_name,
            "object": np.arange(1, len(one.area_px) + 1),
            "area_px": one.area_px,
            "area_um2": one.area * unit,
            "equivalent_diameter_um": one.diameter * unit,
            "feret_max_um": one.feret_max * unit,
            "feret_min_um": one.feret_min * unit,
            "aspect_ratio": one.aspect_ratio,
            "orientation_deg": one.orientation,
            "circularity": one.circularity,
            "centroid_x_px": one.centroid[:, 1],
            "centroid_y_px": one.centroid[:, 0],
            "counted": one.counted.astype(np.int64),
        },
        columns=list(OBJECT_COLUMNS),
    )


def object_summary_frame(results: Iterable[Objects]) -> pd.DataFrame:
    """Summarise objects per image, class and direction of test lines.

    Returns
    -------
    A table with the columns ``OBJECT_SUMMARY_COLUMNS``; NaN where a figure is undefined or the
    image uncalibrated.
    """
    return pd.DataFrame(
        [row for one in results for row in _summary_rows(one)],
        columns=list(OBJECT_SUMMARY_COLUMNS),
    )


def _summary_rows(one: Objects) -> Iterable[tuple[object, ...]]:
    count = int(one.counted.sum())
    figures: list[object] = [None] * 6
    if one.per_mm2 is not None:
        share, sized = one.class_pixels / one.analysed_pixels, one.sized
        mean = float(np.average(sized.sizes, weights=sized.weights)) if len(sized.sizes) else None
        quantiles = weighted_quantiles(sized.sizes, sized.weights, tuple(SHARES.values()))
        um2 = 1e6 * share / one.per_mm2 if one.per_mm2 else None
        figures = [one.per_mm2, um2, mean, *quantiles]
    for line in one.lines:
        yield (
            *(one.image, one.group, one.class_name, count, *figures),
            *(line.direction, line.per_mm, line.mean_chord_um, line.mean_free_path_um),
        )
