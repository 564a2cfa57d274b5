"""Settings of segmenting with a model."""

from typing import Literal

from pydantic import Field

from napari_matssl.settings.base import Settings


class PredictSettings(Settings):
    """How a model is run over images."""

    tile: int = Field(
        default=1024, ge=32, le=16_384, description="side of the area done at once, in px"
    )
    tile_overlap: int = Field(
        default=256, ge=0, le=4096, description="px that a tile sees beyond its edges"
    )
    magnifications: Literal["auto", "one", "two"] = Field(
        default="auto",
        description="two: look again 1.6 times larger and average, three to four times as slow; "
        "auto: two for a model that learnt from strokes, which gains by it, else one; instant "
        "models always look once",
    )
    islands: Literal["auto", "close", "keep"] = Field(
        default="auto",
        description="close: where painted images show a class in unbroken layers, patches of it "
        "elsewhere, and holes in it, go to what is around them; keep: they stay; auto: close where "
        "at least two images show it",
    )
    info_bar: Literal["auto", "none"] = Field(
        default="auto", description="leave a detected SEM info bar out, or take it as specimen"
    )
    smallest_region: int = Field(
        default=0,
        ge=0,
        description="regions of fewer px of the image go to the class around them; 0: all stay",
    )
    largest_hole: int = Field(
        default=0,
        ge=0,
        description="holes of up to so many px of the image take the class around them; "
        "0: all stay",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 or mps")
