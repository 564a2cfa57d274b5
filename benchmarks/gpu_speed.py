r"""How fast a device is, beside the network alone on ready tensors, which is the limit.

    python benchmarks/gpu_speed.py [--device cuda] [--small] [--seconds 6] [--profile FOLDER]
        [--only ROW ...] [--json FILE]

Prints a row per path: what was reached, the limit, and the share of it. The paper's pretraining is
projected from its steps here. `--profile` writes, for each row, which operations take the time.
It needs what gpu_check.py needs, which lists it.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from gpu_check import MATERIAL, Size, rate_of

from napari_matssl.openmp import sleeping_threads

with sleeping_threads():
    import torch

import numpy as np
from torch import Tensor, nn

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.inference import segment
from napari_matssl.learn.methods import build_method
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, drain
from napari_matssl.samples import class_table, make_sample
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.tasks.finetune import finetune
from napari_matssl.tasks.pretrain import pretrain

PAPER_PATCHES, PAPER_EPOCHS = 46_698, 50
"""All three sets of the paper, and its epochs."""

FULL = Size("tf_efficientnet_lite0", "imagenet", 1024, 256, 60, 6.0)
SMALL = Size("test_efficientnet", "random", 192, 64, 12, 0.5)
LARGE = {"tf_efficientnet_lite0": "resnet50", "test_efficientnet": "test_efficientnet"}
"""The paper's encoder, beside the default."""


@dataclass(frozen=True)
class Row:
    """What was measured.

    Parameters
    ----------
    path
        What runs.
    reached, limit
        In `unit`; the limit is the network alone, None where there is none.
    """

    path: str
    unit: str
    reached: float
    limit: float | None
    note: str = ""

    def __str__(self) -> str:
        share = f" ({self.reached / self.limit:.0%} of {self.limit:.4g})" if self.limit else ""
        return f"{self.path:42} {self.reached:10.4g} {self.unit}{share} {self.note}"


@dataclass(frozen=True)
class Speed:
    """The device, the sizes, and where profiles go."""

    compute: Compute
    size: Size
    profiles: Path | None

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


def placed(speed: Speed, segmenter: Segmenter) -> nn.Module:
    """Copy a network to the device."""
    card = segmenter.card
    network = build_network(card.encoder, len(card.classes), 0, card.architecture)
    network.load_state_dict(segmenter.network.state_dict())
    return speed.compute.place(network.eval())


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
        begin = time.perf_counter()
        network = placed(speed, segmenter)
        speed.wait()
        moved = time.perf_counter() - begin
        for magnifications in ("one", "two"):
            if architecture == "pixel-classifier" and magnifications == "two":
                continue
            settings = PredictSettings(magnifications=magnifications, detached_components="keep")

            run = segmenting(speed, network, segmenter, micrograph, settings)
            begin = time.perf_counter()
            run()
            cold = time.perf_counter() - begin
            seconds = []
            for _ in range(12):
                begin = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - begin)
            with speed.profiled(f"first-mask-{architecture}-{magnifications}"):
                run()
            yield Row(
                f"mask of {speed.size.side} px, {architecture}, {magnifications}", "ms",
                1000 * statistics.median(seconds), None,
                f"the first {1000 * cold:.0f} ms, the network placed in {1000 * moved:.0f} ms",
            )  # fmt: skip


def prediction(speed: Speed) -> Iterator[Row]:
    """Segment a large image, beside the network on ready tiles without margins."""
    side = 4 * speed.size.side
    micrograph = image(side)
    for encoder in (speed.size.encoder, LARGE[speed.size.encoder]):
        segmenter = fitted(speed, encoder)
        network = placed(speed, segmenter)
        settings = PredictSettings(magnifications="one", detached_components="keep")

        run = segmenting(speed, network, segmenter, micrograph, settings)
        run()
        begin = time.perf_counter()
        run()
        reached = side * side / (time.perf_counter() - begin) / 1e6
        with speed.profiled(f"prediction-{encoder}"):
            run()
        tile = min(settings.tile, side)
        for count in (1, 4):
            ready = speed.compute.place_images(torch.randn(count, 3, tile, tile))

            limit = speed.rate(partial(forward, speed, network, ready)) * count * tile * tile / 1e6
            yield Row(f"prediction, {encoder}, alone by {count}", "Mpx/s", reached, limit)


def training(speed: Speed) -> Iterator[Row]:
    """Fine-tune by the default recipe, beside its network learning from one ready batch."""
    size = speed.size
    sample = make_sample(MATERIAL, seed=1, size=(512, 512))
    painted = PaintedMicrograph(sample.micrograph, sample.labels)
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
        job = finetune([painted], class_table(MATERIAL), settings)
        reached = steps_per_second(speed, job, f"training-{architecture}-{encoder}")
        network = speed.compute.place(
            build_network(encoder, len(class_table(MATERIAL)), 0, architecture)
        ).train()
        side, count = settings.crop_size, settings.batch_size
        ready = speed.compute.place_images(torch.randn(count, 3, side, side))
        targets = torch.randint(0, 2, (count, side, side), device=speed.compute.device)
        alone = learning(speed, network, lambda n=network, r=ready, t=targets: _loss(n(r), t))
        yield Row(
            f"fine-tuning, {architecture}, {encoder}", "steps/s", reached, speed.rate(alone),
            f"batches of {count} crops of {side} px",
        )  # fmt: skip


def pretraining(speed: Speed) -> Iterator[Row]:
    """Pretrain, beside the encoder and its head learning from two ready views."""
    size = speed.size
    side = 2 * size.crop
    micrographs = [image(side * 2, seed) for seed in range(12)]
    for preset, encoder in (("quick", size.encoder), ("paper", LARGE[size.encoder])):
        settings = PretrainSettings.make({
            "preset": preset, "encoder": encoder, "epochs": 100_000, "overlap": 0.7,
            "weights": size.weights if encoder == size.encoder else "random",
            "patch_size": size.crop, "device": str(speed.compute.device),
        })  # fmt: skip
        if size.crop < 100:  # of --small
            settings = settings.model_copy(update={"view_size": 32, "batch_size": 16})
        job = pretrain(micrographs, settings)
        reached = steps_per_second(speed, job, f"pretraining-{preset}-{encoder}")
        method = build_method(build_encoder(encoder, 0), settings, 10_000)
        speed.compute.place(method).train()
        views = [
            speed.compute.place_images(
                torch.randn(settings.batch_size, 3, settings.view_size, settings.view_size)
            )
            for _ in range(2)
        ]
        generator = torch.Generator()
        alone = learning(speed, method, partial(method.loss, *views, generator))
        limit = speed.rate(alone)
        count = settings.batch_size
        yield Row(
            f"pretraining, {preset}, {encoder}", "patches/s", reached * count, limit * count,
            f"{reached:.2f} steps/s of {count}, views of {settings.view_size} px",
        )  # fmt: skip
        if encoder == "resnet50":
            steps_in_all = PAPER_EPOCHS * (PAPER_PATCHES // count)
            yield Row(
                "the paper's pretraining, projected", "min", steps_in_all / reached / 60, None,
                f"{steps_in_all} steps; the network alone {steps_in_all / limit / 60:.1f} min",
            )  # fmt: skip


def steps_per_second(speed: Speed, job: Job[object], profile: str) -> float:
    """Count steps of a job in the time given, and profile a dozen more."""
    reached = rate_of(job, speed.size.seconds, warm=10)
    with speed.profiled(profile):
        for _, _ in zip(range(12), job, strict=False):
            pass
    job.close()
    return reached


ROWS = {f.__name__.replace("_", " "): f for f in (first_mask, prediction, training, pretraining)}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny networks and images")
    parser.add_argument("--seconds", type=float, help="for each figure")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--profile", type=Path, help="folder for profiles")
    parser.add_argument("--json", type=Path, help="file for the results")
    given = parser.parse_args()
    size = SMALL if given.small else FULL
    if given.seconds:
        size = replace(size, seconds=given.seconds)
    speed = Speed(choose_compute(given.device), size, given.profile)
    print(f"torch {torch.__version__}, {speed.compute.describe()}", flush=True)
    rows, status = [], 0
    for name in given.only:
        begin = time.perf_counter()
        try:
            for row in ROWS[name](speed):
                rows.append(row)
                print(row, flush=True)
        except Exception as error:  # noqa: BLE001 - the other rows are wanted, too
            status = 1
            print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
        print(f"  ({name}: {time.perf_counter() - begin:.0f} s)", flush=True)
    if given.json is not None:
        facts = {"torch": torch.__version__, "device": speed.compute.describe()}
        facts |= {"rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
