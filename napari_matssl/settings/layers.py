"""Settings of the measurement of layers."""

from typing import Literal

from napari_matssl.settings.base import Settings
from napari_matssl.settings.fields import setting


class LayerSettings(Settings):
    """What counts as a layer, and how its thickness is measured."""

    method: Literal["auto", "columns", "centreline"] = setting(
        "auto",
        "columns for straight layers, normals of the centre line for bent ones; auto takes"
        " columns unless the bend would make them read more than 1 % too thick",
    )
    cracks: str = setting(
        "crack,cracks",
        "names of the classes that are cracks, with commas between; inside a layer they belong to "
        "it",
        title="Classes of cracks",
    )
    pores: str = setting(
        "pore,pores,porosity",
        "names of the classes that are pores, with commas between; porosity is their share of the"
        " layer's area between both interfaces",
        title="Classes of pores",
    )
    gaps: Literal["left-out", "zero"] = setting(
        "left-out",
        "columns without layer between others: not measured, or a thickness of zero",
    )
    crack_tolerance_percent: float = setting(
        5.0,
        "share of the thickness by which a through-crack may be interrupted or end before an"
        " interface; at least 2 px",
        title="Crack tolerance",
        unit="%",
        ge=0,
        le=50,
    )

    @property
    def crack_names(self) -> frozenset[str]:
        """The names of classes that are cracks, in small letters."""
        return _names(self.cracks)

    @property
    def pore_names(self) -> frozenset[str]:
        """The names of classes that are pores, in small letters."""
        return _names(self.pores)


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, (name.strip().lower() for name in text.split(","))))
