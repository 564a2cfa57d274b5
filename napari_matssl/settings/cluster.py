"""Settings of runs on several devices and machines."""

from napari_matssl.settings.base import Settings
from napari_matssl.settings.fields import setting


class ClusterSettings(Settings):
    """How many processes a training is shared by; no part of what it comes to.

    Under torchrun or SLURM both are known and need not be given.
    """

    devices: int | None = setting(
        None,
        "train on that many GPUs of each machine together, or with device cpu in as many "
        "processes; they share each batch",
        unset="1",
        expert=True,
        ge=1,
        le=1024,
    )
    nodes: int | None = setting(
        None,
        "machines that train together; start the command on each, with MASTER_ADDR, MASTER_PORT "
        "and NODE_RANK in its environment",
        unset="1",
        expert=True,
        ge=1,
        le=65_536,
    )
