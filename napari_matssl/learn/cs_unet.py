"""CS-UNet: a CNN and a Swin transformer side by side, with a decoder of Swin blocks.

After Alrfou, Zhao and Kordijazi, "Transfer learning for microstructure segmentation with CS-UNet: a
hybrid algorithm with transformer and CNN encoders", 2023 (arXiv 2308.13917). The decoder is that of
Swin-Unet (Cao et al. 2022), which CS-UNet builds on.

What is published: two encoders see the same image; at a quarter of its size and the three halvings
below, the decoder gets the maps of both; it fuses them by a linear layer, refines them by Swin
blocks and enlarges them by patch expanding. Where the Swin has start weights, the decoder's blocks
get those of its stage of the same width.

What it leaves open, or what differs here:

- The Swin is Swin-T with blocks 2, 2, 6, 2, for which there are ImageNet weights; the authors
  also have one with 2, 2, 2, 2.
- The decoder has two blocks per stage, which get the weights of the first two of the Swin's stage.
- Windows are 7 patches wide, as in ImageNet's weights; a published configuration has 8.
- At the lowest stage, a linear layer fuses both maps before they are enlarged.
- Stochastic depth is off, as it draws from torch's own generator; whole channels are hidden from
  the decoder instead, as for U-Net++.
- The last expansion, to four times the size, leaves a quarter of the channels (24). Swin-Unet keeps
  all 96 at full size, which would take 400 MB for a tile of 1,024 px.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from timm.models.swin_transformer import SwinTransformerBlock
from torch import Tensor, nn
from torch.nn import functional

from napari_matssl.learn.channel_dropout import ChannelDropout
from napari_matssl.learn.encoders import SWIN, build_encoder

WINDOW = 7
"""Side of the windows in which patches attend to each other, in patches."""

_DEPTH = 2  # blocks per stage of the decoder
_HEADS = (3, 6, 12)  # of the decoder's stages, from the largest map on
_FULL_SIZE = 24  # channels at the size of the image


class PatchExpanding(nn.Module):
    """Enlarge maps, each patch by a linear layer to a square of patches (Swin-Unet).

    Parameters
    ----------
    width, out
        Channels before and after.
    factor
        Of height and width.
    """

    def __init__(self, width: int, out: int, factor: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, factor**2 * out, bias=False)
        self.norm = nn.LayerNorm(out)
        self._factor = factor

    def forward(self, maps: Tensor) -> Tensor:
        """Enlarge ``(N, H, W, C)`` maps to ``(N, fH, fW, out)``."""
        expanded = self.expand(maps).permute(0, 3, 1, 2)  # (N, out f f, H, W)
        enlarged = functional.pixel_shuffle(expanded, self._factor)  # (N, out, fH, fW)
        result: Tensor = self.norm(enlarged.permute(0, 2, 3, 1))
        return result


class SwinDecoder(nn.Module):
    """Fuse maps from below and of both encoders, stage by stage, and enlarge them to full size.

    Parameters
    ----------
    convolutional, transformer
        Channels of the two encoders' maps, from the largest on.
    """

    def __init__(self, convolutional: Sequence[int], transformer: Sequence[int]) -> None:
        super().__init__()
        widths = list(transformer)
        from_below = [*widths[:-1], 0]  # nothing lies below the lowest stage
        self.fuse = nn.ModuleList(
            nn.Linear(below + cnn + swin, swin)
            for below, cnn, swin in zip(from_below, convolutional, widths, strict=True)
        )
        self.refine = nn.ModuleList(
            _blocks(width, heads) for width, heads in zip(widths[:-1], _HEADS, strict=True)
        )
        self.enlarge = nn.ModuleList(
            PatchExpanding(lower, upper, 2) for upper, lower in pairwise(widths)
        )
        self.norm = nn.LayerNorm(widths[0])
        self.last = PatchExpanding(widths[0], _FULL_SIZE, 4)

    def forward(self, convolutional: Sequence[Tensor], transformer: Sequence[Tensor]) -> Tensor:
        """Fuse two lists of maps ``(N, C, H, W)`` at a quarter of the size and below.

        Returns
        -------
        Maps ``(N, 24, H, W)`` of the size of the image.
        """
        both = [
            torch.cat(pair, dim=1).permute(0, 2, 3, 1)  # (N, H, W, C)
            for pair in zip(convolutional, transformer, strict=True)
        ]
        maps = self.fuse[-1](both[-1])
        for stage in reversed(range(len(self.refine))):
            maps = self.enlarge[stage](maps)
            maps = self.fuse[stage](torch.cat([maps, both[stage]], dim=-1))
            maps = self.refine[stage](maps)
        full: Tensor = self.last(self.norm(maps))
        return full.permute(0, 3, 1, 2)


def _blocks(width: int, heads: int) -> nn.Sequential:
    """Swin blocks for maps of any size, every second one with shifted windows."""
    return nn.Sequential(
        *(
            SwinTransformerBlock(
                width,
                input_resolution=(WINDOW, WINDOW),
                num_heads=heads,
                window_size=WINDOW,
                shift_size=WINDOW // 2 if n % 2 else 0,
                always_partition=True,
                dynamic_mask=True,
            )
            for n in range(_DEPTH)
        )
    )


def _widths(encoder: nn.Module) -> list[int]:
    """Return the channels of an encoder's maps from a quarter of the image's size on."""
    widths: list[int] = list(encoder.out_channels[2:])  # type: ignore[index]
    return widths


class CsUnet(nn.Module):
    """A CNN (``encoder``) and a Swin-T (``transformer``) that share a decoder of Swin blocks.

    Parameters
    ----------
    encoder_name
        The CNN, by its smp or timm name.
    classes
        Number of channels of the logits.
    """

    def __init__(self, encoder_name: str, classes: int) -> None:
        super().__init__()
        self.encoder: nn.Module = build_encoder(encoder_name)
        self.transformer: nn.Module = build_encoder(SWIN)
        self.decoder = SwinDecoder(_widths(self.encoder), _widths(self.transformer))
        self.segmentation_head = nn.Conv2d(_FULL_SIZE, classes, 1)
        self.dropout = ChannelDropout()

    def start_decoder(self) -> None:
        """Copy blocks of the Swin to the decoder's stages of the same width."""
        for stage, blocks in enumerate(self.decoder.refine):
            for n in range(_DEPTH):
                given = self.transformer.get_submodule(f"model.layers_{stage}.blocks.{n}")
                blocks.get_submodule(str(n)).load_state_dict(given.state_dict())

    def forward(self, images: Tensor) -> Tensor:
        """Classify ``(N, 3, H, W)`` standardised images; logits ``(N, K, H, W)``."""
        cnn, swin = (self.dropout.hide(one(images))[2:] for one in (self.encoder, self.transformer))
        logits: Tensor = self.segmentation_head(self.decoder(cnn, swin))
        return logits
