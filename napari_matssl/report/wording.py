"""Headings and figures as they stand on the page."""

import math
from typing import Any, Final

import pandas as pd

_UNITS: Final = (
    ("_um_per_mm2", "µm/mm²"),
    ("_per_mm2", "1/mm²"),
    ("_per_mm", "1/mm"),
    ("_percent", "%"),
    ("_um2", "µm²"),
    ("_um", "µm"),
    ("_px", "px"),
    ("_deg", "°"),
)
_NAMES: Final = {
    "n": "n",
    "s": "s",
    "image": "field",
    "mean_percent": "mean (%)",
    "ci95": "95 % CI ±",
    "ci95_percent": "95 % CI ± (%)",
    "ci95_um": "95 % CI ± (µm)",
    "ci95_px": "95 % CI ± (px)",
    "ci95_low": "CI from",
    "ci95_high": "CI to",
    "ci95_low_percent": "95 % CI from (%)",
    "ci95_high_percent": "to (%)",
    "relative_accuracy_percent": "RA (%)",
    "fields_for_10_percent": "n for 10 % RA",
    "fraction_percent": "area fraction (%)",
    "s_between": "s between",
    "s_within": "s within",
    "g_astm": "G (ASTM-style)",
    "g_iso": "G (ISO-style)",
    "inside_g_astm": "G of those inside",
    "inside_mean_area_um2": "mean area of those inside (µm²)",
    "inside_mean_area_px": "mean area of those inside (px)",
    "raw_percent": "as found (%)",
    "counted_points": "points that count",
    "boundary_points": "on a boundary",
    "untold_points": "not told",
    "manual_percent": "by hand (%)",
    "mask_percent": "mask, same points (%)",
    "kappa_ci95_low": "95 % CI from",
    "kappa_ci95_high": "to",
    "first_time": "from (UTC)",
    "last_time": "to (UTC)",
    "line_direction_deg": "line (°)",
    "pixel_width_um": "pixel width (µm)",
    "pixel_height_um": "pixel height (µm)",
}
_COUNTS: Final = frozenset(
    (
        *("grains_inside", "grains_cut", "columns", "nodules", "graphite", "left_out"),
        *("size_class", *(f"size_{n}" for n in range(1, 9))),
    )
)
"""Columns of whole numbers; in tables they are floats beside cells that are blank."""


def heading(column: str) -> str:
    """Write the name of a column or figure for people, with its unit in brackets."""
    if column in _NAMES:
        return _NAMES[column]
    for ending, unit in _UNITS:
        if column.endswith(ending):
            plain = column.removesuffix(ending)
            return f"{_words(plain)} ({unit})"
    return _words(column)


def _words(name: str) -> str:
    first, *rest = name.split("_")
    upper = {"d10": "D10", "d50": "D50", "d90": "D90", "rq": "Rq"}.get(first, first)
    return " ".join([upper, *rest])


def in_csv(value: Any) -> str:
    """Return the text of a cell as it stands in its CSV file; blank where undefined."""
    if is_blank(value):
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def in_print(value: Any, column: str = "") -> str:
    """Return a figure in four digits, or more before the point; a dash where undefined.

    Parameters
    ----------
    column
        Where it stands: counts have no digits behind the point.
    """
    if is_blank(value):
        return "–"
    if not isinstance(value, float):
        return str(value)
    if column in _COUNTS and value.is_integer():
        return str(int(value))
    if value == 0 or not math.isfinite(value) or (value.is_integer() and abs(value) >= 100):
        return f"{value:.15g}"
    power = math.floor(math.log10(abs(value)))
    if power < -5:
        return f"{value:.3e}"
    return f"{value:.{max(0, 3 - power)}f}"


def is_blank(value: Any) -> bool:
    """Whether a cell is undefined."""
    return value is None or value is pd.NA or value == "" or value != value


def plural(count: int, one: str) -> str:
    """Write a number and what it counts: ``1 field``, ``3 fields``."""
    return f"{count} {one}{'s' * (count != 1)}"
