"""Files of other programs, small ones as these write them."""

import json

import numpy as np
import pytest
from annotated import (
    SIZE,
    coco,
    cvat,
    labelme,
    labelme_mask,
    labelme_shape,
    supervisely,
    supervisely_bitmap,
    supervisely_points,
    write,
)
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.labels.exchange.drawing import draw
from napari_matssl.labels.exchange.recognising import Reading, read_annotation_file

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def read(path, content, reading=None):
    return read_annotation_file(write(path, content), reading or Reading())


def ids_of(file, number=0):
    """Draw an image of a file; classes are numbered in the order of the file."""
    ids = {one.name: n for n, one in enumerate(file.classes, 1)}
    return draw(file.images[number].annotations, ids, SIZE[1], SIZE[0], 1.0).ids


def expected(**places):
    """Make a label image: each class with its value and the slices of its box."""
    ids = np.zeros(SIZE[::-1], np.uint8)
    for value, (left, top, right, bottom) in enumerate(places.values(), 1):
        ids[top:bottom, left:right] = value
    return ids


def square(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def test_labelme_polygons_and_rectangles(tmp_path):
    shapes = [
        labelme_shape("ferrite", square(2.0, 3.0, 12.0, 9.0)),
        labelme_shape("pore", [[20.0, 30.0], [15.0, 25.0]], "rectangle"),
    ]
    file = read(tmp_path / "a.json", labelme(shapes, "..\\images\\a.png"))
    assert (file.program, file.images[0].size) == ("LabelMe", SIZE)
    assert np.array_equal(ids_of(file), expected(ferrite=(2, 3, 12, 9), pore=(15, 25, 20, 30)))


def test_labelme_masks_lie_from_their_first_to_their_last_pixel(tmp_path):
    ids = ids_of(read(tmp_path / "a.json", labelme([labelme_mask("pore", 5, 7, CROSS)])))
    assert np.array_equal(ids[7:10, 5:8], CROSS)
    assert ids.sum() == 5


@pytest.mark.parametrize(
    ("kind", "points", "pixels"),
    [
        ("circle", [[20.0, 20.0], [23.0, 24.0]], 80),  # pi * 25 is 78.5
        ("line", [[10.5, 5.5], [20.5, 5.5]], 11),
        ("linestrip", [[10.5, 5.5], [20.5, 5.5], [20.5, 15.5]], 21),
        ("point", [[10.5, 5.5]], 1),
        ("points", [[10.5, 5.5], [30.5, 5.5]], 2),
    ],
)
def test_labelme_other_shapes(tmp_path, kind, points, pixels):
    file = read(tmp_path / "a.json", labelme([labelme_shape("pore", points, kind)]))
    assert ids_of(file).sum() == pixels


def test_labelme_shapes_of_unknown_types_are_passed_over_with_a_line(tmp_path):
    shapes = [labelme_shape("a", [[1, 1]], "cuboid"), labelme_shape("b", square(1, 1, 3, 3))]
    file = read(tmp_path / "a.json", labelme(shapes))
    assert file.remarks == ("a.json: shapes that are no areas are passed over: cuboid.",)
    assert ids_of(file).sum() == 4


def test_coco_polygons_of_several_parts(tmp_path):
    parts = [[2, 3, 6, 3, 6, 9, 2, 9], [20, 3, 26, 3, 26, 9, 20, 9]]
    file = read(tmp_path / "instances.json", coco([(parts, 2, 1)]))
    assert [(one.name, one.id) for one in file.classes] == [("ferrite", 1), ("martensite", 2)]
    ids = ids_of(file)
    assert ids.sum() == 2 * (24 + 36)
    assert ids[5, 22] == ids[5, 3] == 2


def test_coco_run_lengths(tmp_path):
    plain = {"size": [40, 48], "counts": [0, 80, 1840]}
    # As pycocotools writes two columns of pixels: 0, 80 and 1840 in digits of 5 bits.
    packed = {"size": [40, 48], "counts": "0`2`i1"}
    for one in (plain, packed):
        file = read(tmp_path / "a.json", coco([(one, 1, 1)]))
        assert np.array_equal(ids_of(file), expected(ferrite=(0, 0, 2, 40)))


def test_a_broken_annotation_of_coco_leaves_out_its_image_alone(tmp_path):
    content = coco([([[2, 3, 6]], 1, 2), ([[2, 3, 6, 3, 6, 9]], 1, 1)], images=("a.png", "b.png"))
    file = read(tmp_path / "a.json", content)
    assert [one.name for one in file.images] == ["a.png"]
    assert [one.name for one in file.skipped] == ["b.png"]
    assert "annotation 1: a polygon has an odd number" in file.skipped[0].reason


def test_coco_boxes_without_an_area_are_told(tmp_path):
    file = read(tmp_path / "a.json", coco([([], 1, 1)]))
    assert file.remarks == ("a.json: 1 annotations have a box or points alone, and no area.",)


def test_cvat_shapes_by_their_order(tmp_path):
    shapes = (
        '<polygon label="martensite" source="manual" occluded="0" '
        'points="2.00,3.00;12.00,3.00;12.00,9.00;2.00,9.00" z_order="1"></polygon>'
        '<box label="ferrite" source="manual" occluded="0" xtl="0.00" ytl="0.00" xbr="20.00" '
        'ybr="20.00" z_order="0"><attribute name="x">y</attribute></box>'
        '<mask label="martensite" occluded="0" rle="1, 1, 1, 3, 1, 1, 1" left="30" top="30" '
        'width="3" height="3" z_order="0"></mask>'
    )
    file = read(tmp_path / "annotations.xml", cvat([shapes]))
    assert file.images[0].size == SIZE
    assert [(one.name, one.colour) for one in file.classes] == [
        ("ferrite", "#00ff00"),
        ("martensite", "#01ff00"),
    ]
    ids = ids_of(file)
    assert (ids[5, 5], ids[15, 15], ids[5, 15]) == (2, 1, 1)
    assert np.array_equal(ids[30:33, 30:33], 2 * CROSS)


def test_cvat_turns_boxes_clockwise(tmp_path):
    box = '<box label="ferrite" xtl="10" ytl="10" xbr="20" ybr="14" rotation="90.00" z_order="0"/>'
    ids = ids_of(read(tmp_path / "a.xml", cvat([box])))
    assert np.array_equal(ids, expected(ferrite=(13, 7, 17, 17)))
    tilted = box.replace("90.00", "45.00")
    ids = ids_of(read(tmp_path / "a.xml", cvat([tilted])))
    assert ids[15, 18] == 1, "the right end goes down"
    assert ids[9, 18] == 0


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [
        ('<ellipse label="ferrite" cx="20" cy="20" rx="10" ry="5" z_order="0"/>', 160),
        ('<polyline label="ferrite" points="10.5,5.5;20.5,5.5" z_order="0"/>', 11),
        ('<points label="ferrite" points="10.5,5.5;20.5,5.5" z_order="0"/>', 2),
    ],
)
def test_cvat_other_shapes(tmp_path, shape, pixels):
    assert ids_of(read(tmp_path / "a.xml", cvat([shape]))).sum() == pixels


def test_a_broken_shape_of_cvat_leaves_out_its_image_alone(tmp_path):
    good = '<box label="ferrite" xtl="1" ytl="1" xbr="3" ybr="3" z_order="0"/>'
    bad = '<box label="ferrite" xtl="1" ytl="1" xbr="nan" ybr="3" z_order="0"/>'
    file = read(tmp_path / "a.xml", cvat([bad, good], ("a.png", "b.png")))
    assert [one.name for one in file.images] == ["b.png"]
    assert "a.png: a box: xbr is nan" in file.skipped[0].reason


BOMB = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;">]>'


@pytest.mark.parametrize("start", [BOMB, "<!DOCTYPE annotations>"])
def test_cvat_with_a_document_type_is_refused(tmp_path, start):
    with pytest.raises(InputError, match="document type"):
        read(tmp_path / "a.xml", cvat([""], start=start))
    encoded = tmp_path / "b.xml"
    encoded.write_bytes(cvat([""], start=start).replace("utf-8", "utf-16").encode("utf-16"))
    with pytest.raises(InputError):
        read_annotation_file(encoded, Reading())


def test_supervisely_takes_whole_coordinates_for_pixels(tmp_path):
    objects = [
        ("ferrite", supervisely_points("rectangle", [[2, 3], [11, 8]])),
        ("pore", supervisely_points("rectangle", [[20.0, 30.5], [30.0, 35.5]])),
    ]
    file = read(tmp_path / "a.png.json", supervisely(objects))
    assert file.images[0].name == "a.png"
    ids = ids_of(file)
    assert np.array_equal(ids == 1, expected(ferrite=(2, 3, 12, 9)) == 1)
    assert (ids == 2).sum() == 10 * 5


def test_supervisely_polygons_have_holes(tmp_path):
    outer, inner = square(2.5, 2.5, 20.5, 20.5), square(5.5, 5.5, 10.5, 10.5)
    file = read(
        tmp_path / "a.png.json",
        supervisely([("pore", supervisely_points("polygon", outer, [inner]))]),
    )
    assert ids_of(file).sum() == 18 * 18 - 25


def test_supervisely_bitmaps(tmp_path):
    file = read(tmp_path / "a.png.json", supervisely([("pore", supervisely_bitmap(5, 7, CROSS))]))
    ids = ids_of(file)
    assert np.array_equal(ids[7:10, 5:8], CROSS)
    assert ids.sum() == 5


def test_supervisely_has_colours_from_the_file_of_its_project(tmp_path):
    write(
        tmp_path / "meta.json",
        {"classes": [{"title": "pore", "color": "#AA0000"}, {"title": "b", "color": "#00ff00"}]},
    )
    objects = [("b", supervisely_points("rectangle", [[2, 3], [11, 8]]))] * 2
    objects.append(("pore", supervisely_points("point", [[2, 3]])))
    file = read(tmp_path / "set" / "ann" / "a.png.json", supervisely(objects))
    assert [(one.name, one.colour) for one in file.classes] == [
        ("pore", "#aa0000"),
        ("b", "#00ff00"),
    ]


GOOD = labelme([labelme_shape("pore", square(1, 1, 3, 3))])


def changed(**fields):
    return {**GOOD, **fields}


def of_points(points, kind="polygon", **other):
    return changed(shapes=[labelme_shape("pore", points, kind, **other)])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "readable JSON"),
        ("[1, 2]", "no annotations of a program"),
        ({"a": 1}, "no annotations of a program"),
        (changed(shapes=5), "shapes is no list"),
        (changed(shapes=[5]), "shape 1 is no object"),
        (changed(imageWidth=-3), "it claims -3 x 40 pixels"),
        (changed(imageWidth=10**9), "width is 1e"),
        (changed(imagePath=""), "imagePath is missing"),
        (of_points([[1, 1], [2, 2]]), "shape 1: a shape has 2 points"),
        (of_points([[1, 1], [2, 2], [3]]), "no pair"),
        (of_points([[1, 1], [2, 2], [3, "x"]]), "no number"),
        (of_points([[1, 1], [2, 2], [3, True]]), "no number"),
        (of_points([[1, 1], [2, 2], [3, 1e300]]), "far from any image"),
        (json.dumps(of_points(square(1, 1, 3, 3))).replace("[3, 3]", "[3, NaN]"), "far from"),
        (json.dumps(of_points(square(1, 1, 3, 3))).replace("[3, 3]", "[3, 1e999]"), "far from"),
        (of_points([[1, 1], [3, 3]], "mask", mask="?"), "not in base64"),
        (of_points([[1, 1], [3, 3]], "mask", mask=None), "mask is missing"),
        (changed(shapes=[labelme_shape("", square(1, 1, 3, 3))]), "the label is missing"),
        (changed(shapes=[labelme_shape("a" * 101, square(1, 1, 3, 3))]), "101 characters"),
        (changed(shapes=[labelme_shape("a\nb", square(1, 1, 3, 3))]), "line break"),
        ("[" * 100_000, "nested too deeply"),
        (coco([([[1, 1, 2, 2, 3, 3]], 1, 9)]), "is of image 9, not listed"),
        (coco([], categories=()), "categories"),
        ("<svg></svg>", "no file of CVAT"),
        ("<annotations><track/></annotations>", "CVAT for video"),
        ("<annotations>", "no sound XML"),
        ('<?xml version="1.0" encoding="utf0"?><annotations/>', "encoding can't be read"),
        ('<?xml version="1.0" encoding="shift_jis"?><annotations/>', "encoding can't be read"),
        ("<annotations>" + "<a>" * 50, "nested too deeply"),
    ],
)  # fmt: skip
def test_files_that_are_not_as_they_should_be_give_one_line(tmp_path, content, words):
    if isinstance(content, dict) and content.get("categories") == []:
        del content["categories"]
    path = write(tmp_path / "a.json", content)
    with pytest.raises(InputError) as found:
        read_annotation_file(path, Reading())
    assert str(path) in str(found.value)
    assert words in str(found.value)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\x93NUMPY\x01\x00", "no readable dict of NumPy arrays"),
        (b"PK\x03\x04broken", "damaged archive"),
        (b"", "readable JSON"),
    ],
)
def test_other_files_give_one_line(tmp_path, raw, words):
    path = tmp_path / "a_seg.npy"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=words):
        read_annotation_file(path, Reading())


def test_numbered_masks_of_cellpose_are_of_the_class_that_is_named(tmp_path):
    numbers = np.zeros(SIZE[::-1], np.uint16)
    numbers[2:5, 3:9], numbers[20:22, 30:40] = 1, 300
    path = tmp_path / "a_cp_masks.png"
    Image.fromarray(numbers).save(path)
    file = read_annotation_file(path, Reading("grain"))
    assert (file.images[0].name, file.images[0].size) == ("a", SIZE)
    assert np.array_equal(ids_of(file) == 1, numbers > 0)
    with pytest.raises(InputError, match="have no classes") as found:
        read_annotation_file(path, Reading())
    assert found.value.settings == "class"


NUMBERS = np.zeros(SIZE[::-1], np.uint16)
NUMBERS[2:5, 3:9], NUMBERS[20:22, 30:40] = 1, 300


def saved_by_cellpose(path, masks=NUMBERS, **other):
    """Save what cellpose saves beside an image: all that it knows of it, as a pickled dict."""
    colours = np.random.default_rng(0).integers(0, 255, (300, 3), dtype=np.uint8)
    flows = [np.zeros((*SIZE[::-1], 3), np.uint8), np.zeros(SIZE[::-1], np.float32), [0, None]]
    known = {
        "outlines": NUMBERS * (NUMBERS % 2),
        "colors": colours,
        "masks": masks,
        "chan_choose": [0, 0],
        "ismanual": np.zeros(300, bool),
        "filename": "a.tif",
        "flows": flows,
        "diameter": np.float64(30),
        "est_diam": np.nan,
        "manual_changes": [],
        "normalize_params": {"percentile": [1.0, 99.0], "normalize": True},
        **other,
    }
    np.save(path, known)
    return path


@pytest.mark.parametrize(
    "masks", [NUMBERS, NUMBERS.astype(">u4"), np.asfortranarray(NUMBERS[None])]
)
def test_what_cellpose_saves_beside_an_image_is_of_the_class_that_is_named(tmp_path, masks):
    path = saved_by_cellpose(tmp_path / "a_seg.npy", masks)
    file = read_annotation_file(path, Reading("grain"))
    assert (file.images[0].name, file.images[0].size) == ("a", SIZE)
    assert np.array_equal(ids_of(file) == 1, NUMBERS > 0)
    with pytest.raises(InputError, match="have no classes") as found:
        read_annotation_file(path, Reading())
    assert found.value.settings == "class"


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("place", ["masks", "other"])
def test_nothing_in_a_file_of_cellpose_is_run(tmp_path, place):
    trace = tmp_path / "trace"
    path = saved_by_cellpose(tmp_path / "a_seg.npy", **{place: Runs(trace)})
    with pytest.raises(InputError, match=r"a_seg\.npy is no readable dict.*it names .*open"):
        read_annotation_file(path, Reading("grain"))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        (np.zeros((3, 4, 5), np.uint8), "masks of a stack, 3 x 4 x 5"),
        (np.array([[None]]), "isn't one of plain numbers"),
        ("none", "holds no masks"),
    ],
)
def test_masks_of_cellpose_that_are_none_give_one_line(tmp_path, masks, words):
    path = tmp_path / "a_seg.npy"
    np.save(path, {"masks": masks})
    with pytest.raises(InputError, match=words):
        read_annotation_file(path, Reading("grain"))


def test_a_cut_file_of_cellpose_and_a_plain_array_are_refused(tmp_path):
    path = saved_by_cellpose(tmp_path / "a_seg.npy")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match="no readable dict"):
        read_annotation_file(path, Reading("grain"))
    np.save(path, NUMBERS)
    with pytest.raises(InputError, match="it is one array"):
        read_annotation_file(path, Reading("grain"))
