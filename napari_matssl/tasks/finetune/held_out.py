"""What a model gets wrong on images that it hasn't learnt from."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import OutOfMemoryError
from napari_matssl.labels.held_out import MOST_IMAGES, HeldOut, HeldOutImage
from napari_matssl.labels.painted import PaintedMicrograph, painted_share
from napari_matssl.learn.card import DENSE, ModelCard
from napari_matssl.learn.crops import PreparedImage, prepare
from napari_matssl.learn.device import Compute, seeded
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.grey_fitting import KnownPixels
from napari_matssl.learn.grey_scale import fit_scaling, reference_of
from napari_matssl.learn.metrics import confusion_matrix
from napari_matssl.learn.pixel_classifier import PixelHeads
from napari_matssl.learn.pixel_features import Known, look_at_strokes
from napari_matssl.learn.pixel_fit import (
    PIXELS,
    Looked,
    counted_frequencies,
    fit_to,
    look_to_fit,
    score,
)
from napari_matssl.learn.remembering_encoder import RememberingEncoder
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.temperature import fit_temperature
from napari_matssl.progress import Control, Progress
from napari_matssl.tasks.finetune.origins import (
    MOST_LEFT_OUT,
    by_origin,
    choose_left_out,
    count_origins,
    of_other_origin,
    origins_of,
)
from napari_matssl.tasks.finetune.planning import Plan

_LEARNT = 700  # painted pixels of each class that a fit takes of one in eight images
_LEAST = 100  # where there are more images
_ANYWHERE = 8000  # pixels from all over one in eight
_SAMPLED = 2000  # pixels of an image to which a temperature is fitted

_SHARE = 0.05  # of a training's time
_UNKNOWN = "The model's own error stays unknown."

Floats = NDArray[np.float32]


@dataclass
class Sample:
    """Held-out pixels to which a temperature is fitted, some from each image."""

    _probabilities: list[Floats] = field(default_factory=list)
    _truth: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, probabilities: Floats, truth: NDArray[np.uint8]) -> None:
        """Take pixels of an image: ``(n, K)``, and ``(n,)`` index of the true class."""
        chosen = np.linspace(0, len(truth) - 1, min(len(truth), _SAMPLED)).astype(np.intp)
        self._probabilities.append(probabilities[chosen])
        self._truth.append(truth[chosen])

    @property
    def temperature(self) -> float:
        """The temperature under which the true classes are most likely; 1 without any pixel."""
        truth = np.concatenate(self._truth) if self._truth else np.empty(0, np.uint8)
        if not len(truth):
            return 1.0
        return fit_temperature(np.concatenate(self._probabilities), truth)


@dataclass(frozen=True)
class HeldOutFigures:
    """What held-out images show of a model.

    Parameters
    ----------
    confusion
        Labelled pixels by truth and by what was found.
    temperature
        Of the model's probabilities; 1 where they weren't seen.
    as_new
        Features of strokes in images that were left out, by their places.
    """

    confusion: HeldOut
    temperature: float = 1.0
    as_new: Mapping[int, Known] = field(default_factory=dict)

    def added_to(self, card: ModelCard) -> ModelCard:
        """Return a card with these figures."""
        added = {"held_out": self.confusion, "temperature": self.temperature}
        return card.model_copy(update=added)


def leave_out(
    plan: Plan, encoder: RememberingEncoder, compute: Compute, budget: Budget | None = None
) -> Generator[Progress, Control | None, HeldOutFigures | None]:
    """Leave one painted image out in turn; classify it by heads that are fitted to the others.

    An instant model is corrected by what they mistake, so these heads learn from all others, as its
    own do. Heads that stand in for a network learn from those that are left out in turn alone.
    Others of its origin are left out with it, and count as one image with it. The left-out image
    gets the grey scale that a new image would get. A class that no other image shows can't be
    known, and isn't counted. Images that a model to begin with has seen are not left out, nor are
    others of their origin.

    Parameters
    ----------
    plan
        Of the model.
    encoder
        Before it is trained.
    budget
        Of a training, of which this takes a small share: fewer images are left out then.

    Returns
    -------
    None if images of fewer than two origins are painted, if there are two validation images of two
    origins, which show more, or if STOP was sent.
    """
    data, card = plan.data, plan.card
    chosen = choose_left_out(data, len(card.classes))
    validating = [one.painted for one in data.validation]
    if count_origins(data.painted, chosen) < 2 or len(by_origin(validating)) > 1:
        return None
    new = unseen(plan, chosen)
    confusions, sample = dict[int, NDArray[np.int64]](), Sample()
    seen = dict[int, Known]()
    begin = 0.0 if budget is None else budget.elapsed
    try:
        looked = yield from _look(plan, encoder, compute, chosen)
    except OutOfMemoryError as error:  # these figures alone must not cost the model
        yield Progress("leaving images out", 1, 1, message=f"{error} {_UNKNOWN}")
        return None
    if looked is None:
        return None
    for number, left_out in enumerate(new):
        if is_over(plan, budget, begin, _SHARE):
            break
        if (yield Progress("leaving images out", number, len(new))) is Control.STOP:
            return None
        others = of_other_origin(data.painted, [*looked], left_out)
        try:
            with device_errors("leaving images out"):
                found = _classify(plan, encoder, {n: looked[n] for n in others}, left_out, compute)
        except OutOfMemoryError as error:
            yield Progress("leaving images out", 1, 1, message=f"{error} {_UNKNOWN}")
            return None
        if found is not None and len(found.truth):
            channels = found.probabilities.argmax(axis=1)
            confusion = confusion_matrix(found.truth, channels, range(len(card.classes)))
            confusions[left_out] = confusion
            sample.add(found.probabilities, found.truth)
            seen[left_out] = found.seen
    if not confusions:
        return None
    images = _images([data.painted[n] for n in confusions], [*confusions.values()])
    stand_in = card.architecture != "pixel-classifier"
    held_out = HeldOut(
        source="left-out",
        stand_in=stand_in,
        boundaries=card.densely_painted,
        classes=card.classes.names,
        images=images,
    )
    return HeldOutFigures(held_out, 1.0 if stand_in else sample.temperature, seen)


def is_over(plan: Plan, budget: Budget | None, begin: float, share: float) -> bool:
    """Whether what began at a second of the budget has taken its share of a training's minutes."""
    minutes = plan.settings.minutes
    if budget is None or minutes is None:
        return False
    return budget.elapsed - begin > share * 60 * minutes


def from_validation(
    painted: Sequence[PaintedMicrograph],
    confusions: Sequence[NDArray[np.int64]],
    sample: Sample,
    card: ModelCard,
) -> HeldOutFigures:
    """Describe what a model has found in validation images.

    Parameters
    ----------
    painted
        Those images.
    confusions
        Of each, ``(K, K)`` pixels: rows truth, columns what was found.
    sample
        Of their pixels.
    """
    held_out = HeldOut(
        source="validation",
        boundaries=painted_share(painted, card.unlabelled) >= DENSE,
        classes=card.classes.names,
        images=_images(painted, confusions),
    )
    return HeldOutFigures(held_out, sample.temperature)


@dataclass(frozen=True)
class _Classified:
    """What was found in an image that was left out.

    Parameters
    ----------
    truth
        Index of the true class ``(n,)`` of the pixels whose class the others show.
    probabilities
        ``(n, K)`` of these pixels.
    seen
        Features of the image's strokes.
    """

    truth: NDArray[np.uint8]
    probabilities: Floats
    seen: Known


def _look(
    plan: Plan, encoder: RememberingEncoder, compute: Compute, chosen: Sequence[int]
) -> Generator[Progress, Control | None, dict[int, Looked] | None]:
    """Look once at each image to learn from; None after STOP.

    Of many, fewer pixels each: neighbours tell next to nothing new, but a fit takes time in
    proportion.
    """
    images, card = plan.data.images, plan.card
    alone = card.architecture == "pixel-classifier"
    places = [n for n in range(len(images)) if n in chosen or alone]
    share = min(1.0, MOST_LEFT_OUT / len(places))
    most = PIXELS if card.densely_painted else _LEARNT
    pixels, anywhere = max(_LEAST, round(share * most)), round(share * _ANYWHERE)
    heads = _heads(plan, encoder, compute)
    looked = dict[int, Looked]()
    for number, n in enumerate(places):
        if (yield Progress("looking at painted images", number, len(places))) is Control.STOP:
            return None
        with device_errors("leaving images out"):
            random = np.random.default_rng((plan.settings.seed, n))
            looked[n] = look_to_fit(encoder, heads, images[n], compute, random, pixels, anywhere)
    return looked


def _heads(plan: Plan, encoder: RememberingEncoder, compute: Compute) -> PixelHeads:
    with seeded(plan.settings.seed):
        heads = PixelHeads(encoder.out_channels, len(plan.card.classes))
    compute.place(heads).eval()
    return heads


def _classify(
    plan: Plan,
    encoder: RememberingEncoder,
    looked: Mapping[int, Looked],
    left_out: int,
    compute: Compute,
) -> _Classified | None:
    """Classify painted pixels of an image by heads that are fitted to others, by their places.

    None if the others show a single class.
    """
    classes = len(plan.card.classes)
    others = [plan.data.images[n] for n in looked]
    known = [c for c in range(classes) if any((one.targets == c).any() for one in others)]
    if len(known) < 2:
        return None
    heads = _heads(plan, encoder, compute)
    fitted = fit_to(heads, [*looked.values()], counted_frequencies(others, classes))
    image = as_new(plan, left_out, others, fitted.pixels)
    probabilities = score(encoder, heads, image, compute).float().softmax(dim=0).cpu().numpy()
    usable = np.isin(image.targets, known)
    seen = look_at_strokes(encoder, heads, image, compute)
    return _Classified(image.targets[usable], probabilities[:, usable].T, seen)


def as_new(
    plan: Plan, left_out: int, others: Sequence[PreparedImage], pixels: Sequence[KnownPixels]
) -> PreparedImage:
    """Prepare a painted image as if it were new: matched to others.

    Parameters
    ----------
    left_out
        Its place.
    others, pixels
        The images that it is matched to, and what is known of each.
    """
    card, scale = plan.card, plan.data.scale
    if scale is None or card.grey_reference is not None:
        return plan.data.images[left_out]
    reference = reference_of(others, pixels, scale, plan.settings.exposure == "same")
    painted = plan.data.painted[left_out]
    matched = card.model_copy(update={"grey_reference": reference})
    return prepare(painted, fit_scaling(painted.micrograph, matched).scaling, card)


def unseen(plan: Plan, places: Sequence[int]) -> list[int]:
    """Return the places of images of which nothing was learnt before, nor of their origins."""
    if not plan.learnt:
        return [*places]
    painted = plan.data.painted
    origins = origins_of(painted)
    pairs = zip(painted, origins, strict=True)
    seen = {origin for one, origin in pairs if plan.learnt.hold(one.micrograph)}
    return [n for n in places if origins[n] not in seen]


def _images(
    painted: Sequence[PaintedMicrograph], confusions: Sequence[NDArray[np.int64]]
) -> tuple[HeldOutImage, ...]:
    """Add up the confusions of one origin, which is one observation."""
    images = []
    for places in by_origin(painted)[:MOST_IMAGES]:
        counts = np.sum([confusions[n] for n in places], axis=0)
        name = painted[places[0]].micrograph.origin_name
        images.append(HeldOutImage(name=name, counts=tuple(map(tuple, counts.tolist()))))
    return tuple(images)
