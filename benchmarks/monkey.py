"""Use the window at random, with real events, and see whether anything breaks or is lost.

Each round plays two sessions of napari, one after the other, on the same two folders: it paints,
presses keys, clicks right, steps through the images, undoes, closes, opens and floats docks,
trains, segments, cleans, exports, finishes and cancels, adds layers of others, excludes images,
opens the other folder. A session ends by closing the window right after a stroke, by closing it
while a job runs, or by a kill. What ought to be painted on each image is worked out from the path
of the mouse alone (monkey_shadow.py), and compared with the layer after each act and with the
files of all images after each step, each opening and each session. A round fails if

- the process ends by a signal or with an error, or an exception comes to light,
- the window stands still for longer than HANG_S of its own, other programs' time left out,
- it takes more than MEMORY_GB beyond what it took after its start,
- a stroke isn't as long and broad as the mouse's path, or something is painted that mustn't be,
- undo, redo, a class's key or a step doesn't do what it should,
- a stroke isn't on disk: at once after a step, at the end of a session, 2 s before a kill.

Needs a screen, openbox and xdotool (events "x"), or a screen alone (events "qt"):

    xvfb-run -a -s "-screen 0 1920x1080x24" python benchmarks/monkey.py --minutes 10 --seed 1

A round is repeated by its seed: --seed 17 --rounds 1. What the machine does meanwhile isn't.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from monkey_hand import start_window_manager

SESSION_S = 120.0
SIDE = 192
ENDS = "close", "kill", "job"


def make_folders(place: Path) -> None:
    """Write two folders of small micrographs with their class tables, and images of others."""
    from napari_matssl.export.micrographs import write_micrograph
    from napari_matssl.samples import class_table, make_sample

    for folder, kind, seeds in (
        ("steel", "dual-phase", range(4)),
        ("coating", "coating", range(10, 13)),
        ("others", "dual-phase", range(20, 24)),
    ):
        (place / folder).mkdir()
        for seed in seeds:
            sample = make_sample(kind, seed, (SIDE, SIDE + 8 * (seed % 3)))
            write_micrograph(place / folder / f"{folder}-{seed}.tif", sample.micrograph)
        if folder != "others":
            class_table(kind).write(place / folder / "classes.json")


def lost_pixels(place: Path) -> dict[str, int]:
    """Count the pixels of each image that were painted and aren't on disk."""
    from napari_matssl.project.folder import Project

    lost = {}
    for path in sorted((place / "expected").glob("*.npy")):
        folder, name = path.stem.split("--")
        painted, found = np.load(path), Project(place / folder).labels.read(name)
        found = np.zeros_like(painted) if found is None else found
        if count := int(np.count_nonzero(found != painted)):
            lost[f"{folder}/{name}"] = count
    return lost


def play_session(place: Path, seed: int, end: str, events: str) -> list[str]:
    """Run one session in a process of its own; what is wrong with it."""
    command = [sys.executable, __file__, "--child", str(place), end]
    command += ["--seed", str(seed), "--events", events]
    settings = {**os.environ, "NAPARI_CONFIG": str(place / "napari.yaml"), "HOME": str(place)}
    begin = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=5 * SESSION_S, env=settings
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        code, out, err = "no end", _text(late.stdout), _text(late.stderr)
    problems = [line for line in out.splitlines() if line.startswith("FAILED")]
    if code != (-9 if end == "kill" else 0) and not problems:
        problems.append(f"ended with {code}")
    if "Traceback (most recent call last)" in err:
        problems.append("a traceback")
    if not problems and (lost := lost_pixels(place)):
        problems.append(f"lost: {lost}")
    figures = [line for line in out.splitlines() if '"figures"' in line]
    took = time.monotonic() - begin
    print(f"  seed {seed} ({end}, {took:.0f} s): {'; '.join(problems) or 'good'}", flush=True)
    print("".join(f"    {line}\n" for line in figures), end="", flush=True)
    for line in err.splitlines():
        if line.startswith("PAUSE"):
            print(f"    {line}", flush=True)
    if problems:
        print("\n".join(out.splitlines()[-15:]), flush=True)
    (place / f"{seed}.out").write_text(out)
    (place / f"{seed}.err").write_text(err)
    return problems


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def play(seed: int, events: str, keep: Path | None) -> bool:
    """Play one round; whether it was good."""
    print(f"round {seed}: repeat it with --seed {seed} --rounds 1 --events {events}", flush=True)
    with tempfile.TemporaryDirectory(prefix="monkey-") as made:
        place = Path(made)
        make_folders(place)
        for number in range(2):
            end = ENDS[(seed + number) % len(ENDS)]
            problems = play_session(place, 1000 * number + seed, end, events)
            if problems and keep is not None:
                shutil.copytree(place, keep / f"seed-{seed}", dirs_exist_ok=True)
            if problems:
                return False
    return True


def main() -> int:
    """Play rounds until the time is over; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=10**6, help="at most")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument(
        "--events", choices=("x", "qt"), default="x", help="the X server's, or Qt's"
    )
    parser.add_argument("--keep", type=Path, help="folder to keep the files of failed rounds in")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return be_child(given)
    settings = Path(tempfile.mkdtemp(prefix="monkey-"))
    manager = start_window_manager(settings) if given.events == "x" else None
    begin, seed, failed = time.monotonic(), given.seed, []
    while time.monotonic() - begin < 60 * given.minutes and seed - given.seed < given.rounds:
        if not play(seed, given.events, given.keep):
            failed.append(seed)
        seed += 1
    minutes = (time.monotonic() - begin) / 60
    print(f"{seed - given.seed} rounds in {minutes:.1f} min, failed: {failed or 'none'}")
    if manager is not None:
        manager.terminate()
    shutil.rmtree(settings)
    return bool(failed)


def be_child(given: argparse.Namespace) -> int:
    """Play one session in this process."""
    import napari
    from monkey_acts import Monkey

    place, end = given.child
    monkey = Monkey(Path(place), given.seed, given.events, seconds=SESSION_S, end=end)
    napari.run()
    monkey.say("over")
    return 0


if __name__ == "__main__":
    sys.exit(main())
