"""Settings of pretraining."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from napari_matssl.settings.base import ENCODERS, Settings, check_end, check_names_a_network
from napari_matssl.settings.normalisation import NormalisationSettings

Method = Literal["matssl", "simclr", "mocov2", "densecl"]


class PretrainSettings(Settings):
    """Contrastive pretraining of an encoder on unlabelled micrographs (MatSSL, section 1)."""

    preset: Literal["quick", "paper"] = Field(
        default="quick",
        description="quick: minutes on a small folder, keeps more of what ImageNet taught; "
        "paper: the published recipe",
    )
    method: Method = Field(
        default="matssl",
        description="matssl: gated fusion of four stages; simclr: the same without gates, on the "
        "last stage; mocov2, densecl: keys of a slowly following copy, for comparison",
    )
    encoder: str = Field(
        default="tf_efficientnet_lite0",
        description="encoder network, by its smp or timm name; the ImageNet weights of "
        "tf_efficientnet_lite0 are here, those of others have to be fetched",
        examples=list(ENCODERS),
    )
    weights: str = Field(
        default="imagenet",
        description="start weights: imagenet, micrographs, random, or a file of weights",
    )
    gate: Literal["paper", "released"] = Field(
        default="paper",
        description="gated feature fusion: equation 1 of the paper, or as in the released code",
    )
    epochs: int | None = Field(
        default=None, ge=1, le=100_000, description="passes over all patches"
    )
    minutes: float | None = Field(default=10.0, gt=0, le=100_000, description="time budget")
    batch_size: int = Field(default=64, ge=2, le=65_536, description="patches per step")
    patch_size: int = Field(default=256, ge=32, le=4096, description="side of a patch in px")
    overlap: float = Field(
        default=0.0, ge=0.0, le=0.95, description="overlap of neighbouring patches, 0 to 1"
    )
    view_size: int = Field(
        default=128, ge=32, le=4096, description="side of a view in px, as the network sees it"
    )
    optimiser: Literal["sgd", "adamw"] = Field(default="adamw", description="optimiser")
    learning_rate: float = Field(default=3e-4, gt=0, le=10, description="at the start")
    final_learning_rate: float = Field(default=3e-6, ge=0, le=10, description="at the end")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(default=1e-2, ge=0, le=1, description="weight decay")
    freeze_batch_norm: bool = Field(
        default=True,
        description="keep the encoder's batch-norm statistics, which belong to the start weights; "
        "random weights have none",
    )
    temperature: float = Field(default=0.07, gt=0, le=10, description="of the contrastive loss")
    start_share: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="share of the start weights in the result, an average of them and the learnt "
        "ones: keeps what ImageNet taught; random weights have none",
    )
    crop_area_min: float = Field(
        default=0.2, gt=0, le=1, description="smallest share of the patch's area in a view"
    )
    jitter: float = Field(
        default=0.4, ge=0, lt=1, description="brightness, contrast and saturation jitter"
    )
    hue_jitter: float = Field(default=0.1, ge=0, le=0.5, description="hue jitter, colour only")
    jitter_probability: float = Field(default=0.8, ge=0, le=1, description="of a view's jitter")
    grey_probability: float = Field(default=0.2, ge=0, le=1, description="of dropping the colour")
    blur_probability: float = Field(default=0.5, ge=0, le=1, description="of a Gaussian blur")
    projection_hidden: int = Field(default=2048, ge=2, description="width of the projection head")
    projection_out: int = Field(default=128, ge=2, description="length of an embedding")
    queue: int = Field(
        default=65_536,
        ge=2,
        le=2**22,
        description="mocov2, densecl: keys remembered as negatives, at most one per patch",
    )
    key_momentum: float = Field(
        default=0.999, ge=0, lt=1, description="mocov2, densecl: how slowly the copy follows"
    )
    dense_weight: float = Field(
        default=0.5, ge=0, le=1, description="densecl: share of the dense loss"
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
        "quick": {},
        "paper": {
            "encoder": "resnet50",
            "epochs": 50,
            "minutes": None,
            "batch_size": 128,
            "view_size": 224,
            "optimiser": "sgd",
            "learning_rate": 0.1,
            "final_learning_rate": 1e-4,
            "weight_decay": 1e-6,
            "freeze_batch_norm": False,
            "jitter": 0.1,
            "hue_jitter": 0.0,
            "start_share": 0.0,
            "normalisation": {"kind": "imagenet"},
        },
    }

    published: ClassVar[dict[str, dict[str, Any]]] = {
        name: {
            "batch_size": 256,
            "learning_rate": 0.03,
            "final_learning_rate": 0.0,
            "weight_decay": 1e-4,
            "jitter": 0.4,
            "hue_jitter": 0.1,
        }
        for name in ("mocov2", "densecl")
    }
    """What the preset "paper" differs in for other methods: their own published settings."""

    former: ClassVar[dict[str, str]] = {"init": "is called weights now"}

    _names_a_network = field_validator("encoder")(check_names_a_network)

    @classmethod
    def _of_preset(cls, preset: object, values: dict[str, Any]) -> dict[str, Any]:
        method = str(values.get("method"))
        named = dict(super()._of_preset(preset, values))
        if preset == "paper":
            named |= cls.published.get(method, {})
        if method in cls.published:
            named["temperature"] = 0.2
        return named

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        check_end(self.epochs, self.minutes)
        return self

    @model_validator(mode="after")
    def _rate_falls(self) -> Self:
        if self.final_learning_rate > self.learning_rate:
            raise ValueError("final_learning_rate is above learning_rate")
        return self
