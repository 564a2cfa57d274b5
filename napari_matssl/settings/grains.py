"""Settings of grain size."""

from typing import Literal

from napari_matssl.settings.base import Settings
from napari_matssl.settings.fields import setting


class GrainSettings(Settings):
    """How grains are found in a mask, and which test lines are laid over them."""

    class_is: Literal["auto", "boundaries", "grains"] = setting(
        "auto",
        "what the measured class is; boundaries: all else is grains; grains: they are parted by a "
        "class of boundaries, or by all else where there is none; auto: by its name, which has "
        "boundary or grain in it, else boundaries if it covers less than half of the area",
        title="Measured class is",
    )
    largest_gap: int = setting(
        0,
        "gaps of boundaries up to this length are closed, in px; 0: none",
        title="Largest gap",
        unit="px",
        ge=0,
        le=500,
    )
    smallest_grain: int = setting(
        16,
        "smaller regions between boundaries are taken for boundary, in px",
        title="Smallest grain",
        unit="px",
        ge=1,
        le=1_000_000,
    )
    intercepts: Literal["crossings", "chords"] = setting(
        "crossings",
        "crossings: the length of test lines over the boundaries that they cross, so that half of "
        "a boundary's width belongs to either grain; chords: the mean chord from edge to edge of "
        "boundaries, which is shorter by their width",
        expert=True,
    )
    line_pitch: int | None = setting(
        None,
        "distance of parallel test lines, in px; not set: a fifteenth of the shorter side",
        title="Pitch of test lines",
        unit="px",
        unset="a fifteenth of the shorter side",
        expert=True,
        ge=4,
        le=100_000,
    )
