"""A model as bioimage.io describes it (version 0.5 of the description), in plain values."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.portable import INPUT, OPSET, OUTPUT
from napari_matssl.learn.portable_facts import MULTIPLE, input_channels
from napari_matssl.settings import Architecture
from napari_matssl.tasks.exchanging.credits import Credits
from napari_matssl.tasks.exporting.preprocessing import preprocessing, takes_eight_bits
from napari_matssl.tasks.exporting.sample import SMALLEST

FORMAT_VERSION = "0.5.4"
"""The last one that QuPath and deepImageJ were written for; newer programs read it, too."""

DESCRIPTION = "rdf.yaml"
"""File of the description; QuPath opens no other name."""

PAGE, COVER = "README.md", "cover.png"
TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"
ONNX, TORCHSCRIPT, MODEL = "model.onnx", "model.pt", "model.safetensors"
"""Other files of a package; the last one is the model itself."""

_HALO = 32  # px
_LONGEST_NAME, _LONGEST_DESCRIPTION = 64, 500
_STRANGE = re.compile(r"[^A-Za-z0-9_+\- ()]+")
_PROGRAM = {"text": "napari-matssl", "url": "https://github.com/napari-matssl/napari-matssl"}
_UNETPLUSPLUS = {"text": "U-Net++ (Zhou et al. 2018)", "doi": "10.1007/978-3-030-00889-5_1"}
_CITED: dict[Architecture, dict[str, str]] = {
    "unet++": _UNETPLUSPLUS,
    "guided-unet++": _UNETPLUSPLUS,
    "segformer": {"text": "SegFormer (Xie et al. 2021)", "doi": "10.48550/arXiv.2105.15203"},
    "cs-unet": {"text": "CS-UNet (Alrfou et al. 2023)", "doi": "10.48550/arXiv.2308.13917"},
}


def describe_package(
    card: ModelCard, facts: Mapping[str, Any], credits: Credits, sums: Mapping[str, str]
) -> dict[str, Any]:
    """Describe a model.

    Parameters
    ----------
    card, facts
        Of the model.
    credits
        Who made it.
    sums
        SHA-256 of each file that the description names.
    """

    def file(name: str) -> dict[str, Any]:
        return {"source": name, "sha256": sums[name]}

    channels = ["grey"] if input_channels(card) == 1 else ["red", "green", "blue"]
    given = [_space(card, side, {"min": SMALLEST, "step": MULTIPLE}) for side in "yx"]
    found = [
        {**_space(card, side, {"tensor_id": INPUT, "axis_id": side}), "halo": _HALO}
        for side in "yx"
    ]
    return {
        "type": "model",
        "format_version": FORMAT_VERSION,
        "name": package_title(facts["model"]),
        "description": _in_a_sentence(card),
        "timestamp": card.created,
        "authors": [{"name": name.strip()} for name in credits.authors],
        "license": credits.licence,
        "cite": [*_cited(card)],
        "tags": ["2d", "semantic-segmentation", "micrograph", "metallography", "pytorch"],
        "documentation": PAGE,
        "covers": [COVER],
        "attachments": [file(MODEL)],
        "inputs": [
            {
                "id": INPUT,
                "description": f"{_values(card)} of a micrograph, at the network's magnification",
                "axes": [_batch(), _channels(channels), *given],
                "data": {"type": "float32"},
                "test_tensor": file(TEST_INPUT),
                "preprocessing": preprocessing(card),
            }
        ],
        "outputs": [
            {
                "id": OUTPUT,
                "description": "probability of each class",
                "axes": [_batch(), _channels(card.classes.names), *found],
                "data": {"type": "float32", "range": [0, 1]},
                "test_tensor": file(TEST_OUTPUT),
            }
        ],
        "weights": {
            "torchscript": {
                **file(TORCHSCRIPT),
                "pytorch_version": torch.__version__.partition("+")[0],
            },
            "onnx": {**file(ONNX), "opset_version": OPSET, "parent": "torchscript"},
        },
        "config": {"napari_matssl": dict(facts)},
    }


def _values(card: ModelCard) -> str:
    return "values from 0 to 255" if takes_eight_bits(card) else "stored values"


def package_title(file: str) -> str:
    """Make a title of the name of a model's file; bioimage.io allows few characters."""
    return _STRANGE.sub("-", f"{Path(file).stem} (napari-matssl)")[-_LONGEST_NAME:]


def _in_a_sentence(card: ModelCard) -> str:
    names = ", ".join(card.classes.names)
    return f"Segments micrographs into {names}."[:_LONGEST_DESCRIPTION]


def _cited(card: ModelCard) -> Iterator[dict[str, str]]:
    """Cite the network, where there is a paper on it, and the program; each entry is its own."""
    if card.architecture in _CITED:
        yield {**_CITED[card.architecture]}
    yield {**_PROGRAM}


def _batch() -> dict[str, Any]:
    return {"type": "batch"}


def _channels(names: list[str] | tuple[str, ...]) -> dict[str, Any]:
    return {"type": "channel", "id": "channel", "channel_names": list(names)}


def _space(card: ModelCard, side: str, size: dict[str, Any]) -> dict[str, Any]:
    """Describe an axis of an image, in micrometres where the model is calibrated."""
    axis: dict[str, Any] = {"type": "space", "id": side, "size": size}
    if card.pixel_size_um is not None:
        axis |= {"unit": "micrometer", "scale": card.pixel_size_um / card.scale}
    return axis
