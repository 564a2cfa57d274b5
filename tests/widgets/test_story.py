"""The whole story as a user lives it: open, paint, fine-tune, segment, correct, hand in."""

import csv
import json
import time

import numpy as np
import pytest
from acting import TINY, User, strokes_inside, write_folder
from PIL import Image
from qtpy.QtCore import Qt

from napari_matssl.labels.classes import ClassTable, LabelClass
from napari_matssl.learn.card import read_card
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import read_pixels
from napari_matssl.micrograph.synthetic import class_table, make_sample
from napari_matssl.settings import FinetuneSettings
from napari_matssl.widgets.result_editor import AREA
from napari_matssl.widgets.shown import PAINTED, PREVIEW, SEGMENTATION

TOLERANCE = 12.0
"""Percentage points by which the fractions of a network trained for seconds may be off."""


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch):
    return User(make_napari_viewer, qtbot, monkeypatch, show=True)


def watch_previews(user):
    """Keep every picture that the preview layer shows."""
    pictures = []

    def keep(progress):
        layer = user.shown.extra.get(PREVIEW)
        if progress.preview is not None and layer is not None:
            pictures.append(np.asarray(layer.data).copy())

    user.runner.progressed.connect(keep)
    return pictures


def paint_classes(user, labels, count):
    """Paint some strokes of each class with its key, and wait until they are on disk."""
    keys = {1: Qt.Key.Key_1, 2: Qt.Key.Key_2, 3: Qt.Key.Key_3}
    for class_id in (int(i) for i in np.unique(labels) if i):
        user.paint(keys[class_id], *strokes_inside(labels, class_id, count))
        assert user.shown.painted.selected_label == class_id
    on_disk = user.project.label_path(user.shown.name)
    user.until(lambda: on_disk.is_file() and not user.shown.autosave.unsaved)
    assert np.array_equal(read_pixels(on_disk), user.shown.painted.data)


def fractions(mask):
    """Percent of each class in what was analysed."""
    counts = np.bincount(mask.ravel(), minlength=3)[1:]
    return 100 * counts / counts.sum()


def export(user, out):
    user.look_at("Phases")
    user.until(user.phases.export.isEnabled)
    user.answer_dialogs(out)
    user.run(user.phases.export)
    assert not user.error
    return list(csv.DictReader((out / "phases.csv").open(encoding="utf-8-sig")))


def test_from_a_folder_to_the_table_and_back_for_a_correction(user, tmp_path):
    samples = {f"dual-phase-0{n}.tif": make_sample("dual-phase", n, (160, 160)) for n in (1, 2, 3)}
    table = class_table("dual-phase")
    folder = write_folder(tmp_path / "steel", [s.micrograph for s in samples.values()], table)

    user.open(folder)
    assert [one.name for one in user.project.classes] == ["ferrite", "martensite"]
    for name in list(samples)[:2]:
        assert user.shown.name == name
        user.shown.painted.brush_size = 5
        paint_classes(user, samples[name].labels, 5)
        user.press_key(Qt.Key.Key_D)
    assert user.shown.name == "dual-phase-03.tif"
    user.press_key(Qt.Key.Key_A)

    user.look_at("Fine-tune")
    panel = user.finetune
    assert panel.chosen == ("dual-phase-01.tif", "dual-phase-02.tif")
    user.choose(panel.start_from.list, "Random")
    user.enter(
        panel.form, epochs=20, encoder_name=TINY, crop_size=64, batch_size=4, averaging=0.9,
        freeze_batch_norm=False, encoder_rate=1,
    )  # fmt: skip
    saved = tmp_path / "settings.json"
    user.answer_dialogs(saved)
    user.click(next(b for b in panel.form.findChildren(type(panel.start)) if "Save" in b.text()))
    assert FinetuneSettings.make(file=saved) == panel.settings()
    assert panel.settings().encoder == "random"

    previews = watch_previews(user)
    t = time.time()
    user.run(panel.start)
    print("finetune", time.time() - t, len(previews), panel.outcome.text())
    assert not user.error
    assert len({picture.tobytes() for picture in previews}) >= 2
    assert "model-001.safetensors" in panel.outcome.text()

    user.look_at("Segment")
    assert user.segment.models.path.name == "model-001.safetensors"
    user.choose(user.segment.target, "All images")
    user.run(user.segment.start)
    assert not user.error
    assert user.segment.outcome.text().startswith("3 images segmented."), user.heard
    assert SEGMENTATION in user.names
    assert PREVIEW not in user.names
    first = {name: user.project.mask(name) for name in samples}

    correct(user, first[user.shown.name])

    user.look_at("Fine-tune")
    assert panel.start_from.model == user.project.models()[0]
    user.enter(panel.form, epochs=40)
    user.run(panel.start)
    assert not user.error
    newest = user.project.models()[0]
    assert newest.name == "model-002.safetensors"
    assert "went on" in read_card(newest).start

    user.look_at("Segment")
    assert user.segment.models.path == newest
    user.run(user.segment.start)
    masks = {name: user.project.mask(name) for name in samples}
    assert any(not np.array_equal(masks[name], first[name]) for name in samples)

    rows = export(user, tmp_path / "out")
    assert len(rows) == 2 * len(samples)
    for row in rows:
        written = read_pixels(tmp_path / "out" / f"{row['image'].removesuffix('.tif')}_mask.png")
        assert np.array_equal(written, masks[row["image"]])
        given, place = float(row["fraction_percent"]), int(row["class_id"]) - 1
        assert given == pytest.approx(fractions(masks[row["image"]])[place], abs=1e-3)
        truth = fractions(samples[row["image"]].labels)[place]
        print(row["image"], row["class"], given, truth)
        assert given == pytest.approx(truth, abs=TOLERANCE)


def correct(user, mask):
    """Copy a rectangle of the segmentation into the strokes and paint over a part of it."""
    before = user.shown.painted.data.copy()
    user.click(user.segment.editor.copy_area)
    user.drag((20, 30), (40, 50), (70, 90))
    assert len(user.viewer.layers[AREA].data) == 1
    user.click(user.segment.editor.copy_area)
    assert AREA not in user.names
    painted = user.shown.painted.data
    assert np.array_equal(painted[22:68, 32:88], mask[22:68, 32:88])
    assert np.array_equal(painted[80:], before[80:])
    user.paint(Qt.Key.Key_2, ((45, 40), (45, 60)))
    assert (painted[45, 40:60] == 2).all()
    assert user.viewer.layers.selection.active.name == PAINTED
    user.until(lambda: not user.shown.autosave.unsaved)
