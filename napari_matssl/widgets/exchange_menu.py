"""The entries of napari's menus that bring labels and models to other programs, and labels in."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_matssl.widgets.session import Session


def import_labels_from_menu() -> None:
    """Import labels of other programs into the open folder."""
    from napari_matssl.widgets.panels.importing_labels import ask_and_import

    _with_folder(ask_and_import)


def undo_import_from_menu() -> None:
    """Take back the labels that were imported last."""
    from napari_matssl.widgets.panels.importing_labels import undo_last

    _with_folder(lambda session, _window: undo_last(session))


def export_coco_from_menu() -> None:
    """Export all labels of the open folder as COCO."""
    from napari_matssl.widgets.panels.labels_for_others import export_to_coco

    _with_folder(export_to_coco)


def export_labelme_from_menu() -> None:
    """Export all labels of the open folder as LabelMe."""
    from napari_matssl.widgets.panels.labels_for_others import export_to_labelme

    _with_folder(export_to_labelme)


def export_model_from_menu() -> None:
    """Export the model that is chosen in the panel Segment, else the newest of the folder."""
    _with_folder(_export_model)


def _export_model(session: "Session", window: "QWidget") -> None:
    from napari_matssl.tasks.recipe.saving import require_newest_model
    from napari_matssl.widgets.controls.export_dialog import asked_export
    from napari_matssl.widgets.panels.segment_panel import SegmentPanel

    panel = window.findChild(SegmentPanel)
    model = None if panel is None else panel.models.path
    if model is None:
        model = require_newest_model(session.folder.require_project())
    wish = asked_export(window, model)
    if wish is not None:
        session.model_files.export(model, wish)


def _with_folder(do: Callable[["Session", "QWidget"], object]) -> None:
    """Do something with the session and window of the viewer; without a folder, tell why not."""
    from napari import current_viewer

    from napari_matssl.errors import InputError, MatSSLError
    from napari_matssl.widgets.napari_private import main_window
    from napari_matssl.widgets.session import session_of

    viewer = current_viewer()
    session = session_of(viewer)
    try:
        session.folder.require_project()
        if session.runner.busy:
            raise InputError(session.runner.busy_reason)
        do(session, main_window(viewer))
    except MatSSLError as error:
        session.notices.failed.emit(error)
