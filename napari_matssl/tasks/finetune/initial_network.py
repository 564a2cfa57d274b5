"""The network before its first step: its start weights, and the classifier fitted to the labels."""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from napari_matssl.labels.payoff import Payoff
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import PreparedImage
from napari_matssl.learn.cs_unet import CsUnet
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.grey_fitting import KnownPixels
from napari_matssl.learn.grey_reference import GreyReference
from napari_matssl.learn.grey_scale import labelled_pixels, reference_of
from napari_matssl.learn.guided_unet import GuidedUnetPlusPlus
from napari_matssl.learn.networks import StartingPart, build_network, starting_parts
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.pixel_features import Known
from napari_matssl.learn.pixel_fit import Fitted, classify, fit
from napari_matssl.learn.remembering_encoder import RememberingEncoder
from napari_matssl.learn.segmenter import adopt, shared_classes
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.tasks.finetune.origins import choose_left_out
from napari_matssl.tasks.finetune.planning import Plan


@dataclass(frozen=True)
class Beginning:
    """A network that can be trained, or that is all of an instant model.

    Parameters
    ----------
    network
        On its device.
    encoder
        The network's as it begins; None once it learns.
    images
        What to learn from; with pseudo-labels of the classifier where they are wanted.
    frequencies
        How frequent the classifier takes each class to be ``(K,)``; None without a classifier.
    origin
        Where the encoder's weights came from.
    grey_reference
        What images are matched to; None where each has its own grey scale.
    pixels
        Of each image, what the grey reference was fitted to.
    known
        What the classifier learnt from, of the images that are left out in turn, by their places.
    payoff
        What each further painted image gained; None as long as that is unknown.
    """

    network: nn.Module
    encoder: RememberingEncoder | None
    images: tuple[PreparedImage, ...]
    frequencies: Tensor | None
    origin: str
    grey_reference: GreyReference | None
    pixels: tuple[KnownPixels, ...]
    known: Mapping[int, Known]
    payoff: Payoff | None = None

    def looking(self) -> RememberingEncoder:
        """Return the encoder as it began."""
        assert self.encoder is not None, "the network has begun to learn"
        return self.encoder

    def card(self, plan: Plan) -> ModelCard:
        """Return the card of the plan with what the beginning adds."""
        added = {
            "start": self.origin,
            "grey_reference": self.grey_reference,
            "payoff": self.payoff,
        }
        return plan.card.model_copy(update=added)


def begin(plan: Plan, compute: Compute) -> Beginning:
    """Build the network, give it its start weights, and fit its pixel heads if it has any.

    Raises
    ------
    SettingsError, WeightsError, ModelFileError
        If the encoder or its weights can't be had.
    ComputeError
        If memory doesn't suffice.
    """
    card, start = plan.card, plan.start
    network = build_network(card.encoder, len(card.classes), plan.settings.seed, card.architecture)
    if start is not None:
        adopt(network, card.classes, start)
        origin = f"went on from a model ({start.card.start})"
    else:
        origin = "; Swin: ".join(_load(network, part) for part in starting_parts(plan.settings))
        if isinstance(network, CsUnet) and plan.settings.transformer_weights != "random":
            network.start_decoder()
    network = compute.place(network).eval()
    encoder = RememberingEncoder(compute.place_to_segment(network.get_submodule("encoder")))
    images, frequencies, known = plan.data.images, None, dict[int, Known]()
    if isinstance(network, PixelClassifier | GuidedUnetPlusPlus):
        with device_errors("fitting"):
            fitted = _fit_heads(network, encoder, plan, compute)
            frequencies, pixels = compute.move(fitted.frequencies), fitted.pixels
            known = dict(fitted.known)
            if isinstance(network, GuidedUnetPlusPlus) and plan.settings.pseudo_label_weight > 0:
                images = _propose(network, encoder, plan, compute)
    else:
        pixels = labelled_pixels(images, len(card.classes), plan.settings.seed)
    reference = _reference(plan, pixels)
    return Beginning(network, encoder, images, frequencies, origin, reference, pixels, known)


def _load(network: nn.Module, part: StartingPart) -> str:
    """Load the start weights of a part; return where they came from."""
    with part.blamed():
        return load_start_weights(network.get_submodule(part.attribute), part.encoder, part.weights)


def _fit_heads(
    network: PixelClassifier | GuidedUnetPlusPlus,
    encoder: nn.Module,
    plan: Plan,
    compute: Compute,
) -> Fitted:
    """Fit the pixel heads.

    What a guided model that is gone on from has learnt is a correction to its own heads, which
    therefore stay for its classes.
    """
    shared: Collection[int] = ()
    guided = isinstance(network, GuidedUnetPlusPlus)
    if guided and plan.start is not None and plan.start.card.architecture == "guided-unet++":
        shared = shared_classes(plan.card.classes, plan.start)
    seed = plan.settings.seed
    give_back = choose_left_out(plan.data, len(plan.card.classes))
    return fit(encoder, network.heads, plan.data.images, compute, seed, shared, give_back)


def _reference(plan: Plan, pixels: Sequence[KnownPixels]) -> GreyReference | None:
    """Fit the grey reference, if the images have a common scale."""
    scale = plan.data.scale
    if scale is None:
        return None
    return reference_of(plan.data.images, pixels, scale, plan.settings.exposure == "same")


def _propose(
    network: GuidedUnetPlusPlus, encoder: nn.Module, plan: Plan, compute: Compute
) -> tuple[PreparedImage, ...]:
    """Classify unpainted pixels with the pixel heads, to propose pseudo-labels.

    They are fitted to what is painted now: those of a model that is gone on from hold the very
    errors that new strokes are there to correct.
    """
    heads, images = network.heads, plan.data.images
    if plan.start is not None:
        heads = copy.deepcopy(heads)
        fit(encoder, heads, images, compute, plan.settings.seed)
    return tuple(replace(one, proposed=classify(encoder, heads, one, compute)) for one in images)
