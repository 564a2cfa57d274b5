"""Places of files that models are written to."""

from pathlib import Path

from napari_matssl.errors import OutputError
from napari_matssl.files import check_writable


def check_free(out: Path, overwrite: bool, source: Path) -> None:
    """Check that a file can be written, and that none is there which must stay.

    Parameters
    ----------
    out
        The file to write.
    overwrite
        Whether one that is there may be replaced.
    source
        The file that it is made of, which is never replaced.

    Raises
    ------
    OutputError
        If it can't be written, is there already, or is the source.
    """
    check_writable(out)
    if out.exists() and source.exists() and out.samefile(source):
        raise OutputError(
            f"{out} is the file that it would be made of, which would be lost.",
            "Name another file.",
        )
    if out.exists() and not overwrite:
        raise OutputError(
            f"{out} is there already.",
            "Name another file, or allow to replace it.",
            settings="overwrite",
        )
