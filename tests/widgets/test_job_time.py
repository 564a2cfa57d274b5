"""Working time without pauses, and how long it still takes."""

import pytest

from napari_matssl.widgets.jobs.job_time import Stopwatch, TimeLeft, about, duration


def test_pauses_are_no_working_time():
    now = [100.0]
    watch = Stopwatch(lambda: now[0])
    now[0] = 110
    watch.pause()
    now[0] = 500
    assert watch.seconds() == 10
    watch.pause()
    watch.resume()
    now[0] = 505
    assert watch.seconds() == 15


def test_a_steady_job_ends_at_the_time_estimated_from_its_share():
    left = TimeLeft()
    for second in range(0, 41, 2):
        left.learn("fine-tuning", second / 100, float(second))
    assert left.seconds(40) == pytest.approx(60)
    assert left.seconds(50) == pytest.approx(50)
    assert left.seconds(500) == 0


def test_nothing_is_promised_before_anything_is_known():
    left = TimeLeft()
    assert left.seconds(0) is None
    left.learn("segmenting", 0.0, 0)
    left.learn("segmenting", 0.0, 30)
    assert left.seconds(30) is None
    left.learn("segmenting", 0.1, 40)
    assert left.seconds(40) == pytest.approx(360)


def test_a_stage_counts_from_its_own_start_and_from_where_it_was_resumed():
    left = TimeLeft()
    left.learn("preparing", 0.0, 0)
    left.learn("pretraining", 0.5, 100)
    left.learn("pretraining", 0.75, 110)
    assert left.seconds(110) == pytest.approx(10)


def test_training_goes_on_with_its_estimate_after_a_validation():
    left = TimeLeft()
    for second in range(0, 11):
        left.learn("fine-tuning", second / 100, float(second))
    left.learn("validating", 0.5, 10.5)
    assert left.seconds(10.5) is None
    left.learn("fine-tuning", 0.1, 11)
    assert left.seconds(11) == pytest.approx(99)


def test_a_stage_that_begins_again_is_timed_anew():
    left = TimeLeft()
    left.learn("validating", 0.0, 0)
    left.learn("validating", 1.0, 4)
    left.learn("validating", 0.0, 100)
    left.learn("validating", 0.5, 110)
    assert left.seconds(110) == pytest.approx(10)


def test_one_slow_step_doesnt_throw_the_estimate():
    left = TimeLeft()
    for second in range(0, 51):
        left.learn("segmenting", second / 100, float(second))
    left.learn("segmenting", 0.501, 51)
    assert left.seconds(51) == pytest.approx(49, abs=1)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.3, "less than 1 s"),
        (12.4, "12 s"),
        (60, "1 min"),
        (123, "2 min 3 s"),
        (3599.8, "1 h"),
        (3900, "1 h 5 min"),
    ],
)
def test_durations_in_words(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (4, "a few seconds left"),
        (52, "50 s left"),
        (72, "1 min 10 s left"),
        (130, "about 2 min left"),
        (4700, "about 1 h 20 min left"),
    ],
)
def test_time_left_is_no_finer_than_it_is_known(seconds, said):
    assert about(seconds) == said
