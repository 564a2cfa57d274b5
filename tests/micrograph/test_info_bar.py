import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.info_bar import find_info_bar, look_for_info_bar
from napari_matssl.micrograph.metadata import FileMetadata
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.tasks.info_bars import with_info_bar

HEIGHT, WIDTH = 480, 640


def specimen(seed=0, height=HEIGHT, width=WIDTH, mean=130.0, sigma=10.0):
    noise = np.random.default_rng(seed).normal(mean, sigma, (height, width))
    return noise.clip(0, 255).astype(np.uint8)


def with_bar(image, rows=48, ground=0, ink=255):
    strip = Image.new("L", (image.shape[1], rows), ground)
    draw = ImageDraw.Draw(strip)
    draw.text((20, rows // 6), "15.00 kV   WD 8.5 mm   x 2,000", fill=ink)
    draw.rectangle((400, rows // 2, 560, rows // 2 + 2), fill=ink)
    return np.vstack([image, np.asarray(strip)])


def with_specks(image, mask, value, seed=0):
    """Bright debris on the part of an image that `mask` selects."""
    rows, columns = np.nonzero(mask)
    for n in np.random.default_rng(seed).integers(0, len(rows), 60):
        image[rows[n] : rows[n] + 4, columns[n] : columns[n] + 4] = value
    return image


@pytest.mark.parametrize(
    ("ground", "ink"), [(0, 255), (255, 0), (40, 230)], ids=["black", "white", "dark grey"]
)
@pytest.mark.parametrize("rows", [16, 48, 120])
def test_drawn_bar_is_found_to_the_row(ground, ink, rows):
    bar = find_info_bar(with_bar(specimen(), rows, ground, ink))
    assert bar is not None
    assert bar.row == HEIGHT
    assert bar.source == "uniform rows"


def test_bar_with_a_frame_starts_at_the_frame():
    image = with_bar(specimen(), ground=255, ink=0)
    image[HEIGHT, :] = 0
    image[-1, :] = 0
    assert find_info_bar(image).row == HEIGHT


@pytest.mark.parametrize("height", [475, 480], ids=["edge inside a block", "edge between blocks"])
def test_bar_survives_jpeg(height):
    file = io.BytesIO()
    Image.fromarray(with_bar(specimen(height=height))).save(file, "JPEG", quality=75)
    assert find_info_bar(np.asarray(Image.open(file))).row == pytest.approx(height, abs=1)


def test_bar_on_12_bits_in_16_whose_text_is_white():
    image = with_bar(specimen()).astype(np.uint16) * 16
    image[HEIGHT:][image[HEIGHT:] > 4000] = 65535
    assert find_info_bar(image).row == HEIGHT


@pytest.mark.parametrize(
    "as_kind",
    [lambda a: (a / 255).astype(np.float32), lambda a: a[..., None] * np.ones(3, np.uint8)],
    ids=["float", "rgb"],
)
def test_bar_in_float_and_rgb_images(as_kind):
    assert find_info_bar(as_kind(with_bar(specimen()))).row == HEIGHT


def uniform_bottom():
    image = specimen()
    image[380:] = 0
    return image


def gradient_bottom():
    image = specimen()
    image[380:] = np.linspace(60, 0, 100).astype(np.uint8)[:, None]
    return image


def rough_mount(roughness):
    edge = 380 + np.round(roughness * np.sin(np.arange(WIDTH) / 40)).astype(int)
    mount = np.arange(HEIGHT)[:, None] >= edge
    image = specimen()
    image[mount] = 0
    return with_specks(image, mount, 230)


def etched_phase(sigma):
    image = specimen()
    image[380:] = specimen(1, 100, mean=20, sigma=sigma)
    return with_specks(image, np.ones_like(image), 255)


def drawn_grains():
    """Grains of one grey each over an even substrate: no noise, as in synthetic samples."""
    image = np.repeat(np.random.default_rng(0).integers(60, 240, (24, 40), dtype=np.uint8), 20, 0)
    image = np.repeat(image, 16, 1)
    image[380:] = 40
    return with_specks(image, np.ones_like(image), 255)


def drawn_layers():
    """A picture without noise, as a sketch or a simple synthetic sample has."""
    image = np.full((HEIGHT, WIDTH), 220, np.uint8)
    image[150:380] = 140
    image[380:] = 40
    return with_specks(image, np.ones_like(image), 255)


def too_high():
    return with_bar(specimen(height=200), rows=140)


NO_BARS = {
    "noise": specimen(),
    "one value": np.full((HEIGHT, WIDTH), 7, np.uint8),
    "not a number": np.full((HEIGHT, WIDTH), np.nan, np.float32),
    "gradient down": np.repeat(np.linspace(0, 255, HEIGHT).astype(np.uint8)[:, None], WIDTH, 1),
    "gradient across": np.repeat(np.linspace(0, 255, WIDTH).astype(np.uint8)[None], HEIGHT, 0),
    "uniform dark bottom": uniform_bottom(),
    "dark bottom that fades": gradient_bottom(),
    "slightly rough mount with debris": rough_mount(1),
    "rough mount with debris": rough_mount(6),
    "etched phase with a straight edge": etched_phase(sigma=1),
    "etched phase with hardly any noise": etched_phase(sigma=0.3),
    "grains without noise": drawn_grains(),
    "layers without noise": drawn_layers(),
    "more than a third": too_high(),
    "bits": specimen() > 130,
}


@pytest.mark.parametrize("image", NO_BARS.values(), ids=NO_BARS)
def test_no_bar_where_there_is_none(image):
    assert find_info_bar(image) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 70), st.integers(0, 70), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_images_of_any_size_are_looked_at(height, width, mean, seed):
    assert find_info_bar(specimen(seed, height, width, mean)) is None


@pytest.mark.timeout(120)
def test_of_a_panorama_only_some_is_looked_at():
    image = np.broadcast_to(specimen(height=1, width=20_000), (20_000, 20_000))
    assert find_info_bar(image) is None


@pytest.mark.parametrize(
    ("metadata", "row", "source"),
    [
        (
            FileMetadata(fei={"Image": {"ResolutionX": WIDTH, "ResolutionY": 442}}),
            442,
            "FEI metadata",
        ),
        (FileMetadata(sidecar=f"$CM_FULL_SIZE {WIDTH} 450\n"), 450, "JEOL text file"),
        (FileMetadata(sidecar=f"$CM_FULL_SIZE {2 * WIDTH} 900\n"), 450, "JEOL text file"),
    ],
    ids=["FEI", "JEOL", "JEOL at half size"],
)
def test_the_info_bar_of_metadata_goes_first(metadata, row, source):
    bar = find_info_bar(specimen(), metadata)
    assert (bar.row, bar.source) == (row, source)


@pytest.mark.parametrize(
    "metadata",
    [
        FileMetadata(fei={"Image": {"ResolutionX": WIDTH, "ResolutionY": HEIGHT}}),
        FileMetadata(fei={"Image": {"ResolutionX": 2 * WIDTH, "ResolutionY": 442}}),
        FileMetadata(fei={"Image": {"ResolutionX": WIDTH, "ResolutionY": 20}}),
        FileMetadata(sidecar=f"$CM_FULL_SIZE {WIDTH} {HEIGHT}\n"),
        FileMetadata(tescan="ImageStripSize=0\n"),
        FileMetadata(tescan="ImageStripSize=9999\n"),
    ],
    ids=["saved without bar", "resized", "cropped", "JEOL without bar", "no strip", "nonsense"],
)
def test_what_can_not_be_true_of_this_image_is_not_believed(metadata):
    assert find_info_bar(specimen(), metadata) is None


TESCAN = FileMetadata(tescan="[MAIN]\r\nImageStripSize=48\r\n")


def test_a_strip_of_tescan_is_cut_where_its_metadata_have_it():
    image = with_bar(specimen())
    image[HEIGHT - 60 : HEIGHT] = 0  # a black mount, which its looks don't divide from the strip
    assert find_info_bar(image).row == HEIGHT - 60
    assert find_info_bar(image, TESCAN) == InfoBar(HEIGHT, "TESCAN metadata")


def test_a_strip_that_was_cut_off_isnt_cut_off_again():
    look = look_for_info_bar(specimen(), TESCAN)
    assert look.bar is None
    assert (
        "its metadata have an info strip of 48 rows, but its lowest rows don't" in look.remarks[0]
    )


def test_a_mount_is_no_strip_because_metadata_have_one():
    look = look_for_info_bar(with_noise(uniform_bottom(), 380, 2), TESCAN)
    assert look.bar is None
    assert "from row 380 down it looks like an info bar" in look.remarks[0]


def test_a_strip_that_was_made_smaller_is_found_by_its_looks():
    assert find_info_bar(with_bar(specimen(), rows=24), TESCAN).row == HEIGHT


@pytest.mark.parametrize(
    "metadata",
    [
        FileMetadata(
            fei={
                "Image": {"ResolutionX": WIDTH, "ResolutionY": HEIGHT},
                "PrivateFei": {"DatabarHeight": 48},
            }
        ),
        FileMetadata(sidecar=f"$CM_FULL_SIZE {WIDTH} {HEIGHT}\n"),
    ],
    ids=["FEI", "JEOL"],
)
def test_a_bar_is_found_by_its_looks_where_upper_rows_were_cut_off(metadata):
    rows = HEIGHT // 15 if metadata.sidecar else 48
    image = with_bar(specimen(), rows)
    assert find_info_bar(image, metadata).row == HEIGHT
    assert find_info_bar(image[rows // 2 :], metadata).row == HEIGHT - rows // 2


def test_looks_count_where_metadata_does_not_fit():
    metadata = FileMetadata(fei={"Image": {"ResolutionX": 99, "ResolutionY": 400}})
    assert find_info_bar(with_bar(specimen()), metadata).row == HEIGHT


def with_noise(image, row, sigma):
    noisy = image.astype(np.float64)
    noisy[row:] += np.random.default_rng(3).normal(0, sigma, noisy[row:].shape)
    return noisy.clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("sigma", [1, 3, 5])
@pytest.mark.parametrize(
    ("ground", "ink"), [(0, 255), (255, 0), (40, 230)], ids=["black", "white", "dark grey"]
)
def test_a_bar_with_noise_is_found_by_its_text(ground, ink, sigma):
    image = with_noise(with_bar(specimen(), 100, ground, ink), HEIGHT, sigma)
    assert find_info_bar(image).row == HEIGHT


@pytest.mark.parametrize("quality", [40, 75])
def test_a_scan_of_a_bar_survives_jpeg(quality):
    file = io.BytesIO()
    Image.fromarray(with_noise(with_bar(specimen()), HEIGHT, 3)).save(file, "JPEG", quality=quality)
    assert find_info_bar(np.asarray(Image.open(file))).row == HEIGHT


def test_a_bar_is_cut_at_its_frame_though_jpeg_has_blurred_it():
    image = with_bar(specimen(), ground=255, ink=0)
    image[HEIGHT - 1] = 0
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    assert find_info_bar(np.asarray(Image.open(file))).row == HEIGHT - 1


def test_a_strip_without_text_is_reported_but_not_cut():
    look = look_for_info_bar(with_noise(uniform_bottom(), 380, 2))
    assert look.bar is None
    assert "from row 380 down it looks like an info bar" in look.remarks[0]


def test_a_bar_at_the_top_is_reported():
    look = look_for_info_bar(with_bar(specimen())[::-1].copy())
    assert look.bar is None
    assert "down to row 47 it looks like an info bar" in look.remarks[0]


@pytest.mark.parametrize(
    "kind", ["noise", "rough mount with debris", "gradient down", "grains without noise", "bits"]
)
def test_a_specimen_is_not_remarked_on(kind):
    assert look_for_info_bar(NO_BARS[kind]).remarks == ()


def coloured_bar(lossy):
    image = np.repeat(with_bar(specimen())[..., None], 3, axis=2)
    image[HEIGHT + 20 : HEIGHT + 30, 50:90] = (255, 0, 0)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG" if lossy else "PNG", quality=85)
    return file.getvalue()


@pytest.mark.parametrize("lossy", [False, True])
def test_a_coloured_bar_makes_no_coloured_specimen(tmp_path, lossy):
    (tmp_path / "a.img").write_bytes(coloured_bar(lossy))
    micrograph = read_micrograph(tmp_path / "a.img")
    assert not micrograph.is_rgb
    assert micrograph.info_bar.row == HEIGHT
    assert any("only its info bar is coloured" in remark for remark in micrograph.remarks)


def test_a_bar_that_is_set_by_hand_may_be_coloured(tmp_path):
    image = np.repeat(specimen()[..., None], 3, axis=2)
    image[460:, 50:90] = (255, 0, 0)
    micrograph = Micrograph("a", image)
    assert not with_info_bar(micrograph, 450).is_rgb
    assert micrograph.with_info_bar(InfoBar(450, "set by hand")).pixels.ndim == 2
    assert micrograph.with_info_bar(InfoBar(470, "set by hand")).pixels.ndim == 3


def test_few_coloured_marks_are_reported(tmp_path):
    image = np.repeat(specimen()[..., None], 3, axis=2)
    image[100:104, 50:90] = (255, 0, 0)
    Image.fromarray(image).save(tmp_path / "a.png")
    micrograph = read_micrograph(tmp_path / "a.png")
    assert micrograph.is_rgb
    assert "only 0.052 % of its pixels are coloured" in micrograph.remarks[0]


@pytest.mark.real
@pytest.mark.parametrize(("folder", "count"), [("ebc/images", 24), ("am-slices", 67)])
def test_real_micrographs_without_bar(real_data, folder, count):
    files = sorted((real_data / folder).glob("*.png"))
    assert len(files) == count
    assert [f.name for f in files if read_micrograph(f).info_bar is not None] == []
    assert [read_micrograph(f).remarks for f in files] == [()] * count


@pytest.mark.real
def test_real_bars(real_data):
    fei = read_micrograph(real_data / "vendor-tiff" / "FEI-Helios-Ebeam-8bits.tif")
    assert (fei.info_bar.row, fei.info_bar.source) == (442, "FEI metadata")
    assert fei.specimen.shape == (442, 512)
    zeiss = read_micrograph(real_data / "vendor-tiff" / "test_tiff_Zeiss_SEM_1k.tif")
    assert zeiss.info_bar.row == pytest.approx(691, abs=1)  # seen in a viewer
