"""Point counts: halves on boundaries, what leaves the denominator, intervals, the mask beside."""

import numpy as np
import pytest

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.point_count import (
    CountedPoint,
    agreement_of,
    count_image,
    summarise,
    wilson,
)
from napari_matssl.measure.point_grid import draw_points
from napari_matssl.measure.point_tables import (
    COUNT_COLUMNS,
    POINT_COLUMNS,
    SUMMARY_COLUMNS,
    count_frame,
    count_summary_frame,
    points_frame,
)
from napari_matssl.report.point_count import count_items

TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="ferrite", colour="#0072b2"),
        LabelClass(id=2, name="martensite", colour="#e69f00"),
        LabelClass(id=5, name="scratch", colour="#999999", exclude=True),
    )
)


def points(*classes):
    return [CountedPoint(0, x, one) for x, one in enumerate(classes)]


def percents(image):
    return {row.class_name: row.percent for row in image.rows}


def test_points_on_a_boundary_count_half_for_either_class():
    image = count_image("a", points(*[(1,)] * 12, *[(2,)] * 4, *[(1, 2)] * 4), TABLE)
    # P_P = 100 * (hits + half of the boundary hits) / points
    assert percents(image) == {"ferrite": 70.0, "martensite": 30.0}
    assert (image.counted, image.on_boundary, image.untold) == (20, 4, 0)


def test_excluded_classes_and_points_that_nobody_could_tell_leave_the_denominator():
    image = count_image("a", points((1,), (1,), (2,), (5,), (), (1, 5)), TABLE)
    assert image.counted == 3.5
    assert percents(image)["ferrite"] == pytest.approx(100 * 2.5 / 3.5)
    assert image.untold == 1


def test_nothing_that_counts_is_undefined_and_not_0():
    image = count_image("a", points((), (5,)), TABLE)
    assert {(row.percent, row.low, row.high) for row in image.rows} == {(None, None, None)}
    assert summarise([image])[0].statistics.mean is None


@pytest.mark.parametrize(
    ("hits", "points", "low", "high"),
    [(10, 100, 5.5229, 17.4366), (0, 100, 0.0, 3.6994), (50, 100, 40.3832, 59.6168)],
)
def test_wilsons_interval_known_answers(hits, points, low, high):
    assert wilson(hits, points) == pytest.approx((low, high), abs=5e-4)


def test_bounds_of_none_and_all_are_exact():
    assert wilson(0, 97)[0] == 0
    assert wilson(97, 97)[1] == 100


def test_the_mask_is_read_at_the_same_points():
    mask = np.array([[1, 1, 2, 2, 5, 0, 1]])
    image = count_image("a", points((1,), (2,), (2,), (2,), (1,), (1,), (1, 2)), TABLE, mask, "m")
    # 5 is excluded and 0 is no class: those two points can't be compared.
    assert {row.class_name: row.mask_percent for row in image.rows} == {
        "ferrite": 60.0,
        "martensite": 40.0,
    }
    assert image.confusion.tolist() == [[1, 0], [1, 2]]  # without the boundary
    assert [image.agrees(n) for n in range(7)] == [True, False, True, True, None, None, True]


def test_points_that_hand_or_mask_alone_excludes_are_told():
    mask = np.array([[1, 5, 5, 5, 1, 0, 5]])
    image = count_image("a", points((1,), (1,), (2,), (5,), (5,), (1,), ()), TABLE, mask)
    assert image.agreement.percent == 100  # of the one point that can be compared
    assert [image.excluded_by_one(n) for n in range(7)] == [
        False,
        True,
        True,
        False,
        True,
        False,
        False,
    ]
    assert count_frame([image])["excluded_by_one_points"].tolist() == [3, 3]
    summary = count_summary_frame([image])
    assert summary["excluded_by_one_points"].tolist() == [3, 3]
    assert ("Excluded by eye or mask alone", "3, not compared") in count_items(summary)


def test_over_images_the_interval_is_that_of_their_percentages():
    images = [
        count_image(f"{n}", points(*[(1,)] * n, *[(2,)] * (100 - n)), TABLE)
        for n in (18, 22, 25, 19, 21, 24, 20, 23, 17, 21)
    ]
    ferrite = summarise(images)[0]
    assert ferrite.over == "images"
    assert ferrite.statistics.mean == pytest.approx(21.0)
    assert (ferrite.low, ferrite.high) == pytest.approx((21 - 1.84704, 21 + 1.84704), abs=5e-5)


def test_hand_and_mask_are_compared_over_the_same_images():
    """The mask has what was counted in a; b, with more of it, isn't segmented."""
    mask = np.array([[1, 2, 2, 2]])
    a = count_image("a", points((1,), (2,), (2,), (2,)), TABLE, mask)
    b = count_image("b", points((1,), (1,), (1,), (2,)), TABLE)
    ferrite = summarise([a, b])[0]
    assert (ferrite.statistics.mean, ferrite.mask_percent) == (50, None)
    nothing = count_image("c", points((), ()), TABLE)
    assert summarise([a, nothing])[0].mask_percent == 25


def test_a_class_that_nobody_met_has_an_upper_bound():
    images = [count_image(f"{n}", points(*[(1,)] * 100), TABLE) for n in range(3)]
    martensite = summarise(images)[1]
    assert martensite.over == "points"
    assert (martensite.low, martensite.high) == pytest.approx(wilson(0, 300))


def test_tables_have_a_row_for_each_image_and_class_each_class_and_each_point():
    mask = np.array([[1, 1, 2, 0]])
    images = [count_image(name, points((1,), (2,), (1, 2), ()), TABLE, mask) for name in "ab"]
    images.append(count_image("c", points((1,), (1,)), TABLE))
    per_image, summary = count_frame(images), count_summary_frame(images)
    assert tuple(per_image) == COUNT_COLUMNS
    assert tuple(summary) == SUMMARY_COLUMNS
    assert list(per_image["image"]) == ["a", "a", "b", "b", "c", "c"]
    assert per_image["mask_percent"].isna().tolist() == [False] * 4 + [True] * 2
    assert set(per_image["reason"][4:]) == {"no mask"}
    assert list(summary["class"]) == ["ferrite", "martensite"]
    assert summary["compared_points"].tolist() == [4, 4]
    every = points_frame(images, TABLE)
    assert tuple(every) == POINT_COLUMNS
    assert every["manual_class"].tolist()[:4] == [
        "ferrite",
        "martensite",
        "ferrite / martensite",
        "",
    ]
    assert every["mask_class"].tolist()[:4] == ["ferrite", "ferrite", "martensite", ""]
    assert every["agrees"].tolist()[:3] == [1, 0, 1]
    assert every["agrees"][3:4].isna().all()


def test_agreement_over_no_images_is_undefined():
    assert agreement_of([]).kappa is None


def noise(random, share, coarse):
    """Draw an image ``(120, 160)`` whose phase has structures of some px."""
    shape = (120 // coarse, 160 // coarse)
    small = np.zeros(shape[0] * shape[1], np.bool_)
    small[: round(share * small.size)] = True
    random.shuffle(small)
    return np.kron(small.reshape(shape), np.ones((coarse, coarse), np.bool_))


def covered_by_wilson(share, coarse, draws=1500):
    random, inside = np.random.default_rng(0), 0
    for _ in range(draws):
        # Counts are whole: at a single share, coverage would be that of one binomial's steps.
        phase = noise(random, share * random.uniform(0.8, 1.2), coarse)
        drawn = draw_points(phase.shape, 100, random)
        hits = int(np.count_nonzero(phase[drawn[:, 0], drawn[:, 1]]))
        low, high = wilson(hits, 100)
        inside += low <= 100 * phase.mean() <= high
    return 100 * inside / draws


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_interval_of_one_image_covers_its_fraction(share):
    assert 93 <= covered_by_wilson(share, coarse=2) <= 97


def test_with_structures_wider_than_the_spacing_it_is_never_too_narrow():
    assert covered_by_wilson(0.3, coarse=40) >= 95


@pytest.mark.parametrize("fields", [4, 8])
def test_the_interval_over_images_covers_the_mean_of_the_material(fields):
    random, inside, draws, share = np.random.default_rng(2), 0, 1500, 0.25
    for _ in range(draws):
        images = []
        for _ in range(fields):
            own = random.beta(40 * share, 40 * (1 - share))
            hits = int(random.binomial(100, own))
            images.append(count_image("a", points(*[(1,)] * hits, *[(2,)] * (100 - hits)), TABLE))
        row = summarise(images)[0]
        inside += row.low <= 100 * share <= row.high
    assert 93 <= 100 * inside / draws <= 97


def test_images_of_one_specimen_count_as_one():
    """Two images of 10 and 20 % of one specimen, one of 45 % of another: 15 and 45 %."""
    images = [
        count_image(name, points(*[(1,)] * hits, *[(2,)] * (20 - hits)), TABLE, specimen=specimen)
        for name, hits, specimen in (("a", 2, "one"), ("b", 4, "one"), ("c", 9, "two"))
    ]
    row = summarise(images)[0]
    assert (row.over, row.statistics.n, row.statistics.mean) == ("specimens", 2, pytest.approx(30))
    # t(0.975, 1) * s / sqrt(2), from 0 on
    assert row.statistics.ci95 == pytest.approx(12.7062 * 15, rel=1e-4)
    assert (row.low, row.high) == (0, 100)
    frame = count_summary_frame(images)
    assert frame["over"].tolist() == ["specimens"] * 2
    assert frame["relative_accuracy_percent"].notna().all()
