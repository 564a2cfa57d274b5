"""Threads that wait asleep: the environment in which torch is loaded, and afterwards."""

import os
import subprocess
import sys

import pytest

from napari_matssl.openmp import sleeping_threads, switches

NAMES = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")


@pytest.fixture
def nothing_set(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def run(code, **environment):
    """Run a fresh Python whose user has set nothing but what is given."""
    clean = {name: text for name, text in os.environ.items() if name not in NAMES}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**clean, **environment},
    )


@pytest.mark.usefixtures("nothing_set")
def test_the_environment_is_set_inside_and_as_before_outside():
    with sleeping_threads():
        assert os.environ["GOMP_SPINCOUNT"] == os.environ["KMP_BLOCKTIME"] == "0"
    assert not set(NAMES) & set(os.environ)


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("GOMP_SPINCOUNT", {"KMP_BLOCKTIME"}),
        ("KMP_BLOCKTIME", {"GOMP_SPINCOUNT"}),
        ("OMP_WAIT_POLICY", set()),
    ],
)
def test_what_the_user_has_set_stays(monkeypatch, name, left):
    monkeypatch.setenv(name, "1000")
    assert set(switches()) == left
    with sleeping_threads():
        assert os.environ[name] == "1000"
    assert os.environ[name] == "1000"


def test_the_command_line_sets_it_before_torch_is_loaded():
    code = (
        "import os, sys, napari_matssl.cli as cli\n"
        "cli.app = lambda: print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)\n"
        "cli.main()\n"
        "print(os.environ.get('GOMP_SPINCOUNT'))\n"
    )
    assert run(code).stdout.split() == ["0", "False", "None"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU's OpenMP tells its settings")
@pytest.mark.parametrize(
    "load",
    [
        "from napari_matssl.widgets.jobs.torch_start import start_torch; start_torch()",
        "from napari_matssl.openmp import sleeping_threads\nwith sleeping_threads(): import torch",
    ],
)
def test_torchs_own_copy_of_openmp_finds_it(load):
    """Though numpy and its like have been loaded long before, as in napari."""
    code = f"import numpy, scipy.ndimage, skimage.measure, imagecodecs\n{load}"
    told = run(code, OMP_DISPLAY_ENV="verbose").stderr
    assert "GOMP_SPINCOUNT = '0'" in told


def test_the_tests_themselves_let_threads_sleep():
    assert not switches()
