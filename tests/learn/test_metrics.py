"""Scores from a confusion matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_matssl.learn.metrics import RunningScores, confusion_matrix, merge_classes, scores

IDS = (1, 2, 5)
TRUTH = np.array([[1, 1, 1, 2], [2, 2, 5, 0]], np.uint8)
PREDICTED = np.array([[1, 1, 2, 2], [2, 1, 2, 5]], np.uint8)
CONFUSION = [[2, 1, 0], [1, 2, 0], [0, 1, 0]]


def test_rows_are_truth_columns_prediction_and_unpainted_pixels_are_left_out():
    confusion = confusion_matrix(TRUTH, PREDICTED, IDS)
    np.testing.assert_array_equal(confusion, CONFUSION)


def test_scores_agree_with_the_hand_calculation():
    result = scores(np.array(CONFUSION), ("a", "b", "c"))
    a = result.classes["a"]
    assert (a.iou, a.dice, a.precision, a.recall, a.pixels) == (2 / 4, 4 / 6, 2 / 3, 2 / 3, 3)
    b = result.classes["b"]
    assert (b.iou, b.precision, b.recall) == (2 / 5, 2 / 4, 2 / 3)
    c = result.classes["c"]
    assert (c.iou, c.recall, c.precision) == (0.0, 0.0, None)
    assert result.miou == pytest.approx((0.5 + 0.4 + 0) / 3)
    assert result.pixel_accuracy == pytest.approx(4 / 7)


def test_a_class_that_is_neither_there_nor_predicted_is_left_out_of_the_mean():
    result = scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ("a", "b", "c"))
    assert result.classes["c"].iou is None
    assert result.classes["c"].dice is None
    assert result.miou == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_a_class_that_is_only_predicted_counts_as_wrong():
    result = scores(np.array([[3, 1], [0, 0]]), ("a", "b"))
    assert result.classes["b"].iou == 0
    assert result.miou == pytest.approx(0.375)


def test_merged_classes_are_scored_as_one():
    merged = merge_classes(np.array(CONFUSION), (1, 0, 1))
    np.testing.assert_array_equal(merged, [[2, 1], [2, 2]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.int32])
def test_labels_of_any_integer_type_and_value_are_counted(dtype):
    truth = np.array([1, 2, 100 if dtype == np.uint8 else 300], dtype)
    confusion = confusion_matrix(truth, np.array([1, 1, 1], np.uint8), IDS)
    np.testing.assert_array_equal(confusion, [[1, 0, 0], [1, 0, 0], [0, 0, 0]])


labels = hnp.arrays(np.uint8, (5, 6), elements=st.sampled_from([0, 1, 2, 5, 255]))


@given(labels, labels)
@settings(max_examples=50, deadline=None)
def test_pooling_images_is_adding_their_confusions(truth, predicted):
    whole = confusion_matrix(truth, predicted, IDS)
    parts = [confusion_matrix(t, p, IDS) for t, p in zip(truth, predicted, strict=True)]
    np.testing.assert_array_equal(whole, sum(parts))
    counted = np.isin(truth, IDS) & np.isin(predicted, IDS)
    assert whole.sum() == counted.sum()
    assert np.trace(whole) == (truth == predicted)[counted].sum()


def test_running_scores_follow_the_latest_batches():
    running = RunningScores(["a", "b"], decay=0.5)
    assert running.ious == {}
    targets = np.array([[0, 0, 1, 255]], dtype=np.uint8)
    running.add(targets, np.array([[1, 1, 1, 0]], dtype=np.uint8))
    assert running.ious == {"a": 0.0, "b": pytest.approx(1 / 3)}
    for _ in range(20):
        running.add(targets, targets)
    assert running.ious["a"] == pytest.approx(1, abs=1e-4)
