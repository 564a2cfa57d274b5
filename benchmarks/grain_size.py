"""Grain size beside the published figures of NIST's tools, and beside an exact truth.

    python benchmarks/grain_size.py SEGMENTED.tif        # tables of docs/benchmarks.md
    python benchmarks/grain_size.py --large SEGMENTED.tif
    python benchmarks/grain_size.py --picture PNG        # a sample with its intercepts

``SEGMENTED.tif`` is ``grains_steel_highlighted_segmented.tif`` of
usnistgov/grain-size-analysis-tools, boundaries white, 222 px for 50 um. Published there: chords
from edge to edge of boundaries, on lines 60 px apart at 0, 45, 90, 135 and 180 degrees, and on a
pattern of circles and lines.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import tifffile
from scipy.spatial import cKDTree

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.boundaries import boundary_network
from napari_matssl.measure.field import Field, field_of_mask
from napari_matssl.measure.figures import line_grid
from napari_matssl.measure.grains import measure_grains
from napari_matssl.measure.intercepts import Intercepts, count_intercepts
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings import GrainSettings

PIXEL = PixelSize(50 / 222, 50 / 222, "222 px for 50 um")
GRAIN = LabelClass(id=1, name="grain", colour="#000000")
BOUNDARY = LabelClass(id=2, name="grain boundary", colour="#ffffff")
PUBLISHED = {"lines": (871, 37.18, 8.373, 10.51), "circles": (127, 39.52, 8.900, 10.34)}
COLOURS = {0.5: "#f0e442", 1.0: "#56b4e9", 1.5: "#e69f00"}


def field(boundary: np.ndarray) -> Field:
    """Make a field of an image that is True in boundaries."""
    mask = np.where(boundary, BOUNDARY.id, GRAIN.id).astype(np.uint8)
    return field_of_mask("steel", mask, ClassTable(classes=(GRAIN, BOUNDARY)), PIXEL)


def published(boundary: np.ndarray) -> str:
    """Compare with the published figures."""
    lines = [
        "| figure | rule | intercepts | mean, px | mean, um | G | difference of the mean |",
        "|---" * 7 + "|",
    ]
    measured = {
        rule: measure_grains(field(boundary), BOUNDARY, GrainSettings(intercepts=rule))
        for rule in ("chords", "crossings")
    }
    for figure, (count, px, um, g) in PUBLISHED.items():
        lines.append(f"| {figure} | NIST, published | {count} | {px} | {um:.3f} | {g} | |")
        for rule, found in measured.items():
            one = next(size for size in found.sizes if size.method == figure)
            met = one.intercepts
            lines.append(
                f"| {figure} | `{rule}` | {met.count:g} | {met.mean_px:.2f} | {met.mean_um:.3f} | "
                f"{one.number.astm:.2f} | {100 * (met.mean_px / px - 1):+.1f} % |"
            )
    return "\n".join(lines)


def exact() -> str:
    """Compare crossings with those of the true cells, by mean intercept and kind of cells."""
    lines = ["| cells | boundary | mean intercept, px | intercepts | off |", "|---" * 5 + "|"]
    for kind in ("regular", "Poisson-Voronoi"):
        for size in (20.0, 40.0, 80.0):
            for width in (1.5, 4.0):
                true, found = crossings(kind, size, width)
                mean = 4 * 700 * 700 / 12 / true
                lines.append(
                    f"| {kind} | {width:g} px | {mean:.0f} | {true:,} | "
                    f"{100 * (found / true - 1):+.1f} % |"
                )
    return "\n".join(lines)


def crossings(kind: str, size: float, width: float) -> tuple[int, float]:
    """Count the crossings of a line grid with cells: true ones, and those found in their mask."""
    random = np.random.default_rng(int(size))
    shape = (700, 700)
    if kind == "regular":
        rows, columns = np.mgrid[-5 : 700 / size + 5, -5 : 700 / size + 5] * size
        columns[1::2] += size / 2
        nuclei = np.column_stack([rows.ravel(), columns.ravel()])
        nuclei = nuclei + random.normal(0, 0.15 * size, nuclei.shape)
    else:
        nuclei = random.uniform(-350, 1050, (int((1400 / size) ** 2), 2))
    tree = cKDTree(nuclei)
    places = np.indices(shape).reshape(2, -1).T + 0.5
    far, which = tree.query(places, k=2)
    apart = np.linalg.norm(nuclei[which[:, 1]] - nuclei[which[:, 0]], axis=1)
    edge = (far[:, 1] ** 2 - far[:, 0] ** 2) / (2 * apart)
    network = boundary_network(
        field((edge < width / 2).reshape(shape)), BOUNDARY, GrainSettings(smallest_grain=4)
    )
    curves = line_grid((700.0, 700.0), 12)
    own = (tree.query(curve.points(0.1))[1] for curve in curves)
    true = sum(np.count_nonzero(np.diff(cells)) for cells in own)
    return true, count_intercepts(network, curves).count


def large(boundary: np.ndarray, side: int) -> str:
    """Time the grain size of a mask that repeats an image."""
    rows, columns = (-(-side // length) for length in boundary.shape)
    one = field(np.tile(boundary, (rows, columns))[:side, :side])
    start, busy = time.perf_counter(), time.process_time()
    found = measure_grains(one, BOUNDARY, GrainSettings())
    wall, processor = time.perf_counter() - start, time.process_time() - busy
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"{side} x {side} px, {found.counts.grains:,.0f} grains: {wall:.0f} s, of which "
        f"{processor:.0f} s on the processor; at most {memory:.1f} GiB with the mask"
    )


def draw(path: Path) -> None:
    """Draw a sample micrograph with its boundaries, and each intercept by what it counted."""
    import matplotlib.pyplot as plt

    from napari_matssl.samples import class_table, make_sample

    sample = make_sample("grains", 3, (420, 560))
    one = field_of_mask("sample", sample.labels, class_table("grains"), PIXEL)
    boundary = next(c for c in one.classes.classes if "boundary" in c.name)
    found = measure_grains(one, boundary, GrainSettings(line_pitch=70))
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.1), layout="constrained")
    for axis in axes:
        axis.imshow(sample.micrograph.pixels, cmap="gray", vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[], xlim=(-0.5, 559.5), ylim=(419.5, -0.5))
    show_intercepts(axes[0], found.lines)
    show_intercepts(axes[1], found.circles)
    kinds = np.ma.masked_equal(found.counts.layer(), 0)
    axes[2].imshow(kinds, cmap="viridis", alpha=0.55, vmin=1, vmax=3, interpolation="nearest")
    counts = found.counts
    axes[0].set_title(f"lines: {found.lines.count:g} intercepts", fontsize=11)
    axes[1].set_title(f"circles: {found.circles.count:g} intercepts", fontsize=11)
    axes[2].set_title(f"{counts.inside} grains inside, {counts.cut} cut", fontsize=11)
    axes[0].legend(fontsize=8, loc="lower right", title="counts", title_fontsize=8)
    figure.savefig(path, dpi=80)


def show_intercepts(axis: object, found: Intercepts) -> None:
    """Draw test lines, and a dot per intercept."""
    for line in found.lines:
        axis.plot(line[:, 1], line[:, 0], color="white", linewidth=0.7)
    for counted in np.unique(found.counted):
        rows, columns = found.places[found.counted == counted].T
        colour = COLOURS.get(float(counted), "#d55e00")
        axis.scatter(columns, rows, 22, colour, edgecolors="black", linewidths=0.6, zorder=3,
                     label=f"{counted:g}")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("segmented", nargs="?", type=Path, metavar="SEGMENTED.tif")
    parser.add_argument("--large", nargs="?", type=int, const=20_000, metavar="SIDE")
    parser.add_argument("--picture", type=Path, metavar="PNG")
    chosen = parser.parse_args()
    if chosen.picture is not None:
        draw(chosen.picture)
    elif chosen.segmented is None:
        parser.error("name the segmented image, or a picture to draw")
    else:
        steel = tifffile.imread(chosen.segmented) > 0
        if chosen.large is None:
            print(published(steel), exact(), sep="\n\n")
        else:
            print(large(steel, chosen.large))
