"""Who may import whom, and what stays unloaded until it is needed."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import napari_matssl

PACKAGE = Path(napari_matssl.__file__).parent
GUI = {"napari", "qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "magicgui", "superqt", "vispy"}
FRONT_ENDS = {
    "__main__",
    "cli",
    "commands",
    "console",
    "console_tables",
    "options",
    "printing",
    "widgets",
}
ABOVE_DATA = {"export", "samples", "project", "learn", "measure", "report", "tasks"} | FRONT_ENDS
FORBIDDEN = {
    "errors": {"any"},
    "progress": {"any"},
    "plain_pickle": {"any"},
    "temporaries": {"any"},
    "files": {"micrograph", "labels"} | ABOVE_DATA,
    "settings": {"micrograph", "labels"} | ABOVE_DATA,
    "micrograph": {"labels"} | ABOVE_DATA,
    "labels": ABOVE_DATA,
    "measure": ABOVE_DATA - {"measure"},
    "export": ABOVE_DATA - {"export", "measure"},
    "report": ABOVE_DATA - {"report", "export", "measure"},
    "samples": ABOVE_DATA - {"samples", "export"},
    "project": ABOVE_DATA - {"project", "export"},
    "learn": ABOVE_DATA - {"learn"},
    "tasks": FRONT_ENDS,
}
ABOVE_PANELS = {"shell", "launch", "reader", "sample_data"}
FORBIDDEN_WIDGETS = {
    "jobs": {"controls", "canvas", "session", "panels"} | ABOVE_PANELS,
    "controls": {"canvas", "session", "panels"} | ABOVE_PANELS,
    "canvas": {"session", "panels"} | ABOVE_PANELS,
    "session": {"panels"} | ABOVE_PANELS,
    "panels": ABOVE_PANELS,
}


LOADED_FIRST = {"settings", "samples"}
"""Packages that gather names of their modules: no second thread loads them meanwhile."""


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path):
    """All modules that a file imports anywhere, in functions too."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).strip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def part(name):
    """The part of the package that a module is in: ``learn``, ``settings``."""
    return name.split(".")[1] if name.count(".") else ""


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_go_one_way_only(path):
    forbidden = FORBIDDEN.get(part(dotted(path)), set())
    ours = {name for name in imported(path) if name.split(".")[0] == "napari_matssl"}
    wrong = {n for n in ours if part(n) and (part(n) in forbidden or "any" in forbidden)}
    assert not wrong


@pytest.mark.parametrize("path", sorted((PACKAGE / "widgets").rglob("*.py")), ids=dotted)
def test_imports_go_one_way_among_widgets(path):
    ours = {n.split(".")[2] for n in imported(path) if n.startswith("napari_matssl.widgets.")}
    own = [*dotted(path).split("."), "", ""][2]
    assert not ours & FORBIDDEN_WIDGETS.get(own, set())


def test_no_module_imports_itself_over_others():
    """Data flows one way inside the folders, too; the sorter raises CycleError."""
    names = {dotted(path) for path in modules()}
    graph = {dotted(path): names & set(imported(path)) - {dotted(path)} for path in modules()}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("napari_matssl.errors") < order.index("napari_matssl.cli")


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_only_widgets_import_napari_and_qt(path):
    if part(dotted(path)) == "widgets":
        pytest.skip("widgets may")
    assert not {name for name in imported(path) if name.split(".")[0] in GUI}


def loaded_by(statements):
    """Names of the top-level modules that a fresh Python has after some statements."""
    code = f"{statements}\nimport sys\nprint(*{{n.split('.')[0] for n in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_loads_nothing_heavy_before_it_is_needed():
    loaded = loaded_by("import napari_matssl.cli")
    heavy = {"torch", "torchvision", "timm", "segmentation_models_pytorch", "pandas", "matplotlib"}
    heavy |= {"jinja2", "openpyxl"}
    assert not loaded & (GUI | heavy)
    assert {"typer", "napari_matssl"} <= loaded


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import napari_matssl") & (GUI | {"torch", "numpy", "pydantic"})


def test_dask_stays_unloaded_until_a_cluster_is_asked_for():
    assert not loaded_by("import napari_matssl.tasks.predicting.scheduler") & {
        "dask",
        "distributed",
    }


@pytest.mark.parametrize("name", ["micrograph", "labels", "measure", "export", "project", "report"])
def test_reading_labels_and_measuring_work_without_torch(name):
    found = [dotted(p) for p in modules() if part(dotted(p)) == name]
    assert len(found) > 2
    loaded = loaded_by(f"import {', '.join(found)}")
    assert not loaded & (GUI | {"torch", "torchvision", "timm"})


def test_no_two_files_of_tests_have_one_name():
    """Pytest imports them by their names alone; where caches are old, that goes unseen."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "package", [path for path in modules() if path.name == "__init__.py"], ids=dotted
)
def test_a_package_loads_none_of_its_modules(package):
    """From Python 3.14 on, a module waits for its package, and a package for its module.

    Where a job and the live preview load such a pair at once, one of them fails.
    """
    if dotted(package).partition(".")[2] in LOADED_FIRST:
        return
    own = dotted(package)
    for node in ast.walk(ast.parse(package.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert not f"{node.module}.".startswith(f"{own}.")
        elif isinstance(node, ast.Import):
            assert not any(f"{one.name}.".startswith(f"{own}.") for one in node.names)
