"""Paint where the program suggests, or at random: what comes of it.

    python benchmarks/guide.py images                     # which images to paint first
    python benchmarks/guide.py regions                    # where to paint next
    python benchmarks/guide.py images --sets UHCS --draws 3

*Images*: a few images of a folder are painted in strokes, either the first ones of
``napari-matssl suggest`` or some drawn at random, and the preset ``instant`` finds the test images.
*Regions*: two images have few strokes; then, round by round, short strokes are added, either in the
regions where the model of the round before is unsure, or in regions at random places of random
images. In a region, a person paints a stroke in each phase that is seen there, well inside of it,
as the tutorial advises. Truth is taken from dense labels, as a person would know it. Figures are
mean IoU; random placement has its mean and range over the draws. Needs the data that tests marked
``real`` use.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import real_sets
import torch
from numpy.typing import NDArray
from recipes import look
from scipy.ndimage import distance_transform_edt
from scoring import figures
from sets import BenchmarkSet

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.inference import segment
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.learn.unsure_regions import side_of_regions, turn, unsure_regions
from napari_matssl.learn.variety import distances, embed, farthest_first
from napari_matssl.measure.pixel_uncertainty import uncertainty
from napari_matssl.progress import drain
from napari_matssl.samples import scribble
from napari_matssl.samples.random_fields import paint_path
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.suggest import PER_IMAGE

Region = tuple[slice, slice]

IMAGES = (2, 4, 6)
ROUNDS, STROKES = 4, 6
LENGTH, WIDTH = 40, 5  # of a stroke, px
SEEN = 0.02  # share of a region from which on a person sees a class in it
FIRST = 2  # images with strokes before the first round


def sets(data: Path) -> dict[str, BenchmarkSet]:
    """Give sets with many densely labelled images to choose from."""
    folds = [real_sets.steel(data, "UHCS", "fold0", False)]
    uhcs = folds[0].training + folds[0].test
    return {
        "EBC-1": real_sets.ebc(data, "EBC-1"),
        "EBC-3": real_sets.ebc(data, "EBC-3"),
        "MetalDAM": real_sets.steel(data, "MetalDAM", "R33-9", False),
        "UHCS": replace(folds[0], training=uhcs[::2], test=uhcs[1::2]),
    }


def learn(one: BenchmarkSet, painted: Sequence[PaintedMicrograph], seed: int) -> Segmenter:
    """Fit the preset ``instant``."""
    settings = FinetuneSettings.make({"preset": "instant", "seed": seed})
    return drain(finetune(painted, one.table, settings)).segmenter


def score(one: BenchmarkSet, segmenter: Segmenter) -> float:
    """Find the test images."""
    return float(figures(one, look(segmenter, one.test, PredictSettings()))["miou"] or 0)


def suggested_order(one: BenchmarkSet) -> list[int]:
    """Order the images as ``suggest`` does where nothing is painted."""
    settings, compute = FinetuneSettings(), choose_compute()
    encoder = build_encoder(settings.encoder)
    load_start_weights(encoder, settings.encoder, settings.weights)
    encoder = compute.place(encoder).eval()
    described = [
        embed(encoder, p.micrograph, compute, settings.intensity_scaling) for p in one.training
    ]
    return farthest_first(distances(described))


def compare_images(one: BenchmarkSet, draws: int) -> None:
    """Print the figures of one set."""
    strokes = [
        PaintedMicrograph(p.micrograph, scribble(p.labels.astype(np.uint8), seed=n))
        for n, p in enumerate(one.training)
    ]
    order = suggested_order(one)
    for count in IMAGES:
        guided = score(one, learn(one, [strokes[n] for n in order[:count]], 0))
        drawn = []
        for draw in range(draws):
            random = np.random.default_rng((count, draw))
            chosen = random.choice(len(strokes), count, replace=False)
            drawn.append(score(one, learn(one, [strokes[n] for n in chosen], 0)))
        print(_row(f"{one.name}, {count} images", guided, drawn), flush=True)


def compare_regions(one: BenchmarkSet, draws: int) -> None:
    """Print the figures of one set, round by round."""
    begun = [
        scribble(p.labels.astype(np.uint8), seed=n, strokes_per_class=1, share=0.002)
        if n < FIRST
        else np.zeros(p.labels.shape, np.uint8)
        for n, p in enumerate(one.training)
    ]
    guided = _rounds(one, begun, None)
    drawn = [_rounds(one, begun, np.random.default_rng(draw)) for draw in range(draws)]
    for number, figure in enumerate(guided):
        label = f"{one.name}, {STROKES * number} strokes more"
        print(_row(label, figure, [draw[number] for draw in drawn]), flush=True)


def _rounds(
    one: BenchmarkSet,
    begun: Sequence[NDArray[np.uint8]],
    random: np.random.Generator | None,
) -> list[float]:
    """Score after each round; places are drawn, or without `random` suggested."""
    labels, found = [strokes.copy() for strokes in begun], []
    pen = np.random.default_rng(0) if random is None else random
    for number in range(ROUNDS + 1):
        painted = [
            PaintedMicrograph(p.micrograph, strokes)
            for p, strokes in zip(one.training, labels, strict=True)
            if strokes.any()
        ]
        segmenter = learn(one, painted, 0)
        found.append(score(one, segmenter))
        if number == ROUNDS:
            break
        left = STROKES
        places = _unsure(one, segmenter, labels) if random is None else _anywhere(one, random)
        for image, region in places:
            left -= _paint(labels[image], one.training[image].labels, region, left, pen)
            if not left:
                break
    return found


def _unsure(
    one: BenchmarkSet,
    segmenter: Segmenter,
    labels: Sequence[NDArray[np.uint8]],
) -> Iterator[tuple[int, Region]]:
    """Give the regions that are suggested."""
    compute = choose_compute()
    network, found = compute.place(segmenter.network), []
    for image, (p, strokes) in enumerate(zip(one.training, labels, strict=True)):
        job = segment(
            network, segmenter.card, p.micrograph, compute, PredictSettings(), True
        )  # fmt: skip
        segmented = drain(job)
        assert segmented is not None
        assert segmented.probabilities is not None
        unsure = uncertainty(segmented.probabilities)
        for rank, region in enumerate(unsure_regions(unsure, PER_IMAGE, strokes > 0)):
            found.append((turn(rank, bool(strokes.any())), image, region))
    found.sort(key=lambda one: (one[0], -one[2].uncertainty))
    for _turn, image, region in found:
        yield image, _square(region.row, region.column, region.side)


def _anywhere(one: BenchmarkSet, random: np.random.Generator) -> Iterator[tuple[int, Region]]:
    """Give regions of the same size at random places, without end."""
    while True:
        image = int(random.integers(len(one.training)))
        height, width = one.training[image].labels.shape
        side = side_of_regions(height, width)
        row, column = random.integers(height - side + 1), random.integers(width - side + 1)
        yield image, _square(int(row), int(column), side)


def _square(row: int, column: int, side: int) -> Region:
    return slice(row, row + side), slice(column, column + side)


def _paint(
    strokes: NDArray[np.uint8],
    truth: NDArray[np.integer],
    region: Region,
    most: int,
    random: np.random.Generator,
) -> int:
    """Paint a short straight stroke in each class of a region, well inside; how many these are."""
    seen = truth[region]
    classes, pixels = np.unique(seen[seen > 0], return_counts=True)
    large = classes[pixels >= SEEN * seen.size]
    for class_id in large[:most]:
        inside = distance_transform_edt(np.pad(seen == class_id, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(int(inside.argmax()), seen.shape)
        angle = random.uniform(0, np.pi)
        steps = np.linspace(-LENGTH / 2, LENGTH / 2, LENGTH)
        path = np.stack([row + steps * np.sin(angle), column + steps * np.cos(angle)], axis=1)
        brush = paint_path(seen.shape, path, np.full(LENGTH, WIDTH / 2))
        strokes[region][brush & (seen == class_id)] = class_id
    return min(len(large), most)


def _row(label: str, guided: float, drawn: Sequence[float]) -> str:
    spread = f"{min(drawn):.3f} to {max(drawn):.3f}"
    return f"| {label} | {guided:.3f} | {np.mean(drawn):.3f} | {spread} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("images", "regions"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=("EBC-1", "EBC-3", "MetalDAM", "UHCS"))
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| set | suggested | at random, mean | range |\n|---|---|---|---|", flush=True)
    for name, one in sets(given.data).items():
        if not given.sets or name in given.sets:
            (compare_images if given.what == "images" else compare_regions)(one, given.draws)


if __name__ == "__main__":
    main()
