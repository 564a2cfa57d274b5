"""A picture of a mask over its image, in a layer that is no part of an open folder."""

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from napari.viewer import Viewer
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.widgets.canvas.view import View


class OverlayPicture:
    """Shows one picture after another in one layer.

    Parameters
    ----------
    viewer
        That shows it.
    view
        Of its canvas.
    """

    def __init__(self, viewer: Viewer, view: View) -> None:
        self._viewer, self._view = viewer, view
        self._layer: Image | None = None

    @staticmethod
    def read(path: Path) -> NDArray[np.uint8]:
        """Read a picture, in any thread.

        Raises
        ------
        InputError
            If it can't be read.
        """
        from PIL import Image as Picture

        try:
            with Picture.open(path) as picture:
                return np.asarray(picture.convert("RGB"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} can't be read: {error}.", "Run the recipe again.") from error

    def hide(self) -> None:
        """Take the picture away: what is chosen has none."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
            self._view.leave_picture()

    def show(self, name: str, picture: Any) -> None:
        """Show a picture, fitted to the canvas, above all else."""
        layers = self._viewer.layers
        if self._layer is None or self._layer not in layers:
            self._layer = self._viewer.add_image(picture, name=name, rgb=True)
            self._layer.events.visible.connect(self._on_visible)
        else:
            self._layer.data = picture
            self._layer.name = name
            self._layer.visible = True
            layers.move(layers.index(self._layer), len(layers))
        self._view.fit_picture(self._layer)

    def _on_visible(self) -> None:
        if self._layer is not None and not self._layer.visible:
            self._view.show_bar()
