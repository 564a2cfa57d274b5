"""The outside of a model file: its header, and the names and shapes of its tensors.

Read without torch and without the tensors themselves.
"""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from napari_matssl.errors import MatSSLError, ModelFileError
from napari_matssl.files import check_regular, damaged_file, unreadable_file
from napari_matssl.learn.pickled import PICKLE_STARTS, Shape

AGAIN = "Copy or train it again."
"""The remedy for a damaged model or encoder."""

LONGEST_HEADER = 16 << 20
"""A card with a hundred thousand training images fits in, bytes."""


@dataclass(frozen=True)
class TensorHeader:
    """Header of a safetensors file.

    Parameters
    ----------
    metadata
        Texts by their names; the model card is one of them.
    shapes
        Of the tensors, by their names.
    """

    metadata: dict[str, str]
    shapes: dict[str, Shape]


def is_pickle(path: Path) -> bool:
    """Return whether a file is a weights file of PyTorch's, by its first bytes.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is no regular one.
    """
    start = _start_of(path)
    # Safetensors begin with the length of a header in JSON: the length may look like a pickle's
    # first bytes, the brace after it may not.
    return start[8:] != b"{" and start.startswith(PICKLE_STARTS)


def read_header(path: Path) -> TensorHeader:
    """Read the header of a safetensors file.

    Raises
    ------
    ModelFileError
        If the file is missing, no regular one, truncated, no safetensors file, or its header is
        larger than any card.
    """
    length = int.from_bytes(_start_of(path)[:8], "little")
    if LONGEST_HEADER < length <= path.stat().st_size:
        raise damaged_model(path, f"it is no model file, or has a header of {length / 1e6:,.0f} MB")
    try:
        with safe_open(path, framework="numpy") as tensors:
            shapes = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
            return TensorHeader(tensors.metadata() or {}, shapes)
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged_model(path, f"it is no model file, or was cut off ({error})") from error


def damaged_model(path: Path | str, detail: str) -> MatSSLError:
    """Return the error for a file that holds no model or encoder that can be used."""
    return damaged_file(path, detail, AGAIN, ModelFileError)


def _start_of(path: Path) -> bytes:
    check_regular(path, ModelFileError)
    try:
        with path.open("rb") as file:
            return file.read(9)
    except OSError as error:
        raise unreadable_file(path, error, ModelFileError) from error
