"""Area fractions corrected for the model's own error: the table, and words on it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from napari_matssl.labels.held_out import HeldOut
from napari_matssl.measure.field_statistics import field_statistics
from napari_matssl.measure.model_error import LEAST_PIXELS, correct
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.micrograph.place import ALL

CORRECTED_COLUMNS = (
    "group",
    "class_id",
    "class",
    "raw_percent",
    "corrected_percent",
    "ci95_low_percent",
    "ci95_high_percent",
    "held_out_pixels",
    "held_out_images",
)

_STAND_IN = (
    "the network itself hasn't been asked in held-out images; validate on two images that are "
    "labelled all over, or use the instant preset"
)
_PAINTED = (
    "Painted pixels overrule these masks, and the correction takes them for found by the model: "
    "where much was mended by hand, the fractions as found are the better ones."
)
_CLEANED = (
    "The masks were cleaned, held-out images weren't: what cleaning has mended is corrected a "
    "second time, and the fractions as found may be the better ones."
)
_NONE = "no image was held out of its training; paint two images or more"


@dataclass(frozen=True)
class CorrectedFraction:
    """The mean fraction of one phase over a group of images, as found and corrected.

    Parameters
    ----------
    group, class_id, class_name
        Images that are summarised together, and the phase.
    raw
        Mean area fraction as found, in percent; None if nothing was analysed.
    corrected, low, high
        The same corrected for the model's error, and the ends of its 95 % confidence interval, in
        percent; None where undefined.
    held_out_pixels, held_out_images
        Labelled pixels of the phase in held-out images, and how many of these show it.
    """

    group: str
    class_id: int
    class_name: str
    raw: float | None
    corrected: float | None = None
    low: float | None = None
    high: float | None = None
    held_out_pixels: int = 0
    held_out_images: int = 0


@dataclass(frozen=True)
class CorrectedFractions:
    """Corrected fractions of groups of images.

    Parameters
    ----------
    rows
        One per group and phase.
    source
        The held-out images in words; empty if there are none.
    reason
        Why corrections or intervals are missing, one sentence; empty if all are there.
    remarks
        Sentences on what the model mistakes, and what its error means for the figures.
    limits
        What the correction doesn't take into account, in sentences; empty if that is nothing.
    """

    rows: tuple[CorrectedFraction, ...] = ()
    source: str = ""
    reason: str = ""
    remarks: tuple[str, ...] = ()
    limits: str = ""


def correct_fractions(
    rows: Iterable[PhaseFraction], held_out: HeldOut | None, why_none: str = _NONE
) -> CorrectedFractions:
    """Correct the mean area fractions of phases, group by group.

    Parameters
    ----------
    rows
        Of all images.
    held_out
        What their model has mistaken in held-out images; classes are matched by name.
    why_none
        Why that is None, a clause.
    """
    groups: dict[str, list[PhaseFraction]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    result: list[CorrectedFraction] = []
    reasons: list[str] = []
    remarks: list[str] = []
    for name, of_group in groups.items():
        found, reason = _of_group(name, of_group, held_out, why_none)
        if held_out is not None and held_out.stand_in:
            # The network mends a part of what the instant classifier mistakes.
            result += [replace(one, corrected=None, low=None, high=None) for one in found]
            reason = _STAND_IN
        else:
            result += found
        reasons += [reason] if reason else []
        if held_out is not None:
            prefix = "" if name == ALL else f"{name}: "
            remarks += [prefix + line for line in _remarks(found, of_group, held_out)]
    missing = any(row.corrected is None for row in result)
    what = "correction for" if missing else "interval of"
    reason = f"No {what} the model's own error: {reasons[0]}." if reasons else ""
    if held_out is None:
        return CorrectedFractions(tuple(result), reason=reason)
    limits = held_out.limits_in_words()
    limits = f"Held-out images show a part of the error only: {limits}." if limits else ""
    origins = [row.origin for some in groups.values() for row in some if row.origin is not None]
    if not missing:
        painted = _PAINTED * any(one.painted for one in origins)
        cleaned = _CLEANED * any(one.cleaning != "" for one in origins)
        limits = " ".join(filter(None, (limits, painted, cleaned)))
    source = held_out.in_words()
    return CorrectedFractions(tuple(result), source, reason, tuple(remarks), limits)


def corrected_frame(rows: Iterable[CorrectedFraction]) -> pd.DataFrame:
    """Put the rows into a table with the columns ``CORRECTED_COLUMNS``; NaN for None."""
    return pd.DataFrame(
        [
            (
                r.group,
                r.class_id,
                r.class_name,
                r.raw,
                r.corrected,
                r.low,
                r.high,
                r.held_out_pixels,
                r.held_out_images,
            )
            for r in rows
        ],
        columns=list(CORRECTED_COLUMNS),
    )


def _of_group(
    group: str, rows: Sequence[PhaseFraction], held_out: HeldOut | None, why_none: str
) -> tuple[list[CorrectedFraction], str]:
    """Correct one group; return also why figures are missing, a clause."""
    ids = {row.class_id: row.class_name for row in rows}
    fields, weights, specimens = _fractions(rows, list(ids))
    raw = 100 * weights @ fields if len(fields) else [None] * len(ids)
    plain = [
        CorrectedFraction(group, i, name, None if r is None else float(r))
        for (i, name), r in zip(ids.items(), raw, strict=True)
    ]
    if held_out is None or not len(fields):
        return plain, why_none if held_out is None else "nothing was analysed in the images"
    names = list(ids.values())
    strange = [
        name
        for name, share in zip(names, fields.max(axis=0), strict=True)
        if name not in held_out.classes and share > 0
    ]
    if strange:
        return plain, f"the model has no class {strange[0]}"
    counts = _counts(held_out, names)
    # As in the summary: fields of one specimen resemble each other, in what is mistaken, too.
    correction = correct(counts, fields, names, weights, specimens if specimens > 1 else None)
    known = counts.sum(axis=2) >= LEAST_PIXELS  # (m, K)
    corrected = [
        replace(
            one,
            corrected=_percent(correction.corrected[k]),
            low=_percent(correction.low[k]),
            high=_percent(correction.high[k]),
            held_out_pixels=int(counts[known[:, k], k].sum()),
            held_out_images=int(known[:, k].sum()),
        )
        for k, one in enumerate(plain)
    ]
    return corrected, correction.reason


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else 100 * float(share)


def _fractions(
    rows: Sequence[PhaseFraction], ids: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the fractions ``(n, K)``, 0 to 1, of the images in which something was analysed.

    Returns
    -------
    Also the weight of each in the mean ``(n,)``: specimens count alike, as in the summary; and the
    number of specimens.
    """
    images: dict[str, dict[int, float]] = {}
    specimens: dict[str, str] = {}
    for row in rows:
        if row.fraction_percent is not None:
            images.setdefault(row.image, {})[row.class_id] = row.fraction_percent / 100
            specimens[row.image] = row.specimen
    count = Counter(specimens.values())
    weights = [1 / (len(count) * count[one]) for one in specimens.values()]
    fractions = [[one.get(i, 0.0) for i in ids] for one in images.values()]
    return np.array(fractions), np.array(weights), len(count)


def _counts(held_out: HeldOut, names: Sequence[str]) -> np.ndarray:
    """Return the counts ``(m, K, K)`` of some classes, zeros for those that weren't there."""
    counts = held_out.counts
    result = np.zeros((len(counts), len(names), len(names)), dtype=np.int64)
    places = {name: n for n, name in enumerate(held_out.classes)}
    ours = [k for k, name in enumerate(names) if name in places]
    theirs = [places[names[k]] for k in ours]
    result[:, np.array(ours)[:, None], ours] = counts[:, np.array(theirs)[:, None], theirs]
    return result


def _remarks(
    found: Sequence[CorrectedFraction], rows: Sequence[PhaseFraction], held_out: HeldOut
) -> list[str]:
    """Describe a bias that is beyond doubt, and an error larger than the spread of fields."""
    lines, biases, large = [], [], []
    strokes = held_out.source == "left-out" and (held_out.stand_in or not held_out.boundaries)
    # Of two phases, one has what the other lacks.
    told = found if len(found) != 2 else [min(found, key=lambda one: one.raw or 0)]
    for one in told:
        if one.raw is None or one.corrected is None or one.low is None or one.high is None:
            continue
        points = one.raw - one.corrected
        if not one.low <= one.raw <= one.high:
            verb = ("over" if points > 0 else "under") + "estimate" + "s" * (not strokes)
            biases.append(f"{verb} {one.class_name} by {_points(abs(points))}")
        values = [r.fraction_percent for r in rows if r.class_id == one.class_id]
        stats = field_statistics(v for v in values if v is not None)
        error = max(abs(points), (one.high - one.low) / 2)
        if stats.s is not None and error > stats.s:
            large.append(f"{one.class_name} ({_points(error)} against {_points(stats.s)})")
    if biases:
        who = "Strokes like these" if strokes else "The model"
        if held_out.stand_in:
            who = "With strokes like these, the instant classifier would"
        hope = "; the network may do better" if held_out.stand_in else ""
        lines.append(f"{who} {' and '.join(biases)} ({held_out.in_words()}{hope}).")
    if large and not held_out.stand_in:
        lines.append(
            f"The model's error is larger than the spread between images for {', '.join(large)}: "
            "paint more images; measuring more won't help."
        )
    return lines


def _points(value: float) -> str:
    number = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
    return f"{number} point{'s' * (number != '1')}"
