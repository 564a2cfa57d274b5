"""The field: one mask with all that a measurement needs of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.place import ALL


@dataclass(frozen=True)
class Field:
    """One image's mask, as every measure takes it.

    Parameters
    ----------
    name
        What the image is called in tables and messages.
    group
        Fields that are summarised together; ``ALL`` where nobody has divided them.
    mask
        ``(H, W)``, class ids, and ``classes.no_class`` where there is no class.
    classes
        The classes of the mask, also those to exclude.
    pixel_size
        None if the image isn't calibrated: figures in px are filled then, those in um are None.
    analysed
        ``(H, W)``, False where nothing was analysed: no class (info bar), or a class to exclude.
        None where everything was.
    specimen, section
        Where the field was taken, ``""`` if that isn't known. Fields of one specimen aren't
        independent samples of the material.
    """

    name: str
    group: str
    mask: NDArray[np.integer]
    classes: ClassTable
    pixel_size: PixelSize | None = None
    analysed: NDArray[np.bool_] | None = None
    specimen: str = ""
    section: str = ""

    @property
    def pixel_size_um(self) -> tuple[float, float] | None:
        """Height and width of a pixel ``(y, x)`` in um, in the order of the mask's axes."""
        return None if self.pixel_size is None else (self.pixel_size.y_um, self.pixel_size.x_um)

    @property
    def analysed_pixels(self) -> int:
        """Pixels of the analysed area, the denominator of fractions and of counts per area."""
        return self.mask.size if self.analysed is None else int(np.count_nonzero(self.analysed))

    @property
    def analysed_area_um2(self) -> float | None:
        """The analysed area in um2; None if the image isn't calibrated."""
        return None if self.pixel_size is None else self.analysed_pixels * self.pixel_size.area_um2

    @property
    def analysed_classes(self) -> tuple[str, ...]:
        """Names of the classes that aren't excluded."""
        return tuple(one.name for one in self.classes.classes if not one.exclude)

    def class_named(self, name: str) -> LabelClass:
        """Return the class of a name.

        Raises
        ------
        InputError
            If the mask has no class of that name, or it is excluded.
        """
        for one in self.classes.classes:
            if one.name == name and one.exclude:
                raise InputError(
                    f"{name} is excluded from the analysed area of {self.name}, so it has no "
                    "figures.",
                    "Include it, or choose another class.",
                    settings="class",
                )
            if one.name == name:
                return one
        raise InputError(
            f"{self.name} has no class {name}.",
            f"Choose of its classes: {', '.join(self.classes.names)}.",
            settings="class",
        )

    def pixels_of(self, name: str) -> NDArray[np.bool_]:
        """Return which analysed pixels are of a class: ``(H, W)``.

        Raises
        ------
        InputError
            If the mask has no class of that name, or it is excluded.
        """
        of_class: NDArray[np.bool_] = self.mask == self.class_named(name).id
        if self.analysed is not None:
            of_class &= self.analysed
        return of_class


def field_of_mask(
    name: str,
    mask: NDArray[np.integer],
    classes: ClassTable,
    pixel_size: PixelSize | None = None,
    group: str = ALL,
    specimen: str = "",
    section: str = "",
) -> Field:
    """Make a field of a mask; what was analysed follows from the mask and its classes.

    Raises
    ------
    InputError
        If the mask holds a value that is no class.
    """
    found = count_values(mask)
    strange = {v: n for v, n in found.items() if v not in (*classes.ids, classes.no_class)}
    if strange:
        raise InputError(
            f"The mask {name} holds values that are no class: {listed(strange)}.",
            "Give the class table that the mask was made with.",
            settings="classes",
        )
    left_out = {classes.no_class, *(one.id for one in classes.classes if one.exclude)}
    analysed = None
    if not left_out.isdisjoint(found):
        counts = np.ones(256, dtype=np.bool_)
        counts[list(left_out)] = False
        analysed = np.empty(mask.shape, dtype=np.bool_)
        for row, values in enumerate(mask):  # at once, indices would take eight bytes a pixel
            analysed[row] = counts[values]
    return Field(name, group, mask, classes, pixel_size, analysed, specimen, section)
