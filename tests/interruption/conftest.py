"""Commands that are interrupted, and small things for them to work on."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from interrupting import INSTANT, NAMES

from napari_matssl.export.masks import write_mask
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.samples import scribble


@dataclass(frozen=True)
class Ended:
    """How a command ended: a negative status is that of a signal that killed it."""

    status: int
    out: str
    err: str


class Copies:
    """The process that starts commands; see copies.py."""

    def __init__(self, folder):
        self._streams = folder / "out.txt", folder / "err.txt"
        program = [sys.executable, str(Path(__file__).with_name("copies.py"))]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        self._process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout.readline() == "{}\n"

    def __call__(self, *arguments, at=(), call="command"):
        """Run a command, or another function of copies.py, to its end."""
        out, err = self._streams
        order = {
            "arguments": list(map(str, arguments)),
            "call": call,
            "moments": [at] if isinstance(at, dict) else list(at),
            "out": str(out),
            "err": str(err),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answers = [json.loads(self._process.stdout.readline()) for _ in range(2)]
        ended = Ended(answers[1]["status"], out.read_text(), err.read_text())
        assert "Traceback" not in ended.err, ended.err
        return ended

    def close(self):
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def copies(tmp_path_factory):
    if not hasattr(os, "fork"):
        pytest.skip("processes are copied, and signals sent, on POSIX alone")
    started = Copies(tmp_path_factory.mktemp("streams"))
    yield started
    started.close()


@dataclass(frozen=True)
class Place:
    """A folder of painted micrographs, with their truth, and where commands write."""

    root: Path
    images: Path
    strokes: Path
    truth: Path

    def settings(self, **values):
        """Write a settings file."""
        path = self.root / "settings.json"
        path.write_text(json.dumps(values))
        return path

    def old(self, name):
        """Put a file of an earlier run where a command will write."""
        path = self.root / name
        path.write_text("old")
        return path


@pytest.fixture
def place(tmp_path, two_phases):
    root = tmp_path / "place"
    made = Place(root, root / "images", root / "strokes", root / "truth")
    for folder in (made.images, made.strokes, made.truth):
        folder.mkdir(parents=True)
    table = numbered_table([1, 2])
    table.write(root / "classes.json")
    for seed, name in enumerate(NAMES):
        one = two_phases(seed, (96, 96))
        stem = Path(name).stem
        write_micrograph(made.images / name, one.micrograph)
        strokes = scribble(one.labels, seed=seed, width=3, share=0.1)
        write_mask(made.strokes / f"{stem}.png", strokes, table)
        write_mask(made.truth / f"{stem}.png", one.labels.astype(np.uint8), table)
    return made


@pytest.fixture(scope="session")
def model(copies, tmp_path_factory, two_phases):
    """An instant classifier of the two phases."""
    folder = tmp_path_factory.mktemp("model")
    one = two_phases(7, (96, 96))
    write_micrograph(folder / "images" / "a.tif", one.micrograph)
    write_mask(folder / "labels" / "a.png", one.labels.astype(np.uint8), numbered_table([1, 2]))
    out = folder / "model.safetensors"
    done = copies("finetune", folder / "images", folder / "labels", "--out", out, *INSTANT)
    assert done.status == 0, done.err
    return out
