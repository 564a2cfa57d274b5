"""MatSSL for micrographs: pretrain, fine-tune from strokes, segment, measure."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-matssl")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
