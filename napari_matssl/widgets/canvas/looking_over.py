"""Looking through a panorama that is shown, beside the window."""

from functools import partial

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_matssl.errors import MatSSLError
from napari_matssl.project.panoramas import InSight
from napari_matssl.widgets.canvas.image_layer import INFO_BAR, black_and_white
from napari_matssl.widgets.canvas.lazy_levels import levels_of
from napari_matssl.widgets.canvas.shown import Shown
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import AFTER_VIEW_MS, later

REFRESH_MS = 700
"""How often bands that have come meanwhile are shown."""


class LookingOver(QObject):
    """Fills the smaller copies of the panorama in view, and finds its info bar."""

    done = Signal(object)
    """The Shown whose panorama is complete now."""
    coloured = Signal(object)
    """The Shown that is another kind of image than it seemed: it has to be shown anew."""
    failed = Signal(object)
    """A MatSSLError."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._shown: Shown | None = None
        self._thread = Background(self)
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._refresh)
        self._soon = later(self, self._look, AFTER_VIEW_MS)

    def begin(self, shown: Shown) -> None:
        """Look through the panorama that has just been shown."""
        self._shown = shown
        self._timer.start()
        self._soon.start()

    def _look(self) -> None:
        shown = self._shown
        if shown is None:
            return
        look = shown.project.micrographs.look_over
        done, failed = partial(self._on_done, shown), partial(self._on_failed, shown)
        self._thread.run(lambda: look(shown.name, shown.page), done, failed)

    def end(self) -> None:
        """Leave it, as the image is shown no more."""
        self._shown = None
        self._soon.stop()
        self._timer.stop()

    def _refresh(self) -> None:
        if self._shown is not None:
            self._shown.image.refresh()

    def _on_done(self, shown: Shown, seen: InSight | None) -> None:
        if self._shown is not shown or seen is None:
            return
        self.end()
        before, shown.micrograph = shown.micrograph, seen.panorama
        if before.is_rgb != seen.panorama.is_rgb:
            self.coloured.emit(shown)
            return
        image = shown.image
        image.metadata[INFO_BAR] = seen.panorama.info_bar
        limits, first = black_and_white(seen.panorama), black_and_white(before)
        untouched = first is None or np.allclose(image.contrast_limits, first)
        if not seen.panorama.is_rgb and limits is not None and untouched:
            image.contrast_limits = limits
        if seen.overview.levels[0] is not image.data[1] and shown.own_image:
            image.data = levels_of(seen, self.failed.emit)  # another thread has looked first
        image.refresh()
        self.done.emit(shown)

    def _on_failed(self, shown: Shown, error: MatSSLError) -> None:
        if self._shown is shown:
            self.end()
            self.failed.emit(error)
