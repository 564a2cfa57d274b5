"""The speeds of a device, rehearsed on the CPU with tiny networks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu_speed.py"


@pytest.mark.parametrize(
    ("row", "paths", "unit"),
    [
        ("first mask", ["guided-unet++, one", "guided-unet++, two", "pixel-classifier, one"], "ms"),
        ("pretraining", ["quick", "paper"], "patches/s"),
    ],
)
def test_a_row_has_its_figures_and_their_limits(tmp_path, row, paths, unit):
    report, profiles = tmp_path / "speed.json", tmp_path / "profiles"
    command = [sys.executable, SCRIPT, "--device", "cpu", "--small", "--only", row]
    command += ["--seconds", "0.2", "--json", report, "--profile", profiles]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(report.read_text())["rows"]
    assert len(rows) == len(paths)
    for path, measured in zip(paths, rows, strict=True):
        assert path in measured["path"]
        assert measured["unit"] == unit
        assert measured["reached"] > 0
        assert (measured["limit"] is None) == (unit == "ms")
    assert len(list(profiles.iterdir())) == len(paths)
