"""Settings of the long jobs: bounds, help texts, presets and files.

The command line and the panels build their options from these fields, so both make equal
settings. Presets are plain sets of values that differ from the defaults.
"""

from napari_matssl.settings.acceptance import LimitSettings, RecipeSettings
from napari_matssl.settings.base import Settings
from napari_matssl.settings.cleaning import ClassSizes, Cleaning, Size
from napari_matssl.settings.cluster import ClusterSettings
from napari_matssl.settings.finetuning import Architecture, Exposure, FinetuneSettings
from napari_matssl.settings.grains import GrainSettings
from napari_matssl.settings.intensity_scaling import IntensityScalingSettings
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.settings.prediction import PredictSettings
from napari_matssl.settings.pretraining import Method, PretrainSettings

__all__ = [
    "Architecture",
    "ClassSizes",
    "Cleaning",
    "ClusterSettings",
    "Exposure",
    "FinetuneSettings",
    "GrainSettings",
    "IntensityScalingSettings",
    "LimitSettings",
    "MeasureSettings",
    "Method",
    "PredictSettings",
    "PretrainSettings",
    "RecipeSettings",
    "Settings",
    "Size",
]
