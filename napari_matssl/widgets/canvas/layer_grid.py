"""Pixel grids of layers: planes of stacks, pixel size, agreement, regions."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Image, Labels, Layer, Shapes
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.widgets.canvas.image_layer import PIXEL_SIZE

_CLOSE = 1e-5  # tolerance, as layers compute their properties from matrices
_SAME_PIXEL = 0.01  # shift in px that is taken for rounding


def plane_index(layer: Image, dims: Dims) -> tuple[int, ...]:
    """Find the plane of a stack that the viewer shows.

    Returns
    -------
    Indices of all axes but the last two (rows and columns); empty for a 2D image.

    Raises
    ------
    InputError
        If the viewer shows the layer in 3D, along other axes than the last two, or not at all
        because it stands at a plane that the layer doesn't have.
    """
    if dims.ndisplay != 2:
        raise InputError(
            f'"{layer.name}" is shown in 3D.', "Click the 2D/3D button below the layer list."
        )
    if set(dims.displayed) != {dims.ndim - 2, dims.ndim - 1}:
        raise InputError(
            f'The viewer doesn\'t show the rows and columns of "{layer.name}" but other axes.',
            "Roll the axes with the button below the layer list until they show.",
        )
    point = np.asarray(dims.point, dtype=float)[-layer.ndim :]
    world_units = getattr(dims, "units", None)  # older napari ignores units
    if world_units is not None:
        point = point * _factors(world_units[-layer.ndim :], layer.units)
    index = np.round(layer.world_to_data(point)).astype(int)[:-2]
    if np.any(index < 0) or np.any(index >= layer.level_shapes[0][:-2]):
        raise InputError(
            f'The viewer shows a plane that "{layer.name}" doesn\'t have.',
            "Move the sliders below the canvas until the image shows.",
        )
    return tuple(int(i) for i in index)


def pixel_size_of(layer: Layer) -> PixelSize | None:
    """Give the pixel size of a layer's last two axes; None unless their units are lengths.

    The scale (with rotation, shear and affine transform) decides. A pixel size in the layer's
    metadata only holds where an equal scale came from.
    """
    if not all(unit.is_compatible_with("micrometer") for unit in layer.units[-2:]):
        return None
    to_um = _factors(layer.units, ("micrometer",) * layer.ndim)
    origin, *corners = (
        np.asarray(layer.data_to_world(corner)) * to_um
        for corner in np.vstack([np.zeros(layer.ndim), np.eye(layer.ndim)[-2:]])
    )
    y_um, x_um = (float(np.linalg.norm(corner - origin)) for corner in corners)
    known: PixelSize | None = layer.metadata.get(PIXEL_SIZE)
    if known is not None and np.allclose((known.y_um, known.x_um), (y_um, x_um), _CLOSE, 0):
        return known
    return PixelSize(x_um, y_um, "the layer's scale")


def apply_pixel_size(layers: Iterable[Layer], size: PixelSize | None) -> None:
    """Set scale and units of the 2D layers among some; None makes them uncalibrated again.

    Shift, rotation and shear stay as they are. Stacks are left alone.
    """
    for layer in layers:
        if layer.ndim != 2:
            continue
        layer.units = ("pixel",) * 2 if size is None else ("um",) * 2
        layer.scale = (1.0, 1.0) if size is None else (size.y_um, size.x_um)
        if PIXEL_SIZE in layer.metadata:
            layer.metadata[PIXEL_SIZE] = size
        if isinstance(layer, Labels):
            # Setting it makes napari fit the cursor to the scale.
            layer.brush_size = layer.brush_size


def grid_of(layer: Layer) -> dict[str, Any]:
    """Describe where the last two axes of a layer lie, as arguments for a new 2D layer."""
    shear = np.asarray(layer.shear)  # the upper triangle, whose last value is needed, or a matrix
    return {
        "scale": np.asarray(layer.scale)[-2:],
        "translate": np.asarray(layer.translate)[-2:],
        "units": tuple(layer.units[-2:]),
        "rotate": np.asarray(layer.rotate)[-2:, -2:],
        "shear": shear[-1:] if shear.ndim == 1 else shear[-2:, -2:],
        "affine": np.asarray(layer.affine.affine_matrix)[-3:, -3:],
    }


def check_grid(labels: Labels, image: Image) -> None:
    """Check that a labels layer lies on the pixels of an image layer.

    Raises
    ------
    InputError
        If the labels are a stack, or the two differ in size, scale, shift, units, rotation, shear
        or affine transform.
    """
    why = _difference(labels, image)
    if why:
        raise InputError(
            f'The labels "{labels.name}" don\'t lie on the image "{image.name}": {why}.',
            "Choose the labels layer that was made for this image, or make a new one.",
        )


def region_of_shapes(shapes: Shapes, image: Image) -> tuple[slice, slice]:
    """Return the rows and columns of an image that a drawn shape covers.

    Parameters
    ----------
    shapes
        The bounding box of its selected shapes counts; of the last drawn one if none is selected.
    image
        May differ from the shapes in scale, shift and units.

    Raises
    ------
    InputError
        If nothing is drawn, or it lies outside the image.
    """
    if not shapes.data:
        raise InputError(
            f'Nothing is drawn in "{shapes.name}".', "Draw a rectangle around the region."
        )
    chosen = sorted(shapes.selected_data) or [len(shapes.data) - 1]
    to_image = _factors(shapes.units[-2:], image.units[-2:])
    corners = []
    for vertex in np.concatenate([shapes.data[k] for k in chosen]):
        world = np.asarray(shapes.data_to_world(vertex), dtype=float)
        world[-2:] *= to_image
        corners.append(image.world_to_data(world)[-2:])
    size = _size(image)
    first = np.maximum(np.round(np.min(corners, axis=0)).astype(int), 0)
    end = np.minimum(np.round(np.max(corners, axis=0)).astype(int) + 1, size)
    if np.any(first >= end):
        raise InputError(
            f'The shape in "{shapes.name}" lies outside the image "{image.name}".',
            "Draw a rectangle on the image.",
        )
    return slice(int(first[0]), int(end[0])), slice(int(first[1]), int(end[1]))


def within(region: tuple[slice, slice], area: tuple[slice, slice]) -> tuple[slice, slice]:
    """Return a region of a panorama by rows and columns of an area, to which it is cut.

    Raises
    ------
    InputError
        If nothing of it lies in the area.
    """
    rows, columns = (
        slice(max(0, one.start - part.start), min(one.stop, part.stop) - part.start)
        for one, part in zip(region, area, strict=True)
    )
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise InputError(
            "The rectangle lies outside the area that is painted on.", "Zoom in on it first."
        )
    return rows, columns


def _difference(labels: Labels, image: Image) -> str:
    """Describe in what two layers differ; empty if they agree."""
    if labels.ndim != 2:
        return f"they are a stack of {labels.ndim} axes, not one plane"
    size, image_size = (_size(layer) for layer in (labels, image))
    if size != image_size:
        (h, w), (height, width) = size, image_size
        return f"they have {w} x {h} pixels against {width} x {height}"
    theirs, its = grid_of(labels), grid_of(image)
    if theirs["units"] != its["units"]:
        return f"their units are {_text(theirs['units'])} against {_text(its['units'])}"
    if not np.allclose(theirs["scale"], its["scale"], _CLOSE, 0):
        return f"their scale is {_text(theirs['scale'])} against {_text(its['scale'])}"
    shift = (theirs["translate"] - its["translate"]) / its["scale"]
    if np.any(np.abs(shift) > _SAME_PIXEL):
        return f"their shift is {_text(theirs['translate'])} against {_text(its['translate'])}"
    for name, word in (("rotate", "rotation"), ("shear", "shear"), ("affine", "affine transform")):
        if theirs[name].shape != its[name].shape or not np.allclose(
            theirs[name], its[name], _CLOSE, _CLOSE
        ):
            return f"their {word} differs"
    return ""


def _size(layer: Image | Labels) -> tuple[int, int]:
    """Rows and columns at full resolution."""
    height, width = (int(n) for n in layer.level_shapes[0][-2:])
    return height, width


def _factors(units: Sequence[Any], wanted: Sequence[Any]) -> NDArray[np.float64]:
    """Factors between units, axis by axis; 1 where they measure different things."""
    return np.array(
        [
            float((1 * unit).to(other).magnitude) if unit.is_compatible_with(other) else 1.0
            for unit, other in zip(units, wanted, strict=True)
        ]
    )


def _text(values: Iterable[Any]) -> str:
    """``"0.5 x 0.25"``, rows before columns; one value if both are the same."""
    texts = (f"{v:.6g}" if isinstance(v, float) else str(v) for v in values)
    return " x ".join(dict.fromkeys(texts))
