"""Segmentation of images one after another, for the window and the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isclose
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.export.growing_mask import GrowingMask
from napari_matssl.labels.provenance import MaskFacts
from napari_matssl.learn.card import ModelCard, TrainingImage
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.light import Light
from napari_matssl.learn.magnification import warn_of_magnification
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.uncertain_area import UncertainArea
from napari_matssl.measure.cleaning import clean_mask
from napari_matssl.measure.pixel_uncertainty import uncertainty
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.progress import Job, Preview, Progress, Skipped
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.batch import Prepared, each_in_turn, none_left
from napari_matssl.tasks.inputs import fingerprint
from napari_matssl.tasks.predicting.panoramas import (
    PanoramaPlace,
    SegmentedPanorama,
    clean_grown,
    grow_mask,
    key_of,
    without_neighbours,
)
from napari_matssl.tasks.provenance import SAME_SIZE, identify_model, new_run, state_provenance

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
        micrographs: Mapping[str, Callable[[], AnyMicrograph]],
        keep: Callable[[SegmentedMicrograph, Micrograph], None],
        reported: Mapping[str, Sequence[str]] | None = None,
        panoramas: Callable[[str], PanoramaPlace] | None = None,
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
        panoramas
            Tells by its name where a panorama goes; None: panoramas are left out.

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
            place = None if panoramas is None else panoramas(name)
            return self.segment_one(name, micrographs[name], keep, told, place)

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
        read: Callable[[], AnyMicrograph],
        keep: Callable[[SegmentedMicrograph, Micrograph], None],
        reported: Sequence[str] | None = None,
        panorama: PanoramaPlace | None = None,
    ) -> Job[str | None]:
        """Segment one micrograph, as :meth:`segment`; return its name, or None after STOP.

        If it is a panorama, `panorama` tells where it goes.
        """
        image, card, settings = read(), self._segmenter.card, self._settings
        remarks = reported
        if remarks is None:
            remarks = tuple(filter(None, (*image.remarks, warn_of_magnification(image, card))))
            yield Progress("segmenting", 0, 1, message="\n".join(remarks))
        if isinstance(image, Panorama):
            if panorama is None:
                raise InputError(f"{name} is too large to be held.", "Segment it by predict.")
            done = yield from self._grow(image, remarks, panorama)
            return name if done else None
        this = fingerprint(image)  # now, as its file may be replaced meanwhile
        found = yield from segment(
            self._network, card, image, self._compute, settings, self._probabilities, self._show
        )
        if found is None:
            return None
        facts = yield from self._facts(image, settings, remarks, this, found.light, found.uncertain)
        area = None if image.pixel_size is None else image.pixel_size.area_um2
        probable = found.probabilities
        result = SegmentedMicrograph(
            name=name,
            mask=self._ids[clean_mask(found.mask, card.classes, settings.cleaning, area)],
            probabilities=probable,
            uncertainty=None if probable is None else uncertainty(probable),
            seen_in_training=any(this.is_of(one) for one in card.learnt_images),
            facts=facts,
        )
        keep(result, image)
        return name

    def _grow(self, image: Panorama, remarks: Sequence[str], place: PanoramaPlace) -> Job[bool]:
        """Segment one panorama; False after STOP."""
        card = self._segmenter.card
        settings, left_out = without_neighbours(image, card, self._settings)
        if left_out:
            remarks = (*remarks, left_out)
            yield Progress("segmenting", 0, 1, message=left_out)
        this = fingerprint(image)
        mask = GrowingMask(
            place.growing, (image.height, image.width), key_of(image, this, self.identity, settings)
        )
        try:
            grown = yield from grow_mask(self._network, card, image, self._compute, settings, mask)
            if grown is None:
                return False
            facts = yield from self._facts(
                image, settings, remarks, this, grown.light, grown.uncertain
            )
            read, pixels = clean_grown(mask, grown, image, card.classes, settings.cleaning)
            place.keep(SegmentedPanorama(image.name, mask, read, pixels, facts), image)
            return True
        finally:
            mask.leave()

    def _facts(
        self,
        image: AnyMicrograph,
        settings: PredictSettings,
        remarks: Sequence[str],
        this: TrainingImage,
        light: Light | None,
        uncertain: UncertainArea,
    ) -> Job[MaskFacts]:
        """State where a mask comes from, and report doubts of it."""
        classes = self._segmenter.classes
        unsure = uncertain.in_words(classes)
        lines = [] if light is None or not light.reasons else [light.in_words(image.name)]
        if recalibrated := _recalibrated(image, this, self._segmenter.card):
            lines.append(recalibrated)
        if unsure:
            lines.append(f"{image.name}: {unsure}. Check the mask, or paint where it is wrong.")
        if lines:
            remarks = (*remarks, *lines)
            yield Progress("segmenting", 1, 1, message="\n".join(lines))
        origin = state_provenance(
            image, self.identity, settings, classes, self._run, remarks, this.sha256
        )
        judged = {"uncertain": round(uncertain.share, 4), "unsure": unsure}
        if light is not None:
            judged |= {"light": light.level, "reasons": light.reasons}
        return MaskFacts(image.pixel_size, origin.model_copy(update=judged))

    def _in_ids(self, preview: Preview) -> Preview:
        return replace(preview, ids=self._ids[preview.ids])


def _recalibrated(image: AnyMicrograph, this: TrainingImage, card: ModelCard) -> str:
    """Return a line on an image whose pixel size is another one than when the model learnt it."""
    images = (one for one in card.learnt_images if one.is_of(this) or one.is_part_of(this))
    then = next((one.pixel_um for one in images), None)
    size = image.pixel_size
    if card.pixel_size_um is None or then is None or size is None:
        return ""
    if isclose(then, size.mean_um, rel_tol=SAME_SIZE):
        return ""
    return (
        f"{image.name} had {then:.4g} µm/px when the model learnt from it and has "
        f"{size.mean_um:.4g} now, so that the model sees it at another magnification. Fine-tune "
        "again from other weights than the model's."
    )
