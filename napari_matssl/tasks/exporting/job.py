"""The job: write a model for other programs, and check what was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_matssl.errors import StoppedError
from napari_matssl.files import atomic_write
from napari_matssl.learn.exported_network import OPENERS
from napari_matssl.learn.portable import WRITERS, check_onnx
from napari_matssl.learn.portable_facts import input_channels, portable_facts
from napari_matssl.learn.segmenter import read_segmenter
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.tasks.exporting.check_images import images_to_check
from napari_matssl.tasks.exporting.checking import STOPPED, Agreement, compare
from napari_matssl.tasks.exporting.free import check_free
from napari_matssl.tasks.provenance import identify_model

Format = Literal["onnx", "torchscript"]


@dataclass(frozen=True)
class ExportedModel:
    """A model that was written for other programs.

    Parameters
    ----------
    path
        Its file.
    agreement
        How far it agrees with the model.
    """

    path: Path
    agreement: Agreement


def export_model(
    model: Path,
    form: Format,
    out: Path,
    images: Sequence[Path] = (),
    overwrite: bool = False,
) -> Job[ExportedModel]:
    """Write a model for other programs; only what agrees with the model takes its place.

    Parameters
    ----------
    model
        File of the model.
    form
        What is written.
    out
        Where.
    images
        Files to check it on; see
        :func:`~napari_matssl.tasks.exporting.check_images.images_to_check`.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    ModelFileError, SettingsError
        If the model can't be read, or a package is missing.
    OutputError
        If the file is there already, or can't be written.
    StoppedError
        If the job was sent STOP; nothing is written then.
    ComputeError
        If the network can't be expressed in the format, or the file doesn't agree with the model.
    """
    check_free(out, overwrite)
    if form == "onnx":
        check_onnx()
    yield from _step("reading", 0)
    segmenter = read_segmenter(model)
    facts = portable_facts(segmenter.card, model.name, identify_model(model, segmenter.card).sha256)
    words, micrographs = images_to_check(model, segmenter.card, images)
    yield from _step("exporting", 0)
    with atomic_write(out) as temporary:
        WRITERS[form](temporary, segmenter, facts)
        yield from _step("exporting", 1)
        written = OPENERS[form](temporary, input_channels(segmenter.card), segmenter.network)
        agreement = yield from compare(segmenter, written, micrographs, words)
        del written  # Windows replaces no file that is open
    return ExportedModel(out, agreement)


def _step(stage: str, done: int) -> Job[None]:
    """Show a step of the work, and end where that is wanted.

    Raises
    ------
    StoppedError
        If STOP was sent.
    """
    if (yield Progress(stage, done, 1)) is Control.STOP:
        raise StoppedError(STOPPED)
