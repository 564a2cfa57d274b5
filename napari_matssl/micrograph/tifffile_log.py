"""tifffile's log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def tifffile_silenced() -> Iterator[None]:
    """Silence tifffile's log: errors report what is wrong with a file."""
    silence = _Silence()
    logger = logging.getLogger("tifffile")
    logger.addFilter(silence)
    try:
        yield
    finally:
        logger.removeFilter(silence)


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False
