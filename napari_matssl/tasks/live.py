"""The live preview: an instant pixel classifier that is kept between strokes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from napari_matssl.errors import StoppedError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph, check_taught
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import PreparedImage, prepare
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.filters import filter_maps
from napari_matssl.learn.grey_scale import fit_scalings, reference_of
from napari_matssl.learn.inference import segment
from napari_matssl.learn.magnification import magnification
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.pixel_fit import fit
from napari_matssl.learn.remembering_encoder import MOST_BYTES, Remembered, RememberingEncoder
from napari_matssl.learn.start_weights import fetch_start_weights, load_start_weights
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import IntensityScaling
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
        self._network: PixelClassifier | None = None
        self._loaded: tuple[str, ...] = ()
        self._classes = 0
        self._prepared: dict[str, _Prepared] = {}

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
            weights = fetch_start_weights(settings.encoder, settings.weights)
            drain(weights, should_stop=should_stop)
        except StoppedError:
            return None
        compute = choose_compute(settings.device)
        card = outline(painted, table, settings, "pixel-classifier")
        network = self._ready(card, settings, compute)
        check_taught(painted, table, card.unlabelled)
        scalings, scale = fit_scalings([p.micrograph for p in painted], card, settings.exposure)
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
        job = segment(network, card, view, compute, used)
        found = None if should_stop() else drain(job, should_stop=should_stop)
        return None if found is None else Preview(view.name, 0, 0, found.mask)

    def forget(self) -> None:
        """Release memory; keep only the network with its start weights."""
        self._prepared.clear()
        if self._network is not None:
            self._filter_maps.forget()
            assert isinstance(self._network.encoder, RememberingEncoder)
            self._network.encoder.remembered.forget()

    def _ready(
        self, card: ModelCard, settings: FinetuneSettings, compute: Compute
    ) -> PixelClassifier:
        """Return the network with its start weights; it is built where others are wanted."""
        wanted = (settings.encoder, settings.weights, str(compute.device), str(compute.dtype))
        classes = len(card.classes)
        if self._network is not None and (self._loaded, self._classes) == (wanted, classes):
            return self._network
        network = build_network(card.encoder, classes, settings.seed, card.architecture)
        assert isinstance(network, PixelClassifier)
        if self._network is not None and self._loaded == wanted:
            network.encoder = self._network.encoder
        else:
            self._network = None
            load_start_weights(network.encoder, card.encoder, settings.weights)
        compute.place(network).eval()
        network.heads.look = self._filter_maps
        if not isinstance(network.encoder, RememberingEncoder):
            encoder = compute.place_to_segment(network.encoder)
            network.encoder = RememberingEncoder(encoder, self._most_bytes)
            free_memory(compute.device)  # that of the previous encoder
        self._network, self._loaded, self._classes = network, wanted, classes
        return network

    def _prepare(
        self, painted: PaintedMicrograph, scaling: IntensityScaling, card: ModelCard
    ) -> PreparedImage:
        """Prepare a micrograph, unless that was done for the same strokes."""
        name, scale = painted.micrograph.name, magnification(card, painted.micrograph)
        known = self._prepared.pop(name, None)
        grey = (scaling.low, scaling.high, *scaling.mean.tolist(), *scaling.std.tolist())
        wanted = (card.classes, grey, card.unlabelled, card.channels, scale)
        if known is None or known.painted is not painted or known.wanted != wanted:
            image = prepare(painted, scaling, card)
            known = _Prepared(painted, wanted, image)
        self._prepared[name] = known  # the latest is at the end
        if len(self._prepared) > _PREPARED:
            del self._prepared[next(iter(self._prepared))]
        return known.image


@dataclass(frozen=True)
class _Prepared:
    """A prepared image, and what it was made of."""

    painted: PaintedMicrograph
    wanted: tuple[ClassTable, tuple[float, ...], int | None, str, float]
    image: PreparedImage
