"""The speeds of a device, rehearsed on the CPU with tiny networks."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_matssl.samples import make_sample

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "speed.py"


def measure(tmp_path, *more):
    report = tmp_path / "speed.json"
    command = [sys.executable, SCRIPT, "--device", "cpu", "--small", "--seconds", "0.2"]
    command += ["--json", report, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())["rows"]


@pytest.mark.parametrize(
    ("row", "paths", "unit", "beside"),
    [
        ("first mask", ["guided-unet++, one", "guided-unet++, two", "pixel-classifier, one"], "ms",
         ()),
        ("pretraining", ["quick", "paper"], "patches/s", ("plain", "limit")),
    ],
)  # fmt: skip
def test_a_row_has_its_figures_and_what_they_are_compared_with(tmp_path, row, paths, unit, beside):
    profiles = tmp_path / "profiles"
    rows = measure(tmp_path, "--only", row, "--profile", profiles)
    assert len(rows) == len(paths)
    for path, measured in zip(paths, rows, strict=True):
        assert path in measured["path"]
        assert measured["unit"] == unit
        assert measured["reached"] > 0
        assert {name for name in ("plain", "limit") if measured[name] is not None} == set(beside)
    assert len(list(profiles.iterdir())) == len(paths)


class BrightAround(torch.nn.Module):
    """Two classes: brighter around than the middle of the scale, or not."""

    def forward(self, images):
        around = torch.nn.functional.avg_pool2d(images, 9, stride=1, padding=4).mean(dim=1)
        return torch.stack([-around, around], dim=1)


def test_a_plain_loop_gives_the_same_tile_by_tile(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import speed_plain

    pixels = make_sample("dual-phase", seed=3, size=(150, 170)).micrograph.pixels
    here = torch.device("cpu")
    whole = speed_plain.segment(BrightAround(), pixels, 200, 8, here)
    tiled = speed_plain.segment(BrightAround(), pixels, 64, 8, here)
    assert tiled.shape == pixels.shape
    assert (tiled == whole).all()
    assert set(np.unique(whole)) == {0, 1}


def test_ratios_are_above_one_where_the_program_is_faster(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    from speed import Row, table

    faster = Row("prediction", "Mpx/s", 2.0, plain=0.5, limit=2.5)
    assert (faster.times, faster.share) == (4.0, 0.8)
    sooner = Row("pretraining", "min", 20.0, plain=50.0, limit=16.0)
    assert (sooner.times, sooner.share) == (2.5, 0.8)
    lines = table([faster, Row("start", "s", 0.25)], "Here.").splitlines()
    assert lines[2] == "| prediction | 4.0 | 80% | 2 Mpx/s | 0.5 | 2.5 |  |"
    assert lines[3] == "| start | - | - | 0.25 s | - | - |  |"
