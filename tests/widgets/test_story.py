"""The whole story as a user lives it: open, paint, fine-tune, segment, correct, hand in."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from acting import TINY, User, strokes_inside, write_folder
from PIL import Image
from qtpy.QtCore import Qt, QTimer

from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.learn.card_files import read_card
from napari_matssl.micrograph.reading import read_pixels
from napari_matssl.samples import class_table, make_sample
from napari_matssl.settings import FinetuneSettings
from napari_matssl.widgets.canvas.correction_area import AREA
from napari_matssl.widgets.canvas.shown import PAINTED, PREVIEW, SEGMENTATION

TOLERANCE = 12.0
"""Percentage points by which the fractions of a network trained for seconds may be off."""


KEYS = {1: Qt.Key.Key_1, 2: Qt.Key.Key_2, 3: Qt.Key.Key_3}

SEEDS = (19, 11, 16)
"""Of samples whose phases a network separates after seconds of training from nothing."""


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch):
    # In bfloat16, which processors with AVX-512 choose, seconds of training from nothing end
    # elsewhere.
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    return User(make_napari_viewer, qtbot, monkeypatch, show=True)


def watch_previews(user):
    """Keep every picture that the preview layer shows."""
    pictures = []

    def keep(progress):
        layer = user.shown.extra.get(PREVIEW)
        if progress.preview is not None and layer is not None:
            pictures.append(np.asarray(layer.data).copy())

    def follow(job):  # later than the panel
        QTimer.singleShot(0, lambda: job.progressed.connect(keep))

    user.runner.started.connect(follow)
    return pictures


def paint_classes(user, labels, counts):
    """Paint some strokes of each class with its key, and wait until they are on disk."""
    for class_id, count in counts.items():
        user.paint(KEYS[class_id], *strokes_inside(labels, class_id, count))
        assert user.shown.painted.selected_label == class_id
    on_disk = user.project.labels.path(user.shown.name)
    user.until(lambda: on_disk.is_file() and not user.shown.autosave.unsaved)
    assert np.array_equal(read_pixels(on_disk), user.shown.painted.data)


def handed_in(user, name):
    """What is to be in the export: the mask, and what was painted where somebody did."""
    mask, painted = user.project.masks.read(name), user.project.labels.read(name)
    return mask if painted is None else np.where(painted != 0, painted, mask)


def fractions(mask):
    """Percent of each class in what was analysed."""
    counts = np.bincount(mask.ravel(), minlength=3)[1:]
    return 100 * counts / counts.sum()


def export(user, out):
    user.look_at("Measure")
    user.until(user.measure.exporting.export.isEnabled)
    user.measure.exporting.place.set_folder(out)
    user.run(user.measure.exporting.export)
    assert not user.error
    return list(csv.DictReader((out / "phases.csv").read_text(encoding="utf-8-sig").splitlines()))


def test_from_a_folder_to_the_table_and_back_for_a_correction(user, tmp_path):
    table, folder = class_table("dual-phase"), tmp_path / "steel"
    samples = {
        f"field-{place}.tif": make_sample("dual-phase", seed, (160, 160))
        for place, seed in enumerate(SEEDS, 1)
    }
    write_folder(folder, [replace(s.micrograph, name=n) for n, s in samples.items()], table)

    user.open(folder)
    assert [one.name for one in user.project.classes.in_order] == ["ferrite", "martensite"]
    for name in list(samples)[:2]:
        assert user.shown.name == name
        user.shown.painted.brush_size = 5
        paint_classes(user, samples[name].labels, {1: 14, 2: 6})
        user.press_key(Qt.Key.Key_D)
    assert user.shown.name == "field-3.tif"
    user.press_key(Qt.Key.Key_A)

    user.look_at("Fine-tune")
    panel = user.finetune
    assert panel.chosen == ("field-1.tif", "field-2.tif")
    user.choose(panel.start_from.list, "Random")
    user.enter(
        panel.form, epochs=40, encoder=TINY, crop_size=32, batch_size=8, ema_decay=0.9,
        learning_rate=0.01, encoder_rate=1, augment=False, balance=0, exposure="own",
    )  # fmt: skip
    saved = tmp_path / "settings.json"
    user.answer_dialogs(saved)
    user.click(next(b for b in panel.form.findChildren(type(panel.start)) if "Save" in b.text()))
    assert FinetuneSettings.make(file=saved) == panel.settings()
    assert panel.settings().weights == "random"

    previews = watch_previews(user)
    user.run(panel.start)
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
    first = {name: user.project.masks.read(name) for name in samples}

    correct(user, first[user.shown.name], samples[user.shown.name].labels)

    user.look_at("Fine-tune")
    assert panel.start_from.model == user.project.models.files()[0]
    user.enter(panel.form, epochs=3, learning_rate=0.002)
    user.run(panel.start)
    assert not user.error
    newest = user.project.models.files()[0]
    assert newest.name == "model-002.safetensors"
    assert "went on" in read_card(newest).start

    user.look_at("Segment")
    assert user.segment.models.path == newest
    user.run(user.segment.start)
    assert any(not np.array_equal(user.project.masks.read(name), first[name]) for name in samples)
    masks = {name: handed_in(user, name) for name in samples}

    rows = export(user, tmp_path / "out")
    assert len(rows) == 2 * len(samples)
    for row in rows:
        written = read_pixels(tmp_path / "out" / f"{row['image'].removesuffix('.tif')}_mask.png")
        assert np.array_equal(written, masks[row["image"]])
        given, place = float(row["fraction_percent"]), int(row["class_id"]) - 1
        assert given == pytest.approx(fractions(masks[row["image"]])[place], abs=1e-3)
        truth = fractions(samples[row["image"]].labels)[place]
        assert given == pytest.approx(truth, abs=TOLERANCE)


def correct(user, mask, truth):
    """Copy a rectangle of the segmentation into the strokes and paint over what is wrong there."""
    before = user.shown.painted.data.copy()
    user.click(user.segment.editor.copy_area)
    user.drag((20, 30), (40, 50), (50, 90))
    assert len(user.viewer.layers[AREA].data) == 1
    user.click(user.segment.editor.copy_area)
    assert AREA not in user.names
    painted = user.shown.painted.data
    assert np.array_equal(painted[22:48, 32:88], mask[22:48, 32:88])
    assert np.array_equal(painted[54:], before[54:])
    assert user.viewer.layers.selection.active.name == PAINTED
    inside = np.zeros_like(truth)
    inside[20:50, 30:90] = truth[20:50, 30:90]
    for class_id in (1, 2):
        strokes = strokes_inside(inside, class_id, 6, margin=2)
        user.paint(KEYS[class_id], *strokes)
        assert all((painted[row, a : b + 1] == class_id).all() for (row, a), (_, b) in strokes)
    user.until(lambda: not user.shown.autosave.unsaved)


@pytest.mark.real
def test_the_same_on_coatings(user, tmp_path, real_data):
    ebc, folder = real_data / "ebc", tmp_path / "ebc"
    folder.mkdir()
    names = [path.name for path in sorted((ebc / "scribbles").iterdir())[:2]]
    truth = {name: read_pixels(ebc / "labels" / name)[::4, ::4] for name in names}
    for name in names:
        Image.fromarray(read_pixels(ebc / "images" / name)[::4, ::4]).save(folder / name)
    (folder / CLASSES_FILE).write_text(json.dumps({"1": "background", "2": "oxide"}))

    user.open(folder)
    for name in names:
        user.shown.painted.brush_size = 7
        paint_classes(user, truth[name], {1: 24, 2: 12})
        user.press_key(Qt.Key.Key_D)
    user.look_at("Fine-tune")
    user.enter(user.finetune.form, preset="instant", exposure="own")
    user.run(user.finetune.start)
    assert not user.error
    user.look_at("Segment")
    user.choose(user.segment.target, "All images")
    user.run(user.segment.start)
    assert not user.error
    masks = {name: handed_in(user, name) for name in names}
    rows = export(user, tmp_path / "out")
    assert len(rows) == 4
    for row in rows:
        given, place = float(row["fraction_percent"]), int(row["class_id"]) - 1
        assert given == pytest.approx(fractions(masks[row["image"]])[place], abs=1e-3)
        assert given == pytest.approx(fractions(truth[row["image"]])[place], abs=TOLERANCE)
        assert row["area_um2"] == ""  # the images are not calibrated
