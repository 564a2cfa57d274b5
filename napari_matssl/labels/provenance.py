"""Metadata of a mask: the size of its pixels and its provenance.

It stands as one JSON text in the file: in a text chunk of PNGs, in the notes that ImageJ shows for
TIFFs. A PNG's own resolution is left alone; it is one for printers.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.micrograph.calibration import own_pixel_size
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.mask_text import KEY, own_facts, read_mask_text

LIKE, DOUBTFUL, UNLIKE = "like the painted images", "doubtful", "unlike the painted images"

LIGHTS = (LIKE, DOUBTFUL, UNLIKE)
"""How far a model can be trusted on an image."""


class Provenance(BaseModel):
    """The provenance of a mask."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    image: str = Field(default="", description="name of the micrograph")
    page: int | None = Field(default=None, description="which, of a file of several images")
    image_sha256: str = Field(default="", description="checksum of its file")
    model: str = Field(default="", description="name of the model's file")
    model_sha256: str = Field(default="", description="checksum of that file")
    model_created: str = Field(default="", description="when the model was trained, ISO 8601")
    model_um: float | None = Field(
        default=None, description="µm/px at which the model works, if pixel sizes matter to it"
    )
    version: str = Field(default="", description="of the program that segmented")
    torch: str = Field(default="", description="version of PyTorch that segmented")
    written: str = Field(default="", description="when the mask was made, ISO 8601")
    run: str = Field(default="", description="what the results of one run have in common")
    settings: dict[str, Any] = Field(default_factory=dict, description="of segmenting")
    cleaning: str = Field(default="", description="what was cleaned, in words")
    info_bar: str = Field(default="", description="which rows were left out, and why")
    files: tuple[str, ...] = Field(
        default=(), description="endings of the files that were written with the mask"
    )
    painted: bool = Field(default=False, description="painted pixels overruled the model's")
    remarks: tuple[str, ...] = Field(default=(), description="what was unusual about the image")
    light: str = Field(default="", description="one of LIGHTS; empty if nobody has judged")
    reasons: tuple[str, ...] = Field(default=(), description="of the light, where it isn't LIKE")
    uncertain: float | None = Field(
        default=None, description="share of the area on which the model can't decide"
    )
    unsure: str = Field(default="", description="what follows, where that is too much")
    mask_sha256: str = Field(
        default="", description="checksum of the mask's pixels as they were written, row by row"
    )

    @property
    def short_sha256(self) -> str:
        """The first digits of the checksum, which identify a model."""
        return self.model_sha256[:12]


@dataclass(frozen=True)
class MaskFacts:
    """Metadata in the file of a mask; all of it may be missing."""

    pixel_size: PixelSize | None = None
    provenance: Provenance | None = None
    classes: ClassTable | None = None

    def text(self, width: int | None = None) -> str:
        """Return everything as JSON in ASCII; empty if there is nothing.

        Parameters
        ----------
        width
            Of the mask, px, for which the pixel size is right: some editors keep this text in a
            copy that they have resized.
        """
        data: dict[str, Any] = {}
        if self.pixel_size is not None:
            size = self.pixel_size
            data |= {"pixel_size_um": [size.x_um, size.y_um], "pixel_size_source": size.source}
            data |= {} if width is None else {"width_px": width}
        if self.provenance is not None:
            data["provenance"] = self.provenance.model_dump(mode="json", exclude_defaults=True)
        if self.classes is not None:
            data["classes"] = [c.model_dump(mode="json") for c in self.classes.classes]
        return json.dumps(data) if data else ""

    def png_info(self, width: int | None = None) -> PngImagePlugin.PngInfo:
        """Return everything as text chunks for Pillow; `width` as for :meth:`text`."""
        info = PngImagePlugin.PngInfo()
        if text := self.text(width):
            info.add_itxt(KEY, text)
        return info


def mask_sha256(rows: Iterable[NDArray[np.integer]]) -> str:
    """Return the checksum of a mask's pixels, given in bands of rows from top to bottom."""
    checksum = hashlib.sha256()
    for band in rows:
        checksum.update(np.ascontiguousarray(band, np.uint8).data)
    return checksum.hexdigest()


def read_mask_facts(path: Path) -> MaskFacts:
    """Read the metadata of a mask's file.

    Returns
    -------
    Nothing for files of other programs, and for what can't be understood.
    """
    text = read_mask_text(path)
    data = own_facts(text)
    try:
        provenance = Provenance.model_validate(data["provenance"])
    except (KeyError, ValidationError):
        provenance = None
    return MaskFacts(own_pixel_size(text), provenance, _classes_in(data))


def _classes_in(data: dict[str, Any]) -> ClassTable | None:
    try:
        return ClassTable.model_validate({"classes": data["classes"]})
    except (KeyError, ValidationError):
        return None
