"""Tables of layers: one row per image and layer."""

from collections.abc import Sequence

import pandas as pd

from napari_matssl.measure.field import Field
from napari_matssl.measure.layers import LayerMeasure

LAYER_COLUMNS = (
    "image",
    "group",
    "class",
    "method",
    "columns",
    "tilt_deg",
    "mean_px",
    "mean_um",
    "s_um",
    "min_um",
    "max_um",
    "ci95_um",
    "roughness_upper_um",
    "roughness_lower_um",
    "cracks_per_mm",
    "crack_spacing_um",
    "crack_length_um_per_mm2",
    "effective_columns",
)
LAYER_FIGURES = (
    "mean_px",
    "mean_um",
    "roughness_upper_um",
    "roughness_lower_um",
    "cracks_per_mm",
    "crack_length_um_per_mm2",
)
"""Those whose mean over images has a meaning."""


def layer_row(field: Field, one: LayerMeasure) -> dict[str, object]:
    """Return the row of a layer; lengths in um are None while the field isn't calibrated."""
    thickness = one.thickness
    row: dict[str, object] = {
        "image": field.name,
        "group": field.group,
        "class": one.class_name,
        "method": one.method,
        "columns": thickness.n,
        "tilt_deg": None if one.columns is None else one.columns.line.tilt_deg,
        "mean_px": one.thickness_px,
        "effective_columns": thickness.effective_n,
    }
    if field.pixel_size is None:
        return row
    return row | _lengths(one) | _cracks(one)


def _lengths(one: LayerMeasure) -> dict[str, object]:
    """Return figures in um, Ra of the interfaces among them."""
    return {
        "mean_um": one.thickness.mean,
        "s_um": one.thickness.s,
        "min_um": one.thinnest,
        "max_um": one.thickest,
        "ci95_um": one.thickness.ci95,
        "roughness_upper_um": None if one.upper is None else one.upper.ra,
        "roughness_lower_um": None if one.lower is None else one.lower.ra,
    }


def _cracks(one: LayerMeasure) -> dict[str, object]:
    """Return figures of cracks: through-cracks by the layer's length, length by its area."""
    if one.cracks is None or not one.length or not one.thickness.mean:
        return {}
    area = one.length * one.thickness.mean
    return {
        "cracks_per_mm": 1e3 * len(one.cracks.through) / one.length,
        "crack_spacing_um": one.cracks.spacing,
        "crack_length_um_per_mm2": 1e6 * one.cracks.length / area,
    }


def layers_frame(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Put rows of layers into a table with the columns ``LAYER_COLUMNS``; NaN for None."""
    words = {"image", "group", "class", "method"}
    frame = pd.DataFrame(list(rows), columns=list(LAYER_COLUMNS))
    kinds = {name: int if name == "columns" else float for name in LAYER_COLUMNS}
    return frame.astype({name: kind for name, kind in kinds.items() if name not in words})
