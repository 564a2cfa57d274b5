"""The line with the device that computes, with real processes behind it."""

import json
import sys
import time

import pytest
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_matssl.widgets.controls.device_badge import DeviceBadge
from napari_matssl.widgets.jobs.torch_start import start_torch

CPU = {
    "name": "CPU, 2 cores",
    "number_format": "bfloat16",
    "reason": "no NVIDIA GPU was found",
    "remedy": "",
    "command": "",
}
MENDABLE = {
    "name": "CPU, 8 cores",
    "number_format": "float32",
    "reason": "the NVIDIA RTX A2000 is not used: this PyTorch is built without CUDA",
    "remedy": "Install a PyTorch with CUDA.",
    "command": "python -m pip install something --with=options",
}


@pytest.fixture
def make_badge(qtbot):
    def make(*code):
        badge = DeviceBadge(command=(sys.executable, "-c", *code)) if code else DeviceBadge()
        qtbot.addWidget(badge)
        badge.resize(380, 40)
        badge.show()
        return badge

    return make


def warnings_of(qtlog):
    """What Qt complained of on the terminal."""
    return "\n".join(record.message for record in qtlog.records)


def printing(report, asked):
    """Write a program that prints a report, and a line each time into the file `asked`."""
    return (
        f"print('asked', file=open({str(asked)!r}, 'a'))\nprint({json.dumps(json.dumps(report))})"
    )


def test_a_report_is_one_line_with_its_reason_behind_a_button(make_badge):
    badge = make_badge()
    badge.show_report(CPU)
    assert badge.device.text() == "CPU, 2 cores, bfloat16"
    assert "No NVIDIA GPU was found." in badge.device.toolTip()
    assert "No NVIDIA GPU was found." in badge.why_button.toolTip()
    assert not badge.why.isVisible()
    assert not badge.copy_button.isVisible()
    badge.why_button.click()
    assert badge.why.isVisible()
    assert badge.why.text() == "No NVIDIA GPU was found."
    assert not badge.fix.isVisible()
    badge.why_button.click()
    assert not badge.why.isVisible()


def test_what_would_mend_it_is_in_sight_and_can_be_copied(make_badge):
    badge = make_badge()
    badge.show_report(MENDABLE)
    assert badge.why.isVisible()
    assert "RTX A2000 is not used" in badge.why.text()
    assert "Install a PyTorch with CUDA." in badge.why.text()
    assert badge.fix.text() == MENDABLE["command"]
    badge.copy_button.click()
    assert QGuiApplication.clipboard().text() == MENDABLE["command"]
    assert badge.copy_button.text() == "Copied"
    badge.show_report(CPU)
    assert not badge.fix.isVisible()
    assert not badge.why.isVisible()


def test_a_long_command_is_seen_whole_in_a_narrow_dock(make_badge, qtbot):
    from napari_matssl.learn.nvidia import INSTALL_TORCH

    panel = QWidget()
    layout = QVBoxLayout(panel)
    badge = make_badge()
    layout.addWidget(badge)
    layout.addStretch()
    qtbot.addWidget(panel)
    panel.resize(380, 400)
    panel.show()
    badge.show_report({**MENDABLE, "command": INSTALL_TORCH})
    one_line = badge.fix.fontMetrics().height()
    qtbot.waitUntil(lambda: badge.fix.height() >= 2 * one_line)
    assert badge.fix.height() >= badge.fix.heightForWidth(badge.fix.width())
    assert panel.width() == 380
    assert badge.copy_button.geometry().right() <= badge.width()


def test_the_device_is_found_out_in_a_process_and_only_once(make_badge, qtbot, qtlog, tmp_path):
    code = printing(CPU, tmp_path / "asked")
    badge = make_badge(code)
    badge.check()
    assert badge.device.text() == "checking the device..."
    badge.check()  # a second question while the first is open
    qtbot.waitUntil(lambda: badge.device.text() == "CPU, 2 cores, bfloat16", timeout=30_000)
    second = make_badge(code)
    second.check()
    assert second.device.text() == "CPU, 2 cores, bfloat16"
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert "already running" not in warnings_of(qtlog)


def test_the_command_line_answers_the_question(make_badge, qtbot):
    badge = make_badge()
    badge.check()
    qtbot.waitUntil(lambda: "checking" not in badge.device.text(), timeout=120_000)
    start_torch()
    from napari_matssl.learn.device import diagnose

    report = diagnose()
    assert badge.device.text() == f"{report.name}, {report.number_format}"
    assert report.reason[1:] in badge.why.text()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit('error: the disk is full.')", "the disk is full"),
        ("raise SystemExit(3)", "status 3"),
        ("print('no JSON')", "can't be parsed"),
        ("print('[1, 2]')", "can't be parsed"),
        ("print('{}')", "can't be parsed"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status"),
    ],
)
def test_a_failure_is_reported_with_what_to_do_and_may_be_tried_again(
    make_badge, qtbot, code, reason
):
    badge = make_badge(code)
    badge.check()
    qtbot.waitUntil(lambda: reason in badge.device.text(), timeout=30_000)
    assert '"napari-matssl device"' in badge.device.text()
    badge.check()
    assert badge.device.text() == "checking the device..."


def test_a_program_that_is_not_there_is_reported(qtbot):
    badge = DeviceBadge(command=("/no/such/python", "-c", ""))
    qtbot.addWidget(badge)
    badge.check()
    qtbot.waitUntil(lambda: "can't be started" in badge.device.text())


def test_closing_the_panel_ends_the_process_quietly(qtbot, tmp_path, qtlog):
    alive = tmp_path / "alive"
    code = (
        "import pathlib, time\n"
        f"while True: pathlib.Path({str(alive)!r}).write_text(str(time.time())); time.sleep(0.05)"
    )
    badge = DeviceBadge(command=(sys.executable, "-c", code))
    badge.check()
    qtbot.waitUntil(alive.exists, timeout=30_000)
    with qtbot.waitSignal(badge.destroyed):
        badge.deleteLater()
    alive.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not alive.exists()
    assert "QProcess" not in warnings_of(qtlog)


def test_a_badge_that_has_its_answer_goes_quietly(make_badge, qtbot, capfd, tmp_path):
    badge = DeviceBadge(command=(sys.executable, "-c", printing(CPU, tmp_path / "asked")))
    badge.check()
    qtbot.waitUntil(lambda: badge.device.text().startswith("CPU"), timeout=30_000)
    with qtbot.waitSignal(badge.destroyed):
        badge.deleteLater()
    assert "Error" not in capfd.readouterr().err
