"""A job in its thread: what is heard of it, how it is steered, and that nothing of it stays."""

import gc
import logging
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from napari._qt.dialogs.qt_activity_dialog import ActivityToggleItem
from napari.resources import LOADING_GIF_PATH
from napari.utils import progress
from qtpy import API_NAME
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QMovie

from napari_matssl.errors import ComputeError, InputError, UnwrittenError
from napari_matssl.progress import Control, Preview, Progress
from napari_matssl.widgets.jobs.job_thread import NICENESS, JobThread
from napari_matssl.widgets.jobs.runner import JobRunner


@pytest.fixture
def runner(qtbot):
    runner = JobRunner()
    yield runner
    assert runner.close(), "the thread of the last job is still running"


@pytest.fixture
def heard(runner):
    """All signals of the runner and its jobs, in order."""
    heard = []

    def follow(job):
        heard.append(("started", job.title))
        job.progressed.connect(lambda progress: heard.append(("progressed", progress)))
        job.succeeded.connect(lambda result: heard.append(("succeeded", result)))
        job.failed.connect(lambda error: heard.append(("failed", error)))
        job.cancelled.connect(lambda: heard.append(("cancelled", None)))
        job.pause_changed.connect(lambda paused: heard.append(("pause_changed", paused)))
        job.ended.connect(lambda: heard.append(("ended", runner.busy)))

    runner.started.connect(follow)
    return heard


def names(heard):
    return [name for name, _ in heard]


def steps(heard):
    return [progress.step for name, progress in heard if name == "progressed"]


def run(qtbot, runner, make_job, title="Working"):
    with qtbot.waitSignal(runner.ended, timeout=10_000):
        return runner.start(title, make_job)


class Endless:
    """A job that steps until it is stopped, and keeps book of it."""

    def __init__(self):
        self.steps = 0
        self.told = []
        self.tidied_in = None

    def __call__(self):
        try:
            while True:
                self.steps += 1
                control = yield Progress("working", self.steps, 1_000_000)
                self.told.append(control)
                if control is Control.STOP:
                    return f"best of {self.steps}"
                time.sleep(0.002)
        finally:
            self.tidied_in = threading.current_thread()


def test_signals_of_a_job_come_in_order_in_the_windows_thread(qtbot, runner, heard):
    threads = []
    runner.started.connect(
        lambda job: job.progressed.connect(lambda _: threads.append(threading.current_thread()))
    )
    made_in = []

    def job():
        made_in.append(threading.current_thread())
        yield Progress("working", 1, 2, message="first")
        yield Progress("working", 2, 2)
        return "mask"

    run(qtbot, runner, job)
    assert names(heard) == ["started", "progressed", "progressed", "succeeded", "ended"]
    assert heard[0] == ("started", "Working")
    assert heard[-2:] == [("succeeded", "mask"), ("ended", False)]
    assert set(threads) == {threading.main_thread()}
    assert made_in != [threading.main_thread()]


def test_the_job_is_made_in_its_thread_where_it_may_import_torch(qtbot, runner):
    made_in = []

    def make():
        made_in.append(threading.current_thread())
        return iter_nothing()

    run(qtbot, runner, make)
    assert made_in[0] is not threading.main_thread()


def iter_nothing():
    yield from ()


def test_of_many_steps_few_are_shown_but_every_message_preview_and_the_last(qtbot, runner, heard):
    picture = Preview("a.tif", 0, 0, np.zeros((1, 1), np.uint8))

    def job():
        begin = time.monotonic()
        number = 0
        while time.monotonic() - begin < 1.3:
            number += 1
            yield Progress(
                "working",
                number,
                1e9,
                message="line" if number in (20, 21, 2000) else "",
                preview=picture if number in (30, 2001) else None,
            )
        return number

    run(qtbot, runner, job)
    number = heard[-2][1]
    assert number > 3000
    shown = [progress for name, progress in heard if name == "progressed"]
    special = [p.step for p in shown if p.message or p.preview is not None]
    assert special == [20, 21, 30, 2000, 2001]
    plain = [p.step for p in shown if not p.message and p.preview is None]
    assert 2 <= len(plain) <= 14
    assert plain[-1] == number
    assert steps(heard) == sorted(steps(heard))


def test_the_latest_step_is_shown_even_if_the_next_one_takes_long(qtbot, runner, heard):
    release = threading.Event()

    def job():
        for number in (1, 2, 3):
            yield Progress("working", number, 4)
        release.wait(10)

    runner.start("Working", job)
    qtbot.waitUntil(lambda: steps(heard)[-1:] == [3], timeout=3000)
    with qtbot.waitSignal(runner.ended):
        release.set()


def test_a_last_step_right_after_another_is_shown(qtbot, runner, heard):
    shown = threading.Event()

    def job():
        yield Progress("working", 1, 2)
        shown.wait(10)
        yield Progress("working", 2, 2)

    with qtbot.waitSignal(runner.ended):
        runner.start("Working", job).progressed.connect(lambda _: shown.set())
    assert steps(heard) == [1, 2]


def test_a_paused_job_makes_no_step_until_it_is_resumed(qtbot, runner, heard):
    job = Endless()
    running = runner.start("Working", job)
    qtbot.waitUntil(lambda: job.steps > 3)
    running.pause()
    assert running.paused
    qtbot.wait(60)
    waiting_at = job.steps
    qtbot.wait(120)
    assert job.steps == waiting_at
    running.resume()
    assert not running.paused
    qtbot.waitUntil(lambda: job.steps > waiting_at + 3)
    assert job.told[:4] == [None] * 4
    assert [item for item in heard if item[0] == "pause_changed"] == [
        ("pause_changed", True),
        ("pause_changed", False),
    ]
    with qtbot.waitSignal(runner.ended):
        running.cancel()


@pytest.mark.parametrize("paused", [False, True])
def test_finish_keeps_the_best_so_far_even_from_a_pause(qtbot, runner, heard, paused):
    job = Endless()
    running = runner.start("Working", job)
    qtbot.waitUntil(lambda: job.steps > 3)
    if paused:
        running.pause()
    with qtbot.waitSignal(runner.ended):
        running.finish()
        assert running.stopping
        assert not running.cancelling
        assert not running.paused
    assert heard[-2] == ("succeeded", f"best of {job.steps}")


def test_a_job_that_takes_a_while_to_finish_gets_stop_at_every_step(qtbot, runner):
    told = []

    def job():
        for number in range(500):
            told.append((yield Progress("working", number, 500)))
            time.sleep(0.002)

    running = runner.start("Working", job)
    qtbot.waitUntil(lambda: len(told) > 3)
    with qtbot.waitSignal(runner.ended, timeout=10_000):
        running.finish()
    first = told.index(Control.STOP)
    assert set(told[:first]) == {None}
    assert set(told[first:]) == {Control.STOP}


@pytest.mark.parametrize("paused", [False, True])
def test_cancel_tidies_up_in_the_thread_and_gives_no_result(qtbot, runner, heard, paused):
    job = Endless()
    kept = []

    def make():
        kept.append(job())
        return kept[0]

    running = runner.start("Working", make)
    qtbot.waitUntil(lambda: job.steps > 3)
    if paused:
        running.pause()
    with qtbot.waitSignal(runner.ended):
        running.cancel()
        assert running.cancelling
    assert job.tidied_in not in (None, threading.main_thread())
    assert names(heard)[-2:] == ["cancelled", "ended"]
    assert "succeeded" not in names(heard)


def test_cancel_takes_back_a_result_that_nobody_has_seen(qtbot, runner, heard):
    done = threading.Event()

    def job():
        yield Progress("working", 1, 1)
        done.set()
        return "late"

    running = runner.start("Working", job)
    assert done.wait(5)
    with qtbot.waitSignal(runner.ended):
        running.cancel()
    assert names(heard)[-2:] == ["cancelled", "ended"]
    assert "succeeded" not in names(heard)


def test_a_second_job_is_refused_with_a_reason_and_the_first_goes_on(qtbot, runner, heard):
    job = Endless()
    assert runner.busy_reason == ""
    running = runner.start("Fine-tuning", job)
    assert runner.job is running
    reason = "Fine-tuning is running; one job at a time. Wait, or cancel it."
    assert runner.busy_reason == reason
    with pytest.raises(InputError, match="one job at a time"):
        runner.start("Segmenting", Endless())
    assert runner.job is running
    with qtbot.waitSignal(runner.ended):
        running.finish()
    assert names(heard).count("started") == 1
    assert runner.busy_reason == ""
    assert runner.job is None


@pytest.mark.parametrize("whose", ["job", "runner"])
def test_the_next_job_can_be_started_from_ended(qtbot, runner, heard, whose):
    def chain():
        if names(heard).count("started") == 1:
            runner.start("Second", Endless())

    first = runner.start("First", iter_nothing)
    (first if whose == "job" else runner).ended.connect(chain)
    qtbot.waitUntil(lambda: "progressed" in names(heard))
    assert runner.job.title == "Second"
    with qtbot.waitSignal(runner.ended):
        runner.job.finish()
    assert names(heard)[-2:] == ["succeeded", "ended"]


def test_an_error_for_the_user_arrives_as_it_is(qtbot, runner, heard):
    error = InputError("steel.tif can't be read.", "Save it again.")

    def job():
        yield Progress("working", 1, 2)
        raise error

    failed = run(qtbot, runner, job)
    assert names(heard)[-2:] == ["failed", "ended"]
    assert heard[-2][1] is error
    assert "InputError" in failed.details


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (
            RuntimeError("index 7 is out\nsecond line"),
            "failed: index 7 is out.",
        ),
        (MemoryError(), "failed: MemoryError."),
        (KeyError("labels"), "failed: KeyError 'labels'."),
        (SystemExit("bye"), "failed: bye."),
    ],
)
def test_any_other_error_gets_a_remedy_and_its_traceback_is_logged(
    qtbot, runner, heard, caplog, error, what
):
    def job():
        yield Progress("working", 1, 2)
        raise error

    failed = run(qtbot, runner, job, title="Fine-tuning")
    name, told = heard[-2]
    assert name == "failed"
    assert isinstance(told, ComputeError)
    assert told.what == f"Fine-tuning {what}"
    assert "log" in told.remedy
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "in job" in record.getMessage()
    assert "in job" in failed.details
    run(qtbot, runner, iter_nothing)
    assert names(heard)[-2:] == ["succeeded", "ended"]


def test_an_error_while_the_job_is_made_is_reported(qtbot, runner, heard):
    def make():
        raise ImportError("no module named torch")

    run(qtbot, runner, make)
    assert "no module named torch" in heard[-2][1].what


def test_jobs_are_found_by_the_panel_that_started_them(qtbot, runner):
    """A caption on the screen may change, and two panels may have one."""
    first, second = [], []
    with qtbot.waitSignal(runner.ended):
        job = runner.start("Working", lambda: succeed("mask"), "segment")
        job.succeeded.connect(first.append)
        assert runner.job_of("segment") is job
        assert runner.job_of("fine-tune") is None
    assert runner.job_of("segment") is None
    with qtbot.waitSignal(runner.ended):
        runner.start("Working", lambda: succeed("model"), "fine-tune").succeeded.connect(
            second.append
        )
    assert (first, second) == (["mask"], ["model"])


def test_a_result_that_is_written_elsewhere_reaches_those_who_wait_for_it(qtbot, runner, tmp_path):
    tries, results = [], []

    def write(path):
        tries.append(path)
        if len(tries) < 3:
            raise UnwrittenError("The disk is full.", "Make room.", write)
        return path

    def job():
        yield Progress("working", 1, 1)
        write(tmp_path / "full.safetensors")

    with qtbot.waitSignal(runner.ended):
        runner.start("Fine-tuning", job).succeeded.connect(results.append)
    for name in ("full too.safetensors", "kept.safetensors"):
        assert runner.unwritten is not None
        with qtbot.waitSignal(runner.ended):
            runner.write_elsewhere(tmp_path / name)
    assert results == [tmp_path / "kept.safetensors"]
    assert runner.unwritten is None
    with pytest.raises(InputError, match="nothing"):
        runner.write_elsewhere(tmp_path / "again.safetensors")


def test_results_that_cant_be_written_wait_for_each_other(qtbot, runner, tmp_path):
    results = []

    def fails(name):
        yield Progress("working", 1, 1)
        raise UnwrittenError(f"{name} can't be written.", "Make room.", lambda path: (name, path))

    for name in ("first", "second"):
        with qtbot.waitSignal(runner.ended):
            runner.start("Fine-tuning", lambda name=name: fails(name)).succeeded.connect(
                results.append
            )
    assert len(runner.all_unwritten) == 2
    with qtbot.waitSignal(runner.ended):  # a job that does well changes nothing
        runner.start("Working", lambda: succeed("mask"))
    for name in ("second", "first"):
        assert name in str(runner.unwritten)
        with qtbot.waitSignal(runner.ended):
            runner.write_elsewhere(tmp_path / name)
        assert results[-1] == (name, tmp_path / name)
    assert runner.unwritten is None


class Model:
    """Something large."""


def succeed(model):
    yield Progress("working", 1, 1)
    return model


def fail(model):
    yield Progress("working", 1, 1)
    try:
        raise RuntimeError("CUDA out of memory")
    except RuntimeError as error:
        raise ComputeError("No memory.", "Use smaller tiles.") from error


def break_down(model):
    yield Progress("working", 1, 1)
    raise RuntimeError(model)


def go_on(model):
    while True:
        yield Progress("working", 1, 2)
        time.sleep(0.001)


def waiting_for_the_end_of(runner):
    """How many slots are connected; PySide takes Qt's own name of a signal."""
    named = API_NAME == "PySide6"
    return runner.receivers("2destroyed(QObject*)" if named else runner.destroyed)


@pytest.mark.parametrize("kind", [succeed, fail, break_down, go_on])
def test_nothing_of_a_job_stays_in_memory(qtbot, runner, caplog, kind):
    caplog.set_level(logging.DEBUG)
    connections = waiting_for_the_end_of(runner)
    left = []
    for _ in range(10):
        model = Model()
        left.append(weakref.ref(model))
        with qtbot.waitSignal(runner.ended, timeout=5000):
            job = runner.start("Working", lambda model=model: kind(model))
            if kind is go_on:
                job.cancel()
        del model
    gc.collect()
    assert [ref() for ref in left] == [None] * 10
    # PyQt tidies up a little later.
    assert waiting_for_the_end_of(runner) < connections + 5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of single threads")
def test_the_jobs_thread_makes_room_for_the_window(qtbot, runner, heard):
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if before >= NICENESS:
        pytest.skip("this process has a low priority itself")

    def own():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def make_job():
        while_loading = own()  # torch, with locks that the window needs, too

        def job():
            yield from ()
            return while_loading, own()

        return job()

    run(qtbot, runner, make_job)
    assert heard[-2][1] == (before, NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_close_ends_the_job_and_nothing_is_heard_any_more(qtbot, runner, heard):
    job = Endless()
    running = runner.start("Working", job)
    qtbot.waitUntil(lambda: job.steps > 3)
    running.pause()
    before = len(heard)
    assert runner.close()
    assert job.tidied_in is not None
    qtbot.wait(100)
    assert len(heard) == before
    assert not runner.busy
    with pytest.raises(InputError, match="closed"):
        runner.start("Working", Endless())
    assert runner.close()


def test_a_receiver_of_a_jobs_signals_can_close_its_window(qtbot, runner, heard):
    job_ended = threading.Event()

    def job():
        for number in range(3):
            yield Progress("working", number, 3, message=f"line {number}")
        job_ended.set()

    runner.start("Working", job).progressed.connect(lambda _: runner.close())
    assert job_ended.wait(5)
    qtbot.waitUntil(lambda: not runner.busy)
    qtbot.wait(60)
    assert names(heard) == ["started", "progressed"]


def bars(viewer):
    from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar

    dialog = viewer.window._qt_window._activity_dialog
    found = dialog._baseWidget.findChildren(QtLabeledProgressBar)
    return [bar for bar in found if not bar.isHidden()]


@pytest.mark.parametrize("way_out", ["finish", "cancel", "close", "fail"])
def test_the_job_is_in_naparis_activity_dock_while_it_runs(
    make_napari_viewer, qtbot, runner, capfd, way_out
):
    viewer = make_napari_viewer()
    fail_now = threading.Event()

    def job():
        while not fail_now.is_set():
            if (yield Progress("working", 42, 100)) is Control.STOP:
                return
            time.sleep(0.002)
        raise RuntimeError("boom")

    running = runner.start("Fine-tuning", job)
    qtbot.waitUntil(lambda: [bar.qt_progress_bar.value() for bar in bars(viewer)] == [42])
    assert "Fine-tuning" in bars(viewer)[0].description_label.text()
    if way_out == "fail":
        fail_now.set()
    else:
        getattr(runner if way_out == "close" else running, way_out)()
    qtbot.waitUntil(lambda: not runner.busy)
    qtbot.waitUntil(lambda: bars(viewer) == [])
    assert "it/s" not in capfd.readouterr().err


def test_without_a_viewer_no_bar_goes_to_the_terminal(qtbot, runner, capfd):
    def job():
        for number in range(30):
            yield Progress("working", number, 30)
            time.sleep(0.015)

    run(qtbot, runner, job)
    assert capfd.readouterr().err == ""


def test_a_viewer_closed_before_the_runner_does_no_harm(make_napari_viewer, qtbot, runner, heard):
    viewer = make_napari_viewer()
    job = Endless()
    running = runner.start("Working", job)
    qtbot.waitUntil(lambda: len(bars(viewer)) == 1)
    viewer.close()
    qtbot.wait(100)
    with qtbot.waitSignal(runner.ended):
        running.finish()
    assert names(heard)[-2:] == ["succeeded", "ended"]


LEAVE = """
import sys, time
from qtpy.QtWidgets import QApplication
from qtpy.QtCore import QTimer
from napari_matssl.progress import Progress
from napari_matssl.widgets.jobs.runner import JobRunner

def job():
    yield Progress("working", 0, 1, message="begun")
    time.sleep(60)

app = QApplication([])
runner = JobRunner()
runner.ended.connect(lambda: print("ended", flush=True))

def leave():
    {leave}
    app.quit()

job = runner.start("Working", job)
job.progressed.connect(lambda _: QTimer.singleShot(0, leave))
app.exec()
print("left", flush=True)
"""


@pytest.mark.parametrize(
    ("leave", "said"),
    [
        ("print(runner.close(timeout=1.0), flush=True)", "False\nleft\n"),
        ("pass", "left\n"),
        ("runner.deleteLater(); app.processEvents()", "left\n"),
    ],
)
def test_the_program_ends_in_time_whatever_the_job_does(leave, said):
    program = subprocess.Popen(
        [sys.executable, "-c", LEAVE.format(leave=leave)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        heard = [program.stdout.readline() for _ in said.splitlines()]
        _, complaints = program.communicate(timeout=30)  # the step takes 60 s
    finally:
        program.kill()
    assert "".join(heard) == said
    assert program.returncode == 0, complaints
    assert "Error" not in complaints


def test_a_deleted_runner_cancels_its_job(qtbot):
    runner = JobRunner()
    job = Endless()
    runner.start("Working", job)
    qtbot.waitUntil(lambda: job.steps > 3)
    runner.deleteLater()
    qtbot.waitUntil(lambda: job.tidied_in is not None)


def test_naparis_spinner_is_held_while_a_job_runs_and_other_pictures_go_on(
    make_napari_viewer, qtbot
):
    """Each of its frames repaints the canvas, which takes half a core from the training."""
    window = make_napari_viewer(show=True).window._qt_window
    item = window.findChild(ActivityToggleItem)
    item._activityBtn.click()  # napari stops the spinner with any bar while they are out of sight
    spinner = item._inProgressIndicator.movie()
    other = QMovie(LOADING_GIF_PATH, parent=window)  # of another plugin
    other.start()
    theirs = progress(total=10, desc="of another plugin")
    qtbot.waitUntil(lambda: spinner.state() == QMovie.MovieState.Running)
    runner = JobRunner(window)
    running = runner.start("Working", Endless())
    qtbot.waitUntil(lambda: spinner.state() == QMovie.MovieState.Paused)
    turned, moved = [], []
    spinner.frameChanged.connect(turned.append)
    other.frameChanged.connect(moved.append)
    qtbot.waitUntil(lambda: len(moved) >= 3)
    assert turned == []
    with qtbot.waitSignal(runner.ended):
        running.cancel()
    qtbot.waitUntil(lambda: len(turned) >= 3)  # for the other plugin, whose bar is still there
    theirs.close()
    qtbot.waitUntil(lambda: spinner.state() == QMovie.MovieState.NotRunning)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps memory for its threads")
def test_what_a_job_has_freed_is_given_back_to_the_system():
    def held():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def job():
        yield Progress("working", 0, 1)
        pieces = [bytearray(50_000) for _ in range(8000)]  # 400 MB in pieces that are no mappings
        peaks.append(held())
        return pieces[-1]  # holds the end of what was taken

    before, peaks = held(), []
    thread = JobThread("Working", job)
    assert thread.ended(60)
    assert peaks[0] - before > 150e6
    assert held() - before < 60e6


class Post(QObject):
    found = Signal(str)


class Reader(QObject):
    """Hears of results in the window's thread, as panels do."""

    def __init__(self, heard):
        super().__init__()
        self.heard = heard

    def read(self, result):
        self.heard.append(("found", result))


def test_what_a_job_sends_to_the_window_arrives_before_its_end(qtbot, runner, heard):
    post, reader = Post(), Reader(heard)
    post.found.connect(reader.read)

    def make_job():
        yield Progress("working", 0, 1)
        post.found.emit("a mask")
        return "done"

    job = runner.start("Working", make_job)
    while job._thread.outcome is None:  # no event is handled meanwhile
        time.sleep(0.001)
    job._hand_over()
    assert names(heard)[-3:] == ["found", "succeeded", "ended"]
