"""Compare how sure models are with how often they are right: reliability before and after.

    python benchmarks/calibration.py
    python benchmarks/calibration.py --images 4 --plot docs/images/reliability.png

Samples of each material are painted in strokes and an instant model is fitted. Its temperature is
fitted by leaving one painted image out in turn, or to two validation images that are labelled all
over. Other such samples show whether its probabilities mean what they say: expected calibration
error in points, 15 bins, without a temperature and with both. ``--plot`` draws the reliability
diagram.
"""

import argparse
from pathlib import Path

import numpy as np
import sets

from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.temperature import Reliability, reliability
from napari_matssl.progress import drain
from napari_matssl.samples import MATERIALS
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune.job import finetune


def measure(segmenter: Segmenter, temperature: float, one: sets.BenchmarkSet) -> Reliability:
    """Compare probabilities at a temperature with the labels of the test images."""
    compute = choose_compute()
    network = compute.place(segmenter.network)
    card = segmenter.card.model_copy(update={"temperature": temperature})
    probabilities, truth = [], []
    for painted in one.test:
        job = segment(network, card, painted.micrograph, compute, PredictSettings(), True)
        stack = drain(job).probabilities
        channels = np.searchsorted(one.table.ids, painted.specimen_labels)
        found = stack[:, : channels.shape[0]].reshape(len(stack), -1).T
        probabilities.append(found[::7] / np.maximum(found[::7].sum(axis=1, keepdims=True), 1))
        truth.append(channels.ravel()[::7])
    return reliability(np.concatenate(probabilities), np.concatenate(truth))


def plot(results: dict[str, tuple[Reliability, ...]], path: Path) -> None:
    """Draw accuracy over confidence, without temperature and with both."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), dpi=100, layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    titles = ("without temperature", "left-out painted images", "validation images, fully labelled")
    for number, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        for material, found in ((m, three[number]) for m, three in results.items()):
            many = found.pixels > 0.002 * found.pixels.sum()
            error = 100 * found.expected_calibration_error
            label = f"{material}: {error:.1f} points"
            axis.plot(found.confidence[many], found.accuracy[many], marker="o", label=label)
        axis.set(title=title, xlabel="probability of the class", xlim=(0.3, 1), ylim=(0.3, 1))
        axis.legend(title="expected calibration error", fontsize=8, title_fontsize=8)
    axes[0].set_ylabel("share of pixels that are right")
    figure.savefig(path)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=MATERIALS, default=list(MATERIALS))
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    results = {}
    settings = FinetuneSettings.make({"preset": "instant"})
    print("| set | temperatures | error without | left-out images | validation images |")
    print("|---|---|---|---|---|")
    for material in given.sets:
        dense = sets.synthetic(material, range(100, 100 + given.images), range(110, 113))
        validation = sets.synthetic(material, range(120, 122), ()).training
        one = sets.painted_in_strokes(dense, given.images)
        temperatures = [1.0]
        for held_out in ((), validation):
            job = finetune(one.training, one.table, settings, held_out)
            segmenter = drain(job).segmenter
            temperatures.append(segmenter.card.temperature)
        three = tuple(measure(segmenter, t, one) for t in temperatures)
        results[material] = three
        errors = (f"{100 * found.expected_calibration_error:.1f}" for found in three)
        fitted = ", ".join(f"{t:.2f}" for t in temperatures[1:])
        print(f"| {material} | {fitted} | {' | '.join(errors)} |", flush=True)
    if given.plot is not None:
        plot(results, given.plot)


if __name__ == "__main__":
    main()
