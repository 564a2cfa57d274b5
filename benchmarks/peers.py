"""Nodules and layers beside the formulas of open programs, on masks whose truth is computed.

    python benchmarks/peers.py            # both tables of docs/benchmarks.md
    python benchmarks/peers.py nodules    # or layers

scikit-image is called (``perimeter``, ``perimeter_crofton``, ``medial_axis``, ``skeletonize``).
ImageJ and PoreSpy aren't there, so what they have published is computed: ImageJ's perimeter of the
traced outline, and local thickness, which both offer (Hildebrand and Rueegsegger, 1997).
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from measures import traced_perimeter
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.draw import polygon
from skimage.measure import label, perimeter, perimeter_crofton, regionprops
from skimage.morphology import medial_axis, skeletonize

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.layers import measure_layer
from napari_matssl.measure.nodules import ParticleKind, measure_nodules
from napari_matssl.settings.nodules import NoduleSettings

PARTICLES = 200
DIAMETERS = (15, 30, 60, 120)
LEAST_CIRCULARITY, LARGEST_RATIO = 0.65, 2.0
FORMS = {
    "nodules": (0.02, 0.03, 1.15),
    "degenerate": (0.18, 0.12, 1.5),
    "compacted": (0.2, 0.1, 3.0),
}
"""How far three and five lobes stand out, as a share of the radius, and the aspect ratio."""

_ANGLES = np.linspace(0, 2 * np.pi, 1440, endpoint=False)


# --- nodules


def outline(form: str, diameter: float, random: np.random.Generator) -> np.ndarray:
    """Draw an outline, ``(N, 2)`` y and x around 0, whose area is that of a circle."""
    three, five, ratio = FORMS[form]
    three, five = (random.normal(0, size) for size in (three, five))
    ratio = 1 + (ratio - 1) * random.uniform(0.5, 1.3)
    phases = random.uniform(0, 2 * np.pi, 3)
    radius = 1 + three * np.cos(3 * _ANGLES + phases[0]) + five * np.cos(5 * _ANGLES + phases[1])
    y, x = radius * np.sin(_ANGLES) / ratio**0.5, radius * np.cos(_ANGLES) * ratio**0.5
    cosine, sine = np.cos(phases[2]), np.sin(phases[2])
    points = np.stack([y * cosine + x * sine, x * cosine - y * sine], axis=1)
    return points * (diameter / 2) / (area_of(points) / np.pi) ** 0.5


def area_of(points: np.ndarray) -> float:
    """Compute the area of a polygon."""
    y, x = points.T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def length_of(points: np.ndarray) -> float:
    """Compute the perimeter of a polygon."""
    return float(np.hypot(*np.diff(points, axis=0, append=points[:1]).T).sum())


def feret_ratio(points: np.ndarray) -> float:
    """Compute the ratio of the largest to the smallest distance of two parallels."""
    turns = np.radians(np.arange(0, 180, 0.5))
    along = points @ np.stack([np.sin(turns), np.cos(turns)])
    widths = np.ptp(along, axis=0)
    return float(widths.max() / widths.min())


def draw_particles(diameter: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw particles of all forms, one per cell of a grid.

    Returns
    -------
    ``(H, W)`` bool; and ``(N, 4)`` circularity by the outline and by its hull, ratio of Feret
    diameters, area, in the order of the labels.
    """
    random = np.random.default_rng(seed)
    cell, side = int(3.2 * diameter) + 8, int(np.ceil(PARTICLES**0.5))
    pixels = np.zeros((side * cell, side * cell), dtype=bool)
    truth, places = [], []
    for number in range(PARTICLES):
        form = random.choice(list(FORMS), p=(0.5, 0.35, 0.15))
        points = outline(form, diameter * random.uniform(0.7, 1.3), random)
        middle = np.array(divmod(number, side)) * cell + cell / 2
        placed = points + middle + random.uniform(-0.5, 0.5, 2)
        pixels[polygon(*placed.T, pixels.shape)] = True
        hull = points[ConvexHull(points).vertices]
        area = area_of(points)
        by_outline, by_hull = (4 * np.pi * area / length_of(p) ** 2 for p in (points, hull))
        truth.append((by_outline, by_hull, feret_ratio(points), area))
        places.append(tuple(middle.astype(int)))
    order = np.argsort([label(pixels, connectivity=2)[place] for place in places])
    return pixels, np.array(truth)[order]


def by_perimeter(measure: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], np.ndarray]:
    """Make a function that gives the circularity of each object by some perimeter."""

    def circularities(pixels: np.ndarray) -> np.ndarray:
        found = regionprops(label(pixels, connectivity=2))
        return np.array(
            [4 * np.pi * one.area / measure(np.pad(one.image, 1)) ** 2 for one in found]
        )

    return circularities


def ours_of(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure circularities by our rule, and which particles are nodules."""
    field = field_of_mask("drawn", pixels.astype(np.uint8) + np.uint8(1), numbered_table([1, 2]))
    found = measure_nodules(field, "class 2", NoduleSettings(smallest_px=0)).particles
    return found.circularity, found.kinds == ParticleKind.NODULE


def nodules() -> str:
    """Compare circularity, nodularity and wrong judgements by the diameter of particles."""
    peers = {
        "scikit-image, `perimeter`": by_perimeter(perimeter),
        "scikit-image, `perimeter_crofton`": by_perimeter(perimeter_crofton),
        "ImageJ's formulas": by_perimeter(traced_perimeter),
    }
    lines = [
        "| mean diameter | program | circularity | nodularity, truly | judged wrongly |",
        "|---|---|---|---|---|",
    ]
    for diameter in DIAMETERS:
        pixels, truth = draw_particles(diameter, seed=diameter)
        round_enough = truth[:, 2] <= LARGEST_RATIO
        found, is_nodule = ours_of(pixels)
        results = {"napari-matssl": (found, is_nodule, truth[:, 1])}
        for name, measure in peers.items():
            circularity = np.minimum(measure(pixels), 1)
            # The same limits, and the true ratio: what differs is the perimeter.
            judged = (circularity >= LEAST_CIRCULARITY) & round_enough
            results[name] = circularity, judged, truth[:, 0]
        for name, (circularity, judged, true) in results.items():
            right = (true >= LEAST_CIRCULARITY) & round_enough
            off = 100 * float(np.median(circularity / true) - 1)
            shares = (100 * float(one.mean()) for one in (judged, right, judged != right))
            measured, truly, wrong = shares
            lines.append(
                f"| {diameter} px | {name} | {off:+.1f} % | {measured:.1f} %, {truly:.1f} % "
                f"| {wrong:.1f} % |"
            )
    return "\n".join(lines)


# --- layers

WIDTH, THICK, BEYOND = 1000, 40.0, 60
"""Of the image, of the layer, and of what is drawn at either side of the image, px.

Skeletons fork at the end of a layer and discs don't fit there: these methods get to see more, and
what they find beyond the image doesn't count.
"""


def band(tilt_deg: float = 0.0, rough: float = 0.0, seed: int = 0) -> np.ndarray:
    """Draw a layer that is 40 px thick across itself on average; `rough` is in px."""
    random = np.random.default_rng(seed)
    turn = np.radians(tilt_deg)
    row, column = np.indices((300, WIDTH + 2 * BEYOND)) + 0.3
    middle = WIDTH / 2 + BEYOND
    across = (row - 150) * np.cos(turn) + (column - middle) * np.sin(turn)
    along = (column - middle) * np.cos(turn) - (row - 150) * np.sin(turn)
    place = np.clip(along + WIDTH, 0, 2 * WIDTH - 1).astype(int)
    waves = [_jagged(random, 2 * WIDTH) * rough for _ in range(2)]
    if rough:  # thickness is 40 px over what is in the image
        inside = within(abs(across) <= THICK / 2)
        seen = np.unique(within(place)[inside])
        waves = [wave - wave[seen].mean() for wave in waves]
    return (across >= waves[0][place] - THICK / 2) & (across < waves[1][place] + THICK / 2)


def _jagged(random: np.random.Generator, length: int) -> np.ndarray:
    wave = ndimage.gaussian_filter1d(random.standard_normal(length), 4, mode="wrap")
    return wave / wave.std()


def with_pores(layer: np.ndarray) -> np.ndarray:
    """Take round pores of 10 px out of the middle, 5 % of the area."""
    made = layer.copy()
    row, column = np.indices(layer.shape)
    count = round(0.05 * layer.sum() / (np.pi * 25))
    for x in np.linspace(20, layer.shape[1] - 20, count):
        made &= np.hypot(row - 150, column - x) > 5
    return made


def within(drawn: np.ndarray) -> np.ndarray:
    """Cut the image out of what is drawn."""
    return drawn[:, BEYOND:-BEYOND]


def ring() -> np.ndarray:
    """Draw a bent layer, radii 400 and 440 px."""
    row, column = np.indices((920, 920 + 2 * BEYOND))
    distance = np.hypot(row - 460, column - 460 - BEYOND)
    return (distance > 400) & (distance <= 400 + THICK)


CASES: dict[str, Callable[[], np.ndarray]] = {
    "level": band,
    "tilted by 10 degrees": partial(band, 10),
    "rough by 3 px": partial(band, 0, 3),
    "rough by 6 px": partial(band, 0, 6),
    "tilted by 10 degrees, rough by 6 px": partial(band, 10, 6),
    "5 % pores": lambda: with_pores(band()),
    "ring": ring,
}


def ours_thickness(layer: np.ndarray) -> float:
    """Measure with the program."""
    mask = within(layer).astype(np.uint8) + np.uint8(1)
    field = field_of_mask("drawn", mask, numbered_table([1, 2]))
    found = measure_layer(field, "class 2").thickness.mean
    assert found is not None
    return found


def area_by_width(layer: np.ndarray) -> float:
    """Divide the area by the width of the image: the mean of columns of pixels."""
    return float(within(layer).sum()) / WIDTH


def area_by_skeleton(layer: np.ndarray) -> float:
    """Divide the area by the length of the skeleton, steps and diagonals."""
    return float(within(layer).sum()) / skeleton_length(within(skeletonize(layer)))


def skeleton_length(skeleton: np.ndarray) -> float:
    """Add up steps between neighbours, 1 or sqrt(2); diagonals beside two steps don't count."""
    s = np.pad(skeleton, 1)
    steps = (s[:, 1:] & s[:, :-1]).sum() + (s[1:] & s[:-1]).sum()
    down = s[1:, 1:] & s[:-1, :-1] & ~s[1:, :-1] & ~s[:-1, 1:]
    up = s[1:, :-1] & s[:-1, 1:] & ~s[1:, 1:] & ~s[:-1, :-1]
    return float(steps + 2**0.5 * (down.sum() + up.sum()))


def skeleton_distance(layer: np.ndarray) -> float:
    """Take twice the mean distance from the skeleton to the interface."""
    skeleton, distance = medial_axis(layer, return_distance=True)
    return 2 * float(within(distance)[within(skeleton)].mean())


def local_thickness(layer: np.ndarray) -> float:
    """Average the diameter of the largest disc inside the layer that holds each pixel."""
    distance = ndimage.distance_transform_edt(layer)
    found = np.zeros(layer.shape)
    for radius in np.unique(np.round(distance[layer], 1))[::-1]:
        reached = ndimage.distance_transform_edt(distance < radius) < radius
        found[reached & (found == 0)] = 2 * radius
    return float(within(found)[within(layer)].mean())


METHODS: dict[str, Callable[[np.ndarray], float]] = {
    "napari-matssl": ours_thickness,
    "area / image width": area_by_width,
    "area / skeleton": area_by_skeleton,
    "2 x skeleton's distance": skeleton_distance,
    "local thickness": local_thickness,
}


def layers() -> str:
    """Compare mean thicknesses with the true one of 40 px."""
    lines = [f"| layer | {' | '.join(METHODS)} |", "|---" * (len(METHODS) + 1) + "|"]
    for name, draw in CASES.items():
        layer, cells = draw(), []
        for title, measure in METHODS.items():
            if title == "area / image width" and name == "ring":
                cells.append("-")
                continue
            value = measure(layer)
            cells.append(f"{value:.2f} ({100 * (value / THICK - 1):+.1f} %)")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("nodules", "layers"))
    chosen = parser.parse_args().what
    tables = {"nodules": nodules, "layers": layers}
    for name in (chosen,) if chosen else tables:
        print(f"{tables[name]()}\n")
