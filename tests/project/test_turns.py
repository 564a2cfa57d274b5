"""Programs that change settings of one folder at the same time."""

import os
import signal
import subprocess
import sys

import pytest

from napari_matssl.project import turns
from napari_matssl.project.own_folder import Place
from napari_matssl.project.record import ImageRecord, KeptRecord, read_record

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders can't be locked there")

MANY = 100
EXCLUDE = """
import sys
from pathlib import Path
from napari_matssl.project.own_folder import Place
from napari_matssl.project.record import ImageRecord, KeptRecord
record = KeptRecord(Place(Path(sys.argv[1]) / "matssl"))
for number in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}{number}.png"
    record.change(lambda known: known.with_image(name, ImageRecord(excluded=True)))
"""
HOLD = """
import sys
from pathlib import Path
from napari_matssl.project.turns import in_turn
with in_turn(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_no_setting_is_lost_where_two_programs_set_some_without_a_pause(tmp_path):
    programs = [
        subprocess.Popen([sys.executable, "-c", EXCLUDE, str(tmp_path), who, str(MANY)])
        for who in "ab"
    ]
    assert [one.wait() for one in programs] == [0, 0]
    assert len(read_record(tmp_path / "matssl" / "project.json").images) == 2 * MANY


@pytest.fixture
def holder(tmp_path):
    """Another program that has the folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout.readline() == b"held\n"
        yield program
        program.kill()


def change(folder):
    record = KeptRecord(Place(folder / "matssl"))
    record.change(lambda known: known.with_image("a.png", ImageRecord(excluded=True)))
    return read_record(folder / "matssl" / "project.json").image("a.png").excluded


def test_a_program_that_is_stuck_stops_nobody(holder, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(turns, "LONGEST_WAIT_S", 0.02)
    monkeypatch.setattr(turns.time, "sleep", waits.append)
    os.kill(holder.pid, signal.SIGSTOP)
    assert change(tmp_path)
    assert waits


def test_a_program_that_was_killed_is_not_waited_for(holder, tmp_path, monkeypatch):
    holder.kill()
    holder.wait()
    monkeypatch.setattr(turns.time, "sleep", lambda _s: pytest.fail("it is waited for"))
    assert change(tmp_path)
