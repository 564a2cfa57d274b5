#!/usr/bin/env bash
# Play a stranger: a fresh Debian with nothing but its base packages, no compiler, no GPU, an ordinary user with
# an empty home. He installs the wheel as docs/install.md tells, runs the demo, looks at the window, makes a
# recipe and runs it, exports the model, and runs it without this program by docs/other-programs.md.
#
#     sudo bash scripts/stranger.sh [SUITE] [--wheel FILE] [--out FOLDER] [--tests WHAT] [--keep]
#
# SUITE is one of Debian's (trixie by default). --out keeps what the steps print and the picture of the screen.
# --tests also runs tests of the core with the stranger's packages: "tests", or some of its folders and files.
# --keep leaves the fresh Debian there.
# It takes root, debootstrap, and 15 GB below TMPDIR while it runs. The fresh Debian is given this machine's
# settings of apt, its own certificate authorities, and the variables with proxies and settings of pip.
set -euo pipefail

suite=trixie wheel="" out="" tests="" keep=""
options=("$@")
while [ $# -gt 0 ]; do
    case $1 in
        --wheel) wheel=$(realpath "$2"); shift ;;
        --out) out=$(realpath -m "$2"); shift ;;
        --tests) tests=$2; shift ;;
        --keep) keep=1 ;;
        -*) echo "error: there is no option $1, see the head of $0." >&2; exit 2 ;;
        *) suite=$1 ;;
    esac
    shift
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# All mounts are made, and all programs run, in namespaces that end with them; only files are left to remove.
if [ -z "${STRANGER_PLACE:-}" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null || ! command -v unshare >/dev/null; then
        echo "error: this takes root and debootstrap. Install debootstrap, and run it by sudo." >&2
        exit 2
    fi
    STRANGER_PLACE=$(mktemp -d)
    [ -n "$keep" ] && echo "The fresh Debian stays in $STRANGER_PLACE" ||
        trap 'rm -rf --one-file-system "$STRANGER_PLACE"' EXIT
    export STRANGER_PLACE
    unshare --mount --pid --fork --kill-child bash "scripts/${0##*/}" "${options[@]}"
    exit
fi

root=$STRANGER_PLACE/debian
out=${out:-$STRANGER_PLACE/out}
mkdir -p "$out" "$STRANGER_PLACE/wheels"
handed=(
    PIP_FIND_LINKS=/srv/wheels  # in place of an index, which the wheel isn't on yet
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt  # pip of older suites has its own, without those of this machine
)
while IFS= read -r -d '' one; do
    case $one in
        PIP_CACHE_DIR=* | PIP_CERT=* | PIP_CONFIG_FILE=* | PIP_FIND_LINKS=*) ;;  # paths of this machine
        PIP_* | *_proxy=* | *_PROXY=*) handed+=("$one") ;;
    esac
done < <(env -0)

# Run commands in the fresh Debian, as its root or as the stranger.
as_system() {
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive bash -ec "$1"
}
as_stranger() {
    chroot --userspec=stranger:stranger --groups= "$root" env -i HOME=/home/stranger USER=stranger LANG=C.UTF-8 \
        PATH=/home/stranger/matssl/bin:/usr/local/bin:/usr/bin:/bin "${handed[@]}" bash -ec "$none; cd; $1"
}
# For what must fail or find nothing; bash doesn't end at a failing "!".
none='none() { if "$@"; then echo "unexpected: $*"; exit 1; fi; }'

# Print the block of code that follows a heading of a page, a command a line.
block() {
    awk -v heading="$2" -v fence='```'"$3" '
        $0 == heading { below = 1; next }
        below && $0 == fence { inside = 1; next }
        inside && /^```/ { exit }
        inside { print }
    ' "$1" | sed -e ':a' -e '/\\$/ { N; s/\\\n *//; ta' -e '}'
}

rows=()
# Run a step with a name, time it, and end with the table if it fails. What it prints goes into a file.
step() {
    local name=$1 began=$SECONDS status file
    shift
    file=$out/$(printf '%02d' ${#rows[@]})-$(tr -cs '[:alnum:]\n' - <<<"$name" | cut -c1-40).log
    echo "$name"
    set +e
    (set -e; "$@") >"$file" 2>&1
    status=$?
    set -e
    rows+=("| $name | $((SECONDS - began)) s | $([ $status = 0 ] && echo passed || echo "failed ($status)") |")
    if [ $status != 0 ]; then
        tail -n 40 "$file" >&2
        show_table
        exit 1
    fi
}

show_table() { printf '%s\n' "" "| step | time | |" "|---|---|---|" "${rows[@]}" | tee "$out/table.md"; }

build_wheel() {
    if [ -n "$wheel" ]; then cp "$wheel" "$STRANGER_PLACE/wheels"
    else "${PYTHON:-python3}" -m pip wheel --no-deps --wheel-dir "$STRANGER_PLACE/wheels" .; fi
}

fresh_debian() {
    debootstrap --variant=minbase "$suite" "$root"
    apt-config dump Acquire >"$root/etc/apt/apt.conf.d/00-as-outside"
    echo 'APT::Get::Assume-Yes "true";' >"$root/etc/apt/apt.conf.d/01-yes"
    mkdir -p "$root/srv/wheels" "$root/srv/screen" "$root/usr/local/share/ca-certificates"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$root/usr/local/share/ca-certificates" \;
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount --bind "$STRANGER_PLACE/wheels" "$root/srv/wheels"
    echo "127.0.0.1 localhost $(hostname)" >"$root/etc/hosts"
    as_system '
        apt-get -qq update
        apt-get -qq install python3 sudo ca-certificates
        useradd --shell /bin/bash --no-create-home stranger
        install -d -o stranger /home/stranger
        chown stranger /srv/screen
        echo "stranger ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/stranger
    '
}

# What must not be there.
bare() {
    as_stranger '
        for program in gcc cc g++ c++ clang make cmake rustc nvidia-smi; do none command -v $program; done
        none compgen -G "/dev/nvidia*"
        [ "$(id -u)" != 0 ]
        [ -z "$(ls -A)" ]
        . /etc/os-release; echo "$PRETTY_NAME"; python3 --version; dpkg --list | grep -c ^ii
    '
}

# All libraries that Qt links to are there, before the screen brings some of them.
qt_finds_its_libraries() {
    as_stranger '
        cd matssl/lib/python3*/site-packages/PyQt6/Qt6
        ldd lib/libQt6{Core,Gui,Widgets,OpenGL,OpenGLWidgets,Svg}.so.6 plugins/platforms/libqxcb.so \
            plugins/xcbglintegrations/*.so >/srv/screen/linked
        none grep "not found" /srv/screen/linked
    '
}

# The stranger has a screen: an X server in memory, with Mesa as on any desktop.
a_screen() { as_system 'apt-get -qq install --no-install-recommends xvfb libgl1-mesa-dri'; }

# Open the window and wait until a micrograph is in its middle: grains and noise, where napari's first page is plain.
look_at_the_window() {
    cat >"$root/srv/screen/look.py" <<'PY'
"""Take pictures of the screen until a micrograph is in its middle, and keep the last one."""
import sys
import time

import numpy as np
from PIL import ImageGrab

for _ in range(150):
    time.sleep(2)
    screen = ImageGrab.grab(xdisplay=sys.argv[1])
    screen.save(sys.argv[2])
    middle = np.asarray(screen.convert("L"))[screen.height // 3 :, screen.width // 3 :]
    middle = middle[: screen.height // 3, : screen.width // 3]
    share = (middle[:, 1:] != middle[:, :-1]).mean()
    if share > 0.5:
        break
else:
    sys.exit(f"no micrograph is on the screen: {share:.0%} of its middle isn't plain")
print(f"{share:.0%} of the middle isn't plain")
PY
    as_stranger "
        Xvfb -displayfd 3 -screen 0 1600x1000x24 3>/srv/screen/number 2>/dev/null &
        until [ -s /srv/screen/number ]; do sleep 0.2; done
        export DISPLAY=:\$(cat /srv/screen/number)
        $1 >/srv/screen/printed 2>&1 &
        window=\$!
        python /srv/screen/look.py \$DISPLAY /srv/screen/window.png || { cat /srv/screen/printed; exit 1; }
        kill -0 \$window
        kill \$window %1
        cat /srv/screen/printed
        none grep Traceback /srv/screen/printed
    "
    cp "$root/srv/screen/window.png" "$out"
}

make_recipe() {
    as_stranger 'napari-matssl recipe demo-output/dual-phase/images --model demo-output/dual-phase/model.safetensors \
        --out steel.recipe --measures phases,objects --class martensite --etchant "Nital 2 %, 8 s"'
}

run_recipe() {
    as_stranger '
        napari-matssl run steel.recipe demo-output/dual-phase/unseen --out heat-4711 \
            --specimen "Heat 4711" --operator "B. Night" || [ $? = 3 ]  # 3: images are to be checked
        ls heat-4711/report.html heat-4711/report.xlsx heat-4711/verdicts.csv  # a PDF takes a browser
        napari-matssl verify heat-4711/report.html
    '
}

export_model() {
    local commands
    mapfile -t commands < <(block docs/other-programs.md "# The model in other programs" bash)
    [ ${#commands[@]} = 2 ]
    as_stranger "cp demo-output/dual-phase/model.safetensors .; ${commands[0]}; ${commands[1]}; ls -l model.onnx"
}

# In an environment with what the page names, and nothing of ours.
run_outside() {
    local heading="## In Python, without this program" commands
    mapfile -t commands < <(block docs/other-programs.md "$heading" bash)
    [ ${#commands[@]} = 1 ]
    block docs/other-programs.md "$heading" python >"$root/srv/screen/outside.py"
    as_stranger "
        python3 -m venv outside
        outside/bin/${commands[0]}
        none outside/bin/python -c 'import napari_matssl'
        none outside/bin/python -c 'import torch'
        first=\$(ls demo-output/dual-phase/unseen/*.* | head -n 1)
        name=\$(basename \${first%.*})
        cp \$first image.png
        ORT_DISABLE_TELEMETRY=1 outside/bin/python /srv/screen/outside.py
        outside/bin/python - demo-output/dual-phase/result/\${name}_mask.png <<'PY'
import sys

import numpy as np
from PIL import Image

theirs, ours = np.asarray(Image.open('mask.png')), np.asarray(Image.open(sys.argv[1]))
same = (theirs == ours).mean()
print(f'{same:.2%} of {ours.size:,} pixels are as in the mask of predict')
sys.exit(same < 0.9 or len(np.unique(theirs)) < 2)
PY
    "
}

# By the two commands of the page: our package, then the environment. What Debian's own libraries, pip and napari
# keep in the home is allowed, and what the page names of ours.
uninstall() {
    local commands
    mapfile -t commands < <(block docs/install.md "## Uninstall" bash)
    [ ${#commands[@]} = 2 ]
    as_stranger "
        ${commands[0]}
        find matssl -mindepth 1 -iname '*matssl*' >/srv/screen/left
        none grep . /srv/screen/left
        ${commands[1]}
        find .config .cache -mindepth 1 -maxdepth 1 | sort
        rm -r .config/napari .config/napari-matssl .cache/napari
        rm -rf .cache/fontconfig .cache/mesa_shader_cache* .cache/qtshadercache* .cache/pip
        rmdir .config .cache
        rm -r demo-output heat-4711 outside steel.recipe model.safetensors model.onnx image.png mask.png
        ls -A >/srv/screen/left
        find / -xdev -user stranger -not -path '/srv/*' -not -path '/proc/*' -not -path '/tmp/*' \
            -not -path /home/stranger >>/srv/screen/left 2>/dev/null || true  # some folders are root's alone
        none grep . /srv/screen/left
    "
}

core_tests() {
    mkdir "$root/srv/clone"
    git archive HEAD | tar -x -C "$root/srv/clone"
    chroot "$root" chown -R stranger /srv/clone
    as_stranger 'matssl/bin/pip install --quiet "napari-matssl[test]"'
    as_stranger "cd /srv/clone; OMP_NUM_THREADS=1 python -m pytest -q --ignore=tests/widgets --durations=15 $tests"
}

step "Build the wheel" build_wheel
step "Make a fresh Debian, $suite" fresh_debian
step "No compiler, no GPU, an empty home" bare
cat "$out"/*-No-compiler*.log
mapfile -t commands < <(block docs/install.md "## Linux" bash)
[ ${#commands[@]} -ge 3 ]
for one in "${commands[@]::${#commands[@]}-1}"; do
    step "$(sed -E 's/(.{45}).{4,}/\1.../' <<<"$one")" as_stranger "$one"
done
step "Qt finds its libraries" qt_finds_its_libraries
step "napari-matssl --help" as_stranger "napari-matssl --help"
step "napari-matssl demo" as_stranger "napari-matssl demo"
step "Give the stranger a screen" a_screen
step "${commands[-1]}, a picture of it" look_at_the_window "${commands[-1]}"
step "napari-matssl recipe" make_recipe
step "napari-matssl run" run_recipe
step "Export to ONNX" export_model
step "The ONNX file without this program" run_outside
[ -z "$tests" ] || step "Tests of the core" core_tests
step "Uninstall" uninstall
show_table
