"""The labels of the open folder, written for other programs."""

from functools import partial
from pathlib import Path
from typing import Literal

from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.tasks.exchanging.labels_for_others import HandedOut, hand_out_labels
from napari_matssl.widgets.session import Session

_COCO_TIP = "One file for all images: a run-length mask for each class of an image."
_LABELME_TIP = "A file for each image: a mask for each connected component."


def add_export_menu(menu: QMenu, session: Session, parent: QWidget) -> None:
    """Add the entries to the menu of the list of images."""
    formats = menu.addMenu("Export all labels")
    formats.setToolTipsVisible(True)
    coco = formats.addAction("COCO...")
    coco.setToolTip(_COCO_TIP)
    coco.triggered.connect(lambda: export_to_coco(session, parent))
    labelme = formats.addAction("LabelMe...")
    labelme.setToolTip(_LABELME_TIP)
    labelme.triggered.connect(lambda: export_to_labelme(session, parent))
    formats.setEnabled(not session.runner.busy)


def export_to_coco(session: Session, parent: QWidget) -> None:
    """Ask for a file, and write the labels of the open folder into it."""
    chosen, _ = QFileDialog.getSaveFileName(
        parent, "Export labels as COCO", "labels.json", "COCO (*.json)"
    )
    if chosen:
        out = Path(chosen)
        _export(session, "coco", out if out.suffix else out.with_suffix(".json"))


def export_to_labelme(session: Session, parent: QWidget) -> None:
    """Ask for a folder, and write the labels of the open folder into it."""
    chosen = QFileDialog.getExistingDirectory(parent, "Export labels as LabelMe: an empty folder")
    if chosen:
        _export(session, "labelme", Path(chosen))


def _export(session: Session, form: Literal["coco", "labelme"], out: Path) -> None:
    """Write the labels; the user has agreed to replace a file of COCO, but none of LabelMe."""
    project = session.folder.project
    if project is None:
        return
    try:
        session.current.flush()  # else an image without strokes on disk would be left out
        project.classes.begin()
    except MatSSLError as error:
        session.notices.failed.emit(error)
        return
    work = partial(
        hand_out_labels,
        project.labels.folder,
        project.folder,
        out,
        form,
        overwrite=form == "coco",
    )
    job = session.start("Exporting labels", work, "labels", compute=False)
    if job is not None:
        job.succeeded.connect(lambda result: _tell(session, out, result))


def _tell(session: Session, out: Path, result: HandedOut) -> None:
    done = f"Labels of {len(result.images)} of {result.wanted} images are in {out}."
    reasons = [one.reason for one in result.skipped]
    session.notices.remarked.emit(" ".join([done, *reasons[:3]]))
