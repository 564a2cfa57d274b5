"""Elements of synthetic materials: random fields, cells, blobs and lines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial import cKDTree

Field = NDArray[np.float64]
Mask = NDArray[np.bool_]
Shape = tuple[int, int]

# Nuclei searched for each pixel, enough to find a cell's two nearest boundaries.
_CANDIDATES = 4


@dataclass(frozen=True)
class Scene:
    """A specimen as a perfect microscope would see it.

    Parameters
    ----------
    grey
        ``(H, W)``, 0 (black) to 1 (white), without blur, noise or scratches.
    labels
        ``(H, W)`` class ids, from the same masks that ``grey`` was drawn with.
    """

    grey: Field
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Cells:
    """A tessellation of the plane into cells.

    Parameters
    ----------
    owner, neighbour
        ``(H, W)`` number of the cell a pixel is in, and of the one across the nearest boundary.
    edge, corner
        ``(H, W)`` distance in px to the nearest and second nearest boundary; both are about 0
        at a triple point.
    points
        ``(cells, 2)`` nuclei as row, column; some lie outside the image.
    """

    owner: NDArray[np.intp]
    neighbour: NDArray[np.intp]
    edge: Field
    corner: Field
    points: Field

    def per_cell(self, values: Field) -> Field:
        """Spread one value a cell over the cell's pixels, ``(H, W)``."""
        return values[self.owner]

    def per_boundary(self, rng: np.random.Generator) -> Field:
        """Draw one value from 0 to 1 for each pair of neighbours, ``(H, W)``."""
        key = rng.random(len(self.points))
        return (key[self.owner] + key[self.neighbour]) % 1.0


def smooth_noise(
    rng: np.random.Generator,
    shape: Shape,
    scale: float,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> Field:
    """Draw Gaussian noise that is smooth over some pixels.

    Parameters
    ----------
    rng
        The source of randomness.
    shape
        Rows and columns.
    scale
        Standard deviation of the smoothing kernel in px.
    stretch
        How many times longer the kernel is along ``angle``.
    angle
        Direction of the long axis in radians, 0 along the rows.

    Returns
    -------
    ``(H, W)`` with mean 0 and standard deviation 1 over an area somewhat larger than the image.
    """
    # The transform wraps around: the margin keeps opposite edges independent.
    margin = int(3 * scale * max(stretch, 1.0)) + 1
    rows, columns = (fft.next_fast_len(n + min(margin, n), real=True) for n in shape)
    fy = fft.fftfreq(rows)[:, None]
    fx = fft.rfftfreq(columns)[None, :]
    variance = 2 * (np.pi * scale) ** 2
    if stretch == 1.0 or angle == 0.0:
        kernel = np.exp(-variance * fy**2) * np.exp(-variance * (stretch * fx) ** 2)
    else:
        along = fx * np.cos(angle) + fy * np.sin(angle)
        across = fy * np.cos(angle) - fx * np.sin(angle)
        kernel = np.exp(-variance * ((stretch * along) ** 2 + across**2))
    kernel[0, 0] = 0.0
    # Single precision takes half the time and is enough for 8 bits.
    white = fft.rfft2(rng.standard_normal((rows, columns), dtype=np.float32))
    noise = fft.irfft2(white * kernel.astype(np.float32), s=(rows, columns)).astype(np.float64)
    scaled: Field = noise[: shape[0], : shape[1]] / noise.std()
    return scaled


def rough_noise(rng: np.random.Generator, shape: Shape, scale: float, octaves: int = 3) -> Field:
    """Add up smooth noise of halving scale and amplitude, ``(H, W)``, mean 0 and deviation 1."""
    total = np.zeros(shape)
    for n in range(octaves):
        total += 0.5**n * smooth_noise(rng, shape, scale / 2**n)
    scaled: Field = total / np.sqrt(sum(0.25**n for n in range(octaves)))
    return scaled


def profile(rng: np.random.Generator, length: int, scale: float) -> Field:
    """Draw a smooth line of ``length`` values, mean 0 and deviation 1 over a longer stretch."""
    margin = int(3 * scale) + 1
    noise: Field = ndimage.gaussian_filter1d(rng.standard_normal(length + 2 * margin), scale)
    # Scaled by the expected deviation: a short line's own would exaggerate slow waves.
    scaled: Field = noise[margin:-margin] * np.sqrt(2 * np.sqrt(np.pi) * scale)
    return scaled


def tessellate(
    rng: np.random.Generator,
    shape: Shape,
    size: float,
    *,
    spread: float = 0.6,
    warp: float = 0.1,
    stretch: float = 1.0,
) -> Cells:
    """Fill the image with cells of varied size and curved boundaries.

    The cells are a power diagram (each nucleus has a weight) seen through a slightly warped
    coordinate system.

    Parameters
    ----------
    rng
        The source of randomness.
    shape
        Rows and columns.
    size
        Typical diameter of a cell in px.
    spread
        How much the weights differ: 0 gives cells of one size, 1 many small ones.
    warp
        How far the boundaries bend, as a fraction of ``size``.
    stretch
        How many times longer than high the cells are.
    """
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns].astype(np.float64)
    for scale, part in ((0.45 * size, 1.0), (0.15 * size, 0.3)):
        y += part * warp * size * smooth_noise(rng, shape, scale)
        x += part * warp * size * smooth_noise(rng, shape, scale) * stretch
    points = _nuclei(rng, (rows, columns / stretch), size)
    weights = (spread * size) ** 2 * rng.random(len(points))
    # A power diagram is a Voronoi diagram with a third coordinate.
    lifted = np.column_stack([points, np.sqrt(weights.max() - weights)])
    where = np.column_stack([y.ravel(), x.ravel() / stretch, np.zeros(y.size)])
    reach, index = cKDTree(lifted).query(where, k=_CANDIDATES)  # H*W, candidates
    owner, others = index[:, :1], index[:, 1:]
    # Each other nucleus bounds the cell with a straight line. The nearest line counts, which
    # may belong to another than the nearest nucleus.
    between = points[others] - points[owner]
    apart = np.hypot(between[..., 0], between[..., 1])
    distance = (reach[:, 1:] ** 2 - reach[:, :1] ** 2) / (2 * apart)
    across = np.take_along_axis(others, distance.argmin(axis=1)[:, None], axis=1)
    nearest = np.partition(distance, 1, axis=1)
    return Cells(
        owner=owner.reshape(shape),
        neighbour=across.reshape(shape),
        edge=nearest[:, 0].reshape(shape),
        corner=nearest[:, 1].reshape(shape),
        points=points * (1.0, stretch),
    )


def _nuclei(rng: np.random.Generator, extent: tuple[float, float], size: float) -> Field:
    """Jitter a turned hexagonal grid: no clumps, no visible rows."""
    reach = 0.5 * float(np.hypot(*extent)) + 3 * size
    axis = np.arange(-reach, reach, size)
    first, second = np.meshgrid(axis, axis, indexing="ij")
    first[:, ::2] += 0.5 * size
    grid = np.column_stack([first.ravel(), second.ravel()])
    grid += rng.uniform(-0.45, 0.45, grid.shape) * size
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points: Field = grid @ rotation + 0.5 * np.array(extent)
    inside = np.all((points > -3 * size) & (points < np.array(extent) + 3 * size), axis=1)
    return points[inside]


def striations(
    rng: np.random.Generator,
    owner: NDArray[np.intp],
    *,
    scale: float,
    stretch: float,
    directions: int = 6,
) -> Field:
    """Draw parallel lines whose direction changes from cell to cell, ``(H, W)``, deviation 1."""
    first = rng.uniform(0, np.pi)
    choice = rng.integers(directions, size=int(owner.max()) + 1)[owner]
    texture = np.zeros(owner.shape)
    for n in range(directions):
        lines = smooth_noise(rng, owner.shape[:2], scale, stretch, first + n * np.pi / directions)
        texture = np.where(choice == n, lines, texture)
    return texture


def relief(height: Field, direction: float) -> Field:
    """Light a surface from the side: its slope towards ``direction`` (radians), ``(H, W)``."""
    down, right = np.gradient(ndimage.gaussian_filter(height, 0.7))
    lit: Field = np.cos(direction) * right + np.sin(direction) * down
    return lit


def drop_specks(mask: Mask, smallest: int) -> Mask:
    """Return the mask without objects and holes of fewer than ``smallest`` px."""
    for _ in range(2):
        numbers, _count = ndimage.label(mask)
        mask = mask & (np.bincount(numbers.ravel()) >= smallest)[numbers]
        mask = ~mask
    return mask


def paint_path(shape: Shape, path: Field, radii: Field) -> Mask:
    """Draw discs along a path.

    Parameters
    ----------
    shape
        Rows and columns.
    path
        ``(n, 2)`` row and column of the discs' centres, at most about 1 px apart.
    radii
        ``(n,)`` in px; a pixel belongs to a disc when its centre does.

    Returns
    -------
    ``(H, W)``, what lies outside the image left out.
    """
    reach = int(np.ceil(radii.max())) + 1
    offsets = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1).T - reach
    pixels = np.rint(path).astype(np.intp)[:, None, :] + offsets[None]  # n, offsets, 2
    near = np.linalg.norm(pixels - path[:, None, :], axis=2) <= radii[:, None]
    hit = pixels[near]
    hit = hit[np.all((hit >= 0) & (hit < np.array(shape)), axis=1)]
    mask = np.zeros(shape, dtype=np.bool_)
    mask[hit[:, 0], hit[:, 1]] = True
    return mask
