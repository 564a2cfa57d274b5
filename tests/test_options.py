"""Options of commands: one for every field, and the settings that they make."""

from pathlib import Path

import pytest
from option_commands import command_of

from napari_matssl.errors import SettingsError
from napari_matssl.learn.shipped_weights import weights_path
from napari_matssl.options import flag_of
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings, Settings
from napari_matssl.settings.fields import about, single_fields

KINDS = (PretrainSettings, FinetuneSettings, PredictSettings)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_an_option_and_the_short_help_leaves_out_those_for_experts(
    kind: type[Settings],
) -> None:
    command = command_of(kind)
    short, whole = (
        [line.split()[0] for line in command(flag).splitlines() if line.startswith("  --")]
        for flag in ("--help", "--help-all")
    )
    paths = dict(single_fields(kind))
    assert {flag_of(path) for path in paths} < set(whole)
    experts = {flag_of(path) for path, field in paths.items() if about(field, "expert")}
    assert set(whole) - set(short) == experts
    assert 0 < len(short) < 24
    assert command() == kind()


def test_values_are_read_by_the_settings_themselves() -> None:
    command = command_of(FinetuneSettings)
    made = command(
        "--minutes", "0.5", "--epochs", 3, "--no-augment", "--unlabelled", "none", "--scale", 2,
        "--intensity-scaling-low-percent", 1, "--preset", "paper",
    )  # fmt: skip
    assert (made.minutes, made.epochs, made.augment, made.unlabelled) == (0.5, 3, False, None)
    assert (made.scale, made.intensity_scaling.low_percent) == (2.0, 1.0)
    assert made.intensity_scaling.kind == "imagenet"
    sizes = '{"2": {"smallest_region": "30 px"}}'
    read = command_of(PredictSettings)("--class-sizes", sizes).class_sizes
    assert read[2].smallest_region.in_px(None) == 30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--minutes", "-1"), "--minutes = '-1': input should be greater than 0"),
        (("--epochs", "few"), "--epochs = 'few': input should be a valid integer"),
        (("--intensity-scaling-kind", "x"), "--intensity-scaling-kind = 'x'"),
        (("--preset", "best"), r"--preset = 'best'.*'interactive'"),
    ],
)
def test_an_error_names_the_option(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        command_of(FinetuneSettings)(*arguments)


def test_an_error_names_the_file_where_the_value_comes_from_one(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"zoom": 99}')
    with pytest.raises(SettingsError) as caught:
        command_of(FinetuneSettings)("--settings", path, "--minutes", 3)
    assert str(caught.value).startswith(f"{path}: zoom = 99")


@pytest.mark.parametrize("kind", [PretrainSettings, FinetuneSettings])
def test_a_file_of_weights_names_the_network(kind: type[Settings], tmp_path: Path) -> None:
    command, file = command_of(kind), tmp_path / "start.safetensors"
    file.write_bytes(weights_path("micrographs").read_bytes())
    assert command("--preset", "paper").encoder == "resnet50"
    assert command("--preset", "paper", "--weights", file).encoder == "tf_efficientnet_lite0"
    assert command("--encoder", "resnet18", "--weights", file).encoder == "resnet18"
    settings = tmp_path / "s.json"
    settings.write_text(f'{{"preset": "paper", "weights": "{file}"}}')
    assert command("--settings", settings).encoder == "tf_efficientnet_lite0"
    settings.write_text(f'{{"encoder": "resnet18", "weights": "{file}"}}')
    assert command("--settings", settings).encoder == "resnet18"
    assert command("--settings", settings, "--weights", file).encoder == "tf_efficientnet_lite0"
