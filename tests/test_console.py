"""The terminal: signals, streams that end, letters it can't show, exit statuses."""

import errno
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

from napari_matssl.console import (
    DONE_WITH_EXCEPTIONS,
    JobOutcome,
    check_arguments,
    one_line_errors,
    run_job,
)
from napari_matssl.console_tables import show_facts, show_figures, show_summary
from napari_matssl.errors import InputError, OutputError, SettingsError, StoppedError
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.progress import Control, Progress, Skipped


def job_of(steps, on_stop="result", press=None):
    """A job of some steps; it presses a key of its own at one of them."""
    for step in range(steps):
        if step == press:
            signal.raise_signal(signal.SIGINT)
        control = yield Progress("working", step, steps)
        if control is Control.STOP:
            if on_stop == "nothing":
                raise StoppedError("Stopped before the first image: nothing was written.")
            return f"{on_stop} {step}"
    return "all"


def ending(run, *given):
    """Run something as a command does; give its exit status."""
    try:
        with one_line_errors():
            run(*given)
    except SystemExit as end:
        return end.code
    return 0


# ---- signals ----


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_lets_the_job_finish_and_shows_in_the_status(name, status):
    def job():
        signal.raise_signal(getattr(signal, name))
        while (yield Progress("working", 0, 1)) is not Control.STOP:
            pass
        return "kept"

    ended = run_job(job())
    assert ended.result == "kept"
    assert ending(ended.leave) == status


def test_a_job_without_signals_ends_with_status_0():
    ended = run_job(job_of(3))
    assert (ended.result, ended.interrupted) == ("all", 0)
    assert ending(ended.leave) == 0


def test_a_job_with_nothing_to_keep_ends_in_one_line(capsys):
    assert ending(run_job, job_of(3, "nothing", press=1)) == 130
    assert capsys.readouterr().err.strip().splitlines()[-1] == (
        "Stopped before the first image: nothing was written."
    )


def test_a_second_signal_leaves_at_once_and_the_job_cleans_up(capsys):
    cleaned = []

    def job():
        try:
            while True:
                signal.raise_signal(signal.SIGINT)
                yield Progress("working", 0, 1)
        finally:
            cleaned.append(True)

    assert ending(run_job, job()) == 130
    assert cleaned
    assert "interrupted" in capsys.readouterr().err


def test_ctrl_c_before_a_job_leaves_at_once(capsys):
    assert ending(signal.raise_signal, signal.SIGINT) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_handlers_are_put_back_and_ignored_signals_stay_ignored():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run_job(job_of(1))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        ended = run_job(hung_up())
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert (ended.result, ended.interrupted) == ("all", 0)


def hung_up():
    signal.raise_signal(signal.SIGHUP)
    return (yield from job_of(2))


# ---- exit statuses ----


def test_what_was_left_out_is_listed_and_shows_in_the_status(capsys):
    skipped = [Skipped("a.png", "a.png is constant."), Skipped("b\udcfc.png", "It is empty.")]
    assert ending(JobOutcome("x").leave, skipped) == DONE_WITH_EXCEPTIONS
    err = capsys.readouterr().err
    assert "2 left out:" in err
    assert "  a.png is constant." in err
    assert "It is empty." in err
    assert "b\\xfc.png" in err


def test_a_failure_comes_before_what_was_left_out(capsys):
    full = OutputError("Can't write m.png: No space left.", "Make room.")
    assert ending(JobOutcome("x", 130).leave, [Skipped("a", "b")], full) == 2
    assert "error: Can't write m.png" in capsys.readouterr().err


def test_a_full_memory_is_one_line(capsys):
    def full():
        raise MemoryError

    assert ending(full) == 2
    assert capsys.readouterr().err.startswith("error: The memory is full.")


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EHOSTDOWN])
def test_a_file_that_the_system_refuses_is_one_line_wherever_it_is_met(capsys, reason):
    def refused():
        raise OSError(reason, os.strerror(reason), "share/planes")

    assert ending(refused) == 2
    assert capsys.readouterr().err == (
        f"error: share/planes can't be used: {os.strerror(reason)}. Check the rights, the disk and "
        "the network.\n"
    )


def test_an_error_that_the_system_has_not_reported_is_none_of_files():
    def broken():
        raise OSError("of a library")

    with pytest.raises(OSError, match="of a library"):
        ending(broken)


def test_errors_that_can_be_mended_have_status_2(capsys):
    def bad():
        raise InputError("x.png is damaged.", "Copy it again.")

    assert ending(bad) == 2
    assert capsys.readouterr().err == "error: x.png is damaged. Copy it again.\n"


# ---- arguments ----


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "m", "i", "--out", ""], "--out"),
        (["predict", "m", "i", "--out="], "--out"),
        (["predict", "m", "", "--out", "x"], "An argument"),
        (["measure", "i", "--out", "  "], "--out"),
    ],
)
def test_empty_arguments_are_refused(arguments, words):
    with pytest.raises(SettingsError, match=words):
        check_arguments(arguments)


def test_other_arguments_pass():
    check_arguments(["predict", "m", ".", "--out=x=y", "--probabilities"])


def run_python(code, **options):
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=environment, **options
    )


def test_a_terminal_of_few_letters_gets_escapes():
    code = (
        "from napari_matssl.console import *\nfrom napari_matssl.printing import *\n"
        "with one_line_errors():\n"
        "    print_line('試料.png'); print_error('Gef\\udcfcge'); console().print('試')\n"
    )
    done = run_python(code, env={"PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0, done.stderr
    assert b"\\u8a66\\u6599.png" in done.stdout
    assert b"Gef\\udcfcge" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_job_goes_on_when_nobody_reads_any_more(tmp_path):
    code = (
        "import sys\n"
        "from napari_matssl.console import *\nfrom napari_matssl.printing import *\n"
        "from napari_matssl.progress import Progress\n"
        "def job():\n"
        "    for n in range(20):\n"
        "        yield Progress('working', n, 20, message='x' * 9000)\n"
        "    return 'all'\n"
        "with one_line_errors():\n"
        "    for n in range(20): print_line('y' * 9000)\n"
        "    ended = run_job(job())\n"
        f"    open({str(tmp_path / 'done')!r}, 'w').write(ended.result)\n"
        "    console().print('z' * 9000)\n"
        "    ended.leave()\n"
    )
    both, nobody = os.pipe()
    os.close(both)
    done = subprocess.run([sys.executable, "-c", code], stdout=nobody, stderr=nobody, check=False)
    os.close(nobody)
    assert done.returncode == 0
    assert (tmp_path / "done").read_text() == "all"


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback():
    code = (
        "import sys, runpy\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'napari_matssl.cli':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "runpy.run_module('napari_matssl', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_figures_that_begin_alike_can_be_told_apart_in_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    names = ["mean_intercept_um", "mean_intercept_px"]
    frame = pd.DataFrame({"group": "all", "class": "ferrite", "method": "lines", "figure": names})
    frame = frame.assign(n=4, mean=1.0, s=0.1, ci95=0.2, over="images")
    show_figures("Grains", frame)
    shown = capsys.readouterr().out
    written = "".join(line.split("│")[3].strip() for line in shown.splitlines() if "│" in line)
    assert written == "".join(names)


def test_an_interval_that_isnt_symmetrical_is_printed_by_its_bounds(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    frame = pd.DataFrame({"group": "all", "class": "ferrite", "figure": ["mean_um", "g_astm"]})
    frame = frame.assign(n=4, mean=[5.0, 8.2], s=0.1, ci95=[0.25, float("nan")], over="images")
    frame = frame.assign(ci95_low=[4.75, 8.071], ci95_high=[5.25, 8.345])
    low = frame.assign(figure=["x", "g_iso"], ci95_low=float("nan"))  # grains per mm2 down to 0
    show_figures("Grains", pd.concat([frame, low]))
    lines = capsys.readouterr().out.splitlines()
    cells = {words[1]: words[-1] for line in lines if len(words := _cells(line)) > 4}
    assert cells["mean_um"] == "0.25"
    assert cells["g_astm"] == "8.071 to 8.345"
    assert cells["g_iso"] == "- to 8.345"


def test_small_fractions_keep_two_digits(capsys):
    """Inclusions: 43 of 1,000,000 px, and 57."""
    rows = [PhaseFraction(f"{n}.tif", 1, "oxide", n, 1_000_000, n / 1e4, None) for n in (43, 57)]
    show_summary(rows)
    cells = next(_cells(line) for line in capsys.readouterr().out.splitlines() if "oxide" in line)
    assert cells[:4] == ["oxide", "2", "0.005", "0.00099"]


def test_figures_tell_what_they_are_over(capsys):
    frame = pd.DataFrame({"group": ["X", "Y"], "class": "oxide", "figure": "mean_um"})
    frame = frame.assign(n=2, mean=23_913.4, s=0.1, ci95=0.2, over=["specimens", "images"])
    show_figures("Layers", frame)
    shown = capsys.readouterr().out
    assert "Layers, over specimens or images" in shown
    assert "23913" in shown


def test_sides_of_pixels_are_told_apart(capsys):
    show_facts({"pixel_size_um": [0.25, 0.5]}, as_json=False)
    assert capsys.readouterr().out == "pixel size um: 0.5 wide, 0.25 high\n"
    show_facts({"pixel_size_um": 0.25}, as_json=False)  # of a model
    assert capsys.readouterr().out == "pixel size um: 0.25\n"


def _cells(line):
    return [cell.strip() for cell in line.strip("│").split("│")]
