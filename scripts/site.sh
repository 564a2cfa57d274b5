#!/usr/bin/env bash
# Build the documentation as a site; a link or heading that leads nowhere is an error.
. "$(dirname "${BASH_SOURCE[0]}")/_setup.sh" dev,test,pyqt5,pyqt6
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
echo "The site is in site: open site/index.html"
