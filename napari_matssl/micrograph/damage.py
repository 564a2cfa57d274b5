"""The errors for a damaged image file, and what helps."""

from pathlib import Path

from napari_matssl.errors import InputError

COPY_AGAIN = "Export or copy the image again."
"""The remedy for a damaged file."""


def damaged(path: Path, what: str = "") -> InputError:
    """Return the error for a file with damaged pixels."""
    details = f": {what}" if what else ""
    return InputError(f"{path} is damaged or incomplete{details}.", COPY_AGAIN)


def rows_missing(path: Path, rows: int, claimed: int) -> InputError:
    """Return the error for a file with fewer rows of pixels than it claims."""
    return damaged(path, f"it holds {max(rows, 0)} of {claimed} rows")
