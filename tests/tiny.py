"""Settings of trainings that take seconds: a tiny network that learns from nothing."""

from typing import Any

from napari_matssl.settings import FinetuneSettings, PretrainSettings

TINY = "test_efficientnet"


def pretraining(**values: Any) -> PretrainSettings:
    """Two epochs on patches of 64 px, in batches of four."""
    given = {
        "encoder": TINY,
        "weights": "random",
        "epochs": 2,
        "minutes": None,
        "batch_size": 4,
        "patch_size": 64,
        "view_size": 64,
        "projection_hidden": 32,
        "projection_out": 16,
        "device": "cpu",
    }
    return PretrainSettings(**{**given, **values})


def finetuning(**values: Any) -> FinetuneSettings:
    """Two epochs on crops of 64 px, in batches of four."""
    given = {
        "encoder": TINY,
        "weights": "random",
        "epochs": 2,
        "minutes": None,
        "crop_size": 64,
        "batch_size": 4,
        "device": "cpu",
    }
    return FinetuneSettings(**{**given, **values})


def instant(**values: Any) -> FinetuneSettings:
    """A pixel classifier."""
    given = {"encoder": TINY, "weights": "random", "device": "cpu"}
    return FinetuneSettings.make({"preset": "instant", **given, **values})
