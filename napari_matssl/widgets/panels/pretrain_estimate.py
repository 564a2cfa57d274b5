"""Estimates of the data and the time of a pretraining."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from napari_matssl.errors import MatSSLError
from napari_matssl.learn.card_files import read_card
from napari_matssl.micrograph.patch_grid import count_patches
from napari_matssl.settings import PretrainSettings
from napari_matssl.widgets.jobs.job_time import duration

SECONDS_PER_MPX = {"tf_efficientnet_lite0": 0.75, "resnet50": 4.3}
"""Seconds to learn from a million px of views on 2 CPU cores, for a first guess of the time.

EfficientNet-Lite0's are for views of 128 px; at 224 px it takes twice as long.
"""

GAINS = {
    "coatings": (0.8, 0.1, 0.2),
    "steels": (-4.1, -1.2, 0.6, -0.6, 0.6, 0.5, 4.6, 1.4, 3.5),
    "generated images": (0.4, 1.4, 2.6, 0.6),
}
"""Points of mIoU against ImageNet's weights, a run each, by what was pretrained and painted on.

Ten minutes of one processor core on the user's own folder, then strokes on one or four images:
benchmarks/NOTES.md, "Does pretraining pay?" and "On a GPU".
"""


@dataclass(frozen=True)
class Speed:
    """Seconds per patch, and whether that was measured here or is a first guess."""

    seconds: float
    measured: bool


def estimate(
    sizes: Sequence[tuple[int, int]], settings: PretrainSettings, encoders: Sequence[Path]
) -> str:
    """Describe the number of patches, and the time of training on them.

    Parameters
    ----------
    sizes
        Height and width of each image's specimen, px.
    settings
        Recipe and budget.
    encoders
        Files of earlier runs, the newest first, with the speed.
    """
    images = len(sizes)
    patches = sum(count_patches(*size, settings.patch_size, settings.overlap) for size in sizes)
    text = (
        f"{images} image{'s' * (images != 1)} give{'s' * (images == 1)} "
        f"{patches:,} patch{'es' * (patches != 1)} of {settings.patch_size} px. "
    )
    speed = speed_of(encoders, settings)
    if speed is None:
        return f"{text}The first run shows how fast this encoder learns here."
    epoch = patches * speed.seconds
    basis = "by an earlier run" if speed.measured else "a first guess, for 2 processor cores"
    if settings.minutes is None:
        count = settings.epochs or 0  # minutes and epochs are never both unset
        epochs = f"{count} epoch{'s' * (count != 1)}"
        return f"{text}{epochs}: about {_roughly(count * epoch)} ({basis})."
    if not speed.measured:  # a guess ignores start-up and machine
        return f"{text}The first run shows how many epochs fit into {settings.minutes:g} min."
    passes = 60 * settings.minutes / epoch
    if settings.epochs is not None and settings.epochs < passes:
        passes = settings.epochs
        return f"{text}{passes} epochs: about {_roughly(passes * epoch)} ({basis})."
    return f"{text}{settings.minutes:g} min are about {float(f'{passes:.2g}'):,g} epochs ({basis})."


def expectation() -> str:
    """Describe what pretraining did where it was measured."""
    every = [gain for found in GAINS.values() for gain in found]
    gains = "; ".join(
        f"{kind} {', '.join(f'{gain:+.1f}' for gain in found)}" for kind, found in GAINS.items()
    )
    return (
        f"Where it was measured, fine-tuning from strokes changed by {fmean(every):+.1f} points of "
        f"mIoU on average against ImageNet's weights, in single runs by {min(every):+.1f} to "
        f"{max(every):+.1f}: {gains}."
    )


def speed_of(encoders: Sequence[Path], settings: PretrainSettings) -> Speed | None:
    """Estimate the speed of an encoder: by the first file of the same kind, or by a first guess."""
    for path in encoders:
        measured = _measured(path, settings)
        if measured is not None:
            return Speed(measured, True)
    guess = SECONDS_PER_MPX.get(settings.encoder)
    views = 2 * settings.view_size**2 / 1e6
    return None if guess is None else Speed(guess * views, False)


def _measured(path: Path, settings: PretrainSettings) -> float | None:
    """Seconds per patch of the run that made an encoder; None if it isn't comparable."""
    try:
        card = read_card(path)
    except MatSSLError:  # the pickers show the reason
        return None
    alike = ("encoder", "view_size", "device")
    if card.kind != "encoder" or any(
        card.settings.get(name) != getattr(settings, name) for name in alike
    ):
        return None
    patches, minutes = card.metrics.get("patches", 0), card.metrics.get("minutes", 0)
    return 60 * minutes / patches if min(patches, minutes) > 0 else None


def _roughly(seconds: float) -> str:
    """Format a time with no more digits than its accuracy."""
    if seconds < 60:
        return duration(float(f"{seconds:.1g}"))
    return duration(60 * round(float(f"{seconds / 60:.2g}")))
