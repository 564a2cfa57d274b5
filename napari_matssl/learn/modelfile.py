"""Weights on disk: safetensors files with a model card in their header; PyTorch's, to read."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_matssl.errors import ModelFileError
from napari_matssl.files import atomic_write, check_regular
from napari_matssl.learn.card import CARD_KEY, Card
from napari_matssl.learn.card_files import Kind, read_card
from napari_matssl.learn.pickled import Shape, read_shapes, state_of
from napari_matssl.learn.tensorfile import AGAIN, damaged_model, is_pickle

StateDict = dict[str, Tensor]

LARGEST_FILE = 16 << 30
"""No model, encoder or checkpoint is larger, bytes."""

_LARGEST_WEIGHT = 1e6
_LARGEST_VARIANCE = 1e12


def write_tensors(path: Path, card: Card, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors and card atomically.

    Raises
    ------
    OutputError
        If `path` can't be written.
    """
    plain = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    with atomic_write(path) as temporary:
        try:
            save_file(plain, temporary, metadata={CARD_KEY: card.model_dump_json()})
        except SafetensorError as error:  # such as a full disk
            raise OSError(str(error)) from error


def read_tensors(path: Path, kind: Kind | None = None, prefix: str = "") -> StateDict:
    """Read the tensors of a file of ours; its card is read by ``read_card``.

    Parameters
    ----------
    path
        The file.
    kind
        The kind that is needed, if only one will do.
    prefix
        Of the names of those tensors that are wanted.

    Raises
    ------
    ModelFileError
        As :func:`~napari_matssl.learn.card_files.read_card` raises it, or if the file is a PyTorch
        one or too large.
    """
    read_card(path, kind)
    if is_pickle(path):
        raise ModelFileError(
            f"{path} is a pickled PyTorch file, not one of napari-matssl.",
            "Published weights can be the start of pretraining and of fine-tuning.",
            settings="weights",
        )
    if check_regular(path, ModelFileError) > LARGEST_FILE:
        raise ModelFileError(f"{path} is larger than any model.", "Give another file.")
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise damaged_model(path, str(error)) from error


def read_pickle(path: Path) -> StateDict:
    """Read the tensors of a PyTorch file of weights, and nothing but tensors.

    Raises
    ------
    ModelFileError
        If it is damaged, unpacks to far more than it is, or holds anything else.
    """
    read_shapes(path)  # bounds what is loaded
    try:
        state = state_of(torch.load(path, map_location="cpu", weights_only=True), Tensor)
    except Exception as error:  # the unpickler raises whatever the bytes make it raise
        raise ModelFileError(
            f"{path} is not a readable file of weights ({type(error).__name__}).",
            "It may be truncated, or hold more than tensors, which is refused for safety.",
        ) from error
    if state is None:
        raise ModelFileError(f"{path} holds no state dict.", "Give a file of an encoder's weights.")
    return state


def check_weights(
    tensors: Mapping[str, Tensor], path: Path | str, may_be_constant: Collection[str] = ()
) -> None:
    """Refuse weights with which a network answers the same to every image, or nothing.

    Parameters
    ----------
    tensors
        What a network is about to get.
    path
        Where they come from, for the message.
    may_be_constant
        Beginnings of the names of weights that may all be one number.

    Raises
    ------
    ModelFileError
        If a number isn't finite or is absurdly large, a variance is negative, or all weights of a
        layer are one number.
    """
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.numel() == 0:
            continue
        low, high = (float(one) for one in torch.aminmax(tensor.detach()))
        variance = name.endswith("running_var")
        most = _LARGEST_VARIANCE if variance else _LARGEST_WEIGHT
        layer = name.endswith("weight") and tensor.ndim >= 2 and tensor.numel() > 1
        if not -most <= low <= high <= most:
            fault = "numbers that are not finite or absurdly large"
        elif variance and low < 0:
            fault = "a negative variance"
        elif layer and low == high and not name.startswith(tuple(may_be_constant)):
            fault = f"{low:g} for all weights"
        else:
            continue
        raise damaged_model(path, f"{name!r} holds {fault}")


def check_shapes(own: Mapping[str, Shape], stored: Mapping[str, Iterable[int]], path: Path) -> None:
    """Compare a network's tensors with those of a file; the first that differs is named.

    Raises
    ------
    ModelFileError
        If names or shapes don't agree.
    """
    for what, names in (
        ("lacks the tensor", sorted(own.keys() - stored.keys())),
        ("holds an unexpected tensor", sorted(stored.keys() - own.keys())),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelFileError(f"{path} {what} {names[0]!r}{more}.", AGAIN)
    for name, shape in own.items():
        if tuple(shape) != tuple(stored[name]):
            raise ModelFileError(
                f"{path}: {name!r} has the shape {tuple(stored[name])} instead of {tuple(shape)}.",
                AGAIN,
            )


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Return the shapes of tensors."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def load_checked(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load tensors into a network; a missing or unexpected one is an error that names it.

    Raises
    ------
    ModelFileError
        If names, shapes or kinds of numbers don't agree.
    """
    own = network.state_dict()
    check_shapes(shapes_of(own), shapes_of(tensors), path)
    for name, tensor in own.items():
        if tensor.is_floating_point() != tensors[name].is_floating_point():
            kind = str(tensors[name].dtype).removeprefix("torch.")
            raise ModelFileError(f"{path}: {name!r} holds numbers of type {kind}.", AGAIN)
    with torch.no_grad():
        network.load_state_dict(tensors)
