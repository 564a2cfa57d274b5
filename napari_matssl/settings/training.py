"""Settings that pretraining and fine-tuning have in common."""

from typing import Self

from pydantic import field_validator, model_validator

from napari_matssl.settings.base import Settings, contradiction
from napari_matssl.settings.fields import setting
from napari_matssl.settings.intensity_scaling import IntensityScalingSettings

ENCODERS = (
    "tf_efficientnet_lite0",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "se_resnet50",
    "densenet121",
    "efficientnet-b0",
    "efficientnet-b3",
)
"""Encoder networks that forms offer; any other of smp or timm can be typed. The first is the one
whose ImageNet weights need no download."""

TRANSFORMERS = ("mit_b0", "mit_b2", "swin_tiny_patch4_window7_224")
"""Transformers that forms offer as encoders where a network needs one."""

NO_FILES = ("imagenet", "micrographs", "random")
"""Weights that are no file."""

_FILES = (".safetensors", ".pth", ".pt", ".tar", ".ckpt")

ENCODER_HELP = (
    "encoder network, by its smp or timm name; the ImageNet weights of tf_efficientnet_lite0 are "
    "installed, those of others are downloaded"
)
ENCODER = setting(
    ENCODERS[0],
    ENCODER_HELP,
    choices=ENCODERS,
    when={"paper": "resnet50"},
)
WEIGHTS = setting(
    NO_FILES[0],
    "start weights of the encoder: imagenet, micrographs (MatSSL from ImageNet, comes with the "
    "program), random, or a file, from which the network is read, too",
    title="Start from",
)
INTENSITY_SCALING = setting(
    IntensityScalingSettings(),
    "how stored grey values become the input of a network",
    when={"paper": {"kind": "imagenet"}},
)
SEED = setting(0, "of everything random", title="Random seed", ge=0, le=2**40)
DETERMINISTIC = setting(
    False,
    "make runs on an NVIDIA GPU reproducible to the last digit, at some speed; runs on a processor "
    "always are",
    title="Repeatable on a GPU",
)
DEVICE = setting("auto", "auto, cpu, cuda, cuda:1 or mps")


class TrainingSettings(Settings):
    """Base of settings of a training: it has an end, and an encoder with weights."""

    @field_validator("encoder", check_fields=False)
    @classmethod
    def _names_a_network(cls, encoder: str) -> str:
        """Refuse an encoder that is the place of weights: earlier versions had them there."""
        if encoder in NO_FILES or encoder.lower().endswith(_FILES):
            raise contradiction("these are weights, not the name of a network", "weights")
        return encoder

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if all(getattr(self, limit) is None for limit in ("epochs", "minutes")):
            raise contradiction("nothing ends the run: give epochs or a time", "epochs minutes")
        return self
