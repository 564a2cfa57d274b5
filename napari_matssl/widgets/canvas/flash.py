"""A frame over the canvas that marks a part of the image for a moment."""

import numpy as np
from napari.viewer import Viewer
from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QFrame

from napari_matssl.widgets.canvas.shown import Shown
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.napari_private import canvas_widget, place_on_canvas, scene_of

SHOWN_MS = 1600
"""How long the frame is to be seen."""

_SMALLEST, _AROUND = 24, 8  # side of the frame, and its distance from what it marks, px


class Flash(QFrame):
    """A frame around some pixels; it adds no layer, so painting goes on as before."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(canvas_widget(viewer))
        self._viewer = viewer
        self._marked: tuple[Shown, QRect] | None = None
        self.setObjectName("matssl_flash")
        # Seen on any grey: bright, with what is dark beside it.
        self.setStyleSheet(
            "#matssl_flash { border: 3px solid #ffd400; border-radius: 4px;"
            " background: transparent; }"
        )
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        self._end = later(self, self.hide, SHOWN_MS)
        camera = scene_of(viewer).camera
        camera.events.connect(self._follow)

    def mark(self, shown: Shown, top: int, left: int, height: int, width: int) -> None:
        """Mark a rectangle of the image that is shown, px."""
        self._marked = shown, QRect(left, top, width, height)
        self._place()
        self.show()
        self.raise_()
        self._end.start()

    def _follow(self, _event: object = None) -> None:
        """Stay where the rectangle is while the view moves."""
        if self.isVisible():
            self._place()

    def _place(self) -> None:
        if self._marked is None:
            return
        shown, marked = self._marked
        layer = shown.image
        view = place_on_canvas(self._viewer)
        corners = []
        for row, column in (
            (marked.top() - 0.5, marked.left() - 0.5),
            (marked.top() + marked.height() - 0.5, marked.left() + marked.width() - 0.5),
        ):
            place = np.concatenate([np.zeros(layer.ndim - 2), [row, column]])
            world = np.asarray(layer.data_to_world(place))[-2:]
            corners.append((view.transform * view.scene.transform).map([world[1], world[0]])[:2])
        (x0, y0), (x1, y1) = corners
        wide = max(_SMALLEST, x1 - x0 + 2 * _AROUND)
        high = max(_SMALLEST, y1 - y0 + 2 * _AROUND)
        self.setGeometry(
            round((x0 + x1 - wide) / 2), round((y0 + y1 - high) / 2), round(wide), round(high)
        )
