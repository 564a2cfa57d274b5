"""Taking over labels that were painted elsewhere."""

from collections.abc import Callable

import numpy as np
from napari.layers import Labels

from napari_matssl.errors import InputError
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.layers import check_grid, copy_into


def take_labels(
    current: CurrentImage, class_of: Callable[[str, int, int], int | None]
) -> int | None:
    """Copy the selected labels layer into the painted labels, as one step that can be undone.

    Parameters
    ----------
    class_of
        Asked for the class of a layer that holds one value beside 0 which is no class, as masks
        of 0 and 255 do: given its name, the value and its pixels, returns an id; None to give up.

    Returns
    -------
    How many pixels changed; None if it was given up.

    Raises
    ------
    InputError
        If no image is shown, no other labels layer is selected, or it lies on another grid or has
        ids of no class.
    """
    shown = current.require_shown()
    shown.whole()  # a layer of all of a panorama can't be copied
    layers = [
        layer
        for layer in current.viewer.layers.selection
        if isinstance(layer, Labels) and layer not in shown.layers
    ]
    if len(layers) != 1:
        raise InputError(
            "No labels layer of yours is selected.",
            "Select the one to take over in the layer list, then press this again.",
        )
    layer = layers[0]
    check_grid(layer, shown.image)
    ids = np.asarray(layer.data)
    ids = ids.reshape(ids.shape[-2:])
    allowed = (0, *shown.project.classes.table.ids)
    counts = count_values(ids)
    strange = {value: n for value, n in counts.items() if value not in allowed}
    if len(counts.keys() - {0}) == 1 and strange:
        ((value, pixels),) = strange.items()
        chosen = class_of(layer.name, value, pixels)
        if chosen is None:
            return None
        ids = np.where(ids == value, chosen, 0)
    elif strange:
        raise InputError(
            f'"{layer.name}" holds values that are no class: {listed(strange)}.',
            "Add classes with these ids, or change the values.",
        )
    return copy_into(shown.painted, ids.astype(np.uint8), None)
