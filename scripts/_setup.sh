# Sourced by demo.sh, lint.sh and test.sh: makes .venv in the clone and installs the package with extras.
# Usage: . scripts/_setup.sh EXTRAS      (for example: test,pyqt5; "" for none)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { echo "error: $1" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else return 1; fi
}

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Through apt-get, as root or by sudo; fails where there is neither.
install_packages() {
    command -v apt-get >/dev/null 2>&1 &&
        as_root apt-get -qq update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "$@" >/dev/null
}

# Debian and Ubuntu ship venv and pip apart from Python.
install_venv_module() {
    version=$("$1" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    echo "Installing $version-venv through apt-get"
    install_packages "$version-venv" ||
        fail "$1 has no venv module. Install $version-venv as root, then run this again."
}

PYTHON=$(find_python) || fail "Python 3.11 or newer is needed. Install it, then run this again."
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1 || install_venv_module "$PYTHON"
    echo "Making a virtual environment in .venv"
    "$PYTHON" -m venv --clear .venv
fi
echo "Installing napari-matssl into .venv (the first time this fetches several GB)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".${1:+[$1]}"
