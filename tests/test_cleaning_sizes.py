"""Sizes of specks and holes: how they are typed, kept and described."""

import pytest
from pydantic import ValidationError

from napari_matssl.errors import SettingsError
from napari_matssl.settings import Cleaning, PredictSettings, Size

NAMES = {1: "matrix", 2: "ferrite", 3: "carbide"}
AS_FOUND = Size()


@pytest.mark.parametrize(
    ("typed", "value", "unit"),
    [
        (30, 30, "px"),
        ("30", 30, "px"),
        ("30 px", 30, "px"),
        ("2um2", 2, "um2"),
        (" 0.25 um2 ", 0.25, "um2"),
        ("2µm²", 2, "um2"),
        ("2\u03bcm2", 2, "um2"),
        ("1e-3 UM2", 0.001, "um2"),
        (0, 0, "px"),
    ],
)
def test_sizes_as_people_type_them(typed, value, unit):
    size = Size.model_validate(typed)
    assert (size.value, size.unit) == (value, unit)
    assert Size.model_validate(size.model_dump()) == size


@pytest.mark.parametrize(
    "typed", [-1, "-1", "2 mm2", "2um", "um2", "", 2.5, "2.5px", float("nan"), float("inf"), True]
)
def test_what_is_no_size_is_refused(typed):
    with pytest.raises(ValidationError):
        Size.model_validate(typed)


def test_the_command_line_describes_the_form_of_a_size():
    with pytest.raises(SettingsError, match=r"smallest_region = '2um': a size is .* 30, or 2um2"):
        PredictSettings.make({"smallest_region": "2um"})
    made = PredictSettings.make({"smallest_region": "2um2", "largest_hole": "9"})
    assert made.cleaning == Cleaning(smallest_region="2 um2", largest_hole=9)


def sized(**by_name):
    """Sizes of single classes, over 30 px for all."""
    cleaning = Cleaning(smallest_region=30)
    for class_id, name in NAMES.items():
        if name in by_name:
            region, hole = (Size.model_validate(size) for size in by_name[name])
            cleaning = cleaning.with_sizes(class_id, smallest_region=region, largest_hole=hole)
    return cleaning


@pytest.mark.parametrize(
    ("cleaning", "words"),
    [
        (Cleaning(), ""),
        (Cleaning(smallest_region=30), "all classes >= 30 px"),
        (Cleaning(largest_hole="2um2"), "all classes holes <= 2 um2"),
        (
            sized(ferrite=("2 um2", 10)),
            "other classes >= 30 px; ferrite >= 2 um2, holes <= 10 px",
        ),
        (sized(carbide=(0, 0)), "other classes >= 30 px; carbide of any size"),
        (
            Cleaning().with_sizes(2, smallest_region=Size(value=2, unit="um2")),
            "ferrite >= 2 um2",
        ),
    ],
)
def test_cleaning_is_described_in_words(cleaning, words):
    assert cleaning.in_words(NAMES) == words


def test_sizes_in_um_that_did_not_clean_an_uncalibrated_image_are_named():
    assert sized(ferrite=("2 um2", 10)).in_words(NAMES, calibrated=False) == (
        "other classes >= 30 px; "
        "ferrite >= 2 um2 (not applied: the image has no pixel size), holes <= 10 px"
    )


def test_a_class_may_have_one_size_of_its_own_and_give_it_up():
    cleaning = Cleaning(smallest_region=30, largest_hole=5)
    own = cleaning.with_sizes(2, smallest_region=AS_FOUND)
    assert (own.smallest_region_of(2).value, own.largest_hole_of(2).value) == (0, 5)
    assert own.smallest_region_of(1).value == 30
    later = own.with_sizes(None, largest_hole=Size(value=7))
    assert later.largest_hole_of(2).value == 7, "what it has not of its own follows that of all"
    assert own.with_sizes(2, smallest_region=None) == cleaning


def test_renumbered_classes_keep_their_sizes_and_others_drop_out():
    cleaning = sized(ferrite=(5, 6), carbide=(7, 8))
    moved = cleaning.renumbered({2: 9})
    assert set(moved.of_class) == {9}
    assert moved.of_class[9] == cleaning.of_class[2]
    assert moved.smallest_region == cleaning.smallest_region
