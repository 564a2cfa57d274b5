"""The start of a training, chosen in a list and kept in a form of settings."""

from typing import Any

from qtpy.QtCore import QObject

from napari_matssl.errors import MatSSLError
from napari_matssl.widgets.controls.settings_form import SettingsForm
from napari_matssl.widgets.controls.start_picker import StartPicker
from napari_matssl.widgets.session import Session


class StartChoice(QObject):
    """Offer the encoders and models of the open folder above a form.

    What is chosen sets the form's weights and encoder, to be saved with it; loaded settings choose
    their start.

    Parameters
    ----------
    session, form
        Of the panel.
    models
        Whether a model can be gone on from.

    Attributes
    ----------
    picker
        The list.
    """

    def __init__(self, session: Session, form: SettingsForm[Any], models: bool = True) -> None:
        super().__init__(form)
        self._folder, self._form, self._preset = session.folder, form, ""
        self.picker = StartPicker(models=models, note_of=session.model_files.note_of)
        form.add_above("Start from", self.picker)
        session.model_files.serve(self.picker.manage)
        session.model_files.renamed.connect(self.picker.follow)
        session.models_changed.connect(self.show_files)
        self.picker.changed.connect(self._to_form)
        form.changed.connect(self._from_form)

    def show_files(self) -> None:
        """List the files of the open folder."""
        project = self._folder.project
        self.picker.set_files(() if project is None else project.models.files())

    def _to_form(self) -> None:
        start = self.picker.encoder
        if start.name is not None:
            self._form.set_value("encoder", start.name)
        self._form.set_value("weights", start.source)

    def _from_form(self) -> None:
        try:
            settings = self._form.settings()
        except MatSSLError:  # the form shows what is wrong
            return
        if settings.weights != self.picker.encoder.source:
            self.picker.select_source(settings.weights)
            self._to_form()  # if it couldn't be chosen, the picker shows the reason
        elif settings.preset != self._preset:
            self._preset = settings.preset
            self._to_form()  # a preset names an encoder that may not be that of the file
