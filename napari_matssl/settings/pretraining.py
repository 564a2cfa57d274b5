"""Settings of pretraining."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from napari_matssl.settings.base import contradiction
from napari_matssl.settings.fields import setting
from napari_matssl.settings.intensity_scaling import IntensityScalingSettings
from napari_matssl.settings.training import (
    DETERMINISTIC,
    DEVICE,
    ENCODER,
    INTENSITY_SCALING,
    SEED,
    WEIGHTS,
    TrainingSettings,
)

Method = Literal["matssl", "stages", "simclr", "mocov2", "densecl"]


class PretrainSettings(TrainingSettings):
    """Contrastive pretraining of an encoder on unlabelled micrographs (MatSSL, section 1).

    The preset ``paper`` is the published recipe of MatSSL, and of MoCo v2 and DenseCL their own.
    """

    preset: Literal["quick", "paper"] = setting(
        "quick",
        "quick: minutes on a small folder, stays closer to the start weights; "
        "paper: the published recipe",
    )
    method: Method = setting(
        "matssl",
        "matssl: gated fusion of four stages; stages: the same without gates; simclr: the last "
        "stage alone; mocov2, densecl: keys of a momentum encoder, for comparison",
    )
    encoder: str = ENCODER
    weights: str = WEIGHTS
    gate: Literal["paper", "released"] = setting(
        "paper", "gated feature fusion: equation 1 of the paper, or as in the released code"
    )
    epochs: int | None = setting(
        None,
        "passes over all patches",
        unset="no limit",
        lifts="minutes",
        when={"paper": 50},
        ge=1,
        le=100_000,
    )
    minutes: float | None = setting(
        10.0,
        "time budget",
        title="Time budget",
        unit="min",
        unset="no limit",
        lifts="epochs",
        when={"paper": None},
        gt=0,
        le=100_000,
    )
    batch_size: int = setting(
        64,
        "patches per step",
        when={"paper": 128, "paper+mocov2": 256, "paper+densecl": 256},
        ge=2,
        le=65_536,
    )
    patch_size: int = setting(256, "side of a patch in px", unit="px", ge=32, le=4096)
    overlap: float = setting(
        0.0,
        "overlap of neighbouring patches, 0 to 1",
        title="Patch overlap",
        unit="share",
        ge=0.0,
        le=0.95,
    )
    view_size: int = setting(
        128,
        "side of a view in px, as the network sees it",
        unit="px",
        when={"paper": 224},
        ge=32,
        le=4096,
    )
    optimiser: Literal["sgd", "adamw"] = setting(
        "adamw", "optimiser", expert=True, when={"paper": "sgd"}
    )
    learning_rate: float = setting(
        3e-4,
        "at the start",
        expert=True,
        when={"paper": 0.1, "paper+mocov2": 0.03, "paper+densecl": 0.03},
        gt=0,
        le=10,
    )
    final_learning_rate: float = setting(
        3e-6,
        "at the end",
        expert=True,
        when={"paper": 1e-4, "paper+mocov2": 0.0, "paper+densecl": 0.0},
        ge=0,
        le=10,
    )
    momentum: float = setting(0.9, "of SGD", expert=True, ge=0, lt=1)
    weight_decay: float = setting(
        1e-2,
        "weight decay",
        expert=True,
        when={"paper": 1e-6, "paper+mocov2": 1e-4, "paper+densecl": 1e-4},
        ge=0,
        le=1,
    )
    freeze_batch_norm: bool = setting(
        True,
        "freeze the encoder's batch-norm statistics, which belong to the start weights; random "
        "weights have none",
        expert=True,
        when={"paper": False},
    )
    temperature: float = setting(
        0.07,
        "of the contrastive loss",
        expert=True,
        when={"mocov2": 0.2, "densecl": 0.2},
        gt=0,
        le=10,
    )
    start_share: float = setting(
        0.5,
        "share of the start weights in the result, an average of them and the learnt ones: keeps "
        "what ImageNet taught; random weights have none",
        title="Start weights kept",
        unit="share",
        expert=True,
        when={"paper": 0.0},
        ge=0,
        lt=1,
    )
    crop_area_min: float = setting(
        0.2,
        "smallest share of the patch's area in a view",
        title="Smallest crop",
        unit="share",
        expert=True,
        gt=0,
        le=1,
    )
    jitter: float = setting(
        0.4,
        "brightness, contrast and saturation jitter",
        expert=True,
        when={"paper": 0.1, "paper+mocov2": 0.4, "paper+densecl": 0.4},
        ge=0,
        lt=1,
    )
    hue_jitter: float = setting(
        0.1,
        "hue jitter, colour only",
        expert=True,
        when={"paper": 0.0, "paper+mocov2": 0.1, "paper+densecl": 0.1},
        ge=0,
        le=0.5,
    )
    jitter_probability: float = setting(0.8, "of a view's jitter", expert=True, ge=0, le=1)
    grey_probability: float = setting(0.2, "of dropping the colour", expert=True, ge=0, le=1)
    blur_probability: float = setting(0.5, "of a Gaussian blur", expert=True, ge=0, le=1)
    projection_hidden: int = setting(
        2048, "width of the projection head", title="Projection width", expert=True, ge=2
    )
    projection_out: int = setting(
        128, "length of an embedding", title="Embedding length", expert=True, ge=2
    )
    queue: int = setting(
        65_536,
        "mocov2, densecl: keys kept as negatives, at most one per patch",
        expert=True,
        ge=2,
        le=2**22,
    )
    key_momentum: float = setting(
        0.999, "mocov2, densecl: momentum of the key encoder", expert=True, ge=0, lt=1
    )
    dense_weight: float = setting(0.5, "densecl: share of the dense loss", expert=True, ge=0, le=1)
    intensity_scaling: IntensityScalingSettings = INTENSITY_SCALING
    seed: int = SEED
    deterministic: bool = DETERMINISTIC
    device: str = DEVICE

    former: ClassVar = {
        "init": "is called weights now",
        "normalisation": "is called intensity_scaling now",
    }

    @model_validator(mode="after")
    def _rate_falls(self) -> Self:
        if self.final_learning_rate > self.learning_rate:
            raise contradiction(
                "the learning rate is higher at the end than at the start",
                "learning_rate final_learning_rate",
            )
        return self
