"""docs/api.md: its functions are there, and its examples do what stands below them."""

import importlib
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "api.md").read_text("utf-8")
FUNCTION = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


def test_the_examples_print_what_stands_below_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code, expected in EXAMPLE.findall(PAGE):
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == expected, code


def test_each_function_is_public_documented_and_used_by_an_example():
    _about, *parts = re.split(r"^(?=::: )", PAGE, flags=re.MULTILINE)
    assert len(parts) > 20
    for part in parts:
        module, _, name = FUNCTION.match(part)[1].rpartition(".")
        assert getattr(importlib.import_module(module), name).__doc__
        assert any(f"{name}(" in code for code, _printed in EXAMPLE.findall(part)), name
