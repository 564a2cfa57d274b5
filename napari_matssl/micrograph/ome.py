"""The XML that OME-TIFF files carry: which image lies in which page, and how large its pixels are.

Only what is asked for is looked at; a document type, by which XML grows without bounds, is refused.
"""

from dataclasses import dataclass
from xml.etree import ElementTree

from napari_matssl.micrograph.metadata import fact

_LONGEST = 32 << 20


@dataclass(frozen=True)
class OmePixels:
    """One image of the XML.

    Parameters
    ----------
    sizes
        Width, height, channels, and planes of depth times time.
    first_page
        Index of its first page in the file; None where that isn't stated.
    lengths
        Per axis (x, y), the number and the unit as they are written.
    """

    sizes: tuple[int, int, int, int]
    first_page: int | None
    lengths: tuple[tuple[str | None, str], tuple[str | None, str]]


def ome_images(text: str) -> list[OmePixels]:
    """List the images that OME-XML describes; empty if it isn't valid OME-XML.

    The XML of a set of files describes the images of all of them; those of other files are left
    out.
    """
    if "OME" not in text[:2000] or len(text) > _LONGEST or "<!DOCTYPE" in text:
        return []
    root = fact(lambda: ElementTree.fromstring(text))
    if root is None:
        return []
    found = []
    for pixels in root.iterfind(".//{*}Pixels"):
        every = pixels.findall("{*}TiffData")
        here = [data for data in every if _is_here(data, root.get("UUID"))]
        if here or not every:
            found.append(_pixels(pixels, here))
    return found


def ome_pixels(text: str, page: int, width: int, height: int) -> OmePixels | None:
    """Find the image that lies in a page of this index and size, px; None if that isn't sure."""
    images = ome_images(text)
    alike = [one for one in images if one.sizes[:2] == (width, height)]
    stated = [one for one in alike if one.first_page is not None and one.first_page <= page]
    if stated and all(one.first_page is not None for one in images):
        return max(stated, key=lambda one: one.first_page or 0)
    return alike[0] if len(alike) == 1 else None


def ome_planes(text: str) -> tuple[int, int] | None:
    """Return channels, and planes of depth times time, of the first image; None without XML."""
    images = ome_images(text)
    return (images[0].sizes[2], images[0].sizes[3]) if images else None


def _is_here(data: ElementTree.Element, own: str | None) -> bool:
    """Whether pixels lie in the file of this UUID; they do where no other file is named."""
    named = (data.findtext("{*}UUID") or "").strip()
    return not named or own is None or named == own.strip()


def _pixels(element: ElementTree.Element, here: list[ElementTree.Element]) -> OmePixels:
    width, height, channels, depth, time = (_count(element.get(f"Size{a}")) for a in "XYCZT")
    pages = [data.get("IFD") for data in here]
    numbers = [int(page) for page in pages if page is not None and page.isdecimal()]
    x, y = (
        (element.get(f"PhysicalSize{a}"), element.get(f"PhysicalSize{a}Unit", "um")) for a in "XY"
    )
    return OmePixels((width, height, channels, depth * time), min(numbers, default=None), (x, y))


def _count(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else 1
