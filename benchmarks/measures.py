"""Figures of objects beside those of open programs, on masks whose truth is computed.

    python benchmarks/measures.py            # both tables of docs/benchmarks.md
    python benchmarks/measures.py --large    # time and memory on a mask of 20,000 x 20,000 px

Ellipses of known axes and angles are drawn pixel by pixel. scikit-image is called; ImageJ isn't
there, so its published formulas are computed: the perimeter of the traced outline, whose corners
are cut (PolygonRoi.getTracedPerimeter), and 4 pi A / P^2 with it.
"""

import argparse
import math
import resource
import time

import numpy as np
from skimage import draw
from skimage.measure import label, regionprops
from skimage.transform import rotate

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.measure.components import find_components
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.objects import Objects, crofton_perimeters, measure_objects
from napari_matssl.micrograph.image import PixelSize

SIZES = {"5 to 10 px": (5, 10), "10 to 30 px": (10, 30), "30 to 100 px": (30, 100)}
FIGURES = ("area", "perimeter", "circularity", "Feret max", "Feret min", "aspect ratio")
PROGRAMS = ("napari-matssl", "scikit-image", "ImageJ's formulas")


def ellipses(low: float, high: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw ellipses whose mean axis lies between two lengths in px, one per cell of a grid.

    Returns
    -------
    ``(H, W)`` bool; and ``(N, 6)`` the true ``FIGURES``, in the order of the labels.
    """
    random = np.random.default_rng(seed)
    cell, side = math.ceil(2 * high) + 6, math.ceil(math.sqrt(count))
    pixels = np.zeros((side * cell, side * cell), dtype=bool)
    y, x = np.mgrid[:cell, :cell] - cell / 2
    places, truth = [], []
    for n in range(count):
        mean, ratio, turn = (
            random.uniform(low, high),
            random.uniform(1, 3),
            random.uniform(0, np.pi),
        )
        a, b = mean / 2 * math.sqrt(ratio), mean / 2 / math.sqrt(ratio)
        dy, dx = random.uniform(-0.5, 0.5, 2)
        along = (x - dx) * math.cos(turn) + (y - dy) * math.sin(turn)
        across = (y - dy) * math.cos(turn) - (x - dx) * math.sin(turn)
        top, left = divmod(n, side)
        here = pixels[top * cell : (top + 1) * cell, left * cell : (left + 1) * cell]
        here |= (along / a) ** 2 + (across / b) ** 2 <= 1
        places.append((top * cell + cell // 2, left * cell + cell // 2))
        truth.append(ellipse_figures(a, b))
    order = np.argsort([label(pixels, connectivity=2)[place] for place in places])
    return pixels, np.array(truth)[order]


def ellipse_figures(a: float, b: float) -> tuple[float, ...]:
    """Return the true ``FIGURES`` of an ellipse of two semi-axes, the longer one first."""
    h = ((a - b) / (a + b)) ** 2
    perimeter = np.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))  # Ramanujan
    area = np.pi * a * b
    return area, perimeter, 4 * np.pi * area / perimeter**2, 2 * a, 2 * b, a / b


def two_ellipses() -> tuple[np.ndarray, np.ndarray]:
    """Draw the mask of "Measure region properties", an example of scikit-image's gallery.

    Returns
    -------
    ``(600, 600)`` bool; and ``(2, 6)`` the true ``FIGURES``, in the order of the labels.
    """
    pixels = np.zeros((600, 600))
    pixels[draw.ellipse(300, 350, 100, 220)] = 1
    pixels = rotate(pixels, angle=15, order=0)
    pixels[draw.ellipse(100, 100, 60, 50)] = 1
    return pixels > 0, np.array([ellipse_figures(60, 50), ellipse_figures(220, 100)])


def ours(pixels: np.ndarray) -> np.ndarray:
    """Measure with the program; ``(N, 6)``."""
    found = measured(pixels)
    perimeter = crofton_perimeters(find_components(pixels).chords, (1, 1))
    return np.stack(
        [
            *(found.area, perimeter, found.circularity),
            *(found.feret_max, found.feret_min, found.aspect_ratio),
        ],
        axis=1,
    )


def measured(pixels: np.ndarray) -> Objects:
    """Measure the objects of a mask of two classes."""
    mask = pixels.astype(np.uint8) + np.uint8(1)
    table = numbered_table([1, 2])
    return measure_objects(field_of_mask("a", mask, table, PixelSize(1, 1, "test")), "class 2")


def scikit_image(pixels: np.ndarray) -> np.ndarray:
    """Measure with ``regionprops`` and its usual ``perimeter``; it has no smallest Feret."""
    rows = []
    for one in regionprops(label(pixels, connectivity=2)):
        ratio = one.axis_major_length / one.axis_minor_length if one.axis_minor_length else np.nan
        circular = 4 * np.pi * one.area / one.perimeter**2
        rows.append((one.area, one.perimeter, circular, one.feret_diameter_max, np.nan, ratio))
    return np.array(rows)


def imagej(pixels: np.ndarray) -> np.ndarray:
    """Compute ImageJ's perimeter, circularity, Feret diameters and axis ratio."""
    rows = []
    for one in regionprops(label(pixels, connectivity=2)):
        perimeter = traced_perimeter(one.image)
        corners = np.concatenate([one.coords + np.array(c) for c in np.ndindex(2, 2)])
        angles = np.radians(np.arange(0, 180, 0.5))
        along = corners @ np.stack([np.sin(angles), np.cos(angles)])
        widths = along.max(axis=0) - along.min(axis=0)
        y, x = (one.coords - one.coords.mean(axis=0)).T
        spread = np.array([[y @ y, x @ y], [x @ y, x @ x]]) / len(y) + np.eye(2) / 12
        short, long = np.sqrt(np.linalg.eigvalsh(spread))
        circular = min(1.0, 4 * np.pi * one.area / perimeter**2)
        rows.append((one.area, perimeter, circular, widths.max(), widths.min(), long / short))
    return np.array(rows)


def traced_perimeter(image: np.ndarray) -> float:
    """Sum the outer sides of pixels, less 2 - sqrt(2) for each corner that is cut.

    A corner is one at the end of a side longer than a pixel, or one after a corner that isn't cut.
    """
    sides = _sides(image)
    corners, corner = 0, False
    for length in sides:
        corner = length > 1 or not corner
        corners += corner
    return sum(sides) - corners * (2 - math.sqrt(2))


def _sides(image: np.ndarray) -> list[int]:
    """Return the lengths of the straight sides of an object's outline, clockwise."""
    pixels = np.pad(image, 1)
    leads: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for y, x in np.argwhere(pixels):  # each side of a pixel at the background, object to its right
        if not pixels[y - 1, x]:
            leads.setdefault((y, x), []).append((0, 1))
        if not pixels[y, x + 1]:
            leads.setdefault((y, x + 1), []).append((1, 0))
        if not pixels[y + 1, x]:
            leads.setdefault((y + 1, x + 1), []).append((0, -1))
        if not pixels[y, x - 1]:
            leads.setdefault((y + 1, x), []).append((-1, 0))
    start = tuple(np.argwhere(pixels)[0])  # the left end of the uppermost side
    place, step, lengths = start, (0, 1), [0]
    while True:
        lengths[-1] += 1
        place = place[0] + step[0], place[1] + step[1]
        if place == start:
            return lengths
        left = (-step[1], step[0])  # where two corners meet, pixels that touch there are joined
        following = left if left in leads[place] else leads[place][0]
        if following != step:
            lengths.append(0)
        step = following


def table() -> str:
    """Compare medians of relative errors, in percent, by the size of objects."""
    lines = [
        f"| {' | '.join(('mean axis', 'program', *FIGURES))} |",
        "|---" * (len(FIGURES) + 2) + "|",
    ]
    for name, (low, high) in SIZES.items():
        pixels, truth = ellipses(low, high, 400, seed=0)
        for program, measure in zip(PROGRAMS, (ours, scikit_image, imagej), strict=True):
            off = 100 * (np.median(measure(pixels) / truth, axis=0) - 1)
            cells = ["-" if math.isnan(value) else f"{value:+.1f} %" for value in off]
            lines.append(f"| {name} | {program} | {' | '.join(cells)} |")
    return "\n".join(lines)


def example() -> str:
    """Compare all figures of both ellipses of scikit-image's example with the truth."""
    lines = [
        f"| {' | '.join(('ellipse', 'program', *FIGURES))} |",
        "|---" * (len(FIGURES) + 2) + "|",
    ]
    pixels, truth = two_ellipses()
    found = {
        name: measure(pixels)
        for name, measure in zip(PROGRAMS, (ours, scikit_image, imagej), strict=True)
    }
    digits = (0, 1, 3, 1, 1, 3)
    for n, name in enumerate(("60, 50 px", "220, 100 px, turned")):
        for program, rows in {"truth": truth, **found}.items():
            cells = [
                "-" if math.isnan(value) else f"{value:.{places}f}"
                for value, places in zip(rows[n], digits, strict=True)
            ]
            lines.append(f"| {name} | {program} | {' | '.join(cells)} |")
    return "\n".join(lines)


def large(side: int) -> str:
    """Time the objects of one class of a mask of many."""
    random = np.random.default_rng(0)
    pixels = np.zeros((side, side), dtype=bool)
    y, x = np.mgrid[:30, :30] - 15
    count = side * side // 4000
    drawn = zip(
        *random.integers(0, side - 30, (2, count)), *random.uniform(2, 14, (2, count)), strict=True
    )
    for top, left, a, b in drawn:
        pixels[top : top + 30, left : left + 30] |= (x / a) ** 2 + (y / b) ** 2 <= 1
    start, busy = time.perf_counter(), time.process_time()
    found = measured(pixels)
    wall, processor = time.perf_counter() - start, time.process_time() - busy
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"{side} x {side} px, {len(found.area_px):,} objects: {wall:.0f} s, of which "
        f"{processor:.0f} s on the processor; at most {memory:.1f} GiB with the mask"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", nargs="?", type=int, const=20_000, metavar="SIDE")
    chosen = parser.parse_args().large
    print(f"{table()}\n\n{example()}" if chosen is None else large(chosen))
