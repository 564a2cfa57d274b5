"""Settings of fine-tuning."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from napari_matssl.settings.base import ENCODERS, Settings, check_end, check_names_a_network
from napari_matssl.settings.normalisation import NormalisationSettings

Architecture = Literal["guided-unet++", "unet++", "pixel-classifier"]


class FinetuneSettings(Settings):
    """Training of U-Net++ on painted micrographs (MatSSL, section 2, and our faster recipe)."""

    preset: Literal["interactive", "instant", "paper"] = Field(
        default="interactive",
        description="interactive: the best we measured within minutes; "
        "instant: a pixel classifier in seconds; "
        "paper: the published recipe, for dense labels and a GPU",
    )
    architecture: Literal["auto", Architecture] = Field(
        default="auto",
        description="pixel-classifier: linear, on the encoder as it is; guided-unet++: U-Net++ "
        "that corrects it; unet++: U-Net++ alone; auto: unet++ where nearly all pixels are "
        "painted, else guided-unet++",
    )
    encoder: str = Field(
        default="tf_efficientnet_lite0",
        description="encoder network, by its smp or timm name; the ImageNet weights of "
        "tf_efficientnet_lite0 are here, those of others have to be fetched",
        examples=list(ENCODERS),
    )
    weights: str = Field(
        default="imagenet",
        description="start weights of the encoder: imagenet, micrographs (MatSSL from ImageNet, "
        "comes with the program), random, or a file of weights",
    )
    epochs: int | None = Field(default=None, ge=1, le=100_000, description="passes over all crops")
    minutes: float | None = Field(default=2.0, gt=0, le=100_000, description="time budget")
    scale: float | None = Field(
        default=None,
        gt=0.01,
        le=8,
        description="magnification before the network sees an image; "
        "none: chosen by the size of the images",
    )
    crop_size: int = Field(default=256, ge=32, le=4096, description="side of a training crop in px")
    batch_size: int = Field(default=4, ge=1, le=4096, description="crops per step")
    augment: bool = Field(
        default=True, description="flips, quarter turns, zoom and grey-value changes"
    )
    strata: Literal["auto", "any", "rows", "columns"] = Field(
        default="auto",
        description="rows, columns: strata lie that way and keep their order while training, as in "
        "cross-sections; any: turns and flips every way; auto: found in the images",
    )
    zoom: float = Field(default=1.5, ge=1, le=4, description="largest zoom in or out of a crop")
    grey_changes: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="how strongly gamma, contrast, brightness, sharpness and noise of crops vary; "
        "0: not at all",
    )
    optimiser: Literal["adam", "adamw"] = Field(default="adamw", description="optimiser")
    learning_rate: float = Field(default=3e-3, gt=0, le=1, description="at its highest")
    encoder_rate: float = Field(
        default=0.1, gt=0, le=1, description="the encoder's learning rate over the decoder's"
    )
    warmup: float = Field(default=0.05, ge=0, le=0.5, description="share of the run to warm up")
    cosine: bool = Field(default=True, description="lower the learning rate along a cosine")
    weight_decay: float = Field(default=1e-2, ge=0, le=1, description="weight decay")
    cross_entropy: float = Field(
        default=1.0, ge=0, le=10, description="weight of cross-entropy beside the Dice loss"
    )
    balance: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="how much rare classes weigh in the cross-entropy: 0 by pixels, 1 all alike",
    )
    self_training: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="weight of unpainted pixels of which the averaged model is sure that they are "
        "what the pixel classifier guessed at the start, for guided-unet++; 0: painted pixels "
        "alone",
    )
    confidence: float = Field(
        default=0.9, gt=0, le=1, description="how sure it has to be, as a probability"
    )
    entropy: float = Field(
        default=3.0,
        ge=0,
        le=10,
        description="weight, within self_training, of how undecided the model is about unpainted "
        "pixels; 0: only those of which it is sure count",
    )
    dropout: float | None = Field(
        default=None,
        ge=0,
        le=0.9,
        description="share of the encoder's channels that the decoder doesn't see in a step; "
        "none: 0.2 where nearly all pixels are painted, else 0",
    )
    freeze_batch_norm: bool = Field(
        default=True, description="keep the encoder's batch-norm statistics: small batches"
    )
    averaging: float = Field(
        default=0.99, ge=0, lt=1, description="decay of the moving average of the weights; 0: none"
    )
    validations: int = Field(
        default=12, ge=1, le=10_000, description="times in a run that the model is validated"
    )
    val_fraction: float = Field(
        default=0.0, ge=0, le=0.9, description="share of images kept apart to choose the best model"
    )
    unlabelled: Annotated[int, Field(ge=0, le=65_535)] | Literal["auto"] | None = Field(
        default="auto",
        description="label value that means unpainted; auto: 0, unless the class table names it; "
        "none: every value is a class",
    )
    normalisation: NormalisationSettings = NormalisationSettings()
    seed: int = Field(default=0, ge=0, le=2**40, description="of everything random")
    deterministic: bool = Field(
        default=False,
        description="repeat a run to the last digit on an NVIDIA GPU, too, which is slower there; "
        "a processor does it anyway",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 or mps")

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "interactive": {},
        "instant": {"architecture": "pixel-classifier"},
        "paper": {
            "architecture": "unet++",
            "strata": "any",
            "encoder": "resnet50",
            "epochs": 200,
            "minutes": None,
            "scale": 1.0,
            "batch_size": 128,
            "augment": False,
            "optimiser": "adam",
            "learning_rate": 1e-4,
            "encoder_rate": 1.0,
            "warmup": 0.0,
            "cosine": False,
            "weight_decay": 1e-5,
            "cross_entropy": 0.0,
            "balance": 0.0,
            "self_training": 0.0,
            "dropout": 0.0,
            "freeze_batch_norm": False,
            "averaging": 0.0,
            "validations": 200,
            "normalisation": {"kind": "imagenet"},
        },
    }

    former: ClassVar[dict[str, str]] = {
        "encoder_name": "is called encoder now, and what encoder was is called weights",
        "layers": "is called strata now",
    }

    _names_a_network = field_validator("encoder")(check_names_a_network)

    @field_validator("unlabelled", mode="before")
    @classmethod
    def _none_is_a_word(cls, value: Any) -> Any:
        return None if value == "none" else value

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        check_end(self.epochs, self.minutes)
        return self
