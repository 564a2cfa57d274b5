"""The job: write a model for other programs, and check what was written."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_matssl.errors import OutputError, StoppedError
from napari_matssl.files import atomic_write
from napari_matssl.learn.exported_network import OPENERS, ExportedNetwork
from napari_matssl.learn.portable import WRITERS, check_onnx
from napari_matssl.learn.portable_facts import input_channels, portable_facts
from napari_matssl.learn.segmenter import Segmenter, read_segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.tasks.exchanging.credits import Credits, check_credits
from napari_matssl.tasks.exporting.check_images import images_to_check
from napari_matssl.tasks.exporting.checking import STOPPED, Agreement, compare
from napari_matssl.tasks.exporting.free import check_free
from napari_matssl.tasks.exporting.package import add_model, write_package
from napari_matssl.tasks.exporting.package_description import ONNX, TORCHSCRIPT
from napari_matssl.tasks.exporting.preprocessing import standardises
from napari_matssl.tasks.exporting.sample import Sample, check_reproduced, sample_of
from napari_matssl.tasks.provenance import identify_model

Format = Literal["onnx", "torchscript", "bioimageio"]

NOBODY = Credits()

_IN_A_PACKAGE = {"onnx": ONNX, "torchscript": TORCHSCRIPT}


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
    credits: Credits = NOBODY,
) -> Job[ExportedModel]:
    """Write a model for other programs; only what agrees with the model takes its place.

    Parameters
    ----------
    model
        File of the model.
    form
        What is written. A package of bioimage.io holds both other formats and the model itself.
    out
        Where.
    images
        Files to check it on; see
        :func:`~napari_matssl.tasks.exporting.check_images.images_to_check`. A part of the first one
        is the test image of a package.
    overwrite
        Whether a file that is there may be replaced.
    credits
        Who made the model, for a package.

    Raises
    ------
    ModelFileError, SettingsError
        If the model can't be read, a package is missing, or authors or licence are.
    InputError
        If an image can't be used.
    OutputError
        If the file is there already, or can't be written.
    StoppedError
        If the job was sent STOP; nothing is written then.
    ComputeError
        If the network can't be expressed in the format, or the file doesn't agree with the model.
    """
    _check(model, form, out, overwrite, credits)
    yield from _step("reading", 0)
    segmenter = read_segmenter(model)
    facts = portable_facts(segmenter.card, model.name, identify_model(model, segmenter.card).sha256)
    words, micrographs = images_to_check(model, segmenter.card, images)
    yield from _step("exporting", 0)
    with atomic_write(out) as temporary:
        if form == "bioimageio":
            sample = sample_of(segmenter, next(images_to_check(model, segmenter.card, images)[1]))
            yield from _step("exporting", 0, _shown_in_words(sample))
            with tempfile.TemporaryDirectory(prefix="napari-matssl-") as folder:
                plain = Path(folder) / ONNX
                agreement = yield from _single("onnx", plain, segmenter, facts, micrographs, words)
                parts = Path(folder) / "package"
                _write_networks(parts, plain, segmenter, facts, sample)
                add_model(parts, model, segmenter)
                write_package(temporary, parts, segmenter.card, facts, sample, credits)
        else:
            agreement = yield from _single(form, temporary, segmenter, facts, micrographs, words)
    return ExportedModel(out, agreement)


def _check(model: Path, form: Format, out: Path, overwrite: bool, credits: Credits) -> None:
    """Check all that can be checked before the model is read.

    Raises
    ------
    SettingsError
        If a package is missing, or authors or licence are.
    OutputError
        If the file can't be written.
    """
    check_free(out, overwrite, model)
    if form != "torchscript":
        check_onnx()
    if form != "bioimageio":
        return
    check_credits(credits)
    if out.suffix.lower() != ".zip":
        raise OutputError(
            f"A package is a zip archive, which {out.name} isn't by its name.",
            f"Call it {out.stem}.zip.",
        )


def _single(
    form: str,
    path: Path,
    segmenter: Segmenter,
    facts: Mapping[str, Any],
    micrographs: Iterable[Micrograph],
    words: str,
) -> Job[Agreement]:
    """Write a single file, and compare it with the model.

    Nothing holds the file open afterwards: Windows replaces none that is.
    """
    WRITERS[form](path, segmenter, facts)
    yield from _step("exporting", 1)
    return (yield from compare(segmenter, _opened(form, path, segmenter), micrographs, words))


def _write_networks(
    folder: Path, plain: Path, segmenter: Segmenter, facts: Mapping[str, Any], sample: Sample
) -> None:
    """Write the networks of a package, of which one is there unless it has to standardise."""
    folder.mkdir()
    itself = standardises(segmenter.card)
    if itself:
        WRITERS["onnx"](folder / ONNX, segmenter, facts, itself)
    else:
        plain.replace(folder / ONNX)
    WRITERS["torchscript"](folder / TORCHSCRIPT, segmenter, facts, itself)
    for form, name in _IN_A_PACKAGE.items():
        network = _opened(form, folder / name, segmenter)
        check_reproduced(sample, segmenter.card, network.probabilities, form)


def _opened(form: str, file: Path, segmenter: Segmenter) -> ExportedNetwork:
    return OPENERS[form](file, input_channels(segmenter.card), segmenter.network)


def _shown_in_words(sample: Sample) -> str:
    height, width = sample.stored.shape[2:]
    return f"The package shows {width} x {height} px of {sample.name}, as its test image and cover."


def _step(stage: str, done: int, message: str = "") -> Job[None]:
    """Show a step of the work, and end where that is wanted.

    Raises
    ------
    StoppedError
        If STOP was sent.
    """
    if (yield Progress(stage, done, 1, message=message)) is Control.STOP:
        raise StoppedError(STOPPED)
