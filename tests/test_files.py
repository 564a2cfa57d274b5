"""Writing files: a crash leaves the old file or none, and nothing beside it."""

import os
import stat

import pytest

from napari_matssl.errors import OutputError
from napari_matssl.files import atomic_write, check_writable, check_writable_folder


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
