"""Going to single strokes, deleting them, and bringing them back."""

from dataclasses import dataclass

import numpy as np
from napari.layers import Labels
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_matssl.labels.strokes import Stroke, stroke_pixels
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.flash import Flash
from napari_matssl.widgets.canvas.view import look_at

_VIEW_SHARE = 1 / 8  # of the image's shorter side: a dot is shown with its surroundings


@dataclass(frozen=True)
class _Deleted:
    """A stroke that was deleted: its image, the page of it, its class and its pixels."""

    name: str
    page: int | None
    class_id: int
    rows: NDArray[np.integer]
    columns: NDArray[np.integer]


class Strokes(QObject):
    """Single strokes of any image of the open folder.

    A stroke is deleted in the image that is shown, as if it were painted over: napari's undo takes
    it back, and it is saved as any other change is. So its image is shown before.
    """

    changed = Signal(str)
    """What was done, or why it wasn't, in a line; empty where there is nothing to say."""

    def __init__(self, viewer: Viewer, current: CurrentImage, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._current = viewer, current
        self._flash = Flash(viewer)
        self._deleted: list[_Deleted] = []
        current.folder.changed.connect(self._forget)

    @property
    def can_undo(self) -> bool:
        """Whether a stroke was deleted here that can be brought back."""
        return bool(self._deleted)

    def go_to(self, name: str, stroke: Stroke) -> bool:
        """Show the image of a stroke, the stroke in the middle, and mark it for a moment."""
        if not self._current.show(name):
            return False
        shown = self._current.require_shown()
        side = round(_VIEW_SHARE * min(shown.painted.data.shape))
        side = max(side, stroke.height, stroke.width)
        top = stroke.top + (stroke.height - side) // 2
        left = stroke.left + (stroke.width - side) // 2
        look_at(self._viewer, shown, top, left, side)
        self._flash.mark(shown, stroke.top, stroke.left, stroke.height, stroke.width)
        self.changed.emit("")
        return True

    def delete(self, name: str, stroke: Stroke) -> bool:
        """Make the pixels of a stroke unpainted; whether there still were any."""
        shown = self._current.shown
        if (shown is None or shown.name != name) and not self.go_to(name, stroke):
            return False
        shown = self._current.require_shown()
        rows, columns = stroke_pixels(shown.painted.data, stroke)
        if not len(rows):
            self.changed.emit("This stroke was changed meanwhile: the list is read again.")
            return False
        deleted = _Deleted(name, shown.page, stroke.class_id, *_small(rows, columns))
        _set(shown.painted, deleted.rows, deleted.columns, 0)
        self._deleted.append(deleted)
        self.changed.emit(f"{len(rows):,} px deleted on {name}.")
        return True

    def undo(self) -> None:
        """Bring the stroke back that was deleted last and isn't back already."""
        while self._deleted:
            last = self._deleted[-1]
            if not self._current.show(last.name):
                return
            self._deleted.pop()
            if self._bring_back(last):
                return
        self.changed.emit("There is no deleted stroke to bring back.")

    def _bring_back(self, deleted: _Deleted) -> bool:
        """Paint a deleted stroke where nothing else was painted since; whether any is missing."""
        shown = self._current.require_shown()
        known = [one.id for one in shown.project.classes.in_order]
        if shown.page != deleted.page or deleted.class_id not in known:
            return False
        missing = shown.painted.data[deleted.rows, deleted.columns] == 0
        if not missing.any():
            return False
        rows, columns = deleted.rows[missing], deleted.columns[missing]
        _set(shown.painted, rows, columns, deleted.class_id)
        top, left = int(rows.min()), int(columns.min())
        self._flash.mark(shown, top, left, int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)
        self.changed.emit(f"{len(rows):,} px are back on {deleted.name}.")
        return True

    def _forget(self) -> None:
        self._deleted.clear()
        self._flash.hide()
        self.changed.emit("")


def _small(
    rows: NDArray[np.integer], columns: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return indices as small integers: undo histories keep them."""
    small = np.uint16 if max(rows.max(), columns.max()) < 1 << 16 else np.uint32
    return rows.astype(small), columns.astype(small)


def _set(
    layer: Labels, rows: NDArray[np.integer], columns: NDArray[np.integer], class_id: int
) -> None:
    """Write a class over pixels, as one step that Ctrl+Z takes back."""
    if not layer.visible:  # napari can't edit hidden layers, and setting it in vain ends painting
        layer.visible = True
    layer.data_setitem((rows, columns), np.uint8(class_id))
