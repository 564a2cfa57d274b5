import numpy as np
import pytest

from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.reading import read_micrograph


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "int32"])
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("size", [None, PixelSize(0.05, 0.06, "a test")])
def test_a_micrograph_comes_back_as_it_was_written(tmp_path, dtype, channels, size):
    pixels = (np.random.default_rng(0).random((64, 80, *channels)) * 200).astype(dtype)
    write_micrograph(tmp_path / "a.tif", Micrograph("a", pixels, size))
    back = read_micrograph(tmp_path / "a.tif")
    np.testing.assert_allclose(back.pixels, pixels, rtol=1e-6)
    if size is None or (channels and dtype != "uint8"):
        assert back.pixel_size is None
    else:
        assert (back.pixel_size.x_um, back.pixel_size.y_um) == pytest.approx((0.05, 0.06))
