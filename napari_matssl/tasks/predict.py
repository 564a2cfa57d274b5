"""Segment a list of images and write masks, overlays and phase fractions."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import tifffile

from napari_matssl.errors import (
    ComputeError,
    InputError,
    MatSSLError,
    OutputError,
    StoppedError,
    printable,
)
from napari_matssl.export.lettering import undrawable
from napari_matssl.export.run_tables import RunTables
from napari_matssl.files import atomic_write, check_writable, check_writable_folder
from napari_matssl.labels.provenance import Provenance
from napari_matssl.labels.tables import CLASSES_FILE
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.inference import Segmentation, segment
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.measure.cleaning import clean_mask
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.mask_text import KEY
from napari_matssl.progress import Job, Progress, Skipped, one_of_many
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.batch import left_out, memory_told, none_left
from napari_matssl.tasks.predict_check import (
    CheckedImage,
    Reading,
    check_images,
    check_names,
    check_space,
)
from napari_matssl.tasks.provenance import ModelIdentity, identify_model, new_run, state_provenance
from napari_matssl.tasks.report import MASK_PNG, OVERLAY, ExportOutputs, write_image

PROBABILITIES = "_probabilities.tif"


@dataclass(frozen=True)
class PredictOutputs:
    """What is written beside masks and tables."""

    overlay: bool = True
    probabilities: bool = False

    @property
    def endings(self) -> tuple[str, ...]:
        """What is added to an image's stem for the files that are written."""
        overlay = (OVERLAY,) if self.overlay else ()
        return (MASK_PNG, *overlay, *((PROBABILITIES,) if self.probabilities else ()))

    def bytes_per_pixel(self, classes: int) -> float:
        """Estimate how much is written per pixel of the images; noise hardly compresses."""
        return 0.05 + 1.0 * self.overlay + 0.1 * classes * self.probabilities


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
        For reading, segmenting and writing.
    phases
        Its area fractions.
    """

    name: str
    mask: Path
    seconds: float
    phases: tuple[PhaseFraction, ...]


@dataclass(frozen=True)
class PredictResult:
    """What became of the images.

    Parameters
    ----------
    images
        Those that were segmented.
    phases, summary
        The tables; None if they could not be written.
    skipped
        Those that were left out, and why.
    stopped
        The job was told to stop before all were done.
    failure
        What ended the job before all were done, or kept the tables from being written.
    """

    images: tuple[SegmentedImage, ...]
    phases: Path | None
    summary: Path | None
    skipped: tuple[Skipped, ...] = ()
    stopped: bool = False
    failure: MatSSLError | None = None


def predict(
    segmenter: Segmenter,
    paths: Sequence[Path],
    out: Path,
    settings: PredictSettings,
    outputs: PredictOutputs | None = None,
    model: Path | None = None,
    bar_row: int | None = None,
    page: int | None = None,
) -> Job[PredictResult]:
    """Segment images and write masks, overlays and tables of phase fractions.

    Every image is read and checked before the first is segmented. One that can't be used is left
    out and told; the tables hold what is done, whatever ends the job. Nothing is written, and no
    old result touched, before the first image is segmented.

    Parameters
    ----------
    segmenter
        From a model file.
    paths
        Image files, none of them in `out`.
    out
        Folder for ``<stem>_mask.png``, ``<stem>_overlay.png``, ``<stem>_probabilities.tif``,
        ``classes.json``, ``phases.csv`` and ``summary.csv``.
    outputs
        What to write beside masks and tables; overlays by default.
    model
        The file of `segmenter`, which masks and tables name.
    bar_row
        First row of the info bar of every image; None finds it, as `settings` want it.
    page
        Which image of files that hold several, from 1; None takes the only or first one.

    Yields
    ------
    A progress per tile; sent STOP, the job returns with the images that are done.

    Raises
    ------
    InputError
        If no image can be used, or two would give masks of one name.
    OutputError
        If `out` can't be written or is a folder of the images.
    DeviceError, ComputeError
        If the device isn't there, or its memory doesn't suffice for any image.
    StoppedError
        If it was stopped before the first image was done.
    """
    outputs = outputs or PredictOutputs()
    reading = Reading(settings, bar_row, page)
    check_names(paths, out)
    check_writable_folder(out)
    check_writable(out / CLASSES_FILE)
    compute = choose_compute(settings.device)
    begin = [begin_in_words(segmenter, compute, settings), RunTables(out).remark()]
    begin += [undrawable(segmenter.classes.names)] if outputs.overlay else []
    message = "\n".join(filter(None, begin))
    if (yield Progress("checking", 0, len(paths), message=message)) is not None:
        raise _nothing_done()
    batch = yield from check_images(segmenter, paths, out, reading, outputs.endings)
    if batch is None:
        raise _nothing_done()
    check_space(out, batch.images, outputs.bytes_per_pixel(len(segmenter.classes)))
    run = _Run(segmenter, out, outputs, reading, identify_model(model, segmenter.card))
    run.skipped.extend(batch.skipped)
    return (yield from run.segment_all(batch.images, compute))


@dataclass
class _Run:
    """One run over the images of a batch.

    Parameters as of :func:`predict`; `skipped` and `done` grow on the way.
    """

    segmenter: Segmenter
    out: Path
    outputs: PredictOutputs
    reading: Reading
    model: ModelIdentity
    skipped: list[Skipped] = field(default_factory=list)
    done: list[SegmentedImage] = field(default_factory=list)
    name: str = field(default_factory=new_run)

    def __post_init__(self) -> None:
        self._tables = RunTables(self.out)
        self._first: MatSSLError | None = None

    def segment_all(self, images: Sequence[CheckedImage], compute: Compute) -> Job[PredictResult]:
        """Segment the images and write the tables, whatever comes."""
        network = compute.place(self.segmenter.network.eval())
        prepared = replace(self.segmenter, network=network)
        stopped, failure = False, None
        try:
            for number, image in enumerate(images):
                job = self._segment(prepared, image, compute)
                found = yield from one_of_many(job, number, len(images), "segmenting")
                if found is None:
                    stopped = True
                    break
                if isinstance(found, Skipped):
                    self.skipped.append(found)
                    message = left_out(found)
                    yield Progress("segmenting", number + 1, len(images), message=message)
        except OutputError as error:
            failure = error
        except BaseException:  # also a second Ctrl-C, or a job that is closed
            if self.done:
                with contextlib.suppress(OutputError):
                    self._write_tables()
            raise
        if not self.done:
            self._tables.restore()
            raise failure or (_nothing_done() if stopped else none_left(self._first, len(images)))
        return (yield from self._finish(stopped, failure))

    def _finish(self, stopped: bool, failure: MatSSLError | None) -> Job[PredictResult]:
        paths: tuple[Path | None, Path | None] = (None, None)
        try:
            paths, remark = self._write_tables()
            if remark:
                yield Progress("segmenting", 1, 1, message=remark)
        except OutputError as error:
            failure = failure or error
        done, skipped = tuple(self.done), tuple(self.skipped)
        return PredictResult(done, *paths, skipped, stopped, failure)

    def _write_tables(self) -> tuple[tuple[Path, Path], str]:
        return self._tables.write([row for image in self.done for row in image.phases])

    def _segment(
        self, segmenter: Segmenter, image: CheckedImage, compute: Compute
    ) -> Job[SegmentedImage | Skipped | None]:
        """Segment one image and write its files; None after STOP."""
        begin = time.monotonic()
        settings, wanted = self.reading.settings, self.outputs.probabilities
        try:
            micrograph = self.reading.read(image.path)
            job = segment(segmenter.network, segmenter.card, micrograph, compute, settings, wanted)
            with memory_told(image.path.name):
                segmentation = yield from job
                if segmentation is None:
                    return None
                segmentation = _cleaned(segmentation, micrograph, segmenter, settings)
                phases = self._write(micrograph, segmentation, image)
        except (InputError, ComputeError) as error:
            error.__traceback__ = error.__cause__ = error.__context__ = None  # they hold the image
            self._first = self._first or error
            return Skipped(printable(image.path.name), str(error))
        mask = self.out / f"{image.path.stem}{MASK_PNG}"
        self.done.append(SegmentedImage(image.path.name, mask, time.monotonic() - begin, phases))
        return self.done[-1]

    def _write(
        self, micrograph: Micrograph, segmentation: Segmentation, image: CheckedImage
    ) -> tuple[PhaseFraction, ...]:
        if not self.done:
            self._tables.set_aside()
            self.segmenter.classes.write(self.out / CLASSES_FILE)
        settings = self.reading.settings
        classes = self.segmenter.classes
        origin = state_provenance(
            micrograph, self.model, settings, classes, self.name, image.remarks
        )
        files = ExportOutputs(masks_tiff=False, overlays=self.outputs.overlay)
        phases = write_image(self.out, micrograph, segmentation.mask, classes, files, origin)
        if segmentation.probabilities is not None:
            self._write_probabilities(segmentation, image.path, origin)
        return phases

    def _write_probabilities(
        self, segmentation: Segmentation, path: Path, origin: Provenance
    ) -> None:
        names = list(self.segmenter.classes.names)
        metadata = {"axes": "CYX", "classes": names, KEY: origin.model_dump(mode="json")}
        with atomic_write(self.out / f"{path.stem}{PROBABILITIES}") as temporary:
            tifffile.imwrite(
                temporary,
                segmentation.probabilities,
                compression="zlib",
                photometric="minisblack",
                metadata=metadata,
            )


def _nothing_done() -> StoppedError:
    return StoppedError("Stopped before the first image was segmented: nothing was written.")


def begin_in_words(segmenter: Segmenter, compute: Compute, settings: PredictSettings) -> str:
    """Say what segments, and what it will do to masks by itself."""
    names = segmenter.card.kept_unbroken(settings.islands)
    if not names:
        return f"Device: {compute.describe()}"
    return (
        f"Device: {compute.describe()}. In the painted images {', '.join(names)} ran through in "
        "unbroken strata: islands are closed."
    )


def _cleaned(
    segmentation: Segmentation,
    micrograph: Micrograph,
    segmenter: Segmenter,
    settings: PredictSettings,
) -> Segmentation:
    """Clean the mask; probabilities stay what the network said."""
    size = micrograph.pixel_size
    area = None if size is None else size.area_um2
    mask = clean_mask(segmentation.mask, segmenter.classes, settings.cleaning, area)
    return replace(segmentation, mask=mask)
