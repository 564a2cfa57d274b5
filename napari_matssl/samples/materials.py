"""Synthetic sample micrographs with exact labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.samples.acquisition import PRINT_WIDTH_UM, Microscope, acquire, info_bar
from napari_matssl.samples.coating import coating
from napari_matssl.samples.dual_phase import dual_phase
from napari_matssl.samples.grains import grains
from napari_matssl.samples.inclusions import inclusions
from napari_matssl.samples.random_fields import Scene, Shape

SMALLEST = 64
BAR_SHARE = 0.5


@dataclass(frozen=True)
class Sample:
    """A synthetic micrograph and its ground truth.

    Parameters
    ----------
    micrograph
        ``(H, W)`` uint8, with a pixel size and, on some, an info bar.
    labels
        ``(H, W)`` class ids; 0 in the info bar alone.
    """

    micrograph: Micrograph
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class _Material:
    classes: tuple[str, ...]
    draw: Callable[[np.random.Generator, Shape], Scene]
    microscope: Microscope


_ELECTRON = Microscope(
    electron=True,
    um_per_px=PRINT_WIDTH_UM / 1000 / 512,
    blur=(0.6, 0.9),
    noise=(0.025, 0.045),
    shading=(0.05, 0.14),
)
_LIGHT = Microscope(
    electron=False,
    um_per_px=PRINT_WIDTH_UM / 200 / 512,
    blur=(0.7, 1.05),
    noise=(0.010, 0.020),
    shading=(0.06, 0.16),
)

_MATERIALS = {
    "dual-phase": _Material(("ferrite", "martensite"), dual_phase, _ELECTRON),
    "inclusions": _Material(("steel", "sulphide", "oxide"), inclusions, _LIGHT),
    "coating": _Material(("coating", "oxide", "substrate", "crack"), coating, _ELECTRON),
    "grains": _Material(("grain", "boundary"), grains, _LIGHT),
}

MATERIALS: tuple[str, ...] = tuple(_MATERIALS)


def class_table(material: str) -> ClassTable:
    """Return the classes of a material, with ids from 1.

    Raises
    ------
    InputError
        If there is no such material.
    """
    return ClassTable(
        classes=tuple(
            LabelClass(id=n + 1, name=name, colour=COLOURS[n])
            for n, name in enumerate(_find(material).classes)
        )
    )


def make_sample(material: str, seed: int, size: tuple[int, int] = (512, 512)) -> Sample:
    """Draw a micrograph together with its labels.

    Parameters
    ----------
    material
        One of :data:`MATERIALS`.
    seed
        0 or more; decides morphology, contrast, and how the image was taken.
    size
        Rows and columns in px, an info bar included; 64 at least.

    Returns
    -------
    The image and the class of each pixel, from the same masks: scratches, blur and noise come
    over the image alone.

    Raises
    ------
    InputError
        If there is no such material.
    SettingsError
        If the size is too small or the seed negative.
    """
    kind = _find(material)
    if min(size) < SMALLEST:
        raise SettingsError(
            f"A sample of {size[0]} x {size[1]} px is too small.",
            f"Ask for {SMALLEST} x {SMALLEST} px at least.",
        )
    if seed < 0:
        raise SettingsError(f"The seed {seed} is negative.", "Use 0 or more.")
    # With the material in the seed, the four samples don't share their noise.
    rng = np.random.default_rng((MATERIALS.index(material), seed))
    um_per_px = kind.microscope.um_per_px
    magnification = round(PRINT_WIDTH_UM / um_per_px / size[1])
    bar = _bar_height(rng, size) if kind.microscope.electron else 0
    scene = kind.draw(rng, (size[0] - bar, size[1]))
    pixels, labels = acquire(rng, scene.grey, kind.microscope), scene.labels
    if bar:
        strip = info_bar(rng, (bar, size[1]), magnification, um_per_px)
        pixels = np.vstack([pixels, strip])
        labels = np.vstack([labels, np.zeros_like(strip)])
    micrograph = Micrograph(
        name=f"{material}-{seed:02d}",
        pixels=pixels,
        pixel_size=PixelSize(um_per_px, um_per_px, "synthetic"),
        info_bar=InfoBar(size[0] - bar, "synthetic") if bar else None,
    )
    return Sample(micrograph, labels)


def _find(material: str) -> _Material:
    if material not in _MATERIALS:
        raise InputError(
            f"There is no sample material {material!r}.", f"Known are {', '.join(MATERIALS)}."
        )
    return _MATERIALS[material]


def _bar_height(rng: np.random.Generator, size: tuple[int, int]) -> int:
    """Rows of the info bar, 0 for none; small images have no room for its text."""
    wanted = rng.random() < BAR_SHARE
    return max(24, round(0.075 * size[0])) if wanted and min(size) >= 4 * SMALLEST else 0
