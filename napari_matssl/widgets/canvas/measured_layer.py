"""Objects, grains, intercepts, columns or particles as a layer to click, one of them marked."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Labels, Layer, Vectors
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.events import Event
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_matssl.measure.items import FieldItems
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.layer_grid import grid_of
from napari_matssl.widgets.canvas.layers import KIND, MEASURED
from napari_matssl.widgets.canvas.measured_lines import DrawnLines, lines_of
from napari_matssl.widgets.canvas.outlines import nearest_segment, outline_of
from napari_matssl.widgets.canvas.results import Results
from napari_matssl.widgets.canvas.shown import OVERLAYS, Shown
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.napari_private import scene_of

MARKED = "marked"
"""Name of the layer that marks one item."""

HINT = "Click in the image to find an item in the list. 1 to 9: back to painting"

_MARK, _MARK_PX = "#ffe800", 3.0
"""Colour of the mark, and its width, px of the screen as it is when something is marked."""

_CLICK = 4
"""Farthest that the mouse moves during a click, px."""

_NEAR = 6
"""Farthest from a column that a click chooses it, px of the screen."""

_SMALL, _WANTED = 24, 48
"""What is smaller on the screen is zoomed to, to that size, px."""

_AROUND = 8.0
"""Around an intercept, boundaries are looked at as far as so many of its ticks."""


class MeasuredLayer(QObject):
    """Shows the items of the shown image; never their class ids, which are nobody's labels.

    Segmentation and preview go out of sight meanwhile: tints on top of each other make colours
    that mean nothing.
    """

    picked = Signal(int)
    """The user has clicked an item in the image: its row."""
    removed = Signal()
    """The user has removed the layer."""

    def __init__(self, current: CurrentImage, results: Results) -> None:
        super().__init__(current)
        self._current, self._results, self._viewer = current, results, current.viewer
        self._items: FieldItems | None = None
        self._name = ""
        self._covered: list[Layer] = []
        self._ours = False
        self._active: Layer | None = None
        self._removed_later = later(self, self._on_removal)
        current.leaving.connect(self._forget)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.mouse_drag_callbacks.append(self._on_mouse)

    @property
    def on(self) -> bool:
        """Whether items are shown."""
        shown = self._current.shown
        return shown is not None and MEASURED in shown.extra

    def show(self, name: str, items: FieldItems, colours: Mapping[Any, str]) -> int | None:
        """Show items as a layer of some name; it takes the place of what was shown before.

        Parameters
        ----------
        colours
            Of what items count as, by kind.

        Returns
        -------
        Of how many columns one is drawn; None if all are.
        """
        shown = self._current.require_shown()
        lines = None if items.ends is None else lines_of(items, colours)
        there = shown.extra.get(MEASURED)
        if there is not None and self._name == name:
            self._update(there, items, lines)
        else:
            self._replace(shown, name, items, colours, lines)
        self._items, self._name = items, name
        return lines.step if lines is not None and lines.step > 1 else None

    def _update(self, layer: Layer, items: FieldItems, lines: DrawnLines | None) -> None:
        """Show other items in the same layer: somebody may be painting in another one."""
        if self._items is None or not items.table.equals(self._items.table):
            with self._quietly():
                self._results.remove_layer(MARKED)
        layer.data = items.kinds if lines is None else lines.vectors
        if lines is not None and lines.colours:  # napari takes no list of none
            layer.edge_color = lines.colours

    def _replace(
        self,
        shown: Shown,
        name: str,
        items: FieldItems,
        colours: Mapping[Any, str],
        lines: DrawnLines | None,
    ) -> None:
        was_on, active = self.on, self._viewer.layers.selection.active
        with self._quietly():
            self._clear_layers()
            if lines is not None:
                layer = self._vectors(shown, name, lines)
            else:
                assert items.kinds is not None  # items that are no columns have pixels
                layer = self._labels(shown, name, items.kinds, colours, items.words)
            self._results.add_layer(MEASURED, layer)
        if not was_on:
            self._active = active
            self._cover(shown)
        # Clicks shall choose items now, not paint.
        self._viewer.layers.selection.active = layer
        layer.help = self._viewer.help = HINT  # napari's own names keys that are ours

    def mark(self, row: int, centre: bool = True) -> None:
        """Mark an item, and bring it into the middle of the view if wanted."""
        shown, items = self._current.shown, self._items
        if shown is None or items is None or not self.on or not 0 <= row < len(items.places):
            return
        if items.ends is not None:
            ends = items.ends[row : row + 1]
        else:
            assert items.numbers is not None  # items that are no columns have pixels
            ends = outline_of(items.numbers, row + 1)
        if centre:
            extent = float(np.ptp(ends.reshape(-1, 2), axis=0).max())
            around = 1.0 if items.kinds_of_ends is None else _AROUND
            self._look_at(shown, items.places[row], around * extent)
        active = self._viewer.layers.selection.active
        with self._quietly():
            self._results.remove_layer(MARKED)
            width = max(_MARK_PX * self._px_of_screen(shown), 0.3)
            lines = DrawnLines(ends, [_MARK] * len(ends), width)
            self._results.add_layer(MARKED, self._vectors(shown, MARKED, lines))
        self._viewer.layers.selection.active = active

    def clear(self) -> None:
        """Take the layers away, and show again what they have covered."""
        if self.on and self._viewer.layers.selection.active in self._own_layers():
            before = self._active
            self._clear_layers()
            if before is not None and before in self._viewer.layers:
                self._viewer.layers.selection.active = before
        else:
            self._clear_layers()
        self._uncover()
        self._items = None

    # --- layers

    def _labels(
        self,
        shown: Shown,
        name: str,
        kinds: NDArray[np.uint8],
        colours: Mapping[Any, str],
        words: Mapping[int, str],
    ) -> Labels:
        table = {None: "transparent", 0: "transparent", **colours}
        layer = self._viewer.add_labels(
            kinds,
            name=name,
            colormap=DirectLabelColormap(color_dict=table),
            features={"index": [0, *words], "counts as": ["nothing", *words.values()]},
            opacity=0.6,
            metadata={KIND: MEASURED},
            **grid_of(shown.image),
        )
        layer.editable = False
        return layer

    def _vectors(self, shown: Shown, name: str, lines: DrawnLines) -> Vectors:
        return self._viewer.add_vectors(
            lines.vectors,
            name=name,
            edge_color=lines.colours or _MARK,
            edge_width=lines.width,
            vector_style="line",
            opacity=0.8,
            metadata={KIND: MEASURED},
            **grid_of(shown.image),
        )

    def _own_layers(self) -> list[Layer]:
        shown = self._current.shown
        extra = {} if shown is None else shown.extra
        return [extra[key] for key in (MEASURED, MARKED) if key in extra]

    def _clear_layers(self) -> None:
        with self._quietly():
            for key in (MARKED, MEASURED):
                self._results.remove_layer(key)

    def _cover(self, shown: Shown) -> None:
        overlays = [shown.extra[title] for title in OVERLAYS if title in shown.extra]
        self._covered = [layer for layer in overlays if layer.visible]
        for layer in self._covered:
            layer.visible = False

    def _uncover(self) -> None:
        covered, self._covered = self._covered, []
        for layer in covered:
            if layer in self._viewer.layers:
                layer.visible = True

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change layers without taking it for what the user does."""
        before, self._ours = self._ours, True
        try:
            yield
        finally:
            self._ours = before

    def _forget(self) -> None:
        """Let the layers go with their image; what they covered is in sight in the next one."""
        self._uncover()
        self._items = None

    def _on_removed(self, event: Event) -> None:
        if not self._ours and self._items is not None and event.value.name == self._name:
            self._removed_later.start()  # napari may be removing several layers at this moment

    def _on_removal(self) -> None:
        if not self.on:
            self.clear()
            self.removed.emit()

    # --- the view and the mouse

    @property
    def _camera(self) -> Any:
        return scene_of(self._viewer).camera

    def _px_of_screen(self, shown: Shown) -> float:
        """Return how many px of the image one px of the screen is."""
        return float(1 / (self._camera.zoom * abs(float(shown.image.scale[-1]))))

    def _look_at(self, shown: Shown, place: NDArray[np.floating], extent: float) -> None:
        """Bring a place into the middle; come nearer to what is too small to be seen."""
        camera = self._camera
        world = np.asarray(shown.image.data_to_world(_on_plane(shown, place)))[-2:]
        camera.center = (camera.center[0], *world)
        size = extent * abs(float(shown.image.scale[-1]))
        if size * camera.zoom < _SMALL:
            camera.zoom = _WANTED / size

    def _on_mouse(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        """Choose what is clicked, unless the click paints or draws."""
        active = self._viewer.layers.selection.active
        moves = getattr(active, "mode", "pan_zoom") in ("pan_zoom", "transform")
        if event.button != 1 or not self.on or not moves:
            return
        began = np.asarray(event.pos, dtype=float)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.asarray(event.pos) - began).max() <= _CLICK:
            row = self._row_at(event.position)
            if row is not None:
                self.picked.emit(row)

    def _row_at(self, position: Sequence[float]) -> int | None:
        """Return the row of the item at a place of the viewer."""
        shown, items = self._current.shown, self._items
        if shown is None or items is None:
            return None
        place = np.asarray(shown.image.world_to_data(position))[-2:]
        if items.ends is not None:
            near = max(_NEAR * self._px_of_screen(shown), 1.0)
            return nearest_segment(items.ends, place, near)
        assert items.numbers is not None  # items that are no columns have pixels
        row, column = (round(float(one)) for one in place)
        height, width = items.numbers.shape
        if not (0 <= row < height and 0 <= column < width):
            return None
        number = int(items.numbers[row, column])
        return number - 1 if number else None


def _on_plane(shown: Shown, place: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return a place of an image layer, which may be a stack."""
    return np.concatenate([np.zeros(shown.image.ndim - 2), place])
