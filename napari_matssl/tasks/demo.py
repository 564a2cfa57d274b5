"""The main job on sample micrographs, from files to files, in a few minutes."""

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_matssl.errors import StoppedError
from napari_matssl.export.masks import write_mask
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.files import atomic_write, check_writable_folder
from napari_matssl.learn.encoders import LITE0
from napari_matssl.learn.segmenter import read_segmenter, write_segmenter
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.micrograph.reading import find_micrographs, read_pixels
from napari_matssl.progress import Control, Job, Progress, Result, Skipped
from napari_matssl.samples import class_table, make_sample, scribble
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.tasks.batch import left_out
from napari_matssl.tasks.evaluate import Evaluation, evaluate
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.inputs import read_folder, read_painted_set
from napari_matssl.tasks.predicting.predict import predict
from napari_matssl.tasks.pretrain.job import pretrain
from napari_matssl.tasks.scoring_labels import read_truth

MATERIALS = ("dual-phase", "coating")
PAINTED = 4
UNSEEN = 3
PRETRAIN_MINUTES = 0.75
FINETUNE_MINUTES = 1.2


@dataclass(frozen=True)
class ScoredMaterial:
    """Scores of one material's segmenter on unseen images."""

    title: str
    evaluation: Evaluation
    phases: tuple[PhaseFraction, ...]


@dataclass(frozen=True)
class DemoResult:
    """Results of the demo.

    Parameters
    ----------
    scored
        Per material.
    picture
        Image, truth and prediction of all unseen images side by side.
    places
        Lines on where everything is.
    skipped
        Images that were left out of pretraining, and why.
    """

    scored: tuple[ScoredMaterial, ...]
    picture: Path
    places: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()


def demo(out: Path, device: str = "auto") -> Job[DemoResult]:
    """Pretrain, fine-tune from strokes, segment unseen images and score them.

    Everything is written below `out` and read back from there, as a user would do it.

    Raises
    ------
    OutputError
        If `out` can't be written.
    WeightsError, DeviceError, ComputeError
        As the jobs raise them.
    StoppedError
        If it was stopped before its end.
    """
    check_writable_folder(out)
    for number, material in enumerate(MATERIALS):
        _stop_if((yield Progress("drawing sample micrographs", number, len(MATERIALS))), out)
        _write_samples(out / material, material)
    skipped = yield from _pretrain(out, device)
    scored: list[ScoredMaterial] = []
    for material in MATERIALS:
        result = yield from _one_material(out, material, device)
        scored.append(result)
    picture = out / "demo.png"
    rows = [row for material in MATERIALS for row in _picture_rows(out / material)]
    with atomic_write(picture) as temporary:
        _grid(rows).save(temporary)
    return DemoResult(tuple(scored), picture, _places(out), skipped)


def _pretrain(out: Path, device: str) -> Job[tuple[Skipped, ...]]:
    """Pretrain on all images; return those that were left out."""
    settings = PretrainSettings(
        encoder=LITE0,
        epochs=None,
        minutes=PRETRAIN_MINUTES,
        batch_size=32,
        patch_size=192,
        view_size=128,
        device=device,
    )
    folders = [out / material / "images" for material in MATERIALS]
    skipped: list[Skipped] = []
    micrographs = read_folder(folders, leave_out=skipped.append)
    for one in skipped:  # other images in a folder that existed before
        yield Progress("pretraining on all images", 0, 1, message=left_out(one))
    job = pretrain(micrographs, settings)
    result = yield from _unless_stopped(job, "pretraining on all images", out)
    result.write(out / "encoder.safetensors")
    return tuple(skipped)


def _one_material(out: Path, material: str, device: str) -> Job[ScoredMaterial]:
    folder = out / material
    settings = FinetuneSettings(
        weights=str(out / "encoder.safetensors"), minutes=FINETUNE_MINUTES, device=device
    )
    painted = read_painted_set(folder / "images", folder / "strokes", settings.unlabelled)
    job = finetune(painted.training, painted.table, settings)
    title = f"{material}: fine-tuning from strokes"
    trained = yield from _unless_stopped(job, title, out)
    model = folder / "model.safetensors"
    write_segmenter(model, trained.segmenter)
    segmenter = read_segmenter(model)
    unseen = _own(folder / "unseen")
    predicting = PredictSettings(device=device)
    segmenting = predict(segmenter, unseen, folder / "result", predicting, model=model)
    result = yield from _unless_stopped(segmenting, f"{material}: segmenting unseen images", out)
    truth = read_truth(folder / "unseen", folder / "truth", segmenter.card)
    scoring = evaluate(segmenter, truth.painted, predicting)
    evaluation = yield from _unless_stopped(scoring, f"{material}: scoring", out)
    title = f"{material}: {UNSEEN} unseen images, trained on strokes on {PAINTED} others"
    return ScoredMaterial(title, evaluation, tuple(r for i in result.images for r in i.phases))


def _unless_stopped(job: Job[Result], stage: str, out: Path) -> Job[Result]:
    """Run a job under another name; half of it is of no use to the next one."""
    with closing(job):
        while True:
            try:
                progress = next(job)
            except StopIteration as end:
                result: Result = end.value
                return result
            _stop_if((yield replace(progress, stage=stage)), out)


def _stop_if(control: Control | None, out: Path) -> None:
    if control is Control.STOP:
        raise StoppedError(f"The demo was stopped; what it had made by then is in {out}.")


def _write_samples(folder: Path, material: str) -> None:
    table = class_table(material)
    table.write(folder / "classes.json")
    for seed in range(PAINTED + UNSEEN):
        sample = make_sample(material, seed)
        stem = f"{material}-{seed:02d}"
        if seed < PAINTED:
            write_micrograph(folder / "images" / f"{stem}.tif", sample.micrograph)
            strokes = scribble(sample.labels, seed=seed)
            write_mask(folder / "strokes" / f"{stem}.png", strokes, table)
        else:
            write_micrograph(folder / "unseen" / f"{stem}.tif", sample.micrograph)
            write_mask(folder / "truth" / f"{stem}.png", sample.labels, table)


def _picture_rows(folder: Path) -> list[list[NDArray[np.uint8]]]:
    """Image, truth and prediction of every unseen image, in the class table's colours."""
    rows = []
    for image in _own(folder / "unseen"):
        grey = np.repeat(read_pixels(image)[:, :, None], 3, axis=2).astype(np.uint8)
        truth = _coloured(folder / "truth" / f"{image.stem}.png")
        predicted = _coloured(folder / "result" / f"{image.stem}_mask.png")
        rows.append([grey, truth, predicted])
    return rows


def _own(folder: Path) -> list[Path]:
    """List the images that have a truth; the demo made no others."""
    truth = folder.parent / "truth"
    return [p for p in find_micrographs([folder]) if (truth / f"{p.stem}.png").is_file()]


def _coloured(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as mask:
        return np.asarray(mask.convert("RGB"))


def _grid(rows: list[list[NDArray[np.uint8]]]) -> Image.Image:
    """Set pictures in rows below their headings."""
    gap, heading = 8, 40
    height, width = rows[0][0].shape[:2]
    grid = Image.new(
        "RGB", (gap + 3 * (width + gap), heading + len(rows) * (height + gap)), "white"
    )
    draw = ImageDraw.Draw(grid)
    font = ImageFont.load_default(26)
    for column, title in enumerate(("unseen image", "truth", "prediction")):
        draw.text((gap + column * (width + gap), 4), title, fill="black", font=font)
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            place = (gap + column * (width + gap), heading + number * (height + gap))
            grid.paste(Image.fromarray(picture), place)
    return grid


def _places(out: Path) -> tuple[str, ...]:
    lines = [f"Encoder: {out / 'encoder.safetensors'}"]
    for material in MATERIALS:
        result = out / material / "result"
        lines.append(
            f"{material}: masks and overlays {result}, phase fractions {result / 'phases.csv'}, "
            f"summary {result / 'summary.csv'}, model {out / material / 'model.safetensors'}"
        )
    return tuple(lines)
