"""Draw five quick strokes while torch is loaded for the first time, and look at them.

napari is started afresh, with settings of its own, and a folder is opened. The first stroke lets
torch be loaded, for the live preview; once that has begun, four more strokes are drawn at once by
the X server, each with two corners. Told are, for each stroke, how many of its pixels are missing;
how many pixels beside them are painted; and how long the window stood still, less the time in which
it was ready to run while other programs had the processors. Needs a screen, openbox and xdotool:

    xvfb-run -a -s "-screen 0 1920x1080x24" python benchmarks/first_strokes.py
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from monkey_hand import XHand, start_window_manager
from monkey_shadow import distance
from monkey_watch import waited_s

SIDE = 512
STROKES = [
    [(40 + 90 * k, 60), (40 + 90 * k, 250), (80 + 90 * k, 250), (80 + 90 * k, 440)]
    for k in range(5)
]
PATIENCE_S = 120.0
STALL_S = 0.05


class Stalls:
    """Pauses of the event loop of over STALL_S: when, how long, and how long of its own, s."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.found: list[tuple[float, float, float]] = []
        self._last, self._waited = time.monotonic(), waited_s()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def _tick(self) -> None:
        now, waited = time.monotonic(), waited_s()
        pause = now - self._last - 0.005
        if pause > STALL_S:
            self.found.append((self._last, pause, pause - (waited - self._waited)))
        self._last, self._waited = now, waited


def wait(seconds: float, done=lambda: False) -> None:
    """Let the event loop run until something is done, or for some time."""
    from qtpy.QtTest import QTest

    until = time.monotonic() + seconds
    while time.monotonic() < until and not done():
        QTest.qWait(10)


def main() -> int:
    """Draw, and tell what has become of the strokes; 1 if one isn't as it was drawn."""
    place = Path(tempfile.mkdtemp(prefix="first-strokes-"))
    os.environ.update(HOME=str(place), XDG_CONFIG_HOME=str(place))
    os.environ["NAPARI_CONFIG"] = str(place / "napari.yaml")
    from napari_matssl.export.micrographs import write_micrograph
    from napari_matssl.samples import class_table, make_sample
    from napari_matssl.widgets.launch import open_viewer
    from napari_matssl.widgets.panels import live_preview
    from napari_matssl.widgets.session import session_of

    folder = place / "steel"
    folder.mkdir()
    write_micrograph(folder / "a.tif", make_sample("dual-phase", 0, (SIDE, SIDE)).micrograph)
    class_table("dual-phase").write(folder / "classes.json")
    manager = start_window_manager(place)
    viewer = open_viewer(folder)
    shown, hand, stalls = session_of(viewer).current.shown, XHand(), Stalls()
    times: list[float] = []
    start = live_preview.start_torch

    def timed() -> None:
        times.append(time.monotonic())
        start()
        times.append(time.monotonic())

    live_preview.start_torch = timed
    wait(4)
    strokes = [[_on_screen(viewer, shown.painted, point) for point in s] for s in STROKES]
    hand.drag(strokes[0], "left")
    wait(PATIENCE_S, lambda: times)
    for stroke in strokes[1:]:
        hand.drag(stroke, "left")
    wait(PATIENCE_S, lambda: len(times) > 1)
    wait(2)
    missing, beside = judge(shown.painted)
    began, ended = times[:2]
    during = [(a - began, p, own) for a, p, own in stalls.found if began <= a <= ended + 1]
    print(f"px missing of each stroke: {missing}, painted beside them: {beside}")
    print(f"loading took {ended - began:.1f} s")
    for after, pause, own in sorted(during, key=lambda one: -one[2])[:5]:
        print(f"  stood still for {pause:.2f} s, {own:.2f} s of its own, after {after:.1f} s")
    manager.terminate()
    sys.stdout.flush()
    os._exit(int(any(missing) or beside > 0))


def judge(layer) -> tuple[list[int], int]:
    """Count what is missing of each stroke, and what is painted beside them."""
    radius, found = layer.brush_size // 2 + 0.5, layer.data != 0
    away = [distance(found.shape, np.asarray(stroke, float)) for stroke in STROKES]
    missing = [int(np.count_nonzero((one <= radius - 1) & ~found)) for one in away]
    return missing, int(np.count_nonzero(found & (np.min(away, axis=0) > radius + 1.3)))


def _on_screen(viewer, layer, point) -> tuple[int, int]:
    from qtpy.QtCore import QPoint

    canvas = viewer.window._qt_viewer.canvas
    world = layer.data_to_world(point)[-2:]
    x, y = (canvas.view.transform * canvas.view.scene.transform).map([world[1], world[0]])[:2]
    there = canvas.native.mapToGlobal(QPoint(round(float(x)), round(float(y))))
    return there.x(), there.y()


if __name__ == "__main__":
    main()
