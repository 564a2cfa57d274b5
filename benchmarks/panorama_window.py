"""Open a panorama in the window, paint on it and segment it: seconds and memory.

    python benchmarks/panorama_window.py tiled                 # also: strip, zarr
    python benchmarks/panorama_window.py tiled --segment       # to the end, with the preset instant

An image of two phases is made (20,000 x 20,000 px of 8 bits unless ``--side`` tells another), shown
in napari with all panels, painted on in two places by the brush's own calls, and left; with
``--segment`` a model is fitted to the strokes and the whole image segmented and measured. Memory is
that of this process: run one kind at a time, on a machine that does nothing else. Needs a screen.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import napari
import numpy as np
import psutil
import tifffile
import zarr
from numpy.typing import NDArray
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter

from napari_matssl.progress import drain
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.project_meter import ProjectMeter
from napari_matssl.widgets.shell import MatSSLWidget

PIECE = 512  # px: rows and columns that are made at once
FIRST_VIEW_S = 2.0
"""What is aimed at."""

PLACES = ((0.15, 0.75), (0.6, 0.2))
"""Where it is painted, as shares of the sides."""

UM = 0.25


def texture() -> NDArray[np.uint8]:
    """Draw 2048 x 2048 px that fit to themselves on all sides."""
    random = np.random.default_rng(0)
    field = gaussian_filter(random.standard_normal((2048, 2048)), 12, mode="wrap")
    grey = np.where(field > 0.6 * field.std(), 190.0, 90.0) + random.normal(0, 12, field.shape)
    return np.clip(gaussian_filter(grey, 1, mode="wrap"), 0, 255).astype(np.uint8)


def write_image(folder: Path, kind: str, side: int) -> Path:
    """Write the texture, repeated, as one of the kinds of file."""
    tile, columns = texture(), np.arange(side) % 2048

    def bands() -> Iterator[NDArray[np.uint8]]:
        for start in range(0, side, PIECE):
            rows = np.arange(start, min(start + PIECE, side)) % 2048
            yield tile[rows][:, columns]

    def tiles() -> Iterator[NDArray[np.uint8]]:
        for band in bands():
            padded = np.pad(band, ((0, PIECE - len(band)), (0, -side % PIECE)))
            yield from (padded[:, left : left + PIECE] for left in range(0, side, PIECE))

    if kind == "tiled":
        path = folder / "tiled.tif"
        sizes = {"axes": "YX", "PhysicalSizeX": UM, "PhysicalSizeY": UM}
        with tifffile.TiffWriter(path, bigtiff=True, ome=True) as writer:
            writer.write(
                tiles(), shape=(side, side), dtype=np.uint8, tile=(PIECE, PIECE),
                compression="zlib", metadata=sizes,
            )  # fmt: skip
    elif kind == "strip":
        path = folder / "strip.tif"
        stored = tifffile.memmap(path, shape=(side, side), dtype=np.uint8)
        for number, band in enumerate(bands()):
            stored[number * PIECE : number * PIECE + len(band)] = band
        stored.flush()
    else:
        path = folder / "image.zarr"
        group = zarr.open_group(path, mode="w", zarr_format=3)
        array = group.create_array("0", shape=(side, side), chunks=(1024, 1024), dtype="uint8")
        for number, band in enumerate(bands()):
            array[number * PIECE : number * PIECE + len(band)] = band
        axes = [{"name": one, "type": "space", "unit": "micrometer"} for one in "yx"]
        scale = [{"type": "scale", "scale": [UM, UM]}]
        levels = [{"path": "0", "coordinateTransformations": scale}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    return path


def spin(seconds: float) -> None:
    """Let the window live."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def until(condition: Callable[[], bool]) -> float:
    """Let the window live until something is so; the seconds that it took."""
    begun = time.monotonic()
    while not condition():
        spin(0.05)
    return time.monotonic() - begun


def tell(what: str, seconds: float | None = None, more: str = "") -> None:
    """Print a row: seconds, memory now and at most."""
    now = psutil.Process().memory_info().rss / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    took = "" if seconds is None else f"{seconds:.2f} s"
    print(f"{what:32} {took:>9} {now:6.0f} MB, at most {most:6.0f} MB  {more}", flush=True)


def main() -> None:
    """Go the whole way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["tiled", "strip", "zarr"])
    parser.add_argument("--side", type=int, default=20_000, help="px")
    parser.add_argument("--segment", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_image(Path(folder), given.kind, given.side)
        go(Path(folder), given.side, given.segment)


def go(folder: Path, side: int, segment: bool) -> None:
    """Open, paint, and segment if that is asked for."""
    viewer = napari.Viewer()
    shell = MatSSLWidget(viewer)
    viewer.window.add_dock_widget(shell, name="MatSSL")
    spin(3)
    tell("napari without an image")
    session = shell.session
    session.notices.failed.connect(lambda error: tell(f"FAILED: {error}"))
    begun = time.monotonic()
    session.folder.open([folder])
    shown = session.current.shown
    assert shown is not None
    painting, glanced = shown.painting, shown.micrograph
    assert painting is not None, "no panorama"
    for _ in range(3):
        QApplication.processEvents()
    tell("first view", time.monotonic() - begun, f"(aimed at: {FIRST_VIEW_S:g} s)")
    tell("all rows looked through", until(lambda: shown.micrograph is not glanced))
    camera, scale = viewer.scene.camera, float(shown.image.scale[-1])
    for place in PLACES:
        row, column = (share * side for share in place)
        camera.center = (*camera.center[:-2], row * scale, column * scale)
        camera.zoom = 0.5 / scale
        spin(1)
        movements = []
        for class_id, grey in ((1, "dark"), (2, "bright")):
            part = shown.image.data[0][int(row) : int(row) + 300, int(column) : int(column) + 300]
            smooth = gaussian_filter(np.asarray(part, float), 8)
            found = smooth.argmin() if grey == "dark" else smooth.argmax()
            at = np.unravel_index(found, part.shape) + np.array([int(row), int(column)])
            shown.painted.brush_size = 9
            for step in range(4):
                start = time.monotonic()
                shown.painted.paint(tuple(at - painting.top_left + np.array([0, step])), class_id)
                QApplication.processEvents()
                movements.append(time.monotonic() - start)
        tell("a movement of the brush", float(np.median(movements)))
        tell("strokes saved after", until(lambda: shown.autosave.settled))
    if segment:
        finetune, panel = shell.panels["Fine-tune"], shell.panels["Segment"]
        finetune.form.set_value("preset", "instant")
        finetune.start.click()
        tell("fitted", until(lambda: not session.runner.busy), finetune.outcome.text())
        panel.start.click()
        tell("segmented", until(lambda: not session.runner.busy), panel.outcome.text())
        begun = time.monotonic()
        measured = drain(ProjectMeter(session.folder.project).measure(MeasurePlan()))
        shares = measured.tables["phases.csv"][["class", "fraction_percent"]].to_numpy().tolist()
        tell("measured", time.monotonic() - begun, str(shares))
    session.current.leave()
    tell("left")
    viewer.close()


if __name__ == "__main__":
    main()
