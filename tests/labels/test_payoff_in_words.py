"""The sentence on what more painted images gain."""

import pytest

from napari_matssl.labels.payoff import Payoff, PayoffPoint


def payoff(gain, error, left_out=8, painted=8):
    points = tuple(PayoffPoint(images=n, score=80, error=2) for n in (1, 4, 6, 7))
    return Payoff(
        painted=painted, left_out=left_out, points=points, gain=gain, gain_error=error
    )  # fmt: skip


def test_a_significant_gain_of_a_point_pays():
    words = payoff(3.14, 0.5).in_words()
    assert words == "The last image gained 3.1 ± 1.2 points: painting more images pays."


def test_what_is_certainly_less_than_a_point_gains_little():
    words = payoff(0.4, 0.1).in_words()
    assert (
        words == "The last image gained 0.4 ± 0.2 points: more of the same kind will gain little."
    )
    words = payoff(0.2, 0.2).in_words()
    assert "gained nothing for certain (0.2 ± 0.5 points): more of the same kind" in words


@pytest.mark.parametrize("gain", [-2, 0, 2, 4])
def test_a_wide_interval_claims_nothing(gain):
    words = payoff(gain, 2.0).in_words()
    assert "too uncertain to tell" in words
    assert "pays" not in words


def test_the_interval_is_wider_with_fewer_images():
    assert payoff(3, 1, left_out=3).reach == pytest.approx(4.303, abs=0.001)
    assert payoff(3, 1, left_out=8).reach == pytest.approx(2.365, abs=0.001)
    assert "pays" in payoff(3, 1, left_out=8).in_words()
    assert "pays" not in payoff(3, 1, left_out=3).in_words()


def test_a_gain_that_reads_like_its_error_is_not_claimed():
    words = payoff(1.94, 0.809).in_words()
    assert "gained 1.9 ± 1.9 points: too uncertain" in words


def test_equal_scores_everywhere_gain_little():
    assert "gain little" in payoff(0.0, 0.0).in_words()


def test_of_more_images_than_were_used_it_says_how_many():
    assert payoff(3, 0.1, painted=20).in_words().startswith("The last of 7 images gained 3.0")


def test_two_images_tell_a_score_alone():
    one = Payoff(painted=2, left_out=2, points=(PayoffPoint(images=1, score=64.2, error=5),))
    words = one.in_words()
    assert words.startswith("Learnt from one painted image, the instant classifier finds 64.2 %")
    assert "from three on" in words
    assert "±" not in words
