"""Fractions of phases that differ by grey level alone, in fields of any composition."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage
from tiny import instant

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.provenance import DOUBTFUL, LIKE
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.samples import scribble
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.predicting.predict import predict

TABLE = numbered_table([1, 2])


def field(fraction, seed, contrast=1.0, offset=0.0):
    random = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(random.standard_normal((256, 256)), 10, mode="wrap")
    bright = blobs > np.quantile(blobs, 1 - fraction)
    grey = np.where(bright, 170, 90) + random.normal(0, 12, blobs.shape)
    grey = np.clip((grey - 128) * contrast + 128 + offset, 0, 255).round()
    return Micrograph(f"{seed}.tif", grey.astype(np.uint8)), np.where(bright, 2, 1).astype(np.uint8)


def painted(fractions=(0.18, 0.29)):
    images = []
    for seed, fraction in enumerate(fractions):
        micrograph, labels = field(fraction, seed)
        images.append(PaintedMicrograph(micrograph, scribble(labels, seed=seed)))
    return images


def fitted(start=None, **settings):
    return drain(finetune(painted(), TABLE, instant(**settings), start=start)).segmenter


def found(segmenter, micrograph):
    """Return the fraction of the bright phase."""
    compute = choose_compute("cpu")
    job = segment(segmenter.network, segmenter.card, micrograph, compute, PredictSettings())
    return float((drain(job).mask == 2).mean())


@pytest.fixture(scope="module")
def segmenter():
    return fitted()


@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.5, 0.7, 0.8, 0.9])
def test_a_field_of_any_composition_is_measured_right(segmenter, fraction):
    micrograph, _ = field(fraction, seed=10)
    assert found(segmenter, micrograph) == pytest.approx(fraction, abs=0.03)


@pytest.mark.parametrize(("contrast", "offset"), [(0.75, 25), (1.25, -25), (0.8, -30)])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.8])
def test_so_is_one_of_another_exposure(segmenter, fraction, contrast, offset):
    micrograph, _ = field(fraction, 11, contrast, offset)
    assert found(segmenter, micrograph) == pytest.approx(fraction, abs=0.04)


def test_each_by_its_own_mean_and_spread_would_be_far_off():
    micrograph, _ = field(0.8, seed=10)
    assert found(fitted(exposure="own"), micrograph) < 0.4


def test_for_a_series_of_one_exposure_grey_values_count_as_stored():
    same = fitted(exposure="same")
    assert found(same, field(0.9, seed=12)[0]) == pytest.approx(0.9, abs=0.03)
    assert found(same, field(0.1, seed=12, offset=60)[0]) > 0.5  # by word of the user


def test_a_model_that_is_gone_on_from_keeps_its_grey_scale(segmenter):
    further = fitted(start=segmenter)
    assert further.card.grey_reference.scale == segmenter.card.grey_reference.scale
    assert found(further, field(0.8, seed=13)[0]) == pytest.approx(0.8, abs=0.04)


def test_one_whose_images_had_each_its_own_goes_on_like_that():
    before = fitted(exposure="own")
    assert fitted(start=before).card.grey_reference is None


def test_full_labels_give_a_reference_too():
    images = [PaintedMicrograph(*field(f, seed)) for seed, f in enumerate((0.18, 0.29))]
    settings = instant(architecture="unet++", epochs=1, minutes=None)
    card = drain(finetune(images, TABLE, settings)).segmenter.card
    assert card.grey_reference is not None
    assert len(card.grey_reference.histograms) == 3


def test_a_field_that_may_be_any_phase_is_listed_as_doubtful(segmenter, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, micrograph in (
        ("plain.png", field(0.0, seed=14, offset=55)[0]),
        ("both.png", field(0.5, seed=14)[0]),
    ):
        Image.fromarray(micrograph.pixels).save(folder / name)
    out, shown = tmp_path / "out", []
    settings = PredictSettings(device="cpu")
    paths = sorted(folder.iterdir())
    drain(predict(segmenter, paths, out, settings), lambda step: shown.append(step.message))
    table = pd.read_csv(out / "phases.csv", keep_default_na=False)
    remarks = dict(zip(table["image"], table["remarks"], strict=True))
    assert remarks["both.png"] == ""
    assert remarks["plain.png"].startswith("plain.png is doubtful: under another exposure")
    assert remarks["plain.png"] in shown
    lights = dict(zip(table["image"], table["light"], strict=True))
    assert lights == {"both.png": LIKE, "plain.png": DOUBTFUL}
    assert set(table["reason"][table["image"] == "both.png"]) == {""}
    assert table["reason"][table["image"] == "plain.png"].str.contains("another exposure").all()
