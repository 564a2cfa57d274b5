"""Area fractions of the phases in masks, and tables of them."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.labels.provenance import Provenance
from napari_matssl.measure.field_statistics import field_statistics
from napari_matssl.micrograph.image import PixelSize

PHASE_COLUMNS = (
    "image",
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
)
SUMMARY_COLUMNS = (
    "class_id",
    "class",
    "n",
    "mean_percent",
    "s_percent",
    "ci95_percent",
    "relative_accuracy_percent",
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
    """

    image: str
    class_id: int
    class_name: str
    pixels: int
    analysed_pixels: int
    fraction_percent: float | None
    area_um2: float | None
    origin: Provenance | None = None


def phase_fractions(
    name: str,
    mask: NDArray[np.integer],
    table: ClassTable,
    pixel_size: PixelSize | None,
    origin: Provenance | None = None,
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

    Returns
    -------
    One row per class that is not excluded, also for those with no pixel, in the table's order.

    Raises
    ------
    InputError
        If the mask holds a value that is no class.
    """
    pixels = count_values(mask)
    strange = {v: n for v, n in pixels.items() if v not in (*table.ids, table.no_class)}
    if strange:
        raise InputError(
            f"The mask {name} holds values that are no class: {listed(strange)}.",
            "Give the class table that the mask was made with.",
            settings="classes",
        )
    phases = [c for c in table.classes if not c.exclude]
    analysed = sum(pixels.get(c.id, 0) for c in phases)
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
                area_um2=None if pixel_size is None else count * pixel_size.area_um2,
                origin=origin,
            )
        )
    return rows


def phases_frame(rows: Iterable[PhaseFraction]) -> pd.DataFrame:
    """Put the rows into a table with the columns ``PHASE_COLUMNS``; NaN for None."""
    return pd.DataFrame(
        [
            (
                r.image,
                r.class_id,
                r.class_name,
                r.pixels,
                r.analysed_pixels,
                r.fraction_percent,
                r.area_um2,
                *_origin_cells(r.origin),
            )
            for r in rows
        ],
        columns=list(PHASE_COLUMNS),
    )


def summary_frame(rows: Iterable[PhaseFraction]) -> pd.DataFrame:
    """Summarise the area fractions per class over the images.

    Returns
    -------
    One row per class in ascending order of the ids, with the columns ``SUMMARY_COLUMNS``. ``n``
    counts the images in which something was analysed; NaN where a figure is undefined.
    """
    frame = phases_frame(rows)
    origins = ("model", "model_sha256", "run", "version")
    common = ["; ".join(filter(None, frame[column].unique())) for column in origins]
    summaries = []
    for class_id, of_class in frame.groupby("class_id"):
        stats = field_statistics(of_class["fraction_percent"].dropna())
        summaries.append((class_id, of_class["class"].iloc[0], *astuple(stats), *common))
    return pd.DataFrame(summaries, columns=list(SUMMARY_COLUMNS))


def _origin_cells(origin: Provenance | None) -> tuple[str, ...]:
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
    )
