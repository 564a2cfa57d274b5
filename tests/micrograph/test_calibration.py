import struct

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_matssl.micrograph.calibration import pixel_size_in, read_pixel_size
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.metadata import FileMetadata
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.project.pixel_sizes import read_calibrated

GREY = np.random.default_rng(0).integers(0, 255, (48, 64), dtype=np.uint8)
JEOL = "$CM_FORMAT JEOL/SEM\n$CM_FULL_SIZE 64 48\n$$SM_MICRON_BAR 40\n$$SM_MICRON_MARKER 10um\n"
HITACHI = "[SemImageFile]\r\nInstructName=SU8230\r\nPixelSize=24.8\r\nMagnification=5000\r\n"
ZEISS = (
    "AP_PIXEL_SIZE\r\nPixel Size = 99.0 nm\r\n"
    "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = {}\r\n"
    "AP_WIDTH\r\nWidth = 12.80 µm\r\n"
)

JEOL_TEM = (
    "<TemReporter><ModeString>{}</ModeString><SelectorValue>{}</SelectorValue>"
    "<SelectorUnitString>{}</SelectorUnitString></TemReporter>"
)


def tif_with(path, tag=None, text="", **options):
    raw = text.encode("latin-1")
    tags = [(tag, 1, len(raw), raw, True)] if tag else []
    tifffile.imwrite(path, GREY, extratags=tags, photometric="minisblack", **options)
    return path


def size_of(path):
    return read_micrograph(path).pixel_size


def test_fei_scan_in_metres_with_both_sides(tmp_path):
    text = "[Scan]\r\nPixelWidth=2.5e-008\r\nPixelHeight=3e-008\r\n"
    size = size_of(tif_with(tmp_path / "a.tif", 34682, text))
    assert (size.x_um, size.y_um) == pytest.approx((0.025, 0.03))
    assert "FEI" in size.source


def test_fei_takes_the_scan_of_the_beam_that_took_the_image(tmp_path):
    text = "[Beam]\nScan=IScan\n[EScan]\nPixelWidth=1e-6\n[IScan]\nPixelWidth=2e-6\n"
    assert size_of(tif_with(tmp_path / "a.tif", 34680, text)).x_um == pytest.approx(2)


def test_fei_camera_image_has_a_field_width_only(tmp_path):
    text = "[Beam]\nBeam=CCD\n[CCD]\nHFW=0.128\n[Image]\nResolutionX=64\n"
    assert size_of(tif_with(tmp_path / "a.tif", 34682, text)).x_um == pytest.approx(2000)


@pytest.mark.parametrize(
    ("stated", "um"),
    [("5.0 nm", 0.005), ("1.25 µm", 1.25), ("800 pm", 0.0008), ("0.0 fm", 0.2)],
    ids=["nm", "um", "pm", "none, so the width"],
)
def test_zeiss_image_pixel_not_display_pixel(tmp_path, stated, um):
    size = size_of(tif_with(tmp_path / "a.tif", 34118, ZEISS.format(stated)))
    assert size.x_um == pytest.approx(um)
    assert "ZEISS" in size.source


def test_zeiss_display_pixel_alone_is_no_calibration(tmp_path):
    text = "AP_PIXEL_SIZE\r\nPixel Size = 99.0 nm\r\n"
    assert size_of(tif_with(tmp_path / "a.tif", 34118, text)) is None


def test_tescan_tag_behind_a_thumbnail(tmp_path):
    text = "\xff\xd8\x00\x17\xff\xd9[MAIN]\r\nPixelSizeX=4e-008\r\nPixelSizeY=5e-008\r\n"
    size = size_of(tif_with(tmp_path / "a.tif", 50431, text))
    assert (size.x_um, size.y_um) == pytest.approx((0.04, 0.05))


@pytest.mark.parametrize(
    ("image", "header"), [("a.tif", "a-tif.hdr"), ("a.png", "a-png.hdr"), ("a.png", "a-tif.hdr")]
)
def test_tescan_header_beside_the_image(tmp_path, image, header):
    Image.fromarray(GREY).save(tmp_path / image)
    (tmp_path / header).write_text("[MAIN]\nImageStripSize=8\nPixelSizeX=4e-008\n")
    micrograph = read_micrograph(tmp_path / image)
    assert micrograph.pixel_size.x_um == pytest.approx(0.04)
    assert "its metadata have an info strip of 8 rows" in micrograph.remarks[0]


@pytest.mark.parametrize("kind", ["tif", "png", "jpg", "bmp"])
def test_jeol_text_file_beside_any_image(tmp_path, kind):
    Image.fromarray(GREY).save(tmp_path / f"a.{kind}")
    (tmp_path / "a.txt").write_text(JEOL)
    size = size_of(tmp_path / f"a.{kind}")
    assert size.x_um == pytest.approx(0.25)
    assert "JEOL" in size.source


def test_jeol_of_an_image_that_was_made_smaller(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.Txt").write_text(JEOL.replace("64 48", "128 96"))
    assert size_of(tmp_path / "a.png").x_um == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "um"),
    [
        ("$$SM_MICRON_BAR 50\n$$SM_MICRON_MARKER 200nm\n", 0.004),
        ("$SM_MICRON_BAR 50\n$SM_MICRON_MARKER 1mm\n", 20),
        ("$CM_PIXEL_SIZE 12.5\n", 0.0125),
        ("$CM_PIXEL_SIZE 12.5nm\n", 0.0125),
    ],
)
def test_jeol_spellings(text, um):
    assert pixel_size_in(FileMetadata(sidecar=text), 64, 48).x_um == pytest.approx(um)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_hitachi_text_file_in_its_encodings(tmp_path, encoding):
    Image.fromarray(GREY).save(tmp_path / "a.bmp")
    (tmp_path / "a.txt").write_bytes(HITACHI.encode(encoding))
    size = size_of(tmp_path / "a.bmp")
    assert size.x_um == pytest.approx(0.0248)
    assert "Hitachi" in size.source


def write_olympus(path, second_page):
    """A SIS tag as Olympus software writes it; it points to its data by file offset."""
    body = struct.pack("<10xhdd8xd2x34s32s", -6, 0.5, 0.75, 10.0, b"camera", b"picture")
    head = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 0, 0, 1, 1, 120, b"name", 1)
    raw = head + struct.pack("<hhI", 1, 1, 0) + body
    tag = [(33560, 1, len(raw), raw, True)]
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(GREY, extratags=() if second_page else tag, metadata=None)
        if second_page:
            tiff.write(GREY[::2, ::2].copy(), extratags=tag, metadata=None)
    data = bytearray(path.read_bytes())
    start = data.index(b"SIS0")
    struct.pack_into("<I", data, start + len(head) + 4, start + len(head) + 8)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("second_page", [False, True])
def test_olympus_sis_on_either_page(tmp_path, second_page):
    size = size_of(write_olympus(tmp_path / "a.tif", second_page))
    assert (size.x_um, size.y_um) == pytest.approx((0.5, 0.75))


@pytest.mark.parametrize(
    ("unit", "um"), [("micron", 0.25), ("um", 0.25), ("\\u00B5m", 0.25), ("nm", 0.00025)]
)
def test_imagej_unit_of_length(tmp_path, unit, um):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, imagej=True, resolution=(4, 2), metadata={"unit": unit})
    size = size_of(path)
    assert (size.x_um, size.y_um) == pytest.approx((um, 2 * um))


@pytest.mark.parametrize("unit", [None, "pixel", "inch", "cm"])
def test_imagej_without_a_scale_of_the_specimen(tmp_path, unit):
    path = tmp_path / "a.tif"
    metadata = {} if unit is None else {"unit": unit}
    tifffile.imwrite(path, GREY, imagej=True, resolution=(300, 300), metadata=metadata)
    assert size_of(path) is None


@pytest.mark.parametrize(
    ("extra", "um"),
    [({}, 0.5), ({"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm"}, 0.0005)],
    ids=["default unit", "nm"],
)
def test_ome_tiff(tmp_path, extra, um):
    path = tmp_path / "a.ome.tif"
    metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 1.0, **extra}
    tifffile.imwrite(path, GREY, ome=True, metadata=metadata)
    size = size_of(path)
    assert (size.x_um, size.y_um) == pytest.approx((um, 2 * um))


@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER", "NONE"])
def test_plain_resolution_is_never_a_calibration(tmp_path, unit):
    path = tif_with(tmp_path / "a.tif", resolution=(314, 314), resolutionunit=unit)
    assert size_of(path) is None
    Image.fromarray(GREY).save(tmp_path / "b.png", dpi=(96, 96))
    assert size_of(tmp_path / "b.png") is None


def test_tag_of_the_file_goes_before_a_text_beside_it(tmp_path):
    path = tif_with(tmp_path / "a.tif", 34682, "[Scan]\nPixelWidth=1e-6\n")
    (tmp_path / "a.txt").write_text(JEOL)
    assert size_of(path).x_um == pytest.approx(1)


@pytest.mark.parametrize("number", ["0", "-1e-8", "nan", "inf", "1e400", "", "abc"])
def test_sizes_that_can_not_be_are_no_calibration(tmp_path, number):
    fei = tif_with(tmp_path / "a.tif", 34682, f"[Scan]\nPixelWidth={number}\n")
    assert size_of(fei) is None
    (tmp_path / "b.txt").write_text(HITACHI.replace("24.8", number))
    Image.fromarray(GREY).save(tmp_path / "b.png")
    assert size_of(tmp_path / "b.png") is None
    marker = FileMetadata(sidecar=f"$$SM_MICRON_BAR {number}\n$$SM_MICRON_MARKER {number}um\n")
    assert pixel_size_in(marker, 64, 48) is None


def test_odd_height_leaves_square_pixels(tmp_path):
    text = "[Scan]\nPixelWidth=1e-6\nPixelHeight=0\n"
    assert size_of(tif_with(tmp_path / "a.tif", 34682, text)).y_um == pytest.approx(1)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=100).map(lambda t: f"$CM_FULL_SIZE {t}\n$$SM_MICRON_BAR {t}".encode()),
        st.text(max_size=100).map(lambda t: f"[SemImageFile]\nPixelSize={t}".encode("utf-16")),
    )
)
def test_odd_text_beside_an_image_does_not_stop_reading(tmp_path, raw):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes(raw)
    (tmp_path / "a-png.hdr").write_bytes(raw)
    size = size_of(tmp_path / "a.png")
    assert size is None or size.x_um > 0


def test_folder_called_like_a_text_beside_an_image(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.txt").mkdir()
    assert size_of(tmp_path / "a.png") is None


@pytest.mark.parametrize("tag", [34680, 34682, 34118, 50431, 33560])
def test_odd_tags_do_not_stop_reading(tmp_path, tag):
    path = tif_with(tmp_path / "a.tif", tag, "\x00\xff[Scan\nPixelWidth\n=\n[]\nPixelSizeX==")
    assert size_of(path) is None


def test_pixel_size_of_a_file_that_is_not_open(tmp_path):
    path = tif_with(tmp_path / "a.tif", 34682, "[Scan]\nPixelWidth=1e-6\n")
    assert read_pixel_size(path, 64, 48).x_um == pytest.approx(1)
    (tmp_path / "b.tif").write_bytes(b"II*\0broken")
    assert read_pixel_size(tmp_path / "b.tif", 64, 48) is None


@pytest.mark.parametrize(
    ("metadata", "um"),
    [
        (FileMetadata(sidecar=HITACHI.replace("24.8", "9,921875")), 0.009921875),
        (FileMetadata(tescan="PixelSizeX=1,5625e-007\nPixelSizeY=1,5625e-007\n"), 0.15625),
        (FileMetadata(fei={"Scan": {"PixelWidth": "2,5e-8"}}), 0.025),
        (FileMetadata(zeiss=ZEISS.format("5,5 nm")), 0.0055),
        (FileMetadata(sidecar="$$SM_MICRON_BAR 40,5\n$$SM_MICRON_MARKER 8,1um\n"), 0.2),
        (FileMetadata(fibics="<Ux>0,03</Ux><Uy>-0,04</Uy>"), 0.05),
    ],
    ids=["Hitachi", "TESCAN", "FEI", "ZEISS", "JEOL", "Fibics"],
)
def test_a_decimal_comma_does_not_cut_a_number_short(metadata, um):
    assert pixel_size_in(metadata, 64, 48).x_um == pytest.approx(um)


@pytest.mark.parametrize("number", ["1,234,567", "1.234,5", "1,234.5", "1,e-007"])
def test_numbers_with_several_signs_are_no_calibration(number):
    assert pixel_size_in(FileMetadata(tescan=f"PixelSizeX={number}\n"), 64, 48) is None
    assert pixel_size_in(FileMetadata(sidecar=HITACHI.replace("24.8", number)), 64, 48) is None


@pytest.mark.parametrize(
    ("down", "sides"),
    [("nm", (0.25, 0.0005)), ("um", (0.25, 0.5)), ("pixel", None), ("", None)],
)
def test_imagej_unit_down_goes_for_the_height(tmp_path, down, sides):
    path = tmp_path / "a.tif"
    metadata = {"unit": "um", "yunit": down}
    tifffile.imwrite(path, GREY, imagej=True, resolution=(4, 2), metadata=metadata)
    size = size_of(path)
    assert (None if size is None else (size.x_um, size.y_um)) == (sides and pytest.approx(sides))


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "resolution": (4, 4), "metadata": {"unit": "um"}},
        {"description": JEOL_TEM.format("MAG", 1000, "X"), "resolution": (101.6, 101.6)},
        {"description": "MachineNo=1\nPixelSize=0.25 um\n"},
    ],
    ids=["ImageJ", "JEOL TEM", "Hitachi"],
)
def test_calibration_that_an_editor_has_copied_is_doubted(tmp_path, options, edited):
    white = [(318, 5, 2, (3127, 10000, 3290, 10000), True)]  # as ImageMagick writes it
    unit = {} if "imagej" in options else {"resolutionunit": "INCH"}
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, extratags=white * edited, **unit, **options)
    image = read_calibrated(path)
    assert image.pixel_size.x_um == pytest.approx(0.25)
    told = [f"a.tif: {image.pixel_size.doubt}"] if edited else []
    assert list(image.remarks) == told
    assert ("an image editor has written it again" in image.pixel_size.doubt) is edited


RESIZED = "the image was 128 px wide when it was taken and is 64 now: its pixel size is wrong if it"
COPY = "the image was 1280 px wide when it was taken and is 640 now: its pixel size is that of a"


@pytest.mark.parametrize("taken", [64, 128])
@pytest.mark.parametrize(
    "metadata",
    [
        lambda w: FileMetadata(fei={"Scan": {"PixelWidth": 1e-6}, "Image": {"ResolutionX": w}}),
        lambda w: FileMetadata(fei={"CCD": {"HFW": w * 1e-6}, "Image": {"ResolutionX": w}}),
        lambda w: FileMetadata(
            zeiss=f"{ZEISS.format('1 µm')}DP_IMAGE_STORE\r\nStore resolution = {w} * 96\r\n"
        ),
        lambda w: FileMetadata(
            zeiss=f"AP_WIDTH\nWidth = {w} µm\nDP_IMAGE_STORE\nStore resolution = {w} * 96\n"
        ),
        lambda w: FileMetadata(sidecar=f"[SemImageFile]\nPixelSize=1000\nDataSize={w}x96\n"),
        lambda w: FileMetadata(
            description=f"MachineNo=1\nPixelSize=1 um\nDataSize={w}x96\n",
        ),
    ],
    ids=["FEI", "FEI camera", "ZEISS", "ZEISS width", "Hitachi", "Hitachi description"],
)
def test_the_size_of_an_image_of_another_width_is_kept_and_doubted(metadata, taken):
    size = pixel_size_in(metadata(taken), 64, 48)
    assert size.x_um == pytest.approx(1)
    assert size.doubt.startswith(RESIZED) if taken == 128 else size.doubt == ""
    assert size.transposed.doubt == size.doubt


WHOLE_JEOL = JEOL.replace("64 48", "1280 960").replace("40", "10")


@pytest.mark.parametrize(
    ("width", "height", "um", "doubt"),
    [
        (1280, 960, 1, ""),
        (1280, 1024, 1, ""),
        (1280, 700, 1, ""),
        (640, 480, 2, COPY),
        (640, 512, 2, COPY),
        (640, 600, 1, RESIZED.replace("128", "1280").replace("64", "640")),
        (900, 900, 1, RESIZED.replace("128", "1280").replace("64", "900")),
    ],
    ids=["whole", "bar", "lower rows cut off", "half", "half with bar", "crop", "square crop"],
)
def test_a_crop_of_a_jeol_is_no_resized_copy(width, height, um, doubt):
    size = pixel_size_in(FileMetadata(sidecar=WHOLE_JEOL), width, height)
    assert size.x_um == pytest.approx(um)
    assert size.doubt.startswith(doubt) if doubt else size.doubt == ""


def test_a_crop_of_a_jeol_keeps_all_its_rows_and_remarks_its_doubt(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (600, 640), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(WHOLE_JEOL)
    image = read_calibrated(tmp_path / "a.png")
    assert image.info_bar is None
    assert image.remarks == (f"a.png: {image.pixel_size.doubt}",)
    assert "if it was resized" in image.remarks[0]


@pytest.mark.parametrize(
    ("stated", "doubted"), [("1,234", True), ("123,456", True), ("0,123", False), ("1,2345", False)]
)
@pytest.mark.parametrize(
    "metadata",
    [
        lambda n: FileMetadata(sidecar=HITACHI.replace("24.8", n)),
        lambda n: FileMetadata(description=f"MachineNo=1\nPixelSize={n} nm\n"),
        lambda n: FileMetadata(zeiss=ZEISS.format(f"{n} nm")),
        lambda n: FileMetadata(zeiss=f"AP_WIDTH\nWidth = {n} nm\n"),
        lambda n: FileMetadata(sidecar=f"$CM_PIXEL_SIZE {n}\n"),
        lambda n: FileMetadata(sidecar=f"$$SM_MICRON_BAR 64\n$$SM_MICRON_MARKER {n}nm\n"),
    ],
    ids=["Hitachi", "description", "ZEISS", "ZEISS width", "JEOL", "JEOL bar"],
)
def test_a_comma_that_may_divide_thousands_is_doubted(metadata, stated, doubted):
    doubt = pixel_size_in(metadata(stated), 64, 48).doubt
    assert doubt.startswith(f'"{stated}" in its metadata counts as') if doubted else doubt == ""


FIBICS = "<Fibics><Scan><Ux>{}</Ux><Uy>{}</Uy><Vx>{}</Vx><Vy>{}</Vy></Scan></Fibics>"


@pytest.mark.parametrize(
    ("steps", "sides"),
    [
        ((0.04, 0, 0, -0.04), (0.04, 0.04)),
        ((0.03, 0.04, -0.08, 0.06), (0.05, 0.1)),
        ((0, 0, 0, 0), None),
        (("a", 0, 0, 1), None),
    ],
    ids=["upright", "turned", "none", "nonsense"],
)
def test_fibics_steps_of_the_scan(tmp_path, steps, sides):
    size = size_of(tif_with(tmp_path / "a.tif", 51023, FIBICS.format(*steps)))
    assert (None if size is None else (size.x_um, size.y_um)) == (sides and pytest.approx(sides))
    assert (size and size.source) == (sides and "ZEISS Atlas metadata (FibicsXML, Ux and Vy)")


@pytest.mark.parametrize(
    ("unit", "um"), [("µm", (0.25, 0.5)), ("nm", (0.00025, 0.0005)), ("1/nm", None), ("eV", None)]
)
def test_gatan_scale_and_unit(tmp_path, unit, um):
    raw = unit.encode("latin-1") + b"\0"
    tags = [(code, 2, len(raw), raw, True) for code in (65003, 65004)]
    tags += [(65009, 12, 1, 0.25, True), (65010, 12, 1, 0.5, True)]
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=tags)
    size = size_of(tmp_path / "a.tif")
    assert (None if size is None else (size.x_um, size.y_um)) == (um and pytest.approx(um))


def test_tvips_is_in_nanometres():
    size = pixel_size_in(FileMetadata(tvips={"PixelSizeX": 1.5, "PixelSizeY": 2.0}), 64, 48)
    assert (size.x_um, size.y_um) == pytest.approx((0.0015, 0.002))
    assert "TVIPS" in size.source


@pytest.mark.parametrize(
    ("mode", "value", "unit", "um"),
    [("MAG", 100_000, "X", 0.00254), ("DIFF", 400, "mm", None), ("MAG", 0, "X", None)],
)
def test_jeol_tem_camera_over_magnification(tmp_path, mode, value, unit, um):
    text = JEOL_TEM.format(mode, value, unit)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, description=text, resolution=(100, 100), resolutionunit="INCH")
    size = size_of(path)
    assert (None if size is None else size.x_um) == (um and pytest.approx(um))


@pytest.mark.parametrize(
    ("stated", "um"), [("2.5 nm", 0.0025), ("2.5", 0.0025), ("1.5 um", 1.5), ("abc", None)]
)
def test_hitachi_description_of_the_image(tmp_path, stated, um):
    text = f"[Condition.Lens]\nMachineNo=SU8230\n[Condition.Screen]\nPixelSize={stated}\nX=1 mm\n"
    tifffile.imwrite(tmp_path / "a.tif", GREY, description=text)
    size = size_of(tmp_path / "a.tif")
    assert (None if size is None else size.x_um) == (um and pytest.approx(um))


@pytest.mark.parametrize(
    ("sides", "words"), [((0.25, 0.25), "0.25 µm/px"), ((0.25, 0.5), "0.25 x 0.5 µm/px")]
)
def test_both_sides_of_pixels_that_are_not_square_are_reported(sides, words):
    assert PixelSize(*sides, "test").in_words == words


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "um"),
    [
        ("FEI-Helios-Ebeam-8bits.tif", 3.3724),
        ("test_tiff_Zeiss_SEM_1k.tif", 2.615),
        ("test_loading_image_saved_with_imageJ.tif", 0.16867),
    ],
)
def test_real_vendor_files(real_data, name, um):
    size = size_of(real_data / "vendor-tiff" / name)
    assert (size.x_um, size.y_um) == pytest.approx((um, um), rel=1e-4)


@pytest.mark.real
def test_real_images_without_calibration(real_data):
    for path in [*(real_data / "ebc/images").iterdir(), *(real_data / "am-slices").glob("*.png")]:
        assert size_of(path) is None
