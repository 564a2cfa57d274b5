"""The single intercepts of test lines, as ticks across them, by what each counts."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.measure.boundaries import class_to_measure
from napari_matssl.measure.field import Field
from napari_matssl.measure.grains import measure_grains
from napari_matssl.measure.intercepts import Floats, Intercepts
from napari_matssl.measure.items import FieldItems
from napari_matssl.settings.grains import GrainSettings

Figure = Literal["lines", "circles"]

COUNTED_AS = {
    1: "touched, or an end: 1/2",
    2: "crossed: 1",
    3: "triple point: 1 1/2",
    4: "several at once: 2 or more",
}
"""What an intercept counts as, in words; its count stands beside it in the table."""

_CHORD = {2: "middle of a chord: 1"}

_TICK = 1 / 45
"""Length of a tick, as a share of the field's shorter side."""


def items_of_intercepts(
    field: Field, measured: LabelClass | None, settings: GrainSettings, figure: Figure
) -> FieldItems:
    """List the intercepts of a test figure with the boundaries of a field's grains.

    Parameters
    ----------
    measured
        The class of boundaries, or of grains; None chooses one by its name.
    figure
        The parallel lines, or the circles with their lines.
    """
    found = measure_grains(field, measured or class_to_measure(field), settings)
    met = found.lines if figure == "lines" else found.circles
    words = COUNTED_AS if settings.intercepts == "crossings" else _CHORD
    if met is None:
        blank = pd.DataFrame({"intercept": pd.Series(dtype=np.int64)})
        nothing = np.zeros((0, 2, 2))
        no_kinds = np.zeros(0, dtype=np.uint8)
        return FieldItems(
            blank, np.zeros((0, 2)), ends=nothing, kinds_of_ends=no_kinds, remarks=found.remarks
        )
    kinds = _kinds(met.counted)
    table = pd.DataFrame(
        {
            "intercept": np.arange(1, len(kinds) + 1),
            "counts_as": [words[int(kind)] for kind in kinds],
            "counted": met.counted,
            "test_line": met.line + 1,
            "centre_x_px": met.places[:, 1],
            "centre_y_px": met.places[:, 0],
        }
    )
    return FieldItems(
        table,
        met.places,
        ends=_ticks(met, _TICK * min(field.mask.shape)),
        kinds_of_ends=kinds,
        lines=_pieces(met.lines),
        words=words,
        remarks=(f"They count {met.count:g} in all.", *found.remarks),
    )


def _kinds(counted: Floats) -> NDArray[np.uint8]:
    """Return the kind of each intercept, by what it counts."""
    kinds: NDArray[np.uint8] = np.searchsorted((0.75, 1.25, 1.75), counted).astype(np.uint8) + 1
    return kinds


def _pieces(lines: Sequence[Floats]) -> Floats:
    """Cut test lines into straight pieces: ``(n, 2, 2)``."""
    return np.concatenate([np.stack([one[:-1], one[1:]], axis=1) for one in lines])


def _ticks(met: Intercepts, length: float) -> Floats:
    """Return a short line across the test line at each intercept: ``(N, 2, 2)``."""
    ticks = np.zeros((len(met.places), 2, 2))
    for number, vertices in enumerate(met.lines):
        of_line = np.flatnonzero(met.line == number)
        middles, steps = (vertices[:-1] + vertices[1:]) / 2, np.diff(vertices, axis=0)
        away = np.linalg.norm(met.places[of_line, None] - middles[None], axis=2)
        along = steps[away.argmin(axis=1)] if len(of_line) else np.zeros((0, 2))
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) * length / 2
        ticks[of_line] = met.places[of_line, None] + np.stack([-across, across], axis=1)
    return ticks
