"""Labels of other programs, taken into the open folder: what is asked, the job, and its undoing."""

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QMenu, QWidget

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.labels.names import few
from napari_matssl.progress import Job, Progress, drain
from napari_matssl.project.folder import Project
from napari_matssl.tasks.label_import.importing import (
    ImportedLabels,
    ImportWish,
    import_labels,
    undo_import,
)
from napari_matssl.tasks.label_import.outlook import Outlook, look_at_labels
from napari_matssl.widgets.controls.import_dialog import Asked, ImportDialog
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.session import Session

OWNER = "importing labels"

_TIP = "Labels that were drawn in another program; you see beforehand what will be done."
_UNDO_TIP = "Bring back the strokes as they were; images painted on since stay as they are."
_TICK = "Names or stems have to be the same; else tick that they are of the image shown."
_PROGRESS_MS = 100


def add_import_menu(menu: QMenu, session: Session, parent: QWidget) -> None:
    """Add the entries to the menu of the list of images."""
    entry = menu.addAction("Import labels...")
    entry.setToolTip(_TIP)
    entry.triggered.connect(lambda: ask_and_import(session, parent))
    undo = menu.addAction("Undo the import of labels")
    undo.setToolTip(_UNDO_TIP)
    undo.triggered.connect(lambda: undo_last(session))
    idle = not session.runner.busy
    entry.setEnabled(idle)
    undo.setEnabled(idle and _last(session) is not None)


def ask_and_import(session: Session, parent: QWidget) -> RunningJob | None:
    """Ask for files and classes, and import the labels.

    Returns
    -------
    The job; None if it was cancelled, or can't be done, which was reported.
    """
    try:
        project = session.folder.require_project()
        if session.runner.busy:
            raise InputError(session.runner.busy_reason)
        session.current.flush()  # strokes that aren't on disk count, too
    except MatSSLError as error:
        session.notices.failed.emit(error)
        return None
    wish = _asked(session, project, parent)
    if wish is None or not session.folder.holds(project):
        return None
    job = _run(session, "Importing labels", partial(import_labels, project, wish))
    if job is not None:
        job.succeeded.connect(lambda imported: _tell(session, imported))
    return job


def undo_last(session: Session) -> RunningJob | None:
    """Take back the last import into the open folder; without one, tell so."""
    imported, project = _last(session), session.folder.project
    if imported is None or project is None:
        nothing = "No labels were imported into this folder since the window was opened."
        session.notices.remarked.emit(nothing)
        return None
    work = partial(undo_import, project, imported)
    job = _run(session, "Undoing the import", work)
    if job is None:
        return None

    def tell(stayed: tuple[str, ...]) -> None:
        session.last_import = None
        count = len(imported.changes) - len(stayed)
        text = f"The labels of {count} image{'s' * (count != 1)} are as before the import."
        if stayed:
            text += f" Painted on since, and left as they are: {few(stayed)}."
        session.notices.remarked.emit(text)

    job.succeeded.connect(tell)
    return job


def _last(session: Session) -> ImportedLabels | None:
    """Return the last import, if it was into the open folder."""
    project, imported = session.folder.project, session.last_import
    same = project is not None and imported is not None and imported.folder == project.folder
    return imported if same else None


def _asked(session: Session, project: Project, parent: QWidget) -> ImportWish | None:
    shown = session.current.shown
    name = None if shown is None else shown.name
    names = [one.name for one in session.palette.classes]
    dialog = ImportDialog(names, name, project.folder, parent)
    _Reading(project, name, dialog)
    try:
        return dialog.wish if dialog.exec() else None
    finally:
        dialog.deleteLater()


class _Reading(QObject):
    """Reads what a dialog asks for, beside the window; only the last wish is answered."""

    def __init__(self, project: Project, shown: str | None, dialog: ImportDialog) -> None:
        super().__init__(dialog)
        self._project, self._shown, self._dialog = project, shown, dialog
        self._wish = 0
        self._latest: Progress | None = None
        self._background = Background(self)
        self._timer = QTimer(self)
        self._timer.setInterval(_PROGRESS_MS)
        self._timer.timeout.connect(self._show_progress)
        dialog.asked.connect(self._read)
        dialog.finished.connect(self._end)

    def _read(self, asked: Asked) -> None:
        self._wish += 1
        wish, only = self._wish, self._shown if asked.shown else None
        self._latest = None
        self._timer.start()

        def look() -> Outlook:
            job = look_at_labels(self._project, asked.sources, asked.told_by, only)
            return drain(job, self._note, lambda: wish != self._wish)

        def then(outlook: Outlook) -> None:
            if wish == self._wish:
                self._timer.stop()
                self._dialog.show_outlook(outlook)

        def failed(error: MatSSLError) -> None:
            if wish == self._wish:
                self._timer.stop()
                nameless = self._shown is not None and "images" in error.settings.split()
                remedy = _TICK if nameless else error.remedy
                self._dialog.show_problem(f"{error.what} {remedy}".strip(), nameless)

        self._background.run(look, then, failed)

    def _note(self, progress: Progress) -> None:
        """Keep the latest; called in the other thread."""
        self._latest = progress

    def _show_progress(self) -> None:
        if self._latest is not None:
            done, total = self._latest.step, self._latest.total
            self._dialog.show_progress(f"{self._latest.stage.capitalize()}: {done} of {total}")

    def _end(self, _result: int) -> None:
        self._wish += 1
        self._timer.stop()
        self._background.close()


def _run(session: Session, title: str, make_job: Callable[[], Job[Any]]) -> RunningJob | None:
    """Start a job that writes labels, and show those of the image in view as soon as it ends."""
    shown = session.current.shown
    job = session.start(title, make_job, OWNER, compute=False)
    if job is not None:
        if shown is not None:
            shown.autosave.quiet = True  # what the job writes is no news
        job.ended.connect(lambda: _bring_up_to_date(session))
    return job


def _bring_up_to_date(session: Session) -> None:
    project, shown = session.folder.project, session.current.shown
    if project is None:
        return
    session.palette.refresh()
    if shown is not None:
        shown.autosave.flush()  # joins what the job has written
        shown.autosave.quiet = False
        if shown.is_panorama and session.current.leave():  # its copies in sight are made anew
            session.current.show(shown.name)
    for name in project.images.names:
        session.folder.painted_changed.emit(name)


def _tell(session: Session, imported: ImportedLabels) -> None:
    if imported.changes:
        session.last_import = imported
    count = len(imported.changes)
    lines = [f"{count} image{'s' * (count != 1)} got labels."]
    if imported.new_classes:
        lines.append(f"New classes: {', '.join(imported.new_classes)}.")
    if imported.kept:
        lines.append(f"Painted already, and left as they are: {few(imported.kept)}.")
    lines += [one.reason for one in imported.skipped[:3]]
    lines.append("Undo: right-click the list of images.")
    session.notices.remarked.emit(" ".join(lines))
