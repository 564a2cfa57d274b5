"""The table of docs/reliability.md on interruptions: no cell without a test, no test of no cell."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
RELIABILITY = TESTS.parent / "docs" / "reliability.md"


def cells_of_the_table():
    """Give command and interruption of each cell that isn't empty."""
    section = RELIABILITY.read_text(encoding="utf-8").partition("## Interruption")[2]
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heading, _, *body = rows
    assert {len(row) for row in rows} == {len(heading)}
    return [
        (command.translate({ord("`"): None, ord('"'): None}), interruption)
        for command, *kept in body
        for interruption, cell in zip(heading[1:], kept, strict=True)
        if cell
    ]


def cells_with_tests():
    """Give the tests of each cell, by the marks that stand on them."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for test in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(test, ast.FunctionDef):
                continue
            for mark in test.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.cell":
                    cell = tuple(ast.literal_eval(argument) for argument in mark.args)
                    test_id = f"{path.relative_to(TESTS.parent).as_posix()}::{test.name}"
                    found.setdefault(cell, []).append(test_id)
    return found


TABLE, TESTED = cells_of_the_table(), cells_with_tests()


def test_the_table_is_read():
    assert ("pretrain", "killed") in TABLE
    assert len(TABLE) > 40


@pytest.mark.parametrize("cell", TABLE, ids=", ".join)
def test_each_cell_has_a_test(cell):
    assert TESTED.get(cell), f"mark the test that shows it with @pytest.mark.cell{cell}"


@pytest.mark.parametrize("cell", TESTED, ids=", ".join)
def test_each_marked_test_has_a_cell(cell):
    assert cell in TABLE, f"{TESTED[cell]} show what docs/reliability.md doesn't have"
