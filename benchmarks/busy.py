"""What it is worth that PyTorch's threads wait asleep, beside busy programs and alone.

The same small training runs for some seconds in a process of its own, in turns with the switches of
`napari_matssl/openmp.py` and without, beside none and beside some programs that only count. Steps
are counted from the first one on. With `--minutes`, the preset `interactive` runs for its minutes
instead, beside none and up to that many: what it makes of them, and how long they last.

    python benchmarks/busy.py [--seconds 20] [--neighbours 1] [--rounds 3]
    python benchmarks/busy.py --minutes 0.5 --neighbours 2
"""

import argparse
import os
import subprocess
import sys
import time

from napari_matssl.openmp import switches

NAMES = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")


def count_steps(seconds: float) -> int:
    """Train on a synthetic sample and count the steps of a time."""
    from napari_matssl.labels.painted import PaintedMicrograph
    from napari_matssl.samples import class_table, make_sample
    from napari_matssl.settings import FinetuneSettings
    from napari_matssl.tasks.finetune.job import finetune

    sample = make_sample("dual-phase", seed=1, size=(256, 256))
    settings = FinetuneSettings(
        architecture="unet++", crop_size=128, batch_size=2, epochs=100_000, minutes=None,
        device="cpu",
    )  # fmt: skip
    painted = [PaintedMicrograph(sample.micrograph, sample.labels)]
    job = finetune(painted, class_table("dual-phase"), settings)
    steps, begin = 0, 0.0
    for progress in job:
        if progress.metrics.get("step", 0) < 1:
            continue
        begin = begin or time.monotonic()
        if time.monotonic() - begin > seconds:
            break
        steps += 1
    job.close()
    return steps


def spend(minutes: float) -> str:
    """Train from strokes on a sample for some minutes, as a user does."""
    from napari_matssl.labels.painted import PaintedMicrograph
    from napari_matssl.progress import drain
    from napari_matssl.samples import class_table, make_sample, scribble
    from napari_matssl.settings import FinetuneSettings
    from napari_matssl.tasks.finetune.job import finetune

    sample = make_sample("dual-phase", seed=1)
    painted = [PaintedMicrograph(sample.micrograph, scribble(sample.labels, seed=1))]
    settings = FinetuneSettings(minutes=minutes, device="cpu")
    begin = time.monotonic()
    result = drain(finetune(painted, class_table("dual-phase"), settings))
    return f"{len(result.losses)} steps in {time.monotonic() - begin:.1f} s"


def measure(given: list[str], asleep: bool, neighbours: int) -> str:
    """Return what a fresh process prints."""
    environment = {name: text for name, text in os.environ.items() if name not in NAMES}
    environment.pop("OMP_NUM_THREADS", None)
    if asleep:
        environment |= switches()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(neighbours)]
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--child", *given], env=environment,
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return done.stdout.splitlines()[-1]


def main() -> None:
    """Print a row for each number of neighbours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="of whole runs")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(count_steps(given.seconds) if given.minutes is None else spend(given.minutes))
        return
    for name in NAMES:
        os.environ.pop(name, None)
    if given.minutes is not None:
        print(f"{given.minutes:g} min, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for neighbours in range(given.neighbours + 1):
            made = measure(["--minutes", str(given.minutes)], True, neighbours)
            print(f"{neighbours} neighbours: {made}", flush=True)
        return
    print(f"steps in {given.seconds:g} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for neighbours in sorted({0, given.neighbours}):
        pairs = [
            tuple(
                int(measure(["--seconds", str(given.seconds)], asleep, neighbours))
                for asleep in (True, False)
            )
            for _ in range(given.rounds)
        ]
        asleep, spinning = (sum(column) for column in zip(*pairs, strict=True))
        each = ", ".join(f"{a}/{s}" for a, s in pairs)
        ratio = asleep / max(spinning, 1)
        print(f"{neighbours} neighbours: asleep/spinning {each}; together {ratio:.2f} times")


if __name__ == "__main__":
    main()
