"""Lengths and their units, as metadata have them, in micrometres."""

import re

from napari_matssl.micrograph.metadata import positive

# No inches or centimetres: ImageJ copies them from the print resolution.
_UM = {"mm": 1e3, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0}
_UM |= {"m": 1e6, "nm": 1e-3, "a": 1e-4, "å": 1e-4, "angstrom": 1e-4, "pm": 1e-6, "fm": 1e-9}


def length_um(text: str | None, usual: str = "") -> float | None:
    """Parse ``5um``, ``200 nm`` and, where there is a `usual` unit, ``12.5``."""
    found = re.fullmatch(r"([-+.,\deE]{1,40})\s*(\S*)", text[:80]) if text else None
    if found is None:
        return None
    number, um = positive(found[1]), unit_um(found[2] or usual)
    return None if number is None or um is None else number * um


def unit_um(unit: object) -> float | None:
    """Micrometres in a unit of length; ImageJ writes the micro sign as an escape."""
    if not isinstance(unit, str):
        return None
    plain = re.sub(r"\\u00b5|\\u03bc|[µμ]", "u", unit.strip(), flags=re.IGNORECASE)
    return _UM.get(plain.lower())
