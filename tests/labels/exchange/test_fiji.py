"""ROIs of ImageJ and Fiji, made by the package roifile."""

import zipfile

import numpy as np
import pytest

from napari_matssl.errors import InputError
from napari_matssl.labels.exchange.drawing import draw
from napari_matssl.labels.exchange.recognising import Reading, read_annotation_file
from napari_matssl.labels.exchange.shapes import StackPosition

roifile = pytest.importorskip("roifile")

TYPES = roifile.ROI_TYPE


def polygon(points, name="pore-1", **other):
    roi = roifile.ImagejRoi.frompoints(np.array(points), name=name)
    for field, value in other.items():
        setattr(roi, field, value)
    return roi


def upright(kind, left, top, right, bottom, name="pore-1", **other):
    fields = {"left": left, "top": top, "right": right, "bottom": bottom}
    return roifile.ImagejRoi(roitype=kind, name=name, **fields, **other)


SQUARE = [[2, 3], [12, 3], [12, 9], [2, 9]]


def archive(path, *rois):
    with zipfile.ZipFile(path, "w") as file:
        for number, roi in enumerate(rois):
            file.writestr(f"{roi.name or number}.roi", roi.tobytes())
    return path


def ids_of(file):
    ids = {one.name: n for n, one in enumerate(file.classes, 1)}
    return draw(file.images[0].annotations, ids, 40, 48, 1.0).ids


def test_areas_of_a_zip_belong_to_the_image_of_its_stem(tmp_path):
    rois = [
        polygon(SQUARE),
        upright(TYPES.RECT, 20, 20, 25, 30, "ferrite-1"),
        upright(TYPES.OVAL, 30, 0, 40, 10, "ferrite-2"),
    ]
    file = read_annotation_file(archive(tmp_path / "a.zip", *rois), Reading())
    assert (file.program, file.images[0].name) == ("Fiji", "a")
    assert [one.name for one in file.classes] == ["ferrite", "pore"]
    ids = ids_of(file)
    assert ids[3:9, 2:12].all()
    assert (ids == 2).sum() == 60
    assert ids[20:30, 20:25].all()
    y, x = np.mgrid[:40, :48] + 0.5
    assert np.array_equal(ids[:12, 28:] == 1, (np.hypot(x - 35, y - 5) < 5)[:12, 28:])


def test_a_single_roi_is_a_file_of_its_own(tmp_path):
    path = tmp_path / "a.roi"
    path.write_bytes(polygon(SQUARE).tobytes())
    assert ids_of(read_annotation_file(path, Reading())).sum() == 60


def test_composite_rois_have_holes(tmp_path):
    outer, inner = [[0, 2, 2], [1, 22, 2], [1, 22, 22], [1, 2, 22]], [[0, 5, 5], [1, 10, 5]]
    inner += [[1, 10, 10], [1, 5, 10]]
    path = np.array([*outer, [4], *inner, [4]], dtype=object)
    flat = np.array([number for part in path for number in part], dtype=np.float32)
    roi = upright(TYPES.RECT, 2, 2, 22, 22, multi_coordinates=flat, shape_roi_size=flat.size)
    file = read_annotation_file(archive(tmp_path / "a.zip", roi), Reading())
    assert ids_of(file).sum() == 400 - 25


def test_lines_keep_their_width_and_points_are_dots(tmp_path):
    line = roifile.ImagejRoi(
        roitype=TYPES.LINE, name="crack-1", x1=10, y1=5, x2=20, y2=5, stroke_width=3
    )
    file = read_annotation_file(archive(tmp_path / "a.zip", line), Reading())
    assert file.images[0].annotations[0].shape.width == 3
    points = polygon([[3, 3], [9, 9]], roitype=TYPES.POINT)
    file = read_annotation_file(archive(tmp_path / "b.zip", points), Reading())
    assert len(file.images[0].annotations) == 2


def between(kind, start, end, **other):
    """Make a straight line, or one of two points of another kind."""
    if kind is TYPES.LINE:
        (x1, y1), (x2, y2) = start, end
        return roifile.ImagejRoi(
            roitype=kind, name="crack-1", x1=x1, y1=y1, x2=x2, y2=y2, stroke_width=1, **other
        )
    return polygon([start, end], "crack-1", roitype=kind, stroke_width=1, **other)


@pytest.mark.parametrize("kind", [TYPES.LINE, TYPES.FREELINE, TYPES.POLYLINE])
def test_whole_numbers_of_lines_are_centres_of_pixels(tmp_path, kind):
    line = between(kind, (5, 10), (15, 10))
    ids = ids_of(read_annotation_file(archive(tmp_path / "a.zip", line), Reading()))
    expected = np.zeros_like(ids)
    expected[10, 5:16] = 1
    assert np.array_equal(ids, expected)


@pytest.mark.parametrize("exact", [True, False], ids=["sub-pixel", "whole"])
def test_whole_numbers_of_points_are_centres_of_pixels(tmp_path, exact):
    point = np.array([[10, 10]], np.float32 if exact else np.int32)
    roi = roifile.ImagejRoi.frompoints(point, name="pore-1")
    roi.roitype = TYPES.POINT
    assert roi.subpixelresolution == exact
    file = read_annotation_file(archive(tmp_path / "a.zip", roi), Reading())
    annotations = file.images[0].annotations
    for width in (1, 3):
        ids = draw(annotations, {"pore": 1}, 40, 48, width).ids
        half = width // 2
        expected = np.zeros_like(ids)
        expected[10 - half : 11 + half, 10 - half : 11 + half] = 1
        assert np.array_equal(ids, expected)


def names_of(path, reading):
    file = read_annotation_file(path, reading)
    return [one.name for one in file.images[0].annotations], file.remarks


def test_classes_are_told_by_a_given_name_groups_or_names(tmp_path):
    rois = [polygon(SQUARE, "pore-1", group=2), polygon(SQUARE, "ferrite-1", group=1)]
    path = archive(tmp_path / "a.zip", *rois)
    assert names_of(path, Reading("steel")) == (["steel", "steel"], ())
    by_name, remarks = names_of(path, Reading(roi_classes="name"))
    assert by_name == ["pore", "ferrite"]
    assert remarks == (
        "a.zip: the class of each ROI is what its name has before the first dash: pore, ferrite.",
    )
    by_group, remarks = names_of(path, Reading())
    assert by_group == ["group 2", "group 1"]
    assert remarks == ("a.zip: the class of each ROI is its group: group 2, group 1.",)


def test_names_that_imagej_gave_are_no_classes(tmp_path):
    path = archive(tmp_path / "a.zip", polygon(SQUARE, "0006-0007"), polygon(SQUARE, "pore-1"))
    with pytest.raises(InputError, match="neither groups nor names") as found:
        read_annotation_file(path, Reading())
    assert found.value.settings == "class roi_classes"
    assert names_of(path, Reading("pore"))[0] == ["pore", "pore"]


def test_rois_that_are_no_areas_are_told(tmp_path):
    rois = [polygon(SQUARE, roitype=TYPES.ANGLE), polygon(SQUARE, "pore-2")]
    file = read_annotation_file(archive(tmp_path / "a.zip", *rois), Reading())
    assert file.remarks[0] == "a.zip: 1 ROIs that are no areas are passed over."
    assert ids_of(file).sum() == 60


@pytest.mark.parametrize(("kind", "subtype"), [("RECT", "TEXT"), ("LINE", "ARROW")])
def test_words_and_arrows_are_no_areas(tmp_path, kind, subtype):
    place = {"x1": 5, "y1": 5, "x2": 30, "y2": 5} if kind == "LINE" else {}
    mark = upright(TYPES[kind], 5, 5, 30, 20, "0001-0002", version=228,
                   subtype=roifile.ROI_SUBTYPE[subtype], **place)  # fmt: skip
    rois = archive(tmp_path / "a.zip", mark, polygon(SQUARE))
    file = read_annotation_file(rois, Reading("pore"))
    assert file.remarks[0] == "a.zip: 1 ROIs that are no areas are passed over."
    assert ids_of(file).sum() == 60


def test_a_rectangle_may_lie_between_pixels(tmp_path):
    exact = {"xd": 5.6, "yd": 6.6, "widthd": 4.8, "heightd": 4.8}
    roi = upright(TYPES.RECT, 5, 6, 11, 12, version=228,
                  options=roifile.ROI_OPTIONS.SUB_PIXEL_RESOLUTION, **exact)  # fmt: skip
    ids = ids_of(read_annotation_file(archive(tmp_path / "a.zip", roi), Reading()))
    assert np.array_equal(np.argwhere(ids).min(axis=0), [7, 6])
    assert ids.sum() == 4 * 4


@pytest.mark.parametrize("length", [5, 30, 70])
def test_damaged_rois_give_one_line(tmp_path, length):
    path = tmp_path / "a.roi"
    path.write_bytes(polygon(SQUARE).tobytes()[:length])
    with pytest.raises(InputError, match='the ROI "a" is damaged'):
        read_annotation_file(path, Reading())


def test_an_archive_of_far_more_than_rois_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.roi", b"Iout" + bytes(65 << 20))
    with pytest.raises(InputError, match="more than any set of ROIs"):
        read_annotation_file(path, Reading())


def test_an_archive_without_rois_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("annotations.xml", "<annotations/>")
    with pytest.raises(InputError, match="an archive without ROIs"):
        read_annotation_file(path, Reading())


def places_of(*rois, path):
    file = read_annotation_file(archive(path / "a.zip", *rois), Reading())
    return [one.position for one in file.images[0].annotations]


def test_positions_in_a_stack_are_kept(tmp_path):
    rois = [
        polygon(SQUARE, "pore-1"),
        polygon(SQUARE, "pore-2", position=3),
        polygon(SQUARE, "pore-3", c_position=1, z_position=4, t_position=2),
    ]
    three = StackPosition(channel=1, slice=4, frame=2)
    assert places_of(*rois, path=tmp_path) == [None, StackPosition(3), three]
    assert [str(one) for one in (StackPosition(3), three)] == [
        "page 3",
        "channel 1 slice 4 frame 2",
    ]


def test_each_point_may_lie_on_a_page_of_its_own(tmp_path):
    points = polygon([[3, 3], [9, 9], [15, 15]], roitype=TYPES.POINT, position=2)
    points.counters = np.zeros(3, np.uint8)
    points.counter_positions = np.array([1, 0, 4], np.uint32)
    expected = [StackPosition(1), StackPosition(2), StackPosition(4)]
    assert places_of(points, path=tmp_path) == expected
