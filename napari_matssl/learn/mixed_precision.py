"""The same layers, computed faster under a processor's mixed precision.

The layers keep their weights and names; only how they are computed changes. Times are those of one
core with AMX on 4 crops of 256 px (benchmarks/NOTES.md, "Steps").
"""

from functools import lru_cache
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.nn import functional


def compute_fast(network: nn.Module) -> None:
    """Change how depthwise convolutions and ReLU6 are computed on a processor with bfloat16."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.__class__ = _depthwise(type(module), _is_simple(module))  # type: ignore[arg-type]
        elif type(module) is nn.ReLU6:
            module.__class__ = _ReLU6


def kind_of(conv: nn.Conv2d) -> type[nn.Conv2d]:
    """Return the class of a convolution, whatever :func:`compute_fast` has made of it."""
    kind = type(conv)
    return kind.__bases__[0] if hasattr(kind, "is_fast") else kind


def _is_simple(conv: nn.Conv2d) -> bool:
    """Whether nothing happens to the images but zeros around them."""
    return (
        kind_of(conv) in (nn.Conv2d, Conv2dSame)
        and conv.out_channels == conv.in_channels
        and conv.dilation == (1, 1)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
    )


class _ReLU6(nn.ReLU6):
    """In place only where nothing is learnt: else its input would be copied for its gradient."""

    def forward(self, images: Tensor) -> Tensor:
        in_place = self.inplace and not (torch.is_grad_enabled() and images.requires_grad)
        return functional.hardtanh(images, 0.0, 6.0, inplace=in_place)


@lru_cache(maxsize=32)
def _depthwise(kind: type[nn.Conv2d], simple: bool) -> type[nn.Conv2d]:
    """Make the fast variant of a class of depthwise convolutions; others learn in float32."""
    if hasattr(kind, "is_fast"):
        return kind

    def forward(self: nn.Conv2d, images: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return kind.forward(self, images)
        if not simple:
            with torch.autocast("cpu", enabled=False):
                return kind.forward(self, images.float()).to(images.dtype)
        padding = self.padding
        if isinstance(self, Conv2dSame):
            images = pad_same(images, list(self.kernel_size), list(self.stride))
            padding = (0, 0)
        found: Tensor = _Depthwise.apply(images, self.weight, self.stride, padding)
        return found if self.bias is None else found + self.bias[:, None, None].to(found.dtype)

    return type(f"Fast{kind.__name__}", (kind,), {"forward": forward, "is_fast": True})


_Pair = tuple[int, int]


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution whose gradients take no path that is slow in bfloat16.

    Slow are the gradient of the images with a stride, up to 90 times against float32, and that of
    kernels of more than 3 px, up to 6 times.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.how = stride, padding
        return functional.conv2d(images, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        stride, padding = ctx.how
        images, weight = (one.to(gradient.dtype) for one in ctx.saved_tensors)
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = _of_images(images, weight, gradient, stride, padding)
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(images, weight, gradient, stride, padding)
        return of_images, of_weight, None, None


def _of_images(
    images: Tensor, weight: Tensor, gradient: Tensor, stride: _Pair, padding: _Pair
) -> Tensor:
    """Return the gradient of the images."""
    if stride == (1, 1):  # the convolution with the kernel turned round
        beyond = [side - 1 - pad for side, pad in zip(weight.shape[2:], padding, strict=True)]
        return functional.conv2d(gradient, weight.flip(2, 3), None, 1, beyond, 1, len(weight))
    precise = _backward(
        gradient.float(), images.float(), weight.float(), stride, padding, (True, False, False)
    )
    return precise[0].to(images.dtype)


def _of_weight(
    images: Tensor, weight: Tensor, gradient: Tensor, stride: _Pair, padding: _Pair
) -> Tensor:
    """Return the gradient of the kernels, larger ones piece by piece, 3 x 3 px each."""
    rows, columns = weight.shape[2:]
    only = (False, True, False)
    if min(rows, columns) < 3 or max(rows, columns) == 3 or not rows % 2 == columns % 2 == 1:
        return _backward(gradient, images, weight, stride, padding, only)[1]
    padded = functional.pad(images, (padding[1], padding[1], padding[0], padding[0]))
    seen = [(out - 1) * step + 3 for out, step in zip(gradient.shape[2:], stride, strict=True)]
    found, part = torch.empty_like(weight), weight[:, :, :3, :3]
    for row in range(0, rows - 2, 2):
        for column in range(0, columns - 2, 2):
            shifted = padded[:, :, row : row + seen[0], column : column + seen[1]]
            shifted = shifted.contiguous(memory_format=torch.channels_last)
            piece = _backward(gradient, shifted, part, stride, (0, 0), only)[1]
            found[:, :, row : row + 3, column : column + 3] = piece
    return found


def _backward(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: _Pair, padding: _Pair,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, images, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight), wanted
    )
    return found
