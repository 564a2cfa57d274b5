"""What pretraining and fine-tuning leave when they are interrupted."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from interrupting import (
    FULL,
    INSTANT,
    PRETRAINING,
    SHORT,
    TINY,
    contents,
    steps_of,
    temporaries,
)

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card_files import read_card
from napari_matssl.project.folder import Project

KILL = {"signals": ["SIGKILL"]}
TWICE = {"signals": ["SIGINT", "SIGINT"]}
STATUS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


# ---- pretrain ----


@pytest.fixture
def pretrain(copies, place):
    """Pretrain on the micrographs of a place, with an encoder of an earlier run in the way."""
    place.old("e.safetensors")

    def run(*more, at=(), **values):
        settings = place.settings(**{**PRETRAINING, **values})
        out = place.root / "e.safetensors"
        return copies("pretrain", place.images, "--out", out, "--settings", settings, *more, at=at)

    return run


@pytest.fixture
def encoder(place):
    return place.root / "e.safetensors"


@pytest.fixture
def checkpoint(place):
    return place.root / "e.checkpoint.safetensors"


@pytest.mark.cell("pretrain", "stopped early")
@pytest.mark.parametrize("name", STATUS)
def test_pretraining_stopped_early_writes_nothing(pretrain, encoder, checkpoint, name):
    ended = pretrain(epochs=1000, at={"stage": "pretraining", "signals": [name]})
    assert ended.status == STATUS[name]
    assert ended.err.endswith("before the first epoch was complete: nothing was written.\n")
    assert encoder.read_text() == "old"
    assert not checkpoint.exists()


@pytest.mark.cell("pretrain", "stopped early")
def test_pretraining_stopped_early_names_an_older_checkpoint(pretrain, encoder, checkpoint):
    assert pretrain(at={"stage": "pretraining", "share": 0.5, **TWICE}).status == 130
    kept = checkpoint.read_bytes()
    ended = pretrain("--resume", at={"stage": "preparing", "signals": ["SIGINT"]})
    assert ended.status == 130
    assert str(checkpoint) in ended.err
    assert checkpoint.read_bytes() == kept
    assert encoder.read_text() == "old"


@pytest.mark.cell("pretrain", "stopped late")
def test_pretraining_stopped_late_writes_the_encoder_and_can_go_on(pretrain, encoder, checkpoint):
    ended = pretrain(at={"stage": "pretraining", "share": 0.5, "signals": ["SIGTERM"]})
    assert ended.status == 143
    assert f"--resume goes on from {checkpoint}" in ended.out
    assert read_card(encoder, "encoder").metrics["epochs"] == 1
    done = pretrain("--resume")
    assert (done.status, checkpoint.exists()) == (0, False)
    assert read_card(encoder, "encoder").metrics["epochs"] == 3


@pytest.mark.cell("pretrain", "second signal")
@pytest.mark.cell("pretrain", "killed")
@pytest.mark.parametrize(("signals", "status"), [(["SIGINT"] * 2, 130), (["SIGKILL"], -9)])
@pytest.mark.parametrize("moment", [{"stage": "pretraining", "share": 0.5}, {"nth": 2}])
def test_pretraining_that_ends_at_once_leaves_the_checkpoint_of_the_last_epoch(
    pretrain, encoder, checkpoint, signals, status, moment
):
    """Amid an epoch, or amid the writing of the next checkpoint."""
    if "stage" not in moment:
        moment = {**moment, "writes": checkpoint.name}
    ended = pretrain(at={**moment, "signals": signals})
    assert ended.status == status
    assert encoder.read_text() == "old"
    assert read_card(checkpoint, "checkpoint").step == 3
    done = pretrain("--resume")
    assert done.status == 0, done.err
    assert "Going on after epoch 1." in done.err
    assert not temporaries(encoder.parent)


@pytest.mark.cell("pretrain", "full disk")
@pytest.mark.parametrize(("file", "nth", "epochs"), [("e.checkpoint.*", 2, 1), ("e.saf*", 1, 3)])
def test_pretraining_on_a_full_disk_leaves_the_old_encoder_and_a_checkpoint(
    pretrain, encoder, file, nth, epochs
):
    ended = pretrain(at={"writes": file, "nth": nth, "error": "ENOSPC"})
    assert ended.status == 2
    assert FULL in ended.err
    assert encoder.read_text() == "old"
    assert not temporaries(encoder.parent)
    done = pretrain("--resume")
    assert done.status == 0, done.err
    assert f"Going on after epoch {epochs}." in done.err


@pytest.mark.cell("pretrain", "full disk")
def test_an_encoder_that_finds_no_room_is_kept_elsewhere(pretrain, encoder):
    ended = pretrain(at={"writes": encoder.name, "error": "ENOSPC", "times": 1})
    assert ended.status == 2
    place = ended.err.rpartition("What was trained is kept in ")[2].partition(";")[0]
    assert read_card(Path(place), "encoder").metrics["epochs"] == 3


@pytest.mark.cell("pretrain", "full memory")
def test_pretraining_in_little_memory_takes_smaller_batches_then_ends(pretrain, encoder):
    done = pretrain(at={"forward": 4, "error": "memory"})
    assert done.status == 0, done.err
    assert "Out of memory: batches of 2 now." in done.err
    encoder.write_text("old")
    ended = pretrain(at={"forward": 0, "error": "memory"})
    assert ended.status == 2
    assert "error: Out of memory while" in ended.err
    assert encoder.read_text() == "old"


# ---- finetune ----


@pytest.fixture
def finetune(copies, place):
    """Fine-tune on the strokes of a place, with a model of an earlier run in the way."""
    place.old("m.safetensors")

    def run(*more, at=(), out=None, **values):
        settings = place.settings(**{**SHORT, **values})
        out = out or place.root / "m.safetensors"
        task = "finetune", place.images, place.strokes, "--out", out, *TINY
        return copies(*task, "--settings", settings, *more, at=at)

    return run


@pytest.fixture
def model_file(place):
    return place.root / "m.safetensors"


@pytest.mark.cell("finetune", "stopped early")
@pytest.mark.parametrize("name", STATUS)
@pytest.mark.parametrize("stage", ["preparing", "fine-tuning"])
def test_fine_tuning_stopped_early_writes_no_model(finetune, model_file, name, stage):
    ended = finetune(epochs=500, at={"stage": stage, "signals": [name]})
    assert ended.status == STATUS[name]
    assert ended.err.endswith("that is no model worth keeping, none was written.\n")
    assert model_file.read_text() == "old"


@pytest.mark.cell("finetune", "stopped early")
@pytest.mark.cell("finetune", "second signal")
@pytest.mark.parametrize("signals", [["SIGTERM"], ["SIGTERM", "SIGTERM"]], ids=["once", "twice"])
def test_signals_from_outside_reach_the_program_as_a_user_starts_it(place, signals):
    out = place.old("m.safetensors")
    command = [sys.executable, "-m", "napari_matssl", "finetune", place.images, place.strokes]
    command += ["--out", out, *TINY, "--settings", place.settings(**{**SHORT, "epochs": 9999})]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    awaited = iter(["Device:", "Finishing with"])
    for number in signals:
        line = next(awaited)
        assert any(line in text for text in process.stderr)
        process.send_signal(getattr(signal, number))
    _, err = process.communicate(timeout=300)
    assert process.returncode in (143, -signal.SIGTERM)  # the second may come when all is over
    assert "Traceback" not in err
    assert out.read_text() == "old"


@pytest.mark.cell("finetune", "stopped late")
def test_fine_tuning_stopped_late_writes_the_model(finetune, model_file):
    ended = finetune(at={"stage": "fine-tuning", "share": 0.2, "signals": ["SIGINT"]})
    assert ended.status == 130
    assert "stopped early" in ended.out
    assert 2 <= steps_of(model_file) < 10


@pytest.mark.cell("finetune", "second signal")
def test_fine_tuning_left_at_once_leaves_the_old_model(finetune, model_file):
    ended = finetune(at={"stage": "fine-tuning", "share": 0.5, **TWICE})
    assert (ended.status, ended.err.endswith("interrupted\n")) == (130, True)
    assert model_file.read_text() == "old"


@pytest.mark.cell("finetune", "full memory")
def test_fine_tuning_in_little_memory_takes_smaller_batches_then_keeps_what_it_has(
    finetune, model_file
):
    some = {"forward": 2, "error": "memory"}
    none = {"forward": 0, "nth": 60, "error": "memory"}
    ended = finetune(epochs=500, at=[some, none])
    assert ended.status == 3, ended.err
    assert "Out of memory: batches of 2 now." in ended.err
    assert "The best model until then is kept." in ended.err
    assert 1 <= steps_of(model_file) <= 8


@pytest.mark.cell("finetune", "killed")
def test_fine_tuning_killed_leaves_the_old_model_and_no_half_one(finetune, model_file):
    ended = finetune(at={"writes": model_file.name, **KILL})
    assert ended.status == -9
    assert model_file.read_text() == "old"
    assert temporaries(model_file.parent)
    assert finetune(at={"stage": "preparing", "signals": ["SIGINT"]}).status == 130
    assert not temporaries(model_file.parent), "swept by the next run"


@pytest.mark.cell("Finish now in the window", "killed")
def test_a_kill_in_a_project_leaves_its_older_models(finetune, place):
    project = Project(place.images)
    older = project.models.new_path()
    assert finetune(out=older).status == 0
    before = contents(older.parent)
    new = project.models.new_path()
    assert finetune(out=new, at={"writes": new.name, **KILL}).status == -9
    assert project.models.files() == (older,)
    assert before.items() <= contents(older.parent).items()


# ---- finetune --preset instant ----


@pytest.mark.cell("finetune --preset instant", "stopped early")
@pytest.mark.cell("finetune --preset instant", "stopped late")
@pytest.mark.parametrize("moment", [{"stage": "preparing"}, {"stage": "fine-tuning", "share": 0.5}])
def test_a_fit_that_is_stopped_is_finished_and_kept(finetune, model_file, moment):
    ended = finetune(*INSTANT, at={**moment, "signals": ["SIGINT"]})
    assert ended.status == 130
    assert "fitted" in ended.out
    assert read_card(model_file).architecture == "pixel-classifier"


@pytest.mark.cell("finetune --preset instant", "second signal")
@pytest.mark.cell("finetune --preset instant", "killed")
@pytest.mark.parametrize(("signals", "status"), [(["SIGINT"] * 2, 130), (["SIGKILL"], -9)])
@pytest.mark.parametrize("moment", [{"stage": "fine-tuning"}, {"writes": "m.safetensors"}])
def test_a_fit_that_ends_at_once_leaves_the_old_model(
    finetune, model_file, signals, status, moment
):
    ended = finetune(*INSTANT, at={**moment, "signals": signals})
    assert ended.status == status
    assert model_file.read_text() == "old"


@pytest.mark.cell("finetune --preset instant", "full memory")
def test_a_fit_without_memory_is_an_error(finetune, model_file):
    ended = finetune(*INSTANT, at={"forward": 0, "error": "memory"})
    assert ended.status == 2
    assert "error: Out of memory while" in ended.err
    assert model_file.read_text() == "old"


@pytest.mark.cell("finetune", "full disk")
@pytest.mark.cell("finetune --preset instant", "full disk")
@pytest.mark.parametrize("preset", [(), INSTANT])
def test_a_model_on_a_full_disk_leaves_the_old_one(finetune, model_file, preset):
    ended = finetune(*preset, at={"writes": model_file.name, "error": "ENOSPC", "times": 1})
    assert ended.status == 2
    what, _, kept = ended.err.rpartition("What was trained is kept in ")
    assert f"Can't write {model_file}: {FULL}." in what
    assert read_card(Path(kept.partition(";")[0]), "segmenter").classes == numbered_table([1, 2])
    assert model_file.read_text() == "old"
    assert not temporaries(model_file.parent)
