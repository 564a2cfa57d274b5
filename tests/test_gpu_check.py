"""The checks for a GPU: on one where there is one, and rehearsed on the CPU."""

import importlib.util
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu_check.py"

NEED_CUDA = {"memory", "no memory"}


def load():
    specification = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules["gpu_check"] = module  # its dataclasses look themselves up there
    specification.loader.exec_module(module)
    return module


gpu_check = load()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("check", gpu_check.CHECKS)
def test_a_gpu_does_what_it_should(check):
    bench = gpu_check.Bench(torch.device("cuda", 0), gpu_check.SMALL)
    outcome = gpu_check.run(check, bench)
    assert outcome.result == "pass", outcome.told


@pytest.mark.parametrize(
    "check", [c for c in gpu_check.CHECKS if c not in {"badge", "training", "speed"}]
)
def test_the_checks_run_on_a_cpu_against_itself(check):
    """All but the slow ones."""
    bench = gpu_check.Bench(torch.device("cpu"), gpu_check.SMALL)
    outcome = gpu_check.run(check, bench)
    assert outcome.result == ("skip" if check in NEED_CUDA else "pass"), outcome.told


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_device_that_computes_something_else_fails(monkeypatch, dtype):
    """All networks but the first, the one to compare with, are changed when they are moved."""
    place, moved = gpu_check.Compute.place, itertools.count()

    def changed(self, network):
        if next(moved):
            with torch.no_grad():
                for number, weights in enumerate(network.parameters()):
                    weights.mul_(1 - 0.5 * (number % 2))
        return place(self, network)

    monkeypatch.setattr(gpu_check.Compute, "place", changed)
    monkeypatch.setattr(gpu_check.Bench, "formats", property(lambda self: [dtype]))
    bench = gpu_check.Bench(torch.device("cpu"), gpu_check.SMALL)
    outcome = gpu_check.run("pretraining", bench)
    assert outcome.result == "FAIL"
    assert f"{gpu_check.name(dtype)} losses off by" in outcome.told


@pytest.mark.parametrize(
    ("more", "status", "result"),
    [(["--minutes", "-1"], 3, "LATE"), (["--only", "memory"], 0, "skip")],
)
def test_the_exit_status_is_that_of_the_checks(tmp_path, more, status, result):
    report = tmp_path / "report.json"
    command = [sys.executable, SCRIPT, "--device", "cpu", "--small", "--json", report, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert {one["result"] for one in json.loads(report.read_text())["checks"]} == {result}


def test_a_failed_check_sets_the_exit_status_and_the_others_run(monkeypatch, capsys):
    monkeypatch.setitem(gpu_check.CHECKS, "badge", lambda bench: 1 / 0)
    monkeypatch.setattr(
        sys, "argv", ["gpu_check", "--device", "cpu", "--small", "--only", "badge", "memory"]
    )
    assert gpu_check.main() == 1
    told = capsys.readouterr().out
    assert "FAIL  badge" in told
    assert "skip  memory" in told
