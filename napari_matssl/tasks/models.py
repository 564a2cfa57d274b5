"""From painted micrographs to a model file, and from a model file to masks in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_matssl.errors import (
    ComputeError,
    InputError,
    MatSSLError,
    OutputError,
    UnwrittenError,
    printable,
)
from napari_matssl.files import check_room, check_writable
from napari_matssl.labels.classes import ClassTable, match_by_name
from napari_matssl.labels.names import few
from napari_matssl.labels.provenance import MaskFacts
from napari_matssl.learn.card import EncoderCard, ModelCard
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.encoders import check_encoder
from napari_matssl.learn.inference import Segmentation, segment
from napari_matssl.learn.segmenter import (
    Segmenter,
    build_network,
    read_segmenter,
    write_segmenter,
)
from napari_matssl.measure.uncertainty import uncertainty
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, Preview, Progress, Result, Skipped, one_of_many
from napari_matssl.project.folder import Project
from napari_matssl.settings import (
    Architecture,
    Cleaning,
    FinetuneSettings,
    PredictSettings,
    PretrainSettings,
)
from napari_matssl.tasks.batch import left_out, memory_told, none_left
from napari_matssl.tasks.finetune import finetune
from napari_matssl.tasks.inputs import PaintedSet, is_among, read_unlabelled
from napari_matssl.tasks.predict import begin_in_words
from napari_matssl.tasks.predict_check import warn_of_magnification
from napari_matssl.tasks.pretrain import pretrain
from napari_matssl.tasks.provenance import identify_model, new_run, state_provenance


@dataclass(frozen=True)
class TrainedModel:
    """A model that was trained and written.

    Parameters
    ----------
    path
        Its file.
    card
        What the file says of itself.
    steps
        How many steps it took.
    skipped
        Images that were left out.
    failure
        What ended the training before its plan was done.
    """

    path: Path
    card: ModelCard | EncoderCard
    steps: int
    skipped: tuple[Skipped, ...] = ()
    failure: MatSSLError | None = None


def train_model(
    read: Callable[[], PaintedSet],
    settings: FinetuneSettings,
    out: Path,
    start: Path | None = None,
    on_view: Callable[[], Micrograph | None] | None = None,
    keep_early: bool = False,
) -> Job[TrainedModel]:
    """Train a segmenter and write its file; no network stays in memory.

    Parameters
    ----------
    read
        Gives the painted micrographs; called when the job begins.
    out
        Model file to write. Checked before training starts.
    start
        Model file to go on from, instead of an encoder.
    settings, on_view, keep_early
        As for :func:`~napari_matssl.tasks.finetune.finetune`.

    Raises
    ------
    OutputError
        If `out` can't be written, or its disk is too full for a model.
    UnwrittenError
        If the trained model can't be written to `out` any more; it holds the model.
    MatSSLError
        As `read` and :func:`~napari_matssl.tasks.finetune.finetune` raise it.
    """
    check_writable(out)
    yield Progress("preparing", 0, 1)
    painted = read()
    segmenter = read_segmenter(start) if start is not None else None
    if segmenter is not None:
        yield Progress("preparing", 0, 1, message=_new_classes(segmenter, painted.table))
    check_room(out.parent, _model_bytes(settings, len(painted.table.classes), start))
    result = yield from finetune(
        painted.training,
        painted.table,
        settings,
        painted.validation,
        segmenter,
        on_view,
        keep_early,
    )
    trained, steps, failure = result.segmenter, len(result.losses), result.failure
    del result

    def write(path: Path) -> TrainedModel:
        write_segmenter(path, trained)
        return TrainedModel(path, trained.card, steps, failure=failure)

    return write_or_hold(write, out)


def _new_classes(start: Segmenter, table: ClassTable) -> str:
    """Tell, if any, which classes begin anew, and which are lost of a model that is gone on from.

    Its classes are known by their names.
    """
    ids = match_by_name(start.classes, table)
    new = [one.name for one in table.classes if one.id not in ids]
    lost = [one.name for one in start.classes.classes if one.id not in ids.values()]
    words = [
        f"The model to go on from doesn't know {few(new, 8)}." if new else "",
        f"Classes that it knows are not trained any more: {few(lost, 8)}." if lost else "",
    ]
    return " ".join(filter(None, words))


def pretrain_encoder(
    sources: Sequence[Path | Project], settings: PretrainSettings, out: Path
) -> Job[TrainedModel]:
    """Pretrain an encoder on all images of some folders and write its file.

    Parameters
    ----------
    sources
        Folders. A project counts without the images that are excluded in it, and with the pages
        and info bars that were set.
    settings, out
        As for :func:`train_model`.

    Raises
    ------
    OutputError
        If `out` can't be written, or its disk is too full. Checked before the images are read.
    UnwrittenError
        If the encoder can't be written to `out` any more; it holds the encoder.
    MatSSLError
        As :func:`~napari_matssl.tasks.pretrain.pretrain` raises it.
    """
    check_writable(out)
    yield Progress("preparing", 0, 1)
    check_encoder(settings.encoder)
    check_room(out.parent, _bytes_of(settings.encoder, 1, "unet++"))
    skipped: list[Skipped] = []
    micrographs = read_unlabelled(sources, skipped.append)
    for one in skipped:
        yield Progress("preparing", 0, 1, message=left_out(one))
    result = yield from pretrain(micrographs, settings)

    def write(path: Path) -> TrainedModel:
        result.write(path)
        steps = int(result.card.metrics["steps"])
        return TrainedModel(path, result.card, steps, tuple(skipped))

    return write_or_hold(write, out)


def write_or_hold(write: Callable[[Path], Result], path: Path) -> Result:
    """Write what was trained.

    Raises
    ------
    UnwrittenError
        If it can't be written; the error holds it.
    """
    try:
        return write(path)
    except OutputError as error:
        remedy = "It is kept in memory until it is saved elsewhere or the program ends."
        raise UnwrittenError(error.what, remedy, partial(write_or_hold, write)) from error


def _model_bytes(settings: FinetuneSettings, classes: int, start: Path | None) -> int:
    """Estimate the size of the model file that a fine-tune will write."""
    if start is not None:
        return start.stat().st_size
    wanted = settings.architecture
    return _bytes_of(settings.encoder, classes, "guided-unet++" if wanted == "auto" else wanted)


def _bytes_of(encoder: str, classes: int, architecture: Architecture) -> int:
    """Add up the weights of a network, without making any."""
    with torch.device("meta"):
        network = build_network(encoder, classes, architecture=architecture)
    return sum(one.numel() * one.element_size() for one in network.state_dict().values())


@dataclass(frozen=True)
class SegmentedMicrograph:
    """What a model makes of one micrograph.

    Parameters
    ----------
    name
        The micrograph's.
    mask
        ``(H, W)`` uint8 class ids, renumbered as asked for.
    probabilities
        ``(K, H, W)`` uint8, 255 times the probability of each class of the model; None unless
        asked for.
    uncertainty
        ``(H, W)`` float32 from 0 to 1, 1 where two classes are equally probable; None unless
        asked for.
    seen_in_training
        The model was trained on this very image.
    facts
        Pixel size and provenance, for the mask's file.
    """

    name: str
    mask: NDArray[np.uint8]
    probabilities: NDArray[np.uint8] | None
    uncertainty: NDArray[np.float32] | None
    seen_in_training: bool
    facts: MaskFacts


@dataclass(frozen=True)
class SegmentedBatch:
    """What became of many micrographs.

    Parameters
    ----------
    done
        How many were segmented.
    skipped
        Those that were left out, and why.
    """

    done: int
    skipped: tuple[Skipped, ...]


def segment_with_model(
    model: Path,
    micrographs: Mapping[str, Callable[[], Micrograph]],
    settings: PredictSettings,
    keep: Callable[[SegmentedMicrograph], None],
    renumber: Mapping[int, int] | None = None,
    probabilities: bool = False,
) -> Job[SegmentedBatch]:
    """Segment micrographs one after another and hand each result over as it is done.

    One that can't be used is left out and told; the others are segmented all the same.

    Parameters
    ----------
    model
        Model file.
    micrographs
        By name; read one at a time.
    settings
        Tiles, info bar, device; regions are not cleaned here, for the mask stays as found.
    keep
        Called with each result, in the thread of the job.
    renumber
        New id of each class id of the model, for masks and previews; "not analysed" becomes 0.
        None keeps the model's ids.
    probabilities
        Also give probabilities and uncertainty.

    Yields
    ------
    A progress per tile, each with a preview. Sent STOP, the job returns with what is done.

    Raises
    ------
    ModelFileError, DeviceError
        If the model can't be used, or the device isn't there.
    InputError, ComputeError
        If no micrograph can be used.
    """
    if not micrographs:
        raise InputError("There is no image to segment.", "Open an image or a folder.")
    yield Progress("preparing", 0, 1)
    batch = _Batch(model, settings, keep, _lookup(renumber), probabilities)
    yield Progress("preparing", 0, 1, message=batch.begin())
    return (yield from batch.segment(micrographs))


class _Batch:
    """Micrographs that one model segments. Parameters as of :func:`segment_with_model`."""

    def __init__(
        self,
        model: Path,
        settings: PredictSettings,
        keep: Callable[[SegmentedMicrograph], None],
        ids: NDArray[np.uint8],
        probabilities: bool,
    ) -> None:
        self._settings, self._keep, self._ids = settings, keep, ids
        self._probabilities = probabilities
        self._segmenter = read_segmenter(model)
        self._compute = choose_compute(settings.device)
        self._network = self._compute.place(self._segmenter.network.eval())
        self._model = identify_model(model, self._segmenter.card)
        self._trained = self._segmenter.card.training_images
        self._run = new_run()

    def begin(self) -> str:
        """Say what segments."""
        return begin_in_words(self._segmenter, self._compute, self._settings)

    def segment(self, micrographs: Mapping[str, Callable[[], Micrograph]]) -> Job[SegmentedBatch]:
        """Segment all of them that can be."""
        total, done, skipped = len(micrographs), 0, list[Skipped]()
        first: MatSSLError | None = None
        for number, (name, read) in enumerate(micrographs.items()):
            try:
                with memory_told(name):
                    job = self._one(read, name)
                    found = yield from one_of_many(job, number, total, "segmenting", self._in_ids)
            except (InputError, ComputeError) as error:
                error.__traceback__ = error.__cause__ = error.__context__ = None
                first = first or error
                skipped.append(Skipped(printable(name), str(error)))
                yield Progress("segmenting", number + 1, total, message=left_out(skipped[-1]))
                continue
            if found is None:
                break
            self._keep(found)
            done += 1
        if skipped and not done:
            raise none_left(first, len(skipped))
        return SegmentedBatch(done, tuple(skipped))

    def _one(self, read: Callable[[], Micrograph], name: str) -> Job[SegmentedMicrograph | None]:
        """Segment one micrograph; None after STOP."""
        micrograph = read()
        segmenter, settings = self._segmenter, self._settings
        warning = warn_of_magnification(micrograph, segmenter)
        remarks = tuple(filter(None, (*micrograph.remarks, warning)))
        yield Progress("segmenting", 0, 1, message="\n".join(remarks))
        job = segment(
            self._network, segmenter.card, micrograph, self._compute, settings,
            self._probabilities, show=True,
        )  # fmt: skip
        found = yield from job
        if found is None:
            return None
        # Regions are cleaned where masks are shown and measured, not here.
        used = settings.with_cleaning(Cleaning())
        origin = state_provenance(
            micrograph, self._model, used, segmenter.classes, self._run, remarks
        )
        return SegmentedMicrograph(
            name=name,
            mask=self._ids[found.mask],
            probabilities=found.probabilities,
            uncertainty=_uncertainty(found),
            seen_in_training=is_among(micrograph, self._trained),
            facts=MaskFacts(micrograph.pixel_size, origin),
        )

    def _in_ids(self, preview: Preview) -> Preview:
        return replace(preview, ids=self._ids[preview.ids])


def _lookup(renumber: Mapping[int, int] | None) -> NDArray[np.uint8]:
    """Give the new id of each of the 256 values of a mask."""
    if renumber is None:
        return np.arange(256, dtype=np.uint8)
    ids = np.zeros(256, dtype=np.uint8)
    for theirs, ours in renumber.items():
        ids[theirs] = ours
    return ids


def _uncertainty(found: Segmentation) -> NDArray[np.float32] | None:
    return None if found.probabilities is None else uncertainty(found.probabilities)
