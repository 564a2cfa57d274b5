"""A pixel size that is set in the project of a folder, and who uses it."""

import hashlib
import json
import os
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.reading import find_micrographs
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.info import describe
from napari_matssl.tasks.measuring.calibrate import calibrate, size_of_bar
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks
from napari_matssl.tasks.predicting.predict import predict

GREY = np.random.default_rng(0).integers(0, 256, (64, 80)).astype(np.uint8)
HALF = PixelSize(0.5, 0.25, "set by hand")


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "images" / "a.png"
    path.parent.mkdir()
    Image.fromarray(GREY).save(path)
    return path


def test_a_scale_bar_gives_length_over_pixels():
    size = size_of_bar(400, 100)
    assert (size.x_um, size.y_um) == (0.25, 0.25)
    assert size.source == "scale bar of 100 µm, 400 px long"


@pytest.mark.parametrize(("px", "um"), [(0, 10), (-5, 10), (1, 10), (100, 0), (100, float("nan"))])
def test_a_bar_of_no_length_is_refused(px, um):
    with pytest.raises(InputError, match="scale bar"):
        size_of_bar(px, um)


def test_the_image_is_left_as_it_is(image):
    before = hashlib.sha256(image.read_bytes()).digest()
    calibrate([image], HALF)
    assert hashlib.sha256(image.read_bytes()).digest() == before
    assert [p.name for p in (image.parent / "matssl").iterdir()] == ["project.json"]


def test_info_names_size_and_source_of_a_calibrated_image(image):
    calibrate([image], size_of_bar(400, 100))
    facts = describe(image)
    assert facts["pixel_size_um"] == [0.25, 0.25]
    assert facts["pixel_size_source"] == "scale bar of 100 µm, 400 px long"
    json.dumps(facts)


def test_the_panels_read_it_from_the_same_project(image):
    calibrate([image], HALF)
    assert Project(image.parent).micrographs.read("a.png").pixel_size == HALF


def test_predict_and_measure_use_it(grey_level_segmenter, image, tmp_path):
    calibrate([image], HALF)
    table = ClassTable(
        classes=tuple(LabelClass(id=i, name=f"phase {i}", colour=f"#00000{i}") for i in (1, 2))
    )
    out = tmp_path / "out"
    job = predict(
        grey_level_segmenter(table, (0, 255)), [image], out, PredictSettings(device="cpu")
    )
    (segmented,) = drain(job).images
    assert segmented.phases[0].area_um2 == pytest.approx(segmented.phases[0].pixels * 0.125)
    assert segmented.phases[0].pixel_size_source == "set by hand"
    plain = tmp_path / "a.png"
    Image.fromarray(np.asarray(Image.open(out / "a_mask.png"))).save(plain)
    (row, _) = measure_masks([plain], Sources(images=image.parent)).rows
    assert row.area_um2 == pytest.approx(row.pixels * 0.125)
    assert row.pixel_size_source == "image a.png: set by hand"


def test_a_file_that_knows_another_size_is_named_and_not_averaged(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    (calibrated,) = calibrate([path], HALF)
    line = "a.tif: 0.5 x 0.25 µm/px counts (set by hand); its file has 0.25 µm/px (ImageJ"
    assert calibrated.remarks[0].startswith(line)
    facts = describe(path)
    assert facts["pixel_size_um"] == [0.25, 0.5]
    assert any("its file has 0.25 µm/px" in remark for remark in facts["remarks"])
    (again,) = calibrate([path], PixelSize(0.2501, 0.25, "set by hand"))
    assert again.remarks == ()


def test_all_images_of_several_folders_and_other_settings_stay(tmp_path):
    for name in ("x/a.png", "x/b.png", "y/a.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(GREY).save(path)
    project = Project(tmp_path / "x")
    project.micrographs.set_info_bar("a.png", 50)
    calibrate(find_micrographs([tmp_path / "x", tmp_path / "y"]), HALF)
    again = Project(tmp_path / "x").micrographs.read("a.png")
    assert (again.pixel_size, again.info_bar.row) == (HALF, 50)
    assert describe(tmp_path / "y" / "a.png")["pixel_size_um"] == [0.25, 0.5]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_what_is_set_for_images_whose_names_are_no_unicode_is_kept(image):
    names = [os.fsdecode(name) for name in (b"\xff.png", b"\xfe.png")]
    odd, other = (image.rename(image.with_name(names[0])), image.with_name(names[1]))
    Image.fromarray(GREY).save(other)
    calibrate([odd], HALF)
    project = Project(image.parent)
    project.micrographs.set_excluded([other.name], True)
    assert describe(odd)["pixel_size_um"] == [0.25, 0.5]
    again = Project(image.parent).micrographs
    assert again.pixel_size_by_hand(odd.name) == HALF
    assert again.pixel_size_by_hand(other.name) is None
    assert again.analysed == (odd.name,)


def test_one_image_that_cannot_be_read_leaves_all_as_they_were(image):
    (image.parent / "b.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b\.png"):
        calibrate([image, image.parent / "b.png"], HALF)
    assert not (image.parent / "matssl").exists()


def test_one_bar_doesnt_make_pixels_square_that_are_not(image):
    tall = image.parent / "tall.ome.tif"
    sides = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    tifffile.imwrite(tall, GREY, metadata={"axes": "YX", **sides})
    with pytest.raises(InputError, match=r"tall\.ome\.tif aren't square \(0\.5 x 0\.25"):
        calibrate([image, tall], size_of_bar(400, 100), by_bar=True)
    assert not (image.parent / "matssl").exists()
    calibrate([tall], PixelSize(0.5, 0.3, "set by hand"))  # both sides are told
    calibrate([image], size_of_bar(400, 100), by_bar=True)
    assert describe(tall)["pixel_size_um"] == [0.3, 0.5]


def test_a_stack_is_calibrated_as_a_whole(tmp_path):
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, np.stack([GREY, GREY]), photometric="minisblack")
    calibrate([path], HALF)
    assert describe(path, 2)["pixel_size_um"] == [0.25, 0.5]
