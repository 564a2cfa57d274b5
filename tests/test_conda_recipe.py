"""The recipe for conda-forge takes what the package takes."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
OTHER_NAMES = {"torch": "pytorch", "huggingface-hub": "huggingface_hub"}


def test_the_recipe_has_the_dependencies_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text("utf-8"))
    run = [line.replace(" ", "") for line in recipe["requirements"]["run"]]

    optional = project["optional-dependencies"]["napari"]
    wanted = [re.split("(?=>)", line, maxsplit=1) for line in project["dependencies"] + optional]
    for name, *bound in wanted:
        assert "".join([OTHER_NAMES.get(name, name), *bound]) in run
    assert len(run) == len(wanted) + 2  # Python and Qt
    assert recipe["context"]["version"] == project["version"]
    assert project["requires-python"] == ">=3.11"
