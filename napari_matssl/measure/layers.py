"""Layers: coatings, oxide, nitrided cases. Thickness, roughness of the interfaces, cracks, pores.

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
from napari_matssl.measure.layer_columns import (
    CRACK,
    LAYER,
    OTHER,
    PORE,
    POROUS_CRACK,
    ColumnKind,
    Columns,
)
from napari_matssl.measure.layer_coverage import unseen_share
from napari_matssl.measure.layer_fitting import Seen, Sight, find_line
from napari_matssl.measure.layer_porosity import Porosity, measure_porosity
from napari_matssl.measure.reduced_layer import reduce_layer
from napari_matssl.micrograph.place import Place
from napari_matssl.settings.layers import LayerSettings

MANY_CUT = 0.1
"""Share of cut columns that a remark is made on; every tilted layer loses some at its ends."""

LEAST_COUNTED = 0.2
"""Share of columns that show both interfaces, below which there is no thickness."""

SMALL_SHARE = 0.01
"""Share of a layer that may lie apart from it, or beside all columns, without a remark."""

FARTHEST_APART = 1.9
"""Distance of columns in px from which on a remark is made; pixels aren't always square."""

_FLAT = 1e-9
"""Heights of an interface in px that are rounding of numbers alone."""

FEW_INDEPENDENT = 5
"""Fewer effective columns are remarked."""


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
class Thickness:
    """Thickness over the columns of a layer, in one unit.

    Parameters
    ----------
    statistics
        Over the counted columns; gaps are zeros if the settings say so.
    smallest, largest
        None without a counted column.
    """

    statistics: SeriesStatistics
    smallest: float | None
    largest: float | None

    @property
    def mean(self) -> float | None:
        """Mean over the columns."""
        return self.statistics.mean


_NONE = Thickness(series_statistics(np.zeros(0)), None, None)


@dataclass(frozen=True)
class LayerMeasure:
    """What was measured of one layer; lengths in um, in px if the field isn't calibrated.

    Parameters
    ----------
    image, group, place
        Of the field.
    calibrated
        Whether lengths are in um.
    class_name
        Of the layer.
    method
        ``"columns"`` or ``"centreline"``.
    columns
        All columns, with their ends; None if no line could be laid through the layer.
    thickness, px
        In um (px), and in px along each column.
    length, area
        Of the layer, over the counted columns.
    upper, lower
        Roughness of the interfaces; None without a counted column.
    cracks
        None if the class table has no class of cracks, or nothing was measured.
    porosity
        None if the class table has no class of pores, or nothing was measured.
    remarks
        What is unusual, one line each.
    """

    image: str
    group: str
    place: Place
    calibrated: bool
    class_name: str
    method: str
    columns: Columns | None = None
    thickness: Thickness = _NONE
    px: Thickness = _NONE
    length: float = 0.0
    area: float = 0.0
    upper: Roughness | None = None
    lower: Roughness | None = None
    cracks: LayerCracks | None = None
    porosity: Porosity | None = None
    remarks: tuple[str, ...] = ()


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
    cracks = _ids_of(field, settings.crack_names, own)
    pores = _ids_of(field, settings.pore_names, own)
    scale = field.pixel_size_um or (1.0, 1.0)
    nothing = LayerMeasure(
        image=field.name,
        group=field.group,
        place=Place(field.specimen, field.section, field.group),
        calibrated=field.pixel_size is not None,
        class_name=class_name,
        method="centreline" if settings.method == "centreline" else "columns",
    )
    where = f"{field.name}, {class_name}"
    layer = reduce_layer(field.mask, field.analysed, own, cracks, scale)
    if not layer.body.any():
        return replace(nothing, remarks=(f"{where}: no pixel of this class.",))
    sight = Sight(field, _codes(own, cracks, pores), scale)
    found = find_line(sight, layer, settings.method)
    seen = None if found is None else sight.look(found[0])
    if found is None or seen is None or not _enough(seen.columns):
        why = (
            f"{where}: it leaves the image; fewer than a fifth of its columns show both interfaces."
        )
        return replace(nothing, remarks=(why,))
    measured = _with_thickness(replace(nothing, method=found[1]), seen.columns, settings)
    enclosed = measure_porosity(seen.band, seen.columns)
    measured = replace(measured, porosity=enclosed if pores else None)
    unseen = unseen_share(seen.band, seen.columns, int(np.count_nonzero(field.mask == own)))
    shares = enclosed.other_share, unseen
    measured = replace(measured, remarks=_remarks(where, seen, shares, measured, settings))
    if not cracks:
        return measured
    is_crack = np.zeros(256, dtype=np.bool_)
    is_crack[list(cracks)] = True
    tolerance = settings.crack_tolerance_percent
    return replace(
        measured, cracks=find_cracks(seen.band, seen.columns, is_crack[field.mask], tolerance)
    )


def _enough(columns: Columns) -> bool:
    """Whether the counted columns stand for the layer."""
    met = columns.counted | (columns.kinds == ColumnKind.CUT)
    return bool(columns.counted.sum() > LEAST_COUNTED * met.sum())


def _ids_of(field: Field, names: frozenset[str], own: int) -> tuple[int, ...]:
    """Give the ids of the classes of some names, beside the layer's own."""
    classes = field.classes.classes
    return tuple(one.id for one in classes if one.name.lower() in names and one.id != own)


def _codes(own: int, cracks: tuple[int, ...], pores: tuple[int, ...]) -> NDArray[np.uint8]:
    codes = np.full(256, OTHER, dtype=np.uint8)
    codes[list(cracks)] = CRACK
    codes[list(pores)] = PORE
    codes[[one for one in pores if one in cracks]] = POROUS_CRACK
    codes[own] = LAYER
    return codes


def _with_thickness(
    measured: LayerMeasure, columns: Columns, settings: LayerSettings
) -> LayerMeasure:
    spacing = columns.line.spacing
    return replace(
        measured,
        columns=columns,
        thickness=_thickness(columns.thickness, columns, settings),
        px=_thickness(columns.thickness_px, columns, settings),
        length=float(columns.counted.sum()) * spacing,
        area=float(columns.thickness[columns.counted].sum()) * spacing,
        upper=_roughness(columns, columns.upper),
        lower=_roughness(columns, columns.lower),
    )


def _thickness(
    values: NDArray[np.floating], columns: Columns, settings: LayerSettings
) -> Thickness:
    if settings.gaps == "zero":
        values = np.where(columns.kinds == ColumnKind.GAP, 0.0, values)
    outside = (columns.kinds == ColumnKind.BEYOND) | (columns.kinds == ColumnKind.DOUBLE)
    within = np.flatnonzero(~outside)
    values = values[within[0] : within[-1] + 1]
    return Thickness(series_statistics(values), float(np.nanmin(values)), float(np.nanmax(values)))


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
    z[abs(z) < _FLAT * float(np.median(columns.lengths))] = 0
    return Roughness(ra=float(abs(z).mean()), rq=float((z**2).mean() ** 0.5))


def _remarks(
    where: str,
    seen: Seen,
    shares: tuple[float, float],
    measured: LayerMeasure,
    settings: LayerSettings,
) -> tuple[str, ...]:
    """Tell what is unusual; `shares` of the layer are of other classes, and beside all columns."""
    other, unseen = shares
    counts = {kind: int((seen.columns.kinds == kind).sum()) for kind in ColumnKind}
    cut = counts[ColumnKind.CUT]
    remarks = []
    if cut > MANY_CUT * (met := cut + counts[ColumnKind.COUNTED]):
        remarks.append(
            f"{where}: in {cut} of {met} columns it leaves the image or touches"
            " what wasn't analysed; they aren't counted."
        )
    if counts[ColumnKind.GAP]:
        done = "count as zero" if settings.gaps == "zero" else "aren't counted"
        remarks.append(f"{where}: {counts[ColumnKind.GAP]} columns without layer {done}.")
    if seen.left_out >= SMALL_SHARE:
        remarks.append(
            f"{where}: {100 * seen.left_out:.0f} % of it lies apart from the layer and isn't"
            " counted."
        )
    if unseen >= SMALL_SHARE:
        remarks.append(
            f"{where}: {100 * unseen:.0f} % of it isn't measured, as no column crosses it: pieces"
            " less than three times as long as thick, or far from the others."
        )
    if other >= SMALL_SHARE:
        named = measured.porosity is not None
        found = f"{where}: {100 * other:.1f} % of its area is neither layer nor crack"
        remarks.append(
            f"{found} nor pore; name the classes that are pores."
            if named
            else f"{found}, and counts as thickness."
        )
    apart = _px_apart(seen.columns)
    if apart > FARTHEST_APART:
        remarks.append(
            f"{where}: it is so large that columns are {apart:.0f} px apart; narrower cracks may"
            " be missed."
        )
    effective = measured.thickness.statistics.effective_n
    if effective is not None and effective < FEW_INDEPENDENT:
        remarks.append(
            f"{where}: {measured.thickness.statistics.n} columns are worth about"
            f" {effective:.0f} independent ones, so the interval is wide; measure more images."
        )
    return tuple(remarks)


def _px_apart(columns: Columns) -> float:
    """Tell how many px of the image neighbouring columns are apart, along the layer."""
    height, width = columns.scale
    normals = columns.line.normals
    along = np.hypot(normals[:, 1] / height, normals[:, 0] / width)  # px per um
    return columns.line.spacing * float(np.median(along))
