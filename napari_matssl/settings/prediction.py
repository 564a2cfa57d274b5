"""Settings of segmenting with a model."""

import json
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from napari_matssl.settings.base import Settings
from napari_matssl.settings.cleaning import ClassSizes, Cleaning, Size
from napari_matssl.settings.fields import setting
from napari_matssl.settings.training import DEVICE


class PredictSettings(Settings):
    """Settings of segmenting images with a model."""

    tile: int = setting(
        1024,
        "side of the area segmented at once, in px",
        title="Tile size",
        unit="px",
        ge=32,
        le=16_384,
    )
    tile_overlap: int = setting(
        128,
        "context of a tile beyond its edges, in px",
        title="Tile overlap",
        unit="px",
        ge=0,
        le=4096,
    )
    magnifications: Literal["auto", "one", "two"] = setting(
        "auto",
        "two: also segment at 1.6 times the size and average, three to four times as slow; auto: "
        "two for a model trained on strokes, which gains by it, else one; instant models always "
        "use one",
    )
    detached_components: Literal["auto", "merge", "keep"] = setting(
        "auto",
        "connected components of a class in unbroken strata that lie apart from its strata, and "
        "holes in these; merge: each takes the class around it; keep: all stay; auto: merge where "
        "at least two painted images show such strata",
    )
    info_bar: Literal["auto", "none"] = setting(
        "auto", "auto: leave a detected SEM info bar out; none: segment it, too"
    )
    smallest_region: Size = setting(
        Size(),
        "smaller regions take the class around them; px of the image, or um2: 30, 2um2; 0: all "
        "stay",
    )
    largest_hole: Size = setting(
        Size(),
        "holes of up to this take the class around them; px of the image, or um2: 30, 2um2; 0: all "
        "stay",
    )
    class_sizes: dict[int, ClassSizes] = setting(
        {},
        "smallest regions and largest holes of single classes, by id, as in JSON: "
        '{"2": {"smallest_region": "30 px"}}',
        expert=True,
    )
    device: str = DEVICE

    former: ClassVar = {"islands": "is called detached_components now"}

    @field_validator("class_sizes", mode="before")
    @classmethod
    def _of_json(cls, sizes: Any) -> Any:
        """Read what is given as a text."""
        return json.loads(sizes) if isinstance(sizes, str) else sizes

    @property
    def cleaning(self) -> Cleaning:
        """The sizes by which masks are cleaned."""
        return Cleaning(
            smallest_region=self.smallest_region,
            largest_hole=self.largest_hole,
            of_class=self.class_sizes,
        )

    def with_cleaning(self, cleaning: Cleaning) -> "PredictSettings":
        """Return the settings with other sizes of cleaning."""
        sizes = {"smallest_region": cleaning.smallest_region, "largest_hole": cleaning.largest_hole}
        return self.model_copy(update={**sizes, "class_sizes": dict(cleaning.of_class)})
