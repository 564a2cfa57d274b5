"""Where to paint in a folder."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_matssl.errors import InputError, StoppedError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.encoders import LITE0, build_encoder
from napari_matssl.progress import Control, drain
from napari_matssl.project.folder import Project
from napari_matssl.samples import make_sample
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.suggest import suggest

SETTINGS = FinetuneSettings(device="cpu")
TABLE = numbered_table([1, 2])


@pytest.fixture
def project(tmp_path):
    """Five fields of dual-phase steel and one of grains."""
    for seed in range(5):
        pixels = make_sample("dual-phase", seed).micrograph.pixels[:128, :128]
        Image.fromarray(pixels).save(tmp_path / f"steel-{seed}.png")
    pixels = make_sample("grains", 1).micrograph.pixels[:128, :128]
    Image.fromarray(pixels).save(tmp_path / "grains.png")
    TABLE.write(tmp_path / "classes.json")
    return Project(tmp_path)


@pytest.fixture
def model(grey_level_segmenter):
    """Unsure of grey value 127; the encoder that images are compared by is random."""
    segmenter = grey_level_segmenter(TABLE, (0, 254))
    segmenter.network.encoder = build_encoder(LITE0)
    return segmenter


def test_a_field_of_another_kind_is_suggested_soon(project):
    found = drain(suggest(project, SETTINGS))
    names = [one.name for one in found.images]
    assert names[0].startswith("steel")
    assert found.images[0].distance is None
    assert names[1] == "grains.png"
    assert sorted(names) == sorted(project.images.names)
    apart = [one.distance for one in found.images[1:]]
    assert apart == sorted(apart, reverse=True)
    assert (found.painted, found.regions, found.skipped) == ((), (), ())


def test_painted_images_are_covered_and_excluded_ones_take_no_part(project):
    strokes = np.zeros((128, 128), np.uint8)
    strokes[:9] = 1
    project.labels.write("grains.png", strokes)
    project.micrographs.set_excluded(["steel-3.png"], True)
    found = drain(suggest(project, SETTINGS))
    assert found.painted == ("grains.png",)
    assert all(one.distance is not None for one in found.images)
    assert {one.name for one in found.images} == {f"steel-{n}.png" for n in (0, 1, 2, 4)}


def test_an_image_that_cannot_be_used_is_left_out_with_its_reason(project, tmp_path):
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(tmp_path / "flat.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    messages = []
    job = suggest(Project(tmp_path), SETTINGS)
    found = drain(job, lambda progress: messages.append(progress.message))
    assert sorted(one.name for one in found.skipped) == ["broken.png", "flat.png"]
    assert len(found.images) == 6
    assert sum(one.startswith("Left out: ") for one in messages) == 2


def test_nothing_usable_is_an_error(tmp_path):
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(tmp_path / "flat.png")
    with pytest.raises(InputError, match=r"flat\.png"):
        drain(suggest(Project(tmp_path), SETTINGS))


def test_regions_are_where_the_model_is_unsure_and_nobody_has_painted(project, tmp_path, model):
    pixels = np.zeros((128, 128), np.uint8)
    pixels[:, 64:] = 255
    pixels[10:40, 10:40] = 127
    pixels[90:110, 90:110] = 127
    Image.fromarray(pixels).save(tmp_path / "half.png")
    project = Project(tmp_path)
    project.micrographs.set_excluded([n for n in project.images.names if n != "half.png"], True)
    found = drain(suggest(project, SETTINGS, model))
    assert [one.name for one in found.regions] == ["half.png"] * 2
    large, small = (one.region for one in found.regions)
    assert large.row <= 10 <= 40 <= large.row + large.side
    assert small.row <= 90 <= 110 <= small.row + small.side
    strokes = np.zeros((128, 128), np.uint8)
    strokes[10:40, 10:40] = 1
    project.labels.write("half.png", strokes)
    (left,) = drain(suggest(project, SETTINGS, model)).regions
    assert left.region.row > 60
    assert drain(suggest(project, SETTINGS, model, regions=0)).regions == ()


def test_places_in_images_without_strokes_come_first(project, tmp_path, model):
    names = ["painted.png", "bare.png"]
    for name, side in zip(names, (60, 25), strict=True):
        pixels = np.zeros((128, 128), np.uint8)
        pixels[:, 64:] = 255
        pixels[20 : 20 + side, :side] = 127
        Image.fromarray(pixels).save(tmp_path / name)
    project = Project(tmp_path)
    project.micrographs.set_excluded([n for n in project.images.names if n not in names], True)
    assert drain(suggest(project, SETTINGS, model)).regions[0].name == "painted.png"
    strokes = np.zeros((128, 128), np.uint8)
    strokes[100:110, 100:110] = 1
    project.labels.write("painted.png", strokes)
    found = drain(suggest(project, SETTINGS, model)).regions
    assert [one.name for one in found[:2]] == ["bare.png", "painted.png"]


def test_half_a_folder_gives_no_suggestion(project):
    job = suggest(project, SETTINGS)
    next(job)
    with pytest.raises(StoppedError, match="no suggestion"):
        job.send(Control.STOP)


def test_words_and_json_hold_the_same(project, tmp_path, model):
    pixels = np.full((128, 128), 127, np.uint8)
    pixels[:30] = 0
    Image.fromarray(pixels).save(tmp_path / "unsure.png")
    found = drain(suggest(Project(tmp_path), SETTINGS, model, regions=4))
    lines = found.in_words(3)
    data = json.loads(json.dumps(found.to_json()))
    assert [one["image"] in line for one, line in zip(data["images"][:3], lines[1:4], strict=True)]
    assert len(data["images"]) == 7
    assert lines[4] == "Then here, where the model is unsure:"
    assert len(lines) == 5 + len(data["regions"])
    assert sum(one["image"] == "unsure.png" for one in data["regions"]) <= 3
    assert data["regions"][0]["image"] == "unsure.png"
    assert f"row {data['regions'][0]['row']}" in lines[5]
