"""Whether what belongs to a folder of images can be kept there, found out without writing."""

import os
from pathlib import Path


def hindrance(own: Path) -> str | None:
    """Return why nothing can be saved; None if it can.

    Nothing is written to find out. Where the system's answer isn't decisive (network drives,
    Windows), the first writing decides.

    Parameters
    ----------
    own
        The folder that holds all that belongs to a folder of images; need not exist.
    """
    own_folders = [own, own / "labels", own / "masks"]
    for place in own_folders:
        if os.path.lexists(place) and not place.is_dir():
            return f"{place} is in the way, which is no folder"
    there = [place for place in own_folders if place.is_dir()]
    for place in there or [own.parent]:
        if not os.access(place, os.W_OK | os.X_OK):
            return f"{place} can't be written"
    return None
