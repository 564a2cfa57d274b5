"""Strokes on panoramas, in as little memory as they take."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from napari_matssl.export.banded_png import BandedPng
from napari_matssl.export.masks import write_labels
from napari_matssl.labels import sparse_ids
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.sparse_ids import checksum_of, copy_of, read_sparse, same
from napari_matssl.micrograph import reading_panorama
from napari_matssl.micrograph.reading import read_pixels


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 10_000)
    monkeypatch.setattr(sparse_ids, "_BAND", 3000)
    monkeypatch.setattr(sparse_ids, "_INFLATED", 1000)


@pytest.fixture
def ids():
    ids = np.zeros((300, 200), np.uint8)
    ids[40:50, 20:60] = 1
    ids[299, 199] = 2
    return ids


@pytest.fixture
def path(tmp_path, ids):
    path = tmp_path / "a.png"
    write_labels(path, ids, numbered_table([1, 2]), BandedPng())
    return path


def test_labels_that_are_written_here_are_read_by_bands(path, ids):
    np.testing.assert_array_equal(read_sparse(path), ids)
    np.testing.assert_array_equal(read_pixels(path), ids)


def test_other_and_damaged_files_are_left_to_others(tmp_path, path, ids):
    from PIL import Image

    other = tmp_path / "b.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (300, 200), np.uint8)).save(other)
    raw = path.read_bytes()
    for number, content in enumerate((raw[:-40], raw[: len(raw) // 2], b"", b"no image")):
        damaged = tmp_path / f"{number}.png"
        damaged.write_bytes(content)
        assert read_sparse(damaged) is None
    flipped = bytearray(raw)
    flipped[raw.index(b"IDAT") + 30] ^= 255
    path.write_bytes(flipped)
    assert read_sparse(path) is None
    found = read_sparse(other)  # Pillow filters rows, but may leave them as they are
    assert found is None or np.array_equal(found, read_pixels(other))


def test_copies_are_equal_and_others_are_not(ids):
    copy = copy_of(ids)
    assert same(copy, ids)
    assert copy is not ids
    assert checksum_of(copy) == checksum_of(ids)
    copy[150, 7] = 1
    assert not same(copy, ids)
    assert checksum_of(copy) != checksum_of(ids)


def test_checksums_tell_where_paint_is(ids):
    moved = np.zeros_like(ids)
    moved[60:], moved[:60] = ids[:-60], ids[-60:]  # by whole bands
    assert checksum_of(moved) != checksum_of(ids)
    assert checksum_of(np.zeros_like(ids)) == checksum_of(None)


MEMORY = """
import json, resource, sys
from pathlib import Path
import numpy as np
from napari_matssl.project.merging_strokes import Saved, Version
from napari_matssl.project.panorama_strokes import PanoramaStrokes
from napari_matssl.export.banded_png import BandedPng
from napari_matssl.export.masks import write_labels
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.sparse_ids import read_sparse

path, table, packer = Path(sys.argv[1]), numbered_table([1, 2]), BandedPng()

class File:
    def save(self, ids):
        write_labels(path, ids, table, packer)
        return Saved(Version(None, ids))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

shape = 20_000, 15_000
before = peak()
strokes = PanoramaStrokes(File(), Version(None, None), shape)
area = slice(9000, 9500), slice(1000, 1500)
for number in range(3):
    strokes.in_area(area).save(np.full((500, 500), number % 2 + 1, np.uint8))
found = read_sparse(path)
assert found[9200, 1200] == 1 and found.sum() == 250_000
print(json.dumps(peak() - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are counted otherwise")
def test_memory_is_that_of_what_is_painted(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) < 250, "one array of all pixels would be 300 MB"
