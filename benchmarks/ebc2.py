"""EBC-2, three classes at native size: our fine-tuning beside a random forest, in one run.

    python benchmarks/ebc2.py [--data ../shared/data] [--minutes 5] [--labels labels|scribbles]
                              [--pictures FOLDER] [--no-forest]

The random forest is what users reach for today: scikit-image's multiscale features at native size,
scikit-learn's forest (needs ``pip install scikit-learn``), trained on 5,000 pixels per class and
image. Both learn from the four training images and are scored once on the three test images; the
validation images choose our best model.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from skimage.feature import multiscale_basic_features

from napari_matssl.console import run_job
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.metrics import Scores, confusion_matrix, scores
from napari_matssl.micrograph.writing import write_overlay
from napari_matssl.progress import drain
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.evaluate import evaluate
from napari_matssl.tasks.finetune import finetune
from napari_matssl.tasks.inputs import SplitChoice, read_labelled, read_painted_set

SPLIT = "EBC-2"
PIXELS = 5000


def forest(training: list[PaintedMicrograph], test: list[PaintedMicrograph], ids: list[int],
           names: list[str]) -> Scores:  # fmt: skip
    """Random forest on multiscale intensity, edges and texture at native size."""
    from sklearn.ensemble import RandomForestClassifier

    random = np.random.default_rng(0)
    features, classes = [], []
    for one in training:
        stack = _features(one)
        for class_id in ids:
            points = np.flatnonzero(one.labels == class_id)
            points = random.permutation(points)[:PIXELS]
            features.append(stack.reshape(-1, stack.shape[-1])[points])
            classes.append(np.full(len(points), class_id))
    model = RandomForestClassifier(n_estimators=100, max_depth=20, n_jobs=-1, random_state=0)
    model.fit(np.concatenate(features), np.concatenate(classes))
    total = np.zeros((len(ids), len(ids)), dtype=np.int64)
    for one in test:
        stack = _features(one)
        predicted = model.predict(stack.reshape(-1, stack.shape[-1])).reshape(one.labels.shape)
        total += confusion_matrix(one.labels, predicted, ids)
    return scores(total, names)


def _features(one: PaintedMicrograph) -> np.ndarray:
    return multiscale_basic_features(
        one.micrograph.pixels, intensity=True, edges=True, texture=True, sigma_min=1, sigma_max=16
    )


def row(name: str, result: Scores, train: float, image: float) -> None:
    """Print one line of the table."""
    ious = "  ".join(f"{k} {v.iou:.3f}" for k, v in result.classes.items() if v.iou is not None)
    print(f"{name:28s} mIoU {result.miou:.3f}  {ious}  train {train:.0f} s, {image:.2f} s/image")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--labels", choices=["labels", "scribbles"], default="labels")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--no-forest", action="store_true")
    given = parser.parse_args()
    folder = given.data / "ebc"
    split = SplitChoice(folder / "splits.json", SPLIT)
    painted = read_painted_set(folder / "images", folder / "labels", 0, None, split)
    training = list(painted.training)
    if given.labels == "scribbles":
        training = read_labelled(folder / "images", folder / "scribbles", split, "train")
    test = read_labelled(folder / "images", folder / "labels", split, "test")
    print(f"{SPLIT}, {given.labels}, {given.minutes:g} min, scored on {len(test)} test images")
    if not given.no_forest:
        begin = time.monotonic()
        result = forest(training, test, list(painted.table.ids), list(painted.table.names))
        row("random forest", result, time.monotonic() - begin, float("nan"))
    for seed in given.seeds:
        settings = FinetuneSettings.make({"minutes": given.minutes, "seed": seed})
        begin = time.monotonic()
        trained = run_job(finetune(training, painted.table, settings, painted.validation))
        seconds = time.monotonic() - begin
        begin = time.monotonic()
        scored = drain(evaluate(trained.segmenter, test, PredictSettings()))
        row(f"interactive, seed {seed}", scored.scores, seconds,
            (time.monotonic() - begin) / len(test))  # fmt: skip
    if given.pictures:
        _pictures(given.pictures, trained.segmenter, test)


def _pictures(folder: Path, segmenter, test: list[PaintedMicrograph]) -> None:
    from napari_matssl.learn.device import choose_compute
    from napari_matssl.learn.inference import segment

    compute = choose_compute()
    network = compute.place(segmenter.network)
    for one in test:
        job = segment(network, segmenter.card, one.micrograph, compute, PredictSettings())
        mask = drain(job).mask
        stem = Path(one.micrograph.name).stem
        table = segmenter.classes
        write_overlay(folder / f"{stem}_overlay.png", one.micrograph, mask, table)
        truth = one.labels.astype(np.uint8)
        write_overlay(folder / f"{stem}_truth.png", one.micrograph, truth, table)


if __name__ == "__main__":
    main()
