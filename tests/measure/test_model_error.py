"""Fractions corrected by the confusion on held-out images."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_matssl.measure.model_error import LEAST_PIXELS, correct

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "model_error.py"


def load():
    specification = importlib.util.spec_from_file_location("model_error_bench", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules["model_error_bench"] = module  # its dataclasses look themselves up there
    specification.loader.exec_module(module)
    return module


bench = load()

ROWS = np.array([[[900, 100], [50, 950]], [[800, 200], [50, 950]], [[850, 150], [80, 920]]])


@pytest.mark.parametrize(
    ("fractions", "held_out", "fields"),
    [
        ((0.3, 0.7), 3, 5),
        ((0.3, 0.7), 10, 10),
        ((0.02, 0.98), 3, 10),
        ((0.02, 0.98), 5, 10),
        ((0.02, 0.1, 0.28, 0.6), 3, 10),
        ((0.02, 0.1, 0.28, 0.6), 5, 5),
        ((0.02, 0.1, 0.28, 0.6), 10, 5),
    ],
)
def test_the_corrected_interval_covers_the_truth_in_95_of_100_draws(fractions, held_out, fields):
    found = bench.simulate(bench.Case(fractions, held_out, fields), draws=1000)
    assert 0.93 <= found.corrected.mean() <= 0.97
    # A share of 1000 draws is itself off by 0.7 points, and a class's more than the mean of all.
    assert (found.corrected >= 0.92).all()
    assert (found.corrected <= 0.98).all()


@pytest.mark.parametrize(("held_out", "fields", "specimens"), [(4, 20, 2), (8, 30, 3)])
def test_it_does_where_fields_of_one_specimen_are_mistaken_alike(held_out, fields, specimens):
    case = bench.Case((0.3, 0.7), held_out, fields, specimens=specimens)
    assert 0.93 <= bench.simulate(case, draws=1000).corrected.mean() <= 0.97


def test_the_interval_over_fields_alone_misses_the_truth():
    found = bench.simulate(bench.Case((0.02, 0.98), 5, 10), draws=200)
    assert found.raw.max() < 0.5
    assert found.corrected.min() > 0.9


def test_a_known_confusion_is_undone():
    shares = (ROWS / ROWS.sum(axis=2, keepdims=True)).mean(axis=0)
    truth = np.array([0.2, 0.8])
    found = correct(ROWS, (truth @ shares)[None], ["carbide", "matrix"])
    assert found.corrected == pytest.approx(truth, abs=1e-6)
    assert found.raw[0] == pytest.approx(0.2 * 0.85 + 0.8 * 0.06)
    assert found.low[0] < 0.2 < found.high[0]
    assert found.low + found.high[::-1] == pytest.approx(1)  # the other class, mirrored


def test_how_much_of_each_class_was_painted_changes_nothing():
    more = ROWS * np.array([1, 7])[None, :, None]
    fields = np.array([[0.3, 0.7], [0.4, 0.6]])
    first, second = (correct(counts, fields, ["a", "b"]) for counts in (ROWS, more))
    assert first.corrected == pytest.approx(second.corrected)
    assert first.low == pytest.approx(second.low)


def test_an_image_is_one_observation_however_many_pixels_it_has():
    fields = np.array([[0.3, 0.7]])
    few, many = (correct(times * ROWS, fields, ["a", "b"]) for times in (1, 100))
    assert few.high - few.low == pytest.approx(many.high - many.low)


def test_fractions_stay_within_0_and_1():
    found = correct(ROWS, np.array([[0.01, 0.99]]), ["a", "b"])  # fewer than are mistaken
    assert found.corrected == pytest.approx([0, 1])
    assert found.low[0] == 0
    assert 0 < found.high[0] < 0.2


@pytest.mark.parametrize(
    ("counts", "reason", "corrected"),
    [
        (ROWS[:0], "no labelled image was held out", False),
        (ROWS[:1], "a, b are in one held-out image only", True),
        (ROWS * np.array([0, 1])[None, :, None], "a is in no held-out image", False),
        (np.array([np.eye(2, dtype=int) * 500] * 3), "show no error", True),
        (np.array([[[50, 50], [50, 50]]] * 3), "found alike", False),
    ],
)
def test_what_is_undefined_is_blank_with_a_reason(counts, reason, corrected):
    found = correct(counts, np.array([[0.3, 0.7]]), ["a", "b"])
    assert reason in found.reason
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()
    assert np.isfinite(found.corrected).all() == corrected
    assert found.raw == pytest.approx([0.3, 0.7])


def test_a_class_that_is_neither_held_out_nor_found_keeps_nobody_from_a_correction():
    wider = np.zeros((3, 3, 3), dtype=int)
    wider[:, :2, :2] = ROWS
    found = correct(wider, np.array([[0.3, 0.7, 0]]), ["a", "b", "scratch"])
    plain = correct(ROWS, np.array([[0.3, 0.7]]), ["a", "b"])
    assert found.corrected == pytest.approx([*plain.corrected, 0])
    assert found.high[:2] == pytest.approx(plain.high)


def test_a_class_that_some_images_lack_is_taken_from_the_others():
    lacking = ROWS.copy()
    lacking[2, 0] = [LEAST_PIXELS - 1, 0]
    found = correct(lacking, np.array([[0.3, 0.7]]), ["a", "b"])
    shares = np.array([[0.85, 0.15], [0.06, 0.94]])
    assert found.corrected @ shares == pytest.approx([0.3, 0.7], abs=1e-6)
    every = correct(ROWS, np.array([[0.3, 0.7]]), ["a", "b"])
    assert found.high[0] - found.low[0] > every.high[0] - every.low[0]
