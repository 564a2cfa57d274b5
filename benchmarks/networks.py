"""U-Net++ beside the networks with transformers: EBC-2 with full labels, the same time for each.

    python benchmarks/networks.py                          # an hour on one core
    python benchmarks/networks.py --rows cs-unet --minutes 10

Minutes are those of the processor in this process. The best of the validations is
scored on the test images, at one magnification and native size. ImageNet's weights are those of
EfficientNet-Lite0; transformers start at random, as there are none without a download. Needs the
data that tests marked ``real`` use.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import real_sets
from recipes import commit, look
from scoring import figures

from napari_matssl.console import run_job
from napari_matssl.learn.segmenter import write_segmenter
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune.job import finetune

ROWS: dict[str, dict[str, Any]] = {
    "unet++": {"architecture": "unet++"},
    "unet++, random weights": {"architecture": "unet++", "weights": "random"},
    "segformer, random weights": {"architecture": "segformer", "weights": "random"},
    "cs-unet, random Swin": {"architecture": "cs-unet"},
    "cs-unet, random weights": {"architecture": "cs-unet", "weights": "random"},
}


def main() -> None:
    """Train and score each row; print a line of the table as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--minutes", type=float, default=5.0, help="of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, help="folder to keep the trained models in")
    given = parser.parse_args()
    chosen = real_sets.ebc(given.data, "EBC-2")
    print(f"commit {commit()}, {given.minutes:g} min, seed {given.seed}")
    print("| network | steps | mIoU | MatSSL's protocol | oxide | crack | image |")
    print("|---|---|---|---|---|---|---|")
    for row in given.rows:
        values = {"minutes": given.minutes, "seed": given.seed, **ROWS[row]}
        plan = chosen.training, chosen.table, FinetuneSettings.make(values), chosen.validation
        trained = run_job(finetune(*plan, clock=time.process_time)).result
        if given.models is not None:
            given.models.mkdir(parents=True, exist_ok=True)
            file = f"{row}-{given.seed}.safetensors".replace(" ", "_").replace(",", "")
            write_segmenter(given.models / file, trained.segmenter)
        begin = time.process_time()
        seen = look(trained.segmenter, chosen.test, PredictSettings.make({"magnifications": "one"}))
        image = (time.process_time() - begin) / len(seen)
        found = figures(chosen, seen)
        scores = " | ".join(f"{found[one]:.3f}" for one in ("miou", "matssl", "oxide", "crack"))
        print(f"| {row} | {len(trained.losses)} | {scores} | {image:.1f} s |", flush=True)


if __name__ == "__main__":
    main()
