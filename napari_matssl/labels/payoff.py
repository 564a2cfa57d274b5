"""What each further painted image gained, as a model's card keeps it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from scipy.special import stdtrit

from napari_matssl.labels.held_out import MOST_IMAGES

LITTLE = 1.0
"""Points that an image has to gain for painting it to be worth while."""

_CONFIDENCE = 0.95

_Percent = Annotated[float, Field(ge=0, le=100)]
_Points = Annotated[float, Field(ge=-100, le=100)]
_Images = Annotated[int, Field(ge=1, le=MOST_IMAGES)]


class PayoffPoint(BaseModel):
    """Score of classifiers that learnt from so many images.

    Parameters
    ----------
    images
        Their number.
    score
        Share of painted pixels that are found right in an image left out, mean of its classes and
        of the images, %.
    error
        Standard error of the mean over these images, in points.
    """

    model_config = ConfigDict(frozen=True)

    images: _Images
    score: _Percent
    error: _Percent


class Payoff(BaseModel):
    """Score on painted images that were left out, against the number of images learnt from.

    All of it is the instant classifier's, and counts painted pixels alone. Parts of one panorama,
    and pages of one file, are one image.

    Parameters
    ----------
    painted
        How many images were painted, all told.
    left_out
        How many of them were left out in turn.
    points
        By the number of images learnt from; the last has all but the one that is left out.
    gain
        What the last image brought, mean over the images left out, in points; None of two painted
        images, as nothing can be learnt from none.
    gain_error
        Standard error of that mean.
    """

    model_config = ConfigDict(frozen=True)

    painted: int = Field(ge=2, le=1_000_000)
    left_out: Annotated[int, Field(ge=2, le=MOST_IMAGES)]
    points: tuple[PayoffPoint, ...] = Field(min_length=1, max_length=MOST_IMAGES)
    gain: _Points | None = None
    gain_error: _Percent = 0.0

    @property
    def reach(self) -> float:
        """Half the 95 % confidence interval of the gain, in points."""
        return float(stdtrit(self.left_out - 1, 0.5 + _CONFIDENCE / 2)) * self.gain_error

    def in_words(self) -> str:
        """Tell in a sentence whether it pays to paint more images; a gain if it is significant."""
        if self.gain is None:
            return (
                "Learnt from one painted image, the instant classifier finds "
                f"{self.points[-1].score:.1f} % of the other's painted pixels right. What a "
                "further image gains can be told from three on."
            )
        gain, reach = round(self.gain, 1), round(self.reach, 1)  # as they are read
        low, high = gain - reach, gain + reach
        figure = f"{gain:.1f} ± {reach:.1f} points"
        last = self._last_in_words()
        if high < LITTLE or (low > 0 and gain < LITTLE):
            gained = f"gained {figure}" if low > 0 else f"gained nothing for certain ({figure})"
            return f"{last} {gained}: more of the same kind will gain little."
        if low > 0:
            return f"{last} gained {figure}: painting more images pays."
        return f"{last} gained {figure}: too uncertain to tell whether more images will help."

    def _last_in_words(self) -> str:
        """Name the last image that was learnt from, where more are painted."""
        images = self.points[-1].images
        return "The last image" if images + 1 == self.painted else f"The last of {images} images"


def payoff_in_words(payoff: Payoff | None, painted: int) -> str:
    """Tell what is known of the payoff of so many painted images; empty if that is nothing."""
    if payoff is not None:
        return payoff.in_words()
    if painted == 1:
        return "One image is painted: what a further one gains can be told from three on."
    return ""
