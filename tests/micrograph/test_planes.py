"""Files that hold more than one image."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.errors import InputError, StackError
from napari_matssl.micrograph.decoding import usual_page
from napari_matssl.micrograph.reading import read_micrograph

RANDOM = np.random.default_rng(0)
FIRST, SECOND, THIRD = RANDOM.integers(0, 256, (3, 48, 64), dtype=np.uint8)
ZEISS = b"AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 5.0 nm\r\n"


def write_pages(path, *pages, **options):
    with tifffile.TiffWriter(path, **options) as tiff:
        for pixels, more in pages:
            tiff.write(pixels, **{"metadata": None, "photometric": "minisblack"} | more)
    return path


def test_the_first_channel_of_a_microscope_opens_and_the_other_can_be_chosen(tmp_path):
    tag = {"extratags": [(34118, 1, len(ZEISS), ZEISS, True)]}
    path = write_pages(tmp_path / "a.tif", (FIRST, tag), (SECOND, {}))
    micrograph = read_micrograph(path)
    np.testing.assert_array_equal(micrograph.pixels, FIRST)
    assert micrograph.pixel_size.x_um == pytest.approx(0.005)
    assert micrograph.remarks == (
        "a.tif: page 1 of 2 is read; it holds 2 images of one size to choose from.",
    )
    other = read_micrograph(path, page=2)
    np.testing.assert_array_equal(other.pixels, SECOND)
    assert other.pixel_size is None  # that page states none
    assert (other.page, other.pages) == (2, 2)
    assert usual_page(path) == 1


def test_pages_of_other_kinds_are_no_stack(tmp_path):
    colours = np.dstack([FIRST, SECOND, THIRD])
    path = write_pages(tmp_path / "a.tif", (FIRST, {}), (colours, {"photometric": "rgb"}))
    np.testing.assert_array_equal(read_micrograph(path).pixels, FIRST)


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"metadata": None},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "truncate": True, "metadata": {"axes": "ZYX"}},
        {"truncate": True},
        {"ome": True, "metadata": {"axes": "TYX"}},
    ],
    ids=["pages", "ImageJ", "large ImageJ", "shaped", "OME"],
)
def test_each_plane_of_a_stack_can_be_chosen(tmp_path, options, page):
    stack = np.stack([FIRST, SECOND, THIRD])
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", **options)
    with pytest.raises(InputError, match=r"a stack of 3 planes\. .* choose one .*1 to 3") as caught:
        read_micrograph(path)
    assert caught.value.settings == "page"
    np.testing.assert_array_equal(read_micrograph(path, page=page).pixels, stack[page - 1])
    assert usual_page(path) is None
    with pytest.raises(InputError, match="has no page 4: it holds 3"):
        read_micrograph(path, page=4)


@pytest.mark.parametrize(
    "options",
    [
        {"ome": True, "metadata": {"axes": "CYX"}},
        {"imagej": True, "metadata": {"axes": "CYX", "mode": "composite"}},
    ],
    ids=["OME", "ImageJ"],
)
def test_channels_of_one_field_are_no_stack(tmp_path, options):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([FIRST, SECOND]), photometric="minisblack", **options)
    micrograph = read_micrograph(path)
    np.testing.assert_array_equal(micrograph.pixels, FIRST)
    assert "page 1 of 2" in micrograph.remarks[0]


def test_the_size_is_that_of_the_image_whose_pixels_are_taken(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(FIRST[:33, :40].copy(), metadata={"axes": "YX", "PhysicalSizeX": 0.2})
        tiff.write(SECOND, metadata={"axes": "YX", "PhysicalSizeX": 0.1})
    micrograph = read_micrograph(path)
    np.testing.assert_array_equal(micrograph.pixels, SECOND)
    assert micrograph.pixel_size.x_um == pytest.approx(0.1)
    assert "page 2 of 2" in micrograph.remarks[0]
    assert (micrograph.page, usual_page(path)) == (2, 2)
    assert read_micrograph(path, page=1).pixel_size.x_um == pytest.approx(0.2)


def test_a_tag_of_a_smaller_page_is_not_the_images(tmp_path):
    tag = {"extratags": [(34118, 1, len(ZEISS), ZEISS, True)]}
    path = write_pages(tmp_path / "a.tif", (FIRST[:33, :40].copy(), tag), (SECOND, {}))
    assert read_micrograph(path).pixel_size is None


def test_the_resolution_of_an_overview_is_not_the_images(tmp_path):
    text = "ImageJ=1.54\nunit=um\n"
    overview = {"description": text, "resolution": (5, 5), "resolutionunit": "NONE"}
    path = write_pages(tmp_path / "a.tif", (FIRST[:33, :40].copy(), overview), (SECOND, {}))
    assert read_micrograph(path, page=1).pixel_size.x_um == pytest.approx(0.2)
    assert read_micrograph(path).pixel_size is None


def test_a_picture_of_an_animation_can_be_chosen(tmp_path):
    images = [Image.fromarray(one) for one in (FIRST, SECOND)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    with pytest.raises(StackError, match="animation of 2 pictures") as caught:
        read_micrograph(tmp_path / "a.gif")
    assert caught.value.pages == 2
    assert usual_page(tmp_path / "a.gif") is None
    seen = read_micrograph(tmp_path / "a.gif", page=2)
    np.testing.assert_array_equal(seen.pixels, SECOND)
    assert (seen.page, seen.pages) == (2, 2)


def test_an_image_alone_has_one_page(tmp_path):
    Image.fromarray(FIRST).save(tmp_path / "a.png")
    assert usual_page(tmp_path / "a.png") == 1
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.png", page=1).pixels, FIRST)
    with pytest.raises(InputError, match=r"a\.png has no page 2: it holds 1"):
        read_micrograph(tmp_path / "a.png", page=2)


def test_each_file_of_a_set_has_its_own_size_from_the_xml_of_all(tmp_path):
    ids = {"a.ome.tif": "11111111-1", "b.ome.tif": "22222222-2"}
    images = "".join(
        f'<Image ID="Image:{n}"><Pixels SizeX="80" SizeY="60" SizeC="1" SizeZ="1" SizeT="1" '
        f'PhysicalSizeX="{um}" PhysicalSizeY="{um}"><TiffData IFD="0">'
        f'<UUID FileName="{name}">urn:uuid:{ids[name]}</UUID></TiffData></Pixels></Image>'
        for n, (name, um) in enumerate([("a.ome.tif", 1.0), ("b.ome.tif", 0.25)])
    )
    grey = np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)
    for name, um in (("a.ome.tif", 1.0), ("b.ome.tif", 0.25)):
        text = f'<OME xmlns="ome" UUID="urn:uuid:{ids[name]}">{images}</OME>'
        tifffile.imwrite(tmp_path / name, grey, description=text, metadata=None)
        assert read_micrograph(tmp_path / name).pixel_size.x_um == um
