"""The pixel size of a mask: in its file, of its image, in the project, or stated for all."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.names import composed, few
from napari_matssl.labels.pairing import page_in, stem_of, without_ome
from napari_matssl.micrograph.calibration import read_pixel_size
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.reading import SUFFIXES, ZARR, images_in, is_zarr
from napari_matssl.micrograph.reading_panorama import is_panorama, source_of
from napari_matssl.micrograph.scale_bar import ScaleBar, doubt_of, find_scale_bar
from napari_matssl.micrograph.size_doubts import doubts
from napari_matssl.project.own_folder import FOLDER
from napari_matssl.project.pixel_sizes import agree, read_calibrated, size_by_hand
from napari_matssl.project.planes import PLANES, plane_files

NO_SIZE = (
    "No mask has a pixel size, so figures in um are blank: calibrate the images, or state the size."
)
"""Where figures in um are wanted of masks without any size."""

_MASK = re.compile(r"_(mask|Simple Segmentation)(?=(\.page\d+)?$)")
"""What ends the name of a mask: of ours, or of ilastik's."""


@dataclass(frozen=True)
class FoundSize:
    """The pixel size of a mask.

    Parameters
    ----------
    size
        Its source names the file, too; None if nobody knows one.
    remarks
        Lines on sources that contradict it, and on those that could not be used.
    """

    size: PixelSize | None
    remarks: tuple[str, ...] = ()


class MaskSizes:
    """Finds the pixel sizes of masks; the first source that has one counts.

    The mask's own file, the image of the same stem, the project of the folder, what was stated for
    all masks: in this order. A size that was set in the project of an image is that image's.

    Parameters
    ----------
    images
        Folder of the images; None if there is none.
    stated
        For masks that have no size from elsewhere.

    Raises
    ------
    InputError
        If the folder can't be listed.
    """

    def __init__(self, images: Path | None = None, stated: PixelSize | None = None) -> None:
        self._images, self._stated = images, stated
        self._listed: dict[Path, dict[str, list[Path]]] = {}
        if images is not None:
            if not images.is_dir():
                raise InputError(f"{images} is no folder.", "Give the folder of the images.")
            self._in(images)

    def of(self, mask: Path, shape: tuple[int, int]) -> FoundSize:
        """Find the pixel size of a mask of some height and width."""
        remarks: list[str] = []
        bars: list[ScaleBar] = []
        found = list(self._sources(mask, shape, remarks, bars))
        if not found:
            return FoundSize(None, tuple(remarks))
        doubt = next((one.doubt for one in found if one.doubt and agree(one, found[0])), "")
        doubt = doubts(doubt, doubt_of(bars[0], found[0]) if bars else "")
        first = replace(found[0], doubt=doubt)
        if doubt:
            remarks.append(f"{mask.name}: {doubt}")
        others = [one for one in found[1:] if not agree(first, one)]
        if others:
            listed = ", ".join(f"{one.in_words} ({one.source})" for one in others)
            remarks.append(
                f"{mask.name}: {first.in_words} counts ({first.source}); there is also {listed}."
            )
        return FoundSize(first, tuple(remarks))

    def image_of(self, mask: Path) -> Path | None:
        """Find the image of a mask: in the folder of images, else in the mask's project."""
        folders = () if self._images is None else (self._images,)
        for folder in (*folders, *project_folders(mask)):
            if (image := self._image_in(folder, mask)) is not None:
                return image
        return None

    def _sources(
        self, mask: Path, shape: tuple[int, int], remarks: list[str], bars: list[ScaleBar]
    ) -> Iterator[PixelSize]:
        """Yield all sizes there are; scale bars of images are put into `bars`."""
        if (own := read_pixel_size(mask, shape[1], shape[0])) is not None:
            yield replace(own, source=f"mask file: {own.source}")
        if self._images is not None:
            images = self._images_in(self._images, mask)
            if not images:
                remarks.append(f"{mask.name}: {self._images} has no image of this name.")
            elif (size := _size_of_image(images[0], mask, shape, remarks, bars)) is not None:
                yield replace(size, source=f"image {images[0].name}: {size.source}")
            if images[1:]:
                left = few([one.name for one in images[1:]])
                remarks.append(f"{mask.name}: {images[0].name} is its image here, not {left}.")
        for folder in project_folders(mask):
            image = self._image_in(folder, mask)
            if image is not None and folder != self._images:
                size = _size_of_image(image, mask, shape, remarks, bars)
                if size is not None:
                    yield replace(size, source=f"project: {size.source}")
        if self._stated is not None:
            yield self._stated

    def _image_in(self, folder: Path, mask: Path) -> Path | None:
        """Return the image of a mask; of several, a TIFF, as microscopes write their size there."""
        return next(iter(self._images_in(folder, mask)), None)

    def _images_in(self, folder: Path, mask: Path) -> list[Path]:
        """Return the images of a mask's stem, but not the mask itself; TIFFs first.

        Masks of ``a.ome.tif`` are called ``a.ome_mask.png``; beside ``a.tif``, each has its own.
        """
        images, here = self._in(folder), mask.absolute()
        own = stem_of(mask)
        stem = _MASK.sub("", own)
        plain = page_in(stem)[0]
        names = dict.fromkeys((without_ome(stem), without_ome(plain), own))
        found = ([one for one in images.get(name, ()) if one.absolute() != here] for name in names)
        some = next(filter(None, found), [])
        return sorted(some, key=lambda one: composed(one.stem) not in (stem, plain, own))

    def _in(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._listed:
            listed: dict[str, list[Path]] = {}
            planes = plane_files(folder / FOLDER / PLANES)
            images = images_in(folder, (*SUFFIXES, ZARR))
            for path in (*sorted(images, key=_no_tiff), *planes):
                stem = without_ome(path.stem) if is_zarr(path) else stem_of(path)
                listed.setdefault(composed(stem), []).append(path)
            self._listed[folder] = listed
        return self._listed[folder]


def check_sizes(sizes: Sequence[tuple[str, str, PixelSize | None]], mixed: bool) -> str:
    """Check that fields of one group have one pixel size.

    Parameters
    ----------
    sizes
        Name, group and pixel size of each field.
    mixed
        Allow several.

    Returns
    -------
    A remark on fields without one beside others that have one; empty if there are none.

    Raises
    ------
    InputError
        If two of one group differ.
    """
    first: dict[str, tuple[str, PixelSize]] = {}
    for name, group, size in sizes:
        if size is None:
            continue
        other, its = first.setdefault(group, (name, size))
        if not mixed and not agree(size, its):
            raise InputError(
                f"{other} has {its.in_words} ({its.source}), but "
                f"{name} {size.in_words} ({size.source}).",
                "Divide them into groups, measure them apart, or allow mixed sizes.",
                settings="mixed groups",
            )
    without = [name for name, _, size in sizes if size is None]
    if not without or len(without) == len(sizes):
        return ""
    return (
        f"{len(without)} of {len(sizes)} masks have no pixel size, so their figures in um are "
        f"blank: {few(without, 8)}."
    )


def page_of(mask: Path) -> int | None:
    """Return which page of its image's file a mask is of; None for the usual one."""
    return page_in(_MASK.sub("", stem_of(mask)))[1]


def project_folders(mask: Path) -> Iterator[Path]:
    """Yield the folder of images whose project a mask belongs to, if there is one."""
    parent = mask.absolute().parent
    if parent.name == "masks" and parent.parent.name == FOLDER:
        yield parent.parent.parent
        return
    for folder in (parent, parent.parent):
        if (folder / FOLDER).is_dir():
            yield folder
            return


def _no_tiff(path: Path) -> bool:
    return path.suffix.lower() not in (".tif", ".tiff")


def _size_of_image(
    image: Path,
    mask: Path,
    shape: tuple[int, int],
    remarks: list[str],
    bars: list[ScaleBar],
) -> PixelSize | None:
    """Return the pixel size of an image if it is that of its mask, too; add its scale bar."""
    page = page_of(mask)
    try:
        source = source_of(image, page)
        if source is not None and (is_panorama(*source.size) or is_zarr(image)):
            # no pixel of it is needed
            width, size = source.size[1], size_by_hand(image) or source.pixel_size
        else:
            micrograph = read_calibrated(image, page)
            width, size = micrograph.width, micrograph.pixel_size
            if width == shape[1] and (bar := find_scale_bar(micrograph)) is not None:
                bars.append(bar)
    except InputError as error:
        remarks.append(f"{mask.name}: its image has no pixel size to take: {error}")
        return None
    if size is None or width == shape[1]:
        return size
    remarks.append(
        f"{mask.name}: the pixel size of {image.name} isn't taken, as the image is "
        f"{width} px wide and the mask {shape[1]} px."
    )
    return None
