"""Cohen's kappa against published answers, and how often its interval covers the truth."""

import numpy as np
import pytest
from scipy.special import expit, logit

from napari_matssl.measure.agreement import agreement


def test_known_answer_of_two_readers():
    # 20 and 15 of 50 agree: po 0.70, pe 0.50, the textbook example.
    found = agreement(np.array([[[20, 5], [10, 15]]]))
    assert found.points == 50
    assert found.percent == pytest.approx(70)
    assert found.kappa == pytest.approx(0.4)


def test_known_standard_error_of_fleiss_cohen_and_everitt():
    """Their formula term by term, with the table of their article (three categories)."""
    counts = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])
    p = counts / counts.sum()
    row, column = p.sum(axis=1), p.sum(axis=0)
    po, pe = np.trace(p), row @ column
    same = sum(
        p[i, i] * ((1 - pe) - (column[i] + row[i]) * (1 - po)) ** 2 for i in range(3)
    )  # fmt: skip
    apart = (1 - po) ** 2 * sum(
        p[i, j] * (column[i] + row[j]) ** 2 for i in range(3) for j in range(3) if i != j
    )
    variance = (same + apart - (po * pe - 2 * pe + po) ** 2) / (counts.sum() * (1 - pe) ** 4)
    found = agreement(counts[None])
    assert found.kappa == pytest.approx(0.429, abs=5e-4)
    # The interval is symmetrical in artanh: its half width there is z * error / (1 - kappa^2).
    half = (np.arctanh(found.high) - np.arctanh(found.low)) / 2
    error = half * (1 - found.kappa**2) / 1.959964
    assert error == pytest.approx(np.sqrt(variance), rel=1e-5)


def test_chance_alone_gives_0_and_opposite_answers_less():
    assert agreement(np.array([[[25, 25], [25, 25]]])).kappa == pytest.approx(0)
    assert agreement(np.array([[[10, 40], [40, 10]]])).kappa == pytest.approx(-0.6)


def test_one_class_alone_has_no_kappa():
    found = agreement(np.array([[[40, 0], [0, 0]]]))
    assert (found.percent, found.kappa, found.low) == (100, None, None)
    assert found.reason


def test_full_agreement_on_one_image_still_has_a_lower_bound():
    found = agreement(np.array([[[50, 0], [0, 50]]]))
    assert found.kappa == pytest.approx(1)
    assert found.high == 1
    # Wilson's bound for 100 of 100 is 0.96301; po is that where kappa is 2 * po - 1.
    assert found.low == pytest.approx(2 * 0.963006 - 1, abs=1e-5)


def test_full_agreement_on_several_images_has_no_interval_over_them():
    found = agreement(np.array([[[50, 0], [0, 50]]] * 3))
    assert (found.kappa, found.low, found.high) == (pytest.approx(1), None, None)
    assert found.reason


def test_nothing_to_compare():
    found = agreement(np.zeros((1, 2, 2), np.int64))
    assert (found.points, found.percent, found.kappa) == (0, None, None)


def confusion(fractions, error):
    """Shares by hand and mask for a mask that is wrong in a share of each class."""
    count = len(fractions)
    shares = np.full((count, count), error / (count - 1))
    np.fill_diagonal(shares, 1 - error)
    return np.array(fractions)[:, None] * shares


def covered(images, truth):
    bounds = [agreement(one) for one in images]
    known = [one for one in bounds if one.low is not None]
    assert len(known) > 0.98 * len(images)
    return 100 * np.mean([one.low <= truth <= one.high for one in known])


@pytest.mark.parametrize(
    ("fractions", "error"),
    [((0.5, 0.5), 0.05), ((0.2, 0.8), 0.1), ((0.05, 0.95), 0.03), ((0.02, 0.1, 0.28, 0.6), 0.1)],
)
def test_the_interval_of_one_image_covers_the_truth(fractions, error):
    shares = confusion(fractions, error)
    truth = agreement(np.rint(1e9 * shares).astype(np.int64)[None]).kappa
    random = np.random.default_rng(0)
    drawn = random.multinomial(100, shares.ravel(), 2000).reshape(-1, 1, *shares.shape)
    assert 93 <= covered(drawn, truth) <= 97.2


@pytest.mark.parametrize("images", [3, 6])
def test_the_interval_over_images_covers_the_truth_where_they_differ(images):
    random = np.random.default_rng(1)

    def draw_shares():
        fractions = random.dirichlet((8, 32))
        return confusion(fractions, expit(logit(0.1) + 0.5 * random.normal()))

    mean = np.mean([draw_shares() for _ in range(20_000)], axis=0)
    truth = agreement(np.rint(1e9 * mean).astype(np.int64)[None]).kappa
    drawn = [random.multinomial(100, draw_shares().ravel()) for _ in range(1500 * images)]
    sets = np.reshape(drawn, (1500, images, 2, 2))
    assert 93 <= covered(sets, truth) <= 97
    alone = [agreement(one.sum(axis=0)[None]) for one in sets]
    assert 100 * np.mean([one.low <= truth <= one.high for one in alone]) < 90
