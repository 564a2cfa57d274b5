"""Annotations of other programs are looked at, taken into a project, and taken back."""

import signal
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from annotated import SIZE, coco, labelme, labelme_shape, write
from PIL import Image

from napari_matssl.errors import InputError, OutputError, StoppedError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.progress import Control, drain
from napari_matssl.project.folder import Project
from napari_matssl.tasks.label_import.importing import (
    BACKUP,
    ImportWish,
    import_labels,
    undo_import,
)
from napari_matssl.tasks.label_import.outlook import look_at_labels

SHAPE = SIZE[::-1]
CLASSES = ClassTable(
    classes=(
        LabelClass(id=1, name="ferrite", colour="#ff0000"),
        LabelClass(id=2, name="martensite", colour="#00a0ff"),
    )
)


def box(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


@pytest.fixture
def project(tmp_path):
    """Three micrographs, of which the second is painted in a corner."""
    folder = tmp_path / "steel"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(rng.integers(0, 255, SHAPE, dtype=np.uint8)).save(folder / name)
    CLASSES.write(folder / "classes.json")
    made = Project(folder)
    painted = np.zeros(SHAPE, np.uint8)
    painted[:4, :4] = 2
    made.labels.write("b.png", painted)
    return made


@pytest.fixture
def source(tmp_path):
    """Annotations in COCO of two images of the project, and of one that isn't there."""
    boxes = [([box(0, 0, 10, 10)], 1, 1), ([box(2, 2, 12, 8)], 1, 2), ([box(0, 0, 5, 5)], 2, 2),
             ([box(20, 20, 25, 25)], 2, 3)]  # fmt: skip
    content = coco(boxes, ("Ferrite", "pore"), ("sub/a.jpg", "b.png", "gone.png"))
    return write(tmp_path / "theirs" / "annotations.json", content)


def look(project, *sources, **other):
    return drain(look_at_labels(project, sources, **other))


def wish(outlook, **other):
    suggested = {one.name: one.suggested for one in outlook.classes if one.suggested}
    return ImportWish(outlook, other.pop("classes", suggested), **other)


def files(project):
    """Every file of the project with its content, but for the marks of erased labels."""
    return {
        path.relative_to(project.own): path.read_bytes()
        for path in project.own.rglob("*")
        if path.is_file() and path.name[0] != "." and BACKUP not in path.parts
    }


def copies(project):
    """Give what is kept of the label images that imports have changed, by import and image."""
    place = project.own / BACKUP
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*.png")}


def test_what_would_be_done_is_seen_beforehand(project, source):
    before = files(project)
    seen = look(project, source)
    assert [(one.name, one.shapes, one.painted) for one in seen.images] == [
        ("a.png", 1, 0),
        ("b.png", 2, 16),
    ]
    assert [(one.name, one.images, one.shapes, one.suggested) for one in seen.classes] == [
        ("Ferrite", 2, 2, "ferrite"),
        ("pore", 1, 1, "pore"),
    ]
    assert "1 annotated image isn't there: gone.png." in seen.problems
    assert "1 of 3 images has no annotation: c.png." in seen.problems
    assert (seen.total, seen.painted) == (3, 1)
    assert files(project) == before


def test_painted_images_are_left_by_default(project, source):
    done = drain(import_labels(project, wish(look(project, source))))
    assert [one.name for one in done.changes] == ["a.png"]
    assert done.kept == ("b.png",)
    assert done.new_classes == ("pore",)
    labels = project.labels.read("a.png")
    assert (labels[:10, :10] == 1).all()
    assert np.count_nonzero(labels) == 100
    assert np.count_nonzero(project.labels.read("b.png")) == 16


def test_what_is_unpainted_is_filled(project, source):
    drain(import_labels(project, wish(look(project, source), painted="fill")))
    labels, pore = project.labels.read("b.png"), project.classes.table.ids[-1]
    assert (labels[:4, :4] == 2).all()
    assert labels[4, 4] == pore
    assert labels[6, 10] == 1


def test_strokes_are_replaced_only_if_that_is_wished_and_come_back(project, source):
    before = files(project)
    done = drain(import_labels(project, wish(look(project, source), painted="replace")))
    labels = project.labels.read("b.png")
    assert not (labels == 2).any()
    assert copies(project)["1/b.png"] in before.values()
    assert drain(undo_import(project, done)) == ()
    assert project.labels.read("a.png") is None
    assert np.count_nonzero(project.labels.read("b.png") == 2) == 16
    assert {path for path in files(project) if path.parts[0] == "labels"} == {
        path for path in before if path.parts[0] == "labels"
    }


def test_strokes_stay_where_only_classes_are_annotated_that_are_left_out(project, tmp_path):
    content = coco([([box(0, 0, 9, 9)], 1, 1), ([box(0, 0, 9, 9)], 2, 2)],
                   ("ferrite", "pore"), ("a.png", "b.png"))  # fmt: skip
    seen = look(project, write(tmp_path / "theirs.json", content))
    chosen = {"ferrite": "ferrite"}
    done = drain(import_labels(project, wish(seen, classes=chosen, painted="replace")))
    assert [one.name for one in done.changes] == ["a.png"]
    assert np.count_nonzero(project.labels.read("b.png")) == 16
    assert not done.kept


def test_strokes_come_back_but_for_those_of_a_class_that_was_deleted_since(project, source):
    gone, painted = project.classes.add("gone"), np.zeros(SHAPE, np.uint8)
    painted[:4, :4], painted[8:12] = 2, gone.id
    project.labels.write("b.png", painted)
    done = drain(import_labels(project, wish(look(project, source), painted="replace")))
    project.classes.delete(gone.id)
    assert drain(undo_import(project, done)) == ()
    assert np.array_equal(project.labels.read("b.png"), np.where(painted == 2, 2, 0))


def test_images_painted_on_since_stay_as_they_are(project, source):
    done = drain(import_labels(project, wish(look(project, source), painted="replace")))
    labels = project.labels.read("a.png")
    labels[-1, -1] = 1
    project.labels.write("a.png", labels)
    assert drain(undo_import(project, done)) == ("a.png",)
    assert np.array_equal(project.labels.read("a.png"), labels)
    assert np.count_nonzero(project.labels.read("b.png") == 2) == 16


@pytest.mark.cell("import of labels in the window", "stopped early")
def test_an_import_that_is_cancelled_takes_back_what_it_has_written(project, source):
    job = import_labels(project, wish(look(project, source), painted="replace"))
    for _ in job:
        if project.labels.has("a.png"):
            break
    job.close()
    assert not project.labels.has("a.png")
    assert np.count_nonzero(project.labels.read("b.png") == 2) == 16


@pytest.mark.cell("import of labels in the window", "stopped late")
def test_an_import_that_is_stopped_keeps_what_it_has_written(project, source):
    stops = iter([False, True])
    done = drain(
        import_labels(project, wish(look(project, source), painted="replace")),
        should_stop=lambda: next(stops, True),
    )
    assert [one.name for one in done.changes] == ["a.png"]
    drain(undo_import(project, done))
    assert not project.labels.has("a.png")


def test_a_disk_that_fails_leaves_the_labels_as_they_were(project, source, monkeypatch):
    write_before = type(project.labels).write

    def write_once(labels, name, *rest):
        if name == "b.png" and rest[0].any() and not (rest[0] == 2).any():
            raise OutputError("The disk is full.")
        return write_before(labels, name, *rest)

    seen = look(project, source)
    monkeypatch.setattr(type(project.labels), "write", write_once)
    with pytest.raises(OutputError, match="full"):
        drain(import_labels(project, wish(seen, painted="replace")))
    assert not project.labels.has("a.png")
    assert np.count_nonzero(project.labels.read("b.png") == 2) == 16


def fails_on(monkeypatch, project, name):
    """Let the disk be full when an image's labels are about to be replaced."""
    write_before = type(project.labels).write

    def write_or_fail(labels, written, *rest):
        if written == name:
            raise OutputError("The disk is full.")
        return write_before(labels, written, *rest)

    monkeypatch.setattr(type(project.labels), "write", write_or_fail)


@pytest.mark.cell("import of labels in the window", "full disk")
def test_after_an_import_that_fails_the_former_one_can_still_be_undone(
    project, source, tmp_path, monkeypatch
):
    strokes = project.labels.read("b.png")
    done = drain(import_labels(project, wish(look(project, source), painted="replace")))
    kept, imported = copies(project), files(project)
    shapes = [labelme_shape("ferrite", [[20, 20], [29, 20], [29, 29]])]
    for name in ("a.png", "b.png"):
        write(tmp_path / "second" / f"{name}.json", labelme(shapes, name))
    again = wish(look(project, tmp_path / "second"), painted="replace")
    with monkeypatch.context() as full:
        fails_on(full, project, "b.png")
        with pytest.raises(OutputError, match="full"):
            drain(import_labels(project, again))
    assert copies(project) == kept
    assert {path: raw for path, raw in files(project).items() if path.parts[0] == "labels"} == {
        path: raw for path, raw in imported.items() if path.parts[0] == "labels"
    }
    assert drain(undo_import(project, done)) == ()
    assert np.array_equal(project.labels.read("b.png"), strokes)


def test_copies_of_the_former_import_go_when_the_next_has_succeeded(project, source):
    drain(import_labels(project, wish(look(project, source), painted="replace")))
    imported = project.labels.read("b.png")
    other = {"Ferrite": "martensite"}
    done = drain(
        import_labels(project, wish(look(project, source), classes=other, painted="replace"))
    )
    assert {*copies(project)} == {"2/a.png", "2/b.png"}
    drain(undo_import(project, done))
    assert np.array_equal(project.labels.read("b.png"), imported)


def test_copies_stay_while_another_window_may_undo_its_import(project, source):
    strokes = project.labels.read("b.png")
    done = drain(import_labels(project, wish(look(project, source), painted="replace")))
    project.presence.enter()
    other = Project(project.folder)
    chosen = wish(look(other, source), classes={"Ferrite": "martensite"}, painted="fill")
    only = replace(chosen.outlook, images=chosen.outlook.images[:1])
    drain(import_labels(other, replace(chosen, outlook=only, painted="replace")))
    drain(undo_import(project, done))
    assert np.array_equal(project.labels.read("b.png"), strokes)
    project.presence.leave()
    drain(import_labels(other, wish(look(other, source), painted="replace")))
    assert {path.split("/")[0] for path in copies(project)} == {"3"}


def test_an_import_that_changes_nothing_leaves_the_copies_of_the_former_one(project, source):
    drain(import_labels(project, wish(look(project, source), painted="replace")))
    kept = copies(project)
    nothing = drain(import_labels(project, wish(look(project, source))))
    assert nothing.changes == ()
    assert copies(project) == kept
    assert sorted(path.name for path in (project.own / BACKUP).iterdir()) == ["1"]


def test_copies_stay_where_labels_could_not_be_brought_back(project, tmp_path, monkeypatch):
    strokes = project.labels.read("b.png")
    taken = iter([True, False])  # the first image is written, then the disk is full for good
    write_before = type(project.labels).write

    def write_once(*given):
        if next(taken, False):
            return write_before(*given)
        raise OutputError("The disk is full.")

    shapes = [labelme_shape("ferrite", [[0, 0], [9, 0], [9, 9]])]
    for name in ("b.png", "c.png"):
        write(tmp_path / "second" / f"{name}.json", labelme(shapes, name))
    chosen = wish(look(project, tmp_path / "second"), painted="replace")
    monkeypatch.setattr(type(project.labels), "write", write_once)
    with pytest.raises(OutputError, match="full"):
        drain(import_labels(project, chosen))
    assert np.array_equal(read_labels(project.own / BACKUP / "1" / "b.png"), strokes)


KILLED = """
import os, signal, sys
from pathlib import Path
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.tasks.label_import.importing import ImportWish, import_labels
from napari_matssl.tasks.label_import.outlook import look_at_labels

project = Project(Path(sys.argv[1]))
outlook = drain(look_at_labels(project, [Path(sys.argv[2])]))
job = import_labels(project, ImportWish(outlook, {"Ferrite": "ferrite"}, "replace"))
write = type(project.labels).write
def killing(labels, name, *rest):
    saved = write(labels, name, *rest)
    if name == "b.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return saved
type(project.labels).write = killing
drain(job)
"""


@pytest.mark.cell("import of labels in the window", "killed")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals of POSIX")
def test_an_import_that_is_killed_leaves_the_strokes_as_they_were_in_copies(project, source):
    strokes = project.labels.read("b.png")
    drain(import_labels(project, wish(look(project, source), painted="replace")))
    former, imported = copies(project), project.labels.read("b.png")
    command = [sys.executable, "-c", KILLED, str(project.folder), str(source)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    kept = copies(project)
    assert np.array_equal(read_labels(project.own / BACKUP / "1" / "b.png"), strokes)
    assert np.array_equal(read_labels(project.own / BACKUP / "2" / "b.png"), imported)
    assert former.items() < kept.items()
    opened = Project(project.folder)
    drain(import_labels(opened, wish(look(opened, source), painted="replace")))
    assert {path.split("/")[0] for path in copies(opened)} == {"3"}


def test_classes_go_where_the_user_sends_them_or_nowhere(project, source):
    chosen = wish(look(project, source), classes={"Ferrite": "martensite"}, painted="replace")
    done = drain(import_labels(project, chosen))
    assert done.new_classes == ()
    assert {*np.unique(project.labels.read("b.png"))} == {0, 2}


def test_a_name_that_cannot_be_is_refused_before_anything_is_written(project, source):
    before = files(project)
    chosen = wish(look(project, source), classes={"Ferrite": "fer\u2028rite"})
    with pytest.raises(InputError, match="no name of a class"):
        drain(import_labels(project, chosen))
    assert files(project) == before


def test_annotations_of_another_size_are_named_beforehand(project, tmp_path):
    folder = tmp_path / "theirs"
    shapes = [labelme_shape("ferrite", [[0, 0], [9, 0], [9, 9]])]
    write(folder / "a.json", labelme(shapes, size=(96, 80)))
    write(folder / "c.json", labelme(shapes, "c.png"))
    seen = look(project, folder)
    assert [one.name for one in seen.images] == ["c.png"]
    assert any("a.png has 48 x 40 pixels" in line for line in seen.problems)
    with pytest.raises(InputError, match="are of 96 x 80"):
        look(project, folder / "a.json")


def colour_masks(folder, **areas):
    """Write masks in red, green and black."""
    folder.mkdir()
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 200, 0]], np.uint8)
    for name, codes in areas.items():
        Image.fromarray(colours[codes]).save(folder / f"{name}_mask.png")
    return folder


def test_each_colour_of_masks_is_asked_for_unless_a_class_has_it(project, tmp_path):
    codes = np.zeros(SHAPE, np.uint8)
    codes[:10], codes[20:] = 1, 2
    folder = colour_masks(tmp_path / "masks", a=codes, c=codes)
    seen = look(project, folder)
    found = {one.name: one.suggested for one in seen.classes}
    assert found == {"#000000": "", "#00c800": None, "#ff0000": "ferrite"}
    assert sum(one.share for one in seen.classes) == pytest.approx(1)
    done = drain(
        import_labels(project, wish(seen, classes={"#ff0000": "ferrite", "#00c800": "pore"}))
    )
    assert done.new_classes == ("pore",)
    pore = project.classes.table.classes[-1]
    assert pore.colour == "#00c800"
    assert np.array_equal(project.labels.read("c.png"), np.array([0, 1, pore.id])[codes])


def test_smoothed_masks_are_refused(project, tmp_path):
    y, x = np.mgrid[:480, :480]
    codes = np.zeros((480, 480), np.uint8)
    for number, (row, column) in enumerate(((120, 130), (300, 150), (180, 330), (340, 340))):
        codes[(y - row) ** 2 + (x - column) ** 2 < 70**2] = 1 + number % 2
    folder = colour_masks(tmp_path / "masks", a=codes)
    picture = Image.open(folder / "a_mask.png")
    picture.resize(SIZE, Image.Resampling.BOX).save(folder / "a_mask.png")
    with pytest.raises(InputError, match="without smoothed edges"):
        look(project, folder)


def test_values_are_named_by_the_class_table_beside_masks(project, tmp_path):
    folder = tmp_path / "ilastik"
    folder.mkdir()
    codes = np.zeros(SHAPE, np.uint8)
    codes[:10], codes[20:] = 1, 2
    Image.fromarray(codes).save(folder / "a_Simple Segmentation.png")
    found = {one.name: one.suggested for one in look(project, folder).classes}
    assert found == {"value 0": "", "value 1": None, "value 2": None}
    write(folder / "classes.json", {"1": "Martensite", "2": "slag"})
    found = {one.name: one.suggested for one in look(project, folder).classes}
    assert found == {"value 0": "", "value 1": "martensite", "value 2": "slag"}


@pytest.mark.parametrize("colours", [("#00a0ff", "#ff0000"), ("#123456", "#123456")])
def test_labels_of_another_project_go_by_ids_whatever_their_colours(project, tmp_path, colours):
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "a.png").write_bytes(project.images.path("a.png").read_bytes())
    CLASSES.write(folder / "classes.json")
    other, painted = Project(folder), np.zeros(SHAPE, np.uint8)
    painted[:10], painted[20:25] = 1, 2
    other.labels.write("a.png", painted)
    for one, colour in zip((1, 2), colours, strict=True):
        other.classes.recolour(one, colour)
    overlay = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), dtype=np.uint8)
    Image.fromarray(overlay).save(other.labels.folder / "a_overlay.png")
    seen = look(project, other.labels.folder)
    drain(import_labels(project, wish(seen)))
    assert np.array_equal(project.labels.read("a.png"), painted)


def test_a_palette_that_contradicts_ids_goes_by_its_colours(project, tmp_path):
    ids = np.zeros(SHAPE, np.uint8)
    ids[:10] = 1
    folder = tmp_path / "masks"
    folder.mkdir()
    CLASSES.write(folder / "classes.json")
    image = Image.fromarray(ids)
    image.putpalette([255, 0, 0, 0, 0, 0])  # red is 0, black is 1
    image.save(folder / "a_mask.png")
    drain(import_labels(project, wish(look(project, folder))))
    assert np.array_equal(project.labels.read("a.png"), np.where(ids == 0, 1, 0))


def test_masks_between_annotation_files_are_not_guessed_at(project, source, tmp_path):
    codes = np.zeros(SHAPE, np.uint8)
    codes[:10] = 1
    folder = colour_masks(tmp_path / "masks", a=codes)
    with pytest.raises(InputError, match="one after the other"):
        look(project, folder / "a_mask.png", source)
    (source.parent / "a.png").write_bytes((folder / "a_mask.png").read_bytes())
    assert look(project, source.parent).found.programs == ("COCO",)  # pictures beside are others


def test_shapes_without_classes_are_of_one(project, tmp_path):
    numbers = np.zeros(SHAPE, np.uint16)
    numbers[:5, :5], numbers[20:30, 20:30] = 1, 2
    folder = tmp_path / "cellpose"
    folder.mkdir()
    Image.fromarray(numbers).save(folder / "a_cp_masks.png")
    seen = look(project, folder)
    assert seen.told_by == "one"
    assert [(one.name, one.suggested) for one in seen.classes] == [("all shapes", None)]
    drain(import_labels(project, wish(seen, classes={"all shapes": "ferrite"})))
    assert np.array_equal(project.labels.read("a.png"), (numbers > 0).astype(np.uint8))


def test_a_mask_of_any_name_may_be_of_the_image_that_is_named(project, tmp_path):
    codes = np.zeros(SHAPE, np.uint8)
    codes[:10] = 1
    folder = colour_masks(tmp_path / "masks", anything=codes)
    with pytest.raises(InputError, match="No annotation belongs") as found:
        look(project, folder)
    assert found.value.settings == "images"
    seen = look(project, folder, only="c.png")
    assert [one.name for one in seen.images] == ["c.png"]


def test_reading_can_be_stopped(project, source):
    job = look_at_labels(project, [source])
    next(job)
    with pytest.raises(StoppedError):
        job.send(Control.STOP)


def test_rois_of_a_stack_go_to_the_page_that_is_chosen(project, tmp_path):
    roifile = pytest.importorskip("roifile")
    pixels = np.random.default_rng(0).integers(0, 255, (6, *SHAPE), dtype=np.uint8)
    sizes = {"axes": "TZYX"}
    tifffile.imwrite(
        project.folder / "c.tif", pixels.reshape(2, 3, *SHAPE), imagej=True, metadata=sizes
    )
    (project.folder / "c.png").unlink()
    opened = Project(project.folder)
    opened.micrographs.set_page("c.tif", 5)  # the second slice of the second frame
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as file:
        for number, (z, t) in enumerate([(2, 2), (2, 1), (3, 2), (2, 0)]):
            left = 10 * number
            corners = np.array([[left, 0], [left + 5, 0], [left + 5, 5], [left, 5]])
            roi = roifile.ImagejRoi.frompoints(corners, name=f"pore-{number}")
            roi.c_position, roi.z_position, roi.t_position = 1, z, t
            file.writestr(f"{number}.roi", roi.tobytes())
    seen = look(opened, tmp_path / "c.zip")
    assert [(one.name, one.shapes) for one in seen.images] == [("c.tif", 2)]
    others = "channel 1 slice 2 frame 1, channel 1 slice 3 frame 2"
    assert f"c.tif: page 5 counts, 2 ROIs are left out: {others}." in seen.problems
    drain(import_labels(opened, wish(seen)))
    labels = opened.labels.read("c.tif", 5)
    assert [n for n in range(4) if labels[2, 10 * n + 2]] == [0, 3]
