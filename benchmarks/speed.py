r"""How fast it is: each path beside a plain script, and beside its limit, the network alone.

    python benchmarks/speed.py [--device cpu] [--small] [--seconds 6] [--only ROW ...]
        [--profile FOLDER] [--json FILE] [--large] [--write]

Prints for each path how many times as fast as a plain script it is (``speed_plain.py``), which
share of the speed of the network on ready tensors it reaches, then the figures. All are measured in
one run, one after the other: do it on a machine that does nothing else. The paper's pretraining is
projected from its steps here. ``--large`` segments files of 16,384 and 32,768 px, too (2.2 GB of
disk); ``--profile`` writes, for each row, which operations take the time; ``--write`` writes the
table into ``docs/benchmarks.md``. On a GPU it needs what gpu_check.py needs, which lists it.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from gpu_check import MATERIAL, Size, rate_of

from napari_matssl.openmp import sleeping_threads

with sleeping_threads():
    import torch

import numpy as np
import speed_plain
import tifffile
from marks import write_between_marks
from torch import Tensor, nn

from napari_matssl.export.results import Outputs
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.inference import segment
from napari_matssl.learn.methods import build_method
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter, read_segmenter, write_segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, drain
from napari_matssl.samples import class_table, make_sample, scribble
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.live import LiveClassifier
from napari_matssl.tasks.predicting.predict import predict
from napari_matssl.tasks.pretrain.job import pretrain

PAPER_PATCHES, PAPER_EPOCHS = 46_698, 50
"""All three sets of the paper, and its epochs."""

FULL = Size("tf_efficientnet_lite0", "imagenet", 1024, 256, 60, 6.0)
SMALL = Size("test_efficientnet", "random", 192, 64, 12, 0.5)
LARGE = {"tf_efficientnet_lite0": "resnet50", "test_efficientnet": "test_efficientnet"}
"""The paper's encoder, beside the default."""

_PROCESSOR_BATCH = 16
"""Pairs in a step of the paper's pretraining on a processor."""

DOCS = Path(__file__).parents[1] / "docs" / "benchmarks.md"

_LESS_IS_BETTER = ("s", "ms", "min", "GB", "s/Mpx")


@dataclass(frozen=True)
class Row:
    """What was measured.

    Parameters
    ----------
    path
        What runs.
    reached, plain, limit
        In `unit`: of this program; of a plain script; of the network alone. None where there is no
        such thing.
    """

    path: str
    unit: str
    reached: float
    plain: float | None = None
    limit: float | None = None
    note: str = ""

    @property
    def times(self) -> float | None:
        """How many times as fast as the plain script."""
        return None if self.plain is None else self._over(self.reached, self.plain)

    @property
    def share(self) -> float | None:
        """Share of the speed of the network alone."""
        return None if self.limit is None else self._over(self.reached, self.limit)

    def _over(self, one: float, other: float) -> float:
        return other / one if self.unit in _LESS_IS_BETTER else one / other

    def __str__(self) -> str:
        times = "" if self.times is None else f"{self.times:.1f} x plain"
        share = "" if self.share is None else f"{self.share:.0%} of alone"
        figure = f"{self.reached:10.4g} {self.unit}"
        return f"{times:>12}  {share:>13}  {self.path:46} {figure}  {self.note}"


@dataclass(frozen=True)
class Speed:
    """The device, the sizes, a folder for files, and where profiles go."""

    compute: Compute
    size: Size
    work: Path
    profiles: Path | None
    large: bool = False

    def wait(self) -> None:
        """Wait until the device has done everything."""
        if self.compute.device.type == "cuda":
            torch.cuda.synchronize(self.compute.device)

    def rate(self, step: Callable[[], object], warm: int = 5) -> float:
        """Tell how often a step runs per second, once it is warm."""
        for _ in range(warm):
            step()
        self.wait()
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < self.size.seconds / 2:
            step()
            count += 1
            if count % 8 == 0:
                self.wait()  # else thousands of steps queue up
        self.wait()
        return count / (time.perf_counter() - begin)

    def seconds(self, run: Callable[[], object], times: int = 5) -> float:
        """Tell how long something takes, s; the median, after one that doesn't count."""
        run()
        found = []
        for _ in range(times):
            self.wait()
            begin = time.perf_counter()
            run()
            self.wait()
            found.append(time.perf_counter() - begin)
        return statistics.median(found)

    @contextmanager
    def profiled(self, name: str) -> Iterator[None]:
        """Write which operations take the time."""
        if self.profiles is None:
            yield
            return
        kinds = [torch.profiler.ProfilerActivity.CPU]
        if self.compute.device.type == "cuda":
            kinds.append(torch.profiler.ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=kinds) as profile:
            yield
            self.wait()
        averages = profile.key_averages()
        on_device = f"self_{self.compute.device.type}_time_total"
        tables = [
            averages.table(sort_by=key, row_limit=25, max_name_column_width=60)
            for key in dict.fromkeys(("self_cpu_time_total", on_device))
        ]
        self.profiles.mkdir(parents=True, exist_ok=True)
        (self.profiles / f"{name}.txt").write_text("\n".join(tables), encoding="utf-8")


def image(side: int, seed: int = 2) -> Micrograph:
    """Make a micrograph; large ones are tiled from 512 px."""
    sample = make_sample(MATERIAL, seed=seed, size=(min(side, 512), min(side, 512)))
    times = -(-side // sample.micrograph.pixels.shape[0])
    pixels = np.tile(sample.micrograph.pixels, (times, times))[:side, :side].copy()
    return Micrograph(f"{side}.tif", pixels)


def fitted(speed: Speed, encoder: str, architecture: str = "unet++") -> Segmenter:
    """Train a network for one step, from ImageNet's weights if it is the default."""
    random = encoder != speed.size.encoder
    sample = make_sample(MATERIAL, seed=1, size=(256, 256))
    settings = FinetuneSettings(
        encoder=encoder, weights="random" if random else speed.size.weights, crop_size=64,
        scale=1.0, architecture=architecture, epochs=1, minutes=None, batch_size=2,
        device=str(speed.compute.device),
    )  # fmt: skip
    painted = PaintedMicrograph(sample.micrograph, sample.labels)
    return drain(finetune([painted], class_table(MATERIAL), settings)).segmenter


def copied(segmenter: Segmenter) -> nn.Module:
    """Copy a network, in float32 and contiguous memory."""
    card = segmenter.card
    network = build_network(card.encoder, len(card.classes), 0, card.architecture)
    network.load_state_dict(segmenter.network.state_dict())
    return network.eval()


def segmenting(
    speed: Speed,
    network: nn.Module,
    segmenter: Segmenter,
    micrograph: Micrograph,
    settings: PredictSettings,
) -> Callable[[], object]:
    """Give what segments a micrograph."""
    return lambda: drain(segment(network, segmenter.card, micrograph, speed.compute, settings))


def forward(speed: Speed, network: nn.Module, ready: Tensor) -> Tensor:
    """Run a network on ready tiles."""
    with torch.inference_mode(), speed.compute.autocast():
        return network(ready)  # type: ignore[no-any-return]


def learning(speed: Speed, network: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """Give what takes a step of training on ready images."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)

    def step() -> None:
        with speed.compute.autocast():
            found = loss()
        optimiser.zero_grad(set_to_none=True)
        found.backward()
        optimiser.step()

    return step


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.float(), targets)


def first_mask(speed: Speed) -> Iterator[Row]:
    """Segment one image after another, as a user waits for it."""
    micrograph = image(speed.size.side)
    for architecture in ("guided-unet++", "pixel-classifier"):
        segmenter = fitted(speed, speed.size.encoder, architecture)
        network = speed.compute.place(copied(segmenter))
        for magnifications in ("one", "two"):
            if architecture == "pixel-classifier" and magnifications == "two":
                continue
            settings = PredictSettings(magnifications=magnifications, detached_components="keep")

            run = segmenting(speed, network, segmenter, micrograph, settings)
            begin = time.perf_counter()
            run()
            cold = time.perf_counter() - begin
            seconds = speed.seconds(run, 12 if speed.compute.device.type == "cuda" else 5)
            with speed.profiled(f"first-mask-{architecture}-{magnifications}"):
                run()
            yield Row(
                f"mask of {speed.size.side} px, {architecture}, {magnifications}", "ms",
                1000 * seconds, note=f"the first {1000 * cold:.0f} ms",
            )  # fmt: skip


def prediction(speed: Speed) -> Iterator[Row]:
    """Segment an image of several tiles, beside a plain loop and the network on ready tiles."""
    side = (4 if speed.compute.device.type == "cuda" else 2) * speed.size.side
    micrograph = image(side)
    settings = PredictSettings(magnifications="one", detached_components="keep")
    tile = min(settings.tile, side)
    for encoder in (speed.size.encoder, LARGE[speed.size.encoder]):
        segmenter = fitted(speed, encoder)
        plainly = partial(
            speed_plain.segment, copied(segmenter).to(speed.compute.device), micrograph.pixels,
            tile, settings.tile_overlap, speed.compute.device,
        )  # fmt: skip
        plain = side**2 / speed.seconds(plainly, 1) / 1e6
        network = speed.compute.place_to_segment(copied(segmenter).eval())
        run = segmenting(speed, network, segmenter, micrograph, settings)
        reached = side**2 / speed.seconds(run, 3) / 1e6
        with speed.profiled(f"prediction-{encoder}"):
            run()
        ready = speed.compute.place_images(torch.randn(1, 3, tile, tile))
        limit = speed.rate(partial(forward, speed, network, ready), warm=2) * tile**2 / 1e6
        yield Row(
            f"prediction, {encoder}, {side} px", "Mpx/s", reached, plain, limit,
            f"tiles of {tile} px; alone: tiles without margins",
        )  # fmt: skip


def large_images(speed: Speed) -> Iterator[Row]:
    """Segment ever larger files, each in a process of its own, for its peak of memory."""
    model = speed.work / "model.safetensors"
    write_segmenter(model, fitted(speed, speed.size.encoder))
    times = (4, 8, 16, 32) if speed.large else (4, 8)
    first = None
    for side in (speed.size.side * n for n in times):
        file = write_large(speed.work / f"{side}.tif", side)
        found = json.loads(_in_a_process("--one-large", str(file), speed=speed))
        file.unlink()
        reached = found["seconds"] / (side**2 / 1e6)
        first = first or reached
        yield Row(
            f"prediction of a file of {side} px", "s/Mpx", reached,
            note=f"{reached / first:.2f} times the first; peak {found['gigabytes']:.2f} GB, "
            f"{found['before']:.2f} GB of it before the file",
        )  # fmt: skip


def write_large(path: Path, side: int) -> Path:
    """Write a made-up micrograph of any size, band by band, as an uncompressed BigTIFF."""
    band = image(512).pixels
    row = np.tile(band, (1, -(-side // band.shape[1])))[:, :side]
    bands = (row[: min(len(row), side - top)] for top in range(0, side, len(row)))
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(bands, shape=(side, side), dtype=row.dtype, rowsperstrip=len(row))
    return path


def one_large(speed: Speed, path: Path) -> str:
    """Segment a file; seconds, and the peak of memory of this process, as JSON."""
    model = path.parent / "model.safetensors"
    segmenter = read_segmenter(model)
    settings = PredictSettings(
        magnifications="one", detached_components="keep", info_bar="none",
        device=str(speed.compute.device),
    )  # fmt: skip
    masks = Outputs(masks_tiff=False, overlays=False)
    before, begin = _peak_gigabytes(), time.perf_counter()
    drain(predict(segmenter, [path], path.with_suffix(""), settings, masks, model))
    seconds = time.perf_counter() - begin
    shutil.rmtree(path.with_suffix(""))
    return json.dumps({"seconds": seconds, "gigabytes": _peak_gigabytes(), "before": before})


def _peak_gigabytes() -> float:
    """Tell the peak of memory of this process; ``getrusage`` would count its parent's as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1e6  # kB


def training(speed: Speed) -> Iterator[Row]:
    """Fine-tune by the default recipe, beside a plain loop and the network with a ready batch."""
    size = speed.size
    sample = make_sample(MATERIAL, seed=1, size=(512, 512))
    painted = PaintedMicrograph(sample.micrograph, sample.labels)
    classes = len(class_table(MATERIAL))
    folder = speed_plain.write_patches(
        speed.work / "dense", [sample.micrograph.pixels], [sample.labels - 1], size.crop
    )
    for architecture, encoder in (
        ("guided-unet++", size.encoder),
        ("unet++", size.encoder),
        ("unet++", LARGE[size.encoder]),
    ):
        settings = FinetuneSettings(
            encoder=encoder, weights=size.weights if encoder == size.encoder else "random",
            crop_size=size.crop, scale=1.0, architecture=architecture, epochs=100_000,
            minutes=None, device=str(speed.compute.device),
        )  # fmt: skip
        count, side = settings.batch_size, settings.crop_size
        job = finetune([painted], class_table(MATERIAL), settings)
        reached = steps_per_second(speed, job, f"training-{architecture}-{encoder}")
        plain = None
        if architecture == "unet++":
            loop = speed_plain.fine_tune(folder, encoder, classes, count, speed.compute.device)
            plain = count * speed.rate(partial(next, loop), warm=2)
        network = speed.compute.place(build_network(encoder, classes, 0, architecture)).train()
        ready = speed.compute.place_images(torch.randn(count, 3, side, side))
        targets = torch.randint(0, 2, (count, side, side), device=speed.compute.device)
        alone = learning(speed, network, lambda n=network, r=ready, t=targets: _loss(n(r), t))
        yield Row(
            f"fine-tuning, {architecture}, {encoder}", "patches/s", reached * count, plain,
            speed.rate(alone, warm=2) * count, f"{count} crops of {side} px a step",
        )  # fmt: skip


def pretraining(speed: Speed) -> Iterator[Row]:
    """Pretrain, beside a plain loop and the encoder and its head with two ready views."""
    size = speed.size
    micrographs = [image(4 * size.crop, seed) for seed in range(12)]
    folder = speed_plain.write_patches(
        speed.work / "patches",
        [one.pixels for one in micrographs],
        [np.zeros_like(one.pixels) for one in micrographs],
        size.crop,
    )
    for preset, encoder in (("quick", size.encoder), ("paper", LARGE[size.encoder])):
        settings = PretrainSettings.make({
            "preset": preset, "encoder": encoder, "epochs": 100_000, "overlap": 0.7,
            "weights": size.weights if encoder == size.encoder else "random",
            "patch_size": size.crop, "device": str(speed.compute.device),
        })  # fmt: skip
        if size.crop < 100:  # of --small
            settings = settings.model_copy(update={"view_size": 32, "batch_size": 16})
        elif encoder != size.encoder and speed.compute.device.type == "cpu":
            # The plain loop fills 24 GB of memory with the published batch of 128.
            settings = settings.model_copy(update={"batch_size": _PROCESSOR_BATCH})
        count, side = settings.batch_size, settings.view_size
        job = pretrain(micrographs, settings)
        reached = steps_per_second(speed, job, f"pretraining-{preset}-{encoder}")
        loop = speed_plain.pretrain(
            folder, build_method(build_encoder(encoder, 0), settings, 10_000), side, count,
            speed.compute.device,
        )  # fmt: skip
        plain = count * speed.rate(partial(next, loop), warm=1)
        method = build_method(build_encoder(encoder, 0), settings, 10_000)
        speed.compute.place(method).train()
        views = [speed.compute.place_images(torch.randn(count, 3, side, side)) for _ in range(2)]
        alone = learning(speed, method, partial(method.loss, *views, torch.Generator()))
        limit = speed.rate(alone, warm=2)
        yield Row(
            f"pretraining, {preset}, {encoder}", "patches/s", reached * count, plain, limit * count,
            f"{reached:.2f} steps/s of {count}, views of {side} px",
        )  # fmt: skip
        if encoder == "resnet50" and speed.compute.device.type != "cpu":
            steps_in_all = PAPER_EPOCHS * (PAPER_PATCHES // count)
            yield Row(
                "the paper's pretraining, projected", "min", steps_in_all / reached / 60,
                limit=steps_in_all / limit / 60, note=f"{steps_in_all} steps",
            )  # fmt: skip


def steps_per_second(speed: Speed, job: Job[object], profile: str) -> float:
    """Count steps of a job in the time given, and profile a dozen more."""
    reached = rate_of(
        job, speed.size.seconds, warm=10 if speed.compute.device.type == "cuda" else 3
    )
    if speed.profiles is not None:
        with speed.profiled(profile):
            for _, _ in zip(range(12), job, strict=False):
                pass
    job.close()
    return reached


def preview(speed: Speed) -> Iterator[Row]:
    """Show what strokes on one image make of it: the first time, and after one more stroke."""
    sample = make_sample(MATERIAL, seed=1, size=(512, 512))
    times = max(1, speed.size.side // 512)
    pixels = np.kron(sample.micrograph.pixels, np.ones((times, times), np.uint8))
    labels = np.kron(scribble(sample.labels, seed=1), np.ones((times, times), np.uint8))
    micrograph = Micrograph("one.tif", pixels)
    settings = FinetuneSettings(
        encoder=speed.size.encoder, weights=speed.size.weights, device=str(speed.compute.device)
    )
    rows = np.flatnonzero(labels.any(axis=1))
    firsts, others = [], []
    for _ in range(4):
        live = LiveClassifier()
        live.prepare(settings)  # as the window does while the second class is being painted
        for last in (rows[-1], rows[0]):  # all strokes; a part of them rubbed out again
            painted = labels.copy()
            painted[last] = 0
            begin = time.perf_counter()
            live.segment(
                [PaintedMicrograph(micrograph, painted)],
                class_table(MATERIAL),
                micrograph,
                settings,
            )
            (firsts if last == rows[-1] else others).append(time.perf_counter() - begin)
    side = pixels.shape[0]
    yield Row(f"preview of {side} px after the first stroke", "s", statistics.median(firsts[1:]))
    yield Row("preview after one more stroke", "s", statistics.median(others[1:]))


def start(_speed: Speed) -> Iterator[Row]:
    """Start the command line, and import the package."""
    for path, command in (
        ("napari-matssl --help", ["-m", "napari_matssl", "--help"]),
        ("import napari_matssl", ["-c", "import napari_matssl"]),
        ("python alone", ["-c", ""]),
    ):
        found = []
        for _ in range(6):
            begin = time.perf_counter()
            subprocess.run([sys.executable, *command], capture_output=True, check=True)
            found.append(time.perf_counter() - begin)
        yield Row(path, "s", statistics.median(found[1:]))


def _in_a_process(*more: str, speed: Speed) -> str:
    """Run this script in another process; its last line."""
    command = [sys.executable, __file__, "--device", str(speed.compute.device), *more]
    command += ["--small"] if speed.size.side == SMALL.side else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip().splitlines()[-1]


ROWS: dict[str, Callable[[Speed], Iterator[Row]]] = {
    f.__name__.replace("_", " "): f
    for f in (first_mask, preview, prediction, large_images, training, pretraining, start)
}


def table(rows: Sequence[Row], about: str) -> str:
    """Set the rows out in Markdown."""
    lines = [
        "| path | times a plain script | of the network alone | reached | plain | alone | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        times = "-" if row.times is None else f"{row.times:.1f}"
        share = "-" if row.share is None else f"{row.share:.0%}"
        figures = [
            "-" if value is None else f"{value:.3g}"
            for value in (row.reached, row.plain, row.limit)
        ]
        lines.append(
            f"| {row.path} | {times} | {share} | {figures[0]} {row.unit} | {figures[1]} | "
            f"{figures[2]} | {row.note} |"
        )
    return "\n".join([*lines, "", about, ""])


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="tiny networks and images")
    parser.add_argument("--seconds", type=float, help="for each figure")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--large", action="store_true", help="images of 16,384 and 32,768 px, too")
    parser.add_argument("--profile", type=Path, help="folder for profiles")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--write", action="store_true", help="the table into docs/benchmarks.md")
    parser.add_argument("--one-large", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    size = SMALL if given.small else FULL
    if given.seconds:
        size = replace(size, seconds=given.seconds)
    with tempfile.TemporaryDirectory() as work:
        compute = choose_compute(given.device)
        speed = Speed(compute, size, Path(work), given.profile, given.large)
        if given.one_large:
            print(one_large(speed, given.one_large))
            return 0
        about = f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, "
        about += speed.compute.describe()
        print(about, flush=True)
        rows, status = _measure(speed, given.only)
    if given.json is not None:
        facts = {"about": about, "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    if given.write:
        write_between_marks("speed.py", table(rows, f"{about}."), DOCS)
    return status


def _measure(speed: Speed, names: Sequence[str]) -> tuple[list[Row], int]:
    """Measure what is asked for; the rows, and 1 if one of them failed."""
    rows: list[Row] = []
    status = 0
    for name in names:
        begin = time.perf_counter()
        try:
            for row in ROWS[name](speed):
                rows.append(row)
                print(row, flush=True)
        except Exception as error:  # noqa: BLE001 - the other rows are wanted, too
            status = 1
            print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
        print(f"  ({name}: {time.perf_counter() - begin:.0f} s)", flush=True)
    return rows, status


if __name__ == "__main__":
    sys.exit(main())
