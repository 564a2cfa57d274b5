"""Messages of the core: they name settings, and each front end its own options or controls."""

import ast
import re
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import typer

import napari_matssl
from napari_matssl.cli import app
from napari_matssl.console import JobOutcome
from napari_matssl.errors import InputError, StackError, UnwrittenError, add_settings
from napari_matssl.progress import Skipped
from napari_matssl.tasks.batch import none_left

PACKAGE = Path(napari_matssl.__file__).parent
FRONT_ENDS = {"cli.py", "commands", "options.py", "console.py", "console_tables.py", "widgets"}
OF_PROGRAMS = {"nvidia.py"}  # command lines of other programs

MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] not in FRONT_ENDS and path.name not in OF_PROGRAMS
)


def named_settings(path: Path) -> list[str]:
    """Names of the settings that the errors of a module are about."""
    return [
        name.partition("=")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.Assign)
        for text in settings_texts(node)
        for name in text.split()
    ]


def settings_texts(node: ast.Call | ast.Assign) -> list[str]:
    if isinstance(node, ast.Assign):
        targets = [target.id for target in node.targets if isinstance(target, ast.Name)]
        values = [node.value] if targets == ["settings"] else []
    else:
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        values = [word.value for word in node.keywords if word.arg == "settings"]
        values += node.args[1:2] if called == "contradiction" else []
    if any(isinstance(value, ast.IfExp) for value in values):
        values = [
            v
            for value in values
            if isinstance(value, ast.IfExp)
            for v in (value.body, value.orelse)
        ]
    return [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)]


COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
NAMED = frozenset(name for path in MODULES for name in named_settings(path))


def options_of(command: Any) -> set[str]:
    return {flag for parameter in command.params for flag in parameter.opts}


def flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def test_every_setting_of_an_error_is_an_option_of_a_command() -> None:
    options = {option for command in COMMANDS.values() for option in options_of(command)}
    assert {"minutes", "val_fraction", "device", "classes", "unlabelled", "epochs"} <= NAMED
    assert not {name for name in NAMED if flag(name) not in options}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("how", ["an error", "an image left out"])
def test_a_command_names_in_errors_only_the_options_that_it_has(
    name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = " ".join(sorted(NAMED))

    def fail(**_: object) -> None:
        if how == "an error":
            raise InputError("a.png is large.", settings=settings)
        JobOutcome(None).leave([Skipped("a.png", "It is large.", settings)])

    command = copy(COMMANDS[name])
    command.callback = fail
    context = command.make_context(name, [], resilient_parsing=True)
    with pytest.raises(SystemExit):
        command.invoke(context)
    shown = set(re.findall(r"--[a-z-]+", capsys.readouterr().err))
    assert shown == {flag(setting) for setting in NAMED} & options_of(command)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_message_of_the_core_holds_an_option(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }  # docstrings
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in documented
    ]
    assert not [text for text in texts if re.search(r"(^|[\s(])--[a-z]", text)]


def test_a_front_end_names_the_settings_that_it_has() -> None:
    error = InputError("a.png is large.", "Use the processor.", settings="device=cpu minutes page")
    assert str(error) == "a.png is large. Use the processor."
    names = {"device": "--device", "minutes": "--minutes"}
    shown = add_settings(str(error), error.settings, lambda name: names.get(name, ""))
    assert shown == "a.png is large. Use the processor (--device cpu, --minutes)."
    assert add_settings(str(error), error.settings, lambda name: "") == str(error)
    assert StackError("a.tif is a stack.", "Choose one.", 3).settings == "page"


def test_an_error_in_other_words_stays_what_it_is() -> None:
    first = StackError("a.tif is a stack.", "Choose one.", 3)
    error = none_left(first, 2)
    assert isinstance(error, StackError)
    assert (error.pages, error.settings, error.remedy) == (3, "page", "Choose one.")
    assert (
        str(error) == "None of the 2 images can be used. The first: a.tif is a stack. Choose one."
    )
    held = UnwrittenError("m is full.", "Make room.", lambda path: path).reworded("All is full.")
    assert (held.write(Path("m")), str(held)) == (Path("m"), "All is full. Make room.")


def test_words_of_users_that_look_like_a_setting_stay_as_they_are() -> None:
    error = InputError("{minutes}.png --minutes %(minutes)s is empty.", settings="minutes")
    shown = add_settings(str(error), error.settings, lambda name: f"--{name}")
    assert shown == "{minutes}.png --minutes %(minutes)s is empty (--minutes)."
