"""Losses over painted pixels only."""

import torch
from torch import Tensor
from torch.nn import functional

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.ranks import ALONE, Ranks


def masked_dice(logits: Tensor, targets: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """Dice loss over painted pixels, averaged over the classes that are painted in the batch.

    Parameters
    ----------
    logits
        ``(N, K, H, W)``.
    targets
        Channel indices ``(N, H, W)``; 255 is unpainted.
    ranks
        Those that have a share of the batch each.

    Returns
    -------
    Scalar. Zero, with zero gradient, if nothing is painted.

    Notes
    -----
    MatSSL, equation 3: 1 - 2 sum(y p) / (sum(y) + sum(p)), pooled over the batch.
    """
    probabilities = logits.float().softmax(dim=1)
    painted = targets != IGNORE_INDEX  # (N, H, W)
    classes = logits.shape[1]
    truth = functional.one_hot(targets.masked_fill(~painted, 0).long(), classes)  # (N, H, W, K)
    truth = truth.permute(0, 3, 1, 2) * painted[:, None]  # (N, K, H, W)
    inside = probabilities * painted[:, None]
    sums = torch.stack([one.sum(dim=(0, 2, 3)) for one in (inside * truth, inside, truth)])
    overlap, probable, true = ranks.sum(sums).unbind()  # each (K,)
    sizes, present = probable + true, true > 0
    if not bool(present.any()):
        return logits.float().sum() * 0.0
    return (1 - 2 * overlap[present] / sizes[present]).mean()


def masked_cross_entropy(
    logits: Tensor, targets: Tensor, balance: float = 0.0, ranks: Ranks = ALONE
) -> Tensor:
    """Cross-entropy averaged over painted pixels.

    Parameters
    ----------
    logits
        ``(N, K, H, W)``.
    targets
        Channel indices ``(N, H, W)``; 255 is unpainted.
    balance
        A class with n painted pixels in the batch weighs n to the power of minus this per pixel:
        0 counts pixels alike, 1 counts classes alike.
    ranks
        Those that have a share of the batch each.

    Returns
    -------
    Scalar. Zero, with zero gradient, if nothing is painted.
    """
    wanted = targets.long()
    own = torch.bincount(wanted[wanted != IGNORE_INDEX].flatten(), minlength=logits.shape[1])
    counts = ranks.sum(own)
    if int(counts.sum()) == 0:
        return logits.float().sum() * 0.0
    weights = counts.clamp(min=1).float() ** -balance
    logits = logits.float()
    if int(own.sum()) == 0:
        return ranks.sum(logits.sum() * 0.0)
    share = (own * weights).sum() / (counts * weights).sum()
    if torch.are_deterministic_algorithms_enabled():  # CUDA has no such algorithm for images
        logits, wanted = logits.permute(0, 2, 3, 1).flatten(0, 2), wanted.flatten()
    mean = functional.cross_entropy(logits, wanted, weight=weights, ignore_index=IGNORE_INDEX)
    return ranks.sum(mean * share)


def as_painted(
    logits: Tensor, targets: Tensor, balance: float, frequencies: Tensor, ranks: Ranks = ALONE
) -> Tensor:
    """Shift logits from how frequent classes are to how often they are painted.

    Rare classes are painted, and drawn into crops, far more often than they occur. The shift lets
    the loss see them as painted, so that the logits themselves keep to what is out there (logit
    adjustment, Menon et al. 2021).

    Parameters
    ----------
    logits
        ``(N, K, H, W)``.
    targets
        Channel indices ``(N, H, W)``; 255 is unpainted.
    balance
        Of the cross-entropy, see :func:`masked_cross_entropy`: with it a class painted on n pixels
        of the batch counts as n^(1 - balance).
    frequencies
        Of the classes ``(K,)``, sum 1.
    ranks
        Those that have a share of the batch each.
    """
    painted = targets[targets != IGNORE_INDEX].long()
    counts = ranks.sum(torch.bincount(painted, minlength=logits.shape[1])).clamp(min=1).float()
    shares = counts ** (1 - balance)
    known = frequencies.to(logits.device).clamp(min=1e-4)
    shift = (shares / shares.sum()).log() - known.log()
    return logits.float() + shift[None, :, None, None]


def segmentation_loss(
    logits: Tensor,
    targets: Tensor,
    cross_entropy: float,
    balance: float,
    frequencies: Tensor | None = None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Dice plus `cross_entropy` times the balanced cross-entropy, both over painted pixels.

    With `frequencies` of the classes, logits are first shifted by :func:`as_painted`. `ranks` have
    a share of the batch each; the loss is that of the joint batch.
    """
    if frequencies is not None:
        logits = as_painted(logits, targets, balance, frequencies, ranks)
    loss = masked_dice(logits, targets, ranks)
    if cross_entropy > 0:
        loss = loss + cross_entropy * masked_cross_entropy(logits, targets, balance, ranks)
    return loss


def entropy(logits: Tensor, where: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """Return the entropy of a network's classes, averaged over some pixels.

    Lowering it where nothing is painted moves the boundaries between classes to where pixels are
    easily separated (entropy minimisation, Grandvalet and Bengio 2004).

    Parameters
    ----------
    logits
        ``(N, K, H, W)``.
    where
        The pixels, boolean ``(N, H, W)``.
    ranks
        Those that have a share of the batch each.

    Returns
    -------
    Scalar in nats, from 0 to ln K. Zero, with zero gradient, if there are no such pixels.
    """
    logs = logits.float().log_softmax(dim=1)
    each = -(logs.exp() * logs).sum(dim=1)  # (N, H, W)
    return ranks.sum((each * where).sum()) / ranks.sum(where.sum()).clamp(min=1)
