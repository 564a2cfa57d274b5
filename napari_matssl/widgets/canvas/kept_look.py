"""Appearance and undo history of layers, kept while other images are shown."""

import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from napari.layers import Labels

from napari_matssl.widgets.canvas.shown import PAINTED, Shown
from napari_matssl.widgets.napari_private import give_history, history_of

MOST_HISTORIES = 20
"""Images whose undo history is kept; a stroke takes about as much memory as it has pixels."""


@dataclass(frozen=True)
class _History:
    """Strokes of a layer that can be undone or redone, as long as its pixels are the same."""

    pixels: int
    undo: tuple[Any, ...]
    redo: tuple[Any, ...]


class KeptLook:
    """Brush and layers look on the next image as on the last; each image keeps its undo history."""

    def __init__(self) -> None:
        self._brush: int | None = None
        self._layers: dict[str, tuple[bool, float, int]] = {}
        self._histories: OrderedDict[tuple[str, int | None], _History] = OrderedDict()

    def remember(self, shown: Shown, strokes_may_show: bool = True) -> None:
        """Note how an image looks whose layers are about to go.

        Parameters
        ----------
        strokes_may_show
            False while the strokes are hidden because another plane than theirs is in view.
        """
        painted = shown.painted
        self._brush = painted.brush_size
        for title, layer in _labels_of(shown).items():
            visible = layer.visible
            if layer is painted and not strokes_may_show:
                visible, _, _ = self._layers.get(PAINTED, (True, 1.0, 0))
            self._layers[title] = (visible, layer.opacity, layer.contour)
        undo, redo = history_of(painted)
        key = shown.name, shown.page
        self._histories.pop(key, None)
        if undo or redo:
            self._histories[key] = _History(_checksum(painted), undo, redo)
        while len(self._histories) > MOST_HISTORIES:
            self._histories.popitem(last=False)

    def bring_back(self, shown: Shown) -> None:
        """Apply the appearance of the last image to the one in view."""
        if self._brush is not None:
            shown.painted.brush_size = self._brush
        for title, layer in _labels_of(shown).items():
            if title in self._layers:
                visible, layer.opacity, layer.contour = self._layers[title]
                if layer.visible is not visible:
                    # Setting it in vain would switch napari's brush off.
                    layer.visible = visible
        history = self._histories.get((shown.name, shown.page))
        if history is not None and history.pixels == _checksum(shown.painted):
            give_history(shown.painted, history.undo, history.redo)

    def forget(self) -> None:
        """Drop the histories: another folder is opened, or a class is gone."""
        self._histories.clear()


def _labels_of(shown: Shown) -> dict[str, Labels]:
    extra = {title: one for title, one in shown.extra.items() if isinstance(one, Labels)}
    return {PAINTED: shown.painted, **extra}


def _checksum(layer: Labels) -> int:
    return zlib.crc32(layer.data.tobytes())
