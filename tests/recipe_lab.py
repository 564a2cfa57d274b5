"""A small project with a model and its recipe, and the command line, for tests of recipes."""

import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from napari_matssl.cli import main
from napari_matssl.export.masks import write_mask
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.micrograph.image import PixelSize

UM = 0.25
INSTANT = ("--preset", "instant", "--encoder", "test_efficientnet", "--weights", "random")
TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="ferrite", colour="#0072b2"),
        LabelClass(id=2, name="martensite", colour="#e69f00"),
    )
)


@dataclass(frozen=True)
class Lab:
    """What a supervisor has left."""

    project: Path
    model: Path
    recipe: Path


def make_lab(root, two_phases, *more):
    """Train a model on two images, and save its recipe."""
    project = root / "project"
    labels = project / "matssl" / "labels"
    labels.mkdir(parents=True)
    TABLE.write(project / "matssl" / "classes.json")
    TABLE.write(labels / "classes.json")
    for seed in (7, 8):
        one = two_phases(seed)
        write_field(project / f"p{seed}.tif", one)
        write_mask(labels / f"p{seed}.png", one.labels.astype(np.uint8), TABLE)
        write_mask(project / "matssl" / "masks" / f"p{seed}.png", one.labels, TABLE)
    model = project / "matssl" / "models" / "model-001.safetensors"
    assert run_command("finetune", project, labels, "--out", model, *INSTANT) == 0
    recipe = root / "steel.recipe"
    given = ("--measures", "phases,objects", "--class", "martensite", "--etchant", "Nital 2 %")
    assert run_command("recipe", project, "--out", recipe, *given, *more) == 0
    return Lab(project, model, recipe)


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
