"""The number beside a burnt-in scale bar: read, compared with the pixel size, or left alone."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import napari_matssl.export
from napari_matssl.micrograph import bar_text
from napari_matssl.micrograph.bar_text import can_read, length_in
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.micrograph.scale_bar import doubt_of, find_scale_bar

ROW, BAR = 340, 120
needs_ocr = pytest.mark.skipif(not can_read(), reason="the extra ocr isn't installed")


OWN = f"{napari_matssl.export.__path__[0]}/fonts/DejaVuSans.ttf"
FONTS = (OWN, "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf", "LiberationSans-Regular.ttf")
"""The font that comes along, and others that many machines have."""


def with_bar(text, font=OWN, size=18, ground=0, ink=255, below=False):
    """Make a micrograph of noise with an info bar: a bar of 120 px, its number, other text."""
    pixels = np.random.default_rng(0).integers(40, 200, (420, 640), dtype=np.uint8)
    pixels[ROW:] = ground
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.truetype(font, size)
    y = 358 if below else 395
    pen.rectangle((20, y, 20 + BAR + 1, y + 1), fill=ink)
    for x in (20, 20 + BAR):
        pen.rectangle((x, y - 9, x + 1, y + 10), fill=ink)
    wide = pen.textlength(text, font=font)
    pen.text((20 + (BAR - wide) / 2, y + 16 if below else y - 36), text, fill=ink, font=font)
    pen.text((230, 360), "WD = 5.0 mm   EHT = 10.00 kV", fill=ink, font=font)
    return Micrograph("a", np.asarray(picture), info_bar=InfoBar(ROW, "drawn"))


@pytest.mark.parametrize(
    ("text", "um"),
    [("200 nm", 0.2), ("500nm", 0.5), ("5 µm", 5), ("5 μm", 5), ("10 um", 10), ("1,5 mm", 1500),
     ("-1.0mm", 1000), ("1 μm+", 1), ("中 500 μm", 500),
     ("View field: 5.93 µm", None), ("35.0 kx", None), ("mm", None),
     ("0 nm", None), ("1.2.3 nm", None), ("6 mm 2 mm", None), ("2. 5 µm", None), ("10 kV", None)],
)  # fmt: skip
def test_a_text_is_a_length_or_anything_else(text, um):
    assert length_in(text) == (um if um is None else pytest.approx(um))


@needs_ocr
@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize(
    ("text", "um", "colours", "below"),
    [("200 nm", 0.2, (0, 255), False), ("5 µm", 5, (255, 0), False), ("10 um", 10, (0, 255), True),
     ("1 mm", 1000, (255, 0), True), ("500nm", 0.5, (30, 220), True)],
)  # fmt: skip
def test_numbers_are_read_in_several_fonts(font, text, um, colours, below):
    try:
        micrograph = with_bar(text, font, 18, *colours, below)
    except OSError:
        pytest.skip(f"{font} isn't here")
    bar = find_scale_bar(micrograph)
    assert bar.length_px == pytest.approx(BAR, abs=1)
    assert bar.printed_um == pytest.approx(um)


@needs_ocr
def test_an_export_resized_by_two_is_noticed_and_both_numbers_are_named():
    bar = find_scale_bar(with_bar("5 µm"))
    assert doubt_of(bar, PixelSize(5 / BAR, 5 / BAR, "stated")) == ""
    doubt = doubt_of(bar, PixelSize(10 / BAR, 10 / BAR, "stated"))
    assert "10 µm long" in doubt
    assert "5 µm is printed" in doubt


@needs_ocr
def test_a_number_that_is_not_round_is_no_alarm():
    bar = find_scale_bar(with_bar("25 µm"))
    assert doubt_of(bar, PixelSize(25 / BAR, 25 / BAR, "stated")) == ""


@needs_ocr
def test_a_bar_without_a_number_has_none_from_elsewhere_and_its_length_has_to_be_round():
    bar = find_scale_bar(with_bar(""))
    assert bar.printed_um is None
    assert doubt_of(bar, PixelSize(10 / BAR, 10 / BAR, "stated")) == ""
    assert "7.2 µm" in doubt_of(bar, PixelSize(7.2 / BAR, 7.2 / BAR, "stated"))


def test_without_the_extra_the_length_has_to_be_round(monkeypatch):
    monkeypatch.setattr(bar_text, "can_read", lambda: False)
    bar = find_scale_bar(with_bar("5 µm"))
    assert bar.printed_um is None
    assert doubt_of(bar, PixelSize(10 / BAR, 10 / BAR, "stated")) == ""


PRINTED = {
    "odd-files/burnt-in-bars/MV_HFV_012.jpg": 1000,
    "odd-files/metaldam-with-bar/micrograph0.jpg": 1,
    "odd-files/tescan/TESCAN_MIRA3_16bit_infobar.tif": 1,
    "odd-files/zeiss/1-as-cast_16_Sch_10k_InLens.tif": 1,
    "odd-files/zeiss/aquami_nanoporous_Sample.tif": 0.02,
    "vendor-tiff/FEI-Helios-Ebeam-8bits.tif": 500,
    "vendor-tiff/test_tiff_Zeiss_SEM_1k.tif": 200,
}
"""Number beside the bar, µm, by eye."""


@needs_ocr
@pytest.mark.real
@pytest.mark.parametrize("name", PRINTED)
def test_numbers_of_real_files_are_read_and_fit_their_pixel_sizes(real_data, name):
    from napari_matssl.micrograph.reading import read_micrograph

    micrograph = read_micrograph(real_data / name)
    bar = find_scale_bar(micrograph)
    assert bar.printed_um == pytest.approx(PRINTED[name])
    size = micrograph.pixel_size
    if size is not None:
        assert doubt_of(bar, size) == ""
        assert "is printed" in doubt_of(bar, PixelSize(2 * size.x_um, 2 * size.y_um, "resized"))
