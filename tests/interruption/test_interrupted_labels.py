"""Label images made of annotations: whole ones of what is done, whatever happens."""

import json

import pytest
from annotated import coco, write
from interrupting import FULL, NAMES, temporaries
from PIL import Image

from napari_matssl.labels.class_table_files import read_named_values
from napari_matssl.labels.reading_labels import read_labels

DRAWING = {"stage": "drawing", "share": 0.3}


@pytest.fixture
def bring_in(copies, place):
    """Run labels on annotations of three images."""
    with Image.open(place.images / NAMES[0]) as image:
        width, height = image.size
    content = coco([([[0, 0, 9, 0, 9, 9]], 2, number) for number in (1, 2, 3)], images=NAMES)
    for one in content["images"]:
        one["width"], one["height"] = width, height
    source = write(place.root / "other" / "coco" / "instances.json", content)

    def run(*moments):
        out = place.root / "label-images"
        arguments = ("labels", source, "--images", place.images, "--out", out)
        ended = copies(*arguments, at=moments)
        return ended, out

    return run


def whole(out):
    """Give the names of the label images, which all can be read and belong to the class table."""
    paths = sorted(out.glob("*.png"))
    for path in paths:
        assert read_labels(path).max() == 2
        assert read_named_values(out / "classes.json")[2].name == "martensite"
    return [path.stem for path in paths if ".matssl-tmp-" not in path.name]


@pytest.mark.cell("labels", "stopped early")
def test_labels_stopped_while_reading_writes_nothing(bring_in):
    ended, out = bring_in({"stage": "reading annotations", "signals": ["SIGINT"]})
    assert ended.status == 130
    assert "nothing was written" in ended.err
    assert list(out.iterdir()) == []


@pytest.mark.cell("labels", "stopped late")
def test_labels_stopped_while_drawing_keeps_what_is_done(bring_in):
    ended, out = bring_in({**DRAWING, "signals": ["SIGINT"]})
    assert ended.status == 130
    assert whole(out) == ["a0"]
    assert "1 of 3 label images" in ended.out


@pytest.mark.cell("labels", "second signal")
def test_labels_left_at_once_keeps_whole_files(bring_in):
    ended, out = bring_in({**DRAWING, "signals": ["SIGINT", "SIGINT"]})
    assert ended.status == 130
    assert whole(out) == ["a0"]
    assert not temporaries(out)


@pytest.mark.cell("labels", "full disk")
def test_labels_on_a_full_disk_keeps_what_is_done(bring_in):
    ended, out = bring_in({"writes": "a1.png", "error": "ENOSPC"})
    assert ended.status == 2
    assert f"a1.png: {FULL}" in ended.err
    assert whole(out) == ["a0"]


@pytest.mark.cell("labels", "full memory")
def test_an_image_that_memory_is_too_small_for_is_left_out(bring_in):
    ended, out = bring_in({"reads": "a1.tif", "error": "MemoryError"})
    assert ended.status == 3
    assert "a1.tif doesn't fit into the memory" in ended.err
    assert whole(out) == ["a0", "a2"]


@pytest.mark.cell("labels", "killed")
def test_labels_that_is_killed_leaves_whole_files(bring_in):
    ended, out = bring_in({"writes": "a1.png", "signals": ["SIGKILL"]})
    assert ended.status == -9
    assert temporaries(out), "swept away by the next command that writes there"
    for path in temporaries(out):
        path.unlink()
    assert whole(out) == ["a0"]


@pytest.fixture
def hand_out(copies, place):
    """Run labels --format on painted images, over an older file."""

    def run(form, *moments):
        out = place.root / "others" / ("coco.json" if form == "coco" else "")
        old = out if form == "coco" else out / "a1.json"
        old.parent.mkdir()
        old.write_text("old")
        arguments = ("--images", place.images, "--out", out, "--format", form, "--overwrite")
        ended = copies("labels", place.strokes, *arguments, at=moments)
        return ended, old

    return run


WRITING = {"stage": "writing", "share": 0.3}


@pytest.mark.cell("labels --format", "stopped early")
def test_writing_stopped_at_once_leaves_the_old_file(hand_out):
    ended, old = hand_out("labelme", {"stage": "writing", "signals": ["SIGINT"]})
    assert ended.status == 130
    assert "nothing was written" in ended.err
    assert [path.read_text() for path in old.parent.iterdir()] == ["old"]


@pytest.mark.cell("labels --format", "stopped late")
def test_writing_coco_stopped_leaves_the_old_file(hand_out):
    ended, old = hand_out("coco", {**WRITING, "signals": ["SIGINT"]})
    assert ended.status == 130
    assert "nothing was written" in ended.err
    assert old.read_text() == "old"


@pytest.mark.cell("labels --format", "stopped late")
def test_writing_labelme_stopped_keeps_what_is_done(hand_out):
    ended, old = hand_out("labelme", {**WRITING, "signals": ["SIGINT"]})
    assert ended.status == 130
    assert json.loads(old.with_name("a0.json").read_text())["imagePath"].endswith("a0.tif")
    assert old.read_text() == "old"


@pytest.mark.cell("labels --format", "second signal")
def test_writing_left_at_once_leaves_the_old_file(hand_out):
    ended, old = hand_out("coco", {**WRITING, "signals": ["SIGINT", "SIGINT"]})
    assert ended.status == 130
    assert old.read_text() == "old"
    assert not temporaries(old.parent)


@pytest.mark.cell("labels --format", "full disk")
def test_writing_on_a_full_disk_leaves_the_old_file(hand_out):
    ended, old = hand_out("coco", {"writes": "coco.json", "error": "ENOSPC"})
    assert ended.status == 2
    assert f"Can't write {old}: {FULL}." in ended.err
    assert old.read_text() == "old"


@pytest.mark.cell("labels --format", "full memory")
def test_labels_that_memory_is_too_small_for_are_left_out(hand_out):
    ended, old = hand_out("coco", {"reads": "a1.tif", "error": "MemoryError"})
    assert ended.status == 3
    assert "a1.png doesn't fit into the memory" in ended.err
    images = json.loads(old.read_text())["images"]
    assert [one["file_name"] for one in images] == ["a0.tif", "a2.tif"]


@pytest.mark.cell("labels --format", "killed")
def test_writing_that_is_killed_leaves_the_old_file(hand_out):
    ended, old = hand_out("coco", {"writes": "coco.json", "signals": ["SIGKILL"]})
    assert ended.status == -9
    assert old.read_text() == "old"
    assert temporaries(old.parent), "swept away by the next command that writes there"
