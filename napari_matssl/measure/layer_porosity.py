"""Porosity of a layer: the share of its area that classes of pores take.

E2109-style: pores are related to the area of the layer alone, not of the image. The layer's area is
that between both interfaces of its counted columns, whatever the class of what they enclose, as for
its thickness. So a pore that opens at an interface is a part of the interface's roughness, not of
the layer, except where layer lies on both sides of it along a column.
"""

from dataclasses import dataclass

import numpy as np

from napari_matssl.measure.layer_columns import OTHER, PORE, POROUS_CRACK, STEP, Band, Columns
from napari_matssl.measure.layer_coverage import sample_areas, widening

_BLOCK = 1024


@dataclass(frozen=True)
class Porosity:
    """Areas between the interfaces of a layer's counted columns, um2 (px2 if uncalibrated).

    Parameters
    ----------
    layer
        All of it: layer, pores, cracks, and whatever else is enclosed.
    pores
        Of the classes of pores.
    other
        Neither layer nor pore nor crack.
    """

    layer: float
    pores: float
    other: float

    @property
    def percent(self) -> float | None:
        """100 * pores / layer; None without a counted column."""
        return 100 * self.pores / self.layer if self.layer else None

    @property
    def other_share(self) -> float:
        """Share of the layer's area that is of other classes, 0 to 1."""
        return self.other / self.layer if self.layer else 0.0


def measure_porosity(band: Band, columns: Columns) -> Porosity:
    """Measure the area between both interfaces, and the pores in it."""
    depth = (np.arange(len(band.codes))[:, None] + 0.5) * STEP
    drift = widening(columns.line)
    layer = pores = other = 0.0
    counted = np.flatnonzero(columns.counted)
    for first in range(0, len(counted), _BLOCK):
        part = counted[first : first + _BLOCK]
        below = depth + band.start[part]  # px from the line
        area = sample_areas(band, columns, part, drift)
        area[(below < columns.upper[part]) | (below > columns.lower[part])] = 0
        codes = band.codes[:, part]
        layer += float(area.sum())
        pores += float(area[(codes == PORE) | (codes == POROUS_CRACK)].sum())
        other += float(area[codes == OTHER].sum())
    return Porosity(layer, pores, other)
