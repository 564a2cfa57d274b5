"""What computes here, as far as a figure may depend on it."""

from dataclasses import dataclass

from napari_matssl import __version__
from napari_matssl.learn.device import choose_compute
from napari_matssl.tasks.provenance import torch_version


@dataclass(frozen=True)
class Machine:
    """Versions and device.

    Parameters
    ----------
    program, torch
        Versions.
    device
        That segments, with its number format.
    """

    program: str
    torch: str
    device: str


def this_machine() -> Machine:
    """Describe what computes here.

    Raises
    ------
    DeviceError
        If the device can't be used.
    """
    compute = choose_compute()
    name = compute.describe().partition(" (")[0].partition(",")[0]
    number_format = str(compute.dtype).removeprefix("torch.")
    return Machine(__version__, torch_version(), f"{name}, {number_format}")
