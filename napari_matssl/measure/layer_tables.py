"""Tables of layers: per image, and per group with intervals."""

from collections.abc import Sequence

import pandas as pd

from napari_matssl.measure.figure_summary import summarise_figures
from napari_matssl.measure.layers import LayerMeasure, Roughness, Thickness

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
    "s_px",
    "min_px",
    "max_px",
    "ci95_px",
    "rq_upper_um",
    "rq_lower_um",
    "porosity_percent",
    "pores_um2",
    "layer_um2",
    "pores_px",
    "layer_px",
)
_SUMMARISED = (
    "mean_px",
    "mean_um",
    "s_um",
    "roughness_upper_um",
    "roughness_lower_um",
    "cracks_per_mm",
    "crack_spacing_um",
    "crack_length_um_per_mm2",
    "porosity_percent",
)
_WORDS = ("image", "group", "class", "method")


def layers_frame(results: Sequence[LayerMeasure]) -> pd.DataFrame:
    """Put layers into a table with the columns ``LAYER_COLUMNS``; NaN where undefined."""
    frame = pd.DataFrame([_cells(one) for one in results], columns=list(LAYER_COLUMNS))
    kinds = {name: float for name in LAYER_COLUMNS if name not in (*_WORDS, "columns")}
    return frame.astype({**kinds, "columns": int})


def layers_summary_frame(results: Sequence[LayerMeasure]) -> pd.DataFrame:
    """Summarise layers per group and class, over images or specimens."""
    places = {one.image: one.place for one in results}
    return summarise_figures(layers_frame(results), _SUMMARISED, places)


def _cells(one: LayerMeasure) -> dict[str, object]:
    line = None if one.columns is None else one.columns.line
    return {
        "image": one.image,
        "group": one.group,
        "class": one.class_name,
        "method": one.method,
        "columns": one.px.statistics.n,
        "tilt_deg": None if line is None else line.tilt_deg,
        "effective_columns": one.px.statistics.effective_n,
        **_thickness_cells(one.px, "px"),
        **_porosity_cells(one),
        **(_um_cells(one) if one.calibrated else {}),
    }


def _porosity_cells(one: LayerMeasure) -> dict[str, float | None]:
    found, columns = one.porosity, one.columns
    if found is None or columns is None:
        return {}
    pixel = columns.scale[0] * columns.scale[1]
    cells = {"pores_px": found.pores / pixel, "layer_px": found.layer / pixel}
    if one.calibrated:
        cells |= {"pores_um2": found.pores, "layer_um2": found.layer}
    return {"porosity_percent": found.percent, **cells}


def _um_cells(one: LayerMeasure) -> dict[str, float | None]:
    cells: dict[str, float | None] = _thickness_cells(one.thickness, "um")
    for name, interface in (("upper", one.upper), ("lower", one.lower)):
        cells |= _roughness_cells(name, interface)
    if one.cracks is not None and one.length and one.area:
        cells |= {
            "cracks_per_mm": 1e3 * len(one.cracks.through) / one.length,
            "crack_spacing_um": one.cracks.spacing,
            "crack_length_um_per_mm2": 1e6 * one.cracks.length / one.area,
        }
    return cells


def _thickness_cells(thickness: Thickness, unit: str) -> dict[str, float | None]:
    found = thickness.statistics
    return {
        f"mean_{unit}": found.mean,
        f"s_{unit}": found.s,
        f"min_{unit}": thickness.smallest,
        f"max_{unit}": thickness.largest,
        f"ci95_{unit}": found.ci95,
    }


def _roughness_cells(name: str, interface: Roughness | None) -> dict[str, float | None]:
    if interface is None:
        return {}
    return {f"roughness_{name}_um": interface.ra, f"rq_{name}_um": interface.rq}
