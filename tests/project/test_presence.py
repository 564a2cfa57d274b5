"""Who else has a folder open."""

import json
import os
import subprocess
import sys
import time

import pytest

from napari_matssl.project.folder import Project
from napari_matssl.project.own_folder import FOLDER
from napari_matssl.project.presence import STALE_S, Presence


@pytest.fixture
def painted(folder, paint):
    Project(folder).labels.write("b.tif", paint(_1=9))
    return folder


def entry(folder, age_s=0.0, **changes):
    """The file of a window elsewhere."""
    holder = {"user": "anna", "host": "lab-pc", "process": 7, "since": time.time()} | changes
    place = folder / "matssl" / "open"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"7-{len(list(place.iterdir()))}.json"
    path.write_text(json.dumps(holder))
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def files(folder):
    return sorted((folder / "matssl" / "open").glob("*"))


def test_others_are_named_with_place_and_time_and_forbid_nothing(painted, paint):
    since = time.mktime((2026, 1, 5, 9, 12, 0, 0, 0, -1))
    entry(painted, since=since)
    project = Project(painted)
    (line,) = project.presence.enter()
    assert (
        ": anna on lab-pc has had it open since 2026-01-05 09:12. Strokes of both are merged."
        in line
    )
    project.labels.write("b.tif", paint(_1=10))
    assert project.labels.counts("b.tif") == {1: 10}


def test_two_windows_of_one_computer_see_each_other_until_they_leave(painted):
    ours, theirs = Project(painted), Project(painted)
    assert ours.presence.enter() == ()
    (line,) = theirs.presence.enter()
    assert "on this computer" in line
    ours.presence.leave()
    theirs.presence.leave()
    assert files(painted) == []
    theirs.presence.keep_up()  # a look that was under way
    assert files(painted) == []


def test_a_window_that_was_killed_or_is_silent_counts_for_nothing(painted):
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from napari_matssl.project.folder import Project;"
        "Project(Path(sys.argv[1])).presence.enter(); os.kill(os.getpid(), signal.SIGTERM)"
    )
    subprocess.run([sys.executable, "-c", code, str(painted)], timeout=60)
    assert len(files(painted)) == 1
    entry(painted, age_s=STALE_S + 60)
    project = Project(painted)
    assert project.presence.enter() == ()
    assert len(files(painted)) == 1  # those are swept, ours is there


def test_a_window_that_is_still_there_stays_fresh(painted):
    minutes = iter(range(3))
    presence = Presence(painted, painted / FOLDER, lambda: None, lambda: 60.0 * next(minutes))
    presence.enter()
    (path,) = files(painted)
    os.utime(path, (1, 1))
    presence.keep_up()
    assert path.stat().st_mtime > 1
    path.unlink()  # swept by another after a pause
    presence.keep_up()
    assert files(painted) == [path]


def test_a_window_shows_its_presence_once_a_minute_at_most(painted):
    project = Project(painted)
    project.presence.enter()
    (path,) = files(painted)
    os.utime(path, (1, 1))
    for _ in range(3):
        project.presence.keep_up()
    assert path.stat().st_mtime == 1


def test_looking_at_a_folder_leaves_no_trace_and_the_first_stroke_shows_it(folder, paint):
    project = Project(folder)
    project.presence.enter()
    project.micrographs.current = "b.tif"
    assert not (folder / "matssl").exists()
    project.labels.write("b.tif", paint(_1=9))
    project.presence.keep_up()
    assert len(files(folder)) == 1
    assert Project(folder).micrographs.current == "b.tif"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"user": 1}', json.dumps({"user": "a" * 10**6, "host": "b", "process": 1})]
)
def test_unreadable_files_of_others_do_no_harm(painted, text):
    entry(painted).write_text(text)
    assert Project(painted).presence.enter() == ()


def test_where_no_file_can_be_written_all_else_works(painted, paint):
    (painted / "matssl" / "open").write_text("in the way")
    project = Project(painted)
    assert project.presence.enter() == ()
    project.presence.keep_up()
    project.labels.write("b.tif", paint(_1=10))
    project.presence.leave()
    assert (painted / "matssl" / "open").read_text() == "in the way"
