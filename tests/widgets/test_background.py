"""Short work beside the window."""

import threading
import time

import pytest
from qtpy.QtCore import QObject

from napari_matssl.errors import ComputeError, InputError
from napari_matssl.widgets.jobs.background import Background


@pytest.fixture
def background(qtbot):
    background = Background()
    yield background
    background.close()


def fail_if_called(error):
    raise AssertionError(error)


def test_work_runs_beside_the_window_and_results_arrive_in_it_in_order(qtbot, background):
    results, threads = [], []

    def work(number):
        threads.append(threading.current_thread())
        return number

    def then(number):
        results.append((number, threading.current_thread()))

    for number in range(5):
        background.run(lambda number=number: work(number), then, fail_if_called)
    qtbot.waitUntil(lambda: len(results) == 5)
    assert results == [(number, threading.main_thread()) for number in range(5)]
    assert threading.main_thread() not in threads
    assert len(set(threads)) == 1


@pytest.mark.parametrize(
    ("problem", "kind", "text"),
    [(InputError("No image.", "Open one."), InputError, "No image."),
     (ZeroDivisionError("by zero"), ComputeError, "ZeroDivisionError: by zero")],
)  # fmt: skip
def test_every_error_is_handed_over_as_one_for_the_user(qtbot, background, problem, kind, text):
    told = []

    def work():
        raise problem

    background.run(work, fail_if_called, told.append)
    qtbot.waitUntil(lambda: len(told) == 1)
    assert type(told[0]) is kind
    assert text in str(told[0])


def test_what_waits_can_be_dropped_and_the_rest_waited_for(qtbot, background):
    go, done = threading.Event(), []
    background.run(lambda: go.wait(10), lambda _: done.append("first"), fail_if_called)
    background.run(lambda: None, lambda _: done.append("dropped"), fail_if_called)
    assert not background.finish(0.05)
    background.drop_waiting()
    go.set()
    assert background.finish(5)
    assert done == ["first"]
    background.run(lambda: None, lambda _: done.append("second"), fail_if_called)
    qtbot.waitUntil(lambda: done == ["first", "second"])


def test_finishing_includes_the_work_that_a_result_brings(background):
    done = []

    def then(_result):
        background.run(lambda: time.sleep(0.05), lambda _: done.append("more"), fail_if_called)

    background.run(lambda: None, then, fail_if_called)
    assert background.finish(5)
    assert done == ["more"]


def test_after_closing_nothing_is_handed_over_or_begun(qtbot, background):
    go, begun, done = threading.Event(), threading.Event(), []

    def work():
        begun.set()
        go.wait(10)

    background.run(work, done.append, fail_if_called)
    assert begun.wait(5)
    background.close()
    background.run(lambda: None, done.append, fail_if_called)
    go.set()
    time.sleep(0.05)
    qtbot.wait(50)
    assert done == []


def test_work_that_waits_goes_with_its_window(qtbot):
    go, begun, done = threading.Event(), threading.Event(), []
    owner = QObject()
    background = Background(owner)

    def work():
        begun.set()
        go.wait(10)

    background.run(work, fail_if_called, fail_if_called)
    background.run(lambda: done.append("waited"), fail_if_called, fail_if_called)
    assert begun.wait(5)
    owner.deleteLater()
    qtbot.wait(50)
    go.set()
    background._pool.shutdown(wait=True)
    assert done == []
