#!/usr/bin/env bash
# Writes packages of bioimage.io and runs `bioimageio test` on them, in an environment of its own: bioimageio.spec 0.5.12 fails
# with the pydantic that we take (2.14). Takes some GB for PyTorch, so it is no part of the tests; run it before a release.
# Usage: scripts/check_bioimageio.sh [MODEL...]   without models, three with random weights, one for each intensity scaling.
# BIOIMAGEIO_ENV names an environment to keep between runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
env=${BIOIMAGEIO_ENV:-$place/env}
python=$(command -v "${PYTHON:-.venv/bin/python}" || command -v python3)

if [ ! -x "$env/bin/bioimageio" ]; then
    "$python" -m venv "$env"
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check bioimageio.core 'pydantic<2.14' onnxruntime torch
fi

models=("$@")
if [ $# = 0 ]; then
    "$python" - "$place" <<'PY'
import sys
from pathlib import Path

sys.path[:0] = ["tests", "tests/tasks"]
from test_exporting import SCALE, make_segmenter, reference_of

from napari_matssl.learn.segmenter import write_segmenter
from napari_matssl.settings import IntensityScalingSettings

imagenet = IntensityScalingSettings(kind="imagenet")
for name, segmenter in {
    "matched": make_segmenter("guided-unet++", grey_reference=reference_of(SCALE)),
    "percentiles": make_segmenter("segformer"),
    "imagenet": make_segmenter("unet++", channels="rgb", intensity_scaling=imagenet),
}.items():
    write_segmenter(Path(sys.argv[1]) / f"{name}.safetensors", segmenter)
PY
    models=("$place"/*.safetensors)
fi

failed=0
for model in "${models[@]}"; do
    package=$place/$(basename "${model%.*}").zip
    "$python" -m napari_matssl export "$model" --format bioimageio --author Nobody --licence CC0-1.0 --out "$package"
    if env -u PYTHONPATH "$env/bin/bioimageio" test "$package" >"$place/summary" 2>&1; then
        grep -aE '^ (status|applied format|bioimageio\.)' "$place/summary"
    else
        cat "$place/summary"
        failed=1
    fi
done
exit $failed
