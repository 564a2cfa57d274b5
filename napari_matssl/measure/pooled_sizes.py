"""Sizes of one class over all fields of a group, with quantiles and their intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.size_distribution import (
    PooledQuantile,
    SizedObjects,
    pooled_quantiles,
    samples_of,
)
from napari_matssl.micrograph.place import Place

POOLED_SHARES = (0.1, 0.5, 0.9)
"""Of the quantiles D10, D50 and D90."""


class Sized(Protocol):
    """What was measured of one class in one field, with sizes."""

    @property
    def image(self) -> str:
        """Name of the field's image."""

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
    """Sizes of one class over all fields of a group.

    Parameters
    ----------
    group, class_name
        Which.
    in_um
        Whether sizes are in um; else no field is calibrated, and they are in px.
    sizes, weights
        ``(N,)`` equivalent diameters and what each counts.
    quantiles
        D10, D50 and D90, with intervals where there are several fields, or specimens.
    """

    group: str
    class_name: str
    in_um: bool
    sizes: NDArray[np.float64]
    weights: NDArray[np.float64]
    quantiles: tuple[PooledQuantile, ...]


def pooled_sizes(
    results: Sequence[Sized], place_of: Callable[[str], Place]
) -> tuple[PooledSizes, ...]:
    """Pool sizes per group and class.

    Fields without a pixel size are left out beside others that have one. Quantiles and intervals
    are those of the table of objects: each field is a sample, or each specimen where there are
    several.

    Parameters
    ----------
    results
        Of all fields.
    place_of
        Tells by the name of its image where a field was taken.
    """
    in_um = any(one.calibrated for one in results)
    pools: dict[tuple[str, str], dict[str, list[SizedObjects]]] = {}
    for one in results:
        place = place_of(one.image)
        specimens = pools.setdefault((place.group, one.class_name), {})
        fields = specimens.setdefault(place.specimen, [])
        if one.calibrated == in_um:
            fields.append(one.sized)
    return tuple(
        _pooled(*key, in_um, specimens)
        for key, specimens in pools.items()
        if any(specimens.values())
    )


def _pooled(
    group: str, name: str, in_um: bool, specimens: Mapping[str, Sequence[SizedObjects]]
) -> PooledSizes:
    fields = [field for some in specimens.values() for field in some]
    return PooledSizes(
        group,
        name,
        in_um,
        np.concatenate([field.sizes for field in fields]),
        np.concatenate([field.weights for field in fields]),
        tuple(pooled_quantiles(samples_of(specimens), POOLED_SHARES)),
    )
