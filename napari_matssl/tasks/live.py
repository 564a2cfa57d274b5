"""The live preview: an instant pixel classifier that is kept between strokes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from napari_matssl.errors import StoppedError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph, check_taught
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import PreparedImage, prepare, prepare_targets
from napari_matssl.learn.device import choose_compute, seeded
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.filters import filter_maps
from napari_matssl.learn.grey_scale import (
    describe_image,
    fit_scaling,
    fit_scalings,
    reference_of,
)
from napari_matssl.learn.inference import segment
from napari_matssl.learn.magnification import magnification
from napari_matssl.learn.of_images import OfImages
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.pixel_fit import fit
from napari_matssl.learn.remembering_encoder import MOST_BYTES, Remembered, RememberingEncoder
from napari_matssl.learn.start_weights import fetch_start_weights, load_start_weights
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import IntensityScaling, fit_intensity_scaling
from napari_matssl.progress import Preview, drain
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune.planning import outline

_PREPARED = 8  # images


class LiveClassifier:
    """Fit and segment again after every stroke, at the price of what the stroke has changed.

    The encoder is frozen, so its feature maps of an image are kept, as is the image as the network
    sees it. For use by one thread at a time.

    Parameters
    ----------
    most_bytes
        Memory for feature maps of the encoder, and as much for those of filters.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._filter_maps = Remembered(filter_maps, most_bytes)
        self._encoder: RememberingEncoder | None = None
        self._loaded: tuple[str, ...] = ()
        self._prepared: dict[str, _Prepared] = {}
        self._own = OfImages(fit_intensity_scaling)
        self._described = OfImages(describe_image)

    def prepare(
        self, settings: FinetuneSettings, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Build the encoder and load its start weights, unless that was done: half a second.

        Parameters
        ----------
        settings
            Encoder, its start weights and device count.
        should_stop
            Asked while weights are downloaded.

        Raises
        ------
        SettingsError, WeightsError, ModelFileError, DeviceError
            If the encoder, its weights or the device can't be had.
        StoppedError
            If it was to stop.
        """
        compute = choose_compute(settings.device)
        wanted = (settings.encoder, settings.weights, str(compute.device), str(compute.dtype))
        if self._loaded == wanted:
            return
        weights = fetch_start_weights(settings.encoder, settings.weights)
        drain(weights, should_stop=should_stop)
        self._encoder, self._loaded = None, ()
        free_memory(compute.device)
        with seeded(settings.seed):
            encoder = build_encoder(settings.encoder)
        load_start_weights(encoder, settings.encoder, settings.weights)
        encoder = compute.place_to_segment(encoder.eval())
        self._encoder, self._loaded = RememberingEncoder(encoder, self._most_bytes), wanted

    def segment(
        self,
        painted: Sequence[PaintedMicrograph],
        table: ClassTable,
        view: Micrograph,
        settings: FinetuneSettings,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Preview | None:
        """Fit the classifier to strokes and segment one micrograph with it.

        Parameters
        ----------
        painted
            Micrographs to learn from. One that is handed over again as the same object is taken
            to have the same strokes.
        table
            The classes that are painted.
        view
            The micrograph to segment.
        settings
            Encoder, its start weights, magnification, intensity scaling, seed and device count.
        should_stop
            Asked between steps, each of which may take a second.

        Returns
        -------
        What ``finetune`` with the preset "instant" would predict, at the size of the micrograph;
        None if it was to stop.

        Raises
        ------
        InputError
            If nothing or a single class is painted, or an image or label can't be used.
        SettingsError, WeightsError, ModelFileError, DeviceError
            If the encoder, its weights or the device can't be had.
        ComputeError
            If memory doesn't suffice.
        """
        try:
            self.prepare(settings, should_stop)
        except StoppedError:
            return None
        assert self._encoder is not None
        compute = choose_compute(settings.device)
        card = outline(painted, table, settings, "pixel-classifier")
        with seeded(settings.seed):
            network = PixelClassifier(self._encoder, len(card.classes))
        network.heads.look = self._filter_maps
        compute.place(network)
        check_taught(painted, table, card.unlabelled)
        micrographs = [one.micrograph for one in painted]
        scalings, scale = fit_scalings(micrographs, card, settings.exposure, self._own)
        images = [self._prepare(*pair, card) for pair in zip(painted, scalings, strict=True)]
        if should_stop():
            return None
        with device_errors("fitting the live preview"):
            fitted = fit(network.encoder, network.heads, images, compute, settings.seed)
        if scale is not None:
            same = settings.exposure == "same"
            reference = reference_of(images, fitted.pixels, scale, same)
            card = card.model_copy(update={"grey_reference": reference})
        used = PredictSettings(device=settings.device)
        job = segment(network, card, view, compute, used, scaling=self._scaling(view, card))
        found = None if should_stop() else drain(job, should_stop=should_stop)
        return None if found is None else Preview(view.name, 0, 0, found.mask)

    def forget(self) -> None:
        """Release memory; keep only the encoder with its start weights."""
        self._prepared.clear()
        self._own.forget()
        self._described.forget()
        self._filter_maps.forget()
        if self._encoder is not None:
            self._encoder.remembered.forget()

    def _prepare(
        self, painted: PaintedMicrograph, scaling: IntensityScaling, card: ModelCard
    ) -> PreparedImage:
        """Prepare a micrograph, unless that was done for the same strokes."""
        name, scale = painted.micrograph.name, magnification(card, painted.micrograph)
        known = self._prepared.pop(name, None)
        grey = (scaling.low, scaling.high, *scaling.mean.tolist(), *scaling.std.tolist())
        wanted = (card.classes, grey, card.unlabelled, card.channels, scale)
        if known is None or not known.shows(painted.micrograph, wanted):
            known = _Prepared(painted, wanted, prepare(painted, scaling, card))
        elif known.painted is not painted:
            targets = prepare_targets(painted, card, known.image.targets.shape)
            known = _Prepared(painted, wanted, replace(known.image, targets=targets))
        self._prepared[name] = known  # the latest is at the end
        if len(self._prepared) > _PREPARED:
            del self._prepared[next(iter(self._prepared))]
        return known.image

    def _scaling(self, view: Micrograph, card: ModelCard) -> IntensityScaling:
        """Fit the intensity scaling of the image to segment."""
        own = self._own(view, card.intensity_scaling, card.channels)
        described = None
        if card.grey_reference is not None:
            described = self._described(view, magnification(card, view))
        return fit_scaling(view, card, own, described).scaling


_Wanted = tuple[ClassTable, tuple[float, ...], int | None, str, float]


@dataclass(frozen=True)
class _Prepared:
    """A prepared image, and what it was made of."""

    painted: PaintedMicrograph
    wanted: _Wanted
    image: PreparedImage

    def shows(self, micrograph: Micrograph, wanted: _Wanted) -> bool:
        """Whether it is of that image, prepared in that way, whatever is painted."""
        return self.painted.micrograph is micrograph and self.wanted == wanted
