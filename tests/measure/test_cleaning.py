"""Cleaning masks: what becomes of specks and holes, and what never changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.measure import mask_regions
from napari_matssl.measure.cleaning import CleanedRows, clean_mask
from napari_matssl.settings import ClassSizes, Cleaning, Size

TABLE = numbered_table([1, 2, 3])
WITH_ZERO = numbered_table([0, 4])
EVERY_NEIGHBOUR = np.ones((3, 3))


def picture(*rows):
    """Masks as digits, one string a row; a dot is 0."""
    return np.array([[int(c.replace(".", "0")) for c in row] for row in rows], dtype=np.uint8)


def clean(mask, table, smallest_px=0, largest_hole_px=0):
    """Clean with one size for all classes."""
    sizes = Cleaning(smallest_region=smallest_px, largest_hole=largest_hole_px)
    return clean_mask(mask, table, sizes)


def shown(mask):
    return ["".join(".123456789"[v] for v in row) for row in mask]


def test_a_speck_goes_to_the_class_around_it_and_larger_regions_stay():
    mask = picture("111111", "121122", "111122", "111122")
    assert shown(clean(mask, TABLE, smallest_px=6)) == ["111111", "111122", "111122", "111122"]
    assert shown(clean(mask, TABLE, smallest_px=7)) == ["111111"] * 4


def test_a_region_of_just_the_smallest_size_stays():
    mask = picture("11111", "12211", "11111")
    assert np.array_equal(clean(mask, TABLE, smallest_px=2), mask)
    assert (clean(mask, TABLE, smallest_px=3) == 1).all()


def test_a_speck_goes_to_the_class_that_has_most_contacts_with_it():
    mask = picture("1112222", "1113222", "1112222", "1112222")
    assert shown(clean(mask, TABLE, smallest_px=2))[1] == "1112222"


def test_of_equal_contacts_the_lower_id_wins():
    mask = picture("1113222", "1113222", "1113222")
    assert shown(clean(mask, TABLE, smallest_px=4)) == ["1111222"] * 3


def test_a_diagonal_film_is_one_region():
    mask = np.ones((6, 6), dtype=np.uint8)
    np.fill_diagonal(mask, 2)
    assert np.array_equal(clean(mask, TABLE, smallest_px=6), mask)


def test_the_smallest_goes_first_and_what_it_joins_may_stay():
    # The 3 in the middle is swallowed by the ring, which is large enough with it.
    mask = picture("1111111", "1122211", "1123211", "1122211", "1111111")
    assert shown(clean(mask, TABLE, smallest_px=9))[2] == "1122211"


def test_a_hole_is_filled_up_to_its_size():
    mask = picture("11111", "12211", "11111")
    assert np.array_equal(clean(mask, TABLE, largest_hole_px=1), mask)
    assert (clean(mask, TABLE, largest_hole_px=2) == 1).all()


def test_a_hole_of_two_classes_is_filled_as_one():
    mask = picture("111111", "123311", "111111")
    assert np.array_equal(clean(mask, TABLE, largest_hole_px=2), mask)
    assert (clean(mask, TABLE, largest_hole_px=3) == 1).all()


@pytest.mark.parametrize(
    "mask",
    [
        picture("11111", "11112", "11111"),
        picture("11111", "11111", "11211"),
        picture("21111", "11111", "11111"),
        picture("1111111", "1112111", "11.1111", "1111111"),
        picture("11111", "12133", "11133"),
    ],
    ids=["right edge", "bottom edge", "corner", "not analysed at a corner", "two classes"],
)
def test_what_is_not_closed_in_is_no_hole(mask):
    expected = mask.copy()
    if mask[1, 1] == 2:
        expected[1, 1] = 1  # the one that is closed in, beside the one that isn't
    assert np.array_equal(clean(mask, TABLE, largest_hole_px=9), expected)


def test_a_hole_behind_a_hole_is_filled_in_the_same_go():
    # Class 1 has no hole before the 3s are one with the 2s.
    mask = picture("1111111", "1222221", "1233321", "1233321", "1222221", "1111111")
    assert shown(clean(mask, TABLE, largest_hole_px=6))[2] == "1222221"
    assert (clean(mask, TABLE, largest_hole_px=20) == 1).all()


def test_the_info_bar_stays_and_takes_nothing():
    mask = picture("1111", "1121", "....", "....")
    assert shown(clean(mask, TABLE, 3, 9)) == ["1111", "1111", "....", "...."]
    alone = picture("2...", "....")
    assert np.array_equal(clean(alone, TABLE, 99, 99), alone)


def test_where_0_is_a_class_255_is_not_analysed():
    mask = np.zeros((6, 5), dtype=np.uint8)
    mask[1, 1] = 4
    mask[4:] = 255
    cleaned = clean(mask, WITH_ZERO, smallest_px=2)
    assert (cleaned[:4] == 0).all()
    assert (cleaned[4:] == 255).all()


def test_the_mask_given_is_never_changed():
    mask = picture("111", "121", "111")
    mask.flags.writeable = False
    assert clean(mask, TABLE, 2, 2) is not mask
    assert clean(mask, TABLE) is not mask


@pytest.mark.timeout(60)
def test_thousands_of_specks_are_cleaned():
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.normal(size=(768, 1024)), 12) * 12
    mask = (1 + (smooth + 0.05 * random.normal(size=smooth.shape) > 0)).astype(np.uint8)
    cleaned = clean(mask, TABLE, 30, 60)
    sizes = [
        np.bincount(ndimage.label(cleaned == i, np.ones((3, 3)))[0].ravel())[1:] for i in (1, 2)
    ]
    assert min(one.min() for one in sizes) >= 30


# ---- sizes of single classes, and in um2 ----

PRECIPITATES = picture("1111111111", "1211113311", "1111113311", "1111111111", "3333333333")


def of_class(class_id, **sizes):
    return Cleaning().with_sizes(class_id, **{k: Size.model_validate(v) for k, v in sizes.items()})


def test_noise_of_one_class_goes_and_precipitates_of_another_stay():
    noise_of_3 = of_class(3, smallest_region=5)
    cleaned = clean_mask(PRECIPITATES, TABLE, noise_of_3)
    assert shown(cleaned)[:3] == ["1111111111", "1211111111", "1111111111"]
    all_but_2 = Cleaning(smallest_region=5).with_sizes(2, smallest_region=Size())
    assert np.array_equal(clean_mask(PRECIPITATES, TABLE, all_but_2), cleaned)


def test_a_small_region_that_may_stay_does_not_keep_its_neighbour_from_going():
    mask = picture("111111", "123331", "111111")
    cleaned = clean_mask(mask, TABLE, of_class(3, smallest_region=4))
    assert shown(cleaned) == ["111111", "121111", "111111"]


def test_holes_are_filled_up_to_the_size_of_the_class_around_them():
    mask = picture("11111222223", "12111213223", "11111222223", "33333333333")
    cleaned = clean_mask(mask, TABLE, of_class(1, largest_hole=4))
    assert shown(cleaned)[1] == "11111213223"
    cleaned = clean_mask(mask, TABLE, of_class(2, largest_hole=4))
    assert shown(cleaned)[1] == "12111222223"


@pytest.mark.parametrize(("side_um", "removed"), [(0.1, True), (0.2, False), (0.5, False)])
def test_a_size_in_um2_is_the_same_at_any_magnification(side_um, removed):
    mask = np.ones((60, 60), np.uint8)
    mask[20:30, 20:30] = 2  # 100 px: 1 um2 of 0.1 um, 4 of 0.2, 25 of 0.5
    cleaned = clean_mask(mask, TABLE, of_class(2, smallest_region="4 um2"), side_um**2)
    assert np.array_equal(cleaned, np.ones_like(mask) if removed else mask)


@pytest.mark.parametrize("area", [0.01, 0.1**2, 0.3**2, 7.3e-5, 1 / 3])
def test_rounding_never_moves_a_bound_by_a_pixel(area):
    mask = np.ones((60, 60), np.uint8)
    mask[20:30, 20:30] = 2
    filled = np.ones_like(mask)
    exact, above, below = (Size(value=px * area, unit="um2") for px in (100, 100.5, 99.5))
    for size, left in ((exact, mask), (above, filled), (below, mask)):
        cleaned = clean_mask(mask, TABLE, Cleaning(smallest_region=size), area)
        assert np.array_equal(cleaned, left)
    for size, left in ((exact, filled), (above, filled), (below, mask)):
        assert np.array_equal(clean_mask(mask, TABLE, Cleaning(largest_hole=size), area), left)


def test_an_image_without_pixel_size_is_not_cleaned_by_um2_and_still_by_px():
    sizes = Cleaning(smallest_region="2 um2", largest_hole="2 um2")
    assert np.array_equal(clean_mask(PRECIPITATES, TABLE, sizes), PRECIPITATES)
    mixed = sizes.with_sizes(3, smallest_region=Size(value=5))
    assert shown(clean_mask(PRECIPITATES, TABLE, mixed))[1] == "1211111111"


def test_a_size_beyond_every_image_is_one_as_large_as_the_image():
    sizes = Cleaning(smallest_region="1e12 um2")
    assert len(np.unique(clean_mask(PRECIPITATES, TABLE, sizes, 1e-12))) == 1


# ---- what holds for every mask ----

masks = st.builds(
    lambda seed, height, width, share: _random_mask(seed, height, width, share),
    st.integers(0, 2**32 - 1),
    st.integers(1, 14),
    st.integers(1, 14),
    st.floats(0, 0.9),
)
sizes = st.integers(0, 30)
UNHURRIED = settings(max_examples=60, deadline=None)


def _random_mask(seed, height, width, share):
    """Blocks of classes with noise on them and a few pixels that are not analysed."""
    random = np.random.default_rng(seed)
    coarse = random.integers(1, 4, (height // 4 + 1, width // 4 + 1))
    mask = np.kron(coarse, np.ones((4, 4), int))[:height, :width]
    noise = random.random(mask.shape) < share
    mask[noise] = random.integers(1, 4, noise.sum())
    mask[random.random(mask.shape) < 0.03] = 0
    return mask.astype(np.uint8)


def regions_of(mask):
    """Boolean images of all regions, corners touching."""
    for class_id in TABLE.ids:
        labels, count = ndimage.label(mask == class_id, EVERY_NEIGHBOUR)
        for number in range(1, count + 1):
            yield class_id, labels == number


def contacts_of(mask, region):
    """Pairs of touching pixels between a region and each class, by id."""
    found = dict.fromkeys((0, *TABLE.ids), 0)
    padded = np.pad(mask, 1)
    for row, column in np.argwhere(region):
        around = padded[row : row + 3, column : column + 3].copy()
        beyond = ~np.pad(region, 1)[row : row + 3, column : column + 3]
        for value in around[beyond]:
            found[int(value)] += 1
    return found


def one_speck_after_the_other(mask, smallest):
    """The rule for specks, word by word; `smallest` by class id."""
    mask = mask.copy()
    while True:
        specks = []
        for class_id, region in regions_of(mask):
            contacts = contacts_of(mask, region)
            del contacts[0]
            if region.sum() < smallest[class_id] and any(contacts.values()):
                winner = max(contacts, key=lambda i: (contacts[i], -i))
                specks.append((region.sum(), class_id, winner, region))
        if not specks:
            return mask
        _, _, winner, region = min(specks, key=lambda speck: speck[:2])
        mask[region] = winner


@UNHURRIED
@given(masks)
def test_nothing_asked_for_nothing_changed(mask):
    assert np.array_equal(clean(mask, TABLE), mask)
    assert np.array_equal(clean(mask, TABLE, 1, 0), mask)


@UNHURRIED
@given(masks, sizes, sizes)
def test_what_never_changes(mask, smallest, largest):
    cleaned = clean(mask, TABLE, smallest, largest)
    assert (cleaned.shape, cleaned.dtype) == (mask.shape, np.uint8)
    assert np.array_equal(cleaned == 0, mask == 0)
    assert set(np.unique(cleaned)) <= set(np.unique(mask))


@UNHURRIED
@given(masks, sizes, sizes)
def test_no_speck_is_left_that_touches_another_class(mask, smallest, largest):
    cleaned = clean(mask, TABLE, smallest, largest)
    for _, region in regions_of(cleaned):
        contacts = contacts_of(cleaned, region)
        del contacts[0]
        assert region.sum() >= smallest or not any(contacts.values())


@UNHURRIED
@given(masks, sizes)
def test_no_hole_is_left(mask, largest):
    cleaned = clean(mask, TABLE, largest_hole_px=largest)
    for class_id in TABLE.ids:
        labels, count = ndimage.label((cleaned != class_id) & (cleaned != 0), EVERY_NEIGHBOUR)
        for number in range(1, count + 1):
            hole = labels == number
            around = contacts_of(cleaned, hole)
            closed = all(n == 0 for i, n in around.items() if i != class_id)
            assert not (closed and hole.sum() <= largest)


@UNHURRIED
@given(masks, sizes)
def test_specks_go_as_one_after_the_other(mask, smallest):
    expected = one_speck_after_the_other(mask, dict.fromkeys(TABLE.ids, smallest))
    assert np.array_equal(clean(mask, TABLE, smallest), expected)


@UNHURRIED
@given(masks, sizes, sizes)
def test_cleaning_again_changes_nothing(mask, smallest, largest):
    once = clean(mask, TABLE, smallest, largest)
    assert np.array_equal(clean(once, TABLE, smallest, largest), once)


@UNHURRIED
@given(masks, sizes, sizes)
def test_a_turned_image_gives_the_turned_mask(mask, smallest, largest):
    cleaned = clean(mask, TABLE, smallest, largest)
    turned = clean(np.rot90(mask).copy(), TABLE, smallest, largest)
    assert np.array_equal(turned, np.rot90(cleaned))
    mirrored = clean(mask[:, ::-1].copy(), TABLE, smallest, largest)
    assert np.array_equal(mirrored, cleaned[:, ::-1])


@UNHURRIED
@given(masks, st.tuples(sizes, sizes, sizes))
def test_specks_of_each_class_go_as_one_after_the_other(mask, smallest):
    by_id = dict(zip(TABLE.ids, smallest, strict=True))
    own = {i: ClassSizes(smallest_region=size) for i, size in by_id.items()}
    cleaned = clean_mask(mask, TABLE, Cleaning(of_class=own))
    assert np.array_equal(cleaned, one_speck_after_the_other(mask, by_id))


@UNHURRIED
@given(masks, st.tuples(sizes, sizes, sizes), st.tuples(sizes, sizes, sizes))
def test_cleaning_by_class_again_changes_nothing(mask, smallest, largest):
    pairs = zip(TABLE.ids, smallest, largest, strict=True)
    own = {i: ClassSizes(smallest_region=s, largest_hole=h) for i, s, h in pairs}
    once = clean_mask(mask, TABLE, Cleaning(of_class=own))
    assert np.array_equal(once == 0, mask == 0)
    assert np.array_equal(clean_mask(once, TABLE, Cleaning(of_class=own)), once)


# ---- by bands of rows, as a panorama is read ----


@UNHURRIED
@given(masks, st.tuples(sizes, sizes, sizes), st.tuples(sizes, sizes, sizes), st.integers(1, 5))
def test_where_bands_begin_changes_nothing(mask, smallest, largest, rows):
    pairs = zip(TABLE.ids, smallest, largest, strict=True)
    cleaning = Cleaning(
        of_class={i: ClassSizes(smallest_region=s, largest_hole=h) for i, s, h in pairs}
    )
    expected = clean_mask(mask, TABLE, cleaning)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask_regions, "_BAND", rows * mask.shape[1])
        cleaned = CleanedRows(lambda a, b: mask[a:b], mask.shape, TABLE, cleaning)
        assert np.array_equal(cleaned.read(0, len(mask)), expected)
        for row in (len(mask) - 1, 0):
            assert np.array_equal(cleaned.read(row, row + 1), expected[row : row + 1])


def test_a_region_that_goes_through_many_bands_is_one(monkeypatch):
    mask = np.ones((40, 12), np.uint8)
    mask[2:38, 3] = mask[2:38, 7] = mask[37, 3:8] = 2  # a U, whose arms meet in the last bands
    monkeypatch.setattr(mask_regions, "_BAND", 5 * 12)
    assert np.array_equal(clean(mask, TABLE, smallest_px=75), mask)
    assert (clean(mask, TABLE, smallest_px=76) == 1).all()


def test_holes_larger_than_the_mask_leave_what_was_not_analysed_out_of_the_counts():
    mask = picture("111", "121", "111", "...")
    cleaning = Cleaning(largest_hole=1000)
    cleaned = CleanedRows(lambda start, stop: mask[start:stop], mask.shape, TABLE, cleaning)
    assert shown(cleaned.read(0, 4)) == ["111", "111", "111", "..."]
    assert cleaned.counts == {0: 3, 1: 9}


def test_rows_of_a_mask_that_is_not_cleaned_are_those_that_are_there():
    mask = picture("111", "121", "111")
    cleaned = CleanedRows(lambda a, b: mask[a:b], mask.shape, TABLE, Cleaning())
    assert np.array_equal(cleaned.read(1, 3), mask[1:])


def test_noise_of_too_many_regions_is_refused(monkeypatch):
    mask = np.random.default_rng(0).integers(1, 4, (60, 60)).astype(np.uint8)
    monkeypatch.setattr(mask_regions, "_MOST", 100)
    with pytest.raises(InputError, match="more than 100 regions, too many to be cleaned"):
        clean(mask, TABLE, smallest_px=3)
