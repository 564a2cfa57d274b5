"""The images that a model has learnt from: recorded in its card, and found again."""

import hashlib
from collections.abc import Sequence

from napari_matssl.learn.card import TrainingImage
from napari_matssl.micrograph.checksum import checksum_of
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.tasks.inputs import fingerprint


class LearntImages:
    """Images that show nothing of how a model does on new ones.

    Parameters
    ----------
    images
        Of its card.
    """

    def __init__(self, images: Sequence[TrainingImage] = ()) -> None:
        self.images = tuple(images)
        self._origins: dict[object, str] = {}  # a panorama is read once, whatever its parts

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.images)

    def hold(self, micrograph: Micrograph) -> bool:
        """Whether a micrograph, a copy, or another page or part of its origin is among them.

        Raises
        ------
        InputError
            If the file of the micrograph or of its panorama can't be read.
        """
        if not self.images:
            return False
        this = self.identify(micrograph)
        return any(this.shares_origin(one) for one in self.images)

    def identify(self, micrograph: Micrograph) -> TrainingImage:
        """Describe a micrograph as a card keeps it.

        Raises
        ------
        InputError
            If its file, or that of its panorama, can't be read.
        """
        size, origin = micrograph.pixel_size, micrograph.part_of
        if origin is not None and origin not in self._origins:
            there = origin.exists()  # a layer of the viewer has no file
            name = str(origin.absolute()).encode(errors="surrogateescape")
            known = checksum_of(origin) if there else hashlib.sha256(name).hexdigest()
            self._origins[origin] = known
        return fingerprint(micrograph).model_copy(
            update={
                "pixel_um": None if size is None else size.mean_um,
                "pixels_sha256": micrograph.pixels_sha256,
                "origin_sha256": "" if origin is None else self._origins[origin],
            }
        )
