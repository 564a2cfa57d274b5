"""A line with the device in use, and how to use a faster one."""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar

from qtpy.QtCore import QProcess, Qt
from qtpy.QtGui import QFontDatabase, QGuiApplication
from qtpy.QtWidgets import QApplication, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_matssl.widgets.controls.forms import note

log = logging.getLogger(__name__)

ASK_DEVICE = (sys.executable, "-m", "napari_matssl", "device", "--json")
"""Prints the device as JSON. A program of its own: torch stays out of this one until needed."""

_FAILED = (
    "Can't find out which device computes: {}. "
    'Run "napari-matssl device" in a terminal to see more.'
)


class DeviceBadge(QWidget):
    """Name of the device and its number format, with the reason behind a button.

    Where something would bring a faster device, it is shown below, with the command to copy.

    Parameters
    ----------
    command
        Program and arguments that print the device as ``napari-matssl device --json`` does.
    """

    _known: ClassVar[dict[tuple[str, ...], Mapping[str, str]]] = {}
    """What each command answered."""

    def __init__(self, parent: QWidget | None = None, command: Sequence[str] = ASK_DEVICE) -> None:
        super().__init__(parent)
        self._command = tuple(command)
        self._process: QProcess | None = None
        self.device = note("", "Device and number format of computations")
        self.why_button = QPushButton("i")
        self.why_button.setFixedWidth(24)
        self.why_button.setCheckable(True)
        self.why_button.setAccessibleName("Why this device?")
        self.why = note("", "Why this device is used, and how to use a faster one")
        self.fix = note("", "Select and copy this line into a terminal")
        self.fix.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the command, to paste it into a terminal")
        self._lay_out()
        self.why_button.toggled.connect(self._show_details)
        self.copy_button.clicked.connect(self._copy)
        self._show("Device: not checked yet", "", "")

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.device, 1)
        line.addWidget(self.why_button, 0, Qt.AlignmentFlag.AlignTop)
        command = QHBoxLayout()
        command.addWidget(self.fix, 1)
        command.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(line)
        layout.addWidget(self.why)
        layout.addLayout(command)

    def check(self) -> None:
        """Find out the device in another process, once per program, and show it."""
        known = self._known.get(self._command)
        if known is not None:
            self.show_report(known)
            return
        if self._process is not None:
            return
        self._show("checking the device...", "Loading PyTorch takes some seconds.", "")
        # Owned by the application, as destroying a running process would wait for it.
        self._process = QProcess(QApplication.instance())
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._not_started)
        self._process.finished.connect(self._process.deleteLater)
        # Qt alone handles this; no Python runs while the widget is destroyed.
        self.destroyed.connect(self._process.kill)
        QApplication.instance().aboutToQuit.connect(self._process.kill)
        self._process.start(self._command[0], list(self._command[1:]))

    def show_report(self, report: Mapping[str, str]) -> None:
        """Show a device.

        Parameters
        ----------
        report
            ``name``, ``number_format``, ``reason``, ``remedy`` and ``command``, the last two empty
            where there is nothing to mend.
        """
        reason = report["reason"]
        why = f"{reason[:1].upper()}{reason[1:]}. {report['remedy']}".strip()
        self._show(f"{report['name']}, {report['number_format']}", why, report["command"])
        self.why_button.setChecked(bool(report["remedy"]))

    def _show(self, device: str, why: str, command: str) -> None:
        self.device.setText(device)
        self.device.setToolTip(why)
        self.why.setText(why)
        self.why_button.setToolTip(f"{why} Click to keep this in sight.".strip())
        self.why_button.setVisible(bool(why))
        self.why_button.setChecked(False)
        self.fix.setText(command)
        self.copy_button.setText("Copy")
        self._show_details(False)

    def _show_details(self, shown: bool) -> None:
        self.why.setVisible(shown)
        self.fix.setVisible(shown and bool(self.fix.text()))
        self.copy_button.setVisible(shown and bool(self.fix.text()))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.fix.text())
        self.copy_button.setText("Copied")

    def _finished(self, status: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        output = bytes(process.readAllStandardOutput()).decode(errors="replace")
        errors = bytes(process.readAllStandardError()).decode(errors="replace").strip()
        if errors:
            log.debug("finding out the device: %s", errors)
        if status != 0:
            last = errors.splitlines()[-1] if errors else f"it ended with status {status}"
            self._fail(last.removeprefix("error: "))
            return
        try:
            report = json.loads(output)
            self.show_report(report)
        except (ValueError, KeyError, TypeError):
            log.warning("no report of the device: %s", output, exc_info=True)
            self._fail("its answer can't be parsed")
            return
        self._known[self._command] = report

    def _not_started(self, error: QProcess.ProcessError) -> None:
        process = self._process
        if process is not None and error == QProcess.ProcessError.FailedToStart:
            # After any other error, `finished` is emitted.
            self._process = None
            process.deleteLater()
            self._fail(f"{self._command[0]} can't be started")

    def _fail(self, reason: str) -> None:
        self._show(_FAILED.format(reason.rstrip(".")), "", "")
