"""A pixel classifier on a frozen encoder: a first segmentation within seconds of a stroke.

Two experts look at a pixel: one at the encoder's feature maps of all stages, which know texture and
surroundings, one at classical filters, which know the exact place of an edge. Both are multinomial
logistic regressions, so the best weights are found without a learning rate and in a second; their
logits are added (a product of experts, Hinton 2002). Classes count alike while fitting, since
nobody paints them in proportion; how frequent they really are is then estimated on pixels from
all over the same images.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.filters import FEATURES, LEVELS, filter_maps


class PixelClassifier(nn.Module):
    """Logits from linear maps of the encoder's stages and of classical filters.

    Parameters
    ----------
    encoder_name
        By its smp or timm name. The encoder is never trained.
    classes
        Number of channels of the logits.
    """

    def __init__(self, encoder_name: str, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.encoder: nn.Module = build_encoder(encoder_name)
        widths: list[int] = list(self.encoder.out_channels)  # type: ignore[arg-type]
        # The first is the image itself; some encoders have an empty stage at half the size.
        self._stages = [n for n, width in enumerate(widths) if n > 0 and width > 0]
        self.context = nn.ModuleList(nn.Conv2d(widths[n], classes, 1) for n in self._stages)
        self.filters = nn.ModuleList(nn.Conv2d(FEATURES, classes, 1) for _ in LEVELS)
        self.train()

    def train(self, mode: bool = True) -> "PixelClassifier":
        """Stay in evaluation mode: statistics of the encoder are part of the features."""
        return super().train(False)

    def context_maps(self, images: Tensor) -> list[Tensor]:
        """Feature maps of the encoder's stages, float32, without a gradient."""
        with torch.no_grad():
            return [stage.float() for stage in self.used(self.encoder(images))]

    def used(self, stages: list[Tensor]) -> list[Tensor]:
        """Pick the maps that are looked at from all that the encoder gives."""
        return [stages[n] for n in self._stages]

    def forward(self, images: Tensor) -> Tensor:
        """Classify ``(N, 3, H, W)`` standardised images; logits ``(N, K, H, W)`` float32."""
        return self.classify(self.context_maps(images), images)

    def classify(self, stages: list[Tensor], images: Tensor) -> Tensor:
        """Logits ``(N, K, H, W)`` from the encoder's maps of these images and from filters."""
        maps = [*stages, *filter_maps(images)]
        size = images.shape[2:]
        total = torch.zeros((), device=images.device)
        with torch.autocast(images.device.type, enabled=False):
            for head, features in zip([*self.context, *self.filters], maps, strict=True):
                logits = head(features.float())
                total = total + functional.interpolate(logits, size=size, mode="bilinear")
        return total
