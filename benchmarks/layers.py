"""Thickness of layers: intervals by simulation, masks beside published labels, time and memory.

    python benchmarks/layers.py coverage          # how often the interval holds the true mean
    python benchmarks/layers.py coatings MODEL    # masks of a model beside the labels of EBC-2
    python benchmarks/layers.py train MODEL       # such a model: default settings, four images
    python benchmarks/layers.py large [SIDE]      # time and memory
    python benchmarks/layers.py picture PNG       # a sample with its columns

``coatings`` needs the data that tests marked ``real`` use. The tables stand in
``docs/benchmarks.md``.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from real_sets import ebc
from scipy import ndimage, signal

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.layer_tables import layers_frame
from napari_matssl.measure.layers import LayerMeasure, measure_layer
from napari_matssl.measure.nodules import measure_nodules
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.samples.materials import class_table, make_sample
from napari_matssl.settings.layers import LayerSettings

DRAWS, WIDTH, TILT = 1000, 1024, 0.03
TRUTH = 30.5 * np.cos(np.arctan(TILT))
"""Mean thickness of the layers that are drawn, px."""


def smooth(rng: np.random.Generator, length: int) -> np.ndarray:
    """Draw an interface without edges."""
    noise = rng.standard_normal(WIDTH + 8 * length)
    found = ndimage.gaussian_filter1d(noise, length)[4 * length :][:WIDTH]
    return found * (4 * np.pi * length**2) ** 0.25  # standard deviation 1


def rough(rng: np.random.Generator, length: int) -> np.ndarray:
    """Draw a jagged interface, an autoregressive series."""
    step = np.exp(-1 / length)
    noise = rng.standard_normal(WIDTH + 8 * length) * (1 - step**2) ** 0.5
    return signal.lfilter([1], [1, -step], noise)[8 * length :]


def coverage() -> None:
    """Measure 1,000 masks of tilted rough layers."""
    print("| interfaces | length, px | interval holds the truth | effective columns, truly |")
    print("|---|---|---|---|")
    row = np.arange(115)[:, None]
    tilt = TILT * (np.arange(WIDTH) - WIDTH / 2)
    for draw in (smooth, rough):
        for length in (3, 20):
            rng = np.random.default_rng(length)
            held, means, worth, spreads = 0, [], [], []
            for _ in range(DRAWS):
                top = 40 + tilt + rng.uniform(-0.5, 0.5)
                upper = top + 3 * draw(rng, length)
                lower = top + 30.5 + 3 * draw(rng, length)
                mask = np.where((row >= upper) & (row < lower), 2, 1).astype(np.uint8)
                table = numbered_table([1, 2])
                field = field_of_mask("drawn", mask, table)
                found = measure_layer(field, table.names[1], LayerSettings(method="columns"))
                result = found.thickness.statistics
                held += abs(result.mean - TRUTH) <= result.ci95
                means.append(result.mean)
                worth.append(result.effective_n)
                spreads.append(result.s)
            true = (np.mean(spreads) / np.std(means)) ** 2
            print(
                f"| {draw.__name__} | {length} | {100 * held / DRAWS:.1f} % "
                f"| {np.median(worth):.0f}, {true:.0f} |",
                flush=True,
            )


def train(path: Path, data: Path, epochs: int) -> None:
    """Train on the four training images of EBC-2, labelled in full, with default settings.

    In epochs, not minutes, so that other programs change no figure.
    """
    from napari_matssl.console import run_job
    from napari_matssl.learn.segmenter import write_segmenter
    from napari_matssl.settings import FinetuneSettings
    from napari_matssl.tasks.finetune.job import finetune

    chosen = ebc(data, "EBC-2")
    settings = FinetuneSettings.make({"epochs": epochs, "seed": 0})
    job = finetune(chosen.training, chosen.table, settings, chosen.validation)
    write_segmenter(path, run_job(job).result.segmenter)


def coatings(path: Path, data: Path) -> None:
    """Measure the oxide on the labels and on masks of a model, image by image."""
    from napari_matssl.learn.device import choose_compute
    from napari_matssl.learn.inference import segment
    from napari_matssl.learn.segmenter import read_segmenter
    from napari_matssl.progress import drain
    from napari_matssl.settings import PredictSettings

    chosen, compute = ebc(data, "EBC-2"), choose_compute()
    model = read_segmenter(path)
    network = compute.place(model.network)
    print("| image | part | light | on labels, px | on masks, px | ratio | area ratio | cracks |")
    print("|---|---|---|---|---|---|---|---|")
    for part, images in (("test", chosen.test), ("validation", chosen.validation)):
        for one in images:
            job = segment(network, model.card, one.micrograph, compute, PredictSettings())
            found = drain(job)
            masks = (one.labels.astype(np.uint8), found.mask)
            truth, ours = (
                measure_layer(field_of_mask(one.micrograph.name, mask, chosen.table), "oxide")
                for mask in masks
            )
            frame = layers_frame([truth, ours])
            on_labels, on_masks = frame["mean_px"]
            light = "not judged" if found.light is None else found.light.level
            areas = [np.isin(mask, (2, 3)).sum() for mask in masks]
            cracks = ", ".join(str(_cracks(measure)) for measure in (truth, ours))
            print(
                f"| {one.micrograph.name} | {part} | {light} "
                f"| {on_labels:.1f} +- {frame['ci95_px'][0]:.1f} | {on_masks:.1f} "
                f"| {on_masks / on_labels:.3f} | {areas[1] / areas[0]:.3f} | {cracks} |",
                flush=True,
            )


def _cracks(measure: LayerMeasure) -> int:
    return 0 if measure.cracks is None else len(measure.cracks.through)


def large(side: int) -> None:
    """Measure a layer of 7.5 %, a bent one, a thick one, and nodules."""
    for name, share, wave in (("thin", 0.075, 0), ("bent", 0.075, 0.15), ("thick", 0.5, 0)):
        rng = np.random.default_rng(0)
        table = numbered_table([1, 2])
        mask = np.ones((side, side), dtype=np.uint8)
        column = np.arange(side)
        upper = side * (0.2 + wave * np.sin(6 * column / side)) + 0.05 * column
        lower = upper + share * side + 3 * rng.standard_normal(side)
        for x in column:
            mask[int(upper[x]) : int(lower[x]), x] = 2
        field = field_of_mask(name, mask, table, PixelSize(0.5, 0.5, "made up"))
        _timed(name, side, lambda field=field: measure_layer(field, field.classes.names[1]))
    disc = np.hypot(*(np.indices((33, 33)) - 16)) <= 13
    cell = np.ones((66, 66), dtype=np.uint8)
    cell[:33, :33][disc] = 2
    mask = np.tile(cell, (side // 66 + 1, side // 66 + 1))[:side, :side]
    field = field_of_mask("nodules", mask, table, PixelSize(0.5, 0.5, "made up"))
    _timed("nodules", side, lambda: measure_nodules(field, field.classes.names[1]))


def _timed(name: str, side: int, measure: object) -> None:
    begin = time.process_time()
    measure()
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name}, {side} px: {time.process_time() - begin:.0f} s, at most {gib:.1f} GiB so far")


def picture(path: Path, seeds: tuple[int, ...] = (1, 3)) -> None:
    """Draw every eighth column, the line and the through-cracks on two samples."""
    scale, panels = 2, []
    for seed in seeds:
        sample, table = make_sample("coating", seed), class_table("coating")
        labels = sample.labels.astype(np.uint8)
        found = measure_layer(field_of_mask("sample", labels, table), "oxide")
        pixels = sample.micrograph.pixels[: len(labels)].astype(float)
        grey = (255 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.uint8)
        image = Image.fromarray(np.repeat(grey[..., None], 3, axis=2))
        image = image.resize((scale * image.width, scale * image.height))
        pen = ImageDraw.Draw(image)
        for column in found.columns.ends[::8]:
            pen.line([_at(end, scale) for end in column], fill="#f0e442")
        pen.line(
            [_at(point, scale) for point in found.columns.line.points], fill="#56b4e9", width=2
        )
        for crack in found.cracks.through:
            x, y = _at(crack, scale)
            pen.ellipse((x - 8, y - 8, x + 8, y + 8), outline="#d55e00", width=3)
        heights = found.columns.ends[..., 0]
        middle = scale * int(heights.mean())
        panels.append(image.crop((0, middle - 160, image.width, middle + 160)))
    sheet = Image.new("RGB", (panels[0].width, sum(panel.height for panel in panels)))
    for number, panel in enumerate(panels):
        sheet.paste(panel, (0, number * panel.height))
    sheet.save(path, quality=85)


def _at(point: np.ndarray, scale: int) -> tuple[float, float]:
    return (point[1] + 0.5) * scale, (point[0] + 0.5) * scale


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["coverage", "coatings", "train", "large", "picture"])
    parser.add_argument("target", nargs="?", help="a model, a side in px or a picture")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--epochs", type=int, default=100, help="of training, 4 steps each")
    given = parser.parse_args()
    if given.what == "coverage":
        coverage()
    elif given.what == "large":
        large(int(given.target or 20_000))
    elif given.target is None:
        parser.error("name the model, or the picture")
    elif given.what == "picture":
        picture(Path(given.target))
    elif given.what == "train":
        train(Path(given.target), given.data, given.epochs)
    else:
        coatings(Path(given.target), given.data)


if __name__ == "__main__":
    main()
