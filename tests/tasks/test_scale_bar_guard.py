"""Where scale bar and pixel size disagree, every way to figures names it."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from napari_matssl.export.masks import write_mask_tiff
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.project.folder import Project
from napari_matssl.tasks.info import describe
from napari_matssl.tasks.measuring.calibrate import calibrate
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks
from napari_matssl.tasks.measuring.project_meter import final_field

HEIGHT, WIDTH, ROW, BAR = 300, 400, 250, 90
DOUBT = "pixel size and scale bar disagree: the bar of 90 px would be 7.2 µm long"


def write(path, um=None):
    """Write a micrograph with an info bar in which a scale bar of 90 px stands."""
    pixels = np.random.default_rng(0).integers(40, 200, (HEIGHT, WIDTH), np.uint8)
    pixels[ROW:] = 255
    pixels[ROW + 6 : ROW + 12, 200:300:3] = 0  # text
    pixels[275:277, 20 : 22 + BAR] = 0
    for x in (20, 20 + BAR):
        pixels[264:288, x : x + 2] = 0
    known = {}
    if um is not None:
        known = {"resolution": (1 / um, 1 / um), "metadata": {"unit": "micron"}}
    tifffile.imwrite(path, pixels, imagej=True, **known)
    return path


@pytest.fixture
def mask():
    ids = np.ones((HEIGHT, WIDTH), np.uint8)
    ids[ROW:] = 0
    return ids


def test_info_names_the_disagreement_and_all_sources(tmp_path):
    path = write(tmp_path / "a.tif", 7.2 / BAR)
    facts = describe(path)
    assert facts["pixel_size_doubt"].startswith(DOUBT)
    assert any(DOUBT in remark for remark in facts["remarks"])
    own, bar = facts["pixel_size_sources"]
    assert own["used"]
    assert own["pixel_size_um"] == facts["pixel_size_um"]
    assert (bar["used"], bar["agrees"]) == (False, False)
    assert "scale bar of 90 px" in bar["source"]
    calibrate([path], PixelSize(10 / BAR, 10 / BAR, "set by hand"))
    facts = describe(path)
    assert "pixel_size_doubt" not in facts
    assert [one["used"] for one in facts["pixel_size_sources"]] == [True, False, False]
    assert [one["agrees"] for one in facts["pixel_size_sources"]] == [True, False, True]
    assert facts["pixel_size_sources"][0]["source"] == "set by hand"
    json.dumps(facts)


def test_info_tells_where_the_bar_of_an_uncalibrated_image_is(tmp_path):
    facts = describe(write(tmp_path / "a.tif"))
    assert facts["scale_bar"]["length_px"] == BAR
    assert "pixel_size_um" not in facts
    assert "pixel_size_sources" not in facts


def test_calibrating_against_the_bar_is_remarked(tmp_path):
    path = write(tmp_path / "a.tif")
    (wrong,) = calibrate([path], PixelSize(7.2 / BAR, 7.2 / BAR, "set by hand"))
    assert any(DOUBT in remark for remark in wrong.remarks)
    (right,) = calibrate([path], PixelSize(10 / BAR, 10 / BAR, "set by hand"))
    assert right.remarks == ()


@pytest.mark.parametrize(("um", "doubted"), [(7.2, True), (10, False)])
def test_the_table_of_fields_and_the_remarks_have_it(tmp_path, mask, um, doubted):
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    write(images / "a.tif", um / BAR)
    Image.fromarray(mask).save(masks / "a.png")
    measured = measure_masks([masks], Sources(images=images))
    row = measured.tables["fields.csv"].iloc[0]
    assert row["pixel_width_um"] == pytest.approx(um / BAR)
    assert row["pixel_size_doubt"].startswith(DOUBT) is doubted
    assert any(DOUBT in line for line in measured.remarks) is doubted


def test_a_size_of_the_mask_itself_is_checked_with_the_bar_of_its_image(tmp_path, mask):
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    write(images / "a.tif")
    write_mask_tiff(masks / "a.tif", mask, PixelSize(7.2 / BAR, 7.2 / BAR, "stated"))
    measured = measure_masks([masks], Sources(images=images))
    assert measured.tables["fields.csv"].iloc[0]["pixel_size_doubt"].startswith(DOUBT)


def test_a_project_s_fields_have_it_and_nothing_of_it_is_kept_on_disk(tmp_path, mask):
    write(tmp_path / "a.tif", 7.2 / BAR)
    project = Project(tmp_path)
    project.masks.write("a.tif", mask)
    size = project.micrographs.read("a.tif").pixel_size
    field = final_field(project, "a.tif", project.classes.table, size)
    assert field.pixel_size.doubt.startswith(DOUBT)
    project.micrographs.set_pixel_size("a.tif", size)
    record = json.loads((tmp_path / "matssl" / "project.json").read_text())
    assert set(record["images"]["a.tif"]["pixel_size"]) == {"x_um", "y_um", "source"}
    assert Project(tmp_path).micrographs.read("a.tif").pixel_size.doubt.startswith(DOUBT)


def test_an_info_bar_that_is_set_away_takes_its_scale_bar_along(tmp_path):
    write(tmp_path / "a.tif", 7.2 / BAR)
    project = Project(tmp_path)
    assert project.micrographs.read("a.tif").pixel_size.doubt
    project.micrographs.set_info_bar("a.tif", None)
    assert not project.micrographs.read("a.tif").pixel_size.doubt


def test_the_column_is_blank_without_images(tmp_path, mask):
    Image.fromarray(mask).save(tmp_path / "a.png")
    table = measure_masks([tmp_path / "a.png"]).tables["fields.csv"]
    assert isinstance(table, pd.DataFrame)
    assert table.iloc[0]["pixel_size_doubt"] == ""
