"""Saving a labels layer from napari as a label image: the pixel is the class id."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import ArrayLike, NDArray

from napari_matssl.errors import InputError, OutputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.widgets.canvas.layers import CLASSES, KIND, MEASURED, pixel_size_of

_GREATEST = 254  # 255 is "not analysed" where 0 is a class
_TIFF = (".tif", ".tiff")


def write_labels(path: str, data: ArrayLike, meta: dict[str, Any]) -> list[str]:
    """Write a labels layer as a palette PNG or as a calibrated TIFF.

    Parameters
    ----------
    path
        Ends in ``.png`` or ``.tif``.
    data
        ``(H, W)``, class ids from 0 to 254.
    meta
        The layer's properties, as napari gives them. The PNG has the colours of its classes, else
        those of its colormap; the TIFF has the pixel size if the layer's units are lengths.

    Returns
    -------
    The path, in a list.

    Raises
    ------
    InputError
        If the layer is a stack, shows what was measured, or has ids that don't fit.
    OutputError
        If the file can't be written, or is to be of another kind.
    """
    from napari_matssl.export.masks import write_mask, write_mask_tiff

    # A shared colormap would show the new layer's selection in the old one.
    facts = {key: deepcopy(value) if key == "colormap" else value for key, value in meta.items()}
    layer = Labels(data, **facts)
    ids = _class_ids(layer)
    file = Path(path)
    if file.suffix.lower() == ".png":
        write_mask(file, ids, _table(layer, ids))
    elif file.suffix.lower() in _TIFF:
        write_mask_tiff(file, ids, pixel_size_of(layer))
    else:
        raise OutputError(f"{file} is neither a PNG nor a TIFF.", "End the name in .png or .tif.")
    return [path]


def _class_ids(layer: Labels) -> NDArray[np.uint8]:
    if layer.metadata.get(KIND) == MEASURED:
        raise InputError(
            f'"{layer.name}" shows what was measured; its values are no class ids.',
            "Save the segmentation or the painted labels instead.",
        )
    if layer.ndim != 2:
        raise InputError(
            f'"{layer.name}" is a stack of {layer.ndim} axes, not one plane.',
            "Save the plane you want as a layer of its own.",
        )
    ids = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    for value in (int(ids.min(initial=0)), int(ids.max(initial=0))):
        if not 0 <= value <= _GREATEST:
            raise InputError(
                f'"{layer.name}" has the id {value}; class ids go from 0 to {_GREATEST}.',
                "Renumber the ids, or save with napari's own writer.",
            )
    return ids.astype(np.uint8)


def _table(layer: Labels, ids: NDArray[np.uint8]) -> ClassTable:
    """Return each id with its colour; a PNG holds no names of classes."""
    shown = layer.colormap
    shown.use_selection = False
    found = np.union1d(ids, [1])  # a class table has at least one class
    colours = {
        int(i): _hex(rgba) for i, rgba in zip(found, shown.map(found), strict=True) if i != 0
    }
    colours |= {one.id: one.colour for one in layer.metadata.get(CLASSES, ())}
    return ClassTable(
        classes=tuple(
            LabelClass(id=i, name=f"class {i}", colour=colour)
            for i, colour in sorted(colours.items())
        )
    )


def _hex(rgba: NDArray[np.floating]) -> str:
    """Write a colour of four values from 0 to 1 as ``#rrggbb``."""
    red, green, blue = (round(255 * float(value)) for value in rgba[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"
