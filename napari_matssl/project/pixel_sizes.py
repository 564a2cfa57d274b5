"""Pixel sizes and info bars that were set for images in the project of their folder."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from napari_matssl.errors import InputError
from napari_matssl.micrograph.calibration import read_pixel_sizes
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.micrograph.reading_panorama import read_any
from napari_matssl.micrograph.scale_bar import (
    doubt_of,
    find_scale_bar,
    length_in_words,
    nearest_round,
)
from napari_matssl.micrograph.size_doubts import doubts
from napari_matssl.project.image_settings import settings_of_image
from napari_matssl.project.record import ImageRecord

AnyImage = TypeVar("AnyImage", Micrograph, AnyMicrograph)

BY_HAND = "set by hand"
"""Source of what a user has set."""

TOLERANCE = 1e-3
"""Sizes that differ by less, relatively, are the same: metadata and people round."""


def size_by_hand(image: Path) -> PixelSize | None:
    """Return the pixel size that was set for an image in its folder's project; None if none was.

    Raises
    ------
    InputError
        If the project's record is damaged.
    """
    return settings_of_image(image).pixel_size


def read_calibrated(path: Path, page: int | None = None) -> Micrograph:
    """Read a micrograph with the pixel size and info bar that were set for it, if any were.

    Else they are those of its file. A page that was chosen there isn't taken: callers state it.

    Raises
    ------
    InputError
        If it can't be read, or the project's record is damaged.
    """
    return guarded(as_set(read_micrograph(path, page), settings_of_image(path)))


def read_any_calibrated(path: Path, page: int | None = None) -> AnyMicrograph:
    """Read an image of any size as :func:`read_calibrated`, a large one as a panorama.

    The scale bar of a panorama isn't looked for.

    Raises
    ------
    InputError
        As there.
    """
    return guarded(as_set(read_any(path, page), settings_of_image(path)))


def as_set(image: AnyImage, settings: ImageRecord) -> AnyImage:
    """Return an image with the pixel size and the info bar that the user has set.

    Raises
    ------
    InputError
        If the bar begins outside the image.
    """
    image = with_size_by_hand(image, settings.pixel_size)
    row = settings.info_bar
    if row == "auto":
        return image
    if row is not None:
        check_bar(image.name, row, image.height)
    return image.with_info_bar(None if row is None else InfoBar(row, BY_HAND))


def check_bar(name: str, row: int, height: int) -> None:
    """Check that an info bar lies in its image.

    Raises
    ------
    InputError
        If it begins at the first row, or outside.
    """
    if not 0 < row < height:
        raise InputError(
            f"The info bar of {name} can't start at row {row}: the image has {height} rows.",
            "Set it to a row inside the image, or back to automatic.",
        )


def guarded(image: AnyImage, by_bar: bool = True) -> AnyImage:
    """Return an image with a remark where its pixel size is doubtful.

    Doubts come from its metadata and from a scale bar that contradicts it; one whose printed length
    agrees dispels them.

    Parameters
    ----------
    image
        With the pixel size that counts.
    by_bar
        Look for a scale bar; panoramas are never searched.
    """
    size = image.pixel_size
    if size is None:
        return image
    bar = find_scale_bar(image) if by_bar and isinstance(image, Micrograph) else None
    by_its_bar = "" if bar is None else doubt_of(bar, size)
    agrees = bar is not None and bar.printed_um is not None and not by_its_bar
    doubt = "" if agrees else doubts(size.doubt, by_its_bar)
    remarks = image.remarks
    if doubt:
        remarks += (f"{image.name}: {doubt}",)
    return replace(image, pixel_size=replace(size, doubt=doubt), remarks=remarks)


def with_size_by_hand(micrograph: AnyImage, size: PixelSize | None) -> AnyImage:
    """Return a micrograph with a pixel size that was set, and a remark if its file has another."""
    if size is None:
        return micrograph
    own, remarks = micrograph.pixel_size, micrograph.remarks
    if own is not None and not agree(own, size):
        remarks += (
            f"{micrograph.name}: {size.in_words} counts ({size.source}); its file has "
            f"{own.in_words} ({own.source}).",
        )
    return replace(micrograph, pixel_size=size, remarks=remarks)


@dataclass(frozen=True)
class SizeSource:
    """What one source has as the pixel size of an image.

    Parameters
    ----------
    size
        With the name of the source.
    used
        It counts.
    agrees
        It is that of the source that counts, but for rounding.
    """

    size: PixelSize
    used: bool
    agrees: bool

    @property
    def in_words(self) -> str:
        """A line: ``0.25 µm/px, set by hand (used)``."""
        state = " (used)" if self.used else "" if self.agrees else " (differs)"
        return f"{self.size.in_words}, {self.size.source}{state}"


def size_sources(micrograph: AnyMicrograph, by_hand: PixelSize | None) -> tuple[SizeSource, ...]:
    """List all that is known of an image's pixel size; the first counts, and none is averaged.

    What was set by hand comes first, then what the file and text files beside it have, then the
    scale bar in the info bar. Its length is the one that is printed beside it, if that was read,
    else the round one that is nearest to the size that counts. A scale bar alone makes no pixel
    size.

    Parameters
    ----------
    micrograph
        The image, with the pixel size that counts.
    by_hand
        The size that was set in the project.
    """
    own: tuple[PixelSize, ...] = ()
    if micrograph.path is not None:
        page = micrograph.page if micrograph.pages > 1 else None
        own = read_pixel_sizes(micrograph.path, micrograph.width, micrograph.height, page)
    stated = [*([] if by_hand is None else [by_hand]), *own]
    if not stated:
        return ()
    used = stated[0]
    found = [SizeSource(one, n == 0, agree(one, used)) for n, one in enumerate(stated)]
    bar = find_scale_bar(micrograph) if isinstance(micrograph, Micrograph) else None
    if bar is not None:
        um = bar.printed_um or nearest_round(bar.length_px * used.x_um)
        length = length_in_words(um)
        read = f"as is printed: {length}" if bar.printed_um else f"if it is {length} long"
        source = f"scale bar of {bar.length_px:.4g} px, {read}"
        side = um / bar.length_px
        size = PixelSize(side, side * used.y_um / used.x_um, source)
        found.append(SizeSource(size, False, not doubt_of(bar, used)))
    return tuple(found)


def agree(one: PixelSize, other: PixelSize) -> bool:
    """Whether two pixel sizes are the same but for rounding."""
    return math.isclose(one.x_um, other.x_um, rel_tol=TOLERANCE) and math.isclose(
        one.y_um, other.y_um, rel_tol=TOLERANCE
    )
