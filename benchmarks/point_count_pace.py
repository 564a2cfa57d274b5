"""How long the program takes from one point of a point count to the next.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/point_count_pace.py

A key is pressed in the real window, and the time is taken until the next point has been drawn: by
the clock, and in time of the processor, which is the figure on a machine that others use, too. Both
hold for OpenGL in software, as Xvfb has it. Nobody judges anything here; what a person needs beside
this is estimated by the keystroke-level model (Card, Moran and Newell, Comm. ACM 23, 1980).
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

DECISION_S, KEY_S = 1.35, 0.28
"""Of the keystroke-level model: a mental act, and a key of somebody who is no typist."""


def main() -> None:
    """Count at points of a sample, and print the figures."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    from napari_matssl.samples.to_paint import write_samples_to_paint
    from napari_matssl.widgets.launch import open_viewer
    from napari_matssl.widgets.shell import MatSSLWidget

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=100)
    points = parser.parse_args().points
    with tempfile.TemporaryDirectory(prefix="steel-") as folder:
        viewer = open_viewer(write_samples_to_paint(Path(folder)))
        docks = viewer.window.dock_widgets.values()
        session = next(one for one in docks if isinstance(one, MatSSLWidget)).session
        end = time.monotonic() + 5
        while time.monotonic() < end:
            QApplication.processEvents()
        session.counting.begin(points)
        canvas = viewer.window._qt_viewer.canvas
        drawn: list[float] = []
        canvas._scene_canvas.events.draw.connect(
            lambda _event: drawn.append(time.perf_counter()), position="last"
        )
        clock, processor = [], []
        for _ in range(points):
            QTest.qWait(200)
            drawn.clear()
            began, used = time.perf_counter(), time.process_time()
            QTest.keyClick(canvas.native, Qt.Key.Key_1)
            while not drawn:
                QApplication.processEvents()
            clock.append(drawn[0] - began)
            processor.append(time.process_time() - used)
        if len(session.counting.kept.answers) != points:
            raise RuntimeError("Keys were lost.")
        session.counting.finish()
        viewer.close()
    for name, seconds in (("clock", clock), ("processor", processor)):
        median, p95 = 1000 * np.percentile(seconds, (50, 95))
        print(f"{name}: median {median:.0f} ms, 95th percentile {p95:.0f} ms")
    whole = points * (DECISION_S + KEY_S) + sum(clock)
    print(f"{points} points by the keystroke-level model: {whole:.0f} s")


if __name__ == "__main__":
    main()
