"""Processes that train together, one per device: ranks.

A joint batch is what a single process would learn from; each rank has a share of its rows. Losses
and statistics of batch norm are those of the joint batch. Every rank computes the joint loss, so
what flows back through a sum over ranks is summed, too, and the gradients of the weights are
averaged in the end: that gives the gradient of one process, whatever the sums stand for.

:data:`ALONE` is the process of a run that has only one. There, nothing here does anything.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from napari_matssl.progress import Control, Job, Result

if TYPE_CHECKING:
    from napari_matssl.learn.rank_watch import RankWatch

Draw = Callable[[int], Tensor]
"""Draws that many numbers from 0 to 1, one for each row of a share."""


def drawing(generator: torch.Generator) -> Draw:
    """Draw from a generator, for all rows."""
    return lambda count: torch.rand(count, generator=generator)


class Ranks:
    """The ranks of a run, as one of them sees them; this class itself is a single process.

    Attributes
    ----------
    rank, size
        Number of this process, and how many there are.
    local
        Number of this process on its machine, which is that of its GPU.
    """

    rank, size, local = 0, 1, 0

    def __deepcopy__(self, _memo: object) -> Self:
        """Return the same: copies of a network have no other ranks."""
        return self

    @property
    def leads(self) -> bool:
        """Whether this rank writes the files and prints."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return the rows of a joint batch of `count` that belong to this rank."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def drawing(self, generator: torch.Generator, count: int) -> Draw:
        """Draw numbers for a joint batch of `count` rows and give those of this rank's share.

        All ranks thereby keep their generators in step with that of a single process.
        """
        return lambda _rows: torch.rand(count, generator=generator)[self.share(count)]

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over the ranks; gradients flow back to all."""
        return tensor

    def mean(self, value: Tensor, rows: int, count: int) -> Tensor:
        """Return the mean over a joint batch of `count` of a mean over `rows` of this share."""
        return self.sum(value * (rows / count))

    def join(self, rows: Tensor, count: int) -> Tensor:
        """Return the joint batch ``(count, ...)`` of the shares; gradients flow back to all."""
        return rows

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their mean over the ranks."""

    def equalise(self, network: nn.Module) -> None:
        """Give all ranks the weights of the first."""

    def clock(self, own: Callable[[], float]) -> Callable[[], float]:
        """Return a clock that shows the same on all ranks: what it was at the job's last yield."""
        return own

    def together(self, job: Job[Result]) -> Job[Result]:
        """Run a job in step with the other ranks: STOP that one gets is sent to all.

        The jobs of all ranks have to yield equally often.
        """
        return (yield from job)


ALONE = Ranks()


class JoinedRanks(Ranks):
    """Ranks of a process group of ``torch.distributed``.

    Parameters
    ----------
    device
        Of this rank; the group reduces tensors there.
    local
        See :class:`Ranks`.
    watch
        Explains why a sum over the ranks failed.
    """

    def __init__(self, device: torch.device, local: int, watch: "RankWatch") -> None:
        self.rank, self.size, self.local = dist.get_rank(), dist.get_world_size(), local
        self._device, self._watch = device, watch
        self._own: Callable[[], float] = lambda: 0.0
        self._begin = self._now = 0.0

    def sum(self, tensor: Tensor) -> Tensor:
        """See :meth:`Ranks.sum`."""
        summed: Tensor = _Sum.apply(tensor, self)
        return summed

    def join(self, rows: Tensor, count: int) -> Tensor:
        """See :meth:`Ranks.join`."""
        own = self.share(count)
        before, after = (
            rows.new_zeros((missing, *rows.shape[1:])) for missing in (own.start, count - own.stop)
        )
        return self.sum(torch.cat([before, rows, after]))

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """See :meth:`Ranks.average_gradients`."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        joined = torch.cat([one.flatten() for one in gradients])
        self.add_up(joined).div_(self.size)
        sizes = [one.numel() for one in gradients]
        parts = joined.split(sizes)  # type: ignore[no-untyped-call]
        for one, mean in zip(gradients, parts, strict=True):
            one.copy_(mean.view_as(one))

    @torch.no_grad()
    def equalise(self, network: nn.Module) -> None:
        """See :meth:`Ranks.equalise`."""
        for tensor in network.state_dict().values():
            first = tensor.to(self._device).contiguous()
            with self._watch.explaining():
                dist.broadcast(first, 0)
            tensor.copy_(first)

    def clock(self, own: Callable[[], float]) -> Callable[[], float]:
        """See :meth:`Ranks.clock`; the first rank's is the one that counts."""
        self._own, self._begin = own, own()
        return lambda: self._now

    def together(self, job: Job[Result]) -> Job[Result]:
        """See :meth:`Ranks.together`."""
        control: Control | None = None
        with closing(job):
            while True:
                try:
                    progress = job.send(control)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                stopped = (yield progress) is Control.STOP
                control = Control.STOP if self._agree(stopped) else None

    def _agree(self, stopped: bool) -> bool:
        """Set the common clock; return whether any rank was sent STOP."""
        passed = self._own() - self._begin if self.leads else 0.0
        told = torch.tensor([passed, stopped], dtype=torch.float64, device=self._device)
        self._now, stops = self.add_up(told).tolist()
        return bool(stops)

    def add_up(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over the ranks in its place, without gradients."""
        there = tensor.to(self._device)
        with self._watch.explaining():
            dist.all_reduce(there)
        return tensor if there is tensor else tensor.copy_(there)


class _Sum(torch.autograd.Function):
    """The sum over the ranks, of values and of gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, ranks: JoinedRanks) -> Tensor:
        ctx.ranks = ranks
        return ranks.add_up(tensor.detach().clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ranks: JoinedRanks = ctx.ranks
        return ranks.add_up(gradients[0].clone(memory_format=torch.contiguous_format)), None
