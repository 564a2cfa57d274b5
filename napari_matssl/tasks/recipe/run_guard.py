"""Keeping other results out of the folder of a recipe's run."""

from pathlib import Path
from typing import Final

from napari_matssl.errors import InputError, OutputError, printable
from napari_matssl.files import read_json

RUN: Final = "run.json"
"""Name of the file by which a run's folder is known."""


def check_no_run(out: Path) -> None:
    """Refuse a folder that holds a run of a recipe.

    Its report names masks and tables by their checksums, and may be signed: nothing else replaces
    them.

    Raises
    ------
    OutputError
        If it does.
    """
    try:
        found = read_json(out / RUN, "")
    except InputError:  # there is none, or it is another program's
        return
    if isinstance(found, dict) and {"recipe", "checksum", "verdict"} <= found.keys():
        name = printable(str(found["recipe"]))
        raise OutputError(
            f"{out} holds a run of the recipe {name}, whose report names its files as they are.",
            "Choose another folder.",
        )
