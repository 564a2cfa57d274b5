"""Loading torch beside a window: what is switched for it is switched back."""

import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from napari_matssl.widgets.jobs import torch_start

BESIDE_MESA = """
import mmap, os, sys
from napari_matssl.widgets.jobs import torch_start
with open(sys.argv[1], "rb") as file:
    llvm = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
switches = "GOMP_SPINCOUNT", "KMP_BLOCKTIME"
for name in switches:
    os.environ.pop(name, None)
torch_start.start_torch()
print("torch" in sys.modules, "triton" in sys.modules, *map(os.environ.get, switches))

import numpy as np
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.finetune.job import finetune
labels = np.ones((64, 64), np.uint8)
labels[20:40, 20:50] = 2
image = Micrograph("a.tif", labels * np.uint8(60) + np.arange(64, dtype=np.uint8))
settings = FinetuneSettings(
    encoder="test_efficientnet", weights="random", epochs=1, minutes=None, crop_size=64,
    device="cpu",
)
drain(finetune([PaintedMicrograph(image, labels)], numbered_table([1, 2]), settings))
print("triton" in sys.modules)
"""


@pytest.fixture
def llvm(tmp_path):
    """Give a file that counts as Mesa's LLVM in a process that has it in its memory."""
    if not Path("/proc/self/maps").exists():
        pytest.skip("what a process has loaded is looked up on Linux alone")
    path = tmp_path / "libLLVM.so.20"
    path.write_bytes(b"LLVM")
    return path


def test_triton_is_kept_out_beside_mesa_and_nothing_of_it_remains(llvm):
    """A training afterwards, which would end the process if it loaded triton, does without."""
    done = subprocess.run(
        [sys.executable, "-c", BESIDE_MESA, str(llvm)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False", "None", "None", "False"]


def test_triton_that_is_loaded_already_stays_there(monkeypatch, llvm):
    monkeypatch.setitem(sys.modules, "triton", torch_start)
    with llvm.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        assert torch_start._has_llvm()
        with torch_start._without_triton():
            assert sys.modules["triton"] is torch_start
    assert sys.modules["triton"] is torch_start
