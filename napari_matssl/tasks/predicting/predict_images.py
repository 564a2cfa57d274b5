"""What a run of predict does to each image, in this process or in one of a cluster."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.export.outputs import MASK_PNG, MASK_TIFF, UNFINISHED, Outputs
from napari_matssl.export.results import ImageFiles
from napari_matssl.labels.provenance import Provenance
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.segmenter import read_segmenter
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.progress import Job, Progress
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.batch import Prepared
from napari_matssl.tasks.predicting.kept_masks import kept_fractions, set_aside_edited
from napari_matssl.tasks.predicting.panoramas import (
    PanoramaPlace,
    SegmentedPanorama,
    without_neighbours,
)
from napari_matssl.tasks.predicting.predict_check import CheckedImage, Reading, check_image
from napari_matssl.tasks.predicting.segmenting import SegmentedMicrograph, SegmentingRun
from napari_matssl.tasks.provenance import ModelIdentity


@dataclass(frozen=True)
class PredictPlan:
    """What a run does to each image; it can be sent to other processes.

    Parameters
    ----------
    model
        File of the model; None: it has none.
    identity
        Of the model.
    out
        Folder of the results.
    settings, reading, outputs
        How images are segmented and read, and what is written.
    run
        Name of the run.
    missing
        Whether masks that are there already and would be the same are kept.
    """

    model: Path | None
    identity: ModelIdentity
    out: Path
    settings: PredictSettings
    reading: Reading
    outputs: Outputs
    run: str
    missing: bool


@dataclass(frozen=True)
class SegmentedImage:
    """One image that was segmented.

    Parameters
    ----------
    name
        The image's file name.
    mask
        Where the mask was written.
    seconds
        For reading, segmenting and writing; 0 if the mask was there already.
    phases
        Its area fractions.
    kept
        Whether the mask was there already.
    """

    name: str
    mask: Path
    seconds: float
    phases: tuple[PhaseFraction, ...]
    kept: bool = False


def checking(plan: PredictPlan, card: ModelCard) -> Prepared[Path, CheckedImage]:
    """Make ready to check images for a model."""
    files = ImageFiles(plan.out, card.classes, plan.outputs)

    def kept(image: AnyMicrograph) -> Sequence[PhaseFraction]:
        if isinstance(image, Panorama):  # always: it took hours
            settings, _ = without_neighbours(image, card, plan.settings)
            return kept_fractions(files, plan.identity, settings, image, MASK_TIFF)
        if not plan.missing:
            return ()
        return kept_fractions(files, plan.identity, plan.settings, image)

    return Prepared(partial(check_image, card, plan.out, plan.reading, plan.outputs, kept))


def segmenting(
    plan: PredictPlan, run: SegmentingRun, files: ImageFiles, begin: Callable[[], None]
) -> Prepared[CheckedImage, SegmentedImage]:
    """Make ready to segment images and to write their files.

    Parameters
    ----------
    begin
        Called before each image's files are written.
    """

    def segment(image: CheckedImage) -> Job[SegmentedImage | None]:
        began, written, told = time.monotonic(), list[PhaseFraction](), list[str]()

        def set_aside(ending: str) -> None:
            told.append(set_aside_edited(files.path(name, ending)))

        def write(segmented: SegmentedMicrograph, micrograph: Micrograph) -> None:
            begin()
            if plan.outputs.masks_png:
                set_aside(MASK_PNG)
            origin = segmented.facts.provenance
            if origin is not None:
                origin = origin.model_copy(update={"files": plan.outputs.endings})
            written.extend(files.write(micrograph, segmented.mask, origin, segmented.probabilities))

        def write_panorama(segmented: SegmentedPanorama, panorama: Panorama) -> None:
            begin()
            set_aside(MASK_TIFF)
            origin = segmented.facts.provenance or Provenance()
            origin = origin.model_copy(update={"files": (MASK_TIFF,)})
            rows = files.write_panorama(panorama, segmented.read, segmented.pixels, origin)
            written.extend(rows)
            segmented.mask.remove()

        name = image.path.name
        read = partial(plan.reading.read, image.path)
        growing = PanoramaPlace(files.path(name, UNFINISHED), write_panorama)
        if (yield from run.segment_one(name, read, write, image.remarks, growing)) is None:
            return None
        if line := "".join(told):
            yield Progress("segmenting", 1, 1, message=line)
        mask = files.path(name, MASK_TIFF if image.is_panorama else MASK_PNG)
        seconds = time.monotonic() - began
        return SegmentedImage(name, mask, seconds, tuple(written))

    return Prepared(segment)


def check_elsewhere(plan: PredictPlan) -> Prepared[Path, CheckedImage]:
    """Make ready to check images, in a process that has only the plan."""
    return checking(plan, read_card(_model_of(plan), kind="segmenter"))


def segment_elsewhere(plan: PredictPlan) -> Prepared[CheckedImage, SegmentedImage]:
    """Make ready to segment images, in a process that has only the plan.

    Raises
    ------
    InputError
        If the model's file is another one here.
    ModelFileError, DeviceError, ComputeError
        If it can't be used, or the device can't.
    """
    model, outputs = _model_of(plan), plan.outputs
    segmenter = read_segmenter(model)
    run = SegmentingRun(
        segmenter, model, plan.settings, probabilities=outputs.probabilities, run=plan.run
    )
    if run.identity.sha256 != plan.identity.sha256:
        raise InputError(f"{model} is not the model of the run: its content has changed.")
    files = ImageFiles(plan.out, segmenter.classes, outputs)
    return Prepared(segmenting(plan, run, files, lambda: None).do, run.begin())


def _model_of(plan: PredictPlan) -> Path:
    """Return the model's file, if this process sees what the plan names.

    Raises
    ------
    InputError
        If it doesn't.
    """
    assert plan.model is not None  # a model without file stays in its process
    for path in (plan.model, plan.out):
        if not path.exists():
            raise InputError(
                f"There is no {path} here.",
                "All machines have to see images, model and results under the same names.",
            )
    return plan.model
