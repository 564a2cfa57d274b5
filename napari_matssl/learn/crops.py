"""Training crops from painted micrographs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from napari_matssl.labels.painted import IGNORE_INDEX, PaintedMicrograph, to_targets
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.encoders import STRIDE
from napari_matssl.learn.magnification import magnification, rescale
from napari_matssl.learn.ranks import ALONE, Ranks
from napari_matssl.micrograph.intensity_scaling import IntensityScaling, specimen_values
from napari_matssl.micrograph.strata import Strata
from napari_matssl.settings import FinetuneSettings

_POINTS = 50_000  # painted pixels kept per image and class, as centres of crops


@dataclass(frozen=True)
class PreparedImage:
    """One painted micrograph, ready to be cropped.

    Parameters
    ----------
    unit
        ``(C, H, W)`` float32 from 0 to 1 at the network's magnification.
    targets
        ``(H, W)`` uint8 channel indices, 255 unpainted.
    scaling
        Its intensity scaling.
    proposed
        ``(H, W)`` uint8 channel indices that the pixel classifier proposes for unpainted
        pixels; None without a proposal.
    """

    unit: NDArray[np.float32]
    targets: NDArray[np.uint8]
    scaling: IntensityScaling
    proposed: NDArray[np.uint8] | None = None


def prepare(
    painted: PaintedMicrograph, scaling: IntensityScaling, card: ModelCard
) -> PreparedImage:
    """Prepare a painted micrograph for the network of a card; cut off the info bar.

    Raises
    ------
    InputError
        If its pixel size can't be meant, or a label is outside the class table.
    """
    micrograph = painted.micrograph
    values = specimen_values(micrograph, card.channels)
    image = rescale(values, magnification(card, micrograph))
    return PreparedImage(
        scaling.unit(image), prepare_targets(painted, card, image.shape[:2]), scaling
    )


def prepare_targets(
    painted: PaintedMicrograph, card: ModelCard, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return the targets of a painted micrograph's specimen, resized to rows and columns.

    Raises
    ------
    InputError
        If a label is outside the class table.
    """
    micrograph, table = painted.micrograph, card.classes
    targets = to_targets(painted, table, card.unlabelled)[: micrograph.specimen.shape[0]]
    if micrograph.specimen_analysable is not None:
        targets = np.where(micrograph.specimen_analysable, targets, np.uint8(IGNORE_INDEX))
    if targets.shape != shape:
        targets = resize_targets(targets, shape, len(table))
    return np.ascontiguousarray(targets)


def resize_targets(
    targets: NDArray[np.uint8], shape: tuple[int, ...], classes: int
) -> NDArray[np.uint8]:
    """Resize targets; a pixel becomes the class that is painted on most of its area.

    Unpainted area doesn't vote, so that strokes one pixel wide survive.

    Parameters
    ----------
    targets
        ``(H, W)`` channel indices, 255 unpainted.
    shape
        Rows and columns of the result.
    classes
        How many channels there are.
    """
    resized = np.full(shape, IGNORE_INDEX, dtype=np.uint8)
    largest = np.zeros(shape, dtype=np.float32)
    for channel in range(classes):
        painted = torch.from_numpy((targets == channel).astype(np.float32))[None, None]
        share = functional.interpolate(painted, size=shape, mode="area")[0, 0].numpy()
        resized[share > largest] = channel
        largest = np.maximum(largest, share)
    return resized


@dataclass(frozen=True)
class Batch:
    """Standardised crops ``(N, 3, S, S)`` float32 and their targets ``(N, S, S)`` uint8.

    `plain` are the same crops with their grey values unchanged; `proposed` ``(N, S, S)`` uint8 is
    what unpainted pixels may be, 255 where nothing is proposed.
    """

    images: Tensor
    targets: Tensor
    plain: Tensor
    proposed: Tensor


@dataclass(frozen=True)
class _Place:
    """Where a crop is cut, and how it is turned."""

    index: int
    row: int
    column: int
    side: int
    turns: int = 0
    flipped: bool = False


class CropSampler:
    """Draw batches of crops.

    With augmentation, a crop is placed at random round a painted pixel of a class drawn with equal
    chance, so rare classes are seen as often as common ones. Without, images are cut into a grid
    of patches that are gone through in random order (the paper's way).

    Parameters
    ----------
    images
        Painted micrographs, at least one with a painted pixel.
    settings
        Size (rounded up to what the network can take), batch, augmentation.
    random
        Where all randomness comes from.
    strata
        Which way strata lie that must keep their order, see
        :func:`~napari_matssl.micrograph.strata.find_strata`.
    ranks
        Those that have a share of each batch. All draw for the joint batch, and cut their own.
    """

    def __init__(
        self,
        images: Sequence[PreparedImage],
        settings: FinetuneSettings,
        random: np.random.Generator,
        strata: Strata = "any",
        ranks: Ranks = ALONE,
    ) -> None:
        self._images = images
        self._ranks = ranks
        self._settings = settings
        self._random = random
        self._strata = strata
        self._side = -(-settings.crop_size // STRIDE) * STRIDE
        self._points = _painted_points(images, random)
        self._grid = _grid(images, self._side)
        self._queue: list[tuple[int, int, int]] = []
        self.batch_size = (
            settings.batch_size
            if settings.augment
            else max(1, min(settings.batch_size, len(self._grid)))
        )

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches that cover all painted images about once."""
        return max(1, -(-len(self._grid) // self.batch_size))

    def batch(self) -> Batch:
        """Draw the next batch; give the share of this rank."""
        draw = self._augmented if self._settings.augment else self._next_patch
        places = [draw() for _ in range(self.batch_size)]
        own = self._ranks.share(len(places))
        crops = [self._crop(place) for place in places[own]]
        units = torch.stack([unit for _, unit, _ in crops])  # (N, C, S, S)
        mean = torch.from_numpy(np.stack([self._images[i].scaling.mean for i, _, _ in crops]))
        std = torch.from_numpy(np.stack([self._images[i].scaling.std for i, _, _ in crops]))
        targets, proposed = torch.stack([ids for _, _, ids in crops]).unbind(1)  # (N, S, S)

        def standardise(units: Tensor) -> Tensor:
            images = (units - mean[:, :, None, None]) / std[:, :, None, None]
            return images.expand(-1, 3, -1, -1)

        plain = standardise(units)
        if not self._settings.augment:
            return Batch(plain, targets, plain, proposed)
        strength, joint = self._settings.grey_changes, (own, len(places))
        varied = standardise(vary_grey_values(units, self._random, strength, joint))
        return Batch(varied, targets, plain, proposed)

    def halve(self) -> bool:
        """Halve the memory needed: the batch, then the crop; False at the smallest."""
        if self.batch_size > 1:
            self.batch_size //= 2
        elif self._side >= 128:
            self._side = self._side // 2 // STRIDE * STRIDE
            self._grid = _grid(self._images, self._side)
            self._queue.clear()
        else:
            return False
        return True

    def _next_patch(self) -> "_Place":
        if not self._queue:
            order = self._random.permutation(len(self._grid))
            self._queue = [self._grid[i] for i in order]
        index, row, column = self._queue.pop()
        return _Place(index, row, column, self._side)

    def _augmented(self) -> "_Place":
        random, zoom = self._random, self._settings.zoom
        candidates = self._points[random.integers(len(self._points))]
        index, points = candidates[random.integers(len(candidates))]
        height, width = self._images[index].targets.shape
        centre = divmod(int(points[random.integers(len(points))]), width)
        side = max(8, round(self._side * float(np.exp(random.uniform(-1, 1) * np.log(zoom)))))
        row, column = (
            _start(c, side, length, random)
            for c, length in zip(centre, (height, width), strict=True)
        )
        turns = int(random.integers(4)) if self._strata == "any" else 0
        return _Place(index, row, column, side, turns, flipped=random.random() < 0.5)

    def _crop(self, place: "_Place") -> tuple[int, Tensor, Tensor]:
        """Cut a crop ``(C, S, S)`` with its targets and proposals ``(2, S, S)``."""
        side = place.side
        unit, ids = self._cut(place.index, place.row, place.column, side)
        if side != self._side:
            size, smooth = [self._side, self._side], InterpolationMode.BILINEAR
            unit = resize(unit, size, smooth, antialias=side > self._side)
            ids = resize(ids, size, InterpolationMode.NEAREST_EXACT)
        if place.turns:
            unit, ids = unit.rot90(place.turns, (1, 2)), ids.rot90(place.turns, (1, 2))
        if place.flipped:
            along = 1 if self._strata == "columns" else 2
            unit, ids = unit.flip(along), ids.flip(along)
        return place.index, unit, ids

    def _cut(self, index: int, row: int, column: int, side: int) -> tuple[Tensor, Tensor]:
        """Cut a square ``(C, side, side)`` with its targets and proposals ``(2, side, side)``.

        What lies outside is mirrored, unpainted and without a proposal.
        """
        image = self._images[index]
        height, width = image.targets.shape
        top, left = max(0, row), max(0, column)
        bottom, right = min(height, row + side), min(width, column + side)
        margins = ((top - row, row + side - bottom), (left - column, column + side - right))
        unit = np.pad(image.unit[:, top:bottom, left:right], ((0, 0), *margins), mode="symmetric")
        ids = np.full((2, bottom - top, right - left), IGNORE_INDEX, dtype=np.uint8)
        ids[0] = image.targets[top:bottom, left:right]
        if image.proposed is not None:
            ids[1] = image.proposed[top:bottom, left:right]
        ids = np.pad(ids, ((0, 0), *margins), constant_values=IGNORE_INDEX)
        return torch.from_numpy(unit), torch.from_numpy(ids)


def vary_grey_values(
    units: Tensor,
    random: np.random.Generator,
    strength: float = 1.0,
    joint: tuple[slice, int] | None = None,
) -> Tensor:
    """Vary gamma, contrast, brightness, sharpness and noise, for each image by itself.

    Parameters
    ----------
    units
        ``(N, C, H, W)`` from 0 to 1.
    strength
        Multiplies all ranges; 0 changes nothing.
    joint
        Which rows these are of how many, for which all is drawn; None: all.

    Returns
    -------
    Same shape; values may leave 0 to 1 a little.
    """
    if strength == 0:
        return units
    own, count = joint or (slice(None), len(units))

    def draw(low: float, high: float) -> Tensor:
        values = strength * random.uniform(low, high, size=(count, 1, 1, 1))[own]
        return torch.from_numpy(values.astype(np.float32))

    units = units.clamp(0, 1) ** draw(-0.25, 0.25).exp()
    units = (units - 0.5) * draw(-0.18, 0.18).exp() + 0.5 + draw(-0.07, 0.07)
    blurred = functional.avg_pool2d(units, 3, stride=1, padding=1, count_include_pad=False)
    units = units + (blurred - units) * draw(-0.5, 1.0)  # below 0 sharpens
    generator = torch.Generator().manual_seed(int(random.integers(2**31)))
    noise = units.new_empty((count, *units.shape[1:])).normal_(generator=generator)[own]
    return units + noise * draw(-0.03, 0.06).clamp(min=0)


def _start(centre: int, side: int, length: int, random: np.random.Generator) -> int:
    """Return where a crop starts so that it holds `centre`, inside the image if possible."""
    start = centre - int(random.integers(side))
    if side >= length:
        return -int(random.integers(side - length + 1))
    return min(max(start, 0), length - side)


def _painted_points(
    images: Sequence[PreparedImage], random: np.random.Generator
) -> list[list[tuple[int, NDArray[np.int64]]]]:
    """Per painted class: images that have it, with the flat positions of its pixels."""
    by_class: dict[int, list[tuple[int, NDArray[np.int64]]]] = {}
    for index, image in enumerate(images):
        for value in np.unique(image.targets):
            if value == IGNORE_INDEX:
                continue
            points = np.flatnonzero(image.targets == value)
            if len(points) > _POINTS:
                points = random.choice(points, _POINTS, replace=False)
            by_class.setdefault(int(value), []).append((index, points))
    return [by_class[value] for value in sorted(by_class)]


def _grid(images: Sequence[PreparedImage], side: int) -> list[tuple[int, int, int]]:
    """Patches without overlap that hold painted pixels: image, row, column."""
    return [
        (index, row, column)
        for index, image in enumerate(images)
        for row in range(0, image.targets.shape[0], side)
        for column in range(0, image.targets.shape[1], side)
        if (image.targets[row : row + side, column : column + side] != IGNORE_INDEX).any()
    ]
