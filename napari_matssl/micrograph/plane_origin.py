"""What a plane was taken from: an entry of ImageJ's description, which ImageJ passes over."""

from napari_matssl.micrograph.metadata import FileMetadata

_KEY = "plane_of"


def origin_entry(origin: str) -> dict[str, str]:
    """Make the entry for the name of an image or layer; none for an empty name."""
    return {_KEY: origin.encode("unicode_escape").decode("ascii")} if origin else {}


def origin_in(metadata: FileMetadata) -> str:
    """Return the name of what a plane was taken from; empty for images that are none."""
    try:
        return metadata.imagej.get(_KEY, "").encode("ascii").decode("unicode_escape")
    except UnicodeError:  # somebody else's entry
        return ""
