"""Taking image layers of the user's own into the open folder."""

from pathlib import Path

from napari.layers import Layer

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import images_in
from napari_matssl.project.own_folder import FOLDER
from napari_matssl.project.planes import PLANES, keep_plane
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.layers import micrograph_of
from napari_matssl.widgets.canvas.open_folder import OpenFolder
from napari_matssl.widgets.canvas.planes import plane_title
from napari_matssl.widgets.canvas.setting_facts import set_pixel_size


def add_layer(current: CurrentImage, layer: Layer, place: Path | None = None) -> bool:
    """Take the plane in view of any image layer into the open folder, else into one at `place`."""
    folder, viewer = current.folder, current.viewer
    step, project = viewer.dims.current_step, folder.project
    try:
        micrograph = folder.notices.wait_for(
            lambda: micrograph_of(layer, viewer.dims), f"Reading {layer.name}..."
        )
        if folder.ended or folder.project is not project:  # another folder was opened meanwhile
            return False
        taken = _take_in(folder, plane_title(layer, step), micrograph, place)
    except MatSSLError as error:
        folder.notices.failed.emit(error)
        return False
    if taken is None or folder.project is None or layer not in viewer.layers:
        return False
    if not current.leave():
        return False
    name, new = taken
    current.user_layers.remember(name, layer, step)
    path = folder.project.images.path(name)
    kept = "kept" if new else "in the folder already,"
    folder.notices.remarked.emit(f"{layer.name} is {kept} as {path}.")
    if not current.show(name):
        return False
    if new and micrograph.pixel_size is not None:
        set_pixel_size(current, micrograph.pixel_size)
    return True


def _take_in(
    folder: OpenFolder, title: str, micrograph: Micrograph, place: Path | None
) -> tuple[str, bool] | None:
    """Make a plane an image of the open folder, else of `place`; a file of the folder is one.

    Returns
    -------
    Name of the image, and whether it is new; None if the folder can't be opened, which is reported.
    """
    project, file = folder.project, micrograph.path
    target = place if project is None else project.folder
    writing = f"Writing {title}..."
    if target is None:
        raise InputError("No folder is open.", "Open a folder first.")
    if file is not None and file.parent.resolve() == target.resolve():
        there = project is not None and file.name in project.images.names
        return (file.name, False) if there or folder.open([target], show=False) else None
    if project is None:
        path, new = folder.notices.wait_for(
            lambda: keep_plane(target / FOLDER / PLANES, images_in(target), title, micrograph),
            writing,
        )
        if folder.ended or folder.project is not None:  # another folder was opened meanwhile
            return None
        return (path.name, new) if folder.open([target], show=False) else None
    name, new = folder.notices.wait_for(
        lambda: project.images.add_plane(title, micrograph), writing
    )
    if folder.ended or folder.project is not project:  # another folder was opened meanwhile
        return None
    folder.images_changed.emit()
    if new:
        folder.survey([name])
    return name, new
