"""The bar of the running job: how far it is, how long it takes, and how to stop it."""

import time
from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.errors import MatSSLError
from napari_matssl.progress import Progress
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.forms import WrappedLabel, offer
from napari_matssl.widgets.controls.message_box import MessageBox, Messages
from napari_matssl.widgets.jobs.job_time import Stopwatch, TimeLeft, about, duration
from napari_matssl.widgets.jobs.runner import JobRunner
from napari_matssl.widgets.jobs.running_job import RunningJob

ASK_AFTER_S = 30
"""Cancelling a job that has worked longer than this asks first, s."""

REFRESH_MS = 500
"""How often the time left is written anew during a long step, ms."""

METRICS = {
    "step": "step {:.0f}",
    "epoch": "epoch {:.0f}",
    "loss": "loss {:.3g}",
    "val_miou": "mIoU {:.3f}",
}
"""Figures shown beside the time left, and how."""

NOTHING_RUNS = "Nothing is running."


class JobBar(QWidget):
    """Show a runner's job with Pause, Finish now and Cancel, and messages beside jobs."""

    def __init__(
        self,
        runner: JobRunner,
        parent: QWidget | None = None,
        clock: Callable[[], float] = time.monotonic,
        messages: Messages | None = None,
    ) -> None:
        super().__init__(parent)
        self._messages = messages
        self._runner = runner
        self._clock = clock
        self._stopwatch = Stopwatch(clock)
        self._time_left = TimeLeft()
        self._metrics: dict[str, float] = {}
        self._report = self._details = ""
        self._remark = self._passing = ""  # the latest remark; the stage of a message on that stage
        self._question: QMessageBox | None = None
        self._refresh_timer = QTimer(self)
        self._refresh_timer.setInterval(REFRESH_MS)
        self._refresh_timer.timeout.connect(self._refresh)
        self._build()
        self._listen()
        self._set_idle("Ready")  # also after its dock was closed and reopened
        if runner.job is not None:
            self._on_started(runner.job)

    def _build(self) -> None:
        self._bar = QProgressBar()
        self._bar.setToolTip("Progress of the current stage of the job.")
        self._status = WrappedLabel(
            "Time left in this stage, and the latest figures: over a run the loss falls, though it "
            "may rise in the first steps, and the mIoU of the validation rises towards 1."
        )
        self._message = WrappedLabel("The latest message of the job.")
        self._pause = QPushButton("Pause")
        self._finish = QPushButton("Finish now")
        self._cancel = QPushButton("Cancel")
        buttons = QHBoxLayout()
        for button in (self._pause, self._finish, self._cancel):
            buttons.addWidget(button)
        self._error = WrappedLabel()
        self._error.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._copy = QPushButton("Copy")
        self._copy.setToolTip("Copy the message with the technical details, for a report.")
        self._error_row = QFrame()
        self._error_row.setObjectName("matssl_job_error")
        # A red edge is visible on dark and light themes; red text isn't legible on both.
        self._error_row.setStyleSheet("#matssl_job_error { border-left: 4px solid #d9534f; }")
        self._elsewhere = QPushButton("Save elsewhere...")
        self._elsewhere.setToolTip("Save the result to another place; it isn't lost yet.")
        error_row = QHBoxLayout(self._error_row)
        error_row.setContentsMargins(10, 2, 0, 2)
        error_row.addWidget(self._error, 1)
        error_row.addWidget(self._elsewhere, 0, Qt.AlignmentFlag.AlignTop)
        error_row.addWidget(self._copy, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._bar)
        layout.addWidget(self._status)
        layout.addLayout(buttons)
        layout.addWidget(self._message)
        layout.addWidget(self._error_row)
        layout.addWidget(MessageBox(self._messages, self))
        self._message.hide()
        self._error_row.hide()

    def _listen(self) -> None:
        self._pause.clicked.connect(self._on_pause_clicked)
        self._finish.clicked.connect(self._on_finish_clicked)
        self._cancel.clicked.connect(self._on_cancel_clicked)
        self._copy.clicked.connect(self._on_copy_clicked)
        self._elsewhere.clicked.connect(self._on_elsewhere_clicked)
        self._runner.started.connect(self._on_started)
        self._runner.ended.connect(self._set_buttons)  # only then is the runner free

    def _on_started(self, job: RunningJob) -> None:
        job.progressed.connect(self._on_progressed)
        job.pause_changed.connect(self._on_pause_changed)
        job.succeeded.connect(self._on_succeeded)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)
        self._stopwatch = Stopwatch(self._clock)
        self._time_left = TimeLeft()
        self._metrics = {}
        self._report = self._remark = self._passing = ""
        self._show_message("")
        self._error_row.hide()
        self._bar.setRange(0, 1000)  # a moving block would repaint the canvas at each of its steps
        self._bar.setValue(0)
        self._bar.setFormat(job.title)
        self._status.setText(f"{job.title} is starting")
        self._refresh_timer.start()
        self._set_buttons()

    def _on_progressed(self, progress: Progress) -> None:
        share = min(1.0, progress.step / progress.total) if progress.total else 0.0
        self._bar.setRange(0, 1000)
        self._bar.setValue(round(1000 * share))
        self._bar.setFormat(f"{progress.stage} {100 * share:.0f} %")
        self._time_left.learn(progress.stage, share, self._stopwatch.seconds())
        self._metrics.update(progress.metrics)
        if self._passing != progress.stage:
            self._take_back_passing()
        if progress.message:
            self._passing = progress.stage if progress.passing else ""
            self._remark = self._remark if progress.passing else progress.message
            self._show_message(progress.message)
        self._refresh()

    def _show_message(self, text: str) -> None:
        self._message.setText(text)
        self._message.setVisible(bool(text))

    def _take_back_passing(self) -> None:
        """Show the latest remark instead of a message on what goes on no longer."""
        if self._passing:
            self._passing = ""
            self._show_message(self._remark)

    def _on_pause_changed(self, paused: bool) -> None:
        if paused:
            self._stopwatch.pause()
        else:
            self._stopwatch.resume()
        self._set_buttons()
        self._refresh()

    def _on_succeeded(self, _result: object) -> None:
        self._set_idle(f"Done in {duration(self._stopwatch.seconds())}")

    def _on_cancelled(self) -> None:
        self._set_idle(f"Cancelled after {duration(self._stopwatch.seconds())}")

    def _on_failed(self, error: MatSSLError) -> None:
        job = self._runner.job
        self._details = "" if job is None else job.details
        self._set_idle(f"Failed after {duration(self._stopwatch.seconds())}")
        self._show_error(error)

    def _show_error(self, error: MatSSLError) -> None:
        self._error.setText(explain(error, "\n"))
        self._report = f"{error}\n\n{self._details}".strip()
        self._elsewhere.setVisible(self._runner.unwritten is not None)
        self._error_row.show()

    def _set_idle(self, status: str) -> None:
        self._close_question()
        self._take_back_passing()
        self._bar.setRange(0, 1000)
        self._bar.reset()
        self._bar.setFormat("")
        self._status.setText(status)
        self._refresh_timer.stop()
        self._set_buttons()
        if self._runner.unwritten is not None:
            self._show_error(self._runner.unwritten)

    def _refresh(self) -> None:
        """Write the line of time left and figures."""
        job = self._runner.job
        if job is None:
            return
        if job.stopping:
            what = "Cancelling" if job.cancelling else "Finishing with the best so far"
            self._status.setText(f"{what}, after the current step")
            return
        left = self._time_left.seconds(self._stopwatch.seconds())
        if job.paused:
            first = "Paused"
        else:
            first = f"{job.title} is running" if left is None else about(left)
        shown = [METRICS[k].format(self._metrics[k]) for k in METRICS if k in self._metrics]
        self._status.setText(" · ".join([first, *shown]))

    def _set_buttons(self) -> None:
        """Switch the buttons on and off, with tooltips on what they do or why they are off."""
        job = self._runner.job
        paused, stopping = (job is not None and job.paused), (job is not None and job.stopping)
        why_not = "The job stops after the current step." if stopping else ""
        why_not = NOTHING_RUNS if job is None else why_not
        self._pause.setText("Resume" if paused else "Pause")
        pause = "Go on with the job." if paused else "Wait after the current step."
        offer(self._pause, why_not, pause)
        finish = "Stop after the current step and keep the best result so far."
        offer(self._finish, why_not, finish)
        cancel = "Stop after the current step and keep nothing."
        offer(self._cancel, why_not if job is None or job.cancelling else "", cancel)

    def _on_pause_clicked(self) -> None:
        job = self._runner.job
        if job is not None:
            (job.resume if job.paused else job.pause)()

    def _on_finish_clicked(self) -> None:
        if self._runner.job is not None:
            self._runner.job.finish()
        self._set_buttons()
        self._refresh()

    def _on_cancel_clicked(self) -> None:
        worked = self._stopwatch.seconds()
        if worked <= ASK_AFTER_S:
            self._cancel_now()
            return
        self._close_question()
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Cancel")
        box.setText(f"Cancel and lose {duration(worked)} of work?")
        box.setInformativeText("Finish now stops as well, but keeps the best result so far.")
        keep = box.addButton("Keep running", QMessageBox.ButtonRole.RejectRole)
        lose = box.addButton("Cancel the job", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        lose.clicked.connect(self._cancel_now)
        self._question = box
        box.open()  # not exec, as the job may end while the dialog is open

    def _cancel_now(self) -> None:
        if self._runner.job is not None:
            self._runner.job.cancel()
        self._set_buttons()
        self._refresh()

    def _close_question(self) -> None:
        box, self._question = self._question, None
        if box is not None:
            box.close()
            box.deleteLater()

    def _on_elsewhere_clicked(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save what was computed", "model.safetensors", "Models (*.safetensors)"
        )
        if chosen and not self._runner.busy:
            self._runner.write_elsewhere(Path(chosen).with_suffix(".safetensors"))

    def _on_copy_clicked(self) -> None:
        QApplication.clipboard().setText(self._report)
