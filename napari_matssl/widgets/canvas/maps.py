"""Layers that show how sure a model is: its probabilities, and the uncertainty."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.results import Results
from napari_matssl.widgets.canvas.shown import Shown

UNCERTAINTY, PROBABILITY = "uncertainty", "probability: "
"""Name of a layer, and how the names of the others begin."""


def remove_maps(results: Results, shown: Shown) -> None:
    """Take away what an earlier model thought of the shown image."""
    titles = list(shown.extra)
    for title in (t for t in titles if t == UNCERTAINTY or t.startswith(PROBABILITY)):
        results.remove_layer(title)


def add_maps(
    results: Results,
    shown: Shown,
    names: Sequence[str],
    probabilities: NDArray[np.uint8],
    uncertainty: NDArray[np.float32],
) -> None:
    """Show how sure a model is of the shown image; which layer is active stays.

    Parameters
    ----------
    results
        Keeps the layers with the image.
    shown
        The image.
    names
        Of the classes.
    probabilities
        ``(K, H, W)``, 255 times the probability of each class. Their layers are hidden.
    uncertainty
        ``(H, W)`` from 0 to 1.
    """
    layers = results.current.viewer.layers
    active = layers.selection.active
    for name, plane in zip(names, probabilities, strict=True):
        _add(results, shown, f"{PROBABILITY}{name}", plane / np.float32(255), "gray", False)
    _add(results, shown, UNCERTAINTY, uncertainty, "inferno", True)
    layers.selection.active = active


def _add(
    results: Results,
    shown: Shown,
    title: str,
    values: NDArray[np.float32],
    colours: str,
    visible: bool,
) -> None:
    layer = results.current.viewer.add_image(
        values,
        name=title,
        colormap=colours,
        contrast_limits=(0, 1),
        opacity=0.6,
        blending="additive",
        visible=visible,
        **grid_of(shown.image),
    )
    results.add_layer(title, layer)
