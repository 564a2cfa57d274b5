"""Image formation in a microscope: shading, blur, noise, scratches, an info bar."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_matssl.export.legend import round_length
from napari_matssl.samples.random_fields import Field, Shape, profile, smooth_noise

# By convention, magnification refers to a print of 127 mm width.
PRINT_WIDTH_UM = 127_000.0


@dataclass(frozen=True)
class Microscope:
    """Imaging by a kind of microscope; pairs are the bounds of random values.

    Parameters
    ----------
    electron
        Scanned line by line by an electron beam, with an info bar on some images.
    um_per_px
        Size of a pixel. One for all seeds and sizes, as structures have their sizes in px.
    blur
        Standard deviation of the point spread in px.
    noise
        Standard deviation of the noise of a mid-grey pixel, of 1; half of its variance is shot
        noise.
    shading
        Spread of the illumination over the image, of 1.
    """

    electron: bool
    um_per_px: float
    blur: tuple[float, float]
    noise: tuple[float, float]
    shading: tuple[float, float]


def acquire(rng: np.random.Generator, grey: Field, microscope: Microscope) -> NDArray[np.uint8]:
    """Take the image of a specimen, ``(H, W)`` uint8."""
    shape = (grey.shape[0], grey.shape[1])
    signal = np.clip(grey + _scratches(rng, shape, microscope), 0.02, None)
    signal = signal * _illumination(rng, shape, rng.uniform(*microscope.shading))
    signal = ndimage.gaussian_filter(signal, rng.uniform(*microscope.blur))
    signal = signal + _noise(rng, signal, microscope)
    gain, offset = rng.uniform(0.88, 1.08), rng.normal(0, 0.025)
    signal = 0.5 + (signal - 0.5) * gain + offset
    pixels: NDArray[np.uint8] = np.clip(np.rint(255 * signal), 0, 255).astype(np.uint8)
    return pixels


def _noise(rng: np.random.Generator, signal: Field, microscope: Microscope) -> Field:
    shape = (signal.shape[0], signal.shape[1])
    level = rng.uniform(*microscope.noise)
    noise = rng.standard_normal(shape)
    if microscope.electron:
        # The detector is a little slower than the beam, and lines differ slightly.
        noise = ndimage.gaussian_filter1d(noise, 0.45, axis=1) * 1.2
        noise += 0.12 * rng.standard_normal((shape[0], 1))
    variance = 0.5 + 0.5 * np.clip(signal, 0, None) / 0.5
    result: Field = level * np.sqrt(variance) * noise
    return result


def _illumination(rng: np.random.Generator, shape: Shape, strength: float) -> Field:
    """Make a tilt, darker corners, and slow unevenness; 1 on average."""
    y, x = (np.linspace(-1, 1, n) for n in shape)
    direction = rng.uniform(0, 2 * np.pi)
    tilt = np.sin(direction) * y[:, None] + np.cos(direction) * x[None, :]
    middle = rng.normal(0, 0.25, 2)
    corners = (y[:, None] - middle[0]) ** 2 + (x[None, :] - middle[1]) ** 2
    field = 0.6 * tilt - 0.5 * corners + 0.25 * smooth_noise(rng, shape, max(shape) / 6)
    field = field - field.mean()
    shading: Field = 1 + strength * field / np.abs(field).max()
    return shading


def _scratches(rng: np.random.Generator, shape: Shape, microscope: Microscope) -> Field:
    """Draw a few long thin scratches, each with its own strength along its way."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    reach = float(np.hypot(*shape))
    total = np.zeros(shape)
    for _ in range(int(rng.integers(1, 5))):
        angle = rng.uniform(0, np.pi)
        y0, x0 = rng.uniform(0.1, 0.9, 2) * shape
        along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
        across = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
        across += rng.normal(0, 0.05) * along**2 / reach
        fade = np.clip(0.7 + 0.5 * profile(rng, 2 * int(reach) + 4, 25), 0, 1.3)
        ends = 1 / (1 + np.exp((np.abs(along) - rng.uniform(0.12, 0.5) * reach) / 6))
        depth = fade[np.rint(along + reach).astype(np.intp)] * ends
        width = rng.uniform(0.5, 0.9)
        groove = np.exp(-((across / width) ** 2)) - 0.5 * np.exp(-(((across - 1.4) / 1.0) ** 2))
        total -= rng.uniform(0.05, 0.16) * depth * groove
    return total


def info_bar(
    rng: np.random.Generator, shape: Shape, magnification: int, um_per_px: float
) -> NDArray[np.uint8]:
    """Draw the strip with instrument settings, and a scale bar that agrees with the pixel width."""
    rows, columns = shape
    image = Image.new("L", (columns, rows), 0)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "L"
    font = ImageFont.load_default(max(8.0, min(0.42 * rows, columns / 34)))
    length = round_length(um_per_px * columns / 5)
    px = length / um_per_px
    right, middle = columns - 0.03 * columns, rows / 2
    mark = f"{length:g} um"
    draw.text((right - px / 2, 0.30 * rows), mark, 255, font=font, anchor="mm")
    draw.rectangle(
        (round(right - px) + 1, round(0.66 * rows), round(right), round(0.74 * rows)), 255
    )
    for end in (round(right - px) + 1, round(right)):
        draw.line((end, round(0.58 * rows), end, round(0.82 * rows)), 255)
    voltage, distance = rng.choice([5.0, 10.0, 15.0, 20.0]), rng.uniform(7, 12)
    text = f"{voltage:.1f} kV   x{magnification}   WD {distance:.1f} mm"
    draw.text((0.03 * columns, middle), text, 255, font=font, anchor="lm")
    return np.asarray(image, dtype=np.uint8)
