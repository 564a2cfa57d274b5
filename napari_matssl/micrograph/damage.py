"""The errors for a damaged image file, and what helps."""

from pathlib import Path

from napari_matssl.errors import MatSSLError
from napari_matssl.files import damaged_file

COPY_AGAIN = "Export or copy the image again."
"""The remedy for a damaged file."""


def damaged(path: Path, what: str = "") -> MatSSLError:
    """Return the error for a file with damaged pixels."""
    return damaged_file(path, what, COPY_AGAIN)


def rows_missing(path: Path, rows: int, claimed: int) -> MatSSLError:
    """Return the error for a file with fewer rows of pixels than it claims."""
    return damaged(path, f"it holds {max(rows, 0)} of {claimed} rows")
