"""One project with a model, its recipe, and a folder of a second shift."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from recipe_parts import INSTANT, run_command, write_field

from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import ClassTable, LabelClass

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


@pytest.fixture(scope="session")
def lab(tmp_path_factory, two_phases):
    project = tmp_path_factory.mktemp("lab") / "project"
    labels = project / "matssl" / "labels"
    labels.mkdir(parents=True)
    TABLE.write(project / "matssl" / "classes.json")
    TABLE.write(labels / "classes.json")
    for seed in (7, 8):
        one = two_phases(seed)
        write_field(project / f"p{seed}.tif", one)
        write_mask(labels / f"p{seed}.png", one.labels.astype(np.uint8), TABLE)
    model = project / "matssl" / "models" / "model-001.safetensors"
    assert run_command("finetune", project, labels, "--out", model, *INSTANT) == 0
    recipe = project.parent / "steel.recipe"
    given = ("--measures", "phases,objects", "--class", "martensite", "--etchant", "Nital 2 %")
    assert run_command("recipe", project, "--out", recipe, *given) == 0
    return Lab(project, model, recipe)


@pytest.fixture
def shift(tmp_path, two_phases):
    """Three good fields."""
    folder = tmp_path / "shift"
    folder.mkdir()
    for seed in range(3):
        write_field(folder / f"f{seed}.tif", two_phases(seed))
    return folder


@pytest.fixture(autouse=True)
def no_printing(monkeypatch):
    monkeypatch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)
