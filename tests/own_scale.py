"""Images as a network sees them, each on its own grey scale."""

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import PreparedImage, prepare
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling


def prepare_by_itself(one: PaintedMicrograph, card: ModelCard) -> PreparedImage:
    """Prepare a painted micrograph by its own mean and spread."""
    own = fit_intensity_scaling(one.micrograph, card.intensity_scaling, card.channels)
    return prepare(one, own, card)
