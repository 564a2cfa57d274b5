"""What the processes of a run do in tests, each in a copy of a server that has torch loaded.

:func:`in_ranks` runs one of the functions below in several processes, joined as torchrun would.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from unittest import mock

import lightning_fabric  # noqa: F401  (loaded once, before the first copy)
import numpy as np
import torch
from tiny import finetuning, pretraining
from torch import nn

from napari_matssl.__main__ import main
from napari_matssl.errors import MatSSLError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn import device
from napari_matssl.learn.device import Compute
from napari_matssl.learn.rank_start import joined_ranks
from napari_matssl.learn.ranks import ALONE
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.trainer import Trainer
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.printing import print_error
from napari_matssl.progress import drain
from napari_matssl.settings import ClusterSettings
from napari_matssl.tasks.finetune.initial_network import begin
from napari_matssl.tasks.finetune.planning import make_plan
from napari_matssl.tasks.finetune.training import Training as FinetuneTraining
from napari_matssl.tasks.pretrain.job import pretrain
from napari_matssl.tasks.pretrain.training import PatchSet, Training

PATIENCE_S = 300
_NEW = os.O_CREAT | os.O_WRONLY | os.O_TRUNC


@dataclass
class Ended:
    """How a rank ended: exit status, result if there is one, what it printed, and when (s)."""

    status: int | None
    result: object
    out: str
    err: str
    at: float | None


def in_ranks(folder, function, *given, size=2):
    """Run a function in several ranks; return how each ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rank_programs"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    started = [
        context.Process(target=_be, args=(folder, rank, size, port, function, given))
        for rank in range(size)
    ]
    for one in started:
        one.start()
    ends, until = {}, time.monotonic() + PATIENCE_S
    while len(ends) < size and time.monotonic() < until:
        running = [one.sentinel for one in started if one.sentinel not in ends]
        now_ended = multiprocessing.connection.wait(running, timeout=1)
        ends |= dict.fromkeys(now_ended, time.monotonic())
    for one in started:
        one.kill()
        one.join()
    return [
        _ended(folder, rank, one.exitcode, ends.get(one.sentinel))
        for rank, one in enumerate(started)
    ]


def _ended(folder, rank, status, at):
    out, err = ((folder / f"{rank}.{name}").read_text() for name in ("out", "err"))
    result = folder / f"{rank}.pt"
    found = torch.load(result, weights_only=False) if result.exists() else None
    return Ended(status, found, out, err, at)


def _be(folder, rank, size, port, function, given):
    """Be a rank."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size), LOCAL_WORLD_SIZE=str(size),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / f"{rank}.{name}", _NEW), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    torch.set_num_threads(1)
    torch.save(function(*given), folder / f"{rank}.pt")


@contextlib.contextmanager
def joined():
    """Join the ranks; alone outside of a run."""
    with joined_ranks(ClusterSettings(), "cpu", print_error) as ranks:
        yield ranks


@contextlib.contextmanager
def in_float32():
    """Compute in float32, whatever the processor has instructions for."""
    with mock.patch.object(device, "fastest_dtype", return_value=torch.float32):
        yield


def exact(ranks=ALONE):
    return Compute(torch.device("cpu"), torch.float32, "exact", ranks)


def micrographs(count=2, seed=0):
    """Images of 128 px, each with four patches of 64 px."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 255, (count, 16, 16), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    noise = random.integers(0, 40, (count, 128, 128), dtype=np.uint8)
    return [Micrograph(f"{n}.tif", one // 2 + noise[n]) for n, one in enumerate(pixels)]


def difference(gradients, others):
    """Give the difference of two sets of gradients over the length of the first."""
    assert gradients.keys() == others.keys()
    first, second = (
        torch.cat([one[name].flatten() for name in gradients]) for one in (gradients, others)
    )
    return float((first - second).norm() / first.norm())


def smooth(network):
    """Take kinks out of a network, at which rounding changes gradients by leaps."""
    for module in network.modules():
        if type(module) is nn.ReLU:
            module.__class__ = nn.SiLU


# ---- single steps ----


def pretraining_steps(cases):
    """Take the first step of several settings.

    Give loss, gradients, statistics of batch norm as they are made anew, weights after the step.
    """
    with joined() as ranks:
        return [_pretraining_step(pretraining(**values), ranks) for values in cases]


def _pretraining_step(settings, ranks=ALONE):
    images = micrographs()
    patches = PatchSet(images, settings)
    training = Training(images, patches, settings, exact(ranks), Budget(None, None))
    smooth(training.method)
    drain(training.refresh_statistics())
    tensors = training.method.encoder.state_dict()
    statistics = {name: tensors[name].clone() for name in tensors if "running" in name}
    loss = next(training.one_epoch()).metrics["loss"]
    gradients = {n: p.grad for n, p in training.method.named_parameters() if p.grad is not None}
    return loss, gradients, statistics, dict(training.method.state_dict())


def finetuning_steps(painted, cases):
    """Take a step of fine-tuning; give loss, gradients, EMA weights after it."""
    with in_float32(), joined() as ranks:
        return [_finetuning_steps(painted, finetuning(**values), ranks) for values in cases]


def _finetuning_steps(painted, settings, ranks=ALONE):
    compute = exact(ranks)
    plan = make_plan(painted, numbered_table([1, 2]), settings)
    begun = begin(plan, compute)
    smooth(begun.network)
    training = FinetuneTraining(plan, begun, compute, Budget(None, None))
    assert training.advance(0.5)  # pseudo-labels count fully by then
    loss, network = training.metrics["loss"], training._network
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    return loss, gradients, dict(training._ema.module.state_dict())


# ---- runs ----


def pretraining_run(settings, checkpoint=None, resume=False, stop=None, own_clock=False):
    """Pretrain; `stop` is a rank and the step at which it is sent STOP."""
    with in_float32(), joined() as ranks:
        seen = []

        def is_stopped():
            at = seen[-1].metrics.get("step", 0)
            return stop is not None and ranks.rank == stop[0] and at == stop[1]

        clock = None
        if own_clock:  # a second a look on the first rank; the other is late at once
            ticks = iter(range(10**9))
            clock = (lambda: float(next(ticks))) if ranks.leads else (lambda: 1e9 * next(ticks))
        job = pretrain(micrographs(), settings, checkpoint, resume, clock, ranks=ranks)
        result = drain(job, seen.append, is_stopped)
        steps = result.card.metrics["steps"]
        return result.epoch_losses, steps, result.complete, result.tensors


def failing_rank(text):
    """Fail in the second rank, while the first waits for it."""
    with joined() as ranks:
        if not ranks.leads:
            raise MatSSLError(text)
        ranks.sum(torch.zeros(1))


def killed_command(kill, *arguments):
    """Run the command line; `kill` is a rank and the step after which it is killed."""
    if os.environ["RANK"] == str(kill[0]):
        advance = Trainer.advance

        def advance_or_die(self, *given):
            if self.step == kill[1]:
                os.kill(os.getpid(), signal.SIGKILL)
            return advance(self, *given)

        Trainer.advance = advance_or_die
    command(*arguments)


def command(*arguments):
    """Run the command line."""
    sys.argv = ["napari-matssl", *map(str, arguments)]
    main()
