"""ROIs of ImageJ and Fiji: a .roi file, or a zip archive of them, for one image."""

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_matssl.errors import InputError
from napari_matssl.labels.exchange.fields import box
from napari_matssl.labels.exchange.shapes import (
    AnnotatedImage,
    Annotation,
    AnnotationFile,
    BrokenAnnotationError,
    Outline,
    Shape,
    SourceClass,
    StackPosition,
    Stroke,
)

PROGRAM = "Fiji"
ROI_START = b"Iout"

RoiClasses = Literal["group", "name"]
"""What the class of a ROI is told by: its group, or what its name has before the first dash."""

_LARGEST = 64 << 20  # bytes of all ROIs of an archive
_MOST_ROIS = 100_000
_CORNERS = 180  # of the polygon that an oval becomes
_OWN_NAME = re.compile(r"[\d-]+")  # "0012-0034", as ImageJ calls ROIs by itself
_FAR = 1e7
_NO_SHAPES = {"TEXT", "ARROW", "IMAGE"}  # words, scale bars' among them, and what points at objects
_CENTRE = 0.5  # whole numbers are corners of pixels in areas, centres in lines and points


@dataclass(frozen=True)
class _Roi:
    """A ROI with what may tell its class; each of its shapes has a position."""

    name: str
    group: int
    shapes: tuple[Shape, ...]
    positions: tuple[StackPosition | None, ...]


def read_fiji(
    path: Path, raw: bytes, name: str | None, classes: RoiClasses | None
) -> AnnotationFile:
    """Read ROIs.

    Parameters
    ----------
    path, raw
        The file, and what it holds.
    name
        The class of all ROIs.
    classes
        Else what tells them; None: the group if any ROI has one, else the name.

    Raises
    ------
    InputError
        If the package roifile isn't installed, or nothing tells the classes.
    BrokenAnnotationError
        If a ROI isn't as it should be.
    """
    rois = [_roi(label, one) for label, one in _entries(path, raw)]
    strange = sum(not roi.shapes for roi in rois)
    rois = [roi for roi in rois if roi.shapes]
    remarks = [f"{path.name}: {strange} ROIs that are no areas are passed over."] * bool(strange)
    if name is None and rois:
        by = classes or _told_by(path, rois)
        named = [f"group {roi.group}" if by == "group" else _before_dash(roi.name) for roi in rois]
        how = "its group" if by == "group" else "what its name has before the first dash"
        remarks.append(
            f"{path.name}: the class of each ROI is {how}: {', '.join(dict.fromkeys(named))}."
        )
    else:
        named = [name or ""] * len(rois)
    annotations = [
        Annotation(label, shape, position)
        for label, roi in zip(named, rois, strict=True)
        for shape, position in zip(roi.shapes, roi.positions, strict=True)
    ]
    return AnnotationFile(
        path,
        PROGRAM,
        (AnnotatedImage(path.stem, None, tuple(annotations)),),
        tuple(SourceClass(label) for label in sorted(set(named))),
        (),
        tuple(remarks),
    )


def _told_by(path: Path, rois: Sequence[_Roi]) -> RoiClasses:
    if any(roi.group for roi in rois):
        return "group"
    if not any(_OWN_NAME.fullmatch(roi.name) or not roi.name for roi in rois):
        return "name"
    raise InputError(
        f"The ROIs of {path} have neither groups nor names of classes.",
        "Name the class that they are of.",
        settings="class roi_classes",
    )


def _before_dash(name: str) -> str:
    found = name.partition("-")[0].strip()
    if not found:
        raise BrokenAnnotationError(f'the ROI "{name}" has nothing before a dash')
    return found


def _entries(path: Path, raw: bytes) -> list[tuple[str, bytes]]:
    """List the ROIs of a file with their names."""
    if raw.startswith(ROI_START):
        return [(path.stem, raw)]
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if one.filename.lower().endswith(".roi")]
        if len(members) > _MOST_ROIS or sum(one.file_size for one in members) > _LARGEST:
            raise BrokenAnnotationError("it holds more than any set of ROIs")
        # What a member claims is checked again as it is unpacked.
        found = []
        for member in members:
            with archive.open(member) as file:
                found.append((Path(member.filename).stem, file.read(member.file_size + 1)))
    return found


def _roi(label: str, raw: bytes) -> _Roi:
    try:
        from roifile import ImagejRoi
    except ImportError as error:
        raise InputError(
            "ROIs of ImageJ take the package roifile to read.",
            'Install it: pip install "napari-matssl[fiji]".',
        ) from error
    try:
        with np.errstate(all="ignore"):  # numbers that are none are found below
            roi = ImagejRoi.frombytes(raw)
            shapes = _shapes(roi)
            positions = _positions(roi, len(shapes))
    except BrokenAnnotationError as error:
        raise BrokenAnnotationError(f'the ROI "{label}": {error}') from error
    except Exception as error:  # the package raises all kinds on damaged files
        raise BrokenAnnotationError(f'the ROI "{label}" is damaged') from error
    return _Roi(roi.name or label, int(roi.group), shapes, positions)


def _shapes(roi: Any) -> tuple[Shape, ...]:
    """Make the shapes of a ROI; none if it is no area, line or point."""
    kind = roi.roitype.name
    if roi.subtype.name in _NO_SHAPES:
        return ()
    if kind == "RECT" and roi.subpixelrect:
        return (_exact_box(roi),)
    if kind == "OVAL" and not roi.composite:
        return (Outline((_oval(roi),)),)
    if kind not in (
        "RECT",
        "POLYGON",
        "FREEHAND",
        "TRACED",
        "LINE",
        "FREELINE",
        "POLYLINE",
        "POINT",
    ):
        return ()
    rings = [np.asarray(one, dtype=np.float64) for one in roi.coordinates(multi=True)]
    rings = [ring for ring in rings if len(ring)]
    if not rings or not all(np.all(np.abs(ring) < _FAR) for ring in rings):
        raise BrokenAnnotationError("it has no points, or some far from any image")
    if kind in ("RECT", "POLYGON", "FREEHAND", "TRACED"):
        return (Outline(tuple(rings)),)
    if kind == "POINT":
        return tuple(Stroke(point[None] + _CENTRE) for ring in rings for point in ring)
    width = float(roi.stroke_width)
    return tuple(Stroke(ring + _CENTRE, width if 0 < width < _FAR else None) for ring in rings)


def _positions(roi: Any, count: int) -> tuple[StackPosition | None, ...]:
    """Return where in a stack each shape of a ROI lies; points may lie on several pages."""
    page, channel, slice_, frame = (
        max(0, int(n)) for n in (roi.position, roi.c_position, roi.z_position, roi.t_position)
    )
    own = StackPosition(page) if page else StackPosition(0, frame, slice_, channel)
    pages = [0] * count
    if roi.roitype.name == "POINT" and roi.counter_positions is not None:
        pages = [int(n) for n in roi.counter_positions]
        if len(pages) != count:
            raise BrokenAnnotationError("it doesn't have a position for each point")
    every = (StackPosition(n) if n else own for n in pages)
    return tuple(None if one == StackPosition() else one for one in every)


def _exact_box(roi: Any) -> Outline:
    left, top, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
    if not all(abs(value) < _FAR for value in (left, top, width, height)):
        raise BrokenAnnotationError("it lies far from any image")
    return box(left, top, left + width, top + height)


def _oval(roi: Any) -> np.ndarray:
    left, top, width, height = roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top
    if roi.subpixelrect:
        left, top, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
    if not all(abs(value) < _FAR for value in (left, top, width, height)):
        raise BrokenAnnotationError("it lies far from any image")
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    x, y = left + width / 2 * (1 + np.cos(angles)), top + height / 2 * (1 + np.sin(angles))
    return np.stack([x, y], axis=1)
