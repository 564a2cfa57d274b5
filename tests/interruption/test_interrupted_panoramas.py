"""What panoramas leave when they are interrupted: rows that are gone on from."""

import numpy as np
import pytest
from interrupting import FULL, NAMES, contents, images_of, temporaries

from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.project.folder import Project

STOP = {"signals": ["SIGINT"]}
KILL = {"signals": ["SIGKILL"]}
NO_ROOM = {"error": "ENOSPC"}
CPU = ("--device", "cpu")
AMID = {"nth": 6}
"""Bands of the second image are on disk then, and others aren't."""


# ---- predict ----


@pytest.fixture
def out(place):
    return place.root / "out"


@pytest.fixture
def segment_panoramas(copies, model, place):
    def run(at=(), out="out"):
        small = ("--no-overlay", "--tile", 32, "--tile-overlap", 0)
        given = (model, place.images, "--out", place.root / out, *small, *CPU)
        return copies(*given, at=at, call="predict_panoramas")

    return run


def goes_on(run, place, out):
    """Run the same command again: the end is that of a run that nobody interrupted."""
    again = run()
    assert again.status == 0, again.err
    assert "a1.tif: an interrupted run is gone on with from row" in again.out + again.err
    assert run(out="fresh").status == 0
    for name in ("a0_mask.tif", "a1_mask.tif", "a2_mask.tif"):
        fresh = read_micrograph(place.root / "fresh" / name).pixels
        np.testing.assert_array_equal(read_micrograph(out / name).pixels, fresh)
    assert not list(out.glob("*unfinished*"))
    assert not temporaries(out)


@pytest.mark.cell("predict of panoramas", "killed")
def test_a_panorama_that_was_killed_is_gone_on_with(segment_panoramas, place, out):
    ended = segment_panoramas({"writes": "a1_mask.unfinished.json", **AMID, **KILL})
    assert ended.status == -9
    assert (out / "a1_mask.unfinished").stat().st_size >= 96 * 15
    assert not (out / "a1_mask.tif").exists()
    goes_on(segment_panoramas, place, out)


@pytest.mark.cell("predict of panoramas", "stopped late")
def test_a_panorama_that_was_stopped_is_gone_on_with(segment_panoramas, place, out):
    ended = segment_panoramas({"writes": "a1_mask.unfinished.json", **AMID, **STOP})
    assert ended.status == 130
    assert images_of(out / "phases.csv") == {"a0.tif"}
    assert "a1.tif: what is done is kept for the same command." in ended.out + ended.err
    goes_on(segment_panoramas, place, out)


@pytest.mark.cell("predict of panoramas", "full disk")
def test_a_panorama_for_which_there_is_no_room_is_gone_on_with(segment_panoramas, place, out):
    ended = segment_panoramas({"writes": "a1_mask.unfinished.json", **AMID, **NO_ROOM})
    assert ended.status == 2
    assert FULL in ended.err
    goes_on(segment_panoramas, place, out)


# ---- Segment in the window, without the window ----


@pytest.fixture
def project(place):
    """An open folder in which the second image has a mask of an earlier run."""
    folder = Project(place.images)
    folder.masks.write("a1.tif", np.full((96, 96), 1, np.uint8))
    return folder


@pytest.fixture
def segment(copies, model, project):
    return lambda at=(): copies(project.folder, model, call="segment_panoramas", at=at)


def in_project(project, segment):
    """Segment again: the end is that of a run that nobody interrupted."""
    again = segment()
    assert again.status == 0, again.err
    assert "a1.tif: an interrupted run is gone on with from row" in again.out + again.err
    masks = {name: read_labels(project.masks.path(name)) for name in NAMES}
    for name in NAMES:
        project.masks.path(name).unlink()
    assert segment().status == 0
    for name in NAMES:
        np.testing.assert_array_equal(masks[name], read_labels(project.masks.path(name)))
    folder = project.masks.path("a1.tif").parent
    assert not list(folder.glob("*unfinished*"))
    assert not temporaries(folder)


@pytest.mark.cell("panoramas in the window", "stopped early")
def test_a_panorama_in_the_window_stopped_early_changes_no_mask(segment, project):
    before = contents(project.folder)
    ended = segment({"stage": "segmenting", **STOP})
    assert ended.status == 130
    after = contents(project.folder)
    assert {name: content for name, content in after.items() if name in before} == before
    assert {*after} - {*before} <= {"a0.npz"}, "what was found in it"


@pytest.mark.cell("panoramas in the window", "stopped late")
@pytest.mark.cell("panoramas in the window", "killed")
@pytest.mark.cell("panoramas in the window", "full disk")
@pytest.mark.parametrize(
    ("how", "status"), [(STOP, 130), (KILL, -9), (NO_ROOM, 2)], ids=["stop", "kill", "disk"]
)
def test_a_panorama_in_the_window_is_gone_on_with(segment, project, how, status):
    earlier = project.masks.path("a1.tif").read_bytes()
    ended = segment({"writes": "a1.unfinished.json", **AMID, **how})
    assert ended.status == status
    assert (FULL in ended.err) is (how is NO_ROOM)
    assert read_labels(project.masks.path("a0.tif")).shape == (96, 96)
    assert project.masks.growing_path("a1.tif").stat().st_size >= 96 * 15
    assert project.masks.path("a1.tif").read_bytes() == earlier
    in_project(project, segment)


@pytest.mark.cell("panoramas in the window", "full memory")
def test_a_panorama_in_the_window_too_large_for_the_memory_is_left_out(segment, project):
    amid = {"stage": "segmenting", "share": 0.3, "until": 0.6}
    ended = segment({**amid, "forward": 0, "error": "memory"})
    assert ended.status == 3
    assert "a1.tif" in ended.err
    done = [name for name in NAMES if project.masks.path(name).suffix == ".tif"]
    assert done == ["a0.tif", "a2.tif"]
