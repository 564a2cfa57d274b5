"""The same specimen under other conditions of the microscope, fixed by a seed."""

import numpy as np
from scipy import ndimage

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import Micrograph


def reimage(painted: PaintedMicrograph, seed: int) -> PaintedMicrograph:
    """Change gamma, contrast, brightness, blur, noise, shading and magnification of a micrograph.

    Magnification goes from 0.6 to 1.6: above 1 a part of the field is seen larger, at the same
    number of pixels; below 1 the whole field is seen smaller, in fewer pixels. The labels follow
    by nearest neighbour. The calibration is dropped, as nobody tells the program.
    """
    rng = np.random.default_rng((9, seed))
    grey, labels = _unit(painted), painted.specimen_labels
    factor = float(np.exp(rng.uniform(np.log(0.6), np.log(1.6))))
    grey, labels = _magnify(grey, labels, factor, rng)
    grey = np.clip(grey, 0, 1) ** float(np.exp(rng.uniform(-0.6, 0.6)))
    contrast, offset = rng.uniform(0.5, 1.0), rng.uniform(-0.15, 0.15)
    grey = (grey - 0.5) * contrast + 0.5 + offset
    grey = grey * _shading(grey.shape, rng)
    grey = ndimage.gaussian_filter(grey, rng.uniform(0.0, 2.0))
    grey = grey + rng.normal(0, rng.uniform(0.01, 0.08), grey.shape)
    pixels = (np.clip(grey, 0, 1) * 255).astype(np.uint8)
    name = f"{painted.micrograph.name}@{seed}"
    return PaintedMicrograph(Micrograph(name, pixels), labels)


def exposed(painted: PaintedMicrograph, seed: int) -> PaintedMicrograph:
    """Change contrast (0.7 to 1.3), brightness (15 % of the range) and gamma (0.8 to 1.25)."""
    random = np.random.default_rng((77, seed))
    contrast, offset = random.uniform(0.7, 1.3), random.uniform(-0.15, 0.15)
    gamma = np.exp(random.uniform(np.log(0.8), np.log(1.25)))
    grey = (_unit(painted) ** gamma - 0.5) * contrast + 0.5 + offset
    return _taken(painted, grey, painted.specimen_labels, f"exposure {seed}")


def magnified(painted: PaintedMicrograph, factor: float, seed: int) -> PaintedMicrograph:
    """Take a part of the field larger, or the whole of it smaller, in fewer pixels."""
    rng = np.random.default_rng((78, seed))
    grey, labels = _magnify(_unit(painted), painted.specimen_labels, factor, rng)
    return _taken(painted, grey, labels, f"{factor:g}x")


def noisy(painted: PaintedMicrograph, seed: int) -> PaintedMicrograph:
    """Add noise with a standard deviation of 8 % of the range."""
    grey = _unit(painted)
    grey = grey + np.random.default_rng((79, seed)).normal(0, 0.08, grey.shape)
    return _taken(painted, grey, painted.specimen_labels, "noise")


def _unit(painted: PaintedMicrograph) -> np.ndarray:
    grey = painted.micrograph.specimen.astype(np.float32)
    return grey / (255.0 if painted.micrograph.pixels.dtype == np.uint8 else grey.max())


def _taken(
    painted: PaintedMicrograph, grey: np.ndarray, labels: np.ndarray, how: str
) -> PaintedMicrograph:
    pixels = (255 * np.clip(grey, 0, 1)).round().astype(np.uint8)
    return PaintedMicrograph(Micrograph(f"{painted.micrograph.name}@{how}", pixels), labels)


def _magnify(
    grey: np.ndarray, labels: np.ndarray, factor: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    height, width = grey.shape
    if factor > 1:
        rows, columns = round(height / factor), round(width / factor)
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        grey = grey[top : top + rows, left : left + columns]
        labels = labels[top : top + rows, left : left + columns]
    else:
        grey = ndimage.gaussian_filter(grey, 0.4 * (1 / factor - 1))
        height, width = round(height * factor), round(width * factor)
    zoom = (height / grey.shape[0], width / grey.shape[1])
    return (
        ndimage.zoom(grey, zoom, order=1, grid_mode=True, mode="nearest"),
        ndimage.zoom(labels, zoom, order=0, grid_mode=True, mode="nearest"),
    )


def _shading(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw a plane of light across the field, at most 30 % darker at one side."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.15)
    plane = rows * np.sin(angle) + columns * np.cos(angle)
    return (1 + depth * plane / np.abs(plane).max()).astype(np.float32)
