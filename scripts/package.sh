#!/usr/bin/env bash
# Build the wheel and the source archive into dist, and try the wheel outside of the clone.
# They need a network for what builds them; nothing is uploaded.
. "$(dirname "${BASH_SOURCE[0]}")/_setup.sh" dev,test,pyqt5,pyqt6
rm -rf dist
.venv/bin/python -m build --outdir dist . >/dev/null
.venv/bin/twine check --strict dist/*

echo "Trying the wheel in an environment that sees the packages of .venv, but not the clone"
unset PYTHONPATH
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python=$(realpath .venv)/bin/python
"$python" -m venv --without-pip "$place/env"
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
own=$("$place/env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$own" dist/*.whl
echo "$site" >"$own/others.pth"  # comes after its own packages; .pth files there are not read
wheel=$(realpath dist/*.whl)
cd "$place"
env/bin/python - "$wheel" <<'PY'
"""The wheel is what is imported, and holds all that isn't Python."""
import sys
import zipfile
from importlib.metadata import entry_points, metadata
from importlib.resources import files

import napari_matssl

assert napari_matssl.__file__.startswith(sys.prefix), napari_matssl.__file__
names = zipfile.ZipFile(sys.argv[1]).namelist()
for wanted in ("napari.yaml", "LICENSE", "LICENSE_DEJAVU", "micrographs.safetensors", "SOURCES.md"):
    assert any(name.endswith(wanted) for name in names), f"{wanted} is missing"
facts = metadata("napari-matssl")
assert "](docs/" not in facts["Description"], "a link of the README leads nowhere on an index"
[plugin] = [p for p in entry_points(group="napari.manifest") if p.name == "napari-matssl"]
assert (files("napari_matssl") / "napari.yaml").is_file()
print(f"{facts['Name']} {facts['Version']}: {len(names)} files in the wheel")
PY
env/bin/python -m napari_matssl --help >/dev/null
env/bin/python -m napari_matssl demo --help >/dev/null
du -h "$wheel" "${wheel%/*}"/*.tar.gz
