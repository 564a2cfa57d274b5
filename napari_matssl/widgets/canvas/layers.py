"""The one bridge between napari's layers and what the rest of the package works on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from napari.components import Dims, ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import LabelClass
from napari_matssl.micrograph.image import Micrograph, finite_pixels
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.widgets.canvas.image_layer import INFO_BAR, PIXEL_SIZE, image_arguments
from napari_matssl.widgets.canvas.layer_grid import (
    apply_pixel_size,
    check_grid,
    grid_of,
    pixel_size_of,
    plane_index,
    region_of_shapes,
    within,
)
from napari_matssl.widgets.controls.preferences import preferences

_OUTLINE = 2
"""Width of a mask's outlines, px of the image."""

KIND = "matssl_kind"
"""Key of a layer's metadata: ``"painted"``, ``"mask"``, ``"preview"`` or ``MEASURED``."""

MEASURED = "measured"
"""Kind of layers that show what was measured: their values are no class ids."""

CLASSES = "matssl_classes"
"""Key of a labels layer's metadata: the ``LabelClass`` of every id, a tuple."""

# Faint, as a preview has the colours of the strokes, which have to stand out.
_OPACITY = {"painted": 0.9, "preview": 0.25}  # a mask's is the user's preference
Kind = Literal["painted", "mask", "preview"]
"""What a labels layer holds: strokes, a result, or one in the making."""

_ZERO = {"painted": "unpainted", "mask": "not analysed", "preview": "not analysed"}


def micrograph_of(layer: Layer, dims: Dims) -> Micrograph:
    """Take the plane of an image layer that the viewer shows as a micrograph.

    The pixels are a copy, at full resolution. Alpha is left out, RGB without colour becomes grey,
    booleans become 0 and 255. Of a lazy stack only that plane is computed. An info bar that nobody
    has set is looked for.

    Parameters
    ----------
    layer
        An image layer of the viewer, of two or more axes, the last two rows and columns.
    dims
        The viewer's ``dims``.

    Raises
    ------
    InputError
        If it is another kind of layer, smaller than 32 x 32 px, of complex values, or shown in 3D
        or along other axes.
    """
    from napari_matssl.micrograph.info_bar import find_info_bar
    from napari_matssl.micrograph.reading import SMALLEST

    if not isinstance(layer, Image):
        raise InputError(f'"{layer.name}" is not an image layer.', "Choose an image layer.")
    height, width = layer.level_shapes[0][-2:]
    if min(height, width) < SMALLEST:
        raise InputError(
            f'"{layer.name}" is too small: {width} x {height} pixels.',
            f"A micrograph needs at least {SMALLEST} x {SMALLEST}.",
        )
    pixels = _pixels(layer, plane_index(layer, dims))
    file = Path(layer.source.path) if layer.source.path and layer.ndim == 2 else None
    known = INFO_BAR in layer.metadata
    return Micrograph(
        name=layer.name,
        pixels=pixels,
        pixel_size=pixel_size_of(layer),
        info_bar=layer.metadata[INFO_BAR] if known else find_info_bar(pixels),
        path=file if file is not None and file.is_file() else None,
        analysable=finite_pixels(pixels),
    )


def load_units() -> None:
    """Read the table of units that the first layer of napari needs, which takes a second.

    To be called in the thread that reads the image, or the window would stand still for it.
    """
    import pint  # napari uses it for units

    pint.application_registry.Unit("pixel")


def add_panorama(viewer: ViewerModel, panorama: Panorama, levels: Sequence[Any]) -> Image:
    """Show a panorama as :func:`add_micrograph`, from its levels, the largest first."""
    return viewer.add_image(list(levels), multiscale=True, **image_arguments(panorama))


def add_micrograph(viewer: ViewerModel, micrograph: Micrograph, name: str | None = None) -> Image:
    """Show a micrograph as a new image layer, in micrometres if it is calibrated.

    Black and white are percentiles of the specimen. Pixel size and info bar are kept in the
    layer's metadata, where :func:`micrograph_of` finds them.
    """
    arguments = image_arguments(micrograph)
    return viewer.add_image(micrograph.pixels, **{**arguments, "name": name or micrograph.name})


def label_colours(classes: Sequence[LabelClass]) -> DirectLabelColormap:
    """Make the colours of a labels layer; ids that are no class can't be seen, 0 among them."""
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    colours.update({one.id: one.colour for one in classes})
    return DirectLabelColormap(color_dict=colours)


def add_labels(
    viewer: ViewerModel,
    image: Image,
    labels: NDArray[np.uint8],
    classes: Sequence[LabelClass],
    name: str,
    kind: Kind,
) -> Labels:
    """Show class ids as a new labels layer on the pixels of an image layer.

    Parameters
    ----------
    viewer
        Where the layer is added.
    image
        The layer that they belong to. On a stack the labels have its last two axes.
    labels
        ``(H, W)``, of the image's size. The layer keeps the array and paints into it.
    classes
        What the ids mean; names show in the status bar.
    name
        Of the layer.
    kind
        ``"painted"`` for strokes, ``"mask"`` for a result, ``"preview"`` for one in the making.
    """
    preferred = preferences()
    layer = viewer.add_labels(
        labels,
        name=name,
        colormap=label_colours(classes),
        features=_names(classes, kind),
        opacity=_OPACITY.get(kind, preferred.mask_opacity),
        metadata={KIND: kind, CLASSES: tuple(classes)},
        **grid_of(image),
    )
    if kind == "painted":
        layer.brush_size = max(3, round(min(labels.shape) / 60))
        layer.n_edit_dimensions = 2
        layer.preserve_labels = False
    if kind == "mask" and preferred.mask_outlines:
        layer.contour = _OUTLINE
    return layer


def add_levels(
    viewer: ViewerModel,
    image: Image,
    levels: Sequence[Any],
    classes: Sequence[LabelClass],
    name: str,
    kind: Kind,
) -> Labels:
    """Show class ids of a panorama, from levels as large as those of its image; not to be edited.

    Parameters
    ----------
    levels
        The largest first.
    viewer, image, classes, name, kind
        As for :func:`add_labels`.
    """
    return viewer.add_labels(
        list(levels),
        multiscale=True,
        name=name,
        colormap=label_colours(classes),
        features=_names(classes, kind),
        opacity=_OPACITY.get(kind, preferences().mask_opacity),
        metadata={KIND: kind, CLASSES: tuple(classes)},
        **grid_of(image),
    )


def place_layer(layer: Layer, image: Image, top: int, left: int) -> None:
    """Put a layer that holds a part of an image where that part is."""
    grid = grid_of(image)
    shift = np.asarray(grid["translate"]) + np.asarray(grid["scale"]) * (top, left)
    layer.translate = shift


def ids_in(layer: Labels, image: Image, area: tuple[slice, slice]) -> NDArray[np.uint8]:
    """Return the class ids of a layer in an area of its panorama; 0 where the layer isn't.

    Parameters
    ----------
    layer
        Of all of the panorama in levels, or of a part of it.
    area
        Rows and columns of the panorama.
    """
    if layer.multiscale:
        return np.asarray(layer.data[0][area])
    ids = np.zeros(tuple(one.stop - one.start for one in area), np.uint8)
    shift = (np.asarray(layer.translate) - image.translate[-2:]) / image.scale[-2:]
    there, here = [], []
    for one, first, length in zip(area, np.rint(shift).astype(int), layer.data.shape, strict=True):
        start, stop = max(one.start, first), min(one.stop, first + length)
        there.append(slice(start - first, max(start, stop) - first))
        here.append(slice(start - one.start, max(start, stop) - one.start))
    ids[tuple(here)] = layer.data[tuple(there)]
    return ids


def set_classes(layer: Labels, classes: Sequence[LabelClass]) -> None:
    """Recolour and rename the classes of a labels layer; data and undo history stay."""
    colours = label_colours(classes)
    # A new colormap loses the selection of "show selected".
    colours.selection = layer.selected_label
    colours.use_selection = layer.show_selected_label
    layer.colormap = colours
    layer.features = _names(classes, layer.metadata.get(KIND, "painted"))
    layer.metadata[CLASSES] = tuple(classes)


def copy_into(
    target: Labels, source_ids: NDArray[np.uint8], region: tuple[slice, slice] | None
) -> int:
    """Write class ids over those of a labels layer, as one step that Ctrl-Z takes back.

    The layer is made visible, because napari can't edit hidden ones.

    Parameters
    ----------
    target
        A 2D labels layer.
    source_ids
        ``(H, W)``, of the layer's size; 0 leaves the target as it is.
    region
        Rows and columns to which the writing is confined; None for everywhere.

    Returns
    -------
    How many pixels changed.
    """
    target.visible = True
    rows, columns = region if region is not None else (slice(None), slice(None))
    source = source_ids[rows, columns]
    changed = np.nonzero((source != 0) & (source != target.data[rows, columns]))
    values = source[changed]
    # The undo history stores these indices, so small integers save memory.
    starts = (rows.start or 0, columns.start or 0)
    small = np.uint16 if max(target.data.shape) <= 1 << 16 else np.uint32
    indices = tuple((i + start).astype(small) for i, start in zip(changed, starts, strict=True))
    if values.size:
        target.data_setitem(indices, values)
    return int(values.size)


def place_ids(layer: Labels, top: int, left: int, ids: NDArray[np.uint8]) -> None:
    """Overwrite a rectangle of a 2D labels layer and repaint it, without an undo step."""
    height, width = ids.shape
    layer.data[top : top + height, left : left + width] = ids
    # No thumbnail yet: every widget that changes repaints the canvas.
    layer.refresh(extent=False, thumbnail=False, highlight=False)


def _pixels(layer: Image, plane: tuple[int, ...]) -> NDArray[np.generic]:
    data = layer.data[0] if layer.multiscale else layer.data
    everything = slice(None)
    channels = (slice(3),) if layer.rgb else ()
    pixels = np.array(data[(*plane, everything, everything, *channels)])
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind not in "uif":
        raise InputError(
            f'"{layer.name}" holds values of type {pixels.dtype}.',
            "Convert it to integers or floating-point numbers.",
        )
    if layer.rgb and all(np.array_equal(pixels[..., 0], pixels[..., k]) for k in (1, 2)):
        return np.ascontiguousarray(pixels[..., 0])
    return pixels


def _names(classes: Sequence[LabelClass], kind: str) -> pd.DataFrame:
    """Make the table from which napari shows the class below the cursor."""
    names = {0: _ZERO[kind], **{one.id: one.name for one in classes}}
    return pd.DataFrame({"index": list(names), "class": list(names.values())})


__all__ = [
    "CLASSES",
    "INFO_BAR",
    "KIND",
    "MEASURED",
    "PIXEL_SIZE",
    "add_labels",
    "add_levels",
    "add_micrograph",
    "add_panorama",
    "apply_pixel_size",
    "check_grid",
    "copy_into",
    "ids_in",
    "label_colours",
    "micrograph_of",
    "pixel_size_of",
    "place_ids",
    "place_layer",
    "region_of_shapes",
    "set_classes",
    "within",
]
