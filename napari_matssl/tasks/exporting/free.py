"""Places of files that models are written to."""

from pathlib import Path

from napari_matssl.errors import OutputError
from napari_matssl.files import check_writable


def check_free(out: Path, overwrite: bool) -> None:
    """Check that a file can be written, and that none is there which must stay.

    Raises
    ------
    OutputError
        If it can't be written, or is there already.
    """
    check_writable(out)
    if out.exists() and not overwrite:
        raise OutputError(
            f"{out} is there already.",
            "Name another file, or allow to replace it.",
            settings="overwrite",
        )
