"""The class table of the open folder, and the class that is painted with."""

from collections.abc import Callable, Iterable

from napari.layers import Labels
from napari.utils.events import Event
from qtpy.QtCore import QObject, Signal

from napari_matssl.errors import MatSSLError
from napari_matssl.labels.class_table import LabelClass
from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.layers import CLASSES, set_classes
from napari_matssl.widgets.canvas.shown import Shown

_ERASER = {"paint": "erase", "erase": "paint"}
"""What the choice of the id for unpainted means, by mode."""


class Palette(QObject):
    """Classes to paint with. What is picked is a class always, whatever napari's controls offer."""

    classes_changed = Signal()
    picked_changed = Signal()
    """Another class is painted with."""
    stroked = Signal()
    """Something was just painted on the shown image, or undone."""

    def __init__(self, current: CurrentImage) -> None:
        super().__init__(current)
        self._current, self._folder = current, current.folder
        self._notices = current.folder.notices
        self._picked: int | None = None
        self._known: set[int] = set()  # ids of the classes when last looked at
        current.folder.changed.connect(self.refresh)
        current.folder.classes_changed.connect(self.refresh)
        current.appeared.connect(self._take_up)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes in the user's order; none without a folder."""
        project = self._folder.project
        return () if project is None else project.classes.in_order

    @property
    def picked(self) -> int | None:
        """Id of the class that is painted with."""
        return self._picked

    def paint_with(self, class_id: int) -> None:
        """Pick a class, and be ready to paint."""
        self._picked = class_id
        shown = self._current.shown
        if shown is not None:
            layer = shown.painted
            self._current.viewer.layers.selection.active = layer
            layer.selected_label = class_id
            if layer.visible and layer.mode not in ("paint", "fill", "polygon"):
                layer.mode = "paint"
        self.picked_changed.emit()

    def add_class(self, exclude: bool = False) -> int | None:
        """Add a class and paint with it.

        Returns
        -------
        Its id; None if it couldn't be added, which was reported.
        """
        added: list[LabelClass] = []
        self.edit(lambda project: added.append(project.classes.add(exclude=exclude)))
        if not added:
            return None
        self.paint_with(added[0].id)
        return added[0].id

    def edit(self, change: Callable[[Project], object]) -> None:
        """Change the class table through the project, and all that shows it."""
        if self._folder.project is None:
            return
        self._current.flush()
        try:
            change(self._folder.project)
        except MatSSLError as error:
            self._notices.failed.emit(error)
        self.refresh()

    def delete(self, class_id: int, into: int | None = None) -> None:
        """Delete a class in every image.

        Parameters
        ----------
        class_id
            The class.
        into
            The class that gets its strokes and mask pixels. None: its strokes become unpainted,
            and masks that have it are removed.
        """
        name = None if self._current.shown is None else self._current.shown.name
        if not self._current.leave():
            return

        def change(project: Project) -> None:
            if into is None:
                project.classes.delete(class_id)
            else:
                project.classes.merge(class_id, into)

        # This may rewrite all labels and masks.
        text = "Taking the class out of strokes and masks..."
        self.edit(lambda project: self._notices.wait_for(lambda: change(project), text))
        self._folder.images_changed.emit()  # some masks may be gone
        if name is not None:
            self._current.show(name)

    def refresh(self) -> None:
        """Bring layers and listeners up to date with the project's class table."""
        classes, shown = self.classes, self._current.shown
        known, self._known = self._known, {one.id for one in classes}
        if known - self._known:  # undoing would bring back ids that nobody sees or can save
            self._current.forget_histories()
        gone = self._picked not in self._known
        if gone:
            self._picked = classes[0].id if classes else None
        for layer in () if shown is None else shown.layers:
            if isinstance(layer, Labels) and CLASSES in layer.metadata:
                set_classes(layer, classes)
        self.classes_changed.emit()
        if gone:
            self.resume()

    def painted_pixels(self, names: Iterable[str] | None = None) -> dict[int, int]:
        """Painted pixels by class id, the unsaved strokes included, damaged labels not.

        Parameters
        ----------
        names
            Images to count in; None for all.
        """
        total: dict[int, int] = {}
        project, shown = self._folder.project, self._current.shown
        if project is None:
            return total
        for name in project.images.names if names is None else names:
            if shown is not None and name == shown.name:
                pixels = shown.painted_pixels()
            else:
                try:
                    pixels = project.labels.counts(name)
                except MatSSLError:  # the list of images shows the reason
                    continue
            for class_id, count in pixels.items():
                total[class_id] = total.get(class_id, 0) + count
        return total

    def resume(self) -> None:
        """Be ready to paint again with the class that is picked, if there is one."""
        if self._picked is not None:
            self.paint_with(self._picked)

    def _take_up(self, shown: Shown) -> None:
        """Be ready to paint on the image that was just shown."""
        layer = shown.painted
        layer.events.selected_label.connect(self._on_selected_label)
        events = layer.events
        for event in (events.paint, events.labels_update, events.set_data, events.data):
            event.connect(self._on_stroke)
        self.resume()

    def _on_stroke(self, _event: Event) -> None:
        self.stroked.emit()

    def _on_selected_label(self, event: Event) -> None:
        layer = event.source
        chosen = int(layer.selected_label)
        if chosen == self._picked or self._picked is None:
            return
        if chosen in [one.id for one in self.classes]:
            self._picked = chosen
            self.picked_changed.emit()
            return
        layer.selected_label = self._picked
        if chosen != 0:
            self._notices.remarked.emit(
                f"{chosen} is the id of no class: Add, below the class table, makes a new class."
            )
        elif layer.mode in _ERASER:  # the erasing label, chosen by napari's key X
            layer.mode = _ERASER[layer.mode]
