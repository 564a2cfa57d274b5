"""Exports that are interrupted leave an older file as it was."""

import pytest
from interrupting import FULL, temporaries

STOP = {"signals": ["SIGINT"]}
TWICE = {"signals": ["SIGINT", "SIGINT"]}
CHECKING = {"stage": "checking"}


@pytest.fixture
def old(place):
    return place.old("model.pt")


@pytest.fixture
def export(copies, model, old, place):
    """Run export, and look whether the older file is as it was, and alone."""

    image = place.images / "a0.tif"

    def run(*moments):
        arguments = ("--format", "torchscript", "--out", old, "--overwrite", "--check", image)
        ended = copies("export", model, *arguments, at=moments)
        assert old.read_text() == "old"
        return ended

    return run


@pytest.mark.cell("export", "stopped early")
def test_export_stopped_while_it_checks_writes_nothing(export, old):
    ended = export({**CHECKING, **STOP})
    assert ended.status == 130
    assert "nothing was written" in ended.err
    assert not temporaries(old.parent)


@pytest.mark.cell("export", "second signal")
def test_export_left_at_once_writes_nothing(export, old):
    assert export({**CHECKING, **TWICE}).status == 130
    assert not temporaries(old.parent)


@pytest.mark.cell("export", "full disk")
def test_export_on_a_full_disk_leaves_the_old_file(export, old):
    ended = export({"writes": old.name, "error": "ENOSPC"})
    assert ended.status == 2
    assert f"Can't write {old}: {FULL}." in ended.err
    assert not temporaries(old.parent)


@pytest.mark.cell("export", "full memory")
def test_export_for_which_memory_is_too_small_leaves_the_old_file(export, old):
    ended = export({**CHECKING, "forward": 0, "error": "memory"})
    assert ended.status == 2
    assert "ut of memory" in ended.err
    assert not temporaries(old.parent)


@pytest.mark.cell("export", "killed")
def test_export_that_is_killed_leaves_the_old_file(export, old):
    assert export({"writes": old.name, "signals": ["SIGKILL"]}).status == -9
    assert temporaries(old.parent), "swept away by the next command that writes there"


@pytest.fixture
def bring_in(copies, model, old):
    """Run import; weights of ours are what it takes seconds for, too."""

    def run(moment):
        ended = copies("import", model, "--out", old, "--overwrite", at=moment)
        assert old.read_text() == "old"
        return ended

    return run


@pytest.mark.cell("import", "full disk")
def test_import_on_a_full_disk_leaves_the_old_file(bring_in, old):
    ended = bring_in({"writes": old.name, "error": "ENOSPC"})
    assert ended.status == 2
    assert f"Can't write {old}: {FULL}." in ended.err


@pytest.mark.cell("import", "killed")
def test_import_that_is_killed_leaves_the_old_file(bring_in, old):
    assert bring_in({"writes": old.name, "signals": ["SIGKILL"]}).status == -9
