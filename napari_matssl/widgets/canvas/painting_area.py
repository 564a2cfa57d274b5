"""The part of a panorama that is painted on: it follows the view."""

from typing import Final

import numpy as np
from napari.layers import Image, Labels
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.labels.counting import count_values
from napari_matssl.project.panorama_strokes import Area, PanoramaStrokes
from napari_matssl.widgets.canvas.autosave import Autosave
from napari_matssl.widgets.canvas.layers import add_levels, place_layer
from napari_matssl.widgets.canvas.lazy_levels import sampled_levels, show_changes
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.napari_private import canvas_widget, forget_history, scene_of

SIDE: Final = 4096
"""Longest side of the area, px."""

ELSEWHERE: Final = "strokes elsewhere"
"""Name of the layer that shows strokes outside the area."""

_REST_MS = 150  # until a view that moves is taken to stay
_AGAIN_MS = 300  # until it is looked again whether strokes are saved

Ids = NDArray[np.uint8]


class PaintingArea(QObject):
    """Keeps the painted layer of a panorama where the user looks.

    napari can't edit multiscale labels, and would draw a layer of all of the panorama too slowly to
    paint on. So the layer holds an area of at most :data:`SIDE` px around the middle of the view.
    It moves once its strokes are saved. Strokes elsewhere are in another layer, to be seen.

    Parameters
    ----------
    viewer, image
        Where the panorama is shown.
    strokes
        Of all of it.
    """

    moved = Signal()
    """The painted layer holds another area."""
    too_wide = Signal()
    """More is in view than the area holds, for the first time since it was all in it."""

    def __init__(self, viewer: Viewer, image: Image, strokes: PanoramaStrokes) -> None:
        super().__init__()
        self.strokes = strokes
        self._viewer, self._image = viewer, image
        self._shape: tuple[int, int] = strokes.ids.shape
        self._wide = False
        self.area = self._around(self._shape[0] / 2, self._shape[1] / 2)
        self._rest = later(self, self._follow, _REST_MS)
        self._again = later(self, self._follow, _AGAIN_MS)
        self._layer: Labels | None = None
        self._autosave: Autosave | None = None

    @property
    def ids(self) -> Ids:
        """A copy of the strokes in the area, as on disk."""
        return self.strokes.ids[self.area].copy()

    @property
    def top_left(self) -> tuple[int, int]:
        """First row and column of the area."""
        return self.area[0].start, self.area[1].start

    def show_elsewhere(self, classes: tuple[LabelClass, ...]) -> Labels:
        """Add the layer of strokes outside the area."""
        levels = sampled_levels(self._shape, self._outside)
        layer = add_levels(self._viewer, self._image, levels, classes, ELSEWHERE, "painted")
        self._elsewhere = layer
        return layer

    def begin(self, layer: Labels, autosave: Autosave) -> None:
        """Follow the view with a layer that holds :attr:`ids`, and what saves it."""
        self._layer, self._autosave = layer, autosave
        self.place()
        camera = scene_of(self._viewer).camera
        for event in (camera.events.center, camera.events.zoom):
            event.connect(self._on_camera)
        autosave.saved.connect(self._show_elsewhere)
        self._rest.start()

    def end(self) -> None:
        """Follow no more."""
        camera = scene_of(self._viewer).camera
        for event in (camera.events.center, camera.events.zoom):
            event.disconnect(self._on_camera)
        self._rest.stop()
        self._again.stop()

    def place(self) -> None:
        """Put the layer where its area is, after the pixel size has changed, too."""
        assert self._layer is not None
        place_layer(self._layer, self._image, *self.top_left)

    def counts(self) -> dict[int, int]:
        """Count painted pixels by class id, those that aren't saved among them."""
        counts = dict(self.strokes.counts)
        assert self._layer is not None
        for ids, sign in ((self.strokes.ids[self.area], -1), (self._layer.data, 1)):
            for value, count in count_values(ids).items():
                counts[value] = counts.get(value, 0) + sign * count
        return {value: count for value, count in counts.items() if value and count > 0}

    def middle_of_view(self) -> tuple[float, float]:
        """Row and column in the middle of the view."""
        center = scene_of(self._viewer).camera.center[-2:]
        row, column = np.asarray(self._image.world_to_data(center))[-2:]
        return float(row), float(column)

    def _on_camera(self, _event: object) -> None:
        self._rest.start()

    def _around(self, row: float, column: float) -> Area:
        """Return the area round a pixel, moved as far as it takes to lie in the panorama."""
        rows, columns = (
            _range(at, length) for at, length in zip((row, column), self._shape, strict=True)
        )
        return rows, columns

    def _follow(self) -> None:
        """Move to where the user looks, unless that is in the area."""
        if self._layer is None or self._autosave is None:
            return
        middle, sides = self.middle_of_view(), self._sides_of_view()
        wide = any(
            side > SIDE and length > SIDE for side, length in zip(sides, self._shape, strict=True)
        )
        self._layer.bounding_box.visible = wide
        if wide and not self._wide:
            self.too_wide.emit()
        self._wide = wide
        if all(
            _holds(part, at, min(side, SIDE / 2), length)
            for part, at, side, length in zip(self.area, middle, sides, self._shape, strict=True)
        ):
            return
        if not self._autosave.settled:
            self._again.start()
            return
        area = self._around(*middle)
        if area != self.area:
            self._move(self._layer, self._autosave, area)

    def _move(self, layer: Labels, autosave: Autosave, area: Area) -> None:
        self.area = area
        forget_history(layer)  # what could be undone lies elsewhere
        layer.data = self.ids
        self.place()
        autosave.go_on_with(self.strokes.in_area(area))
        self._show_elsewhere()
        self.moved.emit()

    def _show_elsewhere(self) -> None:
        show_changes(self._elsewhere)

    def _sides_of_view(self) -> tuple[float, float]:
        """Height and width of what is in view, in px of the panorama."""
        canvas, zoom = canvas_widget(self._viewer), scene_of(self._viewer).camera.zoom
        y, x = (abs(float(one)) for one in self._image.scale[-2:])
        return canvas.height() / zoom / y, canvas.width() / zoom / x

    def _outside(self, rows: slice, columns: slice) -> Ids:
        """Return strokes outside the area; it itself is in the painted layer."""
        found = self.strokes.ids[rows, columns].copy()
        inside = tuple(
            slice(
                max(0, -(-(part.start - one.start) // one.step)),
                max(0, -(-(part.stop - one.start) // one.step)),
            )
            for part, one in zip(self.area, (_stepped(rows), _stepped(columns)), strict=True)
        )
        found[inside] = 0
        return found


def _stepped(one: slice) -> slice:
    return slice(one.start, one.stop, one.step or 1)


def _range(at: float, length: int) -> slice:
    side = min(SIDE, length)
    start = min(max(0, round(at - side / 2)), length - side)
    return slice(start, start + side)


def _holds(part: slice, at: float, side: float, length: int) -> bool:
    """Whether a side of the view lies in a side of the area, as far as the panorama goes."""
    low, high = max(0.0, at - side / 2), min(float(length), at + side / 2)
    return low >= high or (part.start <= low and high <= part.stop)
