"""The points of a finished count as a layer: coloured by class, disagreement marked."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Points
from napari.viewer import Viewer

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.measure.point_count import ImagePoints
from napari_matssl.measure.point_tables import class_in_words
from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.shown import Shown

COUNTED = "counted points"
"""Name of the layer."""

_NOBODY = "#ffffff"  # nobody could tell, or two classes
_AGREED, _DIFFERS = "black", "#ff2020"
_SIZE = 1 / 60  # of the image's shorter side


def add_counted_points(
    viewer: Viewer, shown: Shown, counted: ImagePoints, classes: Sequence[LabelClass]
) -> Points:
    """Add the points of a finished count; which layer is active stays.

    A point has the colour of its class by hand, white where that is none or two. Where the mask has
    another class, one that is excluded included, it is a cross with a red edge.

    Parameters
    ----------
    viewer, shown
        Where they are added.
    counted
        The count.
    classes
        Names and colours.
    """
    colours = {one.id: one.colour for one in classes}
    names = {one.id: one.name for one in classes}
    own = [
        colours.get(one.classes[0], _NOBODY) if len(one.classes) == 1 else _NOBODY
        for one in counted.points
    ]
    differs = [
        counted.agrees(place) is False or counted.excluded_by_one(place)
        for place in range(len(counted.points))
    ]
    masks = counted.mask_ids or (None,) * len(counted.points)
    active = viewer.layers.selection.active
    layer = viewer.add_points(
        np.array([(one.y, one.x) for one in counted.points], dtype=float),
        ndim=2,
        name=COUNTED,
        face_color=own,
        border_color=[_DIFFERS if one else _AGREED for one in differs],
        border_width=0.2,
        symbol=["cross" if one else "disc" for one in differs],
        size=np.array([1.6 if one else 1.0 for one in differs])
        * max(5.0, min(shown.painted.data.shape) * _SIZE),
        features={
            "by hand": [class_in_words(one, names) or "nobody can tell" for one in counted.points],
            "mask": ["" if one is None else names.get(one, "not analysed") for one in masks],
        },
        **grid_of(shown.image),
    )
    layer.editable = False
    viewer.layers.selection.active = active
    return layer
