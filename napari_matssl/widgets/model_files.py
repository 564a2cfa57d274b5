"""Renaming, noting, exporting and deleting models of the open folder, if no job needs them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.learn.card_files import read_card
from napari_matssl.progress import Job
from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.open_folder import OpenFolder
from napari_matssl.widgets.controls.export_dialog import ExportWish
from napari_matssl.widgets.controls.model_menu import ModelMenu
from napari_matssl.widgets.jobs.runner import JobRunner
from napari_matssl.widgets.jobs.running_job import RunningJob

if TYPE_CHECKING:
    from napari_matssl.tasks.exporting.job import ExportedModel


class ModelFiles(QObject):
    """Serve the menus of all panels of one window."""

    renamed = Signal(object, object)
    """A model's file as it was called, and as it is called now; `changed` follows."""
    changed = Signal()
    """A model has another name or note, or is gone."""

    def __init__(
        self,
        folder: OpenFolder,
        runner: JobRunner,
        start: Callable[..., RunningJob | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._folder, self._runner, self._start = folder, runner, start

    def serve(self, menu: ModelMenu) -> None:
        """Do what a menu asks for."""
        menu.set_checks(self.why_not, self._why_no_name)
        menu.rename_wanted.connect(self._rename)
        menu.note_wanted.connect(self._write_note)
        menu.export_wanted.connect(self.export)
        menu.delete_wanted.connect(self._delete)

    def note_of(self, file: Path) -> str:
        """Return the note on a model; empty if there is none."""
        project = self._folder.project
        return "" if project is None else project.models.note(file, _created(file))

    def why_not(self, file: Path) -> str:
        """Return why a file must stay as it is; empty if it needn't."""
        job = self._runner.job
        return "" if job is None or file not in job.uses else f"{job.title} uses it."

    def _why_no_name(self, file: Path, name: str) -> str:
        project = self._folder.project
        return "" if project is None else project.models.why_no_name(file, name)

    def _rename(self, file: Path, name: str) -> None:
        def change(project: Project) -> None:
            now = project.models.rename(file, _created(file), name)
            if now != file:
                self.renamed.emit(file, now)

        self._change(file, change)

    def export(self, file: Path, wish: ExportWish) -> None:
        """Export a model; a file that is there may be replaced, as the file dialog has asked."""

        def make_job() -> "Job[ExportedModel]":
            from napari_matssl.tasks.exporting.job import export_model  # brings torch

            return export_model(file, wish.form, wish.out, overwrite=True, credits=wish.credits)

        job = self._start(f"Exporting {file.stem}", make_job, uses=(file,))
        if job is not None:
            job.succeeded.connect(self._on_exported)

    def _on_exported(self, exported: "ExportedModel") -> None:
        line = f"{exported.path}: {exported.agreement.in_words()}"
        self._folder.notices.remarked.emit(line)

    def _delete(self, file: Path) -> None:
        def change(project: Project) -> None:
            kept = project.models.delete(file, _created(file))
            self._folder.notices.remarked.emit(f"{file.stem} is deleted; its file is {kept} now.")

        self._change(file, change)

    def _write_note(self, file: Path, line: str) -> None:
        self._change(None, lambda project: project.models.set_note(file, _created(file), line))

    def _change(self, file: Path | None, change: Callable[[Project], None]) -> None:
        """Change something about a file, unless a job began to use it while the user was asked."""
        project = self._folder.project
        if project is None:
            return
        try:
            if file is not None and (reason := self.why_not(file)):
                raise InputError(f"{file.name}: {reason}", "Wait for it, or cancel it.")
            change(project)
        except MatSSLError as error:
            self._folder.notices.failed.emit(error)
        self.changed.emit()


def _created(file: Path) -> str:
    """When a model's training ended; empty for a file without a card."""
    try:
        return read_card(file).created
    except MatSSLError:  # damaged files can be renamed and deleted, too
        return ""
