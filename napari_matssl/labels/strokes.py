"""Connected strokes: what of one class was painted in one piece."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.labels.counting import count_values

_TOUCHING = np.ones((3, 3), dtype=bool)  # pixels touch at corners, too

Ids = NDArray[np.uint8]
Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Stroke:
    """Painted pixels of one class that touch each other; movements of the mouse that met are one.

    Parameters
    ----------
    class_id
        Their class.
    pixels
        Their number.
    row, column
        The first of them, row by row.
    top, left, height, width
        The rectangle that they fill, px.
    """

    class_id: int
    pixels: int
    row: int
    column: int
    top: int
    left: int
    height: int
    width: int


def find_strokes(ids: Ids) -> list[Stroke]:
    """List the strokes in painted labels ``(H, W)``, the largest first."""
    found: list[Stroke] = []
    for class_id in count_values(ids):
        if class_id:
            found += _strokes_of(ids == class_id, class_id)
    return sorted(found, key=lambda one: (-one.pixels, one.row, one.column))


def stroke_pixels(ids: Ids, stroke: Stroke) -> Pixels:
    """Find the pixels that touch the first one of a stroke, as the labels are now.

    Returns
    -------
    Rows and columns; none if that pixel is of another class now.
    """
    if stroke.row >= ids.shape[0] or stroke.column >= ids.shape[1]:
        return _NONE
    if ids[stroke.row, stroke.column] != stroke.class_id:
        return _NONE
    own = ids == stroke.class_id
    top, left = _corner(own)
    labelled, _count = ndimage.label(own[top:, left:], _TOUCHING)
    rows, columns = np.nonzero(labelled == labelled[stroke.row - top, stroke.column - left])
    return rows + top, columns + left


_NONE: Pixels = (np.empty(0, np.intp), np.empty(0, np.intp))


def _strokes_of(own: NDArray[np.bool_], class_id: int) -> list[Stroke]:
    top, left = _corner(own)
    labelled, count = ndimage.label(own[top:, left:], _TOUCHING)
    pixels = np.bincount(labelled.ravel(), minlength=count + 1)
    strokes = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labelled), 1):
        first = int((labelled[rows.start, columns] == number).argmax())
        strokes.append(
            Stroke(
                class_id=class_id,
                pixels=int(pixels[number]),
                row=top + rows.start,
                column=left + columns.start + first,
                top=top + rows.start,
                left=left + columns.start,
                height=rows.stop - rows.start,
                width=columns.stop - columns.start,
            )
        )
    return strokes


def _corner(own: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first row and column with any pixel: what is before need not be looked at."""
    return int(own.any(axis=1).argmax()), int(own.any(axis=0).argmax())
