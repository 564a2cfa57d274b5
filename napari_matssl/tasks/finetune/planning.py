"""What every way of fine-tuning begins with: the model's card and the prepared micrographs."""

from collections.abc import Sequence

from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.meaning import settled
from napari_matssl.labels.painted import PaintedMicrograph, check_taught, painted_share
from napari_matssl.labels.unbroken import find_unbroken
from napari_matssl.learn.card import DENSE, ModelCard
from napari_matssl.learn.crops import PreparedImage, prepare
from napari_matssl.learn.magnification import automatic_scale, common_pixel_size, magnification
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.settings import Architecture, FinetuneSettings
from napari_matssl.tasks.finetune.strata import choose_strata
from napari_matssl.tasks.inputs import fingerprint


def outline(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    architecture: Architecture,
) -> ModelCard:
    """Say how the model to be sees images; what only a file needs, such as hashes, is left out."""
    micrographs = [p.micrograph for p in painted]
    return ModelCard(
        kind="segmenter",
        encoder=settings.encoder,
        architecture=architecture,
        channels="rgb" if any(m.is_rgb for m in micrographs) else "grey",
        normalisation=settings.normalisation,
        classes=table,
        unlabelled=settled(settings.unlabelled, table),
        pixel_size_um=common_pixel_size(micrographs),
        scale=settings.scale or automatic_scale(micrographs),
    )


def describe(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    start: Segmenter | None,
) -> ModelCard:
    """Describe the model to be; one that goes on from another sees images as that one did.

    Raises
    ------
    InputError
        If nothing or a single class is painted.
    """
    unlabelled = settled(settings.unlabelled, table)
    check_taught(painted, table, unlabelled)
    share = painted_share(painted, unlabelled)
    automatic: Architecture = "unet++" if share >= DENSE else "guided-unet++"
    architecture = automatic if settings.architecture == "auto" else settings.architecture
    has_strata = share >= DENSE and choose_strata(painted, settings) != "any"
    unbroken = find_unbroken([one.specimen_labels for one in painted] if has_strata else [], table)
    card = outline(painted, table, settings, architecture).model_copy(
        update={
            "painted_share": share,
            "unbroken": unbroken,
            "settings": settings.model_dump(mode="json"),
            "training_images": tuple(fingerprint(p.micrograph) for p in painted),
        }
    )
    if start is None:
        return card
    kept = ["encoder", "channels", "normalisation", "pixel_size_um", "scale"]
    if "pixel-classifier" not in (settings.architecture, start.card.architecture):
        kept.append("architecture")
    return card.model_copy(update={name: getattr(start.card, name) for name in kept})


def prepare_all(
    painted: Sequence[PaintedMicrograph], settings: FinetuneSettings, card: ModelCard
) -> list[PreparedImage]:
    """Bring painted micrographs to what the network of this card sees.

    Raises
    ------
    InputError
        If an image or label can't be used.
    """
    assert card.classes is not None
    table = card.classes
    used = settings.model_copy(update={"normalisation": card.normalisation})
    return [
        prepare(p, table, used, magnification(card, p.micrograph), card.channels) for p in painted
    ]
