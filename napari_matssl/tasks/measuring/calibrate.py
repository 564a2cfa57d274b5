"""Set the pixel size of images in the project of their folder."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.micrograph.decoding import usual_page
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.project.image_settings import own_folder_of_image
from napari_matssl.project.own_folder import Place
from napari_matssl.project.pixel_sizes import guarded, size_by_hand, with_size_by_hand
from napari_matssl.project.record import KeptRecord, Record


def size_of_bar(bar_px: float, bar_um: float) -> PixelSize:
    """Return the size of square pixels of which so many are as long as a scale bar.

    Raises
    ------
    InputError
        If the bar is shorter than two pixels, or of no length.
    """
    if not (2 <= bar_px < float("inf") and 0 < bar_um < float("inf")):
        raise InputError(
            f"A scale bar of {bar_um:g} µm can't be {bar_px:g} px long.",
            "Give a length above 0, and 2 px or more.",
            settings="bar_px bar_um",
        )
    um = bar_um / bar_px
    return PixelSize(um, um, f"scale bar of {bar_um:g} µm, {bar_px:g} px long")


def calibrate(
    images: Sequence[Path],
    size: PixelSize,
    by_bar: bool = False,
    kept: Callable[[Micrograph], None] = lambda _image: None,
) -> tuple[Micrograph, ...]:
    """Set the pixel size of images; the images themselves are only read.

    Every image is read before the first size is set, and an image of several pages has one size.
    Whatever ends it, the images of a folder have it all or none.

    Parameters
    ----------
    images
        Image files, in one folder or several.
    size
        Of every image.
    by_bar
        Whether it comes from a scale bar, which tells the width of a pixel alone.
    kept
        Called with each image as soon as its folder's project has the size.

    Returns
    -------
    The images with that size; the remarks of each name the size of its file if that is another, and
    a scale bar that contradicts it.
    They hold no pixels.

    Raises
    ------
    InputError
        If one can't be read, the record of a project is damaged, or pixels of which only the width
        would be told aren't square.
    OutputError
        If a project can't be written.
    """
    read = [_calibrated(path, size, by_bar) for path in images]
    by_project: dict[Path, dict[str, Micrograph]] = {}
    for path, one in zip(images, read, strict=True):
        by_project.setdefault(own_folder_of_image(path), {})[path.name] = one
    for own, some in by_project.items():
        KeptRecord(Place(own)).change(partial(_sized, tuple(some), size))
        for one in some.values():
            kept(one)
    return tuple(read)


def _calibrated(path: Path, size: PixelSize, by_bar: bool) -> Micrograph:
    micrograph = replace(read_micrograph(path, usual_page(path) or 1), remarks=())
    before = size_by_hand(path) or micrograph.pixel_size
    if by_bar and before is not None and not before.square:
        raise InputError(
            f"The pixels of {path.name} aren't square ({before.in_words}, {before.source}), and "
            "one bar can't tell both sides.",
            "Give width and height.",
            settings="pixel_size_um",
        )
    checked = guarded(with_size_by_hand(micrograph, size))
    return replace(checked, pixels=checked.pixels[:0])


def _sized(names: Sequence[str], size: PixelSize, record: Record) -> Record:
    for name in names:
        settings = record.image(name).model_copy(update={"pixel_size": size})
        record = record.with_image(name, settings)
    return record
