"""Tables of nodules: per image, and per group with intervals."""

from collections.abc import Sequence

import pandas as pd

from napari_matssl.measure.figure_summary import summarise_figures
from napari_matssl.measure.nodules import NoduleMeasure

_SIZES = tuple(f"size_{one}" for one in range(1, 9))
NODULE_COLUMNS = (
    "image",
    "group",
    "class",
    "nodules",
    "nodules_per_mm2",
    "nodularity_by_number_percent",
    "nodularity_by_area_percent",
    "mean_diameter_um",
    "size_class",
    "left_out",
    "graphite",
    "mean_diameter_px",
    *_SIZES,
)
_SUMMARISED = (
    "nodules_per_mm2",
    "nodularity_by_number_percent",
    "nodularity_by_area_percent",
    "mean_diameter_um",
    "mean_diameter_px",
)
_WORDS = ("image", "group", "class")
_COUNTS = ("nodules", "left_out", "graphite")
_MAYBE = ("size_class", *_SIZES)


def nodules_frame(results: Sequence[NoduleMeasure]) -> pd.DataFrame:
    """Put nodules into a table with the columns ``NODULE_COLUMNS``; NaN where undefined."""
    frame = pd.DataFrame([_cells(one) for one in results], columns=list(NODULE_COLUMNS))
    kinds: dict[str, object] = dict.fromkeys(NODULE_COLUMNS, float)
    kinds |= dict.fromkeys(_COUNTS, int) | dict.fromkeys(_MAYBE, "Int64")
    return frame.astype({name: kind for name, kind in kinds.items() if name not in _WORDS})


def nodules_summary_frame(results: Sequence[NoduleMeasure]) -> pd.DataFrame:
    """Summarise nodules per group and class, over images or specimens."""
    places = {one.image: one.place for one in results}
    return summarise_figures(nodules_frame(results), _SUMMARISED, places)


def _cells(one: NoduleMeasure) -> dict[str, object]:
    return {
        "image": one.image,
        "group": one.group,
        "class": one.class_name,
        "nodules": one.nodules,
        "nodules_per_mm2": one.per_mm2,
        "nodularity_by_number_percent": one.by_number,
        "nodularity_by_area_percent": one.by_area,
        "mean_diameter_um": one.mean_diameter if one.calibrated else None,
        "size_class": one.size_class,
        "left_out": one.left_out,
        "graphite": one.graphite,
        "mean_diameter_px": one.mean_diameter_px,
        **dict(zip(_SIZES, one.size_classes, strict=False)),
    }
