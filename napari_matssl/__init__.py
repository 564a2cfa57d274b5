"""MatSSL for micrographs: pretrain, fine-tune from strokes, segment, measure."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-matssl")
except PackageNotFoundError:  # a source tree that isn't installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
