#!/usr/bin/env bash
# Set everything up and run the tests: those of the panels on PyQt5, the main ones of them on PyQt6 and a
# few on PySide6 as well, then all others. --all-bindings runs all of the panels' tests on all three, as
# before a release. With other arguments there is one run, on PyQt5 unless QT_API says otherwise; they go
# to pytest.
# MATSSL_TEST_ALL=1 also installs programs without which some tests are skipped.
. "$(dirname "${BASH_SOURCE[0]}")/_setup.sh" test,pyqt5,pyqt6,pyside6

# What a screen in memory takes on Debian and Ubuntu: Xvfb, OpenGL in software, what Qt links to.
SCREEN_PACKAGES=(
    xvfb xauth libgl1 libegl1 libopengl0 libgl1-mesa-dri libdbus-1-3 libfontconfig1 libglib2.0-0
    libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0
    libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1
)

# What tests of reports print and compute with; they are skipped where it isn't installed.
REPORT_PACKAGES=(chromium chromium-sandbox fonts-dejavu-core libreoffice-calc poppler-utils)

# The panels are tested in real windows: on the screen there is, else on one in memory.
needs_xvfb() { [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}" ]; }

can_show_windows() {
    command -v xvfb-run >/dev/null 2>&1 &&
        ! ldd .venv/lib/python3*/site-packages/Py*/Qt*/plugins/platforms/libqxcb.so |
        grep "not found" >/dev/null  # not -q: it would stop ldd, which counts as a failure
}

run_pytest() {
    local binding=$1
    shift
    export QT_API=$binding PYTEST_QT_API=$binding
    echo "Running the tests on $binding"
    if needs_xvfb; then
        xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python -m pytest "$@"
    else
        .venv/bin/python -m pytest "$@"
    fi
}

# Tests of the panels in which bindings have differed: windows, mouse, keys, painting, the whole way. PySide6
# differs from PyQt6 in what becomes of objects, not in Qt.
ON_PYQT6="autosave|class_editor|closing|docks|finetune_panel|launch|layers|measure_panel|mouse|shell|story"
ON_PYSIDE6="class_editor|docks|mouse|shell"

# Run a quarter of the panels' tests on a binding, those that a pattern matches, on an own screen.
test_part() {
    local binding=$1 part=$2 pattern=$3 files
    mapfile -t files < <(
        printf '%s\n' tests/widgets/test_*.py | awk "NR % 4 == $part" | grep -E "/test_($pattern)\.py$"
    )
    [ ${#files[@]} = 0 ] || run_pytest "$binding" "${files[@]}" >"$told/$binding-$part" 2>&1
}

# Run the tests of the panels on all bindings: on Qt6 those that a pattern matches, or else the main ones.
# They keep one core busy, so two parts run at a time; what they print follows at the end.
test_panels() {
    local failed=0
    told=$(mktemp -d)
    export OMP_NUM_THREADS=1 told
    export -f test_part run_pytest needs_xvfb
    {
        printf '%s\n' "pyqt5 "{0,1,2,3}" .*"
        printf '%s\n' "pyqt6 "{0,1,2,3}" ${1:-$ON_PYQT6}"
        printf '%s\n' "pyside6 "{0,1,2,3}" ${1:-$ON_PYSIDE6}"
    } | xargs -P 2 -L 1 bash -c 'test_part "$@"' part || failed=1
    cat "$told"/*
    rm -r "$told"
    [ "$failed" = 0 ] || fail "tests of the panels failed, see above."
}

if needs_xvfb && ! can_show_windows; then
    echo "Installing Xvfb and what Qt needs through apt-get"
    install_packages "${SCREEN_PACKAGES[@]}" ||
        fail "there is no screen, and no Xvfb to stand in for one. Install as root: ${SCREEN_PACKAGES[*]} (Debian's names), then run this again."
fi

if [ -n "${MATSSL_TEST_ALL:-}" ] && ! { command -v chromium && command -v soffice; } >/dev/null 2>&1; then
    echo "Installing ${REPORT_PACKAGES[*]} through apt-get"
    install_packages --no-install-recommends "${REPORT_PACKAGES[@]}" ||
        echo "They can't be installed: tests that need them are skipped."
fi

if [ $# -gt 0 ] && [ "$1" != --all-bindings ]; then
    run_pytest "${QT_API:-pyqt5}" "$@"
else
    test_panels ${1:+".*"}
    OMP_NUM_THREADS=1 run_pytest pyqt5 --ignore=tests/widgets --numprocesses=2 --dist=worksteal
fi
