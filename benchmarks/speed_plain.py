"""What a plain script does, and those that were released with the paper do: the baseline of speed.

Images are decoded by Pillow at every visit, varied one by one by torchvision, and computed in
float32 in contiguous memory; a large image goes through the network tile by tile.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from napari_matssl.learn.encoders import smp_name
from napari_matssl.learn.methods import ContrastiveMethod

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def write_patches(
    folder: Path,
    images: Sequence[NDArray[np.uint8]],
    labels: Sequence[NDArray[np.uint8]],
    side: int,
) -> Path:
    """Cut images and labels into square patches, a PNG each, as plain scripts do beforehand."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for image, known in zip(images, labels, strict=True):
        for row in range(0, image.shape[0] - side + 1, side):
            for column in range(0, image.shape[1] - side + 1, side):
                part = np.s_[row : row + side, column : column + side]
                Image.fromarray(image[part]).save(folder / f"{count}.png")
                Image.fromarray(known[part]).save(folder / f"{count}_mask.png")
                count += 1
    return folder


class Patches(Dataset[tuple[Tensor, Tensor]]):
    """Patches of a folder with their labels, decoded at every visit."""

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(p for p in folder.glob("*.png") if not p.stem.endswith("_mask"))
        self._ready = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        path = self._paths[index]
        labels = np.array(Image.open(path.with_name(f"{path.stem}_mask.png")), dtype=np.int64)
        return self._ready(Image.open(path).convert("RGB")), torch.from_numpy(labels)


class Pictures(Dataset[Image.Image]):
    """The same patches as pictures, without labels."""

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(p for p in folder.glob("*.png") if not p.stem.endswith("_mask"))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Image.Image:
        return Image.open(self._paths[index]).convert("RGB")


def fine_tune(
    folder: Path, encoder: str, classes: int, batch_size: int, device: torch.device
) -> Iterator[None]:
    """Train U-Net++ by the Dice loss; yields after each step, without end."""
    network = smp.UnetPlusPlus(smp_name(encoder), encoder_weights=None, classes=classes).to(device)
    loss = smp.losses.DiceLoss("multiclass")
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    while True:
        for images, labels in DataLoader(Patches(folder), batch_size, shuffle=True, drop_last=True):
            optimiser.zero_grad()
            loss(network(images.to(device)), labels.to(device)).backward()
            optimiser.step()
            yield


def pretrain(
    folder: Path, method: ContrastiveMethod, side: int, batch_size: int, device: torch.device
) -> Iterator[None]:
    """Contrast two views of each patch, made in the collate function; yields after each step.

    Views are ``(N, 3, side, side)``.
    """
    blur = transforms.GaussianBlur(max(3, side // 10) | 1, (0.1, 2.0))
    jitter = transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)
    vary = transforms.Compose([
        transforms.RandomResizedCrop(side, (0.2, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomVerticalFlip(),
        transforms.RandomApply([jitter], 0.8),
        transforms.RandomGrayscale(0.2),
        transforms.RandomApply([blur], 0.5),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ])  # fmt: skip

    def two_views(pictures: list[Image.Image]) -> tuple[Tensor, Tensor]:
        return torch.stack([vary(p) for p in pictures]), torch.stack([vary(p) for p in pictures])

    method.to(device).train()
    random = torch.Generator()
    optimiser = torch.optim.SGD(method.parameters(), lr=1e-3, momentum=0.9)
    while True:
        for one, other in DataLoader(
            Pictures(folder), batch_size, shuffle=True, drop_last=True, collate_fn=two_views
        ):
            optimiser.zero_grad()
            method.loss(one.to(device), other.to(device), random).backward()
            optimiser.step()
            yield


def segment(
    network: nn.Module, pixels: NDArray[np.uint8], tile: int, overlap: int, device: torch.device
) -> NDArray[np.uint8]:
    """Classify a grey image ``(H, W)`` tile by tile, each with a margin on all sides."""
    height, width = pixels.shape
    padded = np.pad(pixels, overlap, mode="reflect")
    ready = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    mask = np.zeros((height, width), np.uint8)
    with torch.no_grad():
        for row in range(0, height, tile):
            for column in range(0, width, tile):
                seen = padded[row : row + tile + 2 * overlap, column : column + tile + 2 * overlap]
                side = [-(-length // 32) * 32 - length for length in seen.shape]
                seen = np.pad(seen, ((0, side[0]), (0, side[1])), mode="edge")
                batch = ready(Image.fromarray(seen).convert("RGB"))[None].to(device)
                found = network(batch).softmax(dim=1)[0].argmax(dim=0).to(torch.uint8).cpu().numpy()
                inner = found[overlap:, overlap:][: height - row, : width - column][:tile, :tile]
                mask[row : row + tile, column : column + tile] = inner
    return mask
