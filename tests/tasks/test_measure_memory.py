"""A measure for which the memory doesn't suffice isn't begun."""

from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from napari_matssl.errors import OutOfMemoryError
from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.measure.field import field_of_mask
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring import measure_memory
from napari_matssl.tasks.measuring.measure_files import measure_masks
from napari_matssl.tasks.measuring.measure_memory import BYTES_PER_PIXEL, check_memory

TABLE = numbered_table([1, 2])


@pytest.fixture
def little(monkeypatch):
    """A machine with 1.5 MB of free memory."""
    free = SimpleNamespace(available=1_500_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(measure_memory, "_UNCHECKED", 0)


def test_the_measure_that_needs_most_is_named(little):
    field = field_of_mask("a.png", np.ones((500, 600), np.uint8), TABLE)
    check_memory(field, ["phases", "nodules"])
    line = "a.png has 600 x 500 pixels, and measuring grains needs 2 MB of memory, of which 2 MB"
    with pytest.raises(OutOfMemoryError, match=line):
        check_memory(field, ["phases", "grains", "objects"])


def test_small_masks_are_measured_whatever_is_free(little, monkeypatch):
    monkeypatch.undo()
    field = field_of_mask("a.png", np.ones((500, 600), np.uint8), TABLE)
    check_memory(field, BYTES_PER_PIXEL)


def test_masks_on_disk_are_refused_before_they_are_measured(little, tmp_path):
    mask = np.ones((500, 600), np.uint8)
    mask[::9] = 2
    write_mask(tmp_path / "a_mask.png", mask, TABLE)
    settings = MeasureSettings(measures="grains")
    with pytest.raises(OutOfMemoryError, match="measuring grains needs"):
        measure_masks([tmp_path], settings=settings, only=("class 2",))
    assert measure_masks([tmp_path]).rows
