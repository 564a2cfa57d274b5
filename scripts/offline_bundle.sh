#!/usr/bin/env bash
# Gather all that an installation without internet takes, in one folder: the wheels for one platform and
# one Python, their checksums, and a script that installs them.
#
#     bash scripts/offline_bundle.sh [--out FOLDER] [--extras pyqt6,fiji] [--python 3.12 --platform win_amd64]
#
# Without --python and --platform it is for a machine like this one. PYTHON names the interpreter that
# fetches. pip's own settings say from where; with the CPU builds of PyTorch there, it is some hundred MB.
set -euo pipefail

out=offline-bundle extras=pyqt6 version="" platform=""
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=$2 ;;
        --extras) extras=$2 ;;
        --python) version=$2 ;;
        --platform) platform=$2 ;;
        *) echo "error: there is no option $1, see the head of $0." >&2; exit 2 ;;
    esac
    shift 2
done
out=$(realpath -m "$out")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
if [ -e "$out" ]; then
    echo "error: $out is there already. Remove it, or choose another --out." >&2
    exit 2
fi
if [ -n "$platform" ] && [ -z "$version" ]; then
    echo "error: --platform takes --python, too." >&2
    exit 2
fi

mkdir -p "$out.part/wheels"
trap 'rm -rf "$out.part"' EXIT
echo "Building the wheel of napari-matssl"
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$out.part/wheels" .
own=$(echo "$out.part"/wheels/*.whl)
echo "Fetching what it takes (without CUDA some hundred MB, with it several GB)"
others=(${version:+--python-version "$version"} ${platform:+--platform "$platform"})
"$python" -m pip download --quiet --disable-pip-version-check --only-binary=:all: \
    ${others[@]+"${others[@]}"} --dest "$out.part/wheels" "$own[$extras]"
(cd "$out.part" && sha256sum wheels/* >SHA256SUMS)

version=${version:-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
case $platform in
    win*)
        sed "s/@VERSION@/$version/; s/@EXTRAS@/$extras/" >"$out.part/install.bat" <<'BAT'
@echo off
rem Install napari-matssl without internet: install.bat [FOLDER]; the environment goes into FOLDER, or matssl.
set "to=%~1"
if "%to%"=="" set "to=matssl"
py -@VERSION@ -m venv "%to%" || exit /b 1
"%to%\Scripts\python" -m pip install --no-index --find-links "%~dp0wheels" "napari-matssl[@EXTRAS@]" || exit /b 1
echo Done. Start it by: "%to%\Scripts\napari-matssl" demo --gui
BAT
        ;;
    *)
        sed "s/@VERSION@/$version/; s/@EXTRAS@/$extras/" >"$out.part/install.sh" <<'SH'
#!/bin/sh
# Install napari-matssl without internet: sh install.sh [FOLDER]; the environment goes into FOLDER, or matssl.
# PYTHON names the interpreter; its version has to be @VERSION@.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-matssl}
python=${PYTHON:-python@VERSION@}
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || found=none
if [ "$found" != @VERSION@ ]; then
    echo "error: these packages are for Python @VERSION@; $python is $found. Name another: PYTHON=... sh install.sh" >&2
    exit 1
fi
(cd "$here" && sha256sum --check --quiet SHA256SUMS) || {
    echo "error: files of the bundle are missing or damaged, see above. Copy it again." >&2
    exit 1
}
"$python" -m venv "$to"
"$to/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \
    --find-links "$here/wheels" "napari-matssl[@EXTRAS@]"
echo "Done. Start it by: $to/bin/napari-matssl demo --gui"
SH
        ;;
esac
mv "$out.part" "$out"
echo "$out: $(find "$out/wheels" -name '*.whl' | wc -l) wheels, $(du -sh "$out" | cut -f1)"
