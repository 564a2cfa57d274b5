"""The contrastive loss of MatSSL and SimCLR."""

import torch
from torch import Tensor
from torch.nn import functional


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.07) -> Tensor:
    r"""Normalised temperature-scaled cross-entropy over 2N embeddings.

    Parameters
    ----------
    first, second
        Embeddings of the two views ``(N, D)``; row i of both comes from the same patch.
    temperature
        Divides the cosine similarities.

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
    if first.shape != second.shape or first.ndim != 2 or first.shape[0] < 2:
        raise ValueError(
            f"two (N, D) batches with N >= 2 are needed, not {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    pairs = first.shape[0]
    # Similarities of 1/0.07 in bf16 have steps of 0.06: always in full precision.
    with torch.autocast(first.device.type, enabled=False):
        embeddings = functional.normalize(torch.cat([first, second]).float(), dim=1)  # (2N, D)
        logits = embeddings @ embeddings.T / temperature  # (2N, 2N)
        itself = torch.eye(2 * pairs, dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(itself, float("-inf"))
        partner = torch.arange(2 * pairs, device=logits.device).roll(pairs)  # (2N,)
        return functional.cross_entropy(logits, partner)
