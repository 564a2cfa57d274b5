#!/usr/bin/env bash
# Style, types and spelling of everything, in a minute: before the tests, which take a quarter of
# an hour.
. "$(dirname "${BASH_SOURCE[0]}")/_setup.sh" dev,test,pyqt5,pyqt6
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/codespell
