"""Info bars that begin where the user sets it."""

import numpy as np
import pytest

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.tasks.info_bars import with_info_bar, without_info_bar


def test_the_info_bar_can_be_taken_for_specimen():
    micrograph = Micrograph("a", np.zeros((40, 40)), info_bar=InfoBar(30, "test"))
    assert without_info_bar(micrograph).specimen.shape == (40, 40)
    assert micrograph.specimen.shape == (30, 40)


@pytest.mark.parametrize(("choice", "rows"), [("auto", 30), (None, 40), (20, 20)])
def test_an_info_bar_of_the_settings_ends_the_specimen(choice, rows):
    micrograph = Micrograph("a", np.zeros((40, 40)), info_bar=InfoBar(30, "test"))
    assert len(with_info_bar(micrograph, choice).specimen) == rows


@pytest.mark.parametrize("row", [0, 40, 10**9])
def test_a_bar_outside_the_image_is_refused_with_its_name(row):
    with pytest.raises(InputError, match=f"steel.tif can't begin at row {row}"):
        with_info_bar(Micrograph("steel.tif", np.zeros((40, 40))), row)
