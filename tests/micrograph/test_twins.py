"""Twins: images that show the same field under other names."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.micrograph.twins import LEAST_CORRELATION, TwinSearch
from napari_matssl.samples import make_sample

MATERIALS = ("dual-phase", "coating", "grains")


def sample(material, seed, width=512):
    return make_sample(material, seed, size=(420, width)).micrograph.specimen[:384]


@pytest.fixture(scope="module")
def fields():
    """Micrographs of different fields, by material."""
    return {m: [Micrograph(f"{m}-{n}.tif", sample(m, n)) for n in range(4)] for m in MATERIALS}


def compressed(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=70)
    return np.asarray(Image.open(file))


def brightened(pixels):
    return (255 * (pixels / 255) ** 0.7 * 0.8 + 20).astype(np.uint8)


def resized(pixels):
    height, width = pixels.shape
    return np.asarray(Image.fromarray(pixels).resize((int(0.6 * width), int(0.6 * height))))


def cropped(pixels):
    return pixels[21:301, 35:435]


def in_colour(pixels):
    return np.repeat(pixels[..., None], 3, axis=2)


def in_16_bits(pixels):
    return pixels.astype(np.uint16) * 13 + 500


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize(
    "change", [compressed, brightened, resized, cropped, in_colour, in_16_bits]
)
def test_copies_are_found_whatever_was_done_to_them(fields, material, change):
    search = TwinSearch(fields[material])
    twin = search.twin_of(Micrograph("copy.png", change(fields[material][2].pixels)))
    assert twin is not None
    assert (twin.name, twin.like) == ("copy.png", f"{material}-2.tif")
    assert twin.correlation > LEAST_CORRELATION + 0.1
    assert twin.share > 0.95


def test_a_copy_with_an_information_bar_is_found(fields):
    pixels = fields["grains"][1].pixels
    bar = np.zeros((40, pixels.shape[1]), np.uint8)
    whole = Micrograph("bar.tif", np.vstack([pixels[:-7], bar]), info_bar=InfoBar(377, "test"))
    assert TwinSearch(fields["grains"]).twin_of(whole).like == "grains-1.tif"


@pytest.mark.parametrize("material", MATERIALS)
def test_other_fields_of_the_same_material_are_no_twins(fields, material):
    search = TwinSearch(fields[material])
    for seed in range(10, 16):
        assert search.twin_of(Micrograph("other.tif", sample(material, seed))) is None


def test_fields_that_overlap_in_part_are_twins_and_the_share_is_told():
    wide = sample("grains", 3, width=900)
    left, right = Micrograph("left.tif", wide[:, :512]), Micrograph("right.tif", wide[:, 300:812])
    twin = TwinSearch([left]).twin_of(right)
    assert twin.share == pytest.approx(212 / 512, abs=0.03)
    assert str(twin).startswith("right.tif ~ left.tif (")
    assert "41 % of the field" in str(twin) or "42 % of the field" in str(twin)


def marked(pixels):
    """Draw a scale bar and dust in the same places of every image, much brighter than all else."""
    image = Image.fromarray(pixels // 4 + 60)
    draw = ImageDraw.Draw(image)
    draw.rectangle((330, 330, 490, 360), fill=255)
    draw.text((350, 338), "100 um", fill=0)
    for place in ((60, 80), (200, 40), (300, 250)):
        draw.ellipse((*place, place[0] + 9, place[1] + 9), fill=0)
    return np.asarray(image)


def test_a_scale_bar_and_dust_in_the_same_place_make_no_twins():
    one, two = (Micrograph(f"{n}.tif", marked(sample("dual-phase", n))) for n in (1, 2))
    assert TwinSearch([one]).twin_of(two) is None
    assert TwinSearch([one]).twin_of(Micrograph("again.tif", one.pixels)) is not None


@pytest.mark.parametrize("size", [(384, 512), (8, 6), (4000, 30)])
def test_images_without_structure_or_of_odd_form_are_no_twins_and_no_error(fields, size):
    constant = Micrograph("flat.tif", np.full(size, 7, np.uint8))
    assert TwinSearch([*fields["grains"], constant]).twin_of(constant) is None


def test_pixels_that_are_no_numbers_are_no_obstacle(fields):
    pixels = fields["coating"][0].pixels.astype(np.float32)
    pixels[100:120, 200:240] = np.nan
    known = np.isfinite(pixels)
    twin = TwinSearch(fields["coating"]).twin_of(Micrograph("nan.tif", pixels, analysable=known))
    assert twin.like == "coating-0.tif"


@pytest.mark.real
def test_metaldam_has_the_twins_that_were_found_by_eye_and_no_other(real_data):
    """Three pairs of fields overlap; the bar of an original doesn't hide it."""
    folder = real_data / "metaldam"
    labelled = [read_micrograph(path) for path in sorted((folder / "images").glob("*.png"))]
    search = TwinSearch(labelled)
    pool = [read_micrograph(path) for path in sorted((folder / "unlabelled").glob("*.jpg"))]
    found = {(t.name, t.like) for m in pool if (t := search.twin_of(m)) is not None}
    assert found == {
        ("micrograph104.jpg", "micrograph1.png"),
        ("micrograph23.jpg", "micrograph27.png"),
    }
    original = read_micrograph(real_data / "odd-files/metaldam-with-bar/micrograph0.jpg")
    assert original.info_bar is not None
    assert search.twin_of(original).like == "micrograph0.png"
