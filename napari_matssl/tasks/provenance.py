"""Provenance of masks and tables."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from math import isclose
from pathlib import Path

from napari_matssl import __version__
from napari_matssl.errors import MatSSLError, printable
from napari_matssl.files import check_regular
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.provenance import (
    DOUBTFUL,
    UNLIKE,
    MaskFacts,
    Provenance,
    read_mask_facts,
)
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.micrograph.checksum import checksum_of
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.project.folder import Project
from napari_matssl.project.pixel_sizes import BY_HAND
from napari_matssl.settings import Cleaning, PredictSettings

OLDER_THAN_STROKES = "before the last strokes on it"
ANOTHER_BAR = "with another info bar than is set now"
ANOTHER_SIZE = "at another pixel size than is set now"
ANOTHER_MODEL = "by another model than the newest"
DOUBTFUL_MASK = "on an image that is doubtful by its grey values"
UNSURE_MASK = "by a model that is unsure of it"
"""Remarks on a mask."""

SAME_SIZE = 0.01
"""Relative difference of um/px that a model bears."""


@dataclass(frozen=True)
class ModelIdentity:
    """Identity of a model.

    Parameters
    ----------
    name
        Of its file; empty for one that was never written.
    sha256
        Checksum of the file.
    created
        When it was trained, ISO 8601.
    pixel_um
        At which um/px it works; None if pixel sizes don't matter to it.
    """

    name: str
    sha256: str
    created: str
    pixel_um: float | None = None


def identify_model(path: Path | None, card: ModelCard) -> ModelIdentity:
    """Identify the model in a file.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    if path is None:
        return ModelIdentity("", "", card.created, card.pixel_size_um)
    check_regular(path)
    return ModelIdentity(path.name, checksum_of(path), card.created, card.pixel_size_um)


def new_run() -> str:
    """Return a new name of a run, which sorts by its time: ``20261126-083012-3fa9``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def torch_version() -> str:
    """Return the version of PyTorch that is installed, without loading it."""
    return version("torch")


def state_provenance(
    micrograph: AnyMicrograph,
    model: ModelIdentity,
    settings: PredictSettings,
    classes: ClassTable,
    run: str,
    remarks: Iterable[str] = (),
    image_sha256: str = "",
) -> Provenance:
    """Return the provenance of a mask that is made now."""
    bar = micrograph.info_bar
    used = settings.model_dump(
        mode="json", exclude={"smallest_region", "largest_hole", "class_sizes"}
    )
    return Provenance(
        image=printable(micrograph.name),
        page=micrograph.page if micrograph.pages > 1 else None,
        image_sha256=image_sha256,
        model=printable(model.name),
        model_sha256=model.sha256,
        model_created=model.created,
        model_um=model.pixel_um,
        version=__version__,
        torch=torch_version(),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        run=run,
        settings=used,
        cleaning=cleaning_in_words(settings.cleaning, classes, micrograph.pixel_size),
        info_bar="" if bar is None else f"from row {bar.row} down ({bar.source})",
        remarks=tuple(printable(remark) for remark in remarks),
    )


def cleaning_in_words(cleaning: Cleaning, classes: ClassTable, size: PixelSize | None) -> str:
    """Describe how the mask of an image is cleaned; empty if it isn't."""
    names = {one.id: printable(one.name) for one in classes.classes}
    return cleaning.in_words(names, calibrated=size is not None)


def newest_model(project: Project) -> Path | None:
    """Return the model of a project that came last, no encoder and no damaged file; or None."""
    for path in project.models.files():
        try:
            read_card(path, "segmenter")
        except MatSSLError:
            continue
        return path
    return None


def mask_doubts(project: Project, names: Iterable[str] | None = None) -> dict[str, str]:
    """List the masks of a project that may be out of date or wrong, and why.

    Parameters
    ----------
    project
        The folder.
    names
        Of images; None takes all. Those without a mask are left out.

    Returns
    -------
    `ANOTHER_BAR`, `ANOTHER_SIZE`, `OLDER_THAN_STROKES`, `ANOTHER_MODEL`, `DOUBTFUL_MASK` or
    `UNSURE_MASK` by name: info bar or pixel size were set otherwise since, strokes were saved after
    the mask, or it was made by another model than the newest of the project, or its image is not
    like the painted ones, or the model is unsure of too much of it. Masks that don't name the model
    that made them go by the dates of the files. An info bar that is no longer set by hand isn't
    noticed without a model, a pixel size that no longer is isn't noticed at all.
    """
    newest = newest_model(project)
    created = "" if newest is None else read_card(newest).created
    doubts = {}
    for name in project.images.names if names is None else names:
        mask, strokes = project.masks.path(name), project.labels.path(name)
        if not mask.is_file():
            continue
        # The list of images asks in the window's thread: files are opened only where that tells.
        settings = project.micrographs.settings(name)
        size, is_set = settings.pixel_size, settings.info_bar != "auto"
        tells = is_set or size is not None or newest is not None
        facts = read_mask_facts(mask) if tells else MaskFacts()
        origin = facts.provenance
        if has_another_bar(project, name, origin):
            doubts[name] = ANOTHER_BAR
        elif size is not None and has_another_size(facts, size):
            doubts[name] = ANOTHER_SIZE
        elif strokes.is_file() and mask.stat().st_mtime_ns < strokes.stat().st_mtime_ns:
            doubts[name] = OLDER_THAN_STROKES
        elif newest is not None:
            if _by_another(mask, origin, newest, created):
                doubts[name] = ANOTHER_MODEL
            elif origin is not None and origin.light in (DOUBTFUL, UNLIKE):
                doubts[name] = DOUBTFUL_MASK
            elif origin is not None and origin.unsure:
                doubts[name] = UNSURE_MASK
    return doubts


def has_another_bar(project: Project, name: str, origin: Provenance | None) -> bool:
    """Whether a mask was made with another info bar than its image has now, as far as is known.

    Bars that are found are taken to be the same again.
    """
    if origin is None or not origin.written:
        return False
    row = project.micrographs.settings(name).info_bar
    if row == "auto":
        return origin.info_bar.endswith(f"({BY_HAND})")
    if row is None:
        return bool(origin.info_bar)
    return not origin.info_bar.startswith(f"from row {row} down")


def has_another_size(facts: MaskFacts, now: PixelSize | None) -> bool:
    """Whether the model would see the image of a mask at another magnification by now.

    Images without a pixel size are seen as if they had the model's.
    """
    origin = facts.provenance
    if origin is None or origin.model_um is None:
        return False
    then, today = (
        origin.model_um if size is None else size.mean_um for size in (facts.pixel_size, now)
    )
    return not isclose(then, today, rel_tol=SAME_SIZE)


def _by_another(mask: Path, origin: Provenance | None, newest: Path, created: str) -> bool:
    if origin is not None and origin.model_created:
        return origin.model_created != created
    return mask.stat().st_mtime_ns < newest.stat().st_mtime_ns
