"""Pretrain an encoder on unlabelled micrographs by MatSSL's contrastive method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from napari_matssl.errors import ComputeError, DivergedError, InputError, OutputError, StoppedError
from napari_matssl.files import check_writable
from napari_matssl.learn.card import EncoderCard
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.encoders import check_encoder
from napari_matssl.learn.modelfile import write_tensors
from napari_matssl.learn.pretraining_patches import PatchSet
from napari_matssl.learn.rank_watch import LostRankError
from napari_matssl.learn.ranks import ALONE, Ranks
from napari_matssl.learn.repeatable import repeatably
from napari_matssl.learn.schedule import Budget, on_own_time
from napari_matssl.learn.start_weights import fetch_start_weights
from napari_matssl.learn.working_clock import clock_for
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.twins import Twin
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.project.models import CHECKPOINT
from napari_matssl.settings import PretrainSettings
from napari_matssl.tasks.pretrain.checkpoint import restore, save
from napari_matssl.tasks.pretrain.training import SMALLEST_BATCH, Training

WORTH_SHARE = 0.1
"""Share of the budget from which on an encoder is worth keeping within its first epoch."""


@dataclass(frozen=True)
class PretrainResult:
    """A pretrained encoder, with its losses.

    Parameters
    ----------
    card
        Card of the encoder's file.
    tensors
        The encoder's weights; gates and projection head are left behind.
    epoch_losses
        Mean NT-Xent loss of every finished epoch.
    patches
        How many patches there were.
    complete
        The budget was used to its end; False after STOP before that.
    """

    card: EncoderCard
    tensors: dict[str, Tensor]
    epoch_losses: tuple[float, ...]
    patches: int
    complete: bool

    def write(self, path: Path) -> None:
        """Write the encoder atomically."""
        write_tensors(path, self.card, self.tensors)


def checkpoint_path(out: Path) -> Path:
    """Return the path of the state of an unfinished pretraining."""
    return out.with_name(f"{out.stem}{CHECKPOINT}")


def pretrain(
    micrographs: Sequence[Micrograph],
    settings: PretrainSettings,
    checkpoint: Path | None = None,
    resume: bool = False,
    clock: Callable[[], float] | None = None,
    *,
    overlaps: Sequence[float] | None = None,
    left_out: Sequence[Twin] = (),
    ranks: Ranks = ALONE,
) -> Job[PretrainResult]:
    """Pretrain an encoder on unlabelled micrographs.

    Two views of every patch go through the same encoder; the gated features of its last four
    stages are projected and compared by NT-Xent (MatSSL, section 1).

    Parameters
    ----------
    micrographs
        Images to learn from; test images do not belong here.
    settings
        Recipe and budget; a pause between two steps costs no budget.
    checkpoint
        File that keeps the state after every epoch.
    resume
        Go on from `checkpoint`, with the same losses as an uninterrupted run where the budget is
        in epochs.
    clock
        Seconds that only ever grow; None: those in which this thread is at work, on a
        processor.
    overlaps
        Of patches, one for each micrograph, instead of that of the settings.
    left_out
        What is not among `micrographs`, as it shows a field to keep apart; for the cards.
    ranks
        The processes that share each batch. The first keeps the state, its time counts; STOP that
        one gets stops all.

    Yields
    ------
    A progress per step; sent STOP, the job returns the encoder as it is, if it is worth keeping.

    Raises
    ------
    InputError
        If an image can't be used, or there are fewer than two patches, or than ranks.
    OutputError
        If `checkpoint` can't be written, or holds the state of a run and `resume` isn't wanted.
    SettingsError, WeightsError, ModelFileError, DeviceError
        If the encoder, its weights, the checkpoint or the device can't be had.
    ComputeError
        If memory doesn't suffice, or the loss isn't finite.
    StoppedError
        If it was stopped while start weights were fetched, or in its first epoch before a tenth of
        its budget.
    """
    check_encoder(settings.encoder)
    yield from fetch_start_weights(settings.encoder, settings.weights)
    clock = ranks.clock(clock or clock_for(settings.device))
    budget = Budget.of_minutes(settings.minutes, clock)
    job = repeatably(
        _learn(micrographs, settings, checkpoint, resume, budget, overlaps, left_out, ranks),
        settings.device,
        settings.deterministic,
    )
    return (yield from on_own_time(ranks.together(job), budget))


def _learn(
    micrographs: Sequence[Micrograph],
    settings: PretrainSettings,
    checkpoint: Path | None,
    resume: bool,
    budget: Budget,
    overlaps: Sequence[float] | None,
    left_out: Sequence[Twin],
    ranks: Ranks,
) -> Job[PretrainResult]:
    patches = PatchSet(micrographs, settings, overlaps)
    if len(patches) < SMALLEST_BATCH:
        raise InputError(
            f"{micrographs[0].name if micrographs else 'The folder'} gives {len(patches)} patch "
            f"of {settings.patch_size} px; at least {SMALLEST_BATCH} are needed to compare.",
            "Add images, or use smaller patches or a larger overlap.",
            settings="patch_size overlap",
        )
    if (batch := min(settings.batch_size, len(patches))) < ranks.size:
        raise InputError(
            f"{ranks.size} processes can't share batches of {batch} patches.",
            "Use fewer devices, larger batches or more images.",
            settings="devices batch_size",
        )
    if checkpoint is not None:
        check_writable(checkpoint)
        if checkpoint.exists() and not resume:
            raise OutputError(
                f"{checkpoint} holds the state of an unfinished pretraining, which would be lost.",
                "Resume it, choose another output, or delete that file.",
                settings="resume out",
            )
    compute = choose_compute(settings.device, ranks)
    message = f"{len(patches)} patches of {len(micrographs)} images; {compute.describe()}"
    if (yield Progress("preparing", 0, 1, message=message)) is Control.STOP:
        raise _no_model_error(checkpoint)
    stopped = False
    with device_errors("preparing the pretraining"):
        training = Training(micrographs, patches, settings, compute, budget, left_out)
    if resume and checkpoint is not None:
        with device_errors("resuming the pretraining"):
            restore(training, checkpoint)
        resumed = Progress("preparing", 1, 1, message=f"Going on after epoch {training.epoch}.")
        stopped |= (yield resumed) is Control.STOP
    try:
        while (fraction := budget.fraction(training.step)) < 1 and not stopped:
            finished = training.epoch
            trouble = ""
            try:
                stopped = (yield from training.one_epoch()) is Control.STOP
            except ComputeError as error:
                # What was learnt before the device failed is valid, and would be lost.
                if checkpoint or training.epoch == 0 or isinstance(error, DivergedError):
                    raise
                if ranks.size > 1:  # the others wait for this one amid their step
                    raise
                trouble = str(error)
            if trouble:
                kept = f"{trouble} What was learnt in {training.step} steps is kept."
                yield Progress("pretraining", fraction, 1, message=kept)
                break
            if checkpoint is not None and training.epoch > finished and ranks.leads:
                with device_errors("saving the checkpoint"):
                    save(training, checkpoint)
        if stopped and training.epoch == 0 and budget.fraction(training.step) < WORTH_SHARE:
            raise _no_model_error(checkpoint)
        training.average_with_start()
        yield from training.refresh_statistics()
        losses = tuple(training.epoch_losses)
        return PretrainResult(*training.trained(), losses, len(patches), complete=fraction >= 1)
    except (ComputeError, LostRankError) as error:
        if checkpoint is None or training.epoch == 0:
            raise
        remedy = f"{error.remedy} The run can be resumed after epoch {training.epoch}."
        raise error.reworded(remedy=remedy.strip(), settings=f"{error.settings} resume") from error
    finally:
        training.release()


def _no_model_error(checkpoint: Path | None) -> StoppedError:
    kept = ""
    if checkpoint is not None and checkpoint.exists():
        kept = f"The checkpoint of an earlier run is still there: {checkpoint}."
    return StoppedError("Stopped before the first epoch was complete: nothing was written.", kept)
