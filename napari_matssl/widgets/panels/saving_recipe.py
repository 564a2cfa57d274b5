"""Saving the open folder's recipe: what is asked, and the job."""

from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.settings import RecipeSettings
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.recipe.recipe_file import SUFFIX
from napari_matssl.tasks.recipe.saving import RecipeRequest, require_newest_model, save_recipe
from napari_matssl.widgets.controls.recipe_dialog import asked_limits
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.session import Session

OWNER = "saving a recipe"


def ask_and_save_recipe(session: Session, plan: MeasurePlan, parent: QWidget) -> RunningJob | None:
    """Ask for limits and a name, and save the recipe of the open folder.

    Parameters
    ----------
    session
        Of the window.
    plan
        The measures.
    parent
        Of the dialogs.

    Returns
    -------
    The job; None if it was cancelled, or can't be done, which was reported.
    """
    try:
        project = session.folder.require_project()
        model = require_newest_model(project)
    except MatSSLError as error:
        session.notices.failed.emit(error)
        return None
    measures, kept = ", ".join(plan.settings.chosen), project.record.value.details
    asked = asked_limits(parent, model.name, measures, kept)
    if asked is None:
        return None
    limits, details = asked
    out = _asked_place(parent, project.folder.with_name(f"{project.folder.name}{SUFFIX}"))
    if out is None:
        return None
    settings = RecipeSettings(**dict(plan.settings), limits=limits)
    request = RecipeRequest(settings, plan.classes, model, details=details)
    work = partial(save_recipe, project, out, request, overwrite=True)  # the dialog has asked
    return session.start("Saving the recipe", work, OWNER, uses=[model])


def _asked_place(parent: QWidget, proposed: Path) -> Path | None:
    dialog = QFileDialog(parent, "Save recipe", str(proposed), f"Recipes (*{SUFFIX})")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(SUFFIX[1:])
    return Path(dialog.selectedFiles()[0]) if dialog.exec() else None
