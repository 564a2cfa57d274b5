"""Who made a model, and under which terms it may be used."""

from dataclasses import dataclass

from napari_matssl.errors import SettingsError
from napari_matssl.labels.names import few

LICENCES = (
    "CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0",
    "MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "MPL-2.0", "GPL-3.0-only",
    "GPL-3.0-or-later", "LGPL-3.0-or-later", "AGPL-3.0-or-later",
)  # fmt: skip
"""Identifiers of SPDX for the licences that models usually get; bioimage.io takes them."""

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Credits:
    """Who made a model, and under which terms it may be used.

    Parameters
    ----------
    authors
        Names.
    licence
        One of :data:`LICENCES`.
    """

    authors: tuple[str, ...] = ()
    licence: str = ""


def check_credits(credits: Credits) -> None:
    """Check that a package can name its authors and its licence.

    Raises
    ------
    SettingsError
        If one is missing, or the licence isn't known.
    """
    names = credits.authors
    if not names or not credits.licence:
        raise SettingsError(
            "A package of bioimage.io names its authors and its licence.",
            "Name who made the model, and a licence such as CC-BY-4.0.",
            settings="author licence",
        )
    if not all(_is_a_name(name) for name in names):
        raise SettingsError(
            f"An author needs a name on one line, of up to {_LONGEST_NAME} characters.",
            settings="author",
        )
    if credits.licence not in LICENCES:
        raise SettingsError(
            f"{credits.licence} is no licence that packages are written with.",
            f"Name one of {few(list(LICENCES), len(LICENCES))}.",
            settings="licence",
        )


def _is_a_name(text: str) -> bool:
    return 0 < len(text.strip()) <= _LONGEST_NAME and text.isprintable() and "/" not in text
