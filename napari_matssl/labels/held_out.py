"""Confusion on held-out images, as a model's card keeps it."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_IMAGES = 100
"""Of which a card keeps the confusion; more would tell hardly more."""

_Name = Annotated[str, Field(max_length=300)]
_Pixels = Annotated[int, Field(ge=0, le=1 << 40)]
_Counts = tuple[tuple[_Pixels, ...], ...]


class HeldOutImage(BaseModel):
    """What was found in one held-out image.

    Parameters
    ----------
    name
        Of the image.
    counts
        Labelled pixels: rows truth, columns what was found, in the order of the classes.
    """

    model_config = ConfigDict(frozen=True)

    name: str = Field(max_length=4096)
    counts: _Counts


class HeldOut(BaseModel):
    """Confusion on images that a model, or one of its kind, has not seen.

    Parameters
    ----------
    source
        ``"validation"``: images kept out of training. ``"left-out"``: painted images, each left
        out once while a classifier was fitted to the others.
    stand_in
        The instant classifier was asked in place of the network, which takes too long to train
        once per image. Its confusion isn't the network's, and corrects nothing.
    boundaries
        Whether the images are labelled all over. Strokes keep away from boundaries, where most
        pixels are mistaken.
    classes
        Names, in the order of the counts.
    images
        One entry per image.
    twins
        Some of them show a field that was learnt from, under another name.
    """

    model_config = ConfigDict(frozen=True)

    source: Literal["validation", "left-out"]
    stand_in: bool = False
    boundaries: bool = False
    classes: tuple[_Name, ...] = Field(max_length=256)
    images: tuple[HeldOutImage, ...] = Field(max_length=MOST_IMAGES)
    twins: bool = False

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        size = len(self.classes)
        for image in self.images:
            if [len(row) for row in image.counts] != [size] * size:
                raise ValueError("a held-out image has other classes")
        return self

    @property
    def counts(self) -> NDArray[np.int64]:
        """All counts ``(m, K, K)``."""
        size = len(self.classes)
        counts = np.array([one.counts for one in self.images], dtype=np.int64)
        return counts.reshape(-1, size, size)

    @property
    def pixel_accuracy(self) -> float | None:
        """Share of pixels that are right, mean of the classes; None if there are none."""
        total = self.counts.sum(axis=0)
        truth = total.sum(axis=1)
        there = truth > 0
        return float((np.diag(total)[there] / truth[there]).mean()) if there.any() else None

    def called(self, names: Sequence[str]) -> "HeldOut":
        """Give the classes other names; what has one name becomes one class.

        Parameters
        ----------
        names
            In the order of the classes.
        """
        kept = tuple(dict.fromkeys(names))
        place = np.array([kept.index(name) for name in names])
        images = []
        for one, counts in zip(self.images, self.counts, strict=True):
            total = np.zeros((len(kept), len(kept)), dtype=np.int64)
            np.add.at(total, (place[:, None], place[None, :]), counts)
            images.append(one.model_copy(update={"counts": tuple(map(tuple, total.tolist()))}))
        return self.model_copy(update={"classes": kept, "images": tuple(images)})

    def in_words(self) -> str:
        """Describe the images: ``4 left-out painted images``."""
        kind = "validation" if self.source == "validation" else "left-out painted"
        count = len(self.images)
        return f"{count} {kind} image{'s' * (count != 1)}"

    def right_in_words(self) -> str:
        """Tell which share of which pixels is right, and what that leaves out; empty of none."""
        accuracy = self.pixel_accuracy
        if accuracy is None:
            return ""
        kind = "labelled" if self.boundaries else "painted"
        right = f"{100 * accuracy:.1f} % of their {kind} pixels right, mean of classes"
        limits = self.limits_in_words()
        return f"{right} ({limits})" if limits else right

    def limits_in_words(self) -> str:
        """Tell what the images don't show; empty if that is nothing."""
        limits = (
            "" if self.boundaries else "strokes keep away from boundaries",
            "some of them show fields that were learnt from" if self.twins else "",
        )
        return ", and ".join(filter(None, limits))
