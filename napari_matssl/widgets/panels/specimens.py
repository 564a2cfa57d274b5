"""The button that tells where images were taken, and the line on what counts."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.micrograph.place import Place
from napari_matssl.project.folder import Project
from napari_matssl.tasks.measuring.group_file import read_groups
from napari_matssl.tasks.measuring.project_places import places_in_file, places_that_count
from napari_matssl.widgets.controls.forms import button, note, offer, say, side_by_side
from napari_matssl.widgets.controls.places_dialog import asked_places
from napari_matssl.widgets.session import Session

_TIP = (
    "Tell which images are of one specimen, section or group, by hand or from a file. The folder "
    "keeps it."
)


class Specimens(QWidget):
    """Asks for specimens, and tells how many there are.

    Parameters
    ----------
    session
        Of the window.
    beside
        What stands in the row of the button, so that the panel is no higher.
    """

    changed = Signal()
    """Other specimens, sections or groups count."""

    def __init__(self, session: Session, beside: QWidget) -> None:
        super().__init__()
        self._session = session
        self.button = button("Specimens...", _TIP, self._ask)
        self.words = note("", "What intervals are over.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(side_by_side(beside, self.button, stretch=0))
        layout.addWidget(self.words)
        session.folder.changed.connect(self.update_words)
        session.folder.images_changed.connect(self.update_words)
        self.update_words()

    def update_words(self) -> None:
        """Tell how many specimens and groups the images of the folder have."""
        project = self._session.folder.project
        offer(self.button, "" if project else "Open a folder of micrographs first.", _TIP)
        say(self.words, "" if project is None else _in_words(project))

    def _ask(self) -> None:
        project = self._session.folder.project
        if project is None:  # can't happen while the button is off
            return
        names = project.micrographs.analysed
        before = {name: project.micrographs.place(name) for name in names}
        typed = asked_places(self, before, partial(_in_file, names))
        changed = {n: place for n, place in (typed or {}).items() if place != before[n]}
        if not changed:
            return
        try:
            project.micrographs.set_places(changed)  # others may have been typed in another window
        except MatSSLError as error:
            self._session.notices.failed.emit(error)
        self.update_words()
        self.changed.emit()


def _in_file(names: Sequence[str], path: Path) -> tuple[Mapping[str, Place], Sequence[str]]:
    return places_in_file(read_groups(path), names)


def _in_words(project: Project) -> str:
    counted = places_that_count(project, project.micrographs.analysed)
    if counted.remark:
        return counted.remark
    places = set(counted.by_name.values())
    specimens = {(one.group, one.specimen) for one in places if one.specimen}
    groups = {one.group for one in places}
    parts = [
        f"{len(found)} {word}{'s' * (len(found) != 1)}"
        for found, word, least in ((specimens, "specimen", 1), (groups, "group", 2))
        if len(found) >= least
    ]
    return f"{', '.join(parts)}." if parts else ""
