"""Plots as SVG: sharp in print, a few kilobytes each, drawn without another library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup, escape

from napari_matssl.measure.size_distribution import ObjectSizes, weighted_quantiles

_WIDTH: Final = 680
_LANE: Final = 34
_LEFT, _RIGHT, _TOP, _BOTTOM = 210, 30, 10, 44
_INK, _GRID = "#222", "#d9d9d9"
_ARROW: Final = 6
_BINS: Final = 24
_LONGEST_LABEL: Final = 26


@dataclass(frozen=True)
class Lane:
    """One line of a plot of means.

    Parameters
    ----------
    label
        Beside it.
    colour
        ``#rrggbb`` of its points.
    values
        Of single fields.
    mean
        None where it is undefined.
    bounds
        Both ends of the interval; None where there is none.
    """

    label: str
    colour: str
    values: tuple[float, ...]
    mean: float | None
    bounds: tuple[float, float] | None


NOT_NEGATIVE: Final = (0.0, math.inf)
PERCENT: Final = (0.0, 100.0)
ANY: Final = (-math.inf, math.inf)


def plot_means(
    title: str, axis: str, lanes: Sequence[Lane], possible: tuple[float, float] = NOT_NEGATIVE
) -> Markup:
    """Draw the values of fields as dots, with mean and 95 % interval, a line for each row.

    The interval of two fields may reach far beyond what the quantity can be. It ends in an arrow
    there, so that the axis keeps to what is possible.

    Parameters
    ----------
    title
        Read aloud in place of the picture.
    axis
        Name of the quantity, with its unit.
    possible
        Least and largest value of the quantity. The axis begins at the least, if there is one.
    """
    numbers = [v for lane in lanes for v in (*lane.values, *(lane.bounds or ()), lane.mean)]
    known = [min(max(v, possible[0]), possible[1]) for v in numbers if v is not None]
    known = [v for v in (*known, possible[0]) if math.isfinite(v)]
    ticks = nice_ticks(min(known), max(known))
    scale = _Scale(ticks[0], ticks[-1])
    bottom = _TOP + _LANE * len(lanes)
    parts = [_axis(axis, ticks, scale, bottom)]
    for number, lane in enumerate(lanes):
        parts.append(_lane(lane, scale, possible, _TOP + _LANE * number + _LANE / 2))
    return _svg(title, bottom + _BOTTOM, Markup("").join(parts))


def plot_sizes(title: str, sizes: ObjectSizes, colour: str) -> Markup:
    """Draw a size distribution by number, weighted as its quantiles are, with D10, D50, D90."""
    found = sizes.objects
    unit = "µm" if sizes.unit == "um" else "px"
    ticks = nice_ticks(0.0, float(found.sizes.max()))
    scale = _Scale(ticks[0], ticks[-1])
    counts, edges = np.histogram(
        found.sizes, bins=_BINS, range=(ticks[0], ticks[-1]), weights=found.weights
    )
    shares = 100 * counts / counts.sum()
    height = 150.0
    bottom = _TOP + 30 + height
    most = nice_ticks(0.0, float(shares.max()))
    parts = [_axis(f"equivalent diameter ({unit})", ticks, scale, bottom)]
    parts += [_level(v, bottom - height * v / most[-1], "%") for v in most]
    for share, left, right in zip(shares, edges[:-1], edges[1:], strict=True):
        x, y = scale(left), bottom - height * share / most[-1]
        parts.append(
            Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" {}/>').format(
                x, y, scale(right) - x - 0.5, bottom - y,
                Markup(f'fill="{colour}" fill-opacity=".65"'),
            )
        )  # fmt: skip
    quantiles = weighted_quantiles(found.sizes, found.weights, (0.1, 0.5, 0.9))
    names = (("D10", "end", 8), ("D50", "middle", 20), ("D90", "start", 8))
    for (name, anchor, above), value in zip(names, quantiles, strict=True):
        x, top = scale(float(value)), bottom - height
        parts.append(_line(x, top - above + 2, x, bottom, _INK, 1.5))
        parts.append(_text(name, x, top - above, anchor))
    return _svg(title, bottom + _BOTTOM, Markup("").join(parts))


def plot_counts(title: str, axis: str, counts: Sequence[tuple[str, float]]) -> Markup:
    """Draw how many there are of each kind as bars."""
    height, bottom = 150.0, _TOP + 170.0
    ticks = nice_ticks(0.0, max(count for _, count in counts))
    step = (_WIDTH - _LEFT - _RIGHT) / len(counts)
    parts = [_level(v, bottom - height * v / ticks[-1], "") for v in ticks]
    for n, (name, count) in enumerate(counts):
        x, tall = _LEFT + step * (n + 0.15), height * count / ticks[-1]
        parts.append(
            Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="#56789a"/>'
            ).format(x, bottom - tall, step * 0.7, tall)
        )
        parts.append(_text(name, x + step * 0.35, bottom + 16, "middle"))
    parts.append(_text(axis, (_LEFT + _WIDTH - _RIGHT) / 2, bottom + 36, "middle"))
    return _svg(title, bottom + _BOTTOM, Markup("").join(parts))


def nice_ticks(low: float, high: float) -> list[float]:
    """Choose four to nine round numbers that include both ends."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if (high - low) / (s * power) <= 7)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, last + 1)]


@dataclass(frozen=True)
class _Scale:
    """Places of values on the axis, px."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _axis(name: str, ticks: Sequence[float], scale: _Scale, bottom: float) -> Markup:
    parts = []
    for tick in ticks:
        x = scale(tick)
        parts.append(_line(x, _TOP, x, bottom, _GRID))
        parts.append(_text(f"{tick:.6g}", x, bottom + 16, "middle"))
    parts.append(_line(_LEFT, bottom, _WIDTH - _RIGHT, bottom, _INK))
    parts.append(_text(name, (_LEFT + _WIDTH - _RIGHT) / 2, bottom + 36, "middle"))
    return Markup("").join(parts)


def leaves(lane: Lane, possible: tuple[float, float]) -> bool:
    """Tell whether the interval of a lane reaches beyond what the quantity can be."""
    return lane.bounds is not None and (
        lane.bounds[0] < possible[0] or lane.bounds[1] > possible[1]
    )


def _lane(lane: Lane, scale: _Scale, possible: tuple[float, float], y: float) -> Markup:
    dot = Markup(
        '<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="{}" fill-opacity=".55" '
        'stroke="#222" stroke-opacity=".45" stroke-width=".7"/>'
    )
    parts = [_text(_shortened(lane.label), _LEFT - 10, y + 4, "end")]
    parts += [dot.format(scale(value), y, lane.colour) for value in lane.values]
    if lane.bounds is not None:
        ends = [scale(min(max(v, possible[0]), possible[1])) for v in lane.bounds]
        parts.append(_line(ends[0], y + 10, ends[1], y + 10, _INK, 2))
        beyond = (lane.bounds[0] < possible[0], lane.bounds[1] > possible[1])
        for x, inwards, cut in zip(ends, (_ARROW, -_ARROW), beyond, strict=True):
            if cut:
                parts += [_line(x, y + 10, x + inwards, y + 10 + up, _INK, 2) for up in (-4, 4)]
            else:
                parts.append(_line(x, y + 6, x, y + 14, _INK, 2))
    if lane.mean is not None:
        x = scale(lane.mean)
        parts.append(
            Markup('<rect x="{:.1f}" y="{:.1f}" width="8" height="8" fill="#222"/>').format(
                x - 4, y + 6
            )
        )
    return Markup("").join(parts)


def _level(value: float, y: float, unit: str) -> Markup:
    text = _text(f"{value:.6g} {unit}".strip(), _LEFT - 8, y + 4, "end")
    return _line(_LEFT, y, _WIDTH - _RIGHT, y, _GRID) + text


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> Markup:
    return Markup(
        '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="{:g}"/>'
    ).format(x1, y1, x2, y2, colour, width)


def _text(text: str, x: float, y: float, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, text
    )


def _shortened(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _svg(title: str, height: float, inside: Markup) -> Markup:
    return Markup(
        '<svg role="img" viewBox="0 0 {} {:.0f}" font-family="inherit" font-size="12.5" '
        'fill="#222"><title>{}</title>{}</svg>'
    ).format(_WIDTH, height, escape(title), inside)
