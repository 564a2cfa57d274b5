"""The plan of a fine-tuning, made before its first step."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.names import few
from napari_matssl.labels.painted import PaintedMicrograph, check_taught, painted_share
from napari_matssl.labels.unbroken import find_unbroken
from napari_matssl.labels.value_meaning import settled
from napari_matssl.learn.card import DENSE, ModelCard, TrainingImage
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.magnification import (
    automatic_scale,
    common_pixel_size,
    warn_of_magnification,
)
from napari_matssl.learn.networks import is_of_one_kind, starting_parts
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.shipped_weights import weights_path
from napari_matssl.learn.tensorfile import is_pickle
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.strata import Strata, find_strata
from napari_matssl.settings import Architecture, FinetuneSettings
from napari_matssl.settings.training import NO_FILES
from napari_matssl.tasks.finetune.origins import by_origin
from napari_matssl.tasks.finetune.training_set import TrainingSet, scan
from napari_matssl.tasks.learnt_images import LearntImages

_DROPOUT = 0.2
"""For full labels; strokes gain nothing by it (benchmarks/NOTES.md)."""

OnView = Callable[[], Micrograph | None]
"""Returns the micrograph in view."""


@dataclass(frozen=True)
class Plan:
    """The plan of a fine-tuning.

    Parameters
    ----------
    settings
        Recipe and budget.
    card
        Of the model to be, without its start and metrics.
    data
        What is learnt from and validated on.
    strata
        Which way strata lie that must keep their order.
    dropout
        Share of the encoder's channels that the decoder doesn't see in a step.
    start
        The segmenter to go on from; None begins with an encoder.
    learnt
        Images that this segmenter, or a model whose encoder training begins with, has learnt.
    on_view
        None if there is none.
    keep_early
        However early STOP comes, make a step and return a model.
    remark
        A line for the user; empty if there is nothing to tell.
    """

    settings: FinetuneSettings
    card: ModelCard
    data: TrainingSet
    strata: Strata
    dropout: float
    start: Segmenter | None = None
    learnt: LearntImages = field(default_factory=LearntImages)
    on_view: OnView | None = None
    keep_early: bool = False
    remark: str = ""


def make_plan(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    validation: Sequence[PaintedMicrograph] = (),
    start: Segmenter | None = None,
    on_view: OnView | None = None,
    keep_early: bool = False,
) -> Plan:
    """Scan the labels, prepare the images, and plan the training.

    Parameters as of :func:`~napari_matssl.tasks.finetune.job.finetune`.

    Raises
    ------
    InputError
        If nothing or a single class is painted, an image or label can't be used, or an image to
        validate on was learnt by the model to begin with.
    """
    remark, learnt = "", _learnt_before(settings, start)
    if not validation and settings.val_fraction > 0:
        painted, validation, remark = _divide(painted, table, settings, learnt)
    _check_apart(painted, validation)
    _check_new(validation, learnt)
    check_taught(painted, table, settled(settings.unlabelled, table))
    strata = choose_strata(painted, settings)
    card = _describe(painted, table, settings, start, strata, learnt)
    dropout = _DROPOUT if card.densely_painted else 0.0
    if settings.dropout is not None:
        dropout = settings.dropout
    if card.architecture != "pixel-classifier":
        decided = {"architecture": card.architecture, "strata": strata, "dropout": dropout}
        card = card.model_copy(update={"settings": {**card.settings, **decided}})
    exposure = settings.exposure if start is None else "own"
    data = scan(painted, validation, card, exposure)
    odd = [warn_of_magnification(one.micrograph, card) for one in validation]
    remark = " ".join(filter(None, (remark, *odd)))
    return Plan(settings, card, data, strata, dropout, start, learnt, on_view, keep_early, remark)


def outline(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    architecture: Architecture,
) -> ModelCard:
    """Make the card of the model, without what only its file needs, such as hashes."""
    micrographs = [p.micrograph for p in painted]
    return ModelCard(
        encoder=settings.encoder,
        architecture=architecture,
        channels="rgb" if any(m.is_rgb for m in micrographs) else "grey",
        intensity_scaling=settings.intensity_scaling,
        classes=table,
        unlabelled=settled(settings.unlabelled, table),
        pixel_size_um=common_pixel_size(micrographs),
        scale=settings.scale or automatic_scale(micrographs),
    )


def choose_strata(painted: Sequence[PaintedMicrograph], settings: FinetuneSettings) -> Strata:
    """Return the direction of strata from the settings, or from the images."""
    if settings.strata != "auto":
        return settings.strata
    return find_strata([one.micrograph for one in painted])


def _describe(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    start: Segmenter | None,
    strata: Strata,
    learnt: LearntImages,
) -> ModelCard:
    """Describe the model to be; one that goes on from another sees images as that one did."""
    own = tuple(learnt.identify(p.micrograph) for p in painted)
    share = painted_share(painted, settled(settings.unlabelled, table))
    automatic: Architecture = "unet++" if share >= DENSE else "guided-unet++"
    architecture = automatic if settings.architecture == "auto" else settings.architecture
    layered = painted if share >= DENSE and strata != "any" else ()
    card = outline(painted, table, settings, architecture).model_copy(
        update={
            "painted_share": share,
            "unbroken": find_unbroken([one.specimen_labels for one in layered], table),
            "settings": settings.model_dump(mode="json"),
            "training_images": own,
            "earlier_images": tuple(
                one for one in learnt.images if not any(one.is_of(mine) for mine in own)
            ),
        }
    )
    if start is None:
        return card
    kept = ["encoder", "channels", "intensity_scaling", "pixel_size_um", "scale", "grey_reference"]
    if "pixel-classifier" not in (settings.architecture, start.card.architecture):
        _check_same_kind(settings, start.card.architecture)
        kept.append("architecture")
    return card.model_copy(update={name: getattr(start.card, name) for name in kept})


def _learnt_before(settings: FinetuneSettings, start: Segmenter | None) -> LearntImages:
    """List what the model to go on from, or one whose encoder is taken, has learnt with labels.

    Raises
    ------
    ModelFileError
        If a file of weights is damaged.
    """
    if start is not None:
        return LearntImages(start.card.learnt_images)
    found = list[TrainingImage]()
    for part in starting_parts(settings):
        path = weights_path(part.weights)
        if part.weights in NO_FILES or not path.exists():
            continue
        with part.blamed():
            card = None if is_pickle(path) else read_card(path)  # published ones name no images
        if isinstance(card, ModelCard):
            found += card.learnt_images
    return LearntImages(found)


def _check_same_kind(settings: FinetuneSettings, start: Architecture) -> None:
    """Refuse a network for which the model to go on from has no decoder.

    Raises
    ------
    SettingsError
        If the settings name one.
    """
    wanted = settings.architecture
    if wanted != "auto" and not is_of_one_kind(wanted, start):
        raise SettingsError(
            f"The model to go on from is a {start}, not a {wanted}.",
            f"Leave the network to the model, or begin with an encoder to train a {wanted}.",
            settings="architecture",
        )


def _check_apart(
    painted: Sequence[PaintedMicrograph], validation: Sequence[PaintedMicrograph]
) -> None:
    """Refuse to validate on a copy of what is learnt from: figures would be too good."""
    learnt = {one.micrograph.pixels_sha256: one.micrograph.name for one in painted}
    pairs = [(one.micrograph.name, learnt.get(one.micrograph.pixels_sha256)) for one in validation]
    if copies := [f"{name} ({like})" for name, like in pairs if like is not None]:
        raise InputError(
            f"Images to validate on are also there to learn from: {few(copies, 8)}.",
            "Take them out of one of the two.",
        )


def _check_new(validation: Sequence[PaintedMicrograph], learnt: LearntImages) -> None:
    """Refuse to validate on what the model to begin with has learnt: figures would be too good."""
    known = [one.micrograph.name for one in validation if learnt.hold(one.micrograph)]
    if known:
        raise InputError(
            f"The model that training begins with has learnt {few(known, 8)}, or other pages or "
            "parts of the same, which show nothing of how well it does on new images.",
            "Validate on other images, or begin with an encoder that has learnt no labels.",
            settings="val_fraction",
        )


def _divide(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    learnt: LearntImages,
) -> tuple[list[PaintedMicrograph], list[PaintedMicrograph], str]:
    """Hold out whole images for validation, at least one; none that was learnt before.

    Parts of one panorama, and pages of one file, are one image. An image that alone shows a class
    stays, for a model that never learnt a class would find none of it. The last value returned is a
    line where fewer are held out for that.
    """
    images = by_origin(painted)
    if len(images) < 2:
        raise InputError(
            "A single painted image can't be divided into training and validation.",
            "Paint another image, or keep none apart for validation.",
            settings="val_fraction",
        )
    order = np.random.default_rng(settings.seed).permutation(len(images))
    new = [n for n in order if not any(learnt.hold(painted[one].micrograph) for one in images[n])]
    if not new:
        raise InputError(
            "The model that training begins with has learnt all painted images, or other pages or "
            "parts of them, so none can be kept apart for validation.",
            "Paint another image, keep none apart, or begin with an encoder that has learnt no "
            "labels.",
            settings="val_fraction",
        )
    shown = [_classes_of([painted[one] for one in places], table, settings) for places in images]
    count = min(max(1, round(settings.val_fraction * len(images))), len(images) - 1)
    chosen, taught = list[int](), Counter(one for classes in shown for one in classes)
    for n in new:
        if len(chosen) < count and all(taught[one] > 1 for one in shown[n]):
            chosen.append(n)
            taught.subtract(shown[n])
    if not chosen:
        names = {one.id: one.name for one in table.classes}
        alone = dict.fromkeys(names[i] for n in new for i in sorted(shown[n]) if taught[i] == 1)
        raise InputError(
            "No painted image can be kept apart for validation: each alone shows a class, of "
            f"{few([*alone], 8)}, which the model couldn't learn then.",
            "Paint these on another image, or keep none apart for validation.",
            settings="val_fraction",
        )
    held = {one for n in chosen for one in images[n]}
    kept = [painted[n] for n in range(len(painted)) if n not in held]
    remark = ""
    if len(chosen) < min(count, len(new)):
        remark = (
            f"Only {len(chosen)} of {count} images are kept apart for validation: the others alone "
            "show a class, and are learnt from."
        )
    return kept, [painted[n] for n in sorted(held)], remark


def _classes_of(
    painted: Sequence[PaintedMicrograph], table: ClassTable, settings: FinetuneSettings
) -> set[int]:
    """Return the ids of the classes that are painted on images."""
    ids = {*table.ids} - {settled(settings.unlabelled, table)}
    return {value for one in painted for value in one.counts if value in ids}
