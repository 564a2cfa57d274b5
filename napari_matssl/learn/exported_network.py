"""An exported file, run in the place of the network that it was made of."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_matssl.learn.portable import INPUT
from napari_matssl.telemetry import switch_off_telemetry

_SMALLEST = 1e-12


class ExportedNetwork(nn.Module):
    """A network that gives probabilities, as one that gives logits.

    Parameters
    ----------
    run
        Turns standardised images ``(N, C, H, W)`` into probabilities ``(N, K, H, W)``.
    channels
        C, 1 or 3.
    original
        The network that it was made of; it is not run. Tiles begin where they begin for this one.
    """

    def __init__(self, run: Callable[[Tensor], Tensor], channels: int, original: nn.Module) -> None:
        super().__init__()
        self._run, self._channels, self.original = run, channels, original

    def forward(self, images: Tensor) -> Tensor:
        """Classify ``(N, 3, H, W)`` standardised images; logits ``(N, K, H, W)``, up to a shift."""
        given = images[:, : self._channels].contiguous()
        return self.probabilities(given).clamp(min=_SMALLEST).log()

    def probabilities(self, images: Tensor) -> Tensor:
        """Classify ``(N, C, H, W)`` standardised images as the file does; ``(N, K, H, W)``."""
        return self._run(images)


def open_onnx(path: Path, channels: int, original: nn.Module) -> ExportedNetwork:
    """Open an ONNX file in ONNX Runtime, on the processor."""
    switch_off_telemetry()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])

    return ExportedNetwork(run, channels, original)


def open_torchscript(path: Path, channels: int, original: nn.Module) -> ExportedNetwork:
    """Open a TorchScript file that was written just now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is what was asked for
        network = torch.jit.load(path)  # type: ignore[no-untyped-call]
    return ExportedNetwork(network, channels, original)


OPENERS: dict[str, Callable[[Path, int, nn.Module], ExportedNetwork]] = {
    "onnx": open_onnx,
    "torchscript": open_torchscript,
}
"""What opens a single file, by format."""
