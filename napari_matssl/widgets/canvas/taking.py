"""Taking over labels that were painted elsewhere."""

import numpy as np
from napari.layers import Labels

from napari_matssl.errors import InputError
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.widgets.canvas.layers import check_grid, copy_into
from napari_matssl.widgets.canvas.workspace import Workspace


def take_labels(workspace: Workspace) -> int:
    """Copy the selected labels layer into the painted labels, as one step that can be undone.

    Returns
    -------
    How many pixels changed.

    Raises
    ------
    InputError
        If no other labels layer is selected, it lies on another grid, or has ids of no class.
    """
    shown, project = workspace.shown, workspace.project
    layers = [
        layer
        for layer in workspace.viewer.layers.selection
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
    known = (0, *project.table.ids)
    strange = {value: n for value, n in count_values(ids).items() if value not in known}
    if strange:
        raise InputError(
            f'"{layer.name}" holds values that are no class: {listed(strange)}.',
            "Add classes with these ids, or change the values.",
        )
    return copy_into(shown.painted, ids.astype(np.uint8), None)
