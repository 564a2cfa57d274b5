"""Weights on disk: one safetensors file with the model card in its header."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from napari_matssl.errors import ModelFileError
from napari_matssl.files import atomic_write
from napari_matssl.learn.card import CARD_KEY, ModelCard, read_card


def write_tensors(path: Path, card: ModelCard, tensors: dict[str, Tensor]) -> None:
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
        except SafetensorError as error:  # a full disk, say
            raise OSError(str(error)) from error


def read_tensors(path: Path, kind: str | None = None) -> tuple[ModelCard, dict[str, Tensor]]:
    """Read card and tensors.

    Raises
    ------
    ModelFileError
        As :func:`~napari_matssl.learn.card.read_card` raises it.
    """
    card = read_card(path, kind)
    try:
        return card, load_file(path, device="cpu")
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged ({error}).", "Copy or train it again.") from error


def load_checked(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load tensors into a network; a missing or unexpected one is an error that names it.

    Raises
    ------
    ModelFileError
        If names or shapes don't agree.
    """
    own = network.state_dict()
    for what, names in (
        ("lacks the tensor", sorted(own.keys() - tensors.keys())),
        ("holds an unexpected tensor", sorted(tensors.keys() - own.keys())),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelFileError(f"{path} {what} {names[0]!r}{more}.", "Copy or train it again.")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise ModelFileError(
                f"{path}: {name!r} has the shape {tuple(tensors[name].shape)} instead of "
                f"{tuple(tensor.shape)}.",
                "Copy or train it again.",
            )
    with torch.no_grad():
        network.load_state_dict(tensors)
