"""Burnt-in scale bars: found as microscopes draw them, not in tables, letters or logos."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.micrograph.scale_bar import (
    doubt_of,
    find_scale_bar,
    length_in_words,
    nearest_round,
)

HEIGHT, WIDTH, ROW = 400, 640, 340


def drawn(draw, ground=0, ink=255, row=ROW):
    """Make a micrograph of noise whose info bar something is drawn into."""
    pixels = np.random.default_rng(0).integers(40, 200, (HEIGHT, WIDTH), dtype=np.uint8)
    pixels[row:] = ground
    picture = Image.fromarray(pixels)
    draw(ImageDraw.Draw(picture), ink)
    return Micrograph("a", np.asarray(picture), info_bar=InfoBar(row, "drawn"))


def strokes(pen, ink, left=20, length=90, y=380):
    """Draw a line between two strokes, as ZEISS does; its middles are `length` apart."""
    pen.rectangle((left, y, left + length + 1, y + 1), fill=ink)
    for x in (left, left + length):
        pen.rectangle((x, y - 12, x + 1, y + 13), fill=ink)
    pen.text((left + 10, y - 30), "1 um EHT = 10.00 kV", fill=ink)


def arrow(pen, ink, left=300, length=148, y=360):
    """Draw a line in two parts with heads and its number between, as FEI does, in a table."""
    third = length // 3
    for a, b in ((left, left + third), (left + length - third, left + length)):
        pen.rectangle((a, y - 1, b, y + 1), fill=ink)
    for x in (left + 1, left + length - 1):
        pen.rectangle((x, y - 3, x, y + 3), fill=ink)
    pen.text((left + third + 10, y - 6), "500 um", fill=ink)
    pen.rectangle((0, ROW + 2, WIDTH - 1, HEIGHT - 1), outline=ink)
    pen.line((250, ROW + 2, 250, HEIGHT - 1), fill=ink)
    pen.line((250, ROW + 35, WIDTH - 1, ROW + 35), fill=ink)
    pen.text((20, ROW + 10), "HV 15.0 kV HFW WD", fill=ink)


def ruler(pen, ink, left=320, step=13, y=375):
    """Draw ten steps on a line, as TESCAN does."""
    pen.rectangle((left, y, left + 10 * step + 1, y + 1), fill=ink)
    for n in range(11):
        high = 25 if n in (0, 10) else 10
        wide = 1 if n in (0, 10) else 0
        pen.rectangle((left + n * step, y - high, left + n * step + wide, y), fill=ink)
    pen.text((left, y + 5), "1 um", fill=ink)


@pytest.mark.parametrize(
    ("draw", "length", "colours"),
    [(strokes, 90, (255, 0)), (strokes, 90, (0, 255)), (arrow, 146, (0, 255)),
     (ruler, 130, (80, 255))],
)  # fmt: skip
def test_bars_of_each_kind_are_measured_from_mark_to_mark(draw, length, colours):
    bar = find_scale_bar(drawn(draw, *colours))
    assert bar is not None
    assert bar.length_px == pytest.approx(length, abs=1)
    assert ROW < bar.row < HEIGHT


@pytest.mark.parametrize("scale", [0.5, 0.75, 0.9, 1.5, 2])
def test_a_resized_export_has_its_bar_resized(scale):
    whole = drawn(strokes, 255, 0)
    size = (round(WIDTH * scale), round(HEIGHT * scale))
    pixels = np.asarray(Image.fromarray(whole.pixels).resize(size, Image.Resampling.BICUBIC))
    resized = Micrograph("a", pixels, info_bar=InfoBar(round(ROW * scale) + 1, "resized"))
    bar = find_scale_bar(resized)
    assert bar.length_px == pytest.approx(90 * scale, abs=2)
    # Blurred rows may not be taken for an info bar any more.
    blurred = find_scale_bar(resized.with_info_bar(None))
    assert blurred is None or blurred.length_px == pytest.approx(90 * scale, abs=2)


def test_jpeg_and_colour_do_no_harm(tmp_path):
    Image.fromarray(drawn(arrow).pixels).convert("RGB").save(tmp_path / "a.jpg", quality=85)
    pixels = np.asarray(Image.open(tmp_path / "a.jpg"))
    bar = find_scale_bar(Micrograph("a", pixels, info_bar=InfoBar(ROW, "drawn")))
    assert bar.length_px == pytest.approx(146, abs=2)


def letters(pen, ink):
    from PIL import ImageFont

    pen.text((20, ROW + 5), "EHT = 20 kV  HHH", fill=ink, font=ImageFont.load_default(40))


def table(pen, ink):
    pen.rectangle((40, ROW + 5, 600, HEIGHT - 5), outline=ink)
    for x in (200, 380):
        pen.line((x, ROW + 5, x, HEIGHT - 5), fill=ink)
    pen.line((200, ROW + 30, 380, ROW + 30), fill=ink)


def logo(pen, ink):
    pen.rectangle((500, ROW + 5, 560, HEIGHT - 5), fill=ink)
    pen.text((505, ROW + 20), "ZEISS ZEISS", fill=0)


def block(pen, ink):
    pen.rectangle((50, ROW + 20, 150, ROW + 26), fill=ink)


def underline(pen, ink):
    pen.text((50, ROW + 10), "Sample 12", fill=ink)
    pen.line((50, ROW + 25, 120, ROW + 25), fill=ink)


def two(pen, ink):
    strokes(pen, ink)
    strokes(pen, ink, left=200, length=60)


@pytest.mark.parametrize("draw", [letters, table, logo, block, underline, two])
def test_where_no_bar_is_there_for_certain_there_is_none(draw):
    assert find_scale_bar(drawn(draw)) is None


def test_a_specimen_has_no_bar():
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    assert find_scale_bar(Micrograph("a", pixels)) is None
    assert find_scale_bar(Micrograph("a", pixels, info_bar=InfoBar(ROW, "by hand"))) is None
    flat = np.full((HEIGHT, WIDTH), 7, np.uint8)
    assert find_scale_bar(Micrograph("a", flat)) is None


@pytest.mark.parametrize("um", [1, 2, 3, 4, 5, 10, 200, 0.5, 0.02, 3000])
def test_round_lengths_fit(um):
    bar = find_scale_bar(drawn(strokes, 255, 0))
    size = PixelSize(um / 90, um / 90, "stated")
    assert doubt_of(bar, size) == ""
    assert nearest_round(1.01 * um) == pytest.approx(um)


@pytest.mark.parametrize("factor", [0.72, 0.8, 1.25, 1.37, 1.8])
def test_lengths_that_no_bar_has_are_doubted_with_both_figures(factor):
    bar = find_scale_bar(drawn(strokes, 255, 0))
    doubt = doubt_of(bar, PixelSize(factor / 90, factor / 90, "stated"))
    assert doubt.startswith("pixel size and scale bar disagree: the bar of 90 px would be ")
    assert length_in_words(factor) in doubt


def test_columns_count_where_pixels_are_not_square():
    bar = find_scale_bar(drawn(strokes, 255, 0))
    assert doubt_of(bar, PixelSize(1 / 90, 1.37 / 90, "stated")) == ""
    assert doubt_of(bar, PixelSize(1.37 / 90, 1 / 90, "stated"))


def test_lengths_have_a_unit_that_suits_them():
    assert [length_in_words(um) for um in (0.02, 0.5, 1, 40, 1000, 1250)] == [
        "20 nm", "500 nm", "1 µm", "40 µm", "1 mm", "1.25 mm",
    ]  # fmt: skip


REAL = {
    "odd-files/burnt-in-bars/MV_HFV_012.jpg": (314, 3.174),
    "odd-files/metaldam-with-bar/micrograph0.jpg": (34, None),
    "odd-files/tescan/TESCAN_MIRA3_16bit_infobar.tif": (129, None),
    "odd-files/zeiss/1-as-cast_16_Sch_10k_InLens.tif": (90, None),
    "odd-files/zeiss/aquami_nanoporous_Sample.tif": (37, None),
    "odd-files/zeiss/BSE_image6_18_1.tif": (None, None),
    "odd-files/hitachi-synthetic/hitachi_example_1.tif": (None, None),
    "vendor-tiff/FEI-Helios-Ebeam-8bits.tif": (148, None),
    "vendor-tiff/test_tiff_Zeiss_SEM_1k.tif": (76, None),
}
"""Length of the bar in px, by eye; the pixel size where the file has none but its bar tells."""


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_bars_of_real_files_are_found_and_fit_their_pixel_sizes(real_data, name):
    from napari_matssl.micrograph.reading import read_micrograph

    length, um = REAL[name]
    micrograph = read_micrograph(real_data / name)
    bar = find_scale_bar(micrograph)
    if length is None:
        assert bar is None
        return
    assert bar.length_px == pytest.approx(length, abs=1)
    size = PixelSize(um, um, "by its bar") if um is not None else micrograph.pixel_size
    if size is not None:
        assert doubt_of(bar, size) == ""
        assert doubt_of(bar, PixelSize(0.72 * size.x_um, 0.72 * size.y_um, "resized"))
