"""Use the window at random, with real events, and see whether anything breaks.

Each round is a process of its own with a napari window: it opens a folder, paints with the mouse,
presses keys, clicks right, closes and opens docks, trains the instant classifier, cancels, closes
the folder. At its end the window is closed, or the process killed. A round fails if

- the process ends by a signal or with an error, or writes a traceback,
- the event loop stands still for longer than HANG_S,
- it takes more than MEMORY_GB beyond what it took after its start,
- a stroke that was painted more than SAVED_S before the end isn't on disk.

Needs a screen (Xvfb will do):

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/monkey.py --minutes 10 --seed 1
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

HANG_S = 5.0
SAVED_S = 2.0
MEMORY_GB = 2.0
ROUND_S = 45.0
DOCKS = ("All panels", "Micrographs", "Pretrain", "Fine-tune", "Segment", "Phases")
SIDE = 192


def resident_gb() -> float:
    """Memory of this process, GB; 0 where the system doesn't tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


class Watchdog(threading.Thread):
    """End the process if the window's event loop doesn't beat for too long."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.beat = time.monotonic()
        self.longest = 0.0

    def run(self) -> None:
        """Look at the beat twice a second; a process that was suspended whole is no hang."""
        import faulthandler

        before = time.monotonic()
        while True:
            time.sleep(0.5)
            now = time.monotonic()
            if now - before > HANG_S / 2:
                self.beat = now
            before = now
            self.longest = max(self.longest, now - self.beat)
            if now - self.beat > HANG_S:
                print("HANG", flush=True)
                faulthandler.dump_traceback(all_threads=True)
                os._exit(7)


class Monkey:
    """Somebody who does one random thing after another in a window."""

    def __init__(self, folder: Path, seed: int, seconds: float, end: str) -> None:
        import napari
        from qtpy.QtCore import QTimer

        from napari_matssl.widgets.session import session_of

        self.folder, self.random = folder, random.Random(seed)
        self.until, self.end = time.monotonic() + seconds, end
        self.viewer = napari.Viewer()
        self.window = self.viewer.window._qt_window
        self.window.resize(1400, 900)
        self.session = session_of(self.viewer)
        self.session.workspace.failed.connect(lambda error: self.say("told", str(error)))
        self.session.runner.failed.connect(lambda error: self.say("job failed", str(error)))
        self.docks: dict[str, object] = {}
        self.watchdog = Watchdog()
        self.watchdog.start()
        self.heart = QTimer()
        self.heart.timeout.connect(self.beat)
        self.heart.start(50)
        self.acts = (
            [self.stroke] * 8 + [self.digit] * 3 + [self.step] * 3 + [self.right_click] * 2
            + [self.undo] * 2 + [self.tool, self.middle_click, self.wheel, self.other_layer]
            + [self.open_dock] * 2 + [self.close_dock] * 2 + [self.float_dock, self.fold]
            + [self.instant, self.segment, self.cancel, self.finish, self.reopen, self.delete_layer]
        )  # fmt: skip
        self.start_gb = resident_gb()
        self.open()
        self.open_dock()
        QTimer.singleShot(1500, self.act)

    def say(self, *words: object) -> None:
        """Leave a line for the parent."""
        print(json.dumps([round(time.monotonic(), 3), *map(str, words)]), flush=True)

    def beat(self) -> None:
        """Show that the event loop runs."""
        self.watchdog.beat = time.monotonic()

    def act(self) -> None:
        """Do one thing, and plan the next."""
        from qtpy.QtCore import QTimer

        if time.monotonic() > self.until:
            self.leave()
            return
        what = self.random.choice(self.acts)
        self.say(what.__name__)
        QTimer.singleShot(self.random.choice((5, 30, 100, 300)), self.act)
        what()
        if resident_gb() - self.start_gb > MEMORY_GB:
            print("MEMORY", flush=True)
            os._exit(8)

    def leave(self) -> None:
        """Pause so that all strokes are old enough, then close the window or be killed."""
        from qtpy.QtCore import QTimer

        QTimer.singleShot(int(1000 * (SAVED_S + 0.5)), self.go)

    def go(self) -> None:
        """Say what has to be on disk, and end."""
        shown = self.session.workspace.shown
        if shown is not None:
            np.save(self.folder / "expected.npy", shown.painted.data)
            (self.folder / "expected.txt").write_text(shown.name)
        self.say("longest", round(self.watchdog.longest, 2), round(resident_gb(), 2))
        if self.end == "kill":
            os.kill(os.getpid(), 9)
        self.session.closing._ask = lambda: "Cancel the job"
        self.window.close()

    # --- the mouse

    @property
    def canvas(self):
        """The widget that is painted on."""
        return self.viewer.window._qt_viewer.canvas.native

    def mouse(self, kind, place, button, buttons) -> None:
        """Send one event of the mouse."""
        from qtpy.QtCore import QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        where = QPointF(self.canvas.mapToGlobal(place.toPoint()))
        event = QMouseEvent(kind, place, where, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self.canvas, event)

    def place(self):
        """Somewhere on the canvas."""
        from qtpy.QtCore import QPointF

        size = self.canvas.size()
        return QPointF(self.random.uniform(0, size.width()), self.random.uniform(0, size.height()))

    def drag(self, button) -> None:
        """Press, move, let go; at times without a release, which went to another window."""
        from qtpy.QtCore import QEvent, Qt

        none = Qt.MouseButton.NoButton
        first = self.place()
        self.mouse(QEvent.Type.MouseMove, first, none, none)
        self.mouse(QEvent.Type.MouseButtonPress, first, button, button)
        last = first
        for _ in range(self.random.randint(0, 6)):
            last = self.place()
            self.mouse(QEvent.Type.MouseMove, last, none, button)
        if self.random.random() < 0.95:
            self.mouse(QEvent.Type.MouseButtonRelease, last, button, none)
        else:
            self.mouse(QEvent.Type.MouseMove, self.place(), none, none)

    def stroke(self) -> None:
        """Drag with the left button."""
        from qtpy.QtCore import Qt

        self.drag(Qt.MouseButton.LeftButton)

    def without_painting(self, button) -> None:
        """Drag with a button that may not paint."""
        shown = self.session.workspace.shown
        before = None if shown is None else shown.painted.data.copy()
        self.drag(button)
        self.session.menu.menu.close()
        if shown is not None and not np.array_equal(before, shown.painted.data):
            print("PAINTED by another button", flush=True)
            os._exit(9)

    def right_click(self) -> None:
        """Press the right button."""
        from qtpy.QtCore import Qt

        self.without_painting(Qt.MouseButton.RightButton)

    def middle_click(self) -> None:
        """Press the middle button."""
        from qtpy.QtCore import Qt

        self.without_painting(Qt.MouseButton.MiddleButton)

    def wheel(self) -> None:
        """Zoom a little."""
        self.viewer.scene.camera.zoom *= (
            self.random.choice((0.8, 1.25)) if hasattr(self.viewer, "scene") else 1
        )

    # --- keys

    def key(self, key, modifier=None) -> None:
        """Press a key over the canvas."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        QTest.keyClick(self.canvas, key, modifier or Qt.KeyboardModifier.NoModifier)

    def digit(self) -> None:
        """Pick a class, or none."""
        from qtpy.QtCore import Qt

        self.key(getattr(Qt.Key, f"Key_{self.random.randint(1, 9)}"))

    def step(self) -> None:
        """Go to another image."""
        from qtpy.QtCore import Qt

        self.key(self.random.choice((Qt.Key.Key_A, Qt.Key.Key_D)))

    def undo(self) -> None:
        """Undo, or redo."""
        from qtpy.QtCore import Qt

        control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
        self.key(Qt.Key.Key_Z, self.random.choice((control, control | shift)))

    def tool(self) -> None:
        """Take another tool, by any of napari's keys."""
        self.key(ord(self.random.choice("PEFLZMXBV")))

    # --- docks and layers

    def open_dock(self) -> None:
        """Open a dock as napari's menu does."""
        name = self.random.choice(DOCKS)
        self.docks[name] = self.viewer.window.add_plugin_dock_widget("napari-matssl", name)

    def close_dock(self) -> None:
        """Close a dock by its cross."""
        if self.docks:
            name = self.random.choice(sorted(self.docks))
            self.docks.pop(name)[0].destroyOnClose()

    def float_dock(self) -> None:
        """Take a dock off the window, or put it back."""
        if self.docks:
            dock = self.docks[self.random.choice(sorted(self.docks))][0]
            dock.setFloating(not dock.isFloating())

    def fold(self) -> None:
        """Open or fold a section of the shell."""
        shell = self.docks.get("All panels")
        if shell is not None:
            section = self.random.choice(sorted(shell[1].sections))
            shell[1].sections[section].toggleButton().click()

    def panel(self, title: str):
        """Give a panel of an open dock."""
        if title in self.docks:
            return self.docks[title][1].panel
        shell = self.docks.get("All panels")
        return None if shell is None else shell[1].panels[title]

    def other_layer(self) -> None:
        """Choose any layer."""
        if len(self.viewer.layers):
            self.viewer.layers.selection.active = self.random.choice(list(self.viewer.layers))

    def delete_layer(self) -> None:
        """Delete the painted labels: they come back."""
        shown = self.session.workspace.shown
        if shown is not None and shown.painted in self.viewer.layers:
            self.viewer.layers.remove(shown.painted)

    # --- jobs and folders

    def instant(self) -> None:
        """Train the instant classifier."""
        panel = self.panel("Fine-tune")
        if panel is not None and panel.start.isEnabled():
            panel.form.set_value("architecture", "pixel-classifier")
            panel.start.click()

    def segment(self) -> None:
        """Run the newest model."""
        panel = self.panel("Segment")
        if panel is not None and panel.start.isEnabled() and panel.target.currentIndex() < 2:
            panel.start.click()

    def cancel(self) -> None:
        """Give the job up."""
        self.session.runner.cancel()

    def finish(self) -> None:
        """Finish the job now."""
        self.session.runner.finish()

    def open(self) -> None:
        """Open the folder."""
        self.session.workspace.open([self.folder])

    def reopen(self) -> None:
        """Close the folder and open it again."""
        self.session.workspace.close_folder()
        self.open()


def make_folder(folder: Path) -> None:
    """Write some small micrographs and their class table."""
    from napari_matssl.export.micrographs import write_micrograph
    from napari_matssl.samples import class_table, make_sample

    folder.mkdir(parents=True)
    for seed in range(4):
        sample = make_sample("dual-phase", seed, (SIDE, SIDE))
        write_micrograph(folder / f"steel-{seed}.tif", sample.micrograph)
    class_table("dual-phase").write(folder / "classes.json")


def lost_pixels(folder: Path) -> int:
    """Count pixels that were painted and aren't on disk."""
    from napari_matssl.project.folder import Project

    expected = folder / "expected.npy"
    if not expected.is_file():
        return 0
    painted = np.load(expected)
    found = Project.open(folder).labels((folder / "expected.txt").read_text())
    found = np.zeros_like(painted) if found is None else found
    return int(np.count_nonzero(found != painted))


def play(seed: int) -> str:
    """Run one round in a process of its own; what is wrong with it, or nothing."""
    end = "kill" if seed % 3 == 0 else "close"
    with tempfile.TemporaryDirectory(prefix="monkey-") as place:
        folder = Path(place) / "steel"
        make_folder(folder)
        command = [sys.executable, __file__, "--child", str(folder), end, "--seed", str(seed)]
        settings = {**os.environ, "NAPARI_CONFIG": str(Path(place) / "napari.yaml")}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20 * ROUND_S, env=settings
        )
        wanted = -9 if end == "kill" else 0
        problems = []
        if done.returncode != wanted:
            problems.append(f"ended with {done.returncode}")
        if "Traceback" in done.stderr:
            problems.append("traceback")
        if lost := lost_pixels(folder):
            problems.append(f"{lost} pixels lost")
        longest = [line for line in done.stdout.splitlines() if '"longest"' in line]
        print(
            f"seed {seed} ({end}): {', '.join(problems) or 'good'} {''.join(longest)}", flush=True
        )
        if problems:
            print("\n".join(done.stdout.splitlines()[-25:]))
            print(done.stderr[-4000:], flush=True)
        return ", ".join(problems)


def main() -> int:
    """Play rounds until the time is over; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        import napari

        monkey = Monkey(Path(given.child[0]), given.seed, ROUND_S, given.child[1])
        napari.run()
        monkey.say("over")
        return 0
    begin, seed, failed = time.monotonic(), given.seed, []
    while time.monotonic() - begin < 60 * given.minutes:
        if play(seed):
            failed.append(seed)
        seed += 1
    minutes = (time.monotonic() - begin) / 60
    print(f"{seed - given.seed} rounds in {minutes:.1f} min, failed: {failed or 'none'}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
