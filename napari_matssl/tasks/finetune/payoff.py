"""What each further painted image gains: the score on left-out images, by images learnt from."""

from collections.abc import Generator, Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import nn

from napari_matssl.errors import OutOfMemoryError
from napari_matssl.labels.payoff import Payoff, PayoffPoint
from napari_matssl.learn.crops import PreparedImage
from napari_matssl.learn.device import Compute, seeded
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.pixel_classifier import PixelHeads
from napari_matssl.learn.pixel_features import Known, look_at_strokes
from napari_matssl.learn.pixel_fit import solve
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.progress import Control, Progress
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.finetune.held_out import HeldOutFigures, as_new, is_over, unseen
from napari_matssl.tasks.finetune.initial_network import Beginning
from napari_matssl.tasks.finetune.origins import (
    by_origin,
    choose_left_out,
    count_origins,
    of_other_origin,
    origins_of,
)
from napari_matssl.tasks.finetune.planning import Plan

_LEARNT = 100  # painted pixels of each class in an image that a classifier learns from
_ITERATIONS = 30  # scores are the same as after 60
_SUBSETS, _LAST_SUBSETS = 2, 3  # of each size; of all others but one
_SHARE = 0.04  # of a training's time
_FEWEST = 3  # images that are looked at however long it takes
_DOING = "measuring what images gain"

Steps = Generator[Progress, Control | None, Payoff | None]


def measure_payoff(
    plan: Plan,
    begun: Beginning,
    held_out: HeldOutFigures | None,
    compute: Compute,
    budget: Budget | None = None,
) -> Steps:
    """Score the instant classifier on left-out images, learnt from more and more of the others.

    Up to eight painted images are left out in turn. A class that the images learnt from don't show
    counts as not found, if others show it: that is what painting them is for.

    Parameters
    ----------
    plan
        Of the model.
    begun
        The network before its first step.
    held_out
        What :func:`~napari_matssl.tasks.finetune.held_out.leave_out` has brought before.
    budget
        Of a training, of which this takes a small share: fewer images are left out then.

    Returns
    -------
    None if images of fewer than two origins are painted, if time or memory don't suffice, if STOP
    was sent, or if the encoder to begin with has seen the images and no other is at hand.
    """
    chosen = choose_left_out(plan.data, len(plan.card.classes))
    if count_origins(plan.data.painted, chosen) < 2 or not _has_start_weights(plan):
        return None
    begin = 0.0 if budget is None else budget.elapsed
    try:
        with device_errors(_DOING):
            measured = _Measurement(plan, begun, held_out, compute)
        for number, place in enumerate(chosen):
            if (yield Progress(_DOING, number, 2 * len(chosen))) is Control.STOP:
                return None
            if number >= _FEWEST and is_over(plan, budget, begin, _SHARE / 2):
                break
            with device_errors(_DOING):
                measured.look(place)
        chosen = measured.places
        if count_origins(plan.data.painted, chosen) < 2:  # the time has ended before another
            return None
        for number, left_out in enumerate(chosen):
            done = len(chosen) + number
            if (yield Progress(_DOING, done, 2 * len(chosen))) is Control.STOP:
                return None
            if is_over(plan, budget, begin, _SHARE):
                break
            with device_errors(_DOING):
                measured.leave_out(left_out)
    except OutOfMemoryError as error:  # these figures alone must not cost the model
        message = f"{error} What more images gain stays unknown."
        yield Progress(_DOING, 1, 1, message=message)
        return None
    return measured.payoff()


def _has_start_weights(plan: Plan) -> bool:
    """Whether there is an encoder that has not seen the images."""
    return _is_fresh(plan) or plan.card.encoder == FinetuneSettings().encoder


def _is_fresh(plan: Plan) -> bool:
    """Whether the encoder that training begins with has not seen the images."""
    places = range(len(plan.data.painted))
    return plan.start is None and len(unseen(plan, places)) == len(places)


class _Measurement:
    """Scores by left-out image and by the number of images learnt from.

    Attributes
    ----------
    places
        Of the images that were looked at.
    """

    def __init__(
        self,
        plan: Plan,
        begun: Beginning,
        held_out: HeldOutFigures | None,
        compute: Compute,
    ) -> None:
        self._plan, self._compute = plan, compute
        self.places: list[int] = []
        self._pixels = begun.pixels
        self._encoder = _encoder(plan, begun, compute)
        fresh = _is_fresh(plan)  # else, these features are of an encoder that has learnt
        self._known = dict(begun.known) if fresh else {}
        self._as_new = {} if held_out is None or not fresh else held_out.as_new
        classes = len(plan.card.classes)
        with seeded(0):  # their weights are not used
            self._heads = PixelHeads(self._encoder.out_channels, classes)  # type: ignore[arg-type]
        compute.place(self._heads).eval()
        self._scores: dict[object, list[Mapping[int, float]]] = {}  # by origin

    def look(self, place: int) -> None:
        """Look at one of the painted images, to be left out in turn and learnt from."""
        if place not in self._known:
            self._known[place] = self._look_at(self._plan.data.images[place])
        self.places.append(place)

    def leave_out(self, left_out: int) -> None:
        """Score one image by classifiers that learn from some or all of the others."""
        others = self._others(left_out)
        known = {n: self._known[n].thinned(_LEARNT) for n in others}
        seen = self._look_as_new(left_out, others)
        everything = _classes([*known.values()])
        counted = [channel for channel in _classes([seen]) if channel in everything]
        if not counted:
            return
        found: dict[int, list[float]] = {}
        random = np.random.default_rng((self._plan.settings.seed, left_out))
        painted = self._plan.data.painted
        images = by_origin([painted[n] for n in others])
        for subset in _subsets(images, random):
            parts = [known[others[n]] for image in subset for n in image]
            found.setdefault(len(subset), []).append(self._score(parts, seen, counted))
        scores = {size: float(np.mean(one)) for size, one in found.items()}
        self._scores.setdefault(origins_of(painted)[left_out], []).append(scores)

    def _others(self, left_out: int) -> list[int]:
        """Return the places to learn from: those of its origin are left out with an image."""
        return of_other_origin(self._plan.data.painted, self.places, left_out)

    def payoff(self) -> Payoff | None:
        """Bring the scores together; None of fewer than two images.

        Those of one origin are one image, and their mean is one observation.
        """
        if len(self._scores) < 2:
            return None
        each = [_mean_by_size(scores) for scores in self._scores.values()]
        points = []
        for size in each[0]:
            mean, error = _mean([scores[size] for scores in each])
            points.append(PayoffPoint(images=size, score=mean, error=error))
        most = points[-1].images
        painted = len(by_origin(self._plan.data.painted))
        result = Payoff(painted=painted, left_out=len(each), points=tuple(points))
        if most == 1:
            return result
        gain, error = _mean([scores[most] - scores[most - 1] for scores in each])
        return result.model_copy(update={"gain": gain, "gain_error": error})

    def _score(self, known: Sequence[Known], seen: Known, counted: Sequence[int]) -> float:
        """Return the share of pixels that are found right, mean of the classes, %."""
        classes = len(self._plan.card.classes)
        taught = _classes(known)
        logits = torch.full((len(seen.truth), classes), -torch.inf)
        if len(taught) > 1:
            solution = solve(known, classes, iterations=_ITERATIONS)
            logits[:, taught] = solution.logits(seen.painted)[:, taught]
        else:
            logits[:, taught] = 0
        right = logits.max(dim=1).indices == seen.truth
        shares = [float(right[seen.truth == channel].float().mean()) for channel in counted]
        return 100 * float(np.mean(shares))

    def _look_as_new(self, left_out: int, others: Sequence[int]) -> Known:
        """Look at an image as if it were new, unless that was done."""
        if left_out in self._as_new:
            return self._as_new[left_out]
        images = self._plan.data.images
        pixels = [self._pixels[n] for n in others]
        new = as_new(self._plan, left_out, [images[n] for n in others], pixels)
        return self._known[left_out] if new is images[left_out] else self._look_at(new)

    def _look_at(self, image: PreparedImage) -> Known:
        return look_at_strokes(self._encoder, self._heads, image, self._compute)


def _encoder(plan: Plan, begun: Beginning, compute: Compute) -> nn.Module:
    """Return an encoder that has not learnt from the images."""
    if _is_fresh(plan):
        return begun.looking()
    encoder = build_encoder(plan.card.encoder)
    load_start_weights(encoder, plan.card.encoder, FinetuneSettings().weights)
    return compute.place_to_segment(encoder.eval())


def _classes(known: Sequence[Known]) -> list[int]:
    """List the channels that are painted."""
    return [int(one) for one in torch.unique(torch.cat([one.truth for one in known]))]


def _subsets(
    images: Sequence[Sequence[int]], random: np.random.Generator
) -> list[tuple[Sequence[int], ...]]:
    """Draw some subsets of one image, of half of all, of all but one, and of all."""
    drawn: list[tuple[Sequence[int], ...]] = []
    most = len(images)
    for size in sorted({1, max(1, round(most / 2)), max(1, most - 1), most}):
        wanted = _LAST_SUBSETS if size == most - 1 else _SUBSETS
        possible = list(combinations(images, size))
        picked = random.permutation(len(possible))[:wanted]
        drawn += [possible[n] for n in picked]
    return drawn


def _mean_by_size(scores: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return the mean score by the number of images learnt from."""
    return {size: float(np.mean([one[size] for one in scores])) for size in scores[0]}


def _mean(figures: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error."""
    return float(np.mean(figures)), float(np.std(figures, ddof=1) / len(figures) ** 0.5)
