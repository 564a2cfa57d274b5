"""The network of grain boundaries in a field, and the grains between them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.counting import count_values
from napari_matssl.measure.field import Field
from napari_matssl.measure.numbered_strips import Strips
from napari_matssl.measure.thinning import close_gaps, prune, thin
from napari_matssl.settings.grains import GrainSettings

Role = Literal["boundaries", "grains"]
"""What a measured class is."""

_BOUNDARY, _GRAIN = "boundar", "grain"


@dataclass(frozen=True)
class BoundaryNetwork:
    """Boundaries of the grains of one class, in the bounding box of the analysed area.

    Parameters
    ----------
    boundary
        ``(H, W)``, True in boundaries as wide as they are in the mask, in regions too small for
        grains, and in lines that close gaps.
    thinned
        ``(H, W)``, the same at one pixel's width, without spurs.
    analysed
        ``(H, W)``; None where everything was.
    other
        ``(H, W)``, True in phases that are neither grains nor boundaries; None where there are
        none.
    offset
        Row and column of the box in the field's mask.
    pixel
        Height and width of a pixel, in um, or ``(1, 1)`` if the field isn't calibrated.
    calibrated
        Whether `pixel` is in um.
    """

    boundary: NDArray[np.bool_]
    thinned: NDArray[np.bool_]
    analysed: NDArray[np.bool_] | None = None
    other: NDArray[np.bool_] | None = None
    offset: tuple[int, int] = (0, 0)
    pixel: tuple[float, float] = (1.0, 1.0)
    calibrated: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the box."""
        return self.boundary.shape[0], self.boundary.shape[1]

    def grains(self) -> Strips:
        """Return the number of each pixel's grain, from 1, 0 elsewhere, strip by strip.

        Pixels of a grain are connected at edges.
        """
        return _between(self.boundary, self.analysed, self.other)


def boundary_network(
    field: Field, measured: LabelClass, settings: GrainSettings
) -> BoundaryNetwork | None:
    """Find the boundaries of a field's grains.

    Parameters
    ----------
    measured
        The class of boundaries, or of grains: `settings` decide.

    Returns
    -------
    None if nothing of the field was analysed.
    """
    box = _box(field.analysed)
    if box is None:
        return None
    analysed = None if field.analysed is None else field.analysed[box]
    if analysed is not None and analysed.all():
        analysed = None
    boundary, other = _boundary_and_other(field, field.mask[box], analysed, measured, settings)
    boundary |= _too_small(boundary, analysed, other, settings.smallest_grain)
    thinned = thin(boundary, analysed)
    length = int(np.count_nonzero(thinned))
    width = np.count_nonzero(boundary) / length if length else 0.0
    if settings.largest_gap:
        # Spurs of half a boundary's width end nowhere; longer ones may be stubs beside a gap, which
        # thinning made wider by half a boundary's width at either end.
        thinned = prune(thinned, round(width / 2))
        new = close_gaps(thinned, settings.largest_gap + round(width), analysed)
        boundary |= new
        thinned |= new
    thinned = prune(thinned, round(1.5 * width))
    if other is not None:
        thinned &= ~_grown(other, round(width))
    return BoundaryNetwork(
        boundary=boundary,
        thinned=thinned,
        analysed=analysed,
        other=other,
        offset=(box[0].start, box[1].start),
        pixel=field.pixel_size_um or (1.0, 1.0),
        calibrated=field.pixel_size is not None,
    )


def network_of_labels(
    labels: NDArray[np.integer], pixel_size_um: tuple[float, float] | None = None
) -> BoundaryNetwork:
    """Find the boundaries of grains that touch, each with a number of its own.

    Parameters
    ----------
    labels
        ``(H, W)``, one number per grain, none of them 0.
    pixel_size_um
        Height and width of a pixel.
    """
    differs = between_numbers(labels)
    pixel = pixel_size_um or (1.0, 1.0)
    return BoundaryNetwork(
        differs, thin(differs), pixel=pixel, calibrated=pixel_size_um is not None
    )


def between_numbers(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the last pixel of each grain on either axis: one-pixel boundaries, ``(H, W)``.

    Pixels of one grain may meet at corners only.
    """
    differs = np.zeros(labels.shape, dtype=np.bool_)
    differs[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    differs[:-1] |= labels[:-1] != labels[1:]
    return differs


def class_role(field: Field, measured: LabelClass, settings: GrainSettings) -> Role:
    """Decide whether a class is that of boundaries or that of grains."""
    return told_role(measured, settings) or _role_by_area(field, measured)


def guessed_role(field: Field, measured: LabelClass, settings: GrainSettings) -> Role | None:
    """Return what a class is by its area in this field; None if settings or its name tell."""
    told = told_role(measured, settings) is not None
    return None if told or not field.analysed_pixels else _role_by_area(field, measured)


def counted_as_grains(
    field: Field, measured: LabelClass, settings: GrainSettings
) -> tuple[str, ...]:
    """Name classes in a field that count as grains only because they are no boundaries.

    Where a class is called grain, these are all others; without one, all if there are several.
    """
    if class_role(field, measured, settings) == "grains":
        return ()
    others = [c for c in field.classes.classes if c.id != measured.id and not c.exclude]
    found = count_values(field.mask)
    there = [c.name for c in others if c.id in found]
    unnamed = [name for name in there if _GRAIN not in name.lower()]
    return tuple(unnamed) if len(there) > 1 else ()


def told_role(measured: LabelClass, settings: GrainSettings) -> Role | None:
    """Return what a class is by the settings or its name; None if neither tells."""
    if settings.class_is != "auto":
        return settings.class_is
    name = measured.name.lower()
    if _BOUNDARY in name:
        return "boundaries"
    return "grains" if _GRAIN in name else None


def _role_by_area(field: Field, measured: LabelClass) -> Role:
    pixels = np.count_nonzero(field.mask == measured.id)
    return "boundaries" if 2 * pixels < field.analysed_pixels else "grains"


def class_to_measure(field: Field) -> LabelClass:
    """Choose a class by its name: that of boundaries, else that of grains.

    Raises
    ------
    InputError
        If no name tells.
    """
    if (found := class_by_name(field.classes)) is not None:
        return found
    raise InputError(
        f"{field.name}: no class is named boundary or grain.",
        "Name the class of boundaries, or that of grains.",
        settings="class",
    )


def class_by_name(table: ClassTable) -> LabelClass | None:
    """Find the class of boundaries, else that of grains, by its name."""
    for word in (_BOUNDARY, _GRAIN):
        for one in table.classes:
            if word in one.name.lower() and not one.exclude:
                return one
    return None


def excluded_by_name(table: ClassTable) -> tuple[str, ...]:
    """Name excluded classes that are called boundary or grain."""
    named = [c for c in table.classes if any(w in c.name.lower() for w in (_BOUNDARY, _GRAIN))]
    return tuple(one.name for one in named if one.exclude)


def _box(analysed: NDArray[np.bool_] | None) -> tuple[slice, slice] | None:
    if analysed is None:
        return slice(0, None), slice(0, None)
    rows, columns = (np.flatnonzero(np.any(analysed, axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _boundary_and_other(
    field: Field,
    mask: NDArray[np.integer],
    analysed: NDArray[np.bool_] | None,
    measured: LabelClass,
    settings: GrainSettings,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Return where boundaries are, and where other phases are, inside the analysed area."""
    if class_role(field, measured, settings) == "boundaries":
        return mask == measured.id, None
    named = [
        c.id for c in field.classes.classes if _BOUNDARY in c.name.lower() and c.id != measured.id
    ]
    rest = mask != measured.id
    if analysed is not None:
        rest &= analysed
    if not named:
        return rest, None
    boundary = np.isin(mask, named)
    rest &= ~boundary
    return boundary, rest if rest.any() else None


def _too_small(
    boundary: NDArray[np.bool_],
    analysed: NDArray[np.bool_] | None,
    other: NDArray[np.bool_] | None,
    smallest: int,
) -> NDArray[np.bool_]:
    """Return which pixels are in regions between boundaries that are too small for grains."""
    strips = _between(boundary, analysed, other)
    sizes = np.zeros(strips.count + 1, dtype=np.int64)
    for _, numbers in strips.parts():
        sizes += np.bincount(numbers.ravel(), minlength=len(sizes))
    small = sizes < smallest
    small[0] = False
    found = np.zeros(boundary.shape, dtype=np.bool_)
    for rows, numbers in strips.parts():
        found[rows] = small[numbers]
    return found


def _between(
    boundary: NDArray[np.bool_],
    analysed: NDArray[np.bool_] | None,
    other: NDArray[np.bool_] | None,
) -> Strips:
    """Give the regions between boundaries numbers, connected at edges."""

    def read(start: int, stop: int) -> NDArray[np.bool_]:
        between = ~boundary[start:stop]
        if analysed is not None:
            between &= analysed[start:stop]
        if other is not None:
            between &= ~other[start:stop]
        return between

    return Strips(read, boundary.shape, corners=False)


def _grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    grown = mask.view(np.uint8)
    for axis in (0, 1):
        grown = ndimage.maximum_filter1d(grown, 2 * by + 1, axis=axis, mode="constant")
    return grown.view(np.bool_)
