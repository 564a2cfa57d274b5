"""What a user sets for the shown image: the page that counts, its pixel size, its info bar."""

from collections.abc import Callable, Mapping
from typing import Literal

from napari_matssl.errors import MatSSLError
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.project.folder import Project
from napari_matssl.project.record import ImageRecord
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.shown import Shown


def set_page(current: CurrentImage, page: int) -> None:
    """Choose which page of the shown image's file counts, from 1, and show it."""
    shown = current.shown
    if shown is None or page == shown.micrograph.page:
        return
    notices, folder = current.folder.notices, current.folder
    shown.autosave.flush()
    if shown.autosave.unsaved:  # Autosave has reported the reason
        current.changed.emit()
        return
    project, name, left = shown.project, shown.name, shown.micrograph.page
    painted = sum(shown.painted_pixels().values())
    try:
        before = project.micrographs.settings(name)
        remarks = project.micrographs.set_page(name, page)
    except MatSSLError as error:
        notices.failed.emit(error)
        current.changed.emit()
        return
    if not current.show_anew():
        if current.shown is shown:
            _stay_on_page(current, shown, before)
        return
    if painted:
        notices.remarked.emit(
            f"{name}: page {page} counts. The {painted:,} px painted on page {left} are kept "
            "for when that page is chosen again."
        )
    for remark in remarks:
        notices.remarked.emit(remark)
    folder.survey([name])
    folder.painted_changed.emit(name)


def _stay_on_page(current: CurrentImage, shown: Shown, settings: ImageRecord) -> None:
    """Let the page that is shown count again, with what was set for it by hand."""
    try:
        shown.project.micrographs.set_back(shown.name, settings)
    except MatSSLError as error:
        current.folder.notices.failed.emit(error)
    current.folder.unreadable.discard(shown.name)
    current.folder.survey([shown.name])
    current.changed.emit()


def set_pixel_size(current: CurrentImage, size: PixelSize | None) -> None:
    """Set the pixel size of the shown image; None goes back to the file's."""
    _set(current, lambda project, name: project.micrographs.set_pixel_size(name, size))


def set_pixel_size_of_all(current: CurrentImage, size: PixelSize | None) -> bool:
    """Set the pixel size of all images of the folder; None goes back to the files'.

    Returns False if it can't be kept, which is reported.
    """
    kept = _set(current, lambda project, _name: project.micrographs.set_pixel_size_of_all(size))
    project = current.folder.project
    current.folder.survey(() if project is None else project.images.names)
    return kept


def set_pixel_sizes(current: CurrentImage, sizes: Mapping[str, PixelSize | None]) -> None:
    """Set the pixel sizes of several images; None goes back to the file's."""
    _set(current, lambda project, _name: project.micrographs.set_pixel_sizes(sizes))
    current.folder.survey([*sizes])


def set_info_bar(current: CurrentImage, row: int | Literal["auto"] | None) -> None:
    """Set the first row of the shown image's info bar; None: it has none."""
    _set(current, lambda project, name: project.micrographs.set_info_bar(name, row))


def _set(current: CurrentImage, change: Callable[[Project, str], None]) -> bool:
    """Change what is set for the shown image, and show it so; what can't be kept is reported."""
    shown = current.shown
    if shown is None:
        return False
    notices, micrograph, kept = current.folder.notices, shown.micrograph, False
    try:
        change(shown.project, shown.name)
        kept = True
        micrograph = notices.wait_for(
            lambda: shown.project.micrographs.read_any(shown.name, shown.page),
            f"Reading {shown.name} again...",
        )
    except MatSSLError as error:
        notices.failed.emit(error)
    if current.shown is shown:  # not where another was chosen while it was read
        current.take_facts(micrograph)
    return kept
