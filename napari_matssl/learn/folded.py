"""A network that only segments, with batch norms and activations folded into its convolutions.

Once its statistics are fixed, a batch norm is a scale and a shift of each channel, so the
convolution before it can do its work, and the activation after it can be applied before a value
leaves the processor. A third of the time of a mask goes into passes over memory that this saves.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from napari_matssl.learn.mixed_precision import kind_of

SIDE: Final = 64
"""Of the images on which a copy is compared with its network, px."""

_CLOSE: Final = 1e-3  # of the largest value
_NONE: Final = ("none", (), "")
_FUSED: Final = {nn.ReLU: ("relu", (), ""), nn.ReLU6: ("hardtanh", (0.0, 6.0), "")}
"""Activations that oneDNN applies at the end of a convolution, as it names them."""


def fold(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Copy a network for a processor, folded as far as its layers allow.

    Parameters
    ----------
    network
        In evaluation mode; an encoder may give several feature maps.
    dtype
        Of the convolutions.

    Returns
    -------
    A copy with channels last; `network` itself where nothing can be folded. Layers are taken to
    follow each other in the order in which their container lists them. Where the copy doesn't give
    the same values in float32, that is not so, and the network is returned as well.
    """
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not there or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return network
    copied = copy.deepcopy(network).float()
    copied.requires_grad_(False)
    if not sum(_fold_inside(one) for one in list(copied.modules())):
        return network
    random = torch.Generator().manual_seed(0)
    images = torch.randn(1, 3, SIDE, SIDE, generator=random)
    with torch.inference_mode():
        expected = _maps(network(images))
        try:
            found = _maps(copied(images))
        except RuntimeError:  # channels that don't fit
            return network
    if not all(map(_are_close, found, expected)):
        return network
    for module in copied.modules():
        if isinstance(module, _FoldedConv):
            module.weight = module.weight.to(dtype)  # biases may stay precise
    return copied.to(memory_format=torch.channels_last)


def _maps(given: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Return the logits of a network, or the feature maps of an encoder."""
    return [given] if isinstance(given, Tensor) else [one for one in given if one.numel()]


def _are_close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=0, atol=_CLOSE * float(expected.abs().max()))


def _fold_inside(container: nn.Module) -> int:
    """Fold the layers of a container; how many convolutions took in a batch norm."""
    layers = list(container.named_children())
    count = 0
    for place, ((name, conv), (name_of_norm, norm)) in enumerate(pairwise(layers)):
        if not _fits(conv, norm):
            continue
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        act: nn.Module = nn.Identity()
        name_of_act = name_of_norm
        if isinstance(norm, BatchNormAct2d):
            act = norm.act
        elif isinstance(container, nn.Sequential) and place + 2 < len(layers):
            name_of_act, act = layers[place + 2]
        fused = next((how for kind, how in _FUSED.items() if isinstance(act, kind)), _NONE)
        setattr(container, name, _FoldedConv.of(conv, norm, fused))
        setattr(container, name_of_norm, nn.Identity())
        setattr(container, name_of_act, nn.Identity() if fused is not _NONE else act)
        count += 1
    return count


def _fits(conv: nn.Module, norm: nn.Module) -> bool:
    """Whether a layer is a convolution that the next one, a batch norm, can be folded into."""
    return (
        isinstance(conv, nn.Conv2d)
        and kind_of(conv) in (nn.Conv2d, Conv2dSame)
        and isinstance(norm, nn.BatchNorm2d)
        and norm.running_mean is not None
        and norm.num_features == conv.out_channels
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and (not isinstance(norm, BatchNormAct2d) or isinstance(norm.drop, nn.Identity))
    )


@dataclass(frozen=True)
class _How:
    """How a convolution is computed."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int
    same: list[int] | None  # kernel size, where the padding follows from the size of the image
    fused: tuple[str, tuple[float, ...], str]


class _FoldedConv(nn.Module):
    """A convolution with batch norm and activation."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, how: _How) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self._how = how

    @classmethod
    def of(
        cls, conv: nn.Conv2d, norm: nn.BatchNorm2d, fused: tuple[str, tuple[float, ...], str]
    ) -> "_FoldedConv":
        """Fold a batch norm into a convolution."""
        assert norm.running_mean is not None
        assert norm.running_var is not None
        weight, bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
            norm.bias,
        )  # fmt: skip
        same = isinstance(conv, Conv2dSame)
        how = _How(
            stride=list(conv.stride),
            padding=[0, 0] if same else [int(side) for side in conv.padding],
            dilation=list(conv.dilation),
            groups=conv.groups,
            same=list(conv.kernel_size) if same else None,
            fused=fused,
        )
        return cls(weight.detach(), bias.detach(), how)

    def forward(self, images: Tensor) -> Tensor:
        """Convolve ``(N, C, H, W)``."""
        how, images = self._how, images.to(self.weight.dtype)
        if how.same is not None:
            images = pad_same(images, how.same, how.stride, how.dilation)
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            images, self.weight, self.bias, how.padding, how.stride, how.dilation, how.groups,
            *how.fused,
        )  # fmt: skip
        return found
