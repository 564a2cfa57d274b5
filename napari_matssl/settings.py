"""Settings of the long jobs: one place for bounds, help texts and the form on disk.

The command line and the panels build their options from these fields, so both make equal
settings. Presets are plain sets of values that differ from the defaults.
"""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from napari_matssl.errors import SettingsError
from napari_matssl.files import atomic_write

Architecture = Literal["residual-unet++", "unet++", "pixel-classifier"]
Method = Literal["matssl", "simclr", "mocov2", "densecl"]


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown fields, JSON on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    @classmethod
    def make(cls, given: dict[str, Any] | None = None, file: Path | None = None) -> Self:
        """Build settings from a settings file, then a preset, then single values.

        Parameters
        ----------
        given
            Values that were given one by one; None means "not given". A ``preset`` among them
            replaces what the preset names and leaves the rest. Epochs alone lift a limit of
            minutes and the other way round; given both, a job ends with the first.
        file
            A JSON file as :meth:`write` writes it; may hold only some of the fields.

        Raises
        ------
        SettingsError
            If a name is unknown, a value is out of bounds, or the file is unreadable.
        """
        chosen = {name: value for name, value in (given or {}).items() if value is not None}
        values = _read_json(file) if file is not None else {}
        _lift_other_limit(values, values)
        source = f"{file}: " if file is not None else ""
        preset = chosen.get("preset", None if file is not None else cls._default_preset())
        named = cls._of_preset(preset or values.get("preset"), {**values, **chosen})
        values = {**named, **values} if preset is None else {**values, **named, "preset": preset}
        _lift_other_limit(chosen, values)
        try:
            return cls.model_validate({**values, **chosen})
        except ValidationError as error:
            raise SettingsError(f"{source}{_explain(error)}", "See --help for bounds.") from error

    @classmethod
    def _of_preset(cls, preset: object, values: dict[str, Any]) -> dict[str, Any]:
        """Give what a preset names; `values` are the others, on which it may depend."""
        return cls.presets.get(str(preset), {})

    @classmethod
    def _default_preset(cls) -> str | None:
        field = cls.model_fields.get("preset")
        return None if field is None else str(field.default)

    def write(self, path: Path) -> None:
        """Write all values as JSON, atomically."""
        with atomic_write(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


class NormalisationSettings(Settings):
    """How grey values become what a network sees. Stored in the model card."""

    kind: Literal["standardise", "imagenet"] = Field(
        default="standardise",
        description="each image by its own mean and spread, or by ImageNet's constants",
    )
    low_percent: float = Field(
        default=0.1, ge=0, lt=50, description="percentile that becomes black before standardising"
    )
    high_percent: float = Field(
        default=99.9, gt=50, le=100, description="percentile that becomes white"
    )


def _has_an_end(settings: "PretrainSettings | FinetuneSettings") -> Any:
    if settings.epochs is None and settings.minutes is None:
        raise ValueError("give epochs or minutes")
    return settings


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
        default="tf_efficientnet_lite0", description="encoder network, by its smp or timm name"
    )
    init: str = Field(
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
    learning_rate: float = Field(default=0.02, gt=0, le=10, description="SGD, at the start")
    final_learning_rate: float = Field(default=1e-4, ge=0, le=10, description="SGD, at the end")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="SGD momentum")
    weight_decay: float = Field(default=1e-6, ge=0, le=1, description="SGD weight decay")
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
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 or mps")

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {},
        "paper": {
            "encoder": "resnet50",
            "epochs": 50,
            "minutes": None,
            "batch_size": 128,
            "view_size": 224,
            "learning_rate": 0.1,
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

    @classmethod
    def _of_preset(cls, preset: object, values: dict[str, Any]) -> dict[str, Any]:
        method = str(values.get("method"))
        named = dict(super()._of_preset(preset, values))
        if preset == "paper":
            named |= cls.published.get(method, {})
        if method in cls.published:
            named["temperature"] = 0.2
        return named

    _end = model_validator(mode="after")(_has_an_end)

    @model_validator(mode="after")
    def _rate_falls(self) -> Self:
        if self.final_learning_rate > self.learning_rate:
            raise ValueError("final_learning_rate is above learning_rate")
        return self


class FinetuneSettings(Settings):
    """Training of U-Net++ on painted micrographs (MatSSL, section 2, and our faster recipe)."""

    preset: Literal["interactive", "instant", "paper"] = Field(
        default="interactive",
        description="interactive: the best we measured within minutes; "
        "instant: a pixel classifier in seconds; "
        "paper: the published recipe, for dense labels and a GPU",
    )
    architecture: Architecture = Field(
        default="residual-unet++",
        description="pixel-classifier: linear, on the encoder as it is; residual-unet++: U-Net++ "
        "that corrects it; unet++: U-Net++ alone",
    )
    encoder_name: str = Field(
        default="tf_efficientnet_lite0", description="encoder network, by its smp or timm name"
    )
    encoder: str = Field(
        default="imagenet",
        description="start weights of the encoder: imagenet, micrographs (MatSSL from ImageNet, comes "
        "with the program), random, or a file of weights",
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
    layers: Literal["auto", "any", "rows", "columns"] = Field(
        default="auto",
        description="rows, columns: layers lie that way and keep their order while training, as in "
        "cross-sections; any: turns and flips every way; auto: found in the images",
    )
    zoom: float = Field(default=1.5, ge=1, le=4, description="largest zoom in or out of a crop")
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
        description="weight of unpainted pixels that the averaged model is sure of, for "
        "residual-unet++; 0: painted pixels alone",
    )
    confidence: float = Field(
        default=0.9, gt=0, le=1, description="how sure it has to be, as a probability"
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
    unlabelled: int | None = Field(
        default=0, ge=0, le=65_535, description="label value that means unpainted, or none"
    )
    normalisation: NormalisationSettings = NormalisationSettings()
    seed: int = Field(default=0, ge=0, le=2**40, description="of everything random")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 or mps")

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "interactive": {},
        "instant": {"architecture": "pixel-classifier"},
        "paper": {
            "architecture": "unet++",
            "layers": "any",
            "encoder_name": "resnet50",
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
            "freeze_batch_norm": False,
            "averaging": 0.0,
            "validations": 200,
            "normalisation": {"kind": "imagenet"},
        },
    }

    @field_validator("unlabelled", mode="before")
    @classmethod
    def _none_is_a_word(cls, value: Any) -> Any:
        return None if value == "none" else value

    _end = model_validator(mode="after")(_has_an_end)


class PredictSettings(Settings):
    """How a model is run over images."""

    tile: int = Field(
        default=1024, ge=32, le=16_384, description="side of the area done at once, in px"
    )
    tile_overlap: int = Field(
        default=256, ge=0, le=4096, description="px that a tile sees beyond its edges"
    )
    multiscale: bool = Field(
        default=True,
        description="look again at a 1.6 times larger magnification and average: better masks, "
        "three to four times as slow; instant models look once",
    )
    info_bar: Literal["auto", "none"] = Field(
        default="auto", description="leave a detected SEM info bar out, or take it as specimen"
    )
    smallest_region: int = Field(
        default=0,
        ge=0,
        description="regions of fewer px of the image go to the class around them; 0: all stay",
    )
    largest_hole: int = Field(
        default=0,
        ge=0,
        description="holes of up to so many px of the image take the class around them; "
        "0: all stay",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 or mps")


def _lift_other_limit(given: dict[str, Any], values: dict[str, Any]) -> None:
    """Epochs alone lift a limit of minutes, and the other way round."""
    if ("epochs" in given) != ("minutes" in given):
        values["minutes" if "epochs" in given else "epochs"] = None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SettingsError(
            f"Can't read the settings in {path} ({error}).", "Give a JSON file of settings."
        ) from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no settings.", "Give a JSON object of settings.")
    return values


def _explain(error: ValidationError) -> str:
    """Put pydantic's findings into one line: field, value, bound."""
    parts = []
    for finding in error.errors():
        field = ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "extra_forbidden":
            parts.append(f"there is no setting {field!r}")
        elif field:
            parts.append(f"{field} = {finding['input']!r}: {finding['msg'].lower()}")
        else:
            parts.append(finding["msg"].removeprefix("Value error, "))
    return "; ".join(parts) + "."
