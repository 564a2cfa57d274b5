"""Statistics of objects over the images or specimens of each group."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from napari_matssl.measure.figure_summary import SUMMARY_FIGURES, summarise_figures
from napari_matssl.measure.object_tables import SHARES, object_summary_frame
from napari_matssl.measure.objects import Objects
from napari_matssl.measure.size_distribution import (
    ObjectSizes,
    SizedObjects,
    pooled_quantiles,
    samples_of,
)
from napari_matssl.micrograph.place import Place

COLUMNS = ("group", "class", "line_direction_deg", *SUMMARY_FIGURES)
_PER_IMAGE = ("objects_per_mm2", "mean_area_um2", "mean_diameter_um")
_PER_LINE = ("intercepts_per_mm", "mean_chord_um", "mean_free_path_um")


def object_statistics_frame(
    results: Sequence[Objects], places: Mapping[str, Place]
) -> pd.DataFrame:
    """Summarise objects per group and class, as ``COLUMNS``.

    Parameters
    ----------
    results
        Of all fields.
    places
        Where the fields were taken, by the names of their images.

    Returns
    -------
    One row per group, class and figure. The quantiles of sizes are those of the objects of all
    fields together, with an interval by bootstrap. Figures of test lines have a row per direction.
    """
    table = object_summary_frame(results)
    once = table["line_direction_deg"].isin([one.lines[0].direction for one in results[:1]])
    parts = [
        summarise_figures(table[once], _PER_IMAGE, places),
        _quantile_frame(results, places),
        summarise_figures(table, _PER_LINE, places, ("group", "class", "line_direction_deg")),
    ]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def sizes_by_group(results: Iterable[Objects]) -> tuple[ObjectSizes, ...]:
    """Bring the sizes of each group and class together.

    Where some of its fields are calibrated, those alone: um and px don't mix.
    """
    pools: dict[tuple[str, str], list[Objects]] = {}
    for one in results:
        pools.setdefault((one.group, one.class_name), []).append(one)
    pooled = []
    for (group, name), fields in pools.items():
        chosen = [one for one in fields if one.calibrated] or fields
        objects = SizedObjects(
            np.concatenate([one.sized.sizes for one in chosen]),
            np.concatenate([one.sized.weights for one in chosen]),
        )
        pooled.append(ObjectSizes(group, name, "um" if chosen[0].calibrated else "px", objects))
    return tuple(pooled)


def _quantile_frame(results: Sequence[Objects], places: Mapping[str, Place]) -> pd.DataFrame:
    groups: dict[tuple[str, str], list[Objects]] = {}
    for one in results:
        groups.setdefault((one.group, one.class_name), []).append(one)
    rows = [
        (*key, np.nan, *cells)
        for key, fields in groups.items()
        if any(one.calibrated for one in fields)
        for cells in _quantile_cells(fields, places)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _quantile_cells(
    fields: Sequence[Objects], places: Mapping[str, Place]
) -> list[tuple[object, ...]]:
    specimens: dict[str, list[SizedObjects]] = {}
    for one in fields:
        place = places.get(one.image, Place())
        of_specimen = specimens.setdefault(place.specimen, [])
        if one.calibrated:
            of_specimen.append(one.sized)
    several = len(specimens) > 1
    samples = samples_of(specimens)
    filled = sum(any(len(field.sizes) for field in sample) for sample in samples)
    images = sum(one.calibrated and len(one.sized.sizes) > 0 for one in fields)
    over = "specimens" if several else "images"
    reason = "" if filled > 1 else f"objects in {filled} of the {over}: no interval"
    return [
        (
            *(figure, filled, found.value, None, found.ci95),
            100 * found.ci95 / found.value if found.ci95 is not None and found.value else None,
            *(None, None, over, images, reason),
        )
        for figure, found in zip(
            SHARES, pooled_quantiles(samples, tuple(SHARES.values())), strict=True
        )
    ]
