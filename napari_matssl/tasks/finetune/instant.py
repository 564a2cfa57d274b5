"""Fit the pixel classifier: the instant way of fine-tuning."""

import logging
from collections.abc import Callable, Sequence

from napari_matssl.errors import ComputeError, InputError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.inference import segment
from napari_matssl.learn.metrics import Scores
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.pixel_fit import fit
from napari_matssl.learn.segmenter import Segmenter, adopt
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, Preview, Progress, drain
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.evaluate import evaluate
from napari_matssl.tasks.finetune.planning import describe, prepare_all
from napari_matssl.tasks.finetune.strata import choose_strata, find_unbroken_strata

log = logging.getLogger(__name__)

_DOING = "fine-tuning"


def fit_pixel_classifier(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    validation: Sequence[PaintedMicrograph] = (),
    start: Segmenter | None = None,
    on_view: Callable[[], Micrograph | None] | None = None,
) -> Job[tuple[Segmenter, Scores | None]]:
    """Fit a pixel classifier to painted micrographs, within seconds.

    Parameters as of :func:`~napari_matssl.tasks.finetune.finetune`. Of `start`, the encoder is
    taken. Budgets don't apply: the best weights are found in one go.
    """
    compute = choose_compute(settings.device)
    yield Progress("preparing", 0, 1, message=f"Device: {compute.describe()}")
    card = describe(painted, table, settings, start)
    images = prepare_all(painted, settings, card)
    network = PixelClassifier(card.encoder, len(table))
    if start is not None:
        adopt(network, table, start)
        origin = f"went on from a model ({start.card.start})"
    else:
        origin = load_start_weights(network.encoder, card.encoder, settings.weights)
    compute.place(network).eval()
    yield Progress(_DOING, 0, 2)
    with device_errors("fitting"):
        fit(network.encoder, network.heads, images, compute, settings.seed)
    card = card.model_copy(update={"start": origin})
    if not card.densely_painted and choose_strata(painted, settings) != "any":
        unbroken = yield from find_unbroken_strata(network, card, painted, compute)
        card = card.model_copy(update={"unbroken": unbroken})
    yield Progress(_DOING, 1, 2)
    scores = None
    if validation:
        segmenter = Segmenter(network, card)
        used = PredictSettings(device=settings.device)
        evaluation = yield from evaluate(segmenter, validation, used)
        if len(evaluation.images) == len(validation):  # not stopped on the way
            scores = evaluation.scores
            card = card.model_copy(update={"metrics": {"val_miou": scores.miou or 0.0}})
    seen = on_view() if on_view is not None else None
    if seen is not None:
        yield Progress(_DOING, 2, 2, preview=_preview(network, card, seen, compute))
    return Segmenter(network.cpu().eval(), card), scores


def _preview(
    network: PixelClassifier, card: ModelCard, micrograph: Micrograph, compute: Compute
) -> Preview | None:
    """Show what a fitted classifier makes of an image; None where the image is of no use.

    Somebody only looks at it: that it can't be segmented must not cost the classifier.
    """
    try:
        found = drain(segment(network, card, micrograph, compute, PredictSettings()))
    except (InputError, ComputeError) as error:
        log.info("no preview of %s", micrograph.name, exc_info=error)
        return None
    assert found is not None  # nobody sends STOP into this job
    return Preview(micrograph.name, 0, 0, found.mask)
