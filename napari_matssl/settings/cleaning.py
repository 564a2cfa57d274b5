"""Settings of mask cleaning: sizes of regions and holes, for all classes and for single ones."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

_NUMBER = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*(px|um2|um²|µm2|µm²|μm2|μm²)?")
"""µ is written in two ways: as the sign (U+00B5) and as the Greek letter (U+03BC)."""

_LARGEST = 1e12


class Size(BaseModel):
    """A size of regions; ``30``, ``"30 px"`` and ``"2 um2"`` are read as what they look like.

    Parameters
    ----------
    value
        0 takes no region.
    unit
        Pixels of the image, or square micrometres.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = 0.0
    unit: Literal["px", "um2"] = "px"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        if isinstance(given, int | float) and not isinstance(given, bool):
            given = {"value": given}
        elif isinstance(given, str):
            found = _NUMBER.fullmatch(given.strip().lower())
            if found is None:
                raise ValueError("a size is a number of px or of um2, at least 0: 30, or 2um2")
            unit = "px" if found[2] in (None, "px") else "um2"
            given = {"value": float(found[1]), "unit": unit}
        return given

    @model_validator(mode="after")
    def _is_a_size(self) -> "Size":
        if not 0 <= self.value <= _LARGEST:
            raise ValueError(f"a size is at least 0 and at most {_LARGEST:g}")
        if self.unit == "px" and self.value != int(self.value):
            raise ValueError("a size in px is a whole number; with decimals it is one in um2")
        return self

    @model_serializer
    def _written(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.value:.12g} {self.unit}"

    def in_px(self, pixel_area_um2: float | None) -> float | None:
        """Convert into pixels; None for square micrometres of an image that isn't calibrated.

        Parameters
        ----------
        pixel_area_um2
            Area of one pixel, um2; None if uncalibrated.
        """
        if self.unit == "px" or self.value == 0:
            return self.value
        if pixel_area_um2 is None:
            return None
        # 2 um2 of 0.01 um2 each are 200 px, whatever the last digit of the quotient is.
        return round(self.value / pixel_area_um2, 6)


class ClassSizes(BaseModel):
    """Sizes of one class; None takes those of all classes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smallest_region: Size | None = None
    largest_hole: Size | None = None


class Cleaning(BaseModel):
    """Sizes for :func:`napari_matssl.measure.cleaning.clean_mask`.

    Parameters
    ----------
    smallest_region, largest_hole
        Of all classes without own sizes. Smaller regions are removed, and holes in the class
        up to this size are filled.
    of_class
        Sizes of single classes, by id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    smallest_region: Size = Size()
    largest_hole: Size = Size()
    of_class: Mapping[int, ClassSizes] = Field(default_factory=dict)

    def smallest_region_of(self, class_id: int) -> Size:
        """Return the size that the regions of a class must have to stay."""
        own = self.of_class.get(class_id, ClassSizes()).smallest_region
        return self.smallest_region if own is None else own

    def largest_hole_of(self, class_id: int) -> Size:
        """Return the size up to which holes in a class are filled."""
        own = self.of_class.get(class_id, ClassSizes()).largest_hole
        return self.largest_hole if own is None else own

    def needs_calibration(self, ids: Iterable[int]) -> bool:
        """Whether a size of one of these classes is in square micrometres."""
        sizes = [size(i) for i in ids for size in (self.smallest_region_of, self.largest_hole_of)]
        return any(size.unit == "um2" and size.value for size in sizes)

    def with_sizes(self, class_id: int | None, **sizes: Size | None) -> "Cleaning":
        """Set sizes of one class, or those for all (None).

        Parameters
        ----------
        **sizes
            ``smallest_region``, ``largest_hole``; None for a class: as for all classes.
        """
        if class_id is None:
            return self.model_copy(update=sizes)
        own = self.of_class.get(class_id, ClassSizes()).model_copy(update=sizes)
        others = {i: other for i, other in self.of_class.items() if i != class_id}
        changed = {} if own == ClassSizes() else {class_id: own}
        return self.model_copy(update={"of_class": dict(sorted({**others, **changed}.items()))})

    def renumbered(self, ids: Mapping[int, int]) -> "Cleaning":
        """Renumber the classes by `ids` (new by old); drop those that are missing there."""
        kept = {ids[i]: own for i, own in self.of_class.items() if i in ids}
        return self.model_copy(update={"of_class": dict(sorted(kept.items()))})

    def within(self, ids: Collection[int]) -> "Cleaning":
        """Drop classes that are not among `ids`."""
        return self.renumbered({i: i for i in ids})

    def in_words(self, names: Mapping[int, str], calibrated: bool = True) -> str:
        """Describe the cleaning: ``"ferrite >= 2 um2, holes <= 10 px"``; empty for none.

        Parameters
        ----------
        names
            Of the classes, by id.
        calibrated
            Whether the image has a pixel size; if not, sizes in um2 are marked as not applied.
        """
        special = [i for i in self.of_class if i in names]
        words = [self._describe_class(names[i], i, calibrated) for i in special]
        if len(special) < len(names):
            rest = "other classes" if special else "all classes"
            words.insert(0, self._describe_class(rest, None, calibrated))
        return "; ".join(filter(None, words))

    def _describe_class(self, name: str, class_id: int | None, calibrated: bool) -> str:
        if class_id is None:
            region, hole = self.smallest_region, self.largest_hole
        else:
            region, hole = self.smallest_region_of(class_id), self.largest_hole_of(class_id)
        parts = []
        if region.value:
            parts.append(f">= {_describe_size(region, calibrated)}")
        elif self.smallest_region.value:
            parts.append("of any size")
        if hole.value:
            parts.append(f"holes <= {_describe_size(hole, calibrated)}")
        elif self.largest_hole.value:
            parts.append("no holes filled")
        return f"{name} {', '.join(parts)}" if parts else ""


def _describe_size(size: Size, calibrated: bool) -> str:
    applied = calibrated or size.unit == "px"
    return str(size) if applied else f"{size} (not applied: the image has no pixel size)"


def whole_px(size: Size, pixel_area_um2: float | None, up: bool, most: int) -> int:
    """Convert a size into whole pixels; 0 where it can't be.

    Parameters
    ----------
    up
        Round up, for what must be reached; else down, for what must not be exceeded.
    most
        Upper limit of the result.
    """
    px = size.in_px(pixel_area_um2)
    if px is None:
        return 0
    return min(most, math.ceil(px) if up else math.floor(px))
