"""Writing files: a crash leaves the old file or none, and nothing beside it."""

import errno
import os
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest
from psutil import Process
from safetensors.numpy import save_file

from napari_matssl.errors import InputError, OutputError
from napari_matssl.files import (
    atomic_write,
    check_room,
    check_writable,
    check_writable_folder,
    read_json,
    stamp_of,
    write_json,
)
from napari_matssl.temporaries import is_running


@pytest.fixture
def blocked(tmp_path):
    """A folder that can't be made, not even by root: a file has its name."""
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    return blocker / "folder"


def test_the_new_content_replaces_the_old(tmp_path):
    path = tmp_path / "deep" / "table.csv"
    for content in ("old", "new"):
        with atomic_write(path) as temporary:
            temporary.write_text(content)
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def write_half(path, crash):
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        raise crash


def test_a_crash_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(path, KeyboardInterrupt())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_at_the_first_writing_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="boom"):
        write_half(tmp_path / "a.png", ValueError("boom"))
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_is_beside_the_file_and_keeps_the_suffix(tmp_path):
    with atomic_write(tmp_path / "mask.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        temporary.write_text("x")


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")
def test_colleagues_can_read_the_result(tmp_path):
    before = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "table.csv") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "table.csv").stat().st_mode) == 0o644


def test_a_folder_that_cannot_be_made_is_a_clear_error(blocked):
    with pytest.raises(OutputError, match=r"mask\.png.*Choose another place"):
        write_half(blocked / "mask.png", AssertionError("the block must not run"))


def test_a_name_that_is_a_folder_is_a_clear_error_and_leaves_no_temporary(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(OutputError), atomic_write(tmp_path / "model") as temporary:
        temporary.write_text("x")
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_a_long_name_is_no_obstacle(tmp_path):
    path = tmp_path / ("a" * 250 + ".png")
    with atomic_write(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


def test_the_check_before_a_long_job_finds_what_would_fail(tmp_path, blocked):
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(OutputError):
        check_writable(blocked / "model.safetensors")
    with pytest.raises(OutputError):
        check_writable_folder(blocked)


def test_the_check_before_a_long_job_touches_nothing(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    check_writable(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")
def test_a_writer_that_puts_a_private_file_there_leaves_no_private_file(tmp_path):
    (tmp_path / "plain").write_text("as any new file")
    with atomic_write(tmp_path / "model") as temporary:
        private = tmp_path / "private"
        private.touch(mode=0o600)
        private.replace(temporary)
    save = tmp_path / "other"
    with atomic_write(save) as temporary:
        save_file({"a": np.zeros(2)}, temporary)
    modes = {stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("plain", "model", "other")}
    assert len(modes) == 1


def test_writing_never_touches_the_umask_of_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda _mask: pytest.fail("other threads write with it, too"))
    with atomic_write(tmp_path / "table.csv") as temporary:
        temporary.write_text("x")


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")
def test_a_file_that_is_replaced_keeps_its_rights(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    path.chmod(0o640)
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_system_without_rights_or_flushing_is_written_all_the_same(tmp_path, monkeypatch):
    def not_supported(*_args, **_options):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "chmod", not_supported)
    monkeypatch.setattr(os, "fsync", not_supported)
    path = tmp_path / "table.csv"
    for content in ("old", "new"):
        with atomic_write(path) as temporary:
            temporary.write_text(content)
    assert path.read_text() == "new"


def test_a_drive_that_is_full_once_it_is_flushed_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def full(_file):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="Disk quota exceeded"), atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no containers to be made here")
def test_a_container_of_the_same_host_name_sweeps_nothing_away_that_is_written_now(tmp_path):
    sweep = "import sys; from pathlib import Path; from napari_matssl.temporaries import *\n"
    sweep += "assert '.matssl-tmp-' in temporary_name(); sweep_temporaries(Path(sys.argv[1]))"
    alone = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    with atomic_write(tmp_path / "a.csv") as temporary:
        done = subprocess.run(
            [*alone, sys.executable, "-c", sweep, str(tmp_path)], capture_output=True, check=False
        )
        if done.returncode and b"unshare" in done.stderr:
            pytest.skip("no containers may be made here")
        assert done.returncode == 0, done.stderr
        assert temporary.exists()


def test_a_process_that_got_the_number_of_one_that_has_ended_is_another():
    begun = Process().create_time()
    assert is_running(os.getpid())
    assert is_running(os.getpid(), since=begun + 1)
    assert not is_running(os.getpid(), since=begun - 3600)
    assert not is_running(2**70)


def test_what_killed_programs_left_is_swept_and_what_others_write_now_is_not(tmp_path):
    write_and_die = (
        "import os, sys\nfrom pathlib import Path\nfrom napari_matssl.files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1]) / 'model.safetensors'):\n    os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", write_and_die, str(tmp_path)], check=False)
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    with atomic_write(tmp_path / "a.csv") as temporary:
        assert not left[0].exists()
        with atomic_write(tmp_path / "b.csv") as other:
            assert temporary.exists()
            other.write_text("x")
        temporary.write_text("x")
    assert {p.name for p in tmp_path.iterdir()} == {"a.csv", "b.csv"}


def test_a_full_disk_is_found_out_before_the_work(tmp_path):
    check_room(tmp_path, 1000)
    with pytest.raises(OutputError, match=r"MB left.*Make room"):
        check_room(tmp_path, 1 << 62)


def test_stamps_of_a_file_and_of_the_one_before_differ(tmp_path):
    path = tmp_path / "labels.png"
    assert stamp_of(path) is None
    path.write_text("old")
    before = stamp_of(path)
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert before not in (None, stamp_of(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_or_device_is_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / "classes.json")
    for path in (tmp_path / "classes.json", "/dev/zero"):
        with pytest.raises(InputError, match="pipe or a device"):
            read_json(type(tmp_path)(path), "Remedy.")
    with pytest.raises(OutputError, match="pipe or a device"):
        check_writable(tmp_path / "classes.json")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "JSON"),
        (b'{"1": "ferrite", "1": "pore"}', '"1" stands there twice'),
        (b"{", "JSON"),
        (b"\xff\xfe", "UTF-8"),
    ],
    ids=["deep", "huge number", "twice", "torn", "no text"],
)
def test_odd_json_is_one_line(tmp_path, content, complaint):
    path = tmp_path / "classes.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as told:
        read_json(path, "A table looks like this.")
    assert "\n" not in str(told.value)


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text('{"1": "ferrite"}', encoding="utf-8-sig")
    assert read_json(path, "Remedy.") == {"1": "ferrite"}


def test_json_comes_back_as_it_was_written_whatever_the_names(tmp_path):
    data = {"Gefüge γ′ 試料": ["a.png", "Gef\udcfc.png"]}
    write_json(tmp_path / "a.json", data)
    assert read_json(tmp_path / "a.json", "Remedy.") == data
    assert "Gefüge γ′ 試料" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_a_path_that_is_too_long_is_one_line(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        read_json(tmp_path / ("x" * 5000), "Remedy.")
    with pytest.raises(OutputError, match="Can't write"):
        check_writable(tmp_path / ("x" * 5000))


def test_messages_name_files_as_they_are_called():
    message = str(InputError("There is no a  missing\u3000file\n.png."))
    assert message == r"There is no a  missing\u3000file\n.png.".replace(r"\u3000", "\u3000")
