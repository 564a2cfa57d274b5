"""Statistics of a group of fields that may come from several specimens and sections.

Fields of one specimen resemble each other. Where there are several specimens, each counts once,
with the mean of its fields, and the interval is over specimens; the spread between and within them
is told apart by a one-way analysis of variance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from napari_matssl.measure.field_statistics import FieldStatistics, field_statistics


@dataclass(frozen=True)
class Sample:
    """One figure of one field, and where the field was taken; ``""`` where that isn't known.

    A value of None, where the figure is undefined, is in no mean, but its specimen is one.
    """

    value: float | None
    specimen: str = ""
    section: str = ""


@dataclass(frozen=True)
class GroupStatistics:
    """Statistics of one quantity over a group.

    Parameters
    ----------
    over
        What counts as independent: ``"images"``, or ``"specimens"`` where the group has several,
        also if one of them alone has a value.
    images
        Fields with a value.
    fields
        Mean, spread and interval; its ``n`` counts what ``over`` names.
    s_between, s_within
        Standard deviations between specimens and between fields of one specimen, in the unit of
        the values; of sections where there is one specimen. None where they can't be told apart.
    """

    over: Literal["images", "specimens"]
    images: int
    fields: FieldStatistics
    s_between: float | None = None
    s_within: float | None = None

    @property
    def reason(self) -> str:
        """Why there is no interval; empty if there is one."""
        if self.fields.n == 0:
            return "no image with a value: no mean, no interval"
        if self.fields.n > 1:
            return ""
        one = "one image" if self.over == "images" else "one specimen with a value"
        return f"{one}: no interval"


def group_statistics(samples: Sequence[Sample]) -> GroupStatistics:
    """Summarise one figure per field.

    Raises
    ------
    InputError
        If a value is NaN or infinite.
    """
    several = len({one.specimen for one in samples}) > 1
    values = [one.value for one in samples if one.value is not None]
    parts = _parts(samples, "specimen" if several else "section")
    between, within = variance_components(parts)
    if several:
        stats = field_statistics(math.fsum(part) / len(part) for part in parts)
    else:
        stats = field_statistics(values)
    over: Literal["images", "specimens"] = "specimens" if several else "images"
    return GroupStatistics(over, len(values), stats, between, within)


def variance_components(parts: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """Split a spread into that between parts and that within them.

    One-way analysis of variance with random effects (Searle, Casella and McCulloch, Variance
    Components, 1992, chapter 3), for parts of any size: ``s_within^2 = MS_within`` and
    ``s_between^2 = (MS_between - MS_within) / n0``, with
    ``n0 = (N - sum(n_i^2) / N) / (a - 1)`` for a parts of n_i values, N in all.

    Parameters
    ----------
    parts
        The values of each specimen, or of each section.

    Returns
    -------
    ``(s_between, s_within)``. An estimate below 0 is 0. Both are None for fewer than two parts,
    and where no part has two values.
    """
    sizes = [len(part) for part in parts]
    total, count = sum(sizes), len(parts)
    if count < 2 or total == count:
        return None, None
    means = [math.fsum(part) / len(part) for part in parts]
    grand = math.fsum(v for part in parts for v in part) / total
    inside = math.fsum(
        (v - mean) ** 2 for part, mean in zip(parts, means, strict=True) for v in part
    ) / (total - count)
    outside = math.fsum(n * (mean - grand) ** 2 for n, mean in zip(sizes, means, strict=True)) / (
        count - 1
    )
    n0 = (total - math.fsum(n * n for n in sizes) / total) / (count - 1)
    rounding = (1e-12 * grand) ** 2  # of equal values, whose mean may differ in the last digit
    between = (outside - inside) / n0
    return (
        math.sqrt(between) if between > rounding else 0.0,
        math.sqrt(inside) if inside > rounding else 0.0,
    )


def _parts(samples: Sequence[Sample], of: Literal["specimen", "section"]) -> list[list[float]]:
    """Divide the values by their specimens or sections; those without any have no part."""
    parts: dict[str, list[float]] = {}
    for one in samples:
        if one.value is not None:
            parts.setdefault(getattr(one, of), []).append(one.value)
    return list(parts.values())
