"""View of the canvas: the whole image until the user zooms, and a scale bar."""

import numpy as np
from napari.layers import Layer
from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject

from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.shown import Shown
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.napari_private import canvas_widget, scene_of, take_box_off_brush

_FILLED = 0.5  # of the canvas's shorter side, by what is looked at
_WHOLE = 0.95  # of the canvas, by a picture


class View(QObject):
    """Keep the image fitted while docks come and go, and a scale bar where it is calibrated.

    napari fits an image once. Docks that are laid out afterwards would leave it cut off.
    """

    def __init__(self, viewer: Viewer, current: CurrentImage) -> None:
        super().__init__(current)
        self._viewer, self._current = viewer, current
        self._fitted: tuple[object, ...] | None = None  # camera with which the image was fitted
        self._ours = False
        self._bar_is_users = viewer.scale_bar.visible
        self._later = later(self, self._fit_again)  # after the layout has sized the canvas
        canvas_widget(viewer).installEventFilter(self)
        take_box_off_brush(viewer)
        viewer.scale_bar.events.visible.connect(self._on_bar)
        current.fitted.connect(self._note)
        current.changed.connect(self.show_bar)

    def eventFilter(self, _canvas: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Fit the image again to a canvas of another size, if it was fitted."""
        if event.type() == QEvent.Type.Resize and self._fitted == self._camera():
            self._later.start()
        return False

    def _camera(self) -> tuple[object, ...]:
        camera = self._viewer.camera
        return (*camera.center, camera.zoom)

    def _note(self) -> None:
        self._fitted = self._camera()

    def _fit_again(self) -> None:
        if self._current.shown is not None:
            self._viewer.reset_view()
            self._note()

    def fit_picture(self, layer: Layer) -> None:
        """Bring a picture whole into sight; it has its own scale bar, and no size in the world."""
        canvas, camera = canvas_widget(self._viewer), scene_of(self._viewer).camera
        low, high = np.asarray(layer.extent.world)[:, -2:]
        camera.center = (*camera.center[:-2], *(float(one) for one in (low + high) / 2))
        camera.zoom = _WHOLE * float(min((canvas.height(), canvas.width()) / (high - low)))
        self._switch_bar(False)

    def leave_picture(self) -> None:
        """Show the image whole again, with its scale bar, once a picture is gone."""
        self._fit_again()
        self.show_bar()

    def show_bar(self) -> None:
        """Show the scale bar for calibrated images, unless the user has switched it."""
        shown = self._current.shown
        if shown is not None:
            self._switch_bar(shown.micrograph.pixel_size is not None)

    def _switch_bar(self, visible: bool) -> None:
        if not self._bar_is_users:
            self._ours = True
            self._viewer.scale_bar.visible = visible
            self._ours = False

    def _on_bar(self, _event: Event) -> None:
        self._bar_is_users = self._bar_is_users or not self._ours


def look_at(viewer: Viewer, shown: Shown, row: int, column: int, side: int) -> None:
    """Bring a square of an image into the middle, so large that its surroundings are in sight."""
    layer = shown.image
    middle = np.concatenate(
        [np.zeros(layer.ndim - 2), [row + (side - 1) / 2, column + (side - 1) / 2]]
    )
    world = np.asarray(layer.data_to_world(middle))[-2:]
    canvas = canvas_widget(viewer)
    camera = scene_of(viewer).camera
    camera.center = (*camera.center[:-2], *(float(one) for one in world))
    length = side * abs(float(layer.scale[-1]))
    camera.zoom = _FILLED * min(canvas.width(), canvas.height()) / length
