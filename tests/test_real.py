"""The main job on real micrographs, through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FLOORS = {
    ("scribbles", "instant"): (0.45, 0.52),
    ("labels", "instant"): (0.47, 0.60),
    ("scribbles", "interactive"): (0.42, 0.45),
    ("labels", "interactive"): (0.47, 0.60),
}
"""mIoU and oxide IoU on the test images of EBC-2; benchmarks/NOTES.md holds what was measured."""


@pytest.mark.real
@pytest.mark.parametrize(("labels", "preset"), FLOORS)
def test_coatings_that_were_never_seen_are_segmented(
    real_data: Path, tmp_path: Path, labels: str, preset: str
) -> None:
    """In seconds with preset instant, in one minute with preset interactive."""
    ebc = real_data / "ebc"
    model, scores = tmp_path / "model.safetensors", tmp_path / "scores.json"
    program = [sys.executable, "-m", "napari_matssl"]
    split = ["--splits", str(ebc / "splits.json"), "--split", "EBC-2"]
    images = str(ebc / "images")
    training = json.loads((ebc / "splits.json").read_text())["EBC-2"]
    only_train = tmp_path / "splits.json"  # strokes exist for the training images alone
    only_train.write_text(json.dumps({"EBC-2": {"train": training["train"]}}))
    subprocess.run(
        [*program, "finetune", images, str(ebc / labels), "--out", str(model), "--preset", preset,
         "--splits", str(only_train), "--split", "EBC-2", "--minutes", "1"],
        check=True,
    )  # fmt: skip
    evaluate = [*program, "evaluate", str(model), images, str(ebc / "labels"), *split]
    subprocess.run([*evaluate, "--json", str(scores)], check=True)
    result = json.loads(scores.read_text())
    subprocess.run([*evaluate, "--detached-components", "keep", "--json", str(scores)], check=True)
    assert result["miou"] >= json.loads(scores.read_text())["miou"]  # merging pays
    assert len(result["images"]) == 3
    assert not result["trained_on"]
    miou, oxide = FLOORS[labels, preset]
    assert result["miou"] > miou
    assert result["classes"]["oxide"]["iou"] > oxide
