"""Tables of nodules: one row per image and class."""

from collections.abc import Sequence

import pandas as pd

from napari_matssl.measure.field import Field
from napari_matssl.measure.nodules import NoduleMeasure

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
)
NODULE_FIGURES = (
    "nodules_per_mm2",
    "nodularity_by_number_percent",
    "nodularity_by_area_percent",
    "mean_diameter_um",
)
"""Those whose mean over images has a meaning."""


def nodule_row(field: Field, one: NoduleMeasure) -> dict[str, object]:
    """Return the row of a class; lengths in um are None while the field isn't calibrated."""
    return {
        "image": field.name,
        "group": field.group,
        "class": one.class_name,
        "nodules": one.nodules,
        "nodules_per_mm2": one.per_mm2,
        "nodularity_by_number_percent": one.by_number,
        "nodularity_by_area_percent": one.by_area,
        "mean_diameter_um": None if field.pixel_size is None else one.mean_diameter,
        "size_class": one.size_class,
        "left_out": one.left_out,
    }


def nodules_frame(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Put rows of nodules into a table with the columns ``NODULE_COLUMNS``; NaN for None."""
    words, whole = {"image", "group", "class"}, {"nodules", "left_out"}
    frame = pd.DataFrame(list(rows), columns=list(NODULE_COLUMNS))
    kinds = {name: int if name in whole else float for name in NODULE_COLUMNS}
    return frame.astype({name: kind for name, kind in kinds.items() if name not in words})
