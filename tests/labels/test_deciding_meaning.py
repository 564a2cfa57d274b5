"""What values mean, with a class table and without."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.class_table_files import NamedValue, NamedValues, named_values_of
from napari_matssl.labels.deciding_meaning import meaning_of_labels, meaning_of_masks


def named(**names):
    """A class table such as ``named(_0="matrix", _255="pore")``."""
    entries = (NamedValue(int(key[1:]), name) for key, name in names.items())
    return NamedValues(tuple(entries), "classes.json")


def said(meaning):
    return " ".join(meaning.remarks)


def ids(meaning):
    return dict(zip(meaning.table.names, meaning.table.ids, strict=True))


THREE = {0: 533, 1: 292, 2: 175}


def test_a_table_that_names_0_makes_it_a_class():
    found = meaning_of_labels(THREE, named(_0="matrix", _1="pore", _2="carbide"))
    assert ids(found) == {"matrix": 0, "pore": 1, "carbide": 2}
    assert found.unlabelled is None
    assert '0 is a class, "matrix"' in said(found)


@pytest.mark.parametrize("name", ["unlabelled", "Unlabeled", "not painted"])
def test_a_name_for_unpainted_pixels_is_no_class(name):
    found = meaning_of_labels(THREE, named(_0=name, _1="pore", _2="carbide"))
    assert (ids(found), found.unlabelled) == ({"pore": 1, "carbide": 2}, 0)
    assert "0 counts as unpainted: 53.3 % of the pixels" in said(found)


def test_0_that_no_table_names_is_unpainted_and_told_with_its_share():
    for table in (None, named(_1="pore", _2="carbide")):
        found = meaning_of_labels(THREE, table)
        assert (found.table.ids, found.unlabelled) == ((1, 2), 0)
        assert "0 counts as unpainted: 53.3 % of the pixels" in said(found)
    assert '"none" as the stored value of unpainted pixels it is' in said(
        meaning_of_labels(THREE, None)
    )


def test_user_and_table_may_not_contradict_each_other():
    table = named(_0="matrix", _1="pore", _2="carbide")
    with pytest.raises(InputError, match=r'names 0 as the class "matrix", but 0 ') as caught:
        meaning_of_labels(THREE, table, 0)
    assert caught.value.settings == "unlabelled"
    assert meaning_of_labels(THREE, table, None).table.ids == (0, 1, 2)


def test_every_value_is_a_class_where_the_user_wants_it():
    table = named(_0="unlabelled", _1="pore", _2="carbide")
    assert meaning_of_labels(THREE, table, None).table.names[0] == "unlabelled"
    found = meaning_of_labels(THREE, None, None)
    assert (ids(found), found.unlabelled) == ({"class 0": 0, "class 1": 1, "class 2": 2}, None)


def test_another_value_can_be_the_unpainted_one():
    found = meaning_of_labels({0: 5, 1: 3, 77: 2}, None, 77)
    assert (found.table.ids, found.unlabelled) == ((0, 1), 77)
    found = meaning_of_labels({0: 5, 1: 3, 255: 2}, None, 255)
    assert (found.table.ids, found.unlabelled) == ((0, 1), 255)
    table = named(_0="unlabelled", _1="a", _2="b", _255="ignore")
    found = meaning_of_labels({0: 5, 1: 3, 2: 1, 255: 2}, table)
    assert (found.table.ids, found.unlabelled, found.ids[255]) == ((1, 2), 0, 0)


@pytest.mark.parametrize("white", [255, 65_535])
def test_a_mask_of_two_values_can_be_named(white):
    table = named(_0="matrix", **{f"_{white}": "pore"})
    found = meaning_of_labels({0: 75, white: 25}, table)
    assert ids(found) == {"matrix": 0, "pore": 1}
    assert f"{white} in the label images is class 1 here, pore" in said(found)
    mask = np.array([[0, white], [white, 0]])
    np.testing.assert_array_equal(found.apply(mask, "a"), [[0, 1], [1, 0]])


def test_values_that_move_never_meet_those_that_stay():
    found = meaning_of_labels({0: 1, 1: 2, 2: 3, 255: 4}, named(_1="a", _2="b", _255="c"))
    assert ids(found) == {"a": 1, "b": 2, "c": 3}
    image = np.array([[0, 1, 2, 255]], np.uint8)
    np.testing.assert_array_equal(found.apply(image, "a"), [[0, 1, 2, 3]])
    with pytest.raises(InputError, match="a hold values outside the class table: 3 "):
        found.apply(np.array([[3]], np.uint8), "a")


def test_below_the_info_bar_any_value_may_stand():
    found = meaning_of_labels({0: 1, 255: 4, 7: 1}, named(_7="a", _255="c"))
    labels = found.apply(np.array([[0, 255], [3, 99]], np.uint8), "a", rows=1)
    np.testing.assert_array_equal(labels[0], [0, 1])


def test_masks_of_ours_in_which_0_is_a_class_can_be_trained_from_again():
    table = named_values_of(numbered_table([0, 1]), "classes.json")
    found = meaning_of_labels({0: 6, 1: 3, 255: 1}, table)
    assert (found.table.ids, found.unlabelled) == ((0, 1), 255)


@pytest.mark.parametrize("counts", [{}, {0: 9}])
def test_no_class_at_all_reads_as_nothing_painted(counts):
    with pytest.raises(InputError, match="Nothing is painted"):
        meaning_of_labels(counts, None)


def test_classes_without_a_pixel_are_named():
    found = meaning_of_labels({0: 1, 1: 5}, named(_1="pore", _2="carbide"))
    assert "Nothing is painted as carbide." in found.remarks


def test_a_table_without_any_class_is_refused():
    with pytest.raises(InputError, match="lists no class"):
        meaning_of_labels(THREE, named(_0="unlabelled"))
    with pytest.raises(InputError, match="lists no class"):
        meaning_of_masks(THREE, named(_0="unlabelled"))


@pytest.mark.parametrize("values", [tuple(range(200)), (1, 2, 255), (0, 1, 255), (1, 40_000)])
def test_a_photograph_given_for_labels_is_not_made_into_classes(values):
    with pytest.raises(InputError, match=f"up to {values[-1]}.*label images"):
        meaning_of_labels(dict.fromkeys(values, 9), None, 0)


SMOOTHED = np.zeros((120, 120), np.uint8)
SMOOTHED[20:70, 30:100] = 200
SMOOTHED = np.asarray(Image.fromarray(SMOOTHED).filter(ImageFilter.SMOOTH))


@pytest.mark.parametrize(
    "decide", [meaning_of_masks, lambda c, n, i: meaning_of_labels(c, n, 0, i)]
)
def test_smoothed_edges_are_no_classes(decide):
    values, pixels = np.unique(SMOOTHED, return_counts=True)
    counts = dict(zip(values.tolist(), pixels.tolist(), strict=True))
    with pytest.raises(InputError, match=r"thin seams between others \(0, 200\)") as caught:
        decide(counts, None, [SMOOTHED])
    assert "nearest neighbour" in caught.value.remedy


@pytest.mark.parametrize("white", [1, 128, 255, 65_535])
def test_of_a_mask_of_two_values_both_are_the_specimen(white):
    found = meaning_of_masks({0: 75, white: 25}, None)
    assert list(ids(found)) == ["class 0", f"class {white}"]
    assert found.unlabelled is None
    assert "0 is taken for a class: 75 % of the pixels" in said(found)


def test_a_single_name_leaves_the_rest_of_the_specimen():
    for white in (1, 255):
        found = meaning_of_masks({0: 75, white: 25}, named(**{f"_{white}": "pore"}))
        assert list(ids(found)) == ["rest", "pore"]
        assert "75 % of the pixels" in said(found)


def test_0_beside_several_classes_is_not_analysed_and_reported():
    for table in (None, named(_1="pore", _2="carbide")):
        found = meaning_of_masks(THREE, table)
        assert (found.table.ids, found.unlabelled) == ((1, 2), 0)
        assert "53.3 % of the pixels" in said(found)


def test_the_meaning_of_255_beside_other_values_has_to_be_set():
    counts = {0: 6, 128: 3, 255: 1}
    with pytest.raises(InputError, match="hold 255 beside other values") as caught:
        meaning_of_masks(counts, None)
    assert caught.value.settings == "classes"
    found = meaning_of_masks(counts, named(_0="matrix", _128="carbide", _255="pore"))
    assert ids(found) == {"matrix": 0, "carbide": 128, "pore": 1}
    found = meaning_of_masks(counts, named(_0="matrix", _128="carbide", _255="not analysed"))
    assert (found.table.ids, found.unlabelled) == ((0, 128), 255)


def test_a_table_for_1_does_not_drop_the_255_of_a_mask():
    found = meaning_of_masks({0: 75, 255: 25}, named(_0="matrix", _1="pore"))
    with pytest.raises(InputError, match="255"):
        found.apply(np.array([[0, 255]], np.uint8), "a.png")


def test_values_of_our_masks_have_the_meaning_in_their_metadata():
    with_zero = named_values_of(numbered_table([0, 1]), "classes.json")
    found = meaning_of_masks({0: 6, 1: 3, 255: 1}, with_zero)
    assert (found.table.ids, found.unlabelled) == ((0, 1), 255)
    single = named_values_of(numbered_table([1]), "classes.json")
    found = meaning_of_masks({0: 6, 1: 3}, single)
    assert (found.table.ids, found.unlabelled) == ((1,), 0)


def test_what_our_masks_leave_out_is_told_by_its_reason():
    found = meaning_of_masks(
        {0: 5, 1: 60, 2: 35}, named_values_of(numbered_table([1, 2]), "c.json")
    )
    assert said(found) == "0 is not analysed (info bars, excluded classes): 5 % of the pixels."
    found = meaning_of_masks({0: 5, 1: 60, 2: 35}, named(_1="pore", _2="carbide"))
    assert said(found) == "0 is not analysed: 5 % of the pixels."
