"""What a description of bioimage.io tells of classes, channels, pixel size and intensities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from napari_matssl.errors import ModelFileError
from napari_matssl.learn.card import LARGEST_PIXEL_UM, SMALLEST_PIXEL_UM, Channels
from napari_matssl.micrograph.intensity_scaling import IMAGENET_MEAN, IMAGENET_STD
from napari_matssl.settings import IntensityScalingSettings

_UM = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3}
_NO_STEP = ("ensure_dtype", "clip")
_CLOSE = 0.02


@dataclass(frozen=True)
class Described:
    """A network as its description has it.

    Parameters
    ----------
    channels
        Of the images.
    names
        Of the classes, in the order of the output's channels; empty if there are none.
    pixel_size_um
        That the network sees; None if it isn't told.
    intensity_scaling
        How images are scaled.
    """

    channels: Channels
    names: tuple[str, ...]
    pixel_size_um: float | None
    intensity_scaling: IntensityScalingSettings


def describe(description: Mapping[str, Any]) -> Described:
    """Read what is needed of a description.

    Raises
    ------
    ModelFileError
        If the network takes other images than this program has, or scales them in another way.
    """
    image, found = (_only(description, part) for part in ("inputs", "outputs"))
    count = len(_channel_names(image)) or 3
    if count not in (1, 3):
        raise _unlike(f"it takes images of {count} channels")
    steps = image.get("preprocessing") or []
    return Described(
        channels="grey" if count == 1 else "rgb",
        names=tuple(str(one) for one in _channel_names(found)),
        pixel_size_um=_pixel_size(image),
        intensity_scaling=_scaling([one for one in steps if isinstance(one, dict)]),
    )


def _only(description: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Return the one input or output."""
    listed = description.get(part)
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
        raise _unlike(f"it doesn't have one of {part}")
    one: Mapping[str, Any] = listed[0]
    return one


def _axes(tensor: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the axes; before version 0.5 they are letters, of which nothing more is known."""
    axes = tensor.get("axes")
    return [one for one in axes if isinstance(one, dict)] if isinstance(axes, list) else []


def _channel_names(tensor: Mapping[str, Any]) -> Sequence[Any]:
    for axis in _axes(tensor):
        names = axis.get("channel_names")
        if axis.get("type") == "channel" and isinstance(names, list):
            return names
    return ()


def _pixel_size(image: Mapping[str, Any]) -> float | None:
    sizes = {
        float(axis["scale"]) * _UM[axis["unit"]]
        for axis in _axes(image)
        if axis.get("type") == "space"
        and axis.get("unit") in _UM
        and isinstance(axis.get("scale"), int | float)
    }
    size = sizes.pop() if len(sizes) == 1 else 0.0
    return size if SMALLEST_PIXEL_UM <= size <= LARGEST_PIXEL_UM else None


def _scaling(steps: Sequence[Mapping[str, Any]]) -> IntensityScalingSettings:
    """Recognise ImageNet's constants, and an image's own percentiles, mean and spread."""
    known = dict(map(_step, steps))
    kinds = [kind for kind in known if kind not in _NO_STEP]
    if not kinds:
        raise _unlike("its description has no step that scales images")
    if {*kinds} <= {"fixed_zero_mean_unit_variance", "scale_linear"}:
        if _is_imagenet(known):
            return IntensityScalingSettings(kind="imagenet")
        raise _unlike("it scales images by constants of its own")
    if any(known[kind].get("mode") == "per_dataset" for kind in kinds):
        raise _unlike("it scales images by figures of a whole data set")
    if kinds == ["scale_range", "zero_mean_unit_variance"]:
        percent = known["scale_range"]
        low, high = percent.get("min_percentile", 0), percent.get("max_percentile", 100)
        try:
            return IntensityScalingSettings(low_percent=low, high_percent=high)
        except ValidationError as error:
            raise _unlike(f"it scales images by the percentiles {low} and {high}") from error
    if kinds == ["zero_mean_unit_variance"]:
        return IntensityScalingSettings(low_percent=0, high_percent=100)
    raise _unlike(f"its images pass {', '.join(kinds)}")


def _step(one: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the kind of a step with its settings, as version 0.5 has them.

    Before, one kind stood for constants, too, if they are there.
    """
    kind, kwargs = str(one.get("id", one.get("name"))), one.get("kwargs")
    given = kwargs if isinstance(kwargs, dict) else {}
    if kind == "zero_mean_unit_variance" and (given.get("mode") == "fixed" or "mean" in given):
        kind = "fixed_zero_mean_unit_variance"
    return kind, given


def _is_imagenet(known: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether mean and standard deviation are ImageNet's, of values to 1 or to 255."""
    constants = known.get("fixed_zero_mean_unit_variance", {})
    for factor in (1.0, 255.0):
        expected = (factor * IMAGENET_MEAN, factor * IMAGENET_STD)
        given = [np.atleast_1d(constants.get(key, 0)) for key in ("mean", "std")]
        if all(
            one.shape == two.shape and np.allclose(one, two, rtol=_CLOSE)
            for one, two in zip(given, expected, strict=True)
        ):
            return True
    return False


def _unlike(reason: str) -> ModelFileError:
    return ModelFileError(
        f"The network of this package can't be used here: {reason}.",
        "Models of micrographs with one image as input can be.",
    )
