"""The grey reference of a model: the grey values that each class has in the painted images."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FEATURES = 3
"""Of a pixel: grey value, grey value of its neighbourhood, gradient."""

_MOST_WORDS = 512

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Place = tuple[_Finite, _Finite, _Finite]


class GreyScale(BaseModel):
    """A scale of stored grey values.

    Parameters
    ----------
    low, high
        Stored values that become 0 and 1 before augmentation; values beyond are clipped.
    middle, spread
        Stored values that become 0, and the difference that becomes 1, as a network sees them.
    """

    model_config = ConfigDict(frozen=True)

    low: _Finite
    high: _Finite
    middle: _Finite
    spread: _Positive

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.high <= self.low:
            raise ValueError("the grey scale has no range")
        return self

    def moved(self, brightness: float, contrast: float) -> "GreyScale":
        """Return the scale of an image that is brighter by so many spreads, of other contrast.

        Parameters
        ----------
        brightness
            Difference of the middles, in spreads of this scale.
        contrast
            Ratio of the spreads.
        """
        middle = self.middle + brightness * self.spread
        return GreyScale(
            low=middle + contrast * (self.low - self.middle),
            high=middle + contrast * (self.high - self.middle),
            middle=middle,
            spread=contrast * self.spread,
        )


class GreyReference(BaseModel):
    """What grey values and fine texture the classes have in painted images, on a common scale.

    Pixels are described by :data:`FEATURES` numbers and assigned to the nearest of some words, so
    that a class is a histogram of words. The mixed pixels at boundaries have a histogram of their
    own: how many there are depends on the shape of phases, not on their fractions.

    Parameters
    ----------
    scale
        The common scale of the painted images.
    same_exposure
        Whether all images of the series are taken to have been exposed alike.
    centre, width
        Of the features in the painted images.
    words
        Standardised features of each word.
    histograms
        Share of each word in each class, in the order of the class table, and at last in the
        boundaries. Zero throughout for a class without pixels: it can't be part of a mixture.
    reach
        Distance within which 95 % of the painted images' pixels have a word.
    usual_distance
        The largest distance of a painted image from a mixture of the classes, in nats.
    usual_gap
        The largest difference of a fraction in a painted image between its mixture and what the
        model finds.
    """

    model_config = ConfigDict(frozen=True)

    scale: GreyScale
    same_exposure: bool = False
    centre: _Place
    width: tuple[_Positive, _Positive, _Positive]
    words: tuple[_Place, ...] = Field(min_length=1, max_length=_MOST_WORDS)
    histograms: tuple[tuple[_Share, ...], ...] = Field(min_length=2, max_length=257)
    reach: _Positive
    usual_distance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    usual_gap: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if any(len(shares) != len(self.words) for shares in self.histograms):
            raise ValueError("a histogram of the grey reference has another number of words")
        return self
