import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def grey():
    """Make an 8-bit micrograph ``(40, 50)``."""

    def make(seed=0, size=(40, 50)):
        return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)

    return make


@pytest.fixture
def folder(tmp_path, grey):
    """Three micrographs of 50 x 40 px, without anything else."""
    place = tmp_path / "steel"
    place.mkdir()
    for number, name in enumerate(("a2.png", "a10.png", "b.tif")):
        Image.fromarray(grey(number)).save(place / name)
    return place


@pytest.fixture
def paint():
    """Make labels ``(40, 50)``: a number of pixels of each class, from the first pixel on."""

    def make(**pixels):
        labels = np.zeros(40 * 50, dtype=np.uint8)
        start = 0
        for class_id, number in ((int(key[1:]), n) for key, n in pixels.items()):
            labels[start : start + number] = class_id
            start += number
        return labels.reshape(40, 50)

    return make
