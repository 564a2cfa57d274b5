"""A network as a file for other programs: ONNX and TorchScript."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from napari_matssl.errors import ComputeError, OutOfMemoryError, SettingsError
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.portable_facts import input_channels
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph.intensity_scaling import SMALLEST_SPREAD
from napari_matssl.telemetry import switch_off_telemetry

INPUT, OUTPUT = "image", "probabilities"
"""Names of the input and the output of an exported network."""

FACTS_FILE = "napari_matssl.json"
"""Part of a TorchScript file that holds the facts."""

_TRACED: Final = (2, 160, 224)
"""Images and sides that a network is traced with: all different, so that none is another."""

OPSET: Final = 17
"""Version of ONNX's operators."""


class Portable(nn.Module):
    """A segmenter's network whose output needs no more than this one module.

    Parameters
    ----------
    segmenter
        Its network is used as it is, in evaluation mode.
    standardises
        Whether it standardises each image by the mean of each channel and the spread of all, as
        :class:`~napari_matssl.micrograph.intensity_scaling.IntensityScaling` does.
    """

    def __init__(self, segmenter: Segmenter, standardises: bool = False) -> None:
        super().__init__()
        self.network = segmenter.network.eval()
        self._temperature = segmenter.card.temperature
        self._standardises = standardises

    def forward(self, image: Tensor) -> Tensor:
        """Classify ``(N, C, H, W)`` standardised images, or images to be standardised.

        C is 1 or 3. Returns probabilities ``(N, K, H, W)`` at the model's temperature.
        """
        if self._standardises:
            image = _standardised(image)
        if image.shape[1] == 1:
            image = image.expand(-1, 3, -1, -1)
        logits: Tensor = self.network(image).float()
        return (logits / self._temperature).softmax(dim=1)


def _standardised(image: Tensor) -> Tensor:
    centred = image - image.mean(dim=(2, 3), keepdim=True)
    spread = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / spread.clamp(min=SMALLEST_SPREAD)


def write_onnx(
    path: Path, segmenter: Segmenter, facts: Mapping[str, Any], standardises: bool = False
) -> None:
    """Write a network as an ONNX file for any number of images of any size, multiples of 32 px.

    Parameters
    ----------
    path
        A temporary file.
    segmenter
        On the processor.
    facts
        Go into the metadata: each a key, its value as JSON.
    standardises
        As for :class:`Portable`.

    Raises
    ------
    SettingsError
        If the packages are missing that this takes.
    ComputeError
        If PyTorch can't express the network in ONNX.
    """
    check_onnx()
    import onnx

    sides = {0: "count", 2: "height", 3: "width"}
    with _exporting("ONNX", segmenter.card):
        # PyTorch's newer exporter (dynamo=True) takes ten times as long, for sizes that vary.
        torch.onnx.export(
            Portable(segmenter, standardises).eval(),
            (_example(segmenter.card),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: sides, OUTPUT: sides},
        )
    model = onnx.load(path, format="protobuf")
    model.producer_name, model.producer_version = facts["program"].split()
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = len(segmenter.classes)
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    onnx.save(model, path, format="protobuf")


def write_torchscript(
    path: Path, segmenter: Segmenter, facts: Mapping[str, Any], standardises: bool = False
) -> None:
    """Write a network as a TorchScript file; parameters and errors as of :func:`write_onnx`.

    The facts are the part :data:`FACTS_FILE` of it.
    """
    with _exporting("TorchScript", segmenter.card):
        traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
            Portable(segmenter, standardises).eval(), _example(segmenter.card), check_trace=False
        )
        torch.jit.save(traced, path, _extra_files={FACTS_FILE: json.dumps(facts)})


def check_onnx() -> None:
    """Check that the packages for ONNX are there.

    Raises
    ------
    SettingsError
        If one is missing.
    """
    switch_off_telemetry()
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            f"Exporting to ONNX takes the package {error.name}, which is not installed.",
            'Install it: pip install "napari-matssl[export]".',
        ) from error


def _example(card: ModelCard) -> Tensor:
    count, height, width = _TRACED
    return torch.zeros(count, input_channels(card), height, width)


@contextmanager
def _exporting(form: str, card: ModelCard) -> Iterator[None]:
    """Keep the exporters quiet, and name the network that one of them can't express.

    Raises
    ------
    ComputeError
        If one fails.
    """
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with device_errors("exporting the network"), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    except (OSError, OutOfMemoryError):
        raise
    except Exception as error:  # exporters raise errors of many kinds
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ComputeError(
            f"PyTorch {torch.__version__} can't express {card.architecture} on {card.encoder} in "
            f"{form} ({first}).",
            "Use predict, or train another network.",
        ) from error
    finally:
        logger.setLevel(level)


class Writer(Protocol):
    """Writes a network as a single file; see :func:`write_onnx`."""

    def __call__(
        self, path: Path, segmenter: Segmenter, facts: Mapping[str, Any], standardises: bool = False
    ) -> None:
        """Write it."""


WRITERS: dict[str, Writer] = {
    "onnx": write_onnx,
    "torchscript": write_torchscript,
}
"""What writes a single file, by format."""
