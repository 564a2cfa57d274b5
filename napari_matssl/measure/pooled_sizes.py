"""Sizes of one class over all fields, with quantiles and their intervals: to be plotted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.size_distribution import (
    PooledQuantile,
    SizedObjects,
    pooled_quantiles,
)

POOLED_SHARES = (0.1, 0.5, 0.9)
"""Of the quantiles D10, D50 and D90."""


class Sized(Protocol):
    """What was measured of one class in one field, with sizes."""

    @property
    def class_name(self) -> str:
        """The class."""

    @property
    def calibrated(self) -> bool:
        """Whether sizes are in um; else they are in px."""

    @property
    def sized(self) -> SizedObjects:
        """Sizes and weights of what lies wholly inside the field."""


@dataclass(frozen=True)
class PooledSizes:
    """Sizes of one class over all fields.

    Parameters
    ----------
    class_name
        The class.
    in_um
        Whether sizes are in um; else no field is calibrated, and they are in px.
    sizes, weights
        ``(N,)`` equivalent diameters and what each counts.
    quantiles
        D10, D50 and D90, with intervals where there are several fields.
    """

    class_name: str
    in_um: bool
    sizes: NDArray[np.float64]
    weights: NDArray[np.float64]
    quantiles: tuple[PooledQuantile, ...]


def pooled_sizes(results: Sequence[Sized]) -> tuple[PooledSizes, ...]:
    """Pool sizes per class; fields without a pixel size are left out beside others that have one.

    Quantiles and intervals are those of the table of objects: each field is a sample.
    """
    in_um = any(one.calibrated for one in results)
    classes: dict[str, list[SizedObjects]] = {}
    for one in results:
        if one.calibrated == in_um:
            classes.setdefault(one.class_name, []).append(one.sized)
    return tuple(
        PooledSizes(
            name,
            in_um,
            np.concatenate([field.sizes for field in fields]),
            np.concatenate([field.weights for field in fields]),
            tuple(pooled_quantiles([[field] for field in fields], POOLED_SHARES)),
        )
        for name, fields in classes.items()
    )
