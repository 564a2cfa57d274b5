"""Draw truth above prediction for the test images of a split, as benchmarks/NOTES.md shows them.

    python benchmarks/overlay.py MODEL.safetensors --split EBC-2 --out docs/images/ebc2-overlay.jpg

The model is one that ``napari-matssl finetune`` has written. Needs the data that tests marked
``real`` use.
"""

import argparse
from pathlib import Path

import numpy as np
import real_sets
from PIL import Image

from napari_matssl.export.overlay import overlay
from napari_matssl.files import atomic_write
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.segmenter import read_segmenter
from napari_matssl.progress import drain
from napari_matssl.settings import PredictSettings

SCALE = 0.4
GAP = 16  # px


def main() -> None:
    """Segment and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", choices=real_sets.SPLITS, default="EBC-2")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    segmenter, compute = read_segmenter(given.model), choose_compute()
    network = compute.place(segmenter.network)
    columns = []
    for one in real_sets.ebc(given.data, given.split).test:
        job = segment(network, segmenter.card, one.micrograph, compute, PredictSettings())
        masks = one.labels.astype(np.uint8), drain(job).mask
        pictures = [overlay(one.micrograph, mask, segmenter.classes) for mask in masks]
        columns.append(stack([shrunk(picture) for picture in pictures], axis=0))
    picture = Image.fromarray(stack(columns, axis=1))
    with atomic_write(given.out) as temporary:
        picture.save(temporary, format="JPEG", quality=85)


def shrunk(picture: np.ndarray) -> np.ndarray:
    """Make a picture smaller."""
    size = (round(SCALE * picture.shape[1]), round(SCALE * picture.shape[0]))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def stack(pictures: list[np.ndarray], axis: int) -> np.ndarray:
    """Put pictures below (axis 0) or beside each other, with white between."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    white = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (white, picture)][1:]
    return np.concatenate(parts, axis=axis)


if __name__ == "__main__":
    main()
