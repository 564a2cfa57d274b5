"""Driving a job: what is shown, how it is stopped, what comes out."""

from dataclasses import replace

import numpy as np
import pytest

from napari_matssl.progress import Control, Preview, Progress, drain, inside, one_of_many


def count_to(total):
    """A job that stops on request and returns how far it got."""
    done = 0
    while done < total:
        done += 1
        control = yield Progress("counting", done, total)
        if control is Control.STOP:
            break
    return done


def test_every_step_is_shown_in_order_and_the_result_returned():
    seen = []
    assert drain(count_to(4), seen.append) == 4
    assert [p.step for p in seen] == [1, 2, 3, 4]


def test_stop_reaches_the_job_and_its_result_comes_back():
    seen = []
    assert drain(count_to(100), seen.append, lambda: len(seen) >= 3) == 3


def test_stop_goes_on_once_asked_even_if_the_job_needs_more_steps_to_finish():
    def slow_to_stop():
        first = yield Progress("tidying", 0, 3)
        second = yield Progress("tidying", 1, 3)
        third = yield Progress("tidying", 2, 3)
        return [first, second, third]

    asked = iter([False, True, False])
    controls = drain(slow_to_stop(), should_stop=lambda: next(asked))
    assert controls == [None, Control.STOP, Control.STOP]


def test_a_job_without_steps_returns_its_result():
    assert drain(count_to(0)) == 0


def test_an_error_in_the_job_reaches_the_caller():
    def fails():
        yield Progress("working", 1, 2)
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        drain(fails())


def test_an_interrupt_in_the_display_lets_the_job_clean_up():
    cleaned = []

    def job():
        try:
            yield Progress("working", 1, 2)
        finally:
            cleaned.append(True)

    def interrupt(_):
        raise KeyboardInterrupt

    running = job()
    with pytest.raises(KeyboardInterrupt):
        drain(running, interrupt)
    running.close()
    assert cleaned == [True]


def test_a_job_inside_another_is_shown_under_the_outer_stage_and_gets_stop():
    def outer():
        found = yield from inside(count_to(100), lambda p: replace(p, stage="counting sheep"))
        yield Progress("sleeping", 0, 1)
        return -found

    seen = []
    assert drain(outer(), seen.append, lambda: len(seen) >= 3) == -3
    assert [(p.stage, p.step) for p in seen[:3]] == [("counting sheep", n) for n in (1, 2, 3)]
    assert seen[3].stage == "sleeping"


def test_parts_of_a_job_add_up():
    def part():
        picture = Preview("a.tif", 0, 0, np.ones((1, 1), np.uint8))
        yield Progress("tiling", 1, 4, {"loss": 0.5}, "slow", picture)
        yield Progress("tiling", 4, 4, message="wait", passing=True)
        return "done"

    def doubled(preview):
        return replace(preview, ids=2 * preview.ids)

    seen = []
    job = one_of_many(part(), 2, 5, "segmenting", doubled)
    assert drain(job, seen.append) == "done"
    assert [(p.stage, p.step, p.total) for p in seen] == [
        ("segmenting", 2.25, 5),
        ("segmenting", 3.0, 5),
    ]
    assert (seen[0].metrics, seen[0].message) == ({"loss": 0.5}, "slow")
    assert seen[0].preview.ids.item() == 2
    assert seen[1].preview is None
    assert [one.passing for one in seen] == [False, True]
