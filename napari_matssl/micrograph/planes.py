"""Choice of the plane of a TIFF that is the micrograph, and detection of stacks."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_matssl.errors import InputError, StackError
from napari_matssl.micrograph.metadata import OLYMPUS_SIS, VENDOR_TAGS, fact, imagej_entries
from napari_matssl.micrograph.ome import ome_planes
from napari_matssl.micrograph.tiff_directories import Directory

_MOST_CHANNELS = 8  # more pages are a series of images
_MOST_PLANES = 20_000


@dataclass(frozen=True)
class Plane:
    """One plane of a TIFF.

    Parameters
    ----------
    page
        Index of its directory.
    inside
        Index of the plane within that page, for files whose planes have no pages of their own.
    """

    page: int
    inside: int = 0


@dataclass(frozen=True)
class Planes:
    """All planes of a TIFF, in the order in which they are counted, and which to read.

    Parameters
    ----------
    every
        The planes.
    images
        Numbers (from 1) of those of full size.
    channels
        Whether the images show one field, by several detectors or in several colours.
    """

    every: tuple[Plane, ...]
    images: tuple[int, ...]
    channels: bool

    def choose(self, path: Path, page: int | None) -> tuple[Plane, str]:
        """Choose a plane, with a remark where that is unusual.

        Parameters
        ----------
        path
            The file, for messages.
        page
            Number of the plane, from 1; None takes the image, or the first of several channels.

        Raises
        ------
        InputError
            If there is no such plane.
        StackError
            If the file is a stack and none was asked for.
        """
        count = len(self.every)
        if page is not None:
            if not 1 <= page <= count:
                raise InputError(
                    f"{path} has no page {page}: it holds {count}.",
                    f"Choose a number from 1 to {count}.",
                )
            return self.every[page - 1], f"page {page} of {count} is read" if count > 1 else ""
        if len(self.images) > 1 and not self.channels:
            raise StackError(
                f"{path} is a stack of {len(self.images)} planes.",
                "Save the plane you want as an image of its own, or choose one by its number, 1 "
                f"to {count}.",
                count,
            )
        number = self.images[0]
        if len(self.images) > 1:
            others = f"{len(self.images)} images of one size to choose from"
            remark = f"page {number} of {count} is read; it holds {others}"
            return self.every[number - 1], remark
        unusual = number > 1
        return self.every[number - 1], f"page {number} of {count} is read" if unusual else ""


def find_planes(directories: Sequence[Directory], description: str, size: int) -> Planes:
    """Find the planes of a TIFF.

    Parameters
    ----------
    directories
        Of its pages.
    description
        Of its first page.
    size
        Of the file in bytes; no more planes can follow one another than it holds.
    """
    shown = [n for n, one in enumerate(directories) if not one.is_thumbnail_or_mask]
    candidates = shown or list(range(len(directories)))
    areas = {n: directories[n].width * directories[n].height for n in candidates}
    largest = [n for n in candidates if areas[n] == max(areas.values())]
    first = directories[largest[0]]
    inside = max(1, first.depth) if len(largest) == 1 else 1
    if len(largest) == 1 and inside == 1:
        plane = first.width * first.height * max(1, first.samples) * max(1, first.bits)
        inside = min(_described(description, first), 8 * size // max(1, plane))
    if inside > 1:
        inside = min(inside, _MOST_PLANES)
        every = tuple(Plane(largest[0], k) for k in range(inside))
        return Planes(every, tuple(range(1, inside + 1)), _only_channels(description, inside))
    alike = {(directories[n].samples, directories[n].bits) for n in largest}
    channels = len(largest) <= _MOST_CHANNELS and (
        len(alike) > 1
        or _from_a_microscope(directories, largest[0])
        or _only_channels(description, len(largest))
    )
    every = tuple(Plane(n) for n in range(len(directories)))
    return Planes(every, tuple(n + 1 for n in largest), channels)


def _from_a_microscope(directories: Sequence[Directory], first: int) -> bool:
    """Whether the first image bears the tag of a microscope's software, the others perhaps not."""
    return bool(VENDOR_TAGS & directories[first].entries.keys()) or any(
        OLYMPUS_SIS in one.entries for one in directories
    )


def _described(description: str, first: Directory) -> int:
    """Planes that follow one another in a page, by the metadata of ImageJ or tifffile."""
    imagej = imagej_entries(description)
    if imagej:
        return _whole(imagej.get("images"), 1)
    shape = _shape(description)
    size = first.width * first.height * first.samples
    return max(1, math.prod(shape) // size) if shape and size else 1


def _only_channels(description: str, count: int) -> bool:
    """Whether metadata call several planes channels of one field."""
    imagej = imagej_entries(description)
    if imagej:  # ImageJ calls slices of a grey stack channels
        coloured = imagej.get("mode") in ("composite", "color")
        return coloured and _whole(imagej.get("channels"), 1) == count
    if (sizes := ome_planes(description)) is not None:
        return sizes[0] == count and sizes[1] == 1
    said = fact(lambda: json.loads(description)) if description.startswith("{") else None
    axes = said.get("axes") if isinstance(said, Mapping) else None
    return axes == "CYX"


def _shape(description: str) -> tuple[int, ...]:
    """Read the shape that tifffile writes, as JSON or in its older form."""
    if description.startswith("{"):
        said: Any = fact(lambda: json.loads(description))
        listed = said.get("shape") if isinstance(said, Mapping) else None
        if isinstance(listed, list) and all(type(n) is int and n > 0 for n in listed):
            return tuple(listed)
    elif found := re.fullmatch(r"shape=\(([\d, ]{1,200})\)", description.strip()):
        return tuple(int(n) for n in found[1].split(",") if n.strip())
    return ()


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"[1-9]\d{0,8}", text) else otherwise
