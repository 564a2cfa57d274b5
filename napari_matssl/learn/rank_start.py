"""Start of a run on several devices: by torchrun, by SLURM, or by the command itself.

lightning-fabric finds out where a process is among the others, and makes the process group.
"""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from napari_matssl.errors import DeviceError, MatSSLError, SettingsError, one_line
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.rank_watch import FAILED, GRACE_S, LostRankError, RankWatch
from napari_matssl.learn.ranks import ALONE, JoinedRanks, Ranks
from napari_matssl.settings.cluster import ClusterSettings

_TORCHRUN = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"}
_MEETING = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")


@dataclass(frozen=True)
class Layout:
    """Where the processes of a run are.

    Parameters
    ----------
    devices, nodes
        Processes of each machine, and machines.
    starter
        Who starts them: ``"torchrun"``, ``"SLURM"`` or, if empty, the command itself.
    """

    devices: int
    nodes: int
    starter: str = ""

    @property
    def size(self) -> int:
        """How many processes there are."""
        return self.devices * self.nodes


def find_layout(settings: ClusterSettings) -> Layout:
    """Find out who starts the processes, and how many.

    Raises
    ------
    SettingsError
        If torchrun or SLURM started others than the settings ask for.
    """
    around = os.environ
    if around.keys() >= _TORCHRUN:
        devices = int(around["LOCAL_WORLD_SIZE"])
        found = Layout(devices, int(around["WORLD_SIZE"]) // devices, "torchrun")
    # Only srun sets these; those of the job are also there where the command runs once.
    elif int(around.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        nodes = int(around.get("SLURM_STEP_NUM_NODES", "1"))
        found = Layout(int(around["SLURM_STEP_NUM_TASKS"]) // nodes, nodes, "SLURM")
    else:
        return Layout(settings.devices or 1, settings.nodes or 1)
    for name in ("devices", "nodes"):
        wanted, there = getattr(settings, name), getattr(found, name)
        if wanted not in (None, there):
            raise SettingsError(
                f"{found.starter} started this run with {there} {name}, not {wanted}.",
                "Leave the option out.",
                settings=name,
            )
    return found


@contextmanager
def joined_ranks(
    settings: ClusterSettings, device: str, report: Callable[[str], None]
) -> Iterator[Ranks]:
    """Join the processes of a run for the time of the block; a single one is :data:`ALONE`.

    All but the first are silent from here on.

    Parameters
    ----------
    device
        As the settings of a training name it.
    report
        Prints an error.

    Raises
    ------
    SettingsError
        If lightning-fabric isn't installed, or the settings don't fit how the run was started.
    DeviceError
        If there are fewer devices than processes.
    LostRankError
        If another rank ends before this one.
    """
    layout = find_layout(settings)
    if layout.size == 1:
        yield ALONE
        return
    children = () if layout.starter else _start_others(layout, report)
    streams = _Streams()
    try:
        ranks, watch = _join(layout, device, streams, report)
    except BaseException:
        _end(children)
        raise
    try:
        yield ranks
        ranks.sum(torch.zeros(1, device=choose_compute(device, ranks).device))  # all are done
    except LostRankError:
        watch.leave("it can't go on without the others.")
        if watch.speaks:
            streams.restore()
        raise
    except BaseException as error:
        stopped = not isinstance(error, Exception)
        watch.leave("it was stopped." if stopped else str(error) or type(error).__name__)
        if not stopped and not isinstance(error, MatSSLError):
            streams.restore()  # for its traceback
        raise
    else:
        watch.leave()
    finally:
        _end(children)


def _join(
    layout: Layout, device: str, streams: "_Streams", report: Callable[[str], None]
) -> tuple[JoinedRanks, RankWatch]:
    """Make the process group; silence all ranks but the first."""
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
        from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    except ImportError as error:
        raise SettingsError(
            "Several processes can't train together: lightning-fabric isn't installed.",
            "pip install 'napari-matssl[cluster]'",
            settings="devices",
        ) from error
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    kind = _kind_of_device(device, layout)
    try:
        place = SLURMEnvironment() if layout.starter == "SLURM" else TorchElasticEnvironment()
        if place.global_rank() > 0:
            streams.silence()
        fabric = Fabric(
            accelerator=kind,
            strategy="ddp",
            devices=layout.devices,
            num_nodes=layout.nodes,
            plugins=[place],
        )
        fabric.launch()
    except (RuntimeError, ValueError, OSError) as error:
        why = one_line(str(error).split("\n")[0])
        raise DeviceError(
            f"The {layout.size} processes of this run can't be joined: {why}", settings="devices"
        ) from error
    from torch.distributed.distributed_c10d import _get_default_store

    def tell(line: str) -> None:
        streams.restore()
        report(line)

    watch = RankWatch(_get_default_store(), fabric.global_rank, fabric.world_size, tell)
    fabric.barrier()
    watch.start()
    return JoinedRanks(fabric.device, fabric.local_rank, watch), watch


def _kind_of_device(device: str, layout: Layout) -> str:
    """Name the devices as Fabric does."""
    kind = choose_compute(device).device.type
    if kind == "mps" or ":" in device:
        raise DeviceError(
            f"{layout.size} processes can't share the device {device!r}.",
            "Give cuda or cpu.",
            settings="device",
        )
    if kind == "cuda" and torch.cuda.device_count() < layout.devices:
        raise DeviceError(
            f"{layout.devices} processes run on this machine, but each sees "
            f"{torch.cuda.device_count()} GPU(s).",
            "Start fewer; under SLURM, ask for GPUs per node, not per task.",
            settings="devices",
        )
    return kind


def _start_others(
    layout: Layout, report: Callable[[str], None]
) -> Sequence[subprocess.Popen[bytes]]:
    """Start the same command once for each other device of this machine, as torchrun would."""
    around = os.environ
    if layout.nodes > 1 and (missing := [name for name in _MEETING if name not in around]):
        raise SettingsError(
            f"{layout.nodes} machines can't meet: {', '.join(missing)} missing in the environment.",
            "Set them, or start the run by torchrun or SLURM.",
            settings="nodes",
        )
    around.setdefault("MASTER_ADDR", "127.0.0.1")
    around.setdefault("MASTER_PORT", str(_free_port()))
    node = int(around.setdefault("NODE_RANK", "0"))

    def place(local: int) -> dict[str, str]:
        return {
            "RANK": str(node * layout.devices + local),
            "LOCAL_RANK": str(local),
            "GROUP_RANK": str(node),
            "WORLD_SIZE": str(layout.size),
            "LOCAL_WORLD_SIZE": str(layout.devices),
        }

    command = [sys.executable, "-m", "napari_matssl", *sys.argv[1:]]
    children = [
        subprocess.Popen(command, env={**around, **place(local)})
        for local in range(1, layout.devices)
    ]
    around.update(place(0))
    threading.Thread(target=_watch_start, args=(children, report), daemon=True).start()
    return children


def _watch_start(
    children: Sequence[subprocess.Popen[bytes]], report: Callable[[str], None]
) -> None:
    """End this process if another one of this machine fails before all have met."""
    while not torch.distributed.is_initialized():
        time.sleep(0.5)
        status = next((one.poll() for one in children if one.poll()), 0)
        if status:
            report(f"error: A process of this run ended with status {status} as it started.")
            os._exit(FAILED)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until other processes of this machine have ended; end those that don't."""
    until = time.monotonic() + 2 * GRACE_S
    for one in children:
        try:
            one.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Streams:
    """Standard output and standard error, which can be silenced."""

    def __init__(self) -> None:
        self._kept: dict[int, int] = {}

    def silence(self) -> None:
        """Send both nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            self._kept[number] = os.dup(number)
            os.dup2(nowhere, number)
        os.close(nowhere)

    def restore(self) -> None:
        """Send both where they went at first."""
        for number, kept in self._kept.items():
            os.dup2(kept, number)
