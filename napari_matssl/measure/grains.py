"""Grain size of a field by three methods, "E112-style" and "ISO 643-style"."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.labels.names import few
from napari_matssl.measure.boundaries import (
    BoundaryNetwork,
    Role,
    boundary_network,
    counted_as_grains,
    excluded_by_name,
    guessed_role,
)
from napari_matssl.measure.field import Field
from napari_matssl.measure.figures import Curve, circle_pattern, line_grid
from napari_matssl.measure.grain_chords import measure_chords
from napari_matssl.measure.grain_counts import GrainCounts, count_grains
from napari_matssl.measure.grain_number import (
    GrainNumber,
    g_of_grains_per_mm2,
    g_of_mean_intercept,
    grain_number,
)
from napari_matssl.measure.intercepts import Intercepts, count_intercepts
from napari_matssl.settings.grains import GrainSettings

Method = Literal["planimetric", "lines", "circles"]

FEWEST_GRAINS = 50
"""Grains of a field below which it is remarked (E112-style)."""

FEWEST_INTERCEPTS = 500
"""Intercepts of all fields together below which it is remarked (E112-style)."""

WIDE = 0.05
"""Width of boundaries, as a share of the mean intercept, from which on it is remarked."""


SMALLEST_SIDE = 10
"""Shorter side of the analysed area, in px of the longer side of a pixel, below which there are no
figures: the smallest test circle would be narrower than the two rows of pixels beside it."""


@dataclass(frozen=True)
class GrainSize:
    """Grain size of one field by one method; None where undefined or uncalibrated.

    Parameters
    ----------
    field, group, specimen, section
        Where it was measured, as in :class:`~napari_matssl.measure.field.Field`.
    class_name
        The class of boundaries or of grains that was measured.
    method
        How.
    counts
        The grains, of the planimetric method.
    intercepts
        The intercepts, of both others.
    """

    field: str
    group: str
    specimen: str
    section: str
    class_name: str
    method: Method
    counts: "CountFigures | None" = None
    intercepts: "InterceptFigures | None" = None

    @property
    def number(self) -> GrainNumber:
        """G of the field, without an interval: one field has none."""
        if self.counts is not None:
            return grain_number(g_of_grains_per_mm2, self.counts.per_mm2)
        if self.intercepts is not None:
            return grain_number(g_of_mean_intercept, self.intercepts.mean_um)
        return GrainNumber()


@dataclass(frozen=True)
class CountFigures:
    """Figures of :class:`~napari_matssl.measure.grain_counts.GrainCounts`, without its image."""

    inside: int
    cut: int
    grains: float
    per_mm2: float | None
    mean_area_px: float | None
    mean_area_um2: float | None
    inside_mean_area_px: float | None
    inside_mean_area_um2: float | None

    @classmethod
    def of(cls, counts: GrainCounts) -> "CountFigures":
        """Take the figures."""
        inside, pixel = counts.inside_mean_area_px, counts.pixel
        return cls(
            counts.inside,
            counts.cut,
            counts.grains,
            counts.per_mm2,
            counts.mean_area_px,
            counts.mean_area_um2,
            inside,
            None if inside is None or pixel is None else inside * pixel[0] * pixel[1],
        )


@dataclass(frozen=True)
class InterceptFigures:
    """Figures of :class:`~napari_matssl.measure.intercepts.Intercepts`, without its places."""

    count: float
    length_px: float
    length_um: float | None
    mean_px: float | None
    mean_um: float | None

    @classmethod
    def of(cls, intercepts: Intercepts) -> "InterceptFigures":
        """Take the figures."""
        return cls(
            intercepts.count,
            intercepts.length_px,
            intercepts.length_um,
            intercepts.mean_px,
            intercepts.mean_um,
        )


@dataclass(frozen=True)
class MeasuredGrains:
    """The grain size of one field, with each grain and intercept that it was made of.

    Parameters
    ----------
    sizes
        One per method.
    counts, lines, circles
        What was counted where; None if nothing of the field was analysed, or too small an area.
    remarks
        Lines on what makes the figures doubtful.
    guessed
        What the class was taken for by its area in this field; None if that was told.
    """

    sizes: tuple[GrainSize, ...]
    counts: GrainCounts | None = None
    lines: Intercepts | None = None
    circles: Intercepts | None = None
    remarks: tuple[str, ...] = ()
    guessed: Role | None = None


def measure_grains(field: Field, measured: LabelClass, settings: GrainSettings) -> MeasuredGrains:
    """Measure the grain size of a field by counting grains, and by two figures of test lines.

    Parameters
    ----------
    measured
        The class of boundaries, or of grains: the settings decide.
    """
    network = boundary_network(field, measured, settings)
    about = (field.name, field.group, field.specimen, field.section, measured.name)
    if network is None or _too_small(network):
        methods: tuple[Method, ...] = ("planimetric", "lines", "circles")
        empty = tuple(GrainSize(*about, method) for method in methods)
        what = "nothing was analysed."
        if network is not None:
            height, width = network.shape
            what = f"an analysed area of {width} x {height} px is too small to measure grains."
        return MeasuredGrains(empty, remarks=(f"{field.name}: {what}",))
    grid, pattern = figures_over(network, settings)
    count = count_intercepts if settings.intercepts == "crossings" else measure_chords
    lines, circles = count(network, grid), count(network, pattern)
    counts = count_grains(network)
    sizes = (
        GrainSize(*about, "planimetric", counts=CountFigures.of(counts)),
        GrainSize(*about, "lines", intercepts=InterceptFigures.of(lines)),
        GrainSize(*about, "circles", intercepts=InterceptFigures.of(circles)),
    )
    remarks = _remarks(field.name, network, counts, lines, settings)
    if others := counted_as_grains(field, measured, settings):
        remarks = (
            f"Regions of {few(others, 8)} count as grains, as all does that isn't {measured.name}; "
            "exclude classes that are none.",
            *remarks,
        )
    if not counts.inside and (excluded := excluded_by_name(field.classes)):
        remarks = (
            f"{field.name}: grain size needs grains and their boundaries, but of these "
            f"{few(excluded, 8)} is excluded from the analysed area: include it.",
            *remarks,
        )
    guessed = guessed_role(field, measured, settings)
    return MeasuredGrains(sizes, counts, lines, circles, remarks, guessed)


def _too_small(network: BoundaryNetwork) -> bool:
    sides = network.shape[0] * network.pixel[0], network.shape[1] * network.pixel[1]
    return min(sides) < SMALLEST_SIDE * max(network.pixel)


def figures_over(
    network: BoundaryNetwork, settings: GrainSettings
) -> tuple[tuple[Curve, ...], tuple[Curve, ...]]:
    """Return the line grid and the circle pattern over a network."""
    height = network.pixel[0] / network.pixel[1]
    extent = (network.shape[0] * height, float(network.shape[1]))
    pitch = settings.line_pitch or max(min(extent) / 15, 1.0)
    return line_grid(extent, pitch, height), circle_pattern(extent)


def _remarks(
    name: str,
    network: BoundaryNetwork,
    counts: GrainCounts,
    lines: Intercepts,
    settings: GrainSettings,
) -> tuple[str, ...]:
    found = []
    if not counts.inside:
        found.append(f"{name}: no grain lies inside as a whole, so grains can't be counted.")
    elif counts.grains < FEWEST_GRAINS:
        found.append(
            f"{name}: {counts.grains:g} grains are fewer than {FEWEST_GRAINS} per field "
            "(E112-style)."
        )
    if not lines.count:
        found.append(f"{name}: no test line crosses a boundary.")
    length, area = np.count_nonzero(network.thinned), np.count_nonzero(network.boundary)
    width = area / length if length else 0.0
    if lines.mean_px is not None and width > WIDE * lines.mean_px:
        counts_as_grain = settings.intercepts == "crossings"
        how = "counts as grain" if counts_as_grain else "is in no chord"
        found.append(
            f"{name}: boundaries are {width:.1f} px wide, {100 * width / lines.mean_px:.0f} % of "
            f"the mean intercept; their width {how}."
        )
    return tuple(found)
