"""The table of classes, tied to the classes of the open folder."""

from qtpy.QtWidgets import QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.widgets.controls.class_editor import ClassEditor
from napari_matssl.widgets.controls.class_removal import ClassRemoval
from napari_matssl.widgets.controls.forms import agreed
from napari_matssl.widgets.session import Session


class PaletteEditor(ClassEditor):
    """Change the classes of the open folder, and pick the one to paint with."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder, self._current = session.folder, session.current
        palette = self._palette = session.palette
        palette.classes_changed.connect(self._show_classes)
        palette.picked_changed.connect(self._show_picked)
        self.picked.connect(palette.paint_with)
        self.added.connect(lambda: palette.add_class())
        self.exclude_added.connect(lambda: palette.add_class(exclude=True))
        self.renamed.connect(lambda i, name: palette.edit(lambda p: p.classes.rename(i, name)))
        self.recoloured.connect(lambda i, c: palette.edit(lambda p: p.classes.recolour(i, c)))
        self.reordered.connect(lambda ids: palette.edit(lambda p: p.classes.reorder(ids)))
        self.exclude_changed.connect(
            lambda i, x: palette.edit(lambda p: p.classes.set_exclude(i, x))
        )
        self.delete_wanted.connect(self._delete_class)
        self._show_classes()

    def show_painted(self) -> None:
        """Count the painted pixels again."""
        self.set_painted(self._palette.painted_pixels())

    def _show_classes(self) -> None:
        classes = self._palette.classes
        self.setEnabled(bool(classes))
        self.set_classes(classes, self._palette.painted_pixels())
        if classes:
            self._show_picked()

    def _show_picked(self) -> None:
        self.set_selected(self._palette.picked)

    def _delete_class(self, class_id: int) -> None:
        project = self._folder.project
        if project is None:
            return
        self._current.flush()
        try:
            painted, masks = self._folder.notices.wait_for(
                lambda: (project.labels.use_of(class_id), project.masks.share_of(class_id)),
                "Searching for uses of the class...",
            )
        except MatSSLError as error:
            self._folder.notices.failed.emit(error)
            return
        gone = next(one for one in project.classes.in_order if one.id == class_id)
        if not painted and not masks:
            question = f'Delete the class "{gone.name}"? Nothing is painted with it.'
            if agreed(self, "Delete a class", question, "Delete"):
                self._palette.delete(class_id)
            return
        others = [one for one in project.classes.in_order if one.id != class_id]
        dialog = ClassRemoval(gone, others, painted, masks, self)
        if dialog.exec():
            self._palette.delete(class_id, dialog.into)
