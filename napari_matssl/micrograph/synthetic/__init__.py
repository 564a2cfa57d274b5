"""Seeded sample micrographs with exact labels, for demonstrations, tests and benchmarks."""

from napari_matssl.micrograph.synthetic.samples import (
    MATERIALS,
    Sample,
    class_table,
    make_sample,
)
from napari_matssl.micrograph.synthetic.scribbles import scribble

__all__ = ["MATERIALS", "Sample", "class_table", "make_sample", "scribble"]
