"""What annotations of other programs are made of, whatever their format.

Coordinates are in px, x to the right and y down; the upper left corner of the image is (0, 0), and
the centre of its first pixel (0.5, 0.5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.progress import Skipped

Points = NDArray[np.float64]
"""``(N, 2)``, x and y."""


class BrokenAnnotationError(Exception):
    """An annotation isn't what its format demands; the text names what, without the file."""


@dataclass(frozen=True)
class Outline:
    """An area: what lies in an odd number of its rings; the first is the outer one."""

    rings: tuple[Points, ...]


@dataclass(frozen=True)
class Disc:
    """The area of a circle."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Stroke:
    """A line of some width with round ends, or a dot where it has one point.

    Parameters
    ----------
    points
        At least one.
    width
        In px; None where the format has none.
    """

    points: Points
    width: float | None = None


@dataclass(frozen=True)
class Bitmap:
    """An area by its pixels.

    Parameters
    ----------
    left, top, width, height
        Where it lies in the image, px.
    decode
        Unpacks it, ``(height, width)``; raises BrokenAnnotationError if it can't.
    """

    left: int
    top: int
    width: int
    height: int
    decode: Callable[[], NDArray[np.bool_]]


Shape = Outline | Disc | Stroke | Bitmap


@dataclass(frozen=True, order=True)
class StackPosition:
    """Where in a stack a shape lies, as ImageJ tells it: by the page, or by up to three axes.

    Each counts from 1; 0 where it isn't told, or the shape lies on all.
    """

    page: int = 0
    frame: int = 0
    slice: int = 0
    channel: int = 0

    @property
    def is_first(self) -> bool:
        """Whether it is on the first page."""
        return max(self.page, self.frame, self.slice, self.channel) <= 1

    def __str__(self) -> str:
        axes = ("page", "channel", "slice", "frame")
        return " ".join(f"{axis} {getattr(self, axis)}" for axis in axes if getattr(self, axis))


@dataclass(frozen=True)
class Annotation:
    """A shape with the name of its class.

    Parameters
    ----------
    name, shape
        Both of them.
    position
        Where in a stack it lies; None if on all pages.
    """

    name: str
    shape: Shape
    position: StackPosition | None = None


@dataclass(frozen=True)
class AnnotatedImage:
    """What a file has on one image.

    Parameters
    ----------
    name
        Of the image, as the file gives it; folders may be in it, the suffix be missing.
    size
        Width and height in px; None where the file gives none.
    annotations
        In the order in which they are drawn.
    """

    name: str
    size: tuple[int, int] | None
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class SourceClass:
    """A class as a file names it.

    Parameters
    ----------
    name
        Its name.
    id
        Its number; None where the file gives none.
    colour
        ``#rrggbb``; None where the file gives none.
    """

    name: str
    id: int | None = None
    colour: str | None = None


@dataclass(frozen=True)
class AnnotationFile:
    """What a file of another program holds.

    Parameters
    ----------
    path
        The file.
    program
        The format, by the name of its program: ``"COCO"``.
    images
        Those that it annotates.
    classes
        In the order of the file; names differ.
    skipped
        Images whose annotations are broken.
    remarks
        Lines on what was decided or passed over.
    """

    path: Path
    program: str
    images: tuple[AnnotatedImage, ...]
    classes: tuple[SourceClass, ...]
    skipped: tuple[Skipped, ...] = ()
    remarks: tuple[str, ...] = ()
