"""What recipes and their runs leave when they are interrupted."""

import json
import shutil

import pytest
from interrupting import FULL, contents, temporaries

from napari_matssl.labels.reading_labels import read_labels

STOP = {"signals": ["SIGINT"]}
TWICE = {"signals": ["SIGINT", "SIGINT"]}
KILL = {"signals": ["SIGKILL"]}
SAVING = {"stage": "saving the recipe"}


@pytest.fixture
def project(place, model):
    """The folder of images as a project that has a model."""
    models = place.images / "matssl" / "models"
    models.mkdir(parents=True)
    shutil.copy(model, models / "model-001.safetensors")
    return place.images


# ---- recipe ----


@pytest.fixture
def old(place):
    return place.old("steel.recipe")


@pytest.fixture
def save(copies, project, old):
    """Save a recipe over an older file, and look whether that is as it was."""

    def run(at):
        ended = copies("recipe", project, "--out", old, "--overwrite", at=at)
        assert old.read_text() == "old"
        return ended

    return run


@pytest.mark.cell("recipe", "stopped early")
def test_a_recipe_stopped_before_it_is_written_leaves_the_old_file(save, old):
    ended = save({**SAVING, **STOP})
    assert ended.status == 130
    assert "nothing was written" in ended.err
    assert not temporaries(old.parent)


@pytest.mark.cell("recipe", "second signal")
def test_a_recipe_left_at_once_leaves_the_old_file(save, old):
    assert save({**SAVING, **TWICE}).status == 130
    assert not temporaries(old.parent)


@pytest.mark.cell("recipe", "full disk")
def test_a_recipe_on_a_full_disk_leaves_the_old_file(save, old):
    ended = save({"writes": old.name, "error": "ENOSPC"})
    assert ended.status == 2
    assert f"Can't write {old}: {FULL}." in ended.err
    assert not temporaries(old.parent)


@pytest.mark.cell("recipe", "killed")
def test_a_recipe_that_is_killed_leaves_the_old_file(save, old, copies, project):
    assert save({"writes": old.name, **KILL}).status == -9
    assert temporaries(old.parent)
    assert copies("recipe", project, "--out", old, "--overwrite").status == 0
    assert not temporaries(old.parent), "swept by the next one"


# ---- run ----


@pytest.fixture
def run(copies, project, place):
    recipe, out = place.root / "steel.recipe", place.root / "out"
    made = copies("recipe", project, "--out", recipe, "--limits-unsure", "pass")
    assert made.status == 0, made.err

    def call(at=()):
        return copies("run", recipe, project, "--out", out, at=at)

    call.out = out
    return call


def state(out):
    return json.loads((out / "run.json").read_text())


def goes_on(run, kept):
    """Run the same command again: it keeps what is done, and ends as if nothing had happened."""
    masks = {name: (run.out / name).read_bytes() for name in kept}
    again = run()
    assert again.status in (0, 1, 3), again.err
    assert f"{len(kept)} of 3 images have masks" in again.out + again.err
    assert {name: (run.out / name).read_bytes() for name in kept} == masks
    assert len(state(run.out)["images"]) == 3
    assert (run.out / "report.html").is_file()
    assert not temporaries(run.out)


@pytest.mark.cell("run", "stopped early")
@pytest.mark.parametrize("stage", ["checking", "segmenting"])
def test_a_run_stopped_before_the_first_mask_leaves_nothing(run, stage):
    ended = run({"stage": stage, **STOP})
    assert ended.status == 130
    assert "nothing was written" in ended.err
    assert not contents(run.out)


@pytest.mark.cell("run", "stopped early")
def test_a_run_stopped_at_once_leaves_an_earlier_one_as_it_was(run):
    run()
    before = contents(run.out)
    assert run({"stage": "checking", **STOP}).status == 130
    assert contents(run.out) == before


@pytest.mark.cell("run", "stopped late")
def test_a_run_stopped_late_goes_on_from_there(run):
    ended = run({"writes": "a1_mask.png", **STOP})
    assert ended.status == 130
    assert "Stopped when 2 of 3 images were segmented" in ended.err
    assert not (run.out / "report.html").exists()
    assert state(run.out)["finished"] == ""
    goes_on(run, ["a0_mask.png", "a1_mask.png"])


@pytest.mark.cell("run", "stopped late")
@pytest.mark.parametrize("stage", ["measuring", "drawing pictures"])
def test_a_run_stopped_after_segmenting_keeps_all_masks(run, stage):
    assert run({"stage": stage, **STOP}).status == 130
    assert not (run.out / "report.html").exists()
    goes_on(run, ["a0_mask.png", "a1_mask.png", "a2_mask.png"])


@pytest.mark.cell("run", "second signal")
def test_a_run_left_at_once_keeps_whole_masks(run):
    assert run({"writes": "a1_mask.png", **TWICE}).status == 130
    assert not temporaries(run.out)
    goes_on(run, ["a0_mask.png"])


@pytest.mark.cell("run", "full disk")
def test_a_run_on_a_full_disk_keeps_whole_masks(run):
    ended = run({"writes": "a1_mask.png", "error": "ENOSPC"})
    assert ended.status == 2
    assert FULL in ended.err
    goes_on(run, ["a0_mask.png"])


@pytest.mark.cell("run", "full memory")
def test_an_image_for_which_memory_is_too_small_fails_alone(run):
    amid = {"stage": "segmenting", "share": 0.3, "until": 0.6}
    assert run({**amid, "forward": 0, "error": "memory"}).status == 1
    found = state(run.out)["images"]
    assert found["a1.tif"]["verdict"] == "fail"
    assert "memory" in found["a1.tif"]["reasons"][0]
    assert found["a0.tif"]["verdict"] != "fail"


@pytest.mark.cell("run", "killed")
def test_a_run_that_is_killed_goes_on_and_sweeps_what_it_left(run):
    assert run({"writes": "a1_mask.png", **KILL}).status == -9
    assert temporaries(run.out), "the model, and half a mask"
    assert all(read_labels(path).size for path in run.out.glob("*_mask.png"))
    assert state(run.out)["finished"] == ""
    goes_on(run, ["a0_mask.png"])
