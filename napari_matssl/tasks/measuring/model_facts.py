"""The models that made masks: found, identified, and described for a report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_matssl.errors import InputError, ModelFileError, SettingsError
from napari_matssl.labels.held_out import HeldOut
from napari_matssl.labels.provenance import Provenance
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.project.own_folder import RECORD_FILE
from napari_matssl.project.record import read_record
from napari_matssl.report.contents import ModelFacts
from napari_matssl.tasks.provenance import identify_model


@dataclass(frozen=True)
class FoundModel:
    """A model that masks name.

    Parameters
    ----------
    name
        Of its file, as it is called now.
    sha256
        As the masks name it; empty where they don't.
    path, card
        None where the file wasn't found.
    """

    name: str
    sha256: str
    path: Path | None = None
    card: ModelCard | None = None

    def facts(self) -> ModelFacts:
        """Describe it for a report."""
        if self.card is None:
            return ModelFacts(self.name, self.sha256)
        return ModelFacts(self.name, self.sha256, card_lines(self.card), _sentence(self))


def find_models(
    origins: Iterable[Provenance | None], own: Path | None, given: Path | None = None
) -> tuple[FoundModel, ...]:
    """Find the models that masks name.

    Parameters
    ----------
    origins
        Of the masks.
    own
        A project's own folder, whose models are looked at; None if there is none.
    given
        A model file that the user says is the masks'.

    Raises
    ------
    SettingsError
        If the file given made none of the masks.
    ModelFileError
        If it can't be read.
    """
    named = dict.fromkeys(
        (one.model, one.model_sha256, one.model_created)
        for one in origins
        if one is not None and (one.model or one.model_sha256)
    )
    found = [_find(*one, own, given) for one in named]
    if given is not None and not any(one.path == given for one in found):
        read_card(given, "segmenter")
        names = ", ".join(dict.fromkeys(one.name for one in found)) or "none"
        raise SettingsError(
            f"{given} made none of the masks; the model that they name: {names}.",
            "Give the model that made them, or none.",
            settings="model",
        )
    return tuple(found)


def _find(name: str, sha256: str, created: str, own: Path | None, given: Path | None) -> FoundModel:
    """Look for a model's file; another one of the same name isn't it."""
    now = name
    candidates = [] if given is None else [given]
    if own is not None and name:
        now = read_record(own / RECORD_FILE).model(name, created).file
        candidates.append(own / "models" / now)
    for path in candidates:
        try:
            card = read_card(path, "segmenter")
            identity = identify_model(path, card)
        except (ModelFileError, InputError):
            if path == given:
                raise
            continue
        if identity.sha256 == sha256 if sha256 else card.created == created:
            return FoundModel(path.name, identity.sha256, path, card)
    return FoundModel(now, sha256)


def card_lines(card: ModelCard) -> tuple[tuple[str, str], ...]:
    """Describe a model in lines of plain text, by their names."""
    size = card.pixel_size_um
    lines = [
        ("Classes", ", ".join(card.classes.names)),
        ("Trained on", f"{_images(len(card.training_images))}{_painted(card)}"),
        ("Images", ", ".join(image.name for image in card.training_images)),
        ("Training ended", card.created),
        ("Network", f"{card.architecture}, encoder {card.encoder}"),
        ("Start weights", card.start),
        ("Pixel size", "not calibrated" if size is None else f"{size:.4g} µm"),
    ]
    miou = card.metrics.get("val_miou")
    if miou is not None:
        lines.append(("Score on validation images", f"mIoU {miou:.3f} (mean over classes)"))
    if card.held_out is not None:
        lines += _held_out_lines(card.held_out)
    elif miou is None:
        lines.append(("Held out", "no image was held out of training: the model has no score"))
    lines.append(("Version", f"napari-matssl {card.package_version}"))
    return tuple((name, text) for name, text in lines if text)


def _held_out_lines(held_out: HeldOut) -> list[tuple[str, str]]:
    """Describe what was found in held-out images: of all classes, then of each."""
    who = ", by the instant classifier in place of the network" if held_out.stand_in else ""
    right = held_out.right_in_words()
    lines = [("Held out", ": ".join(filter(None, (f"{held_out.in_words()}{who}", right))))]
    total = held_out.counts.sum(axis=0)
    for k, name in enumerate(held_out.classes):
        truth, found, both = (int(n) for n in (total[k].sum(), total[:, k].sum(), total[k, k]))
        if truth:
            iou = both / (truth + found - both)
            lines.append(
                (
                    f"Held out, {name}",
                    f"{100 * both / truth:.1f} % of {truth:,} labelled pixels found, "
                    f"IoU {iou:.3f}, in {_images(int(np.count_nonzero(_rows(held_out, k))))}",
                )
            )
    return lines


def _rows(held_out: HeldOut, k: int) -> Sequence[int]:
    """Return the labelled pixels of a class in each held-out image."""
    return [int(n) for n in held_out.counts[:, k].sum(axis=1)]


def _images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"


def _painted(card: ModelCard) -> str:
    if card.painted_share is None:
        return ""
    return f", {100 * card.painted_share:.3g} % of their pixels painted"


_NETWORKS = {
    "unet++": "a U-Net++",
    "guided-unet++": "a U-Net++ guided by a pixel classifier",
    "segformer": "a SegFormer",
    "cs-unet": "a CS-UNet (a Swin-T beside the encoder)",
    "pixel-classifier": "a linear pixel classifier on feature maps",
}


def _sentence(model: FoundModel) -> str:
    """Describe how a model was made, for the paragraph on methods."""
    card = model.card
    assert card is not None
    *most, last = card.classes.names
    classes = f"{', '.join(most)} and {last}" if most else last
    count = len(card.training_images)
    painted = ""
    if card.painted_share is not None:
        painted = f" of which {100 * card.painted_share:.3g} % of the pixels were painted by hand"
    trained = f" It was trained on {_images(count)}{painted}." if count else ""
    score = ""
    if card.held_out is not None and (right := card.held_out.right_in_words()):
        who = "the instant classifier" if card.held_out.stand_in else "it"
        score = f" In {card.held_out.in_words()}, {who} found {right}."
    network = _NETWORKS.get(card.architecture, f"a network ({card.architecture})")
    return (
        f"They were segmented into {classes} by {network} with the encoder {card.encoder} (start "
        f"weights: {card.start}; model {model.name}, SHA-256 {model.sha256[:12]}…).{trained}{score}"
    )
