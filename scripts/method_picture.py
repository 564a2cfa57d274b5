"""Draw docs/images/method.png: the method in one picture, on a generated micrograph.

    python scripts/method_picture.py

Views, strokes and masks in it are real: they come from the functions that training uses, and the
masks from fine-tuning.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.pretraining_patches import PatchSet
from napari_matssl.learn.ranks import drawing
from napari_matssl.learn.views import make_view
from napari_matssl.progress import drain
from napari_matssl.samples import class_table, make_sample, scribble
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.tasks.finetune.job import finetune

OUT = Path(__file__).parents[1] / "docs" / "images" / "method.png"
MATERIAL, SEED, OTHER = "dual-phase", 1, 12
GREY = {"cmap": "gray", "interpolation": "nearest"}
INK, SOFT = "#222222", "#dde6f0"


def views() -> list[np.ndarray]:
    """Give two views of a patch as pretraining makes them."""
    settings = PretrainSettings(patch_size=192, view_size=192)
    patches = PatchSet([make_sample(MATERIAL, SEED).micrograph], settings)
    patch, mean, std = patches.take([0])
    generator = torch.Generator().manual_seed(8)
    return [
        make_view(patch.float(), mean, std, settings, drawing(generator))[0, 0].numpy()
        for _ in range(2)
    ]


def masks(strokes: np.ndarray) -> list[np.ndarray]:
    """Segment another image after the instant classifier, and after U-Net++ has corrected it."""
    painted = [PaintedMicrograph(make_sample(MATERIAL, SEED).micrograph, strokes)]
    compute = choose_compute("cpu")
    found = []
    for values in ({"preset": "instant"}, {"epochs": 150}):
        settings = FinetuneSettings.make({**values, "device": "cpu"})
        segmenter = drain(finetune(painted, class_table(MATERIAL), settings)).segmenter
        network = compute.place(segmenter.network)
        other = make_sample(MATERIAL, OTHER).micrograph
        job = segment(network, segmenter.card, other, compute, PredictSettings())
        found.append(drain(job).mask)
    return found


def main() -> None:
    """Draw it."""
    figure = plt.figure(figsize=(11, 7.2))
    whole = figure.add_axes((0, 0, 1, 1))
    whole.set_xlim(0, 1)
    whole.set_ylim(0, 1)
    whole.axis("off")
    _pretraining(figure, whole)
    _finetuning(figure, whole)
    figure.savefig(OUT, dpi=110, facecolor="white")


def _pretraining(figure: plt.Figure, whole: plt.Axes) -> None:
    whole.text(0.02, 0.955, "1  Pretraining: images without labels", fontsize=14, weight="bold")
    made = views()
    _picture(figure, (0.02, 0.64), make_sample(MATERIAL, SEED).micrograph.pixels, "your folder")
    box = Rectangle((0, 0), 192, 192, fill=False, ec="#ffb000", lw=2.5)
    figure.axes[-1].add_patch(box)
    _arrow(whole, (0.185, 0.76), (0.215, 0.83))
    _arrow(whole, (0.185, 0.76), (0.215, 0.63))
    for number, (view, bottom) in enumerate(zip(made, (0.745, 0.54), strict=True)):
        title = f"view {number + 1} of one patch"
        _picture(figure, (0.22, bottom), view, title, side=0.155)
        _arrow(whole, (0.326, bottom + 0.075), (0.375, 0.755))
    for stage, (height, text) in enumerate(
        ((0.24, "edges"), (0.19, "texture"), (0.14, "grains"), (0.09, "layout"))
    ):
        left = 0.385 + 0.062 * stage
        _box(whole, (left, 0.755 - height / 2), 0.045, height, SOFT)
        whole.text(left + 0.0225, 0.755, text, rotation=90, ha="center", va="center", fontsize=9)
        _box(whole, (left, 0.565), 0.045, 0.035, "#ffe3a3")
        whole.plot([left + 0.0225] * 2, [0.602, 0.755 - height / 2], color="#aaaaaa", lw=1)
        whole.text(left + 0.0225, 0.5825, "gate", ha="center", va="center", fontsize=8)
    whole.text(0.5, 0.89, "encoder, four stages", ha="center", fontsize=10)
    _arrow(whole, (0.625, 0.5825), (0.665, 0.5825))
    whole.text(
        0.675, 0.70,
        "Each stage is summed up in numbers;\na gate per number learns how much it\n"
        "counts. All together describe the view.\n\nThe encoder is rewarded when two views\n"
        "of one patch are described alike, and\nviews of other patches differently.\n\n"
        "So it learns what tells your structures\napart, whatever brightness or focus.",
        fontsize=10.5, va="center", linespacing=1.35,
    )  # fmt: skip


def _finetuning(figure: plt.Figure, whole: plt.Axes) -> None:
    whole.plot([0.02, 0.98], [0.515, 0.515], color="#cccccc", lw=1)
    title = "2  Fine-tuning: a few strokes on a few images"
    whole.text(0.02, 0.465, title, fontsize=14, weight="bold")
    sample = make_sample(MATERIAL, SEED)
    strokes = scribble(sample.labels, seed=3)
    colours = [c.colour for c in class_table(MATERIAL).classes]
    map_ = ListedColormap(["#00000000", *colours])
    _picture(figure, (0.02, 0.13), sample.micrograph.pixels, "painted strokes")
    figure.axes[-1].imshow(_thick(strokes), cmap=map_, vmin=0, vmax=len(colours))
    other = make_sample(MATERIAL, OTHER)
    titles = (
        "another image",
        "a classifier on the\nencoder's stages: 1 s",
        "U-Net++ corrects it:\n150 steps",
        "truth",
    )
    panels = [None, *masks(strokes), other.labels]
    for number, (mask, text) in enumerate(zip(panels, titles, strict=True)):
        place = (0.225 + 0.195 * number, 0.13)
        _picture(figure, place, other.micrograph.pixels, text)
        if mask is None:
            continue
        figure.axes[-1].imshow(mask, cmap=map_, vmin=0, vmax=len(colours), alpha=0.65)
        if mask is not other.labels:
            figure.axes[-1].set_xlabel(f"mean IoU {_miou(mask, other.labels):.2f}", fontsize=10)
    whole.text(
        0.02,
        0.03,
        "Only the encoder goes on from 1 to 2. Unpainted pixels count where classifier and "
        "U-Net++ agree.",
        fontsize=10.5,
    )


def _thick(strokes: np.ndarray) -> np.ndarray:
    """Make strokes easier to see in a small picture."""
    grown = strokes.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            moved = np.roll(grown, shift, axis)
            grown = np.where(grown == 0, moved, grown)
    return grown


def _miou(mask: np.ndarray, truth: np.ndarray) -> float:
    each = [
        ((mask == i) & (truth == i)).sum() / ((mask == i) | (truth == i)).sum()
        for i in np.unique(truth)
    ]
    return float(np.mean(each))


def _picture(
    figure: plt.Figure, place: tuple[float, float], pixels: np.ndarray, title: str,
    side: float = 0.25,
) -> None:  # fmt: skip
    axes = figure.add_axes((*place, side * 7.2 / 11, side))
    axes.imshow(pixels, **GREY)
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])


def _arrow(axes: plt.Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color=INK))


def _box(
    axes: plt.Axes, corner: tuple[float, float], width: float, height: float, colour: str
) -> None:
    box = FancyBboxPatch(
        corner, width, height, boxstyle="round,pad=0.003", fc=colour, ec=INK, lw=0.8
    )
    axes.add_patch(box)


if __name__ == "__main__":
    main()
