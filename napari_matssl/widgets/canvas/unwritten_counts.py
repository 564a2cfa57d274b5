"""Counts of points that couldn't be written: they stay in memory until they are."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from napari_matssl.errors import InputError, MatSSLError, without_frames
from napari_matssl.project.folder import Project
from napari_matssl.project.kept_points import CountedElsewhereError, KeptCount
from napari_matssl.widgets.canvas.shown import Shown

_Image = tuple[Path, str, int | None]  # folder, name, page


class _Waiting(NamedTuple):
    """A count, and the project whose file it goes on with."""

    project: Project
    kept: KeptCount


class UnwrittenCounts:
    """The counts of one window that wait to be written, by image."""

    def __init__(self) -> None:
        self._waiting: dict[_Image, _Waiting] = {}

    def of(self, shown: Shown | None) -> KeptCount | None:
        """Return the count of an image that waits; None if none does."""
        found = None if shown is None else self._waiting.get(_image(shown))
        return None if found is None else found.kept

    def write_or_keep(self, shown: Shown, count: KeptCount) -> None:
        """Write the count of an image; keep it if that fails.

        Raises
        ------
        OutputError
            As :meth:`KeptPoints.write`. A count that another window has gone on with isn't kept.
        """
        self._waiting[_image(shown)] = _Waiting(shown.project, count)
        self._write(_image(shown))

    def write(self, shown: Shown) -> None:
        """Try again to write the count of an image, if one waits; errors as above."""
        if _image(shown) in self._waiting:
            self._write(_image(shown))

    def write_all(self) -> MatSSLError | None:
        """Try again to write all; return why that isn't possible for one of them."""
        problem = None
        for image in [*self._waiting]:
            try:
                self._write(image)
            except MatSSLError as error:
                problem = without_frames(error)
        return problem

    def move(self, project: Project) -> MatSSLError | None:
        """Write the counts of a folder to another place; errors are returned as above."""
        for image, waiting in self._waiting.items():
            folder, name, page = image
            if folder == project.folder:
                with suppress(InputError):  # a damaged copy is replaced
                    project.points.go_on(name, page)
                self._waiting[image] = waiting._replace(project=project)
        return self.write_all()

    def drop(self, shown: Shown) -> None:
        """Forget the count of an image."""
        self._waiting.pop(_image(shown), None)

    def _write(self, image: _Image) -> None:
        project, kept = self._waiting[image]
        _folder, name, page = image
        try:
            project.points.write(name, kept, page)
        except CountedElsewhereError:
            del self._waiting[image]
            raise
        del self._waiting[image]


def _image(shown: Shown) -> _Image:
    return shown.project.folder, shown.name, shown.page
