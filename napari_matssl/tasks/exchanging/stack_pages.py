"""Which page of a file counts for ROIs that lie on certain pages of a stack."""

import re
from collections.abc import Mapping
from pathlib import Path

from napari_matssl.errors import StackError
from napari_matssl.labels.exchange.stack_positions import StackPage
from napari_matssl.micrograph.decoding import count_pages, metadata_of, usual_page
from napari_matssl.micrograph.ome_zarr import open_plane
from napari_matssl.micrograph.reading import is_zarr


def counting_page(path: Path, chosen: int | None) -> StackPage | None:
    """Find the page of an image file that labels are drawn on.

    Parameters
    ----------
    path
        The file.
    chosen
        The page that a user has chosen, from 1; None for the default one.

    Returns
    -------
    The page; None if there is one only.

    Raises
    ------
    InputError
        If the file can't be opened.
    StackError
        If it is a stack of which no page is chosen.
    """
    if is_zarr(path) and path.is_dir():
        plane = open_plane(path, chosen)
        return StackPage(plane.page) if plane.pages > 1 else None
    pages = count_pages(path)
    if pages == 1:
        return None
    page = usual_page(path) if chosen is None else chosen
    if page is None:
        raise StackError(f"{path} is a stack.", f"Choose a page, 1 to {pages}.", pages)
    return StackPage(page, _sizes(metadata_of(path, page).imagej, pages))


def _sizes(entries: Mapping[str, str], pages: int) -> tuple[int, int] | None:
    """Read how many channels and slices ImageJ has written, if these give all pages."""
    texts = [entries.get(key, "1") for key in ("channels", "slices", "frames")]
    if not entries or not all(re.fullmatch(r"[1-9][0-9]{0,8}", text) for text in texts):
        return None
    channels, slices, frames = map(int, texts)
    return (channels, slices) if channels * slices * frames == pages else None
