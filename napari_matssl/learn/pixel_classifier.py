"""A pixel classifier on a frozen encoder: a first segmentation within seconds of a stroke.

Two experts classify a pixel: one by the encoder's feature maps of all stages, with texture and
surroundings, one by classical filters, which hold the exact place of an edge. Both are multinomial
logistic regressions, so the best weights are found without a learning rate and in a second; their
logits are added (a product of experts, Hinton 2002). Classes count alike while fitting, since
labels are not in proportion; how frequent they really are is then estimated on pixels from
all over the same images.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.filters import FEATURES, LEVELS, filter_maps


class PixelHeads(nn.Module):
    """Logits from linear maps of an encoder's stages and of classical filters.

    Parameters
    ----------
    widths
        Channels of the encoder's stages, the image itself first.
    classes
        Number of channels of the logits.
    """

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.classes = classes
        # The first is the image itself; some encoders have an empty stage at half the size.
        self._stages = [n for n, width in enumerate(widths) if n > 0 and width > 0]
        self.context = nn.ModuleList(nn.Conv2d(widths[n], classes, 1) for n in self._stages)
        self.filters = nn.ModuleList(nn.Conv2d(FEATURES, classes, 1) for _ in LEVELS)
        self.look: Callable[[Tensor], list[Tensor]] = filter_maps
        """Gives the maps of the filters; another may keep them."""

    def pick(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Pick the maps that are looked at, float32, from all that the encoder gives."""
        return [stages[n].float() for n in self._stages]

    def forward(self, stages: Sequence[Tensor], images: Tensor) -> Tensor:
        """Logits ``(N, K, H, W)`` from the encoder's maps of images ``(N, 3, H, W)``."""
        maps = [*self.pick(stages), *self.look(images)]
        size = images.shape[2:]
        found: dict[torch.Size, Tensor] = {}  # by their size, so that each is enlarged once
        with torch.autocast(images.device.type, enabled=False):
            for head, features in zip([*self.context, *self.filters], maps, strict=True):
                logits = _map_linearly(head, features.float())
                known = found.get(logits.shape)
                found[logits.shape] = logits if known is None else known + logits
            total: Tensor = logits.new_zeros(())
            for one in found.values():
                if one.shape[2:] != size:  # few channels are enlarged faster one after another
                    one = functional.interpolate(one.contiguous(), size, mode="bilinear")
                total = total + one
            return total


def _map_linearly(head: nn.Module, features: Tensor) -> Tensor:
    """Apply a convolution of 1 px ``(N, C, H, W)`` as a product of matrices.

    A convolution whose weights are laid out channels last, as :class:`Compute` places them, copies
    large maps that aren't: eight times the time.
    """
    assert isinstance(head, nn.Conv2d)
    assert head.bias is not None
    if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
        mapped: Tensor = head(features)
        return mapped
    count, _, height, width = features.shape
    weight = head.weight[:, :, 0, 0].expand(count, -1, -1)
    flat = torch.baddbmm(head.bias[:, None], weight, features.flatten(2))
    return flat.reshape(count, -1, height, width)


class PixelClassifier(nn.Module):
    """Pixel heads on a frozen encoder.

    Parameters
    ----------
    encoder
        By its smp or timm name, or built already. It is never trained.
    classes
        Number of channels of the logits.
    """

    def __init__(self, encoder: str | nn.Module, classes: int) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder) if isinstance(encoder, str) else encoder
        self.heads = PixelHeads(self.encoder.out_channels, classes)  # type: ignore[arg-type]
        self.train()

    def train(self, mode: bool = True) -> "PixelClassifier":
        """Stay in evaluation mode: statistics of the encoder are part of the features."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Classify ``(N, 3, H, W)`` standardised images; logits ``(N, K, H, W)`` float32."""
        with torch.no_grad():
            stages = self.encoder(images)
        logits: Tensor = self.heads(stages, images)
        return logits
