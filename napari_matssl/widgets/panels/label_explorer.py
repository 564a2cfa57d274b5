"""The strokes of all images, to go to and to delete: a part of the panel Micrographs."""

from functools import partial

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.labels.strokes import Stroke, find_strokes
from napari_matssl.project.folder import Project
from napari_matssl.widgets.controls.forms import button, note, offer, say, side_by_side
from napari_matssl.widgets.controls.stroke_tree import StrokeTree
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.session import Session

GATHER_MS = 200
"""Time to gather changes before the images are listed anew, ms."""

_DELETE_TIP = "Make the selected stroke unpainted (Delete). Its image is shown before."
_UNDO_TIP = "Bring the stroke back that was deleted last here (Ctrl+Z), on whatever image."


class LabelExplorer(QWidget):
    """A list of strokes that follows what is painted, with a button each to delete and bring back.

    Strokes are looked for beside the window, and only in images that are open in the list.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder, self._current = session.folder, session.current
        self._palette, self._strokes = session.palette, session.strokes
        self._background = Background(self)
        self._waiting: set[str] = set()
        self._again: set[str] = set()  # of these, what was painted while their strokes were listed
        self.tree = StrokeTree()
        self.delete = button("Delete stroke", _DELETE_TIP, self.tree.delete_selected)
        self.undo = button("Undo", _UNDO_TIP, self._strokes.undo)
        self.state = note("", "What was deleted or brought back.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tree)
        layout.addWidget(side_by_side(self.delete, self.undo))
        layout.addWidget(self.state)
        self._list_later = later(self, self.list_images, GATHER_MS)
        self.tree.wanted.connect(self._list_strokes)
        self.tree.chosen.connect(self._go)
        self.tree.delete_wanted.connect(self._strokes.delete)
        self.tree.undo_wanted.connect(self._strokes.undo)
        self.tree.selected_changed.connect(self._offer)
        self._strokes.changed.connect(self._on_strokes)
        self._folder.changed.connect(self.list_images)
        self._folder.images_changed.connect(self._list_later.start)
        self._folder.painted_changed.connect(self._on_painted)
        self._palette.classes_changed.connect(self._list_open)
        self._on_strokes("")
        self.list_images()
        if self._current.shown is not None:
            self.tree.open_image(self._current.shown.name)

    def list_images(self) -> None:
        """List the painted images, those that are excluded among them."""
        project, painted = self._folder.project, {}
        for name in () if project is None else project.images.names:
            if pixels := sum(self._palette.painted_pixels([name]).values()):
                painted[name] = pixels
        self.tree.set_images(painted)

    def _list_open(self) -> None:
        for name in self.tree.open_images:
            self._list_strokes(name)

    def _list_strokes(self, name: str) -> None:
        """Look for the strokes of an image, of the layer if it is shown, else of its file."""
        project, shown = self._folder.project, self._current.shown
        if project is None:
            return
        if name in self._waiting:
            self._again.add(name)
            return
        self._waiting.add(name)
        ids = None
        if shown is not None and shown.name == name and shown.is_panorama:
            self._on_failed(name, shown.too_large())
            return
        if shown is not None and shown.name == name:
            ids = shown.painted.data.copy()

        def work() -> list[Stroke]:
            read = project.labels.version(name).ids if ids is None else ids
            return [] if read is None else find_strokes(read)

        self._background.run(
            work, partial(self._take, project, name), partial(self._on_failed, name)
        )

    def _take(self, project: Project, name: str, strokes: list[Stroke]) -> None:
        if self._folder.project is project:
            self.tree.set_strokes(name, strokes, self._palette.classes)
        self._go_on(name)

    def _on_failed(self, name: str, error: MatSSLError) -> None:
        say(self.state, str(error))
        self._go_on(name)

    def _go_on(self, name: str) -> None:
        """List the strokes of an image again that was painted on meanwhile."""
        self._waiting.discard(name)
        if name in self._again:
            self._again.discard(name)
            self._list_strokes(name)

    def _go(self, name: str, stroke: Stroke | None) -> None:
        if stroke is None:
            self._current.show(name)
        else:
            self._strokes.go_to(name, stroke)

    def _on_painted(self, name: str) -> None:
        self._list_later.start()
        if name in self.tree.open_images:
            self._list_strokes(name)

    def _on_strokes(self, text: str) -> None:
        """Say what was done; what is to be seen in the layer already is listed at once."""
        say(self.state, text)
        shown = self._current.shown
        if text and shown is not None:
            self._on_painted(shown.name)
        self._offer()

    def _offer(self) -> None:
        selected = self.tree.selected
        reason = "" if selected is not None and selected[1] is not None else "Select a stroke."
        offer(self.delete, reason, _DELETE_TIP)
        offer(self.undo, "" if self._strokes.can_undo else "No stroke was deleted.", _UNDO_TIP)
