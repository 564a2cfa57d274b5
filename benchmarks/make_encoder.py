"""Make the encoder that comes with the program: MatSSL from ImageNet's weights, on micrographs.

    python benchmarks/make_encoder.py

It learns from micrographs whose licence allows it and on which nothing is tested: the light optical
slices (MIT) and generated micrographs that ``pretraining.py`` calls "other", those EBC images that
no published split tests on (MIT), and the unlabelled images of UHCS (CC BY 3.0 US), which show no
labelled field. MetalDAM's, whose authors state no licence, are left out. It is written to
``napari_matssl/weights/micrographs.safetensors``: half precision, but for the statistics of batch
norm, with its card. What it is worth stands in ``benchmarks/NOTES.md``.
"""

import argparse
import json
from pathlib import Path

from pretraining import other_micrographs

from napari_matssl.console import run_job
from napari_matssl.learn.modelfile import write_tensors
from napari_matssl.learn.shipped_weights import MICROGRAPHS, weights_path
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.settings import PretrainSettings
from napari_matssl.tasks.inputs import read_folder
from napari_matssl.tasks.pretrain.job import pretrain


def untested_coatings(data: Path) -> list[Micrograph]:
    """Read the EBC images that no published split tests on."""
    splits = json.loads((data / "ebc" / "splits.json").read_text())
    tested = {name for split in splits.values() for name in split["test"]}
    return [one for one in read_folder([data / "ebc" / "images"]) if one.name not in tested]


def main() -> None:
    """Pretrain and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--out", type=Path, default=weights_path(MICROGRAPHS))
    given = parser.parse_args()
    images = [
        *other_micrographs(given.data),
        *untested_coatings(given.data),
        *read_folder([given.data / "uhcs" / "unlabelled"]),
    ]
    result = run_job(pretrain(images, PretrainSettings(minutes=given.minutes))).result
    smaller = {
        name: tensor.half() if tensor.is_floating_point() and "running_" not in name else tensor
        for name, tensor in result.tensors.items()
    }
    assert all(tensor.isfinite().all() for tensor in smaller.values()), "too large for halves"
    given.out.parent.mkdir(exist_ok=True)
    write_tensors(given.out, result.card, smaller)
    size = given.out.stat().st_size / 1e6
    print(f"{given.out}: {size:.1f} MB, {result.card.start}, {result.card.metrics}")


if __name__ == "__main__":
    main()
