"""The panel to open micrographs, go through them, and keep the classes to paint with."""

from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QCheckBox, QFileDialog, QInputDialog, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError, StackError
from napari_matssl.project.image_summary import ImageFacts
from napari_matssl.tasks.provenance import DOUBTFUL_MASK, UNSURE_MASK, mask_doubts
from napari_matssl.widgets.canvas.peek import KEY_NAME
from napari_matssl.widgets.canvas.take_over import take_labels
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.forms import button, heading, note, offer, say, side_by_side
from napari_matssl.widgets.controls.image_list import ImageList
from napari_matssl.widgets.controls.image_rows import (
    DOUBTFUL,
    EXCLUDED,
    OLD,
    UNSURE,
    WRONG_SCALE,
)
from napari_matssl.widgets.controls.image_table import ImageRow
from napari_matssl.widgets.controls.late_collapsible import LateCollapsible
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.panels.image_facts import ImageFactsEditor
from napari_matssl.widgets.panels.image_menu import image_menu
from napari_matssl.widgets.panels.label_explorer import LabelExplorer
from napari_matssl.widgets.panels.open_buttons import Opening
from napari_matssl.widgets.panels.palette_editor import PaletteEditor
from napari_matssl.widgets.session import session_of

GATHER_MS = 200
"""Time to gather changes of single images before all are counted anew, ms."""

_LIVE_TIP = (
    "After every stroke segment the image in view with an instant classifier, within "
    "seconds. It is fitted to the strokes on the images ticked in Fine-tune, and not saved. "
    f"Hold {KEY_NAME} to hide it."
)
_HERE_TIP = (
    "Show a live preview of this image now, even if it is unpainted, or in place of its "
    "segmentation."
)
_ELSEWHERE_TIP = (
    "Choose another place for strokes and masks, now and later: this folder can't be written."
)
_TAKE_TIP = (
    "Copy the selected labels layer into the painted labels of this image; "
    "it must have the image's size, scale and position. For a mask of 0 and 255 you are asked "
    "for its class."
)
_EXPLORER_TIP = "Show or hide the list of all strokes, to go to them, or to delete one."
_NEW_CLASS = "(a new class)"
_IMAGE_TIP = (
    "Show the image that is most unlike those painted or shown before, so that few images cover "
    "the variety of the folder. The first time, all images are compared (under a second each)."
)
_PLACE_TIP = (
    "Go to the next place where the newest model is unsure, the largest uncertain area first. The "
    "first time after a training, all images are segmented."
)


class MicrographsPanel(QWidget):
    """Open a folder, step through its images, paint."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._folder, self._current = self.session.folder, self.session.current
        self._notices = self.session.notices
        self._palette = self.session.palette
        self.opening = Opening(self.session)
        self.folder = note("No folder is open.", "The folder whose images are listed.")
        self.busy = note("", "What is being read or copied.")
        self.busy.hide()
        self.list = ImageList()
        self.table = self.list.table
        self.facts = ImageFactsEditor(self.session)
        self.classes = PaletteEditor(self.session)
        self._painted_later = later(self, self.classes.show_painted, GATHER_MS)
        self.live = QCheckBox(f"Live preview (hold {KEY_NAME} to hide it)")
        self.live.setChecked(self.session.live.on)
        self.live.setToolTip(_LIVE_TIP)
        self.live_here = button("Show here", _HERE_TIP, self.session.live.asked.emit)
        self.live_note = note("", "Time of the live preview, or why there is none.")
        self.live_note.hide()
        self.status = note("", "Whether the strokes on this image are saved.")
        self._build()
        self._connect()
        self._show_folder()

    def _build(self) -> None:
        self.elsewhere = button("Keep elsewhere...", _ELSEWHERE_TIP, self._ask_place)
        self.take = button("Take labels layer", _TAKE_TIP, self._take_labels)
        guide = self.session.guide
        self.next_image = button("Next to paint (N)", _IMAGE_TIP, guide.next_image)
        self.next_place = button("Next unsure place (U)", _PLACE_TIP, guide.next_place)
        self.guide_note = note("", "Where the guide has gone, and why.")
        self.guide_note.hide()
        self.explorer = LateCollapsible("Label explorer", self._build_explorer)
        self.explorer.toggleButton().setToolTip(_EXPLORER_TIP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.opening)
        layout.addWidget(self.folder)
        layout.addWidget(self.busy)
        layout.addWidget(self.list)
        layout.addWidget(side_by_side(self.next_image, self.next_place))
        layout.addWidget(self.guide_note)
        layout.addWidget(self.facts)
        layout.addWidget(heading("Classes: pick one (keys 1 to 9) and paint"))
        layout.addWidget(self.classes)
        layout.addWidget(side_by_side(self.live, self.live_here))
        layout.addWidget(self.live_note)
        layout.addWidget(side_by_side(self.status, self.elsewhere, self.take, stretch=0))
        layout.addWidget(self.explorer)

    def _build_explorer(self) -> None:
        self.strokes = LabelExplorer(self.session)
        self.explorer.addWidget(self.strokes)

    def _connect(self) -> None:
        folder, current = self._folder, self._current
        folder.changed.connect(self._show_folder)
        self._notices.busy.connect(self._show_busy)
        folder.images_changed.connect(self._show_images)
        folder.surveyed.connect(self._on_surveyed)
        current.changed.connect(self._on_shown)
        folder.painted_changed.connect(self._on_painted)
        self.session.models_changed.connect(self._show_images)
        self.session.results.mask_changed.connect(self._update_row)
        self.table.opened.connect(current.show)
        self.table.step_wanted.connect(current.step)
        self.table.dropped.connect(folder.open)
        self.table.listed_changed.connect(self._on_listed)
        self.table.menu_wanted.connect(self._show_menu)
        self.classes.refused.connect(self.status.setText)
        self.session.guide.changed.connect(self._show_guide)
        live = self.session.live
        self.live.toggled.connect(live.switch)
        live.switched.connect(self.live.setChecked)
        live.switched.connect(self._show_live)
        live.offered.connect(self._show_live)
        live.reported.connect(self._show_live_note)
        self._show_live()

    # --- what the user asks for

    def _ask_place(self) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self, "Choose another place for strokes and masks"
        )
        if chosen:
            self._current.flush()  # saves strokes, so that they are copied
            self._folder.keep_elsewhere(Path(chosen))

    def _take_labels(self) -> None:
        try:
            count = take_labels(self._current, self._ask_class)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        if count is None:
            return
        self._notices.remarked.emit(f"{count:,} pixels were copied; Ctrl+Z undoes it.")

    def _ask_class(self, layer: str, value: int, pixels: int) -> int | None:
        """Ask which class the one value of a mask is; a new class is made if that is wanted."""
        classes = self._palette.classes
        names = [*(one.name for one in classes), _NEW_CLASS]
        question = (
            f'"{layer}" holds {value} on {pixels:,} px, and 0, which counts as unpainted. '
            f"Which class is {value}?"
        )
        chosen, agreed_to = QInputDialog.getItem(
            self, "Take labels layer", question, names, 0, editable=False
        )
        if not agreed_to:
            return None
        place = names.index(chosen)
        if place == len(classes):
            return self._palette.add_class()
        return classes[place].id

    def _show_menu(self, names: list[str], where: QPoint) -> None:
        """Offer what can be done with the selected images."""
        menu = image_menu(self.session, names, self.opening.ask_folder, self)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)

    # --- what is shown

    def _on_listed(self, keys: tuple[str, ...]) -> None:
        """Make A and D step through the list as it is sorted and filtered."""
        self._folder.order = keys

    def _show_busy(self, text: str) -> None:
        say(self.busy, text)

    def _show_guide(self, text: str) -> None:
        say(self.guide_note, text)

    def _show_folder(self) -> None:
        project = self._folder.project
        self.folder.setText("No folder is open." if project is None else str(project.folder))
        self._show_images()
        self._on_shown()

    def _show_images(self) -> None:
        project = self._folder.project
        self.table.set_rows([self._row(name) for name in project.images.names] if project else [])

    def _on_surveyed(self, name: str) -> None:
        self._update_row(name)
        if not self._painted_later.isActive():  # a large folder has thousands of images
            self._painted_later.start()

    def _on_shown(self) -> None:
        shown = self._current.shown
        self.table.set_current(None if shown is None else shown.name)
        self.facts.show_facts()
        self._show_live()
        offer(self.take, "" if shown else "No image is shown.", _TAKE_TIP)
        self._show_status()

    def _on_painted(self, name: str) -> None:
        self._update_row(name)
        self.classes.show_painted()
        self._show_status()

    def _show_live(self, _on: bool = True) -> None:
        """Show the switch of the live preview where something makes one."""
        live = self.session.live
        for widget in (self.live, self.live_here):
            widget.setVisible(live.is_offered)
        reason = "" if self._current.shown is not None else "No image is shown."
        offer(self.live_here, reason if live.on else "Switch the live preview on.", _HERE_TIP)

    def _show_live_note(self, text: str) -> None:
        say(self.live_note, text)

    def _show_status(self) -> None:
        shown, project = self._current.shown, self._folder.project
        why = None if project is None else project.hindrance
        self.elsewhere.setVisible(why is not None)
        if shown is None:
            self.status.setText("")
        elif shown.autosave.problem is not None:
            self.status.setText(f"The strokes are NOT saved. {shown.autosave.problem}")
        elif shown.autosave.unsaved:
            self.status.setText("Saving the strokes...")
        else:
            can_not = f"Strokes can't be saved here: {why}."
            self.status.setText("All strokes are saved." if why is None else can_not)

    def _update_row(self, name: str) -> None:
        if self.table.has(name):
            self.table.update_row(self._row(name))

    def _row(self, name: str) -> ImageRow:
        project, shown = self._folder.require_project(), self._current.shown
        facts = self._folder.facts.get(name)
        if isinstance(facts, MatSSLError):
            why_not = "stack" if isinstance(facts, StackError) else "can't be read"
            return ImageRow(name, name, why_not, tooltip=explain(facts))
        segmented = project.masks.has(name)
        words = ["saved"] if project.labels.has(name) else []
        if shown is not None and shown.name == name and shown.autosave.unsaved:
            words = ["painted"]
        doubt = self._doubt(name) if segmented else None
        words += ["segmented"] if segmented else []
        if doubt:
            words.append({DOUBTFUL_MASK: DOUBTFUL, UNSURE_MASK: UNSURE}.get(doubt, OLD))
        size_doubt = "" if facts is None or facts.pixel_size is None else facts.pixel_size.doubt
        words = [EXCLUDED, *words] if project.micrographs.is_excluded(name) else words
        words = words or ["unlabelled"]
        words += [WRONG_SCALE] if size_doubt else []
        detail = "" if facts is None else describe(facts)
        thumbnail = None if facts is None else facts.thumbnail
        why = "\n".join(filter(None, (size_doubt, f"segmented {doubt}" if doubt else "")))
        return ImageRow(name, name, ", ".join(words), detail, thumbnail, why)

    def _doubt(self, name: str) -> str | None:
        """Return why the mask of an image may be out of date, if so."""
        try:
            return mask_doubts(self._folder.require_project(), [name]).get(name)
        except OSError:  # the file was deleted meanwhile; the list follows soon
            return None


def describe(facts: ImageFacts) -> str:
    """Size and pixel size of an image in a few words."""
    text = f"{facts.width} x {facts.height} px"
    if facts.pixel_size is not None:
        text += f", {facts.pixel_size.in_words}"
    if facts.pages > 1:
        text += f", page {facts.page} of {facts.pages}"
    return text
