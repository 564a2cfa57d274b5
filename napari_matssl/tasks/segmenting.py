"""Segmentation of images one after another, for the window and the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.provenance import MaskFacts
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.measure.cleaning import clean_mask
from napari_matssl.measure.pixel_uncertainty import uncertainty
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, Preview, Progress, Skipped
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.batch import Prepared, each_in_turn, none_left
from napari_matssl.tasks.inputs import fingerprint
from napari_matssl.tasks.predict_check import warn_of_magnification
from napari_matssl.tasks.provenance import identify_model, new_run, state_provenance

EVERY_ID = np.arange(256, dtype=np.uint8)
"""Masks keep the ids of the model."""


@dataclass(frozen=True)
class SegmentedMicrograph:
    """Results of a model for one micrograph.

    Parameters
    ----------
    name
        The micrograph's.
    mask
        ``(H, W)`` uint8 class ids, cleaned and renumbered as asked for.
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
    """Results of many micrographs.

    Parameters
    ----------
    done
        How many were segmented.
    skipped
        Those that were left out, and why.
    stopped
        Whether the job was stopped before all were done.
    """

    done: int
    skipped: tuple[Skipped, ...]
    stopped: bool


class SegmentingRun:
    """One model on its device, and the micrographs that it segments.

    Parameters
    ----------
    segmenter
        From a model file.
    model
        That file, which masks name; None: it has none.
    settings
        Tiles, info bar, cleaning, device.
    ids
        ``(256,)`` uint8, new id of each value of the model's masks, for masks and previews.
    probabilities
        Also give probabilities and uncertainty.
    show
        Yield a preview of every tile.
    run
        Name of the run, which masks name; empty: a new one.

    Attributes
    ----------
    identity
        That of the model.

    Raises
    ------
    DeviceError, ComputeError
        If the device isn't there, or has no room for the model.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        model: Path | None,
        settings: PredictSettings,
        ids: NDArray[np.uint8] = EVERY_ID,
        probabilities: bool = False,
        show: bool = False,
        run: str = "",
    ) -> None:
        self._segmenter, self._settings, self._ids = segmenter, settings, ids
        self._probabilities, self._show = probabilities, show
        self._compute = choose_compute(settings.device)
        self._network = self._compute.place_to_segment(segmenter.network.eval())
        self.identity = identify_model(model, segmenter.card)
        self._run = run or new_run()

    def begin(self) -> str:
        """Describe device and automatic changes of masks."""
        names = self._segmenter.card.unbroken_classes(self._settings.detached_components)
        if not names:
            return f"Device: {self._compute.describe()}"
        return (
            f"Device: {self._compute.describe()}. In the painted images {', '.join(names)} ran "
            "through in unbroken strata: detached components are merged."
        )

    def segment(
        self,
        micrographs: Mapping[str, Callable[[], Micrograph]],
        keep: Callable[[SegmentedMicrograph, Micrograph], None],
        reported: Mapping[str, Sequence[str]] | None = None,
    ) -> Job[SegmentedBatch]:
        """Segment all that can be; leave out those that can't be used, with a line.

        Parameters
        ----------
        micrographs
            By name; read one at a time.
        keep
            Called with each result, in the thread of the job.
        reported
            Remarks that were reported before, by name. None: they are found and reported.

        Raises
        ------
        InputError, ComputeError
            If no micrograph can be used.
        MatSSLError
            As `keep` raises it.
        """
        done = 0

        def do(name: str) -> Job[str | None]:
            told = None if reported is None else reported[name]
            return self.segment_one(name, micrographs[name], keep, told)

        def count(_name: str, _done: str) -> None:
            nonlocal done
            done += 1

        names = {name: name for name in micrographs}
        ended = yield from each_in_turn(
            lambda: Prepared(do), names, "segmenting", count, self._in_ids
        )
        if not done and not ended.stopped:
            raise none_left(ended.first, len(ended.skipped))
        return SegmentedBatch(done, ended.skipped, ended.stopped)

    def segment_one(
        self,
        name: str,
        read: Callable[[], Micrograph],
        keep: Callable[[SegmentedMicrograph, Micrograph], None],
        reported: Sequence[str] | None = None,
    ) -> Job[str | None]:
        """Segment one micrograph, as :meth:`segment`; return its name, or None after STOP."""
        micrograph, segmenter, settings = read(), self._segmenter, self._settings
        remarks = reported
        if remarks is None:
            warning = warn_of_magnification(micrograph, segmenter.card)
            remarks = tuple(filter(None, (*micrograph.remarks, warning)))
            yield Progress("segmenting", 0, 1, message="\n".join(remarks))
        found = yield from segment(
            self._network, segmenter.card, micrograph, self._compute, settings,
            self._probabilities, self._show,
        )  # fmt: skip
        if found is None:
            return None
        size, classes = micrograph.pixel_size, segmenter.classes
        light, unsure = found.light, found.uncertain.in_words(classes)
        lines = [] if light is None or not light.reasons else [light.in_words(micrograph.name)]
        if unsure:
            lines.append(
                f"{micrograph.name}: {unsure}. Check the mask, or paint where it is wrong."
            )
        if lines:
            remarks = (*remarks, *lines)
            yield Progress("segmenting", 1, 1, message="\n".join(lines))
        area = None if size is None else size.area_um2
        this = fingerprint(micrograph)
        origin = state_provenance(
            micrograph, self.identity, settings, classes, self._run, remarks, this.sha256
        )
        judged = {"uncertain": round(found.uncertain.share, 4), "unsure": unsure}
        if light is not None:
            judged |= {"light": light.level, "reasons": light.reasons}
        origin = origin.model_copy(update=judged)
        probable = found.probabilities
        result = SegmentedMicrograph(
            name=name,
            mask=self._ids[clean_mask(found.mask, classes, settings.cleaning, area)],
            probabilities=probable,
            uncertainty=None if probable is None else uncertainty(probable),
            seen_in_training=any(this.is_of(one) for one in segmenter.card.training_images),
            facts=MaskFacts(size, origin),
        )
        keep(result, micrograph)
        return name

    def _in_ids(self, preview: Preview) -> Preview:
        return replace(preview, ids=self._ids[preview.ids])
