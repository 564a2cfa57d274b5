"""The two views of a patch that contrastive pretraining compares (the SimCLR pipeline).

Everything is drawn per patch and done for the whole batch at once, on any device.
"""

import math

import torch
from torch import Tensor

from napari_matssl.learn.ranks import Draw
from napari_matssl.learn.resampling import apply_separable, blurring, resampling
from napari_matssl.settings import PretrainSettings

_LUMINANCE = (0.2125, 0.7154, 0.0721)  # ITU-R BT.709


def make_view(
    patches: Tensor,
    mean: Tensor,
    std: Tensor,
    settings: PretrainSettings,
    draw: Draw,
) -> Tensor:
    """Make one random view of each patch.

    Parameters
    ----------
    patches
        ``(N, C, P, P)`` from 0 to 1, with C = 1 (grey) or 3.
    mean, std
        ``(N, C)`` or ``(N, 3)``: constants of the image each patch comes from.
    settings
        Ranges and probabilities.
    draw
        On the CPU; where all randomness comes from.

    Returns
    -------
    ``(N, 3, V, V)`` standardised, V = ``settings.view_size``.
    """
    views = random_resized_crop(patches, settings.view_size, settings.crop_area_min, draw)
    views = jitter_colour(views, settings, draw)
    if views.shape[1] == 3:
        dropped = _chance(len(views), settings.grey_probability, draw, views)
        views = torch.where(dropped, luminance(views), views)
    views = blur(views, settings.blur_probability, draw)
    views = (views - mean[:, :, None, None]) / std[:, :, None, None]
    return views.expand(-1, 3, -1, -1)


def random_resized_crop(patches: Tensor, size: int, area_min: float, draw: Draw) -> Tensor:
    """Cut a random rectangle from each patch, flip it half of the time, and resize it.

    Its area is `area_min` to 1 of the patch's, its aspect 3/4 to 4/3, as in SimCLR.

    Returns
    -------
    ``(N, C, size, size)``.
    """
    count = len(patches)
    area = _uniform(count, area_min, 1.0, draw)
    # Large areas have room for mild aspects only.
    widest = (-area.log()).clamp(max=math.log(4 / 3))
    aspect = (widest * _uniform(count, -1, 1, draw)).exp()
    width = (area * aspect).sqrt()  # of the patch's side
    height = (area / aspect).sqrt()
    flip = _uniform(count, 0, 1, draw) < 0.5
    across = (1 - width) * _uniform(count, 0, 1, draw)
    down = (1 - height) * _uniform(count, 0, 1, draw)
    side = patches.shape[-1]
    rows = resampling(down * side, height * side, side, size)
    columns = resampling(across * side, width * side, side, size)
    columns = torch.where(flip[:, None, None], columns.flip(1), columns)
    return apply_separable(patches, rows, columns)


def jitter_colour(views: Tensor, settings: PretrainSettings, draw: Draw) -> Tensor:
    """Change brightness, contrast and, in colour images, saturation and hue of some views."""
    count, strength = len(views), settings.jitter

    def factor() -> Tensor:
        values = _uniform(count, 1 - strength, 1 + strength, draw)
        return values.to(views)[:, None, None, None]

    changed = views * factor()
    centre = luminance(changed).mean(dim=(2, 3), keepdim=True)
    changed = (changed - centre) * factor() + centre
    if views.shape[1] == 3:
        grey = luminance(changed)
        changed = (changed - grey) * factor() + grey
        changed = _turn_hue(changed, settings.hue_jitter, draw)
    chosen = _chance(count, settings.jitter_probability, draw, views)
    return torch.where(chosen, changed.clamp(0, 1), views)


def blur(views: Tensor, probability: float, draw: Draw) -> Tensor:
    """Blur some views by a Gaussian of 0.1 to 2 px; the kernel reaches over a tenth of the view."""
    side = views.shape[-1]
    sigma = _uniform(len(views), 0.1, 2.0, draw)
    chosen = _uniform(len(views), 0, 1, draw) < probability
    matrices = blurring(torch.where(chosen, sigma, 0.0), max(1, side // 20), side)
    return apply_separable(views, matrices, matrices)


def luminance(images: Tensor) -> Tensor:
    """Luminance ``(N, 1, H, W)`` of images with one or three channels."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor(_LUMINANCE)[None, :, None, None]
    return (images * weights).sum(dim=1, keepdim=True)


def _turn_hue(images: Tensor, strength: float, draw: Draw) -> Tensor:
    """Turn colours about the grey axis by up to `strength` of a full turn (Rodrigues' formula)."""
    angle = _uniform(len(images), -strength, strength, draw) * 2 * math.pi
    cosine, sine = angle.cos(), angle.sin()
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    turn = (
        cosine[:, None, None] * torch.eye(3)
        + (1 - cosine)[:, None, None] / 3
        + sine[:, None, None] * cross
    ).to(images)  # (N, 3, 3)
    return torch.einsum("nij,njhw->nihw", turn, images)


def _uniform(count: int, low: float, high: float, draw: Draw) -> Tensor:
    return draw(count) * (high - low) + low


def _chance(count: int, probability: float, draw: Draw, like: Tensor) -> Tensor:
    chosen = _uniform(count, 0, 1, draw) < probability
    return chosen.to(like.device)[:, None, None, None]
