import os
import signal
import zlib
from pathlib import Path

import numpy as np
import pytest

from napari_matssl.openmp import switches

# For the tests and the processes that they start, before either imports torch.
os.environ.update(switches())

# A shell starts what runs in the background deaf to Ctrl-C, nohup what it runs deaf to the end of
# the terminal, and processes hand that on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real micrographs, which are no part of the project."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MATSSL_DATA", default))
    if not folder.is_dir():
        pytest.skip("the real micrographs are not here; MATSSL_DATA can name their folder")
    return folder


@pytest.fixture(scope="session")
def two_phases():
    """Make micrographs of bright regions (class 2) in a dark matrix (class 1), fully labelled."""
    from napari_matssl.labels.painted import PaintedMicrograph
    from napari_matssl.micrograph.image import Micrograph

    def make(seed=0, size=(128, 128), name=None, **facts):
        random = np.random.default_rng(seed)
        labels = np.ones(size, dtype=np.uint8)
        for _ in range(size[0] * size[1] // 1200):
            row, column = random.integers(0, size[0] - 8), random.integers(0, size[1] - 8)
            height, width = random.integers(8, 28, size=2)
            labels[row : row + height, column : column + width] = 2
        grey = np.where(labels == 1, 70, 180) + random.normal(0, 12, size)
        pixels = grey.clip(0, 255).astype(np.uint8)
        return PaintedMicrograph(Micrograph(name or f"steel-{seed}.tif", pixels, **facts), labels)

    return make


@pytest.fixture(scope="session")
def grey_level_segmenter():
    """Make segmenters that give each pixel the class of the nearest grey level, 0 to 255.

    Their masks are known beforehand, without training.
    """
    import torch

    from napari_matssl.learn.card import ModelCard
    from napari_matssl.learn.segmenter import Segmenter
    from napari_matssl.micrograph.intensity_scaling import IMAGENET_MEAN, IMAGENET_STD
    from napari_matssl.settings import IntensityScalingSettings

    class NearestLevel(torch.nn.Module):
        def __init__(self, levels):
            super().__init__()
            self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32))

        def forward(self, images):
            unit = images[:, :1].float() * float(IMAGENET_STD[0]) + float(IMAGENET_MEAN[0])
            return -((255 * unit - self.levels[None, :, None, None]) ** 2) / 100

    def make(table, levels, **facts):
        values = {"encoder": "none", "channels": "grey", "unlabelled": 0, **facts}
        card = ModelCard(
            kind="segmenter",
            classes=table,
            intensity_scaling=IntensityScalingSettings(kind="imagenet"),
            **values,
        )
        return Segmenter(NearestLevel(levels), card)

    return make


@pytest.fixture
def packed_bands(monkeypatch):
    """List what is packed by zlib while a test runs; otherwise only saved time shows it."""
    packed, pack = [], zlib.compressobj
    monkeypatch.setattr(zlib, "compressobj", lambda **how: packed.append(how) or pack(**how))
    return packed
