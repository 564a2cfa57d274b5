"""The user's choice of where info bars begin."""

from typing import Literal, TypeVar

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph

InfoBarChoice = int | Literal["auto"] | None
"""First row of the info bar of all images; "auto": as it is detected; None: there is none."""


Image = TypeVar("Image", Micrograph, AnyMicrograph)


def with_info_bar(micrograph: Image, choice: InfoBarChoice) -> Image:
    """Return a micrograph with the info bar that the user chose.

    Raises
    ------
    InputError
        If its first row is outside the image.
    """
    if choice == "auto":
        return micrograph
    if choice is None:
        return without_info_bar(micrograph)
    if not 0 < choice < micrograph.height:
        raise InputError(
            f"The info bar of {micrograph.name} can't begin at row {choice}: the image has "
            f"{micrograph.height} rows.",
            "Give a row inside the images, auto or none.",
        )
    return micrograph.with_info_bar(InfoBar(choice, "set by hand"))


def without_info_bar(micrograph: Image) -> Image:
    """Return the micrograph with its info bar taken for specimen."""
    return micrograph.with_info_bar(None)
