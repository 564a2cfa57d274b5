"""From micrographs to the file of a model or an encoder."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_matssl.errors import MatSSLError, OutputError, UnwrittenError
from napari_matssl.files import check_room, check_writable
from napari_matssl.labels.class_table import ClassTable, match_by_name
from napari_matssl.labels.names import few
from napari_matssl.learn.card import EncoderCard, ModelCard
from napari_matssl.learn.encoders import check_encoder, outline
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.ranks import ALONE, Ranks
from napari_matssl.learn.segmenter import Segmenter, read_segmenter, write_segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, Progress, Result, Skipped
from napari_matssl.settings import (
    Architecture,
    FinetuneSettings,
    PretrainSettings,
)
from napari_matssl.tasks.batch import left_out
from napari_matssl.tasks.exclusion import without_twins
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.inputs import PaintedSet
from napari_matssl.tasks.pretrain.job import checkpoint_path, pretrain


@dataclass(frozen=True)
class TrainedModel:
    """A model that was trained and written.

    Parameters
    ----------
    path
        Its file.
    card
        Card of the file.
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
    ranks: Ranks = ALONE,
    spare: Callable[[], Path] | None = None,
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
        As for :func:`~napari_matssl.tasks.finetune.job.finetune`.
    ranks
        The processes that share each batch; the first writes the file.
    spare
        Gives the file to write instead if somebody has written `out` meanwhile, such as another
        window on the same folder; None replaces it.

    Raises
    ------
    OutputError
        If `out` can't be written, or its disk is too full for a model.
    UnwrittenError
        If the trained model can't be written to `out` any more; it holds the model.
    MatSSLError
        As `read` and :func:`~napari_matssl.tasks.finetune.job.finetune` raise it.
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
        ranks=ranks,
    )
    trained, steps, failure = result.segmenter, len(result.losses), result.failure
    del result

    def write(path: Path) -> TrainedModel:
        if ranks.leads:
            write_segmenter(path, trained)
        return TrainedModel(path, trained.card, steps, failure=failure)

    return _write_or_hold(write, spare() if spare is not None and out.exists() else out)


def _new_classes(start: Segmenter, table: ClassTable) -> str:
    """Return remarks on classes that are new, or lost, when going on from a model.

    Its classes are known by their names.
    """
    ids = match_by_name(start.classes, table)
    new = [one.name for one in table.classes if one.id not in ids]
    lost = [one.name for one in start.classes.classes if one.id not in ids.values()]
    words = [
        f"The model to go on from lacks {few(new, 8)}." if new else "",
        f"Classes of it that are not trained any more: {few(lost, 8)}." if lost else "",
    ]
    return " ".join(filter(None, words))


@dataclass(frozen=True)
class PretrainedEncoder:
    """An encoder that was pretrained and written.

    Parameters
    ----------
    path, card, skipped
        As of :class:`TrainedModel`.
    epoch_losses, patches, complete
        As of :class:`~napari_matssl.tasks.pretrain.job.PretrainResult`.
    checkpoint
        Where the state of a run that is not complete is kept; None if there is none.
    """

    path: Path
    card: EncoderCard
    epoch_losses: tuple[float, ...]
    patches: int
    complete: bool
    checkpoint: Path | None
    skipped: tuple[Skipped, ...]


def pretrain_encoder(
    read: Callable[[Callable[[Skipped], None]], Sequence[Micrograph]],
    settings: PretrainSettings,
    out: Path,
    resume: bool = False,
    apart: Callable[[], Iterable[Micrograph]] = tuple,
    ranks: Ranks = ALONE,
    spare: Callable[[], Path] | None = None,
) -> Job[PretrainedEncoder]:
    """Pretrain an encoder and write its file; the state after each epoch is kept beside it.

    Parameters
    ----------
    read
        Returns the micrographs and those left out; called when the job begins.
    settings, out
        As for :func:`train_model`.
    resume
        Go on from the state that an unfinished run with this `out` left.
    apart
        Returns micrographs to be tested on later; others that show a field of theirs are left out.
    ranks
        The processes that share each batch; the first writes the files.
    spare
        As for :func:`train_model`; not for one that goes on, which replaces what it had written.

    Raises
    ------
    OutputError
        If `out` can't be written, or its disk is too full. Checked before the images are read.
    UnwrittenError
        If the encoder can't be written to `out` any more; it holds the encoder.
    MatSSLError
        As `read` and :func:`~napari_matssl.tasks.pretrain.job.pretrain` raise it.
    """
    check_writable(out)
    yield Progress("preparing", 0, 1)
    check_encoder(settings.encoder)
    check_room(out.parent, _bytes_of(settings.encoder, 1, "unet++"))
    skipped: list[Skipped] = []
    micrographs = read(skipped.append)
    for one in skipped:
        yield Progress("preparing", 0, 1, message=left_out(one))
    micrographs, twins = yield from without_twins(micrographs, apart())
    state = checkpoint_path(out)
    result = yield from pretrain(micrographs, settings, state, resume, left_out=twins, ranks=ranks)

    def write(path: Path) -> PretrainedEncoder:
        if ranks.leads:
            result.write(path)
        if ranks.leads and result.complete:
            state.unlink(missing_ok=True)
        return PretrainedEncoder(
            path,
            result.card,
            result.epoch_losses,
            result.patches,
            result.complete,
            state if state.exists() else None,
            tuple(skipped),
        )

    return _write_or_hold(write, spare() if spare is not None and out.exists() else out)


def _write_or_hold(write: Callable[[Path], Result], path: Path) -> Result:
    """Write a trained model or encoder.

    Raises
    ------
    UnwrittenError
        If it can't be written; the error holds it.
    """
    try:
        return write(path)
    except OutputError as error:
        remedy = "It is kept in memory until it is saved elsewhere or the program ends."
        raise UnwrittenError(error.what, remedy, partial(_write_or_hold, write)) from error


def _model_bytes(settings: FinetuneSettings, classes: int, start: Path | None) -> int:
    """Estimate the size of the model file that a fine-tune will write."""
    if start is not None:
        return start.stat().st_size
    wanted = settings.architecture
    return _bytes_of(settings.encoder, classes, "guided-unet++" if wanted == "auto" else wanted)


def _bytes_of(encoder: str, classes: int, architecture: Architecture) -> int:
    """Add up the weights of a network, without making any."""
    with outline():
        network = build_network(encoder, classes, architecture=architecture)
    return sum(one.numel() * one.element_size() for one in network.state_dict().values())
