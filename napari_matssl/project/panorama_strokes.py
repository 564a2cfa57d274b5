"""The painted labels of a panorama, of which a part is painted on at a time."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.counting import count_values
from napari_matssl.labels.sparse_ids import copy_of
from napari_matssl.project.folder import Project
from napari_matssl.project.merging_strokes import Saved, Version

Ids = NDArray[np.uint8]
Area = tuple[slice, slice]
"""Rows and columns of a panorama."""


class StrokesFile(Protocol):
    """Where strokes are saved that a layer shows."""

    def at(self, project: Project) -> "StrokesFile":
        """Return the same file of a project in another place, to which it was copied."""

    def save(self, ids: Ids) -> Saved:
        """Write them, joined with strokes of other programs."""

    def prepare(self, wanted: Callable[[], bool]) -> None:
        """Make the first saving as quick as later ones, as long as that is `wanted`."""

    def written_elsewhere(self) -> bool:
        """Whether another program has written or deleted the file."""


class PanoramaStrokes:
    """The label file of a panorama that is painted on, and its strokes.

    Parameters
    ----------
    file
        Of all strokes.
    version
        As they were read.
    shape
        Height and width of the panorama.

    Attributes
    ----------
    ids
        ``(H, W)`` as on disk, not to be changed; what isn't painted takes no memory.
    counts
        Pixels by class id.
    """

    def __init__(self, file: StrokesFile, version: Version, shape: tuple[int, int]) -> None:
        self._file = file
        self._take(np.zeros(shape, np.uint8) if version.ids is None else version.ids)

    def at(self, project: Project) -> "PanoramaStrokes":
        """Return the strokes in another place, to which their file was copied."""
        return PanoramaStrokes(self._file.at(project), Version(None, self.ids), self.ids.shape)

    def in_area(self, area: Area) -> "AreaStrokes":
        """Return the strokes in an area, to be painted on."""
        return AreaStrokes(self, area)

    def save(self, area: Area, ids: Ids) -> Saved:
        """Write the strokes of an area with all others; returns the version of the area.

        Raises
        ------
        InputError, OutputError
            As :meth:`napari_matssl.project.labels.KeptLabels.write`.
        """
        every = copy_of(self.ids)
        every[area] = ids
        saved = self._file.save(every)
        self._take(every if saved.version.ids is None else saved.version.ids)
        part = self.ids[area]
        kept = ids if np.array_equal(part, ids) else part.copy()
        return replace(saved, version=replace(saved.version, ids=kept))

    def prepare(self, wanted: Callable[[], bool]) -> None:
        """Make the first saving as quick as later ones, as long as that is `wanted`."""
        self._file.prepare(wanted)

    def written_elsewhere(self) -> bool:
        """Whether another program has written or deleted the file."""
        return self._file.written_elsewhere()

    def _take(self, ids: Ids) -> None:
        self.ids = ids
        counts = count_values(ids)
        self.counts: Mapping[int, int] = {i: n for i, n in counts.items() if i}


class AreaStrokes:
    """The strokes in an area of a panorama, saved as those of other images are."""

    def __init__(self, strokes: PanoramaStrokes, area: Area) -> None:
        self._strokes, self._area = strokes, area

    def at(self, project: Project) -> "AreaStrokes":
        """Return the same area in another place, to which the file was copied."""
        return AreaStrokes(self._strokes.at(project), self._area)

    def save(self, ids: Ids) -> Saved:
        """Write the strokes ``(h, w)`` of the area, joined with strokes of other programs."""
        return self._strokes.save(self._area, ids)

    def prepare(self, wanted: Callable[[], bool]) -> None:
        """Make the first saving as quick as later ones; ends early once that isn't `wanted`."""
        self._strokes.prepare(wanted)

    def written_elsewhere(self) -> bool:
        """Whether another program has written or deleted the file."""
        return self._strokes.written_elsewhere()
