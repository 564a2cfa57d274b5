#!/usr/bin/env bash
# Set everything up and run the tests. Arguments go to pytest.
. "$(dirname "${BASH_SOURCE[0]}")/_setup.sh" lite,test
exec .venv/bin/python -m pytest "$@"
