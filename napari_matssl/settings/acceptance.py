"""Settings of a recipe: what is measured, and the limits by which images are accepted."""

from typing import Literal

from napari_matssl.settings.base import Settings
from napari_matssl.settings.fields import setting
from napari_matssl.settings.measuring import MeasureSettings

Level = Literal["pass", "check", "fail"]
"""What becomes of an image to which something applies."""


class LimitSettings(Settings):
    """Limits of a recipe: each image passes, is to be checked, or fails."""

    doubtful: Level = setting(
        "check", "an image that is doubtful by its grey values", title="Doubtful images"
    )
    unlike: Level = setting(
        "fail",
        "an image that is unlike the painted ones by its grey values",
        title="Unlike the painted images",
    )
    unsure: Level = setting(
        "check",
        "an image of which the model is unsure in too much of the area",
        title="Model unsure of too much",
    )
    by_hand: Level = setting(
        "check",
        "an image whose pixel size or info bar was set by hand",
        title="Pixel size or info bar set by hand",
    )
    no_pixel_size: Level = setting(
        "fail",
        "an image without a pixel size, where the model's images have one",
        title="No pixel size",
    )
    agreement: float = setting(
        80.0,
        "an image fails if its um/px and the model's agree by less: the smaller over the larger",
        title="Agreement of µm/px",
        unit="%",
        gt=0,
        le=100,
    )
    fields: int = setting(
        2,
        "the run fails if fewer images don't fail; one alone has no interval",
        title="Fewest fields",
        ge=1,
        le=100_000,
    )

    def in_words(self, expected_um: float | None) -> tuple[tuple[str, str], ...]:
        """List the limits for a report; `expected_um` is the model's um/px."""
        rules: list[tuple[str, str]] = [
            ("Doubtful by its grey values", self.doubtful),
            ("Unlike the painted images", self.unlike),
            ("Model unsure of too much", self.unsure),
            ("Pixel size or info bar set by hand", self.by_hand),
        ]
        if expected_um is None:
            rules.append(("µm/px", "not judged: the model's images have no pixel size"))
        else:
            rules.append(("No pixel size", self.no_pixel_size))
            least = f"at least {self.agreement:g} % agreement with {expected_um:.4g} µm/px"
            rules.append(("µm/px", f"{least}, else fail"))
        return (*rules, ("Fewest fields that don't fail", f"{self.fields}, else the run fails"))


class RecipeSettings(MeasureSettings):
    """What a recipe fixes beside model and cleaning: measures and limits."""

    limits: LimitSettings = setting(LimitSettings(), "what becomes of doubtful images")

    @property
    def measuring(self) -> MeasureSettings:
        """The settings of measuring alone."""
        return MeasureSettings(
            **{name: getattr(self, name) for name in MeasureSettings.model_fields}
        )
