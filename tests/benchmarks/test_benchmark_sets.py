"""The sets of the benchmarks: what is painted, and what must never be tested on."""

import numpy as np
import pytest

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import Micrograph


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "split", "strokes", "training", "test"),
    [
        ("MetalDAM", "S1", True, 1, 38),
        ("MetalDAM", "S4", True, 4, 38),
        ("MetalDAM", "R33-9", False, 33, 9),
        ("UHCS", "S1", True, 1, 15),
        ("UHCS", "S4", True, 4, 18),
    ],
)
def test_steels_are_read_with_four_classes(real_data, name, split, strokes, training, test):
    from real_sets import steel

    one = steel(real_data, name, split, strokes)
    assert (len(one.training), len(one.test), len(one.table)) == (training, test, 4)
    assert "precipitate" not in one.table.names
    known = {0, *one.table.ids}
    for painted in (*one.training, *one.test):
        assert set(painted.counts) <= known
    share = np.mean([np.mean(p.labels > 0) for p in one.training])
    assert share < 0.1 if strokes else share > 0.95


@pytest.mark.real
@pytest.mark.parametrize("split", ["EBC-1", "EBC-2", "EBC-3"])
def test_coatings_are_read_with_three_classes(real_data, split):
    from real_sets import ebc

    one = ebc(real_data, split)
    assert one.table.names == ("background", "oxide", "crack")
    assert len(one.test) in (3, 6)


@pytest.mark.real
def test_no_image_of_a_development_set_is_in_a_test_set(real_data):
    from development import development_sets
    from real_sets import SPLITS, ebc, steel, steel_development

    report = [ebc(real_data, split) for split in SPLITS]
    report += [
        steel(real_data, name, s, True) for name in ("MetalDAM", "UHCS") for s in ("S1", "S4")
    ]
    reported = {p.micrograph.name for one in report for p in one.test}
    assert len(reported) > 60
    sets = [one for one in development_sets(real_data) if one.coatings]
    for name in ("MetalDAM", "UHCS"):
        sets += [one for part in steel_development(real_data, name) for one in part]
    for one in sets:
        assert not {p.micrograph.name for p in (*one.training, *one.test)} & reported, one.name


@pytest.mark.real
def test_images_left_out_are_not_painted(real_data):
    from real_sets import steel_development

    ones, others, own = steel_development(real_data, "UHCS")
    assert len(ones) == len(others) == len(own) == 5
    for one in (*ones, *others):
        painted = {p.micrograph.name for p in one.training}
        assert not painted & {p.micrograph.name for p in one.test}
        assert len(painted) + len(one.test) == 5


@pytest.mark.parametrize("kind", ["grey", "dual-phase", "pores", "particles"])
def test_fields_hold_the_fraction_that_is_asked_for(kind):
    import sweeps

    for fraction in (0.0, 0.1, 1.0):
        labels = sweeps.make(kind, fraction, seed=1).labels
        assert np.mean(labels == 2) == pytest.approx(fraction, abs=0.01)


def test_another_magnification_keeps_what_is_labelled_where_it_is():
    from conditions import magnified

    labels = np.ones((60, 80), dtype=np.uint8)
    labels[:, 40:] = 2
    painted = PaintedMicrograph(Micrograph("a.tif", np.where(labels == 2, 200, 50)), labels)
    small, large = magnified(painted, 0.5, seed=0), magnified(painted, 2.0, seed=0)
    assert small.labels.shape == (30, 40)
    assert large.labels.shape == (60, 80)
    for one in (small, large):
        bright = one.micrograph.pixels > 125
        assert np.mean(bright == (one.labels == 2)) > 0.95


def test_other_conditions_change_grey_values_and_no_label(two_phases):
    from sets import CONDITIONS, BenchmarkSet

    from napari_matssl.labels.class_table import numbered_table

    test = tuple(two_phases(seed, size=(64, 64)) for seed in range(3))
    one = BenchmarkSet("made", (), (), test, numbered_table([1, 2]))
    for name in ("other exposures", "noise"):
        changed = CONDITIONS[name](one).test
        for before, after in zip(test, changed, strict=True):
            assert (before.labels == after.labels).all()
            assert (before.micrograph.pixels != after.micrograph.pixels).mean() > 0.3
