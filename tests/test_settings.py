"""Settings: bounds, presets, and the form on disk."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_matssl.errors import SettingsError
from napari_matssl.settings import (
    FinetuneSettings,
    IntensityScalingSettings,
    PredictSettings,
    PretrainSettings,
)
from napari_matssl.settings.fields import about, single_fields, title_of, words_of

scalings = st.builds(
    IntensityScalingSettings,
    kind=st.sampled_from(["standardise", "imagenet"]),
    low_percent=st.floats(0, 49),
    high_percent=st.floats(51, 100),
)
ends = st.one_of(
    st.tuples(st.integers(1, 100_000), st.none()),
    st.tuples(st.none(), st.floats(1e-6, 100_000)),
    st.tuples(st.integers(1, 100_000), st.floats(1e-6, 100_000)),
)
pretraining = ends.flatmap(
    lambda end: st.builds(
        PretrainSettings,
        preset=st.sampled_from(["quick", "paper"]),
        encoder=st.text(),
        gate=st.sampled_from(["paper", "released"]),
        epochs=st.just(end[0]),
        minutes=st.just(end[1]),
        overlap=st.floats(0, 0.95),
        temperature=st.floats(1e-9, 10),
        intensity_scaling=scalings,
        seed=st.integers(0, 2**31),
    )
)
finetuning = ends.flatmap(
    lambda end: st.builds(
        FinetuneSettings,
        preset=st.sampled_from(["interactive", "paper"]),
        encoder=st.text(),
        epochs=st.just(end[0]),
        minutes=st.just(end[1]),
        scale=st.one_of(st.none(), st.floats(0.02, 8)),
        unlabelled=st.one_of(st.none(), st.just("auto"), st.integers(0, 65_535)),
        augment=st.booleans(),
        learning_rate=st.floats(1e-12, 1),
        intensity_scaling=scalings,
    )
)
predicting = st.builds(
    PredictSettings, tile=st.integers(32, 16_384), info_bar=st.sampled_from(["auto", "none"])
)


@given(st.one_of(pretraining, finetuning, predicting))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_settings_come_back_from_their_file_as_they_were(tmp_path, values):
    path = tmp_path / "settings.json"
    values.write(path)
    assert type(values).make(file=path) == values


def of_paper(cls):
    return cls.make({"preset": "paper"})


def test_the_paper_preset_of_pretraining_is_the_papers_recipe():
    paper = of_paper(PretrainSettings)
    assert (paper.encoder, paper.weights, paper.gate) == ("resnet50", "imagenet", "paper")
    assert (paper.epochs, paper.minutes, paper.batch_size) == (50, None, 128)
    assert (paper.learning_rate, paper.final_learning_rate) == (0.1, 1e-4)
    assert (paper.optimiser, paper.momentum, paper.weight_decay) == ("sgd", 0.9, 1e-6)
    assert not paper.freeze_batch_norm
    assert paper.temperature == 0.07
    assert paper.patch_size == 256
    assert paper.intensity_scaling.kind == "imagenet"
    assert (paper.projection_hidden, paper.projection_out) == (2048, 128)
    assert paper.seed == 0


@pytest.mark.parametrize("method", ["mocov2", "densecl"])
def test_other_methods_have_their_own_published_settings(method):
    paper = PretrainSettings.make({"preset": "paper", "method": method})
    assert (paper.batch_size, paper.learning_rate, paper.weight_decay) == (256, 0.03, 1e-4)
    assert (paper.optimiser, paper.freeze_batch_norm) == ("sgd", False)
    assert (paper.temperature, paper.queue, paper.key_momentum) == (0.2, 65_536, 0.999)
    assert (paper.jitter, paper.hue_jitter, paper.encoder) == (0.4, 0.1, "resnet50")
    assert (paper.dense_weight, paper.projection_out) == (0.5, 128)
    quick = PretrainSettings.make({"method": method})
    assert (quick.temperature, quick.batch_size, quick.learning_rate) == (0.2, 64, 3e-4)
    assert PretrainSettings.make({"method": method, "temperature": 0.1}).temperature == 0.1


@pytest.mark.parametrize("method", ["stages", "simclr"])
def test_what_is_matssl_but_for_its_fusion_has_its_settings(method):
    paper = PretrainSettings.make({"preset": "paper", "method": method})
    assert paper == of_paper(PretrainSettings).model_copy(update={"method": method})


def test_a_method_in_a_file_brings_its_settings_and_the_file_wins(tmp_path):
    path = tmp_path / "s.json"
    path.write_text('{"preset": "paper", "method": "densecl", "batch_size": 32}')
    settings = PretrainSettings.make({}, path)
    assert (settings.learning_rate, settings.temperature, settings.batch_size) == (0.03, 0.2, 32)


def test_the_paper_preset_of_pretraining_jitters_as_published():
    """Brightness, contrast and saturation by 0.1; the released code has 0.4, 0.4, 0.4 and 0.1."""
    assert of_paper(PretrainSettings).jitter == 0.1
    assert of_paper(PretrainSettings).hue_jitter == 0


def test_the_paper_preset_of_fine_tuning_is_the_papers_recipe():
    paper = of_paper(FinetuneSettings)
    assert (paper.encoder, paper.weights) == ("resnet50", "imagenet")
    assert (paper.epochs, paper.minutes, paper.batch_size) == (200, None, 128)
    assert (paper.optimiser, paper.learning_rate, paper.weight_decay) == ("adam", 1e-4, 1e-5)
    assert (paper.warmup, paper.cosine, paper.encoder_rate) == (0, False, 1)
    assert (paper.crop_size, paper.scale, paper.augment) == (256, 1, False)
    assert (paper.cross_entropy, paper.ema_decay, paper.freeze_batch_norm) == (0, 0, False)
    assert paper.validations == paper.epochs
    assert paper.intensity_scaling.kind == "imagenet"


def test_by_default_fine_tuning_runs_offline_for_two_minutes():
    plain = FinetuneSettings.make()
    assert plain == FinetuneSettings()
    assert (plain.preset, plain.minutes, plain.epochs) == ("interactive", 2, None)
    assert (plain.encoder, plain.weights) == ("tf_efficientnet_lite0", "imagenet")
    assert plain.augment
    assert plain.freeze_batch_norm


@pytest.mark.parametrize(
    ("given", "epochs", "minutes"),
    [
        ({}, None, 2.0),
        ({"epochs": 7}, 7, None),
        ({"minutes": 9}, None, 9),
        ({"epochs": 7, "minutes": 9}, 7, 9),
        ({"preset": "paper"}, 200, None),
        ({"preset": "paper", "minutes": 9}, None, 9),
        ({"preset": "paper", "epochs": 7}, 7, None),
        ({"preset": "paper", "epochs": 7, "minutes": 9}, 7, 9),
        ({"epochs": 7, "minutes": "none"}, 7, None),
        ({"preset": "paper", "epochs": None, "minutes": 9}, None, 9),
    ],
)
def test_epochs_lift_a_limit_of_minutes_and_the_other_way_round(given, epochs, minutes):
    made = FinetuneSettings.make(given)
    assert (made.epochs, made.minutes) == (epochs, minutes)


def write(tmp_path, **values):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(
    ("cls", "values", "epochs", "minutes"),
    [
        (FinetuneSettings, {"epochs": 7}, 7, None),
        (FinetuneSettings, {"epochs": 7, "minutes": 9}, 7, 9),
        (FinetuneSettings, {"seed": 1}, None, 2.0),
        (PretrainSettings, {"minutes": 9}, None, 9),
        (PretrainSettings, {"seed": 1}, None, 10.0),
        (FinetuneSettings, {"preset": "paper", "minutes": 9}, None, 9),
    ],
)
def test_in_a_file_too_epochs_lift_a_limit_of_minutes(tmp_path, cls, values, epochs, minutes):
    made = cls.make(file=write(tmp_path, **values))
    assert (made.epochs, made.minutes) == (epochs, minutes)


def test_single_values_override_the_file_which_overrides_its_preset(tmp_path):
    path = write(tmp_path, preset="paper", batch_size=16, learning_rate=3e-4, seed=5)
    made = FinetuneSettings.make({"seed": 6, "epochs": 3}, path)
    assert (made.preset, made.optimiser) == ("paper", "adam")
    assert (made.batch_size, made.learning_rate) == (16, 3e-4)
    assert (made.seed, made.epochs, made.minutes) == (6, 3, None)


def test_a_preset_given_beside_a_file_replaces_what_it_names_and_leaves_the_rest(tmp_path):
    path = write(tmp_path, batch_size=16, zoom=2.0, minutes=9)
    made = FinetuneSettings.make({"preset": "paper"}, path)
    assert (made.preset, made.batch_size, made.optimiser) == ("paper", 128, "adam")
    assert made.zoom == 2.0
    assert (made.epochs, made.minutes) == (200, None)


def test_a_group_of_settings_that_is_none_is_refused_whatever_is_given_beside(tmp_path):
    path = write(tmp_path, intensity_scaling=3)
    with pytest.raises(SettingsError, match="intensity_scaling") as caught:
        FinetuneSettings.make({"epochs": 2}, path)
    assert "\n" not in str(caught.value)
    made = FinetuneSettings.make({"intensity_scaling": {"kind": "imagenet"}}, path)
    assert made.intensity_scaling.kind == "imagenet"


def test_a_file_without_a_preset_starts_from_the_defaults(tmp_path):
    made = FinetuneSettings.make(file=write(tmp_path, batch_size=16))
    assert made == FinetuneSettings(batch_size=16)


def test_none_is_a_value_of_fields_that_may_be_none():
    assert FinetuneSettings.make({"preset": "paper", "scale": "none"}).scale is None
    assert FinetuneSettings.make({"unlabelled": "none"}).unlabelled is None
    with pytest.raises(SettingsError, match="batch_size"):
        FinetuneSettings.make({"batch_size": None})


def test_a_limit_in_a_file_stays_beside_another_that_is_only_changed(tmp_path):
    path = write(tmp_path, epochs=3, minutes=9)
    made = FinetuneSettings.make({"epochs": 5}, path)
    assert (made.epochs, made.minutes) == (5, 9)


def test_a_preset_given_beside_the_file_of_another_takes_its_values_back(tmp_path):
    path = tmp_path / "settings.json"
    of_paper(FinetuneSettings).model_copy(update={"zoom": 2.0}).write(path)
    made = FinetuneSettings.make({"preset": "interactive"}, path)
    assert made == FinetuneSettings(zoom=2.0)


def test_a_method_given_beside_a_file_brings_its_values_but_for_those_of_the_file(tmp_path):
    path = tmp_path / "settings.json"
    of_paper(PretrainSettings).model_copy(update={"batch_size": 32}).write(path)
    made = PretrainSettings.make({"method": "mocov2"}, path)
    expected = PretrainSettings.make({"preset": "paper", "method": "mocov2", "batch_size": 32})
    assert made == expected


@pytest.mark.parametrize(
    ("cls", "given", "complaint"),
    [
        (FinetuneSettings, {"crop": 3}, "crop is no setting"),
        (FinetuneSettings, {"epochs": 0}, "epochs = 0"),
        (FinetuneSettings, {"minutes": -1}, r"minutes = -1.*greater than 0"),
        (FinetuneSettings, {"val_fraction": 1.0}, "val_fraction = 1.0"),
        (FinetuneSettings, {"preset": "fast"}, r"preset = 'fast'.*interactive"),
        (FinetuneSettings, {"learning_rate": float("nan")}, "learning_rate"),
        (PretrainSettings, {"batch_size": 1}, "batch_size = 1"),
        (PretrainSettings, {"overlap": 1.0}, "overlap = 1.0"),
        (PretrainSettings, {"gate": "sum"}, "gate = 'sum'"),
        (PretrainSettings, {"seed": -1}, "seed = -1"),
        (PretrainSettings, {"seed": 2**70}, "seed"),
        (PredictSettings, {"tile": 8}, "tile = 8"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(cls, given, complaint):
    with pytest.raises(SettingsError, match=complaint) as caught:
        cls.make(given)
    assert "\n" not in str(caught.value)


def test_several_bad_values_are_all_named():
    with pytest.raises(SettingsError, match=r"epochs.*crop_size"):
        FinetuneSettings.make({"epochs": 0, "crop_size": 1})


def test_a_run_without_an_end_is_an_error(tmp_path):
    path = write(tmp_path, epochs=None, minutes=None)
    with pytest.raises(SettingsError, match="give epochs or a time"):
        FinetuneSettings.make(file=path)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"epochs"', "null", b"\xff\xfe\x00"])
def test_a_file_that_is_no_settings_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "settings.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match=r"settings\.json"):
        FinetuneSettings.make(file=path)


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(SettingsError, match=r"settings\.json"):
        FinetuneSettings.make(file=tmp_path / "settings.json")


def test_a_bad_value_in_a_file_names_file_and_value(tmp_path):
    path = write(tmp_path, epochs=3, crop_sise=64)
    with pytest.raises(SettingsError, match="crop_sise") as caught:
        FinetuneSettings.make(file=path)
    assert str(path) in caught.value.what


@pytest.mark.parametrize(
    ("cls", "values", "today"),
    [
        (FinetuneSettings, {"encoder_name": "resnet18", "encoder": "imagenet"}, "called encoder"),
        (FinetuneSettings, {"layers": "any"}, "layers is called strata"),
        (FinetuneSettings, {"self_training": 0}, "self_training is called pseudo_label_weight"),
        (FinetuneSettings, {"averaging": 0.9}, "averaging is called ema_decay"),
        (PretrainSettings, {"normalisation": {}}, "normalisation is called intensity_scaling"),
        (PredictSettings, {"islands": "keep"}, "islands is called detached_components"),
        (FinetuneSettings, {"encoder": "micrographs"}, "weights"),
        (PretrainSettings, {"init": "random"}, "init is called weights"),
        (PretrainSettings, {"encoder": "Start.safetensors"}, "weights"),
    ],
)
def test_a_setting_by_its_former_name_is_one_line_with_todays(tmp_path, cls, values, today):
    path = write(tmp_path, **values)
    with pytest.raises(SettingsError, match=today) as caught:
        cls.make(file=path)
    assert str(path) in caught.value.what
    assert "\n" not in str(caught.value)


def test_every_setting_explains_its_purpose_and_defaults():
    for cls in (PretrainSettings, FinetuneSettings, PredictSettings):
        for path, field in single_fields(cls):
            assert field.description, f"{cls.__name__}.{path}"
        for name, field in cls.model_fields.items():
            for case, value in about(field, "when").items():
                named = by_words(cls, case)
                assert sorted(named.values()) == sorted(case.split("+")), name
                made = cls.make(named).model_dump()[name]
                assert made == ({**made, **value} if isinstance(value, dict) else value), name


def by_words(cls, case):
    """The preset, the method and the architecture that a case names."""
    return {
        name: word
        for word in case.split("+")
        for name in ("preset", "method", "architecture")
        if name in cls.model_fields and word in words_of(cls.model_fields[name])
    }


def test_a_control_has_the_same_title_in_all_forms():
    titles = {}
    for cls in (PretrainSettings, FinetuneSettings, PredictSettings):
        for name in cls.model_fields:
            assert titles.setdefault(name, title_of(cls, [name])) == title_of(cls, [name])


@pytest.mark.parametrize(
    ("given", "encoder", "crop"),
    [
        ({"architecture": "segformer"}, "mit_b0", 256),
        ({"architecture": "segformer", "encoder": "mit_b3"}, "mit_b3", 256),
        ({"architecture": "segformer", "preset": "paper"}, "swin_tiny_patch4_window7_224", 256),
        ({"architecture": "cs-unet"}, "tf_efficientnet_lite0", 224),
        ({"architecture": "cs-unet", "preset": "paper"}, "resnet50", 224),
        ({"architecture": "cs-unet", "crop_size": 448}, "tf_efficientnet_lite0", 448),
        ({"architecture": "unet++", "preset": "paper"}, "resnet50", 256),
        ({"preset": "instant"}, "tf_efficientnet_lite0", 256),
    ],
)
def test_a_network_brings_an_encoder_and_crops_that_suit_it(tmp_path, given, encoder, crop):
    for made in (
        FinetuneSettings.make(given),
        FinetuneSettings.make(file=write(tmp_path, **given)),
    ):
        assert (made.encoder, made.crop_size) == (encoder, crop)


def test_a_preset_that_replaces_a_network_takes_back_what_that_one_brought():
    draft = FinetuneSettings.draft({}).change({"architecture": "segformer"})
    assert draft.values["encoder"] == "mit_b0"
    instant = draft.change({"preset": "instant"})
    assert instant.values["architecture"] == "pixel-classifier"
    assert instant.values["encoder"] == "tf_efficientnet_lite0"
    back = draft.change({"architecture": "auto"})
    assert back.values == FinetuneSettings.draft({}).values


def test_only_a_network_with_a_swin_starts_one_from_weights():
    with pytest.raises(SettingsError, match="Only the network cs-unet has a Swin") as caught:
        FinetuneSettings.make({"transformer_weights": "imagenet", "architecture": "unet++"})
    assert "transformer_weights" in caught.value.settings
