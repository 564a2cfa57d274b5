"""Annotations of other programs become label images, and label images annotations."""

import json
import os
import zipfile

import numpy as np
import pytest
import tifffile
from annotated import (
    SIZE,
    coco,
    cvat,
    labelme,
    labelme_shape,
    supervisely,
    supervisely_points,
    write,
)
from PIL import Image
from typer.testing import CliRunner

from napari_matssl.cli import app
from napari_matssl.errors import InputError, OutputError, StoppedError
from napari_matssl.labels.class_table_files import read_named_values
from napari_matssl.labels.exchange.recognising import Reading
from napari_matssl.labels.pairing import pair_by_stem
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.progress import Control, drain
from napari_matssl.project.folder import Project
from napari_matssl.tasks.exchanging.exchange_labels import bring_in_labels


@pytest.fixture
def images(tmp_path):
    """Write three micrographs."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "c.tif"):
        pixels = rng.integers(0, 255, SIZE[::-1], dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def box(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def flat(points):
    return [value for point in points for value in point]


def bring_in(sources, images, out, messages=None, **other):
    job = bring_in_labels(sources, images, out, other.pop("reading", Reading()), **other)
    heard = [] if messages is None else messages
    return drain(job, lambda progress: heard.append(progress.message))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def classes(folder):
    return {one.value: one.name for one in read_named_values(folder / "classes.json").entries}


def test_files_of_several_programs_become_label_images(images, tmp_path):
    source = tmp_path / "annotations"
    write(source / "a.json", labelme([labelme_shape("ferrite", box(0, 0, 10, 10))]))
    shape = '<box label="pore" xtl="5" ytl="5" xbr="9" ybr="9" z_order="0"/>'
    write(source / "b.xml", cvat([shape], ["sub/b.png"], ["ferrite", "pore"]))
    objects = [("pore", supervisely_points("rectangle", [[0, 0], [3, 3]]))]
    write(source / "c.tif.json", supervisely(objects))
    messages = []
    made = bring_in([source], images, tmp_path / "out", messages)
    out = tmp_path / "out"
    assert names(out) == ["a.png", "b.png", "c.png", "classes.json"]
    assert classes(out) == {1: "ferrite", 2: "pore"}
    assert made.programs == ("CVAT", "LabelMe", "Supervisely")
    assert [int(read_labels(path).sum()) for path in made.written] == [100, 2 * 16, 2 * 16]
    assert not any(messages)
    assert not made.skipped


def test_what_has_no_partner_is_named(images, tmp_path):
    source = write(
        tmp_path / "a.json",
        coco([([[0, 0, 9, 0, 9, 9]], 1, 1), ([[0, 0, 9, 0, 9, 9]], 1, 2)],
             images=("a.jpg", "gone.png")),
    )  # fmt: skip
    messages = []
    made = bring_in([source], images, tmp_path / "out", messages)
    assert [path.name for path in made.written] == ["a.png"], "matched by its stem"
    assert "1 annotated image isn't there: gone.png." in messages
    assert "2 of 3 images have no annotation: b.png, c.tif." in messages


def test_the_later_class_counts_and_one_line_tells_how_many_pixels(images, tmp_path):
    shapes = [labelme_shape("a", box(0, 0, 10, 10)), labelme_shape("b", box(5, 5, 15, 15))]
    source = write(tmp_path / "a.json", labelme(shapes))
    messages = []
    made = bring_in([source], images, tmp_path / "out", messages)
    line = "25 pixels lie in two classes, of which the one drawn later counts: a.png (25)."
    assert line in messages
    assert read_labels(made.written[0])[7, 7] == 2


def test_annotations_of_another_size_are_left_out_with_a_line(images, tmp_path):
    source = tmp_path / "s"
    write(source / "a.json", labelme([labelme_shape("a", box(0, 0, 9, 9))], size=(96, 80)))
    write(source / "b.json", labelme([labelme_shape("a", box(0, 0, 9, 9))], "b.png"))
    made = bring_in([source], images, tmp_path / "out")
    assert names(tmp_path / "out") == ["b.png", "classes.json"]
    assert [one.name for one in made.skipped] == ["a.png"]
    assert "a.png has 48 x 40 pixels" in made.skipped[0].reason
    assert "are of 96 x 80." in made.skipped[0].reason


def test_shapes_outside_of_the_image_are_told(images, tmp_path):
    inside, outside = box(0, 0, 9, 9), box(60, 50, 80, 70)
    source, messages = tmp_path / "s", []
    write(source / "a.json", coco([([flat(one)], 1, 1) for one in (inside, outside)]))
    made = bring_in([source / "a.json"], images, tmp_path / "out", messages)
    assert [path.name for path in made.written] == ["a.png"]
    (line,) = (one for one in messages if "cover" in one)
    assert line.startswith("1 shape covers no pixel of the image")
    assert "a.png (1)" in line


def test_an_image_that_no_shape_lies_in_is_left_out(images, tmp_path):
    outside = flat(box(60, 50, 80, 70))
    source = tmp_path / "a.json"
    write(source, coco([([outside], 1, 1)]))
    with pytest.raises(InputError, match=r"No shape on a\.png covers a pixel.*48 x 40"):
        bring_in([source], images, tmp_path / "out")


def test_masks_of_other_images_are_not_drawn_on_the_only_one(images, tmp_path):
    source, messages = tmp_path / "masks", []
    source.mkdir()
    for number, name in enumerate("abc"):
        codes = np.zeros(SIZE[::-1], np.uint8)
        codes[10 * number : 10 * number + 10] = 1
        Image.fromarray(codes).save(source / f"{name}_mask.png")
    reading = Reading(values=(("ferrite", 1),))
    made = bring_in([source], images / "a.png", tmp_path / "out", messages, reading=reading)
    assert read_labels(made.written[0]).sum() == 10 * SIZE[0]
    assert "2 annotated images aren't there: b, c." in messages


def test_a_broken_file_never_stops_the_rest(images, tmp_path):
    source = tmp_path / "s"
    write(source / "a.json", "{")
    write(source / "b.json", labelme([labelme_shape("a", box(0, 0, 9, 9))], "b.png"))
    huge = [{"size": [40, 48], "counts": [0, 10**9]}, 1, 1]
    write(source / "c.json", coco([huge], images=("c.tif",)))
    made = bring_in([source], images, tmp_path / "out")
    assert names(tmp_path / "out") == ["b.png", "classes.json"]
    assert [one.name for one in made.skipped] == ["a.json", "c.tif"]
    assert "c.json can't be used: a run length is negative or exceeds" in made.skipped[1].reason


def test_classes_have_the_ids_of_a_table_then_of_their_file_then_the_next(images, tmp_path):
    source = tmp_path / "s"
    write(source / "a.json", coco([([[0, 0, 9, 0, 9, 9]], 1, 1)], ("x", "ferrite", "y")))
    write(source / "b.json", labelme([labelme_shape("pore", box(0, 0, 9, 9))], "b.png"))
    table = write(tmp_path / "t.json", {"0": "resin", "2": "pore", "7": "ferrite"})
    bring_in([source], images, tmp_path / "out", classes=table)
    assert classes(tmp_path / "out") == {1: "x", 2: "pore", 3: "y", 4: "resin", 7: "ferrite"}
    assert read_labels(tmp_path / "out" / "a.png").max() == 1


def test_a_second_run_keeps_the_ids_of_the_first(images, tmp_path):
    out = tmp_path / "out"
    first = write(tmp_path / "1.json", labelme([labelme_shape("pore", box(0, 0, 9, 9))]))
    second = write(
        tmp_path / "2.json",
        coco([([[0, 0, 9, 0, 9, 9]], 1, 1)], ("ferrite", "pore"), ("b.png",)),
    )
    bring_in([first], images, out)
    bring_in([second], images, out)
    assert classes(out) == {1: "pore", 2: "ferrite"}
    assert (read_labels(out / "a.png").max(), read_labels(out / "b.png").max()) == (1, 2)


def older(out, table, values):
    """Write a label image with its class table, of which the import knows nothing else."""
    out.mkdir()
    painted = np.zeros(SIZE[::-1], np.uint8)
    for number, value in enumerate(values):
        painted[4 * number : 4 * number + 4] = value
    Image.fromarray(painted).save(out / "b.png")
    write(out / "classes.json", table)
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize(
    ("table", "moved"),
    [
        ({"0": "matrix", "1": "pore"}, "0 matrix"),
        ({"1": "pore", "300": "slag", "0": "unpainted"}, "300 slag"),
        ({"1": "pore", "255": "ignore"}, "255 ignore"),
    ],
)
def test_a_table_whose_classes_would_move_is_refused_and_stays(images, tmp_path, table, moved):
    out = tmp_path / "out"
    before = older(out, table, (1,))
    shapes = [labelme_shape(name, box(0, 0, 9, 9)) for name in ("pore", "ignore")]
    source = write(tmp_path / "a.json", labelme(shapes))
    with pytest.raises(OutputError, match=f"classes.json has {moved}, outside of the values"):
        bring_in([source], images, out, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_table_above_label_images_counts_as_theirs(images, tmp_path):
    out = tmp_path / "project" / "out"
    out.parent.mkdir()
    before = older(out, {"2": "pore"}, (2,))
    (out / "classes.json").rename(out.parent / "classes.json")
    source = write(tmp_path / "a.json", labelme([labelme_shape("slag", box(0, 0, 9, 9))]))
    bring_in([source], images, out)
    assert classes(out) == {1: "slag", 2: "pore"}
    assert (out / "b.png").read_bytes() == before["b.png"]
    (out / "classes.json").unlink()
    write(out.parent / "classes.json", {"0": "matrix", "2": "pore"})
    with pytest.raises(OutputError, match=r"^classes\.json has 0 matrix"):
        bring_in([source], images, out, overwrite=True)
    empty = tmp_path / "project" / "empty"
    bring_in([source], images, empty)
    assert classes(empty) == {1: "slag"}


@pytest.mark.parametrize(
    "table",
    [
        {"1": "pore", "255": "ignore"},
        {"0": "unpainted", "1": "pore", "7": "not analysed", "65535": "ignore"},
        {"1": {"name": "pore", "color": "#112233"}, "9": {"name": "dirt", "exclude": True}},
    ],
)
def test_older_label_images_keep_their_meaning(images, tmp_path, table):
    out = tmp_path / "out"
    before = older(out, table, (1, 255))
    was = read_named_values(out / "classes.json")
    shapes = [labelme_shape(name, box(0, 0, 9, 9)) for name in ("pore", "slag")]
    bring_in([write(tmp_path / "a.json", labelme(shapes))], images, out)
    assert (out / "b.png").read_bytes() == before["b.png"]
    now = read_named_values(out / "classes.json")
    for one in was.entries:
        if one.value:  # 0 is unpainted where it isn't named
            assert now[one.value].name == one.name
            assert now[one.value].exclude == one.exclude
            assert one.colour in (None, now[one.value].colour)
    assert 0 not in now or now[0].is_no_class
    assert len(now.entries) == len([one for one in was.entries if one.value]) + 1


def test_label_images_that_differ_in_case_alone_are_not_mixed(images, tmp_path):
    Image.fromarray(np.zeros(SIZE[::-1], np.uint8)).save(images / "A.tif")
    shapes = [labelme_shape("pore", box(0, 0, 9, 9))]
    for name in ("a.png", "A.tif"):
        write(tmp_path / "s" / f"{name}.json", labelme(shapes, name))
    with pytest.raises(OutputError, match=r"a\.png and A\.tif would both give A\.png"):
        bring_in([tmp_path / "s"], images, tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_label_images_that_are_there_stay_unless_it_is_allowed(images, tmp_path):
    out = tmp_path / "out"
    source = write(tmp_path / "1.json", labelme([labelme_shape("pore", box(0, 0, 9, 9))]))
    out.mkdir()
    (out / "a.png").write_bytes(b"strokes")
    with pytest.raises(OutputError, match=r"a\.png is there already") as found:
        bring_in([source], images, out)
    assert found.value.settings == "overwrite"
    assert names(out) == ["a.png"]
    assert (out / "a.png").read_bytes() == b"strokes"
    bring_in([source], images, out, overwrite=True)
    assert read_labels(out / "a.png").sum() == 81


def test_label_images_may_not_mix_with_images(images, tmp_path):
    source = write(tmp_path / "1.json", labelme([labelme_shape("pore", box(0, 0, 9, 9))]))
    with pytest.raises(OutputError, match="is the folder of the images"):
        bring_in([source], images, images)


def test_two_images_of_one_stem_are_told_apart_by_their_names(images, tmp_path):
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(images / "a.tif")
    shape = [labelme_shape("pore", box(0, 0, 9, 9))]
    one = write(tmp_path / "1.json", labelme(shape, "a.tif"))
    assert len(bring_in([one], images, tmp_path / "out").written) == 1
    either = write(tmp_path / "2.json", labelme(shape, "a.jpg"))
    good = write(tmp_path / "3.json", labelme(shape, "b.png"))
    made = bring_in([either, good], images, tmp_path / "2")
    assert made.skipped[0].reason == "a.jpg may be any of a.png, a.tif."
    both = write(tmp_path / "4.json", labelme(shape, "a.png"))
    with pytest.raises(OutputError, match=r"would both give a\.png"):
        bring_in([one, both], images, tmp_path / "3")


def test_of_images_of_one_name_the_one_in_the_folder_counts(images, tmp_path):
    other, own = [[0, 0, 9, 0, 9, 9]], [[20, 20, 30, 20, 30, 30, 20, 30]]
    names = ("train/a.png", "images/a.png")
    source = write(tmp_path / "a.json", coco([(other, 1, 1), (own, 1, 2)], images=names))
    messages = []
    made = bring_in([source], images, tmp_path / "out", messages)
    assert read_labels(made.written[0]).sum() == 100
    assert "1 annotated image isn't there: train/a.png." in messages


def test_annotations_of_an_image_of_the_same_name_elsewhere_are_not_drawn(images, tmp_path):
    shape = [[0, 0, 9, 0, 9, 9]]
    content = coco([(shape, 1, 1), (shape, 1, 3)], images=("train/a.png", "test/a.png", "b.png"))
    made = bring_in([write(tmp_path / "a.json", content)], images, tmp_path / "out")
    assert [path.name for path in made.written] == ["b.png"]
    assert "a.png may be any of train/a.png, test/a.png" in made.skipped[0].reason


def test_another_suffix_without_annotations_makes_no_doubt(images, tmp_path):
    source = write(
        tmp_path / "a.json", coco([([[0, 0, 9, 0, 9, 9]], 1, 1)], images=("a.png", "a.jpg"))
    )
    assert [path.name for path in bring_in([source], images, tmp_path / "out").written] == ["a.png"]


def test_two_entries_of_one_file_for_one_image_are_not_mixed(images, tmp_path):
    ring = [[0, 0, 9, 0, 9, 9]]
    content = coco(
        [(ring, 1, 1), (ring, 2, 2), (ring, 1, 3)], images=("x/a.png", "y/a.png", "b.png")
    )
    made = bring_in([write(tmp_path / "c.json", content)], images, tmp_path / "out")
    assert names(tmp_path / "out") == ["b.png", "classes.json"]
    assert "a.png may be any of x/a.png, y/a.png" in made.skipped[0].reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (labelme([labelme_shape("a", box(0, 0, 9, 9))], "z.png"), "No annotation belongs to an im"),
        (labelme([]), "no annotations with an area"),
        ({"a": 1}, "no annotations of a program"),
    ],
)
def test_nothing_to_draw_is_an_error(images, tmp_path, content, words):
    source = write(tmp_path / "1.json", content)
    with pytest.raises(InputError, match=words):
        bring_in([source], images, tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_folder_without_annotations_is_an_error(images, tmp_path):
    (tmp_path / "s").mkdir()
    write(tmp_path / "s" / "classes.json", {"1": "a"})
    with pytest.raises(InputError, match="holds no files of annotations"):
        bring_in([tmp_path / "s"], images, tmp_path / "out")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_left_out(images, tmp_path):
    source = tmp_path / "s"
    write(source / "b.json", labelme([labelme_shape("a", box(0, 0, 9, 9))], "b.png"))
    os.mkfifo(source / "a.json")
    made = bring_in([source], images, tmp_path / "out")
    assert "is a pipe" in made.skipped[0].reason


def test_a_job_that_is_stopped_keeps_what_is_done(images, tmp_path):
    source = tmp_path / "s"
    for name in ("a.png", "b.png"):
        shapes = [labelme_shape("a", box(0, 0, 9, 9))]
        write(source / f"{name}.json", labelme(shapes, name))
    out = tmp_path / "out"
    job = bring_in_labels([source], images, out, Reading())
    next(job)
    with pytest.raises(StoppedError, match="nothing was written"):
        job.send(Control.STOP)
    assert names(out) == []
    done = drain(
        bring_in_labels([source], images, out, Reading()),
        should_stop=lambda: (out / "a.png").exists(),
    )
    assert [path.name for path in done.written] == ["a.png"]
    assert names(out) == ["a.png", "classes.json"]


def test_masks_of_cellpose_are_found_in_the_folder_of_the_images(images, tmp_path):
    numbers = np.zeros(SIZE[::-1], np.uint16)
    numbers[2:5, 3:9], numbers[20:22, 30:40] = 1, 300
    Image.fromarray(numbers).save(images / "b_cp_masks.png")
    messages = []
    made = bring_in([images], images, tmp_path / "out", messages, reading=Reading("grain"))
    assert "2 of 3 images have no annotation: a.png, c.tif." in messages
    assert names(tmp_path / "out") == ["b.png", "classes.json"]
    assert read_labels(made.written[0]).sum() == 38


def run(*arguments):
    return CliRunner().invoke(app, ["labels", *map(str, arguments)])


def test_the_command_lists_classes_and_what_was_left_out(images, tmp_path):
    source = tmp_path / "s"
    write(source / "a.json", "{")
    write(source / "b.json", labelme([labelme_shape("pore", box(0, 0, 9, 9))], "b.png"))
    done = run(source, "--images", images, "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "Classes: 1 pore\n" in done.output
    assert "1 of 2 label images in" in done.output
    assert "1 left out:" in done.output
    again = run(source, "--images", images, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "(--overwrite)" in again.output


def test_lines_get_the_width_that_is_given(images, tmp_path):
    shapes = [labelme_shape("crack", [[10.5, 5.5], [20.5, 5.5]], "line")]
    source = write(tmp_path / "1.json", labelme(shapes))
    for width, pixels in ((1, 11), (3, 3 * 11 + 2 * 3)):
        out = tmp_path / str(width)
        assert run(source, "--images", images, "--out", out, "--line-width", width).exit_code == 0
        assert np.count_nonzero(read_labels(out / "a.png")) == pixels


def test_the_label_images_have_the_colours_of_the_table(images, tmp_path):
    source = write(tmp_path / "1.json", labelme([labelme_shape("pore", box(0, 0, 9, 9))]))
    bring_in([source], images, tmp_path / "out")
    with Image.open(tmp_path / "out" / "a.png") as image:
        colour = json.loads((tmp_path / "out" / "classes.json").read_text())["classes"][0]["colour"]
        assert image.getpalette()[3:6] == list(bytes.fromhex(colour[1:]))


def test_masks_of_colours_become_label_images_by_the_colours_that_are_given(images, tmp_path):
    masks, out = tmp_path / "masks", tmp_path / "labels"
    masks.mkdir()
    ids = np.zeros(SIZE[::-1], np.uint8)
    ids[3:20, 5:30], ids[25:35, 5:30] = 1, 2
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    for name in ("a.png", "b_mask.png"):
        Image.fromarray(colours[ids]).save(masks / name)
    given = ["labels", str(masks / "a.png"), "--images", str(images), "--out", str(out)]
    asked = CliRunner().invoke(app, given)
    assert asked.exit_code == 2
    assert "#00ff00" in asked.output
    assert "(--colour)" in asked.output
    given[1] = str(masks)
    done = CliRunner().invoke(
        app, [*given, "--colour", "steel=#ff0000", "--colour", "pore=#00FF00"]
    )
    assert done.exit_code == 0, done.output
    assert names(out) == ["a.png", "b.png", "classes.json"]
    assert np.array_equal(read_labels(out / "b.png"), ids)
    assert classes(out) == {1: "steel", 2: "pore"}


def rois_of_a_stack(path, *positions):
    """Write squares that lie beside each other, on pages of a stack."""
    roifile = pytest.importorskip("roifile")
    with zipfile.ZipFile(path, "w") as file:
        for number, position in enumerate(positions):
            corners = np.array(box(10 * number, 0, 10 * number + 5, 5))
            roi = roifile.ImagejRoi.frompoints(corners, name=f"pore-{number}")
            roi.position = position
            file.writestr(f"{number}.roi", roi.tobytes())
    return path


def drawn_squares(path):
    labels = read_labels(path)
    return [n for n in range(4) if labels[2, 10 * n + 2]]


def test_rois_of_other_channels_are_left_out_with_a_line(images, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (2, *SIZE[::-1]), dtype=np.uint8)
    channels = {"axes": "CYX", "mode": "composite"}
    tifffile.imwrite(images / "c.tif", pixels, imagej=True, metadata=channels)
    source = rois_of_a_stack(tmp_path / "c.zip", 2, 1, 0, 1)
    messages = []
    made = bring_in([source], images, tmp_path / "out", messages)
    assert drawn_squares(made.written[0]) == [1, 2, 3]
    assert "c.tif: page 1 counts, 1 ROI is left out: page 2." in messages


def test_rois_of_several_slices_are_not_drawn_onto_an_image_of_one(images, tmp_path):
    source = rois_of_a_stack(tmp_path / "c.zip", 7, 4, 4)
    messages = []
    made = bring_in([source], images, tmp_path / "out", messages)
    assert drawn_squares(made.written[0]) == [1, 2]
    assert "c.tif: those of page 4 are drawn, 1 ROI is left out: page 7." in messages


def test_rois_that_all_lie_on_other_pages_are_an_error(images, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (2, *SIZE[::-1]), dtype=np.uint8)
    channels = {"axes": "CYX", "mode": "composite"}
    tifffile.imwrite(images / "c.tif", pixels, imagej=True, metadata=channels)
    source = rois_of_a_stack(tmp_path / "c.zip", 2, 2)
    with pytest.raises(InputError, match=r"on a page that counts\. c\.tif: page 1"):
        bring_in([source], images, tmp_path / "out")


def test_rois_of_a_stack_without_a_page_are_left_out_as_the_stack_is(images, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (3, *SIZE[::-1]), dtype=np.uint8)
    tifffile.imwrite(images / "c.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    source = rois_of_a_stack(tmp_path / "c.zip", 2, 3)
    with pytest.raises(InputError, match="is a stack of 3 planes"):
        bring_in([source], images, tmp_path / "out")


def test_of_a_stack_the_page_counts_that_is_chosen_in_its_project(images, tmp_path):
    width, height = SIZE
    tifffile.imwrite(images / "s.tif", np.zeros((3, height, width), np.uint8), photometric=1)
    project = Project(images)
    project.micrographs.set_page("s.tif", 2)
    source = write(tmp_path / "s.json", labelme([labelme_shape("x", box(0, 0, 4, 4))], "s.tif"))
    out = tmp_path / "out"
    bring_in([source], images, out)
    assert names(out) == ["classes.json", "s.page2.png"]
    assert pair_by_stem(images, out).pairs[0].page == 2
