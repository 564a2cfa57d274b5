"""Images of a project are segmented, and their masks are kept in the project's own ids."""

import numpy as np
import pytest
import tifffile
from tiny import finetuning as chosen

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.learn.card_files import read_card
from napari_matssl.micrograph import reading_panorama
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.inputs import PaintedSet
from napari_matssl.tasks.models import train_model
from napari_matssl.tasks.predicting.segment_project import ProjectRun, Told, segment_project

SETTINGS = PredictSettings(device="cpu", magnifications="one", tile=64, tile_overlap=32)
THEIRS = ClassTable(
    classes=(
        LabelClass(id=1, name="ferrite", colour="#0072b2"),
        LabelClass(id=2, name="martensite", colour="#e69f00"),
    )
)

IMAGES = (("large.tif", (280, 180), 3), ("small.tif", (96, 96), 4))
"""Name, size and seed."""


@pytest.fixture(scope="module")
def model(two_phases, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    painted = PaintedSet(tuple(two_phases(seed) for seed in (1, 2)), (), THEIRS, "a test")
    drain(train_model(lambda: painted, chosen(), path))
    return path


@pytest.fixture
def project(tmp_path, two_phases, monkeypatch):
    """An image, and a panorama; the classes have other ids than the model's."""
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 40_000)
    for name, size, seed in IMAGES:
        tifffile.imwrite(tmp_path / name, two_phases(seed, size).micrograph.pixels)
    project = Project(tmp_path)
    project.classes.rename(1, "martensite")
    project.classes.rename(2, "ferrite")
    return project


def test_masks_of_images_and_panoramas_are_kept_in_the_projects_ids(project, model, two_phases):
    names, found, grown, said = project.images.names, [], [], []
    run = ProjectRun.begin(project, model, read_card(model), names)
    assert run.classes == ("ferrite", "martensite")
    assert (run.ids[1], run.ids[2]) == (2, 1)
    told = Told(lambda one: found.append(one.name), grown.append, said.append)
    batch = drain(segment_project(run, SETTINGS, told, probabilities=True))
    assert batch.done == 2
    assert (found, grown) == (["small.tif"], ["large.tif"])
    assert said == ["large.tif: there are no probability layers of a panorama."]
    assert run.unfinished == []
    for name, size, seed in IMAGES:
        swapped = 3 - two_phases(seed, size).labels
        assert np.mean(project.masks.read(name) == swapped) > 0.8
    assert project.masks.is_large("large.tif")
    assert not project.masks.is_large("small.tif")
