"""The menu of images in the list: show, clear, exclude, labels in and out, and their files."""

from collections.abc import Callable, Sequence

import numpy as np
from qtpy.QtWidgets import QApplication, QMenu, QWidget

from napari_matssl.widgets.controls.forms import show_in_files
from napari_matssl.widgets.panels.importing_labels import add_import_menu
from napari_matssl.widgets.panels.labels_for_others import add_export_menu
from napari_matssl.widgets.session import Session


def image_menu(
    session: Session, names: Sequence[str], open_folder: Callable[[], None], parent: QWidget
) -> QMenu:
    """Make the menu of some images of the list; without a folder, `open_folder` lets one choose."""
    menu = QMenu(parent)
    folder, current, project = session.folder, session.current, session.folder.project
    if project is None:
        menu.addAction("Open folder...").triggered.connect(open_folder)
        return menu
    if len(names) == 1:
        path = project.images.path(names[0])
        show = menu.addAction("Show")
        show.triggered.connect(lambda: current.show(names[0]))
        if current.shown is not None and current.shown.name == names[0]:
            clear = menu.addAction("Clear the strokes")
            clear.setToolTip("Make the whole image unpainted; Ctrl+Z undoes it.")
            clear.triggered.connect(lambda: _clear_strokes(session))
        copy = menu.addAction("Copy path")
        copy.triggered.connect(lambda: QApplication.clipboard().setText(str(path)))
    counted = [name for name in names if not project.micrographs.is_excluded(name)]
    excluded = [name for name in names if name not in counted]
    for some, exclude, text in ((counted, True, "Exclude"), (excluded, False, "Take in again")):
        if some:
            title = text if len(names) == 1 else f"{text} ({len(some)} images)"
            act = menu.addAction(title)
            act.setToolTip("Excluded images are not trained on, segmented or measured.")
            act.triggered.connect(
                lambda _checked=False, some=some, exclude=exclude: folder.set_excluded(
                    some, exclude
                )
            )
    menu.addSeparator()
    add_import_menu(menu, session, parent)
    add_export_menu(menu, session, parent)
    menu.addAction("Refresh the list").triggered.connect(folder.refresh)
    in_files = menu.addAction("Show the folder")
    in_files.triggered.connect(lambda: show_in_files(project.folder))
    menu.setToolTipsVisible(True)
    return menu


def _clear_strokes(session: Session) -> None:
    shown = session.current.shown
    if shown is None:
        return
    if shown.is_panorama:
        session.notices.failed.emit(shown.too_large())
        return
    shown.painted.visible = True  # napari doesn't edit hidden layers
    painted = np.nonzero(shown.painted.data)
    count = len(painted[0])
    if count:
        shown.painted.data_setitem(painted, np.zeros(count, np.uint8))
    session.notices.remarked.emit(f"{count:,} pixels were cleared; Ctrl+Z undoes it.")
