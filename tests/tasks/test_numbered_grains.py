"""Label images in which each grain has its number: grain size without a class of boundaries."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.spatial import cKDTree

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.provenance import MaskFacts
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks

GRAINS = MeasureSettings(measures="grains")
NUMBERED = Sources(pixel_size=PixelSize(2.0, 1.0, "test"), numbered_grains=True)


def bricks(gap=0):
    """Number 12 x 25 grains of 20 x 16 px, those at the edges cut in halves."""
    rows, columns = np.indices((240, 400))
    down, across = (rows + 10) // 20, (columns + 8) // 16
    labels = 1000 + 100 * down + across
    if gap:
        labels[(rows + 10) % 20 < gap] = 0
        labels[:, (np.arange(400) + 8) % 16 < gap] = 0
    return labels.astype(np.uint16)


@pytest.mark.parametrize("gap", [0, 1])
def test_grains_that_touch_are_told_apart_by_their_numbers(tmp_path, gap):
    tifffile.imwrite(tmp_path / "a.tif", bricks(gap))
    measured = measure_masks([tmp_path / "a.tif"], NUMBERED, GRAINS)
    counted = measured.tables["grains.csv"].iloc[0]
    assert (counted["grains_inside"], counted["grains_cut"]) == (11 * 24, 2 * 26 + 2 * 11)
    assert counted["mean_area_px"] == pytest.approx(320)
    assert counted["mean_area_um2"] == pytest.approx(640)
    told = " ".join(measured.remarks)  # which stand in a report, too
    assert "Each value of the masks is taken for the number of a grain." in told
    assert ("0 is taken for boundaries" in told) == bool(gap)


def test_more_grains_than_a_mask_has_classes_have_their_size(tmp_path):
    shape, size = (600, 800), 25
    random = np.random.default_rng(1)
    count = 9 * shape[0] * shape[1] // size**2  # also beyond the image
    nuclei = random.uniform(-1, 2, (count, 2)) * shape
    places = np.indices(shape).reshape(2, -1).T + 0.5
    labels = cKDTree(nuclei).query(places)[1].reshape(shape) + 1
    tifffile.imwrite(tmp_path / "a.tif", labels.astype(np.uint16))
    source = Sources(pixel_size=PixelSize(1.0, 1.0, "test"), numbered_grains=True)
    found = measure_masks([tmp_path / "a.tif"], source, GRAINS).tables["grains.csv"]
    inside = ((nuclei >= 0) & (nuclei < shape)).all(axis=1).sum()
    assert inside > 500
    found = found.set_index("method")
    assert found.loc["planimetric", "grains_per_mm2"] * 0.48 == pytest.approx(inside, rel=0.03)
    # Of Poisson-Voronoi cells with N per area, a line crosses 4 / pi * sqrt(N) boundaries.
    mean = np.pi / 4 * np.sqrt(shape[0] * shape[1] / inside)
    assert found.loc["lines", "mean_intercept_um"] == pytest.approx(mean, rel=0.05)


def test_what_has_no_numbers_of_grains_is_refused_by_name(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((20, 20), 255, np.uint8))
    with pytest.raises(InputError, match=r"a.tif holds fewer than two numbers"):
        measure_masks([tmp_path], NUMBERED, GRAINS)


@pytest.mark.parametrize(
    ("settings", "only"), [(MeasureSettings(), ()), (GRAINS, ("grain",))], ids=["phases", "class"]
)
def test_numbered_grains_have_no_classes_to_measure(tmp_path, settings, only):
    tifffile.imwrite(tmp_path / "a.tif", bricks())
    with pytest.raises(SettingsError):
        measure_masks([tmp_path], NUMBERED, settings, only)


def test_numbers_that_are_taken_for_classes_tell_of_the_option(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", bricks())
    with pytest.raises(InputError, match="numbers of grains") as error:
        measure_masks([tmp_path], Sources(), GRAINS)
    assert "numbered_grains" in error.value.settings


def test_a_mask_of_classes_is_not_taken_for_numbered_grains(tmp_path):
    mask = np.ones((60, 80), np.uint8)
    mask[:, 30:] = 2
    mask[50:] = 255  # an info bar
    tifffile.imwrite(tmp_path / "a.tif", mask)
    measured = measure_masks([tmp_path / "a.tif"], NUMBERED, GRAINS)
    assert len(measured.tables["grains.csv"]) > 0  # nothing tells that these are no grains
    (tmp_path / "classes.json").write_text('{"1": "ferrite", "2": "pearlite"}')
    with pytest.raises(InputError, match=r"a\.tif is a mask of classes, ferrite, pearlite, not"):
        measure_masks([tmp_path / "a.tif"], NUMBERED, GRAINS)
    mask[:10, :10] = 3
    tifffile.imwrite(tmp_path / "a.tif", mask)  # the table is of other masks
    assert len(measure_masks([tmp_path / "a.tif"], NUMBERED, GRAINS).tables["grains.csv"]) > 0


def test_a_mask_that_was_segmented_here_is_not_taken_for_numbered_grains(tmp_path):
    table = numbered_table([1, 2])
    facts = MaskFacts(None, None, table)
    mask = np.ones((60, 80), np.uint8)
    mask[:, 30:] = 2
    Image.fromarray(mask).save(tmp_path / "a.png", pnginfo=facts.png_info())
    with pytest.raises(InputError, match=r"a\.png is a mask of classes"):
        measure_masks([tmp_path / "a.png"], NUMBERED, GRAINS)
