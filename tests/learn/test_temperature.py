"""Probabilities that mean what they say."""

import numpy as np
import pytest

from napari_matssl.learn.temperature import fit_temperature, reliability, tempered


def sure(count, temperature, seed=0):
    """Probabilities that are too sure by a temperature, and the truth."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 3))
    right = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (random.random(count)[:, None] > right.cumsum(axis=1)).sum(axis=1)
    return tempered(right, 1 / temperature), truth


def test_the_temperature_by_which_a_model_is_too_sure_is_found():
    assert fit_temperature(*sure(20_000, 2.5)) == pytest.approx(2.5, rel=0.05)
    assert fit_temperature(*sure(20_000, 1)) == pytest.approx(1, rel=0.05)


def test_easy_pixels_make_nobody_surer():
    assert fit_temperature(*sure(20_000, 0.5)) == pytest.approx(1, abs=1e-3)


def test_the_expected_calibration_error_shrinks_on_pixels_that_were_not_fitted_to():
    temperature = fit_temperature(*sure(5_000, 3))
    probabilities, truth = sure(20_000, 3, seed=1)
    before = reliability(probabilities, truth).expected_calibration_error
    after = reliability(tempered(probabilities, temperature), truth).expected_calibration_error
    assert before > 0.1
    assert after < 0.02


def test_the_most_probable_class_stays():
    probabilities, _ = sure(2_000, 1)
    for temperature in (1.0, 3.7, 10.0):
        changed = tempered(probabilities, temperature)
        assert (changed.argmax(axis=1) == probabilities.argmax(axis=1)).all()
        assert changed.sum(axis=1) == pytest.approx(1)


def test_a_known_calibration_error():
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.45, 0.55]] * 4)
    truth = np.array([0, 0, 0, 1, 1, 1, 0, 0])
    found = reliability(probabilities, truth, bins=10)
    assert found.pixels.tolist() == [0, 0, 0, 0, 0, 4, 0, 0, 0, 4]
    assert found.accuracy[[5, 9]] == pytest.approx([0.5, 0.75])
    assert found.expected_calibration_error == pytest.approx((0.05 + 0.2) / 2)
