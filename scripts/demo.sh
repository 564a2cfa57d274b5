#!/usr/bin/env bash
# Set everything up and run the main job on sample micrographs.
. "$(dirname "${BASH_SOURCE[0]}")/_setup.sh" ""
exec .venv/bin/napari-matssl demo --out demo-output "$@"
