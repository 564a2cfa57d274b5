"""Make the encoder that comes with the program: MatSSL from ImageNet's weights, on micrographs.

    python scripts/make_encoder.py --data ../shared/data --minutes 30

It learns from the light optical slices, from those EBC images that no published split tests on, and
from generated micrographs of every material, and is written to
``napari_matssl/weights/micrographs.safetensors``: half precision, but for the statistics of batch
norm, with its card. What it is worth stands in ``docs/benchmarks.md``.
"""

import argparse
import json
from pathlib import Path

import torch

from napari_matssl.console import run_job
from napari_matssl.learn.card import MICROGRAPHS, weights_path
from napari_matssl.learn.modelfile import write_tensors
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.synthetic import MATERIALS, make_sample
from napari_matssl.settings import PretrainSettings
from napari_matssl.tasks.inputs import read_folder
from napari_matssl.tasks.pretrain import pretrain

SAMPLES = range(2000, 2010)
"""Seeds of the generated micrographs; tests and benchmarks use none of them."""


def micrographs(data: Path) -> list[Micrograph]:
    """Read and make everything to learn from."""
    splits = json.loads((data / "ebc" / "splits.json").read_text())
    tested = {Path(name).stem for split in splits.values() for name in split["test"]}
    coatings = read_folder([data / "ebc" / "images"])
    return [
        *read_folder([data / "am-slices"]),
        *(one for one in coatings if Path(one.name).stem not in tested),
        *(make_sample(material, seed).micrograph for material in MATERIALS for seed in SAMPLES),
    ]


def main() -> None:
    """Pretrain and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=weights_path(MICROGRAPHS))
    given = parser.parse_args()
    result = run_job(pretrain(micrographs(given.data), PretrainSettings(minutes=given.minutes)))
    smaller = {
        name: tensor.half() if tensor.is_floating_point() and "running_" not in name else tensor
        for name, tensor in result.tensors.items()
    }
    given.out.parent.mkdir(exist_ok=True)
    write_tensors(given.out, result.card, smaller)
    size = given.out.stat().st_size / 1e6
    print(f"{given.out}: {size:.1f} MB, {result.card.start}, {result.card.metrics}")
    assert all(t.isfinite().all() for t in smaller.values() if isinstance(t, torch.Tensor))


if __name__ == "__main__":
    main()
