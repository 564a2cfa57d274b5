"""The contrastive loss of MatSSL and SimCLR."""

import torch
from torch import Tensor
from torch.nn import functional

from napari_matssl.learn.ranks import ALONE, Ranks


def nt_xent(
    first: Tensor,
    second: Tensor,
    temperature: float = 0.07,
    ranks: Ranks = ALONE,
    count: int | None = None,
) -> Tensor:
    r"""Normalised temperature-scaled cross-entropy over 2N embeddings.

    Parameters
    ----------
    first, second
        Embeddings of the two views ``(N, D)``; row i of both comes from the same patch.
    temperature
        Divides the cosine similarities.
    ranks
        Those that have a share of the batch each; negatives are all of its other embeddings.
    count
        N of the joint batch; None: all rows are here.

    Returns
    -------
    Scalar, the mean over both directions of all N pairs.

    Raises
    ------
    ValueError
        If the shapes differ or N < 2 (one pair has no negatives).

    Notes
    -----
    Chen et al. 2020, equation 1; MatSSL uses a temperature of 0.07:

    .. math:: l(i, j) = -\log \frac{\exp(s_{ij} / t)}{\sum_{k \ne i} \exp(s_{ik} / t)}
    """
    pairs = count or first.shape[0]
    if first.shape != second.shape or first.ndim != 2 or pairs < 2:
        raise ValueError(
            f"two (N, D) batches with N >= 2 are needed, not {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    own = torch.arange(pairs, device=first.device)[ranks.share(pairs)]
    # Similarities of 1/0.07 in bf16 have steps of 0.06: always in full precision.
    with torch.autocast(first.device.type, enabled=False):
        anchors = functional.normalize(torch.cat([first, second]).float(), dim=1)  # (2n, D)
        embeddings = torch.cat([ranks.join(one, pairs) for one in anchors.chunk(2)])  # (2N, D)
        logits = anchors @ embeddings.T / temperature  # (2n, 2N)
        places = torch.cat([own, own + pairs])  # (2n,)
        itself = places[:, None] == torch.arange(2 * pairs, device=logits.device)
        logits = logits.masked_fill(itself, float("-inf"))
        partner = (places + pairs) % (2 * pairs)  # (2n,)
        return ranks.mean(functional.cross_entropy(logits, partner), len(own), pairs)
