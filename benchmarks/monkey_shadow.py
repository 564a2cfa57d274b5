"""What ought to be painted, worked out from the mouse's path alone, for benchmarks/monkey.py."""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MOST_UNDONE = 100
"""Steps that napari can take back."""

_CORE, _FAR = 1.0, 1.3
"""How much inside the brush a pixel must be painted, and how much outside it mustn't, px."""

Ids = NDArray[np.uint8]


@dataclass(frozen=True)
class Brush:
    """What a stroke is made with, as the layer's controls show it."""

    label: int
    size: int
    preserve: bool
    picked: int
    """What is erased where labels are preserved."""


@dataclass
class ImageShadow:
    """The strokes on one image as they ought to be, and what can be taken back."""

    ids: Ids
    undo: deque[Ids] = field(default_factory=lambda: deque(maxlen=MOST_UNDONE))
    redo: deque[Ids] = field(default_factory=lambda: deque(maxlen=MOST_UNDONE))

    def change(self, ids: Ids) -> None:
        """Take another state as one step that can be taken back."""
        if not np.array_equal(ids, self.ids):
            self.undo.append(self.ids)
            self.redo.clear()
            self.ids = ids.copy()

    def take_back(self, again: bool) -> Ids:
        """Say what undo, or redo, leaves."""
        steps = self.redo if again else self.undo
        return steps[-1] if steps else self.ids

    def taken_back(self, again: bool) -> None:
        """Undo, or redo."""
        source, target = (self.redo, self.undo) if again else (self.undo, self.redo)
        if source:
            target.append(self.ids)
            self.ids = source.pop()

    def forget_steps(self) -> None:
        """No step can be taken back any more."""
        self.undo.clear()
        self.redo.clear()


class Shadow:
    """All images of all folders. Each is written down at once, for a crash."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        notes.mkdir(exist_ok=True)
        self._images: dict[tuple[str, str], ImageShadow] = {}
        for path in notes.glob("*.npy"):
            folder, name = path.stem.split("--")
            self._images[folder, name] = ImageShadow(np.load(path))

    def of(self, folder: str, name: str, shape: tuple[int, int] | None = None) -> ImageShadow:
        """Give the strokes of one image; none so far if it is new."""
        key = folder, name
        if key not in self._images:
            self._images[key] = ImageShadow(np.zeros(shape, np.uint8))
        return self._images[key]

    def names(self, folder: str) -> list[str]:
        """List the images of a folder that were ever shown."""
        return sorted(name for place, name in self._images if place == folder)

    def folders(self) -> list[str]:
        """List the folders of which an image was shown."""
        return sorted({place for place, _name in self._images})

    def note(self, folder: str, name: str) -> None:
        """Write down what one image ought to hold."""
        path = self._notes / f"{folder}--{name}.npy"
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            np.save(file, self._images[folder, name].ids)
        beside.replace(path)

    def forget_steps(self, folder: str) -> None:
        """Drop what can be taken back: the folder is closed."""
        for (place, _name), image in self._images.items():
            if place == folder:
                image.forget_steps()


def after_stroke(before: Ids, found: Ids, path: Sequence, brush: Brush) -> tuple[Ids, str]:
    """Say what a stroke ought to leave, and what is wrong with what was found.

    Parameters
    ----------
    before, found
        The strokes before and after.
    path
        Rows and columns of the mouse, px of the image; may lie outside it.
    brush
        What it is made with.

    Returns
    -------
    The state that ought to be; at the brush's edge, where a pixel's rounding decides, what was
    found. What is wrong in words, or nothing.
    """
    away = distance(before.shape, np.asarray(path, float))
    radius = brush.size // 2 + 0.5
    core, near = away <= radius - _CORE, away <= radius + _FAR
    if brush.preserve:
        source = brush.picked if brush.label == 0 else 0
        core, near = core & (before == source), near & (before == source)
    allowed = near & ((found == before) | (found == brush.label))
    wanted = np.where(core, brush.label, np.where(allowed, found, before)).astype(np.uint8)
    missing = np.count_nonzero(core & (found != brush.label))
    beyond = np.count_nonzero((found != wanted) & ~core)
    words = [f"{missing} px of the stroke are missing"] if missing else []
    words += [f"{beyond} px beside the stroke have changed"] if beyond else []
    return wanted, ", ".join(words)


def after_fill(before: Ids, at: Sequence[float], brush: Brush) -> list[Ids]:
    """Give the states that a fill at a place may leave: rounding may decide on the pixel."""
    row, column = np.round(at).astype(int)
    states = [before]
    for r in (row - 1, row, row + 1):
        for c in (column - 1, column, column + 1):
            if not (0 <= r < before.shape[0] and 0 <= c < before.shape[1]):
                continue
            if brush.preserve and before[r, c] != (brush.picked if brush.label == 0 else 0):
                continue
            regions, _count = ndimage.label(before == before[r, c])
            states.append(np.where(regions == regions[r, c], brush.label, before).astype(np.uint8))
    return states


def distance(shape: tuple[int, int], path: NDArray) -> NDArray:
    """Distance of each pixel from a line through points, px."""
    rows, columns = np.indices(shape, dtype=float)
    away = np.hypot(rows - path[0, 0], columns - path[0, 1])
    for first, last in itertools.pairwise(path):
        along = last - first
        length = float(along @ along)
        if length == 0:
            continue
        share = ((rows - first[0]) * along[0] + (columns - first[1]) * along[1]) / length
        share = share.clip(0, 1)
        there = np.hypot(rows - first[0] - share * along[0], columns - first[1] - share * along[1])
        away = np.minimum(away, there)
    return away
