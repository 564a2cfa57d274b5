"""What the user prefers, in napari's own dialog, and what it changes in the window."""

from dataclasses import asdict

import numpy as np
import pytest
import yaml
from desk import docked
from napari.settings import get_plugin_settings, get_settings
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QFileDialog,
    QLabel,
    QListWidget,
    QPushButton,
    QStackedWidget,
)
from test_contributions import entries, manifest

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.widgets.canvas.layers import add_labels
from napari_matssl.widgets.controls.preferences import PLUGIN, Preferences, preferences
from napari_matssl.widgets.panels.segment_panel import SegmentPanel


@pytest.fixture
def preferred():
    """What napari keeps of the plugin, at its defaults before and after."""
    kept = get_plugin_settings(PLUGIN)
    kept.reset()
    yield kept.panels
    kept.reset()


def offered():
    (group,) = manifest().contributions.configurations.values()
    return group.properties


def test_what_is_offered_is_what_is_read():
    assert {name: one.default for name, one in offered().items()} == asdict(Preferences())


def test_napari_shows_all_of_it_and_keeps_what_is_chosen(make_napari_viewer, preferred):
    viewer = make_napari_viewer()
    entries(viewer, "File")["Preferences"].trigger()
    dialog = next(
        one
        for one in QApplication.topLevelWidgets()
        if isinstance(one, QDialog) and one.windowTitle() == "Preferences" and one.isVisible()
    )
    pages = dialog.findChild(QListWidget, "Preferences")
    row = next(n for n in range(pages.count()) if pages.item(n).text() == "MatSSL")
    pages.setCurrentRow(row)
    page = dialog.findChild(QStackedWidget).currentWidget()
    titles = {label.text() for label in page.findChildren(QLabel)}
    assert {one.title for one in offered().values()} <= titles
    devices = next(box for box in page.findChildren(QComboBox) if box.findText("cuda") >= 0)
    devices.setCurrentText("cpu")
    assert preferences().device == "cpu"
    dialog.accept()
    file = get_settings().config_path.with_name(f"{PLUGIN}.yaml")
    assert yaml.safe_load(file.read_text()) == {"panels": {"device": "cpu"}}


def test_a_new_panel_takes_the_device_and_so_does_its_button_defaults(
    make_napari_viewer, preferred
):
    preferred.device = "cpu"
    panel = SegmentPanel(make_napari_viewer())
    assert panel.form.settings().device == "cpu"
    panel.form.set_value("device", "mps")
    panel.form.more.expand(animate=False)
    next(b for b in panel.form.findChildren(QPushButton) if b.text() == "Defaults").click()
    assert panel.form.settings().device == "cpu"


def test_dialogs_begin_in_the_folder_that_is_preferred(empty_panel, folder, monkeypatch, preferred):
    began, told = [], []
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda _p, _title, start: began.append(start) or ""
    )
    empty_panel.session.notices.failed.connect(lambda error: told.append(str(error)))
    empty_panel.opening.ask_folder()
    preferred.folder = str(folder)
    empty_panel.opening.ask_folder()
    preferred.folder = str(folder / "gone")
    empty_panel.opening.ask_folder()
    assert began == ["", str(folder), ""]
    (line,) = told
    assert f"isn't there: {folder / 'gone'}" in line
    assert "Preferences" in line


@pytest.mark.parametrize("outlines", [False, True])
def test_a_segmentation_looks_as_preferred(make_napari_viewer, preferred, outlines):
    preferred.mask_opacity, preferred.mask_outlines = 0.8, outlines
    viewer = make_napari_viewer()
    image = viewer.add_image(np.zeros((40, 50), np.uint8))
    classes = numbered_table([1, 2]).classes
    ids = np.ones((40, 50), np.uint8)
    mask, strokes = (add_labels(viewer, image, ids, classes, k, k) for k in ("mask", "painted"))
    assert mask.opacity == 0.8
    assert bool(mask.contour) is outlines
    assert (strokes.opacity, strokes.contour) == (0.9, 0)


def test_strokes_are_saved_after_the_time_that_is_preferred(make_napari_viewer, folder, preferred):
    preferred.saving = 4.5
    panel = docked(make_napari_viewer())
    assert panel.session.folder.open([folder])
    autosave = panel.session.current.shown.autosave
    assert autosave._timer.interval() == 4500
