"""Layers: coatings, oxide, nitrided cases. Thickness, roughness of the interfaces, cracks.

B487 / ISO 1463-style: thickness is measured across the layer's own direction. Neighbouring columns
are correlated, so the interval of the mean comes from a block bootstrap along the layer.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.measure.bent_line import SMOOTHED_THICKNESSES
from napari_matssl.measure.correlated import SeriesStatistics, series_statistics
from napari_matssl.measure.cracks import LayerCracks, find_cracks
from napari_matssl.measure.field import Field
from napari_matssl.measure.layer_columns import CRACK, LAYER, OTHER, ColumnKind, Columns
from napari_matssl.measure.layer_fitting import Seen, Sight, find_line
from napari_matssl.measure.reduced_layer import reduce_layer
from napari_matssl.settings.layers import LayerSettings

MANY_CUT = 0.1
"""Share of cut columns that a remark is made on; every tilted layer loses some at its ends."""


@dataclass(frozen=True)
class Roughness:
    """Roughness of an interface along its whole length, um (px if uncalibrated).

    Parameters
    ----------
    ra
        Mean distance from the mean line.
    rq
        Root mean square of it.
    """

    ra: float
    rq: float


@dataclass(frozen=True)
class LayerMeasure:
    """What was measured of one layer; lengths in um, in px if the field isn't calibrated.

    Parameters
    ----------
    class_name
        Of the layer.
    method
        ``"columns"`` or ``"centreline"``.
    columns
        All columns, with their ends; None if no line could be laid through the layer.
    thickness
        Over the counted columns; gaps are zeros if the settings say so.
    thickness_px
        Mean in px along the columns.
    length
        Of the layer, over the counted columns.
    upper, lower
        Roughness of the interfaces; None without a counted column.
    cracks
        None if the class table has no class of cracks.
    remarks
        What is unusual, one line each.
    """

    class_name: str
    method: str
    columns: Columns | None
    thickness: SeriesStatistics
    thickness_px: float | None
    thinnest: float | None
    thickest: float | None
    length: float
    upper: Roughness | None
    lower: Roughness | None
    cracks: LayerCracks | None
    remarks: tuple[str, ...]


def measure_layer(
    field: Field, class_name: str, settings: LayerSettings | None = None
) -> LayerMeasure:
    """Measure the layer that a class forms.

    Raises
    ------
    InputError
        If the field has no such class.
    """
    settings = settings or LayerSettings()
    own = field.class_named(class_name).id
    cracks = tuple(
        one.id
        for one in field.classes.classes
        if one.name in settings.crack_names and one.id != own
    )
    scale = field.pixel_size_um or (1.0, 1.0)
    layer = reduce_layer(field.mask, field.analysed, own, cracks, scale)
    if not layer.body.any():
        return _nothing(class_name, settings, f"no pixel of {class_name}")
    sight = Sight(field, _codes(field, own, cracks), scale)
    found = find_line(sight, layer, settings.method)
    if found is None:
        why = f"{class_name} leaves the image: no column shows both of its interfaces"
        return _nothing(class_name, settings, why)
    line, method = found
    seen = sight.look(line)
    summary = _summary(class_name, method, seen, settings)
    if not cracks:
        return summary
    pixels = np.isin(field.mask, cracks)
    tolerance = settings.crack_tolerance_percent
    return replace(summary, cracks=find_cracks(seen.band, seen.columns, pixels, tolerance))


def _codes(field: Field, own: int, cracks: tuple[int, ...]) -> NDArray[np.uint8]:
    codes = np.full(256, OTHER, dtype=np.uint8)
    codes[list(cracks)] = CRACK
    codes[own] = LAYER
    return codes


def _summary(class_name: str, method: str, seen: Seen, settings: LayerSettings) -> LayerMeasure:
    columns = seen.columns
    there, gaps = columns.counted, columns.kinds == ColumnKind.GAP
    thickness, thickness_px = columns.thickness.copy(), columns.thickness_px.copy()
    if settings.gaps == "zero":
        thickness[gaps] = thickness_px[gaps] = 0.0
    within = np.flatnonzero(columns.kinds != ColumnKind.BEYOND)
    inner = thickness[within[0] : within[-1] + 1] if len(within) else thickness[:0]
    known = np.isfinite(thickness)
    upper, lower = _roughness(columns, columns.upper), _roughness(columns, columns.lower)
    return LayerMeasure(
        class_name=class_name,
        method=method,
        columns=columns,
        thickness=series_statistics(inner),
        thickness_px=float(thickness_px[known].mean()) if known.any() else None,
        thinnest=float(thickness[known].min()) if known.any() else None,
        thickest=float(thickness[known].max()) if known.any() else None,
        length=float(there.sum() * columns.line.spacing),
        upper=upper,
        lower=lower,
        cracks=None,
        remarks=_remarks(class_name, seen, settings),
    )


def _roughness(columns: Columns, heights: NDArray[np.floating]) -> Roughness | None:
    """Measure an interface without tilt, and for a bent layer without waves longer than thick."""
    there = columns.counted
    if there.sum() < 3:
        return None
    line = columns.line
    deviations = []
    for number in np.unique(line.parts[there]):
        place = there & (line.parts == number)
        height = (heights * columns.lengths)[place]
        if line.tilt_deg is None:
            width = SMOOTHED_THICKNESSES * float(np.mean(columns.thickness[place]))
            height = height - ndimage.gaussian_filter1d(height, width / line.spacing)
        along = np.flatnonzero(place)
        if len(along) > 2:
            deviations.append(height - np.polyval(np.polyfit(along, height, 1), along))
    z = np.concatenate(deviations) if deviations else np.zeros(1)
    return Roughness(ra=float(abs(z).mean()), rq=float((z**2).mean() ** 0.5))


def _remarks(class_name: str, seen: Seen, settings: LayerSettings) -> tuple[str, ...]:
    columns = seen.columns
    counts = {kind: int((columns.kinds == kind).sum()) for kind in ColumnKind}
    met = counts[ColumnKind.COUNTED] + counts[ColumnKind.CUT]
    remarks = []
    if counts[ColumnKind.CUT] > MANY_CUT * met:
        remarks.append(
            f"{class_name} leaves the image or touches what wasn't analysed in"
            f" {counts[ColumnKind.CUT]} of {met} columns, which aren't counted"
        )
    if counts[ColumnKind.GAP]:
        done = "count as zero" if settings.gaps == "zero" else "aren't counted"
        remarks.append(f"{counts[ColumnKind.GAP]} columns without {class_name} {done}")
    if seen.left_out >= 0.01:
        remarks.append(
            f"{100 * seen.left_out:.0f} % of {class_name} lies apart from the layer and isn't"
            " counted"
        )
    return tuple(remarks)


def _nothing(class_name: str, settings: LayerSettings, remark: str) -> LayerMeasure:
    method = "centreline" if settings.method == "centreline" else "columns"
    none = series_statistics(np.zeros(0))
    return LayerMeasure(
        class_name, method, None, none, None, None, None, 0.0, None, None, None, (remark,)
    )
