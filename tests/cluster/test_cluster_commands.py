"""Commands that train in several processes."""

import os
import subprocess
import sys

import pytest
import rank_programs
from rank_programs import in_ranks, micrographs
from tiny import pretraining

from napari_matssl.errors import DeviceError, SettingsError
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.rank_start import find_layout, joined_ranks
from napari_matssl.learn.ranks import ALONE
from napari_matssl.settings import ClusterSettings

TORCHRUN = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
SRUN = {"SLURM_STEP_NUM_TASKS": "6", "SLURM_STEP_NUM_NODES": "3", "SLURM_PROCID": "5"}


@pytest.fixture
def place(tmp_path):
    """Images, and settings of a pretraining of three epochs with two steps each."""
    for one in micrographs():
        write_micrograph(tmp_path / "images" / one.name, one)
    pretraining(epochs=3).write(tmp_path / "settings.json")
    return tmp_path


def arguments(place, *more):
    options = "--out", place / "e.safetensors", "--settings", place / "settings.json"
    return "pretrain", place / "images", *options, *more


def test_the_first_process_writes_and_prints_and_the_other_is_silent(place):
    first, second = in_ranks(place / "streams", rank_programs.command, *arguments(place))
    assert (first.status, second.status) == (0, 0), first.err
    assert "2 processes" in first.err
    assert "8 patches, 3 epochs" in first.out
    assert (second.out, second.err) == ("", "")
    assert read_card(place / "e.safetensors").metrics["steps"] == 6
    assert not (place / "e.checkpoint.safetensors").exists()


@pytest.mark.cell("pretrain --devices", "killed")
def test_a_killed_process_ends_the_run_with_one_line_and_the_last_checkpoint(place):
    # In its second epoch.
    given = (1, 3), *arguments(place)
    first, second = in_ranks(place / "streams", rank_programs.killed_command, *given)
    assert second.status < 0
    assert first.status == 2
    last = first.err.splitlines()[-1]
    assert last.startswith("error: Process 2 of the 2 of this run has ended without a word")
    assert "can be resumed after epoch 1 (--resume)" in last
    assert "Traceback" not in first.err
    assert first.at - second.at < 60
    assert not (place / "e.safetensors").exists()
    card = read_card(place / "e.checkpoint.safetensors")
    assert card.step == 2
    (alone,) = in_ranks(
        place / "again", rank_programs.command, *arguments(place, "--resume"), size=1
    )
    assert alone.status == 0, alone.err
    assert read_card(place / "e.safetensors").metrics["steps"] == 6


def test_the_command_starts_the_other_processes_itself(place):
    command = [sys.executable, "-m", "napari_matssl", *map(str, arguments(place))]
    ended = subprocess.run(
        [*command, "--devices", "2"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "2 processes" in ended.stderr
    assert ended.stdout.count("8 patches, 3 epochs") == 1


def test_without_options_and_starter_a_process_is_alone(monkeypatch):
    for name in (*TORCHRUN, *SRUN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_NTASKS", "4")  # a batch script that starts the command once
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with joined_ranks(ClusterSettings(), "cpu", print) as ranks:
        assert ranks is ALONE


@pytest.mark.parametrize(
    ("around", "devices", "nodes", "starter"),
    [(TORCHRUN, 4, 2, "torchrun"), (SRUN, 2, 3, "SLURM")],
)
def test_torchrun_and_slurm_tell_how_many_there_are(monkeypatch, around, devices, nodes, starter):
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    layout = find_layout(ClusterSettings(devices=devices))
    assert (layout.devices, layout.nodes, layout.starter) == (devices, nodes, starter)
    with pytest.raises(SettingsError, match=rf"{starter} started .* {nodes} nodes, not 7"):
        find_layout(ClusterSettings(nodes=7))


def test_without_lightning_fabric_the_way_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(SettingsError, match=r"isn't installed.*napari-matssl\[cluster\]"),
        joined_ranks(ClusterSettings(), "cpu", print),
    ):
        pass


def test_machines_need_a_place_to_meet(monkeypatch):
    for name in (*TORCHRUN, *SRUN, "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(SettingsError, match=r"MASTER_ADDR, MASTER_PORT, NODE_RANK missing"),
        joined_ranks(ClusterSettings(nodes=2), "cpu", print),
    ):
        pass
    assert "RANK" not in os.environ


def test_a_single_gpu_is_not_shared(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        "napari_matssl.learn.rank_start.choose_compute", lambda _name: rank_programs.exact()
    )
    with (
        pytest.raises(DeviceError, match="8 processes can't share the device 'cuda:1'"),
        joined_ranks(ClusterSettings(), "cuda:1", print),
    ):
        pass


def test_a_batch_smaller_than_the_run_is_refused(place):
    first, second = in_ranks(
        place / "streams", rank_programs.command, *arguments(place, "--batch-size", "2"), size=3
    )[:2]
    assert first.status == second.status == 2
    assert "3 processes can't share batches of 2 patches." in first.err
