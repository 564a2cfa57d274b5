"""The main job on real micrographs, through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

OXIDE_FLOOR = 0.35
"""Oxide IoU after one minute on strokes; docs/benchmarks.md holds what was measured."""


@pytest.mark.real
def test_one_minute_on_strokes_finds_the_oxide_of_unseen_coatings(
    real_data: Path, tmp_path: Path
) -> None:
    ebc = real_data / "ebc"
    model, scores = tmp_path / "model.safetensors", tmp_path / "scores.json"
    program = [sys.executable, "-m", "napari_matssl"]
    split = ["--splits", str(ebc / "splits.json"), "--split", "EBC-2"]
    images = str(ebc / "images")
    training = json.loads((ebc / "splits.json").read_text())["EBC-2"]
    only_train = tmp_path / "splits.json"  # strokes exist for the training images alone
    only_train.write_text(json.dumps({"EBC-2": {"train": training["train"]}}))
    subprocess.run(
        [*program, "finetune", images, str(ebc / "scribbles"), "--out", str(model),
         "--splits", str(only_train), "--split", "EBC-2", "--minutes", "1"],
        check=True,
    )  # fmt: skip
    subprocess.run(
        [*program, "evaluate", str(model), images, str(ebc / "labels"), *split,
         "--json", str(scores)],
        check=True,
    )  # fmt: skip
    result = json.loads(scores.read_text())
    assert len(result["images"]) == 3
    assert not result["trained_on"]
    assert result["classes"]["oxide"]["iou"] > OXIDE_FLOOR
