"""Settings of fine-tuning."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from napari_matssl.settings.base import contradiction
from napari_matssl.settings.fields import setting
from napari_matssl.settings.intensity_scaling import IntensityScalingSettings
from napari_matssl.settings.training import (
    DETERMINISTIC,
    DEVICE,
    ENCODER_HELP,
    ENCODERS,
    INTENSITY_SCALING,
    NO_FILES,
    SEED,
    TRANSFORMERS,
    WEIGHTS,
    TrainingSettings,
)

Architecture = Literal["guided-unet++", "unet++", "segformer", "cs-unet", "pixel-classifier"]

Exposure = Literal["matched", "same", "own"]


class FinetuneSettings(TrainingSettings):
    """Training of U-Net++ on painted micrographs (MatSSL, section 2, and our faster recipe)."""

    preset: Literal["interactive", "instant", "paper"] = setting(
        "interactive",
        "interactive: the best results within minutes; "
        "instant: a pixel classifier in seconds; "
        "paper: the published recipe, for dense labels and a GPU",
    )
    architecture: Literal["auto", Architecture] = setting(
        "auto",
        "pixel-classifier: linear, on the encoder as it is; guided-unet++: U-Net++ that corrects "
        "it; unet++: U-Net++ alone; auto: unet++ where nearly all pixels are painted, else "
        "guided-unet++; segformer: a transformer encoder; cs-unet: a Swin beside the encoder",
        expert=True,
        when={"instant": "pixel-classifier", "paper": "unet++"},
    )
    encoder: str = setting(
        ENCODERS[0],
        ENCODER_HELP,
        choices=(*ENCODERS, *TRANSFORMERS),
        when={
            "paper": "resnet50",
            "segformer": TRANSFORMERS[0],
            "paper+segformer": TRANSFORMERS[-1],
            "paper+cs-unet": "resnet50",
        },
    )
    weights: str = WEIGHTS
    transformer_weights: str = setting(
        NO_FILES[-1],
        "start weights of the Swin of cs-unet: random, imagenet (downloaded), or a file",
        title="Swin starts from",
        expert=True,
    )
    epochs: int | None = setting(
        None,
        "passes over all crops",
        unset="no limit",
        lifts="minutes",
        when={"paper": 200},
        ge=1,
        le=100_000,
    )
    minutes: float | None = setting(
        2.0,
        "time budget",
        title="Time budget",
        unit="min",
        unset="no limit",
        lifts="epochs",
        when={"paper": None},
        gt=0,
        le=100_000,
    )
    exposure: Exposure = setting(
        "matched",
        "grey scale of images; matched: that on which an image's grey values and fine texture are "
        "a mixture of the painted classes, in whatever fractions, for images of any exposure; "
        "same: as stored, for series taken with the same settings of the microscope; "
        "own: each image by its own mean and spread, which shift with its phase fractions",
        title="Exposure",
        when={"paper": "own"},
    )
    scale: float | None = setting(
        None,
        "magnification of images before the network; none: chosen by the size of the images "
        "and of the structure in them",
        title="Magnification",
        unit="×",
        unset="automatic",
        expert=True,
        when={"paper": 1.0},
        gt=0.01,
        le=8,
    )
    crop_size: int = setting(
        256,
        "side of a training crop in px",
        unit="px",
        expert=True,
        when={"cs-unet": 224},
        ge=32,
        le=4096,
    )
    batch_size: int = setting(4, "crops per step", expert=True, when={"paper": 128}, ge=1, le=4096)
    augment: bool = setting(
        True,
        "flips, quarter turns, zoom and grey-value changes",
        title="Augmentation",
        expert=True,
        when={"paper": False},
    )
    strata: Literal["auto", "any", "rows", "columns"] = setting(
        "auto",
        "rows, columns: direction of strata, which keep their order in training, as in "
        "cross-sections; any: turns and flips every way; auto: found in the images",
        title="Strata in the image",
        expert=True,
        when={"paper": "any"},
    )
    zoom: float = setting(
        1.5,
        "largest zoom in or out of a crop",
        title="Largest zoom",
        unit="×",
        expert=True,
        ge=1,
        le=4,
    )
    grey_changes: float = setting(
        1.0,
        "strength of random gamma, contrast, brightness, sharpness and noise of crops; 0: none",
        title="Grey-value changes",
        unit="×",
        expert=True,
        ge=0,
        le=10,
    )
    optimiser: Literal["adam", "adamw"] = setting(
        "adamw", "optimiser", expert=True, when={"paper": "adam"}
    )
    learning_rate: float = setting(
        3e-3, "highest learning rate", expert=True, when={"paper": 1e-4}, gt=0, le=1
    )
    encoder_rate: float = setting(
        0.1,
        "learning rate of the encoder relative to the decoder's",
        title="Encoder's rate",
        unit="×",
        expert=True,
        when={"paper": 1.0},
        gt=0,
        le=1,
    )
    warmup: float = setting(
        0.05,
        "share of the run in which the learning rate rises",
        title="Warm-up",
        unit="share of run",
        expert=True,
        when={"paper": 0.0},
        ge=0,
        le=0.5,
    )
    cosine: bool = setting(
        True,
        "lower the learning rate along a cosine",
        title="Cosine schedule",
        expert=True,
        when={"paper": False},
    )
    weight_decay: float = setting(
        1e-2, "weight decay", expert=True, when={"paper": 1e-5}, ge=0, le=1
    )
    cross_entropy: float = setting(
        1.0,
        "weight of cross-entropy beside the Dice loss",
        title="Cross-entropy weight",
        expert=True,
        when={"paper": 0.0},
        ge=0,
        le=10,
    )
    balance: float = setting(
        0.5,
        "weight of rare classes in the cross-entropy; 0: by their pixels; 1: all classes alike",
        title="Class balance",
        unit="0 to 1",
        expert=True,
        when={"paper": 0.0},
        ge=0,
        le=1,
    )
    pseudo_label_weight: float = setting(
        1.0,
        "weight of pseudo-labels: unpainted pixels of which the EMA weights are confident and "
        "agree with the pixel classifier at the start, for guided-unet++; 0: painted pixels alone",
        title="Pseudo-label weight",
        expert=True,
        when={"paper": 0.0},
        ge=0,
        le=10,
    )
    confidence: float = setting(
        0.9, "probability from which a pseudo-label is taken", expert=True, gt=0, le=1
    )
    entropy: float = setting(
        3.0,
        "weight of the entropy of unpainted pixels, within pseudo_label_weight; 0: none",
        title="Entropy weight",
        expert=True,
        ge=0,
        le=10,
    )
    dropout: float | None = setting(
        None,
        "share of the encoder's channels that are dropped in a step; none: 0.2 where "
        "nearly all pixels are painted, else 0",
        unit="share",
        unset="automatic",
        expert=True,
        when={"paper": 0.0},
        ge=0,
        le=0.9,
    )
    freeze_batch_norm: bool = setting(
        True,
        "freeze the encoder's batch-norm statistics, as small batches need",
        expert=True,
        when={"paper": False},
    )
    ema_decay: float = setting(
        0.99,
        "decay of the exponential moving average (EMA) of the weights per step; 0: no average",
        title="EMA decay",
        expert=True,
        when={"paper": 0.0},
        ge=0,
        lt=1,
    )
    validations: int = setting(
        12,
        "number of validations in a run",
        title="Validations per run",
        expert=True,
        when={"paper": 200},
        ge=1,
        le=10_000,
    )
    val_fraction: float = setting(
        0.0,
        "share of images held out to choose the best model",
        title="Validation images",
        ge=0,
        le=0.9,
    )
    unlabelled: Annotated[int, Field(ge=0, le=65_535)] | Literal["auto"] | None = setting(
        "auto",
        "stored value of unpainted pixels in label images; auto: 0, unless the class table names "
        "it; none: every stored value is a class",
        title="Stored value of unpainted pixels",
    )
    intensity_scaling: IntensityScalingSettings = INTENSITY_SCALING
    seed: int = SEED
    deterministic: bool = DETERMINISTIC
    device: str = DEVICE

    @model_validator(mode="after")
    def _has_a_swin(self) -> Self:
        if self.transformer_weights != NO_FILES[-1] and self.architecture != "cs-unet":
            named = "transformer_weights architecture"
            raise contradiction("only the network cs-unet has a Swin to start from weights", named)
        return self

    former: ClassVar = {
        "encoder_name": "is called encoder now, and what encoder was is called weights",
        "layers": "is called strata now",
        "self_training": "is called pseudo_label_weight now",
        "averaging": "is called ema_decay now",
        "normalisation": "is called intensity_scaling now",
    }
