"""A pixel size that is set in two folders, and what has it where that is interrupted."""

import shutil

import pytest
from interrupting import FULL, NAMES

from napari_matssl.project.record import read_record

RECORD = "project.json"


@pytest.fixture
def calibrate(copies, place):
    """Run calibrate on two folders, and give its end and which images of each have the size."""
    folders = place.images, place.root / "more"
    shutil.copytree(*folders)

    def run(moment):
        ended = copies("calibrate", *folders, "--pixel-size-um", "0.5", at=moment)
        sizes = []
        for folder in folders:
            images = read_record(folder / "matssl" / RECORD).images
            sizes.append({name for name, one in images.items() if one.pixel_size.x_um == 0.5})
        return ended, *sizes

    return run


def listed(ended):
    return [line.partition(":")[0] for line in ended.out.splitlines()]


@pytest.mark.cell("calibrate", "stopped early")
def test_calibrate_stopped_while_images_are_read_sets_nothing(calibrate):
    ended, first, second = calibrate({"reads": "a1.tif", "nth": 2, "signals": ["SIGINT"]})
    assert (ended.status, ended.err, ended.out) == (130, "interrupted\n", "")
    assert (first, second) == (set(), set())


@pytest.mark.cell("calibrate", "stopped late")
def test_calibrate_stopped_between_two_folders_lists_the_images_that_have_the_size(calibrate):
    ended, first, second = calibrate({"writes": RECORD, "nth": 2, "signals": ["SIGINT"]})
    assert (ended.status, ended.err) == (130, "interrupted\n")
    assert (first, second) == ({*NAMES}, set())
    assert listed(ended) == [*NAMES]


@pytest.mark.cell("calibrate", "full disk")
def test_calibrate_on_a_full_disk_lists_the_images_that_have_the_size(calibrate, place):
    ended, first, second = calibrate({"writes": RECORD, "nth": 2, "error": "ENOSPC"})
    assert ended.status == 2
    assert f"Can't write {place.root / 'more' / 'matssl' / RECORD}: {FULL}." in ended.err
    assert (first, second) == ({*NAMES}, set())
    assert listed(ended) == [*NAMES]


@pytest.mark.cell("calibrate", "full memory")
def test_calibrate_for_which_memory_is_too_small_sets_nothing(calibrate):
    ended, first, second = calibrate({"reads": "a1.tif", "nth": 2, "error": "MemoryError"})
    assert ended.status == 2
    assert "memory" in ended.err
    assert (ended.out, first, second) == ("", set(), set())


@pytest.mark.cell("calibrate", "killed")
def test_calibrate_that_is_killed_leaves_whole_records(calibrate):
    ended, first, second = calibrate({"writes": RECORD, "nth": 2, "signals": ["SIGKILL"]})
    assert ended.status == -9
    assert (first, second) == ({*NAMES}, set())
