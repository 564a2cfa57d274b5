"""Seeded sample micrographs with exact labels, for demonstrations, tests and benchmarks."""

from napari_matssl.samples.materials import MATERIALS, Sample, class_table, make_sample
from napari_matssl.samples.scribbles import scribble

__all__ = ["MATERIALS", "Sample", "class_table", "make_sample", "scribble"]
