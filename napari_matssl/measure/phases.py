"""Area fractions of the phases in masks, and tables of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.provenance import Provenance
from napari_matssl.measure.field import Field, field_of_mask
from napari_matssl.measure.group_statistics import Sample, group_statistics
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.place import ALL, Place

WANTED_ACCURACY = 10.0
"""Relative accuracy in percent for which the summary gives the number of fields."""

PHASE_COLUMNS = (
    "image",
    "group",
    "class_id",
    "class",
    "pixels",
    "analysed_pixels",
    "fraction_percent",
    "area_um2",
    "model",
    "model_sha256",
    "run",
    "date",
    "version",
    "cleaning",
    "info_bar",
    "remarks",
    "light",
    "reason",
    "uncertain_percent",
    "pixel_size_source",
)
SUMMARY_COLUMNS = (
    "group",
    "class_id",
    "class",
    "n",
    "mean_percent",
    "s_percent",
    "ci95_percent",
    "relative_accuracy_percent",
    "fields_for_10_percent",
    "s_between_percent",
    "s_within_percent",
    "over",
    "images",
    "reason",
    "model",
    "model_sha256",
    "run",
    "version",
)


@dataclass(frozen=True)
class PhaseFraction:
    """The fraction of one phase in one image.

    Parameters
    ----------
    image
        Name of the image.
    class_id, class_name
        The phase.
    pixels
        Pixels of the phase.
    analysed_pixels
        Pixels of all phases together, the denominator.
    fraction_percent
        Area fraction from 0 to 100; None if nothing was analysed.
    area_um2
        Area of the phase in square micrometres; None if the image isn't calibrated.
    origin
        Provenance of the mask, as far as it is stored.
    group, specimen, section
        As for :class:`~napari_matssl.measure.field.Field`.
    pixel_size_source
        Where the pixel size was read; empty if the image isn't calibrated.
    """

    image: str
    class_id: int
    class_name: str
    pixels: int
    analysed_pixels: int
    fraction_percent: float | None
    area_um2: float | None
    origin: Provenance | None = None
    group: str = ALL
    specimen: str = ""
    section: str = ""
    pixel_size_source: str = ""


def phase_fractions(
    name: str,
    mask: NDArray[np.integer],
    table: ClassTable,
    pixel_size: PixelSize | None,
    origin: Provenance | None = None,
    place: Place | None = None,
) -> list[PhaseFraction]:
    """Measure the area fraction of every phase in one mask.

    Pixels that were not analysed, and those of classes to exclude (scratches, stains), are in no
    denominator. Such classes get no row.

    Parameters
    ----------
    name
        What to call the image in the table and in messages.
    mask
        ``(H, W)``, class ids, and `table`'s ``not_analysed`` where there is no class.
    table
        The classes of the mask.
    pixel_size
        None if the image isn't calibrated: no areas then.
    origin
        How the mask came about, for the table.
    place
        Where the field was taken; None if that isn't known.

    Returns
    -------
    One row per class that is not excluded, also for those with no pixel, in the table's order.

    Raises
    ------
    InputError
        If the mask holds a value that is no class.
    """
    place = place or Place()
    field = field_of_mask(name, mask, table, pixel_size, place.group, place.specimen, place.section)
    return measure_phases(field, origin)


def measure_phases(field: Field, origin: Provenance | None = None) -> list[PhaseFraction]:
    """Measure the area fraction of every phase in one field.

    Parameters
    ----------
    field
        Its analysed area is the denominator. Classes to exclude get no row.
    origin
        How its mask came about, for the table.

    Returns
    -------
    One row per class that is not excluded, also for those with no pixel, in the table's order.
    """
    pixels = count_values(field.mask if field.analysed is None else field.mask[field.analysed])
    place = Place(specimen=field.specimen, section=field.section, group=field.group)
    return counted_phases(field.name, pixels, field.classes, field.pixel_size, origin, place)


def counted_phases(
    name: str,
    pixels: Mapping[int, int],
    table: ClassTable,
    size: PixelSize | None,
    origin: Provenance | None = None,
    place: Place | None = None,
) -> list[PhaseFraction]:
    """Make the rows of one image of the pixels of each class, by id; other values don't count.

    The other parameters are those of :func:`phase_fractions`.
    """
    place = place or Place()
    phases = [one for one in table.classes if not one.exclude]
    analysed = sum(pixels.get(one.id, 0) for one in phases)
    rows = []
    for phase in phases:
        count = pixels.get(phase.id, 0)
        rows.append(
            PhaseFraction(
                image=name,
                class_id=phase.id,
                class_name=phase.name,
                pixels=count,
                analysed_pixels=analysed,
                fraction_percent=100 * count / analysed if analysed else None,
                area_um2=None if size is None else count * size.area_um2,
                origin=origin,
                group=place.group,
                specimen=place.specimen,
                section=place.section,
                pixel_size_source="" if size is None else size.source,
            )
        )
    return rows


def phases_frame(rows: Iterable[PhaseFraction]) -> pd.DataFrame:
    """Put the rows into a table with the columns ``PHASE_COLUMNS``; NaN for None."""
    return pd.DataFrame(
        [
            (
                r.image,
                r.group,
                r.class_id,
                r.class_name,
                r.pixels,
                r.analysed_pixels,
                r.fraction_percent,
                r.area_um2,
                *_origin_cells(r.origin),
                r.pixel_size_source,
            )
            for r in rows
        ],
        columns=list(PHASE_COLUMNS),
    )


def summary_frame(rows: Iterable[PhaseFraction]) -> pd.DataFrame:
    """Summarise the area fractions per group and class.

    Returns
    -------
    One row per group, in the order of the rows, and class, in ascending order of the ids, with the
    columns ``SUMMARY_COLUMNS``. ``n`` counts the images in which something was analysed, or the
    specimens where a group has several; NaN where a figure is undefined.
    """
    classes: dict[tuple[str, int], list[PhaseFraction]] = {}
    for row in rows:
        classes.setdefault((row.group, row.class_id), []).append(row)
    place = {group: n for n, group in enumerate(dict.fromkeys(group for group, _ in classes))}
    origins = {group: _common_origins(classes, group) for group in place}
    return pd.DataFrame(
        [
            (*_summary_cells(classes[key]), *origins[key[0]])
            for key in sorted(classes, key=lambda key: (place[key[0]], key[1]))
        ],
        columns=list(SUMMARY_COLUMNS),
    )


def _summary_cells(rows: list[PhaseFraction]) -> tuple[object, ...]:
    """Summarise one class of one group."""
    one = rows[0]
    stats = group_statistics(
        [Sample(row.fraction_percent, row.specimen, row.section) for row in rows]
    )
    return (
        *(one.group, one.class_id, one.class_name),
        *(stats.fields.n, stats.fields.mean, stats.fields.s, stats.fields.ci95),
        stats.fields.relative_accuracy,
        stats.fields.fields_for(WANTED_ACCURACY),
        *(stats.s_between, stats.s_within, stats.over, stats.images, stats.reason),
    )


def _common_origins(
    classes: dict[tuple[str, int], list[PhaseFraction]], group: str
) -> tuple[str, ...]:
    """List what masks of a group were made by: each model, run and version once."""
    origins = [row.origin for (name, _), rows in classes.items() if name == group for row in rows]
    known = [one or Provenance() for one in origins]
    cells = [(one.model, one.short_sha256, one.run, one.version) for one in known]
    return tuple(
        "; ".join(filter(None, dict.fromkeys(column))) for column in zip(*cells, strict=True)
    )


def _origin_cells(origin: Provenance | None) -> tuple[str | float | None, ...]:
    one = origin or Provenance()
    source = one.model, one.short_sha256, one.run, one.written, one.version
    cleaning = "; ".join(filter(None, (one.cleaning, "painted pixels count" * one.painted)))
    return (
        *source,
        cleaning,
        one.info_bar,
        "; ".join(one.remarks),
        one.light,
        "; ".join(one.reasons),
        None if one.uncertain is None else round(100 * one.uncertain, 2),
    )
