"""How long pretraining takes, estimated from files of encoders."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_matssl.learn.card import CARD_KEY, EncoderCard
from napari_matssl.settings import IntensityScalingSettings, PretrainSettings
from napari_matssl.widgets.panels.pretrain_estimate import speed_of


def encoder(path, **metrics):
    card = EncoderCard(
        encoder="tf_efficientnet_lite0",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        settings=PretrainSettings().model_dump(mode="json"),
        metrics={"patches": 640.0, "minutes": 2.0, **metrics},
    )
    save_file({"w": np.zeros(1)}, path, metadata={CARD_KEY: card.model_dump_json()})
    return path


def test_the_speed_of_an_earlier_encoder_gives_the_estimate(tmp_path):
    speed = speed_of([encoder(tmp_path / "e.safetensors")], PretrainSettings())
    assert speed.seconds == pytest.approx(120 / 640)


@pytest.mark.parametrize("odd", [{"patches": 0.0}, {"patches": -1.0}, {"minutes": -1.0}])
def test_a_file_with_odd_figures_is_passed_over(tmp_path, odd):
    odd_one = encoder(tmp_path / "odd.safetensors", **odd)
    good = encoder(tmp_path / "good.safetensors")
    speed = speed_of([odd_one, good], PretrainSettings())
    assert speed.seconds == pytest.approx(120 / 640)
