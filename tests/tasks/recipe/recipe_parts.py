"""A small project with a model, and the command line, for tests of recipes."""

import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from napari_matssl.cli import main
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.micrograph.image import PixelSize

UM = 0.25
INSTANT = ("--preset", "instant", "--encoder", "test_efficientnet", "--weights", "random")


def run_command(*arguments):
    """Run the command line; return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["napari-matssl", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return end.code or 0
    return 0


def write_field(path, painted, um=UM, grey=lambda pixels: pixels):
    """Write an image of two phases, calibrated or not, as it would look otherwise."""
    one = painted.micrograph
    size = None if um is None else PixelSize(um, um, "test")
    write_micrograph(path, replace(one, pixels=grey(one.pixels), pixel_size=size))


def unlike(pixels):
    """Replace an image by noise, which no painted image has."""
    return np.random.default_rng(0).integers(0, 255, pixels.shape).astype(np.uint8)


def repacked(path, out, change, members=None):
    """Pack a recipe again, with the bytes of its members changed by name."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {**held, **(members or {})}.items():
            if (changed := change(name, data)) is not None:
                archive.writestr(zipfile.ZipInfo(name), changed)
    return out
