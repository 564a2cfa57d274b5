"""Images of a project: those of its folder, and planes of other programs' images."""

from collections.abc import Sequence
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.pairing import page_in, stem_of
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import images_in
from napari_matssl.project.first_look import find_images
from napari_matssl.project.own_folder import Place
from napari_matssl.project.planes import PLANES, keep_plane, plane_files


class ImageList:
    """The images of a folder, or `only` some of its files, and planes.

    Attributes
    ----------
    names
        The images by the names of their files, in natural order; planes that were added come last.
    remarks
        What was left out, and why.

    Raises
    ------
    InputError
        If there is no such folder, no image in it, or a file of `only` is elsewhere.
    """

    def __init__(self, folder: Path, place: Place, only: Sequence[Path] = ()) -> None:
        self._folder, self._place, self._only = folder, place, tuple(only)
        self._planes_folder = place.own / PLANES
        planes = () if only else plane_files(self._planes_folder)
        self.names, self._planes, self.remarks = find_images(folder, only, planes)

    def refresh(self, keep: str | None = None) -> bool:
        """List the images of the folder anew; whether others are there than before.

        Labels, masks and settings of an image that is gone stay, for when it comes back. While the
        folder can't be listed or holds no image, the list stays as it is.

        Parameters
        ----------
        keep
            An image that stays in the list even if its file is gone: its strokes are being painted.
        """
        here = [path for path in self._only if path.exists()]
        if self._only and not here:
            return False
        planes = plane_files(self._planes_folder)
        if self._only:
            planes = [path for path in planes if path.name in self._planes]
        try:
            names, taken, _ = find_images(self._folder, here, planes)
        except InputError:
            return False
        if keep is not None and keep not in names:
            names = (*names, keep)
            taken |= {keep} & self._planes
        changed, self.names, self._planes = names != self.names, names, taken
        return changed

    def add_plane(self, title: str, micrograph: Micrograph) -> tuple[str, bool]:
        """Take in a plane of another program's image; one that is there isn't taken in again.

        Parameters
        ----------
        title
            What it shall be called, if that is free.
        micrograph
            What is in it.

        Returns
        -------
        Name of the image, and whether it is new.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        with self._place.lock, self._place.saving():
            images = images_in(self._folder)
            path, new = keep_plane(self._planes_folder, images, title, micrograph)
            if path.name not in self.names:
                self.names = (*self.names, path.name)
                if path.parent == self._planes_folder:
                    self._planes |= {path.name}
                elif self._only:
                    self._only = (*self._only, path)
            return path.name, new

    def path(self, name: str) -> Path:
        """Return the file of an image: in the folder, or among the planes below ``matssl``.

        Raises
        ------
        InputError
            If the project has no such image.
        """
        if name not in self.names:
            raise InputError(f"{self._folder} has no image {name}.", "Open the folder again.")
        return (self._planes_folder if name in self._planes else self._folder) / name

    def owner(self, path: Path) -> str:
        """Name the image, and the page, that labels or a mask belong to.

        The name of the file itself where its image isn't listed.
        """
        names = {stem_of(name): name for name in self.names}
        whole = stem_of(path.name)
        stem, page = page_in(whole)
        if whole not in names and stem in names:
            return f"{names[stem]}, page {page}"
        return names.get(whole, path.name)
