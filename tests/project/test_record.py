"""What is set by hand for images, and the file that keeps it."""

import json
import unicodedata

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.project.folder import Project
from napari_matssl.project.image_summary import survey

SIZE = PixelSize(0.05, 0.06, "measured on the scale bar")


@pytest.fixture
def calibrated(folder, grey):
    """The folder with one more image, whose file has a pixel size."""
    tifffile.imwrite(
        folder / "c.tif", grey(5), imagej=True, resolution=(4, 4), metadata={"unit": "um"}
    )
    return folder


def test_a_pixel_size_set_by_hand_goes_before_the_files_until_it_is_taken_back(calibrated):
    Project(calibrated).micrographs.set_pixel_size("c.tif", SIZE)
    project = Project(calibrated)
    assert project.micrographs.read("c.tif").pixel_size == SIZE
    assert survey(project, "c.tif").pixel_size == SIZE
    assert project.micrographs.read("b.tif").pixel_size is None
    project.micrographs.set_pixel_size("c.tif", None)
    assert Project(calibrated).micrographs.read("c.tif").pixel_size.x_um == pytest.approx(0.25)


def test_one_pixel_size_can_be_set_for_all_and_keeps_what_else_was_set(calibrated):
    project = Project(calibrated)
    project.micrographs.set_info_bar("b.tif", 35)
    project.micrographs.set_pixel_size_of_all(
        PixelSize(np.float32(0.5), np.float32(0.5), "by hand")
    )
    project = Project(calibrated)
    assert [project.micrographs.read(name).pixel_size.x_um for name in project.images.names] == [
        0.5
    ] * 4
    assert project.micrographs.read("b.tif").info_bar.row == 35
    project.micrographs.set_pixel_size_of_all(None)
    assert [project.micrographs.read(name).pixel_size is None for name in project.images.names] == [
        True
    ] * 3 + [False]


@pytest.mark.parametrize("um", [0, -1, float("nan"), float("inf")])
def test_what_is_no_length_is_no_pixel_size(folder, um):
    with pytest.raises(InputError, match="pixel"):
        Project(folder).micrographs.set_pixel_size("b.tif", PixelSize(um, 1, "by hand"))
    assert not (folder / "matssl").exists()


def test_an_info_bar_can_be_set_denied_and_left_to_detection(folder, grey):
    pixels = grey(3, (100, 80))
    pixels[90:] = 0
    pixels[93:97, 10:20:2] = 255
    tifffile.imwrite(folder / "bar.tif", pixels)
    project = Project(folder)
    assert project.micrographs.read("bar.tif").info_bar.row == 90
    for row, expected in ((np.int64(80), 80), (None, None), ("auto", 90)):
        project.micrographs.set_info_bar("bar.tif", row)
        bar = Project(folder).micrographs.read("bar.tif").info_bar
        assert (None if bar is None else bar.row) == expected
    assert json.loads((folder / "matssl" / "project.json").read_text())["images"] == {}


@pytest.mark.parametrize("row", [0, -3, 40, 41])
def test_an_info_bar_is_inside_the_image(folder, row):
    project = Project(folder)
    with pytest.raises(InputError, match=r"b\.tif.* 40 rows"):
        project.micrographs.set_info_bar("b.tif", row)


def test_an_info_bar_outside_an_image_made_smaller_is_remarked_on(folder, grey):
    Project(folder).micrographs.set_info_bar("b.tif", 39)
    tifffile.imwrite(folder / "b.tif", grey(0, (36, 50)))
    project = Project(folder)
    with pytest.raises(InputError, match="row 39") as caught:
        project.micrographs.read("b.tif")
    assert "automatic" in caught.value.remedy
    project.micrographs.set_info_bar("b.tif", "auto")
    assert project.micrographs.read("b.tif").info_bar is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format_version": 1, "images": {"b.tif": {"pixel_size": 3}}}',
        '{"images": {"b.tif": {"pixel_size": {"x_um": 0, "y_um": 1, "source": ""}}}}',
        '{"images": {"b.tif": {"info_bar": "none"}}}',
        '{"class_order": "ab"}',
        '{"colour": 1}',
        '{"format_version": 0}',
    ],
)
def test_a_damaged_record_is_named_with_the_remedy(folder, text):
    path = folder / "matssl" / "project.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InputError, match="damaged") as caught:
        Project(folder)
    assert str(path) in caught.value.what
    assert "Move the file away" in caught.value.remedy
    assert path.read_text() == text


def test_a_record_of_a_newer_version_is_left_alone(folder):
    path = folder / "matssl" / "project.json"
    path.parent.mkdir()
    path.write_text('{"format_version": 2, "regions": []}')
    with pytest.raises(InputError, match="newer version") as caught:
        Project(folder)
    assert str(path) in caught.value.what
    assert "Update" in caught.value.remedy


def test_an_order_with_too_many_and_too_few_classes_does_no_harm(folder):
    path = folder / "matssl" / "project.json"
    path.parent.mkdir()
    path.write_text('{"class_order": [7, 2]}')
    assert [one.id for one in Project(folder).classes.in_order] == [2, 1]


@pytest.mark.parametrize(("before", "after"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_copying_may_change_the_unicode_form_of_every_name(folder, grey, before, after):
    """As between macOS and others, or by archives: what belongs together looks the same."""

    def name(form):
        return unicodedata.normalize(form, "Gefüge ä.png")

    (folder / "b.tif").unlink()
    Image.fromarray(grey(4)).save(folder / name(before))
    project = Project(folder)
    project.micrographs.set_pixel_size(name(before), SIZE)
    project.micrographs.current = name(before)
    labels = np.zeros((40, 50), np.uint8)
    labels[:5], labels[9] = 1, 2
    project.labels.write(name(before), labels)
    project.masks.write(name(before), labels)

    (folder / name(before)).rename(folder / name(after))
    for kind in ("labels", "masks"):
        (made,) = (folder / "matssl" / kind).glob("*.png")
        made.rename(made.with_name(name(after)))
    project = Project(folder)
    assert project.micrographs.current == name(after)
    assert project.micrographs.read(name(after)).pixel_size == SIZE
    np.testing.assert_array_equal(project.labels.read(name(after)), labels)
    np.testing.assert_array_equal(project.masks.read(name(after)), labels)
    assert project.labels.names() == (name(after),)
    assert project.labels.use_of(1) == {name(after): 250}
    project.labels.write(name(after), labels[::-1])
    assert len(list((folder / "matssl" / "labels").glob("*.png"))) == 1
    project.micrographs.set_pixel_size(name(after), None)
    assert Project(folder).micrographs.read(name(after)).pixel_size is None


def test_a_record_may_have_a_byte_order_mark(folder):
    Project(folder).micrographs.set_pixel_size("b.tif", SIZE)
    record = folder / "matssl" / "project.json"
    record.write_text(record.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert Project(folder).micrographs.read("b.tif").pixel_size == SIZE
