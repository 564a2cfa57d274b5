"""Recipes and the forest beside them, on images that a threshold could segment."""

import numpy as np
import pytest

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.settings import FinetuneSettings, PredictSettings


@pytest.fixture
def made(two_phases):
    from sets import BenchmarkSet

    images = [two_phases(seed, size=(96, 96)) for seed in range(3)]
    return BenchmarkSet("made", tuple(images[:2]), (), tuple(images[2:]), numbered_table([1, 2]))


def test_settings_are_read_as_what_they_are():
    from recipes import changes

    found = changes(["dropout=0.2", "augment=false", "exposure=own", "scale=null"])
    assert found == {"dropout": 0.2, "augment": False, "exposure": "own", "scale": None}
    assert FinetuneSettings.make(found).exposure == "own"


def test_a_recipe_is_trained_and_looked_at(made):
    from recipes import look, train
    from scoring import figures

    segmenter = train(made, FinetuneSettings.make({"preset": "instant", "seed": 0}), 0)
    found = figures(made, look(segmenter, made.test, PredictSettings()))
    assert found["miou"] > 0.8
    assert found["fraction_error"] < 5


def test_sets_with_the_same_painted_images_share_a_model(made, monkeypatch):
    """Other exposures of a sweep must not be a second training."""
    pytest.importorskip("sklearn")
    import levers
    from sets import under_other_exposures

    trained = []
    monkeypatch.setattr(levers, "train", lambda one, *_: trained.append(one.name) or one)
    monkeypatch.setattr(levers, "look", lambda segmenter, *_: segmenter.name)
    learn = levers._once({"preset": "instant"}, 0, PredictSettings())
    assert learn(made, 0)(made.test) == learn(under_other_exposures(made), 0)(made.test) == "made"
    learn(made, 1)
    assert trained == ["made", "made"]


def test_the_forest_segments_every_nth_pixel_only(made):
    pytest.importorskip("sklearn")
    from forest import forest_masks

    seen, _training, _image = forest_masks(made.training, made.test, made.table, True, 0, every=3)
    mask, truth = seen[0].mask, made.test[0].labels
    asked = np.zeros(mask.shape, dtype=bool)
    asked[::3, ::3] = True
    assert ((mask > 0) == asked).all()
    assert (mask == truth)[asked].mean() > 0.9
