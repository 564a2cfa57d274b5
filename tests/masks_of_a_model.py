"""A model with held-out images, and masks that name it."""

import numpy as np
from PIL import Image
from tiny import TINY

from napari_matssl.export.masks import write_mask
from napari_matssl.labels.held_out import HeldOut, HeldOutImage
from napari_matssl.labels.provenance import MaskFacts, Provenance
from napari_matssl.learn.card import ModelCard, TrainingImage
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter, write_segmenter
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks.reporting.report_sources import checksum


def add_model(folder, masks, table, counts, name="m.safetensors", trained_on=(), parts_of=()):
    """Write a model with these confusions of held-out images, and have all masks name it.

    `masks` is a folder of PNG files with ids of `table`; without `counts`, no image was held out.
    It was trained on whole images, and on a part of each of some panoramas.
    """
    held_out = None
    if counts:
        held_out = HeldOut(
            source="left-out",
            classes=table.names,
            images=tuple(HeldOutImage(name=f"{n}.tif", counts=one) for n, one in enumerate(counts)),
        )
    card = ModelCard(
        encoder=TINY,
        architecture="pixel-classifier",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=table,
        training_images=(
            *(TrainingImage(name=path.name, sha256=checksum(path)) for path in trained_on),
            *(
                TrainingImage(name=f"{path.name} at 0, 0", sha256="", origin_sha256=checksum(path))
                for path in parts_of
            ),
        ),
        held_out=held_out,
    )
    path = folder / name
    network = build_network(TINY, len(table.names), architecture="pixel-classifier")
    write_segmenter(path, Segmenter(network, card))
    origin = Provenance(
        model=name, model_sha256=checksum(path), model_created=card.created, version="0.1.0",
        settings={"tile": 512}, light="doubtful", reasons=("fractions differ",),
        unsure="the model is unsure of 9 % of the area",
    )  # fmt: skip
    for mask in sorted(masks.glob("*.png")):
        write_mask(mask, np.array(Image.open(mask)), table, facts=MaskFacts(None, origin, table))
    return path
