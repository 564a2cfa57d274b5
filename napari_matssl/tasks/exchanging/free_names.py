"""Files that are written for several images: each gets one of its own, and none that is there."""

from collections.abc import Iterable
from pathlib import Path

from napari_matssl.errors import OutputError
from napari_matssl.labels.names import composed


def check_apart(targets: Iterable[tuple[Path, Path]]) -> None:
    """Check that every image gets a file of its own, on any file system.

    Parameters
    ----------
    targets
        Each image with the file that is written for it, all in one folder.

    Raises
    ------
    OutputError
        If two would get one; upper and lower case are one on many systems.
    """
    images: dict[str, Path] = {}
    for image, target in targets:
        other = images.setdefault(composed(target.name).casefold(), image)
        if other != image:
            raise OutputError(
                f"{other.name} and {image.name} would both give {target.name}.",
                "Rename one of them, or give one image alone.",
            )


def check_free(paths: Iterable[Path], overwrite: bool) -> None:
    """Check that no file is there, unless it may be replaced.

    Raises
    ------
    OutputError
        If one is.
    """
    for path in paths:
        if path.exists() and not overwrite:
            raise OutputError(
                f"{path} is there already.",
                "Choose another place, or allow to replace it.",
                settings="overwrite",
            )
