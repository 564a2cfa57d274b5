"""What the bar of the running job shows, and what its buttons do."""

import queue
import threading

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel, QMessageBox, QProgressBar, QPushButton

from napari_matssl.errors import InputError, UnwrittenError
from napari_matssl.progress import Control, Progress
from napari_matssl.widgets.controls.job_bar import JobBar
from napari_matssl.widgets.jobs.runner import JobRunner


class Job:
    """A job whose steps are given one by one; an exception is raised, ``None`` ends it."""

    def __init__(self):
        self.given = queue.Queue()

    def give(self, step):
        self.given.put(step)

    def __call__(self):
        while (step := self.given.get(timeout=20)) is not None:
            if isinstance(step, Exception):
                raise step
            if (yield step) is Control.STOP:
                return "best"
        return "all"


class Desk:
    """A bar on the screen, with its runner, a clock to turn and a job to feed."""

    def __init__(self, qtbot):
        self.qtbot = qtbot
        self.now = 0.0
        self.runner = JobRunner()
        self.bar = JobBar(self.runner, clock=lambda: self.now)
        qtbot.addWidget(self.bar)
        self.bar.resize(370, self.bar.sizeHint().height())
        self.bar.show()
        self.job = Job()
        self.running, self.results = None, []

    def start(self, title="Fine-tuning"):
        self.job = Job()
        self.running = self.runner.start(title, self.job)
        self.running.succeeded.connect(self.results.append)

    def step(self, *step, at=None, **more):
        """Make one step and wait until it is shown."""
        with self.qtbot.waitSignal(self.running.progressed):
            self.now = self.now if at is None else at
            self.job.give(Progress(*step, **more))

    def end(self, step=None):
        with self.qtbot.waitSignal(self.runner.ended):
            self.job.give(step)

    def button(self, text):
        if text == "Copy":  # the box of messages below the bar has one, too
            return self.bar._copy
        [found] = [b for b in self.bar.findChildren(QPushButton) if b.text() == text]
        return found

    def click(self, text):
        self.qtbot.mouseClick(self.button(text), Qt.MouseButton.LeftButton)

    def texts(self):
        return [label.text() for label in self.bar.findChildren(QLabel) if label.isVisible()]

    def text(self):
        return "\n".join(self.texts())

    def progress(self):
        return self.bar.findChild(QProgressBar)

    def question(self):
        [box] = [b for b in self.bar.findChildren(QMessageBox) if b.isVisible()] or [None]
        return box


@pytest.fixture
def desk(qtbot):
    desk = Desk(qtbot)
    yield desk
    for _ in range(5):
        desk.job.give(None)
    assert desk.runner.close()


def test_with_nothing_running_the_buttons_are_off_with_the_reason(desk):
    assert desk.texts() == ["Ready"]
    for name in ("Pause", "Finish now", "Cancel"):
        assert not desk.button(name).isEnabled()
        assert desk.button(name).toolTip() == "Nothing is running."


def test_a_running_job_shows_stage_share_time_left_and_figures(desk):
    desk.start()
    assert desk.text() == "Fine-tuning is starting"
    desk.step("preparing", 0, 1, message="Device: cpu", at=5)
    desk.step("fine-tuning", 0, 10, at=10)
    assert desk.texts() == ["Fine-tuning is running", "Device: cpu"]
    desk.step("fine-tuning", 2, 10, {"loss": 0.41234, "epoch": 3.0, "lr": 1e-4}, at=20)
    assert desk.progress().value() / desk.progress().maximum() == 0.2
    assert desk.progress().text() == "fine-tuning 20 %"
    assert desk.texts() == ["40 s left · epoch 3 · loss 0.412", "Device: cpu"]
    desk.step("fine-tuning", 3, 10, {"val_miou": 0.71}, at=25)
    assert desk.texts() == ["35 s left · epoch 3 · loss 0.412 · mIoU 0.710", "Device: cpu"]
    for name in ("Pause", "Finish now", "Cancel"):
        assert desk.button(name).isEnabled()
        assert "after the current step" in desk.button(name).toolTip()


def test_the_time_left_runs_on_during_a_long_step(desk, qtbot):
    desk.start()
    desk.step("segmenting", 0, 10, at=0)
    desk.step("segmenting", 2, 10, at=20)
    assert "1 min 20 s left" in desk.text()
    desk.now = 50
    qtbot.waitUntil(lambda: "50 s left" in desk.text(), timeout=3000)


def test_a_pause_stands_still_and_costs_no_time(desk):
    desk.start()
    desk.step("segmenting", 0, 10, at=0)
    desk.step("segmenting", 2, 10, at=20)
    desk.click("Pause")
    assert desk.running.paused
    assert desk.text().startswith("Paused")
    desk.now = 1000
    desk.click("Resume")
    assert not desk.running.paused
    assert "1 min 20 s left" in desk.text()
    assert desk.button("Pause").isEnabled()
    desk.end()
    assert desk.texts() == ["Done in 20 s"]


def test_after_success_the_time_it_took_is_shown_and_the_bar_is_empty(desk):
    desk.start()
    desk.step("segmenting", 1, 2, at=3)
    desk.now = 123
    desk.end()
    assert desk.texts() == ["Done in 2 min 3 s"]
    assert desk.progress().text() == ""
    assert not desk.button("Cancel").isEnabled()


def test_finish_now_keeps_the_result(desk, qtbot):
    desk.start()
    desk.step("fine-tuning", 1, 10)
    desk.click("Finish now")
    assert desk.text().startswith("Finishing with the best so far")
    assert not desk.button("Finish now").isEnabled()
    assert not desk.button("Pause").isEnabled()
    assert desk.button("Cancel").isEnabled()
    with qtbot.waitSignal(desk.runner.ended):
        desk.job.give(Progress("fine-tuning", 2, 10))
        desk.job.give(Progress("fine-tuning", 3, 10))
    assert desk.results == ["best"]


def test_a_young_job_is_cancelled_at_once(desk, qtbot):
    desk.start()
    desk.step("fine-tuning", 1, 10, at=29)
    desk.click("Cancel")
    assert desk.question() is None
    assert desk.text().startswith("Cancelling")
    assert not desk.button("Cancel").isEnabled()
    assert "stops after" in desk.button("Cancel").toolTip()
    with qtbot.waitSignal(desk.runner.ended):
        desk.job.give(Progress("fine-tuning", 2, 10))
    assert desk.texts() == ["Cancelled after 29 s"]


def test_an_old_job_is_cancelled_only_after_asking(desk, qtbot):
    desk.start()
    desk.step("fine-tuning", 1, 10, at=31)
    desk.click("Cancel")
    box = desk.question()
    assert "31 s" in box.text()
    assert box.defaultButton().text() == "Keep running"
    qtbot.keyClick(box, Qt.Key.Key_Escape)
    assert desk.question() is None
    assert not desk.running.stopping
    desk.click("Cancel")
    [lose] = [b for b in desk.question().buttons() if b.text() == "Cancel the job"]
    qtbot.mouseClick(lose, Qt.MouseButton.LeftButton)
    assert desk.running.cancelling
    with qtbot.waitSignal(desk.running.cancelled):
        desk.job.give(Progress("fine-tuning", 2, 10))


def test_a_question_goes_away_with_its_job(desk):
    desk.start()
    desk.step("fine-tuning", 1, 10, at=31)
    desk.click("Cancel")
    desk.end()
    assert desk.question() is None
    assert desk.texts() == ["Done in 31 s"]


def test_a_failure_stays_with_its_remedy_until_the_next_start(desk):
    desk.start()
    desk.step("preparing", 0, 1, at=12)
    desk.end(InputError("steel.tif has no <b>labels</b>.", "Paint a few strokes."))
    assert desk.texts() == [
        "Failed after 12 s",
        "steel.tif has no <b>labels</b>.\nPaint a few strokes.",
    ]
    assert not desk.button("Cancel").isEnabled()
    desk.click("Copy")
    copied = QApplication.clipboard().text()
    assert copied.startswith("steel.tif has no <b>labels</b>. Paint a few strokes.")
    assert "Traceback" in copied
    desk.start()
    assert desk.text() == "Fine-tuning is starting"
    assert not desk.button("Copy").isVisible()


def test_a_failure_in_the_library_is_shown_with_a_remedy_and_lets_work_go_on(desk):
    desk.start()
    desk.end(RuntimeError("CUDA error: device-side assert triggered"))
    assert "Fine-tuning failed: CUDA error: device-side assert triggered." in desk.text()
    assert "log" in desk.text()
    desk.start("Segmenting")
    desk.end()
    assert desk.texts()[0].startswith("Done")


def test_messages_stay_until_the_next_one_and_are_never_cut_off(desk):
    long = "Crops of 512 px don't fit into this image; 384 px are taken instead. " * 4
    desk.start()
    desk.step("fine-tuning", 1, 10, message=long)
    desk.step("fine-tuning", 2, 10)
    [label] = [label for label in desk.bar.findChildren(QLabel) if label.text() == long]
    QApplication.processEvents()
    assert desk.bar.minimumSizeHint().width() < 370
    assert label.height() >= label.heightForWidth(label.width()) > 3 * label.fontMetrics().height()
    desk.step("fine-tuning", 3, 10, message="Short.")
    assert desk.texts()[-1] == "Short."


def test_a_message_on_what_goes_on_is_over_with_its_stage_and_a_remark_stays(desk):
    desk.start()
    desk.step("preparing", 0, 1, message="a.png is left out.")
    desk.step("fetching", 0, 1, message="Fetching weights.", passing=True)
    desk.step("fetching", 1, 1)
    assert desk.texts()[-1] == "Fetching weights."
    desk.step("fine-tuning", 1, 10)
    assert desk.texts()[-1] == "a.png is left out."
    desk.step("fine-tuning", 2, 10, message="Other programs keep busy.", passing=True)
    assert desk.texts()[-1] == "Other programs keep busy."
    desk.end()
    assert desk.texts()[-1] == "a.png is left out."


@pytest.mark.parametrize("error", [None, InputError("The disk is full.")])
def test_a_message_on_what_goes_on_leaves_nothing_behind(desk, error):
    desk.start()
    desk.step("fetching", 0, 1, message="Fetching weights.", passing=True)
    desk.end(error)
    assert "Fetching weights." not in desk.text()


def test_figures_of_one_job_arent_shown_for_the_next(desk):
    desk.start()
    desk.step("fine-tuning", 1, 10, {"loss": 0.4}, message="Line")
    desk.end()
    desk.start("Segmenting")
    desk.step("segmenting", 0, 10)
    assert desk.texts() == ["Segmenting is running"]


def test_a_job_started_from_ended_is_shown(desk):
    def chain():
        if desk.job is first:
            desk.start("Segmenting")

    desk.start()
    first = desk.job
    desk.runner.ended.connect(chain)
    desk.end()
    assert desk.text() == "Segmenting is starting"
    assert desk.button("Cancel").isEnabled()


def test_a_bar_made_while_a_job_runs_shows_it(qtbot):
    runner = JobRunner()
    go = threading.Event()

    def job():
        yield Progress("segmenting", 1, 2)
        go.wait(10)

    runner.start("Segmenting", job)
    bar = JobBar(runner)
    qtbot.addWidget(bar)
    cancel = next(b for b in bar.findChildren(QPushButton) if b.text() == "Cancel")
    assert cancel.isEnabled()
    assert bar.findChild(QLabel).text() == "Segmenting is starting"
    qtbot.waitUntil(lambda: bar.findChild(QProgressBar).text() == "segmenting 50 %")
    go.set()
    assert runner.close()


def test_the_error_is_legible_on_every_theme(desk):
    """The text keeps the theme's own colour."""
    from napari.qt import get_stylesheet

    desk.start()
    desk.end(InputError("steel.tif is damaged.", "Save it again."))
    [label] = [label for label in desk.bar.findChildren(QLabel) if "damaged" in label.text()]
    for theme in ("dark", "light"):
        desk.bar.setStyleSheet(get_stylesheet(theme))
        picture = label.parentWidget().grab(label.geometry()).toImage()
        greys = [
            picture.pixelColor(x, y).lightness()
            for x in range(picture.width())
            for y in range(picture.height())
        ]
        assert max(greys) - min(greys) > 150


@pytest.mark.cell("Finish now in the window", "full disk")
def test_a_result_that_cant_be_written_is_kept_until_it_is_saved_elsewhere(
    desk, qtbot, tmp_path, monkeypatch
):
    full = {"disk": True}

    def write(path):
        if full["disk"]:
            raise UnwrittenError(f"Can't write {path.name}: No space left.", "It is kept.", write)
        path.write_text("model")
        return path

    desk.start()
    desk.end(UnwrittenError("Can't write model-001: No space left.", "It is kept.", write))
    assert desk.button("Save elsewhere...").isVisible()
    desk.start("Segmenting")  # another job is no reason to drop it
    desk.end()
    assert desk.button("Save elsewhere...").isVisible()
    assert desk.results == ["all"]
    chosen = tmp_path / "elsewhere.safetensors"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(chosen), ""))
    for still_full in (True, False):
        full["disk"] = still_full
        with qtbot.waitSignal(desk.runner.ended):
            desk.click("Save elsewhere...")
            assert desk.runner.job.title == "Fine-tuning"
    assert desk.results == ["all", chosen]
    assert chosen.read_text() == "model"
    assert desk.runner.unwritten is None
    assert not desk.button("Save elsewhere...").isVisible()


def test_the_bar_of_a_dock_that_was_opened_again_offers_what_was_not_written(desk, qtbot):
    desk.start()
    desk.end(UnwrittenError("Can't write model-001: No space left.", "It is kept.", lambda p: p))
    again = JobBar(desk.runner)
    qtbot.addWidget(again)
    assert not again._error_row.isHidden()
    assert not again._elsewhere.isHidden()
