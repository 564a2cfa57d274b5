"""Settings of segmenting with a model."""

from typing import Literal

from pydantic import Field

from napari_matssl.settings.base import Settings
from napari_matssl.settings.cleaning import ClassSizes, Cleaning, Size


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
        description="close: where painted images show a class in unbroken strata, patches of it "
        "elsewhere, and holes in it, go to what is around them; keep: they stay; auto: close where "
        "at least two images show it",
    )
    info_bar: Literal["auto", "none"] = Field(
        default="auto", description="leave a detected SEM info bar out, or take it as specimen"
    )
    smallest_region: Size = Field(
        default=Size(),
        description="smaller regions go to the class around them; px of the image, or um2: 30, "
        "2um2; 0: all stay",
    )
    largest_hole: Size = Field(
        default=Size(),
        description="holes of up to this take the class around them; px of the image, or um2: 30, "
        "2um2; 0: all stay",
    )
    class_sizes: dict[int, ClassSizes] = Field(
        default_factory=dict,
        description="smallest regions and largest holes of single classes, by id",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 or mps")

    @property
    def cleaning(self) -> Cleaning:
        """How masks are cleaned."""
        return Cleaning(
            smallest_region=self.smallest_region,
            largest_hole=self.largest_hole,
            of_class=self.class_sizes,
        )

    def with_cleaning(self, cleaning: Cleaning) -> "PredictSettings":
        """Clean masks otherwise."""
        sizes = {"smallest_region": cleaning.smallest_region, "largest_hole": cleaning.largest_hole}
        return self.model_copy(update={**sizes, "class_sizes": dict(cleaning.of_class)})
