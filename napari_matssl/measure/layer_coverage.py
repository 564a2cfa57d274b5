"""How much of a layer's class lies where no column is looked along."""

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.layer_columns import LAYER, STEP, Band, ColumnKind, Columns
from napari_matssl.measure.layer_line import LayerLine

_BLOCK = 1024


def unseen_share(band: Band, columns: Columns, pixels: int) -> float:
    """Tell which share of a layer's class no column meets, counted or not, 0 to 1.

    Parameters
    ----------
    pixels
        Of the class, in the whole field.
    """
    seen = 0.0
    drift = widening(columns.line)
    single = np.flatnonzero(columns.kinds != ColumnKind.DOUBLE)
    for first in range(0, len(single), _BLOCK):
        part = single[first : first + _BLOCK]
        own = band.codes[:, part] == LAYER
        seen += float(sample_areas(band, columns, part, drift)[own].sum())
    return max(0.0, 1 - seen / (pixels * columns.scale[0] * columns.scale[1]))


def sample_areas(
    band: Band, columns: Columns, part: NDArray[np.intp], drift: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Give the area that each sample of some columns stands for, um2 (px2): ``(D, len(part))``.

    Parameters
    ----------
    part
        Which columns.
    drift
        As of :func:`widening`.
    """
    lengths = columns.lengths[part]
    depth = (np.arange(len(band.codes))[:, None] + 0.5) * STEP
    below = (depth + band.start[part]) * lengths  # from the line
    areas: NDArray[np.floating] = STEP * lengths * columns.line.spacing * (1 + below * drift[part])
    return areas


def widening(line: LayerLine) -> NDArray[np.floating]:
    """Give the share by which columns drift apart per um (px) below the line, ``(N,)``.

    With the tangent p' and the normal n, columns at depth d are ``1 + d n' p' / p'^2`` times as far
    apart as on the line: nearer on the inner side of a bend.
    """
    found = np.zeros(len(line.points))
    for number in np.unique(line.parts):
        place = np.flatnonzero(line.parts == number)
        if len(place) > 1:
            along = np.gradient(line.points[place], axis=0)
            turning = np.gradient(line.normals[place], axis=0)
            found[place] = (turning * along).sum(axis=1) / (along**2).sum(axis=1)
    return found
