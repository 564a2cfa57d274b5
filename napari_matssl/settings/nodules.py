"""Settings of the measurement of graphite nodules."""

from napari_matssl.settings.base import Settings
from napari_matssl.settings.fields import setting


class NoduleSettings(Settings):
    """Which particles are nodules, and which are left out."""

    circularity: float = setting(
        0.65,
        "least 4 pi A / P^2 of a nodule, P being the perimeter of the particle's convex hull",
        title="Circularity from",
        ge=0,
        le=1,
    )
    aspect_ratio: float = setting(
        2.0, "largest ratio of largest to smallest Feret diameter of a nodule", ge=1
    )
    smallest_um: float = setting(
        10.0,
        "particles with a smaller largest dimension are left out: 10 for permanent mould, 20 for"
        " sand castings",
        title="Smallest particle",
        unit="um",
        ge=0,
    )
    smallest_px: float = setting(
        10.0,
        "particles of fewer pixels along their largest dimension are left out: their form can't be"
        " told",
        title="Smallest particle",
        unit="px",
        ge=0,
    )
