"""Contrastive pretraining with a momentum encoder: MoCo v2 and DenseCL.

They are here for comparison with MatSSL, with their published settings.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_matssl.learn.pair_contrast import ContrastiveMethod
from napari_matssl.settings import PretrainSettings

KEY_GROUP = 32
"""Keys whose batch norms share statistics: one device's share of the published batch of 256."""


class MomentumContrast(ContrastiveMethod):
    """MoCo v2 (Chen et al. 2020): keys of a momentum encoder, negatives from a queue.

    Parameters
    ----------
    encoder
        See :class:`~napari_matssl.learn.pair_contrast.ContrastiveMethod`.
    key_encoder
        Another of the same kind; takes over the weights of `encoder`.
    channels
        Widths of all maps that the encoder gives; the last is described.
    settings
        Widths of the projection head (ReLU between), temperature, and how slowly the copy follows.
    queue
        Number of keys in the queue.
    """

    def __init__(
        self,
        encoder: nn.Module,
        key_encoder: nn.Module,
        channels: Sequence[int],
        settings: PretrainSettings,
        queue: int,
    ) -> None:
        super().__init__(encoder)
        self.temperature, self.momentum = settings.temperature, settings.key_momentum
        hidden, out = settings.projection_hidden, settings.projection_out
        self.head: nn.Module = self._build_head(channels[-1], hidden, out)
        self.key_encoder = key_encoder
        self.key_head: nn.Module = self._build_head(channels[-1], hidden, out)
        for own, key in self._pairs():
            key.load_state_dict(own.state_dict())
            key.requires_grad_(False)
        self.queue: Tensor
        self.register_buffer("queue", _directions(queue, out))
        self.place: Tensor
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def _build_head(self, width: int, hidden: int, out: int) -> nn.Module:
        return PooledHead(width, hidden, out)

    def _pairs(self) -> tuple[tuple[nn.Module, nn.Module], ...]:
        return (self.encoder, self.key_encoder), (self.head, self.key_head)

    def loss(
        self, first: Tensor, second: Tensor, generator: torch.Generator, count: int | None = None
    ) -> Tensor:
        """Compute InfoNCE of the first views as queries against the second ones as keys."""
        count = count or len(first)
        own = self.ranks.share(count)
        stage = self.encoder(_channels_last(first))[-1]
        queries = self.head(stage)
        keys = self.key_head(self._key_stage(second, stage, generator, count))
        loss = info_nce(queries, keys[own], self.queue, self.temperature)
        self._remember(self.queue, keys)
        self.place += count
        return self.ranks.mean(loss, len(first), count)

    @torch.no_grad()
    def _key_stage(
        self, views: Tensor, like: Tensor, generator: torch.Generator, count: int
    ) -> Tensor:
        """Encode the views of the joint batch in shuffled groups; `like` is such a stage.

        Batch-norm statistics must not identify the key of a query. Published code shuffles
        keys between devices for that; here groups of the batch do, which ranks divide among them.
        """
        ranks = self.ranks
        views = ranks.join(views, count)
        order = torch.randperm(count, generator=generator)
        groups = max(2, count // KEY_GROUP) if count >= 4 else 1
        stages = [
            self.key_encoder(_channels_last(group))[-1]
            if number % ranks.size == ranks.rank
            else like.new_zeros((len(group), *like.shape[1:]))
            for number, group in enumerate(views[order.to(views.device)].chunk(groups))
        ]
        return ranks.sum(torch.cat(stages))[order.argsort().to(views.device)]

    @torch.no_grad()
    def _remember(self, queue: Tensor, keys: Tensor) -> None:
        """Replace the oldest keys of the queue."""
        keys = functional.normalize(keys.float(), dim=1)[-len(queue) :]
        places = (self.place + torch.arange(len(keys), device=queue.device)) % len(queue)
        queue[places] = keys

    @torch.no_grad()
    def keep_up(self) -> None:
        """Update the momentum encoder."""
        for own, key in self._pairs():
            for new, old in zip(own.parameters(), key.parameters(), strict=True):
                old.lerp_(new, 1 - self.momentum)


class DenseContrast(MomentumContrast):
    """DenseCL (Wang et al. 2021): MoCo v2 with the same loss for every position beside it.

    A position of the first view belongs to the one of the second whose features are most similar.

    Parameters as of :class:`MomentumContrast`; the settings also weigh the dense loss.
    """

    def __init__(
        self,
        encoder: nn.Module,
        key_encoder: nn.Module,
        channels: Sequence[int],
        settings: PretrainSettings,
        queue: int,
    ) -> None:
        super().__init__(encoder, key_encoder, channels, settings, queue)
        self.dense_weight = settings.dense_weight
        self.dense_queue: Tensor
        self.register_buffer("dense_queue", _directions(queue, settings.projection_out))

    def _build_head(self, width: int, hidden: int, out: int) -> nn.Module:
        return nn.ModuleDict(
            {"pooled": PooledHead(width, hidden, out), "dense": DenseHead(width, hidden, out)}
        )

    def loss(
        self, first: Tensor, second: Tensor, generator: torch.Generator, count: int | None = None
    ) -> Tensor:
        """Compute the weighted sum of both losses."""
        count = count or len(first)
        own = self.ranks.share(count)
        assert isinstance(self.head, nn.ModuleDict)
        assert isinstance(self.key_head, nn.ModuleDict)
        stage = self.encoder(_channels_last(first))[-1]
        queries, dense = self.head["pooled"](stage), self.head["dense"](stage)
        with torch.no_grad():
            key_stage = self._key_stage(second, stage, generator, count)
            keys = self.key_head["pooled"](key_stage)
            dense_keys = self.key_head["dense"](key_stage)  # (N, out, P)
            partner = most_similar(stage, key_stage[own])  # (N, P)
            chosen = dense_keys[own].gather(2, partner[:, None].expand_as(dense))
        whole = info_nce(queries, keys[own], self.queue, self.temperature)
        flat = dense.transpose(1, 2).flatten(0, 1)  # (N P, out)
        parts = info_nce(
            flat, chosen.transpose(1, 2).flatten(0, 1), self.dense_queue, self.temperature
        )
        self._remember(self.queue, keys)
        self._remember(self.dense_queue, functional.normalize(dense_keys.float(), dim=1).mean(2))
        self.place += count
        loss = (1 - self.dense_weight) * whole + self.dense_weight * parts
        return self.ranks.mean(loss, len(first), count)


class PooledHead(nn.Sequential):
    """Describe a stage ``(N, C, H, W)`` by one embedding ``(N, out)``."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, out),
        )


class DenseHead(nn.Sequential):
    """Describe each of the P positions of a stage ``(N, C, H, W)``: ``(N, out, P)``."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.Conv2d(width, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, out, 1),
            nn.Flatten(2),
        )


def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    r"""Compute InfoNCE: cross-entropy of a query's own key against those in a queue.

    Parameters
    ----------
    queries, keys
        ``(N, D)``, of any length; row i of both belongs together.
    queue
        Negatives ``(K, D)`` of length 1.
    temperature
        Divides the cosine similarities.

    Returns
    -------
    Scalar, the mean over all queries.

    Notes
    -----
    He et al. 2020, equation 1:

    .. math:: -\log \frac{\exp(q k / t)}{\exp(q k / t) + \sum_j \exp(q n_j / t)}
    """
    with torch.autocast(queries.device.type, enabled=False):
        queries = functional.normalize(queries.float(), dim=1)
        keys = functional.normalize(keys.float(), dim=1).detach()
        own = (queries * keys).sum(dim=1, keepdim=True)  # (N, 1)
        # A copy: the queue changes before the gradient is computed.
        logits = torch.cat([own, queries @ queue.clone().float().T], dim=1) / temperature
        return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))


def most_similar(stage: Tensor, key_stage: Tensor) -> Tensor:
    """Find the position of `key_stage` whose features point most in the direction of each other.

    Parameters
    ----------
    stage, key_stage
        ``(N, C, H, W)``.

    Returns
    -------
    ``(N, P)``, for each position of `stage` one of `key_stage`, row by row.
    """
    with torch.autocast(stage.device.type, enabled=False):
        own = functional.normalize(stage.float().flatten(2), dim=1)  # (N, C, P)
        other = functional.normalize(key_stage.float().flatten(2), dim=1)
        return (own.transpose(1, 2) @ other).argmax(dim=2)


def _directions(count: int, length: int) -> Tensor:
    """Draw random vectors of length 1 ``(count, length)``."""
    return functional.normalize(torch.randn(count, length), dim=1)


def _channels_last(views: Tensor) -> Tensor:
    return views.contiguous(memory_format=torch.channels_last)
