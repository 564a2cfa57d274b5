"""The encoder that comes with the program, by its name in settings."""

from pathlib import Path

MICROGRAPHS = "micrographs"
"""Name of the shipped encoder in settings."""

_SHIPPED = Path(__file__).parents[1] / "weights" / "micrographs.safetensors"


def weights_path(source: str) -> Path:
    """Find the file of weights that settings name: the shipped encoder, or a path."""
    return _SHIPPED if source == MICROGRAPHS else Path(source)
