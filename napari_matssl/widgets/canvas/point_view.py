"""The view while points are counted: the bare image around a pixel, with a cross at it."""

import math

from napari.layers import Image
from napari.viewer import Viewer

from napari_matssl.widgets.canvas.bare_image import BareImage
from napari_matssl.widgets.canvas.crosshair import Crosshair
from napari_matssl.widgets.canvas.shown import Shown
from napari_matssl.widgets.napari_private import canvas_widget

_SEEN = 0.3  # share of the image's shorter side that is in sight
_SCREEN_PX = (2.0, 8.0)  # sides of an image's pixel on the screen, at least and at most, px


class PointView:
    """Shows points of an image one after another, and gives the view of before back."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._bare, self._cross = BareImage(viewer), Crosshair(viewer)
        self._screen_px: float | None = None  # as the user has zoomed
        self._before: tuple[tuple[float, ...], float] | None = None

    def begin(self, shown: Shown) -> None:
        """Show an image alone, without what lies over it."""
        self._before = tuple(self._viewer.camera.center), self._viewer.camera.zoom
        self._bare.begin([shown.image])
        canvas_widget(self._viewer).setFocus()

    def end(self) -> None:
        """Show all as it was before."""
        self._cross.remove()
        self._bare.end()
        if self._before is not None:
            self._viewer.camera.center, self._viewer.camera.zoom = self._before

    def zoom(self, shown: Shown, factor: float) -> None:
        """Show less or more around the points from the next look on."""
        self._screen_px = factor * self._viewer.camera.zoom * _pixel_side(shown.image)

    def look(self, shown: Shown, at: tuple[int, int], hint: str) -> None:
        """Show a pixel ``(row, column)`` in the middle, and a text in the status bar."""
        layer, camera = shown.image, self._viewer.camera
        first = (0.0,) * (layer.ndim - 2)
        y, x = layer.data_to_world((*first, *at))[-2:]
        camera.center = (*camera.center[:-2], float(y), float(x))
        camera.zoom = (self._screen_px or self._usual_px(shown)) / _pixel_side(layer)
        self._cross.show(layer, at)
        cross = self._cross.layer
        if cross is not None and not cross.visible:
            self._bare.spare(cross)
        self._viewer.layers.selection.active = cross
        if cross is not None:
            cross.help = self._viewer.help = hint

    def _usual_px(self, shown: Shown) -> float:
        height = canvas_widget(self._viewer).height()
        shorter = min(shown.micrograph.specimen_shape[0], shown.micrograph.width)
        least, most = _SCREEN_PX
        return min(max(height / (_SEEN * shorter), least), most)


def _pixel_side(layer: Image) -> float:
    """Height of a pixel of an image, in units of the viewer's world."""
    first = (0.0,) * (layer.ndim - 2)
    ends = [layer.data_to_world((*first, row, 0.0))[-2:] for row in (0.0, 1.0)]
    return math.dist(*ends)
