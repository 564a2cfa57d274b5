"""Of a panorama, fine-tuning reads the parts with strokes, from files as in the window."""

import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.cli import main
from napari_matssl.errors import InputError
from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.learn.card_files import read_card
from napari_matssl.micrograph import reading_panorama
from napari_matssl.project import panorama_parts
from napari_matssl.project.folder import Project
from napari_matssl.tasks.inputs import read_painted_set

SIZE = (280, 180)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 40_000)
    monkeypatch.setattr(panorama_parts, "SIDE", 60)


@pytest.fixture
def strokes():
    ids = np.zeros(SIZE, np.uint8)
    ids[10:14, 10:40], ids[240:244, 130:160], ids[250, 5:9] = 1, 2, 1
    return ids


@pytest.fixture
def images(tmp_path, two_phases):
    folder = tmp_path / "steel"
    folder.mkdir()
    for name, size, seed in (("large.tif", SIZE, 1), ("small.tif", (96, 96), 2)):
        tifffile.imwrite(folder / name, two_phases(seed, size).micrograph.pixels)
    return folder


def parts(painted):
    return [(one.micrograph.name, one.labels.shape, one.counts) for one in painted]


def test_strokes_of_a_project_are_read_as_in_the_window(images, strokes):
    own, table = images / "matssl", numbered_table([1, 2])
    write_mask(own / "labels" / "large.png", strokes, table)
    table.write(own / CLASSES_FILE)
    project = Project(images)
    expected = project.labels.painted_parts("large.tif")
    found = read_painted_set(images, own / "labels").training
    assert parts(found) == parts(expected)
    assert [name for name, *_ in parts(found)] == [
        "large.tif at 0, 0",
        "large.tif at 0, 210",
        "large.tif at 120, 210",
    ]
    assert {one.micrograph.origin for one in (*found, *expected)} == {images / "large.tif"}
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.micrograph.pixels, other.micrograph.pixels)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_other_values_of_unpainted_pixels_make_no_part(images, strokes, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    Image.fromarray(np.where(strokes, strokes, 9).astype(np.uint8)).save(labels / "large.png")
    found = read_painted_set(images, labels, unlabelled=9)
    assert len(found.training) == 3
    line = "large.tif is a panorama: the 3 parts with strokes count as images."
    assert line in found.remarks
    every = read_painted_set(images, labels, unlabelled=None).training
    assert sum(one.labels.size for one in every) == SIZE[0] * SIZE[1]


def test_strokes_in_the_info_bar_make_no_part(images, strokes, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    strokes[20:24, 100:110] = 2
    Image.fromarray(strokes).save(labels / "large.png")
    found = read_painted_set(images, labels, info_bar=200)
    assert [one.micrograph.name for one in found.training] == [
        "large.tif at 0, 0",
        "large.tif at 60, 0",
    ]


def test_labels_of_another_size_are_refused(images, strokes, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    Image.fromarray(strokes[:200]).save(labels / "large.png")
    with pytest.raises(InputError, match=r"large\.tif has 180 x 280 pixels, its labels have 180 x"):
        read_painted_set(images, labels)


def test_the_command_learns_from_the_parts_alone(images, strokes, tmp_path, monkeypatch, capsys):
    labels, model = tmp_path / "labels", tmp_path / "m.safetensors"
    labels.mkdir()
    Image.fromarray(strokes).save(labels / "large.png")
    given = ["finetune", images, labels, "--out", model, "--preset", "instant"]
    given += ["--encoder", "test_efficientnet", "--weights", "random"]
    monkeypatch.setattr(sys, "argv", ["napari-matssl", *map(str, given)])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "the 3 parts with strokes count as images" in capsys.readouterr().out
    learnt = [one.name for one in read_card(model).training_images]
    assert learnt == ["large.tif at 0, 0", "large.tif at 0, 210", "large.tif at 120, 210"]
