#!/usr/bin/env bash
# Build the documentation as a site. A link or heading that leads nowhere is an error, and so is a control
# in bold that the window doesn't have.
. "$(dirname "${BASH_SOURCE[0]}")/_setup.sh" dev,test,pyqt5,pyqt6
QT_QPA_PLATFORM=offscreen .venv/bin/python scripts/control_names.py
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
echo "The site is in site: open site/index.html"
