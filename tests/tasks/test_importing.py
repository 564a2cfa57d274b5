"""Models of others become files of ours; nothing in them is run."""

import hashlib
import json
import zipfile

import pytest
import segmentation_models_pytorch as smp
import torch
import yaml

from napari_matssl.errors import InputError, ModelFileError, OutputError
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.segmenter import read_segmenter
from napari_matssl.tasks.exchanging.importing import import_model


@pytest.fixture(scope="module")
def network():
    """A U-Net++ of segmentation-models-pytorch, as others train it."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return smp.UnetPlusPlus("resnet18", encoder_weights=None, classes=3).eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.save(network.state_dict(), path)
    return path.read_bytes()


def described(weights, **other):
    """A description as bioimage.io has it since version 0.5."""
    space = {"type": "space", "size": {"min": 64, "step": 32}, "unit": "micrometer", "scale": 0.2}
    sides = [{**space, "id": side} for side in "yx"]
    return {
        "type": "model",
        "format_version": "0.5.3",
        "inputs": [
            {
                "id": "raw",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["r", "g", "b"]},
                    *sides,
                ],
                "preprocessing": [
                    {"id": "scale_range", "kwargs": {"min_percentile": 1, "max_percentile": 99}},
                    {"id": "clip", "kwargs": {"min": 0, "max": 1}},
                    {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}},
                ],
            }
        ],
        "outputs": [
            {
                "id": "classes",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["resin", "steel", "pore"]},
                    *sides,
                ],
            }
        ],
        "weights": {
            "pytorch_state_dict": {
                "source": "weights.pt",
                "sha256": hashlib.sha256(weights).hexdigest(),
                "architecture": {"callable": "UnetPlusPlus", "import_from": "elsewhere"},
            }
        },
        **other,
    }


def package(path, description, **files):
    """Write a package: its description, and files by their names without a dot."""
    with zipfile.ZipFile(path, "w") as archive:
        text = description if isinstance(description, str) else yaml.safe_dump(description)
        archive.writestr("rdf.yaml", text)
        for name, data in files.items():
            archive.writestr(f"{name}.pt", data)
    return path


def test_a_package_with_a_known_unetplusplus_becomes_a_model(tmp_path, network, weights):
    source = package(tmp_path / "zoo.zip", described(weights), weights=weights)
    imported = import_model(source, tmp_path / "model.safetensors")
    card = read_card(tmp_path / "model.safetensors", "segmenter")
    assert card == imported.card
    assert not imported.unchanged
    assert card.classes.names == ("resin", "steel", "pore")
    assert (card.architecture, card.encoder, card.channels) == ("unet++", "resnet18", "rgb")
    assert card.pixel_size_um == 0.2
    scaling = card.intensity_scaling
    assert (scaling.kind, scaling.low_percent, scaling.high_percent) == ("standardise", 1, 99)
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = read_segmenter(tmp_path / "model.safetensors").network(image)
        assert torch.equal(found, network(image))


def test_axes_as_letters_leave_classes_numbered_and_the_size_unknown(tmp_path, weights):
    constants = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    step = {"name": "zero_mean_unit_variance", "kwargs": {"mode": "fixed", **constants}}
    old = {"name": "raw", "axes": "bcyx", "preprocessing": [step]}
    description = described(weights, format_version="0.4.9", inputs=[old], outputs=[old])
    source = package(tmp_path / "zoo.zip", description, weights=weights)
    card = import_model(source, tmp_path / "model.safetensors").card
    assert card.classes.names == ("class 0", "class 1", "class 2")
    assert card.pixel_size_um is None
    assert card.intensity_scaling.kind == "imagenet"


@pytest.mark.parametrize("factor", [1, 255])
def test_imagenets_constants_are_recognised(tmp_path, weights, factor):
    mean, std = ([factor * v for v in one]
                 for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # fmt: skip
    description = described(weights)
    step = {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": mean, "std": std}}
    description["inputs"][0]["preprocessing"] = [step]
    source = package(tmp_path / "zoo.zip", description, weights=weights)
    card = import_model(source, tmp_path / "model.safetensors").card
    assert card.intensity_scaling.kind == "imagenet"


def of_other_constants(description):
    step = {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 3, "std": 2}}
    description["inputs"][0]["preprocessing"] = [step]


def of_other_steps(description):
    description["inputs"][0]["preprocessing"] = [{"id": "sigmoid"}]


def of_other_percentiles(description):
    description["inputs"][0]["preprocessing"][0]["kwargs"]["max_percentile"] = 20


def without_steps(description):
    description["inputs"][0]["preprocessing"] = [{"id": "clip", "kwargs": {"min": 0, "max": 255}}]


def of_a_whole_data_set(description):
    for step in description["inputs"][0]["preprocessing"]:
        step["kwargs"]["mode"] = "per_dataset"


def of_older_constants(description):
    kwargs = {"mode": "fixed", "mean": 3, "std": 2}
    description["inputs"][0]["preprocessing"] = [
        {"name": "zero_mean_unit_variance", "kwargs": kwargs}
    ]


def of_steps_in_another_order(description):
    description["inputs"][0]["preprocessing"].reverse()


def of_five_channels(description):
    description["inputs"][0]["axes"][1]["channel_names"] = list("abcde")


def of_two_images(description):
    description["inputs"] *= 2


def without_a_state_dict(description):
    description["weights"] = {"onnx": {"source": "weights.pt"}}


def with_another_checksum(description):
    description["weights"]["pytorch_state_dict"]["sha256"] = "0" * 64


def without_its_file(description):
    description["weights"]["pytorch_state_dict"]["source"] = "../weights.pt"


def of_a_data_set(description):
    description["type"] = "dataset"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (of_other_constants, "constants of its own"),
        (of_other_steps, "its images pass sigmoid"),
        (of_other_percentiles, "percentiles 1 and 20"),
        (without_steps, "no step that scales"),
        (of_a_whole_data_set, "figures of a whole data set"),
        (of_older_constants, "constants of its own"),
        (of_steps_in_another_order, "pass zero_mean_unit_variance, scale_range"),
        (of_five_channels, "images of 5 channels"),
        (of_two_images, "one of inputs"),
        (without_a_state_dict, "holds no weights that can be taken over"),
        (with_another_checksum, "another checksum"),
        (without_its_file, "isn't in it"),
        (of_a_data_set, "describes no model"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path, weights, change, message):
    description = described(weights)
    change(description)
    source = package(tmp_path / "zoo.zip", description, weights=weights)
    with pytest.raises(ModelFileError, match=message):
        import_model(source, tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["zoo.zip"]


@pytest.mark.parametrize(
    "text", ["a: [", "!!python/object/apply:os.system ['true']", "just text", "[" * 5000]
)
def test_a_description_that_cannot_be_read_is_refused(tmp_path, text):
    source = package(tmp_path / "zoo.zip", text)
    with pytest.raises(ModelFileError, match=r"zoo\.zip"):
        import_model(source, tmp_path / "model.safetensors")


def test_weights_of_another_network_are_refused_by_the_package_s_name(tmp_path):
    path = tmp_path / "other.pt"
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    data = path.read_bytes()
    source = package(tmp_path / "zoo.zip", described(data), weights=data)
    with pytest.raises(ModelFileError, match=r"zoo\.zip is a PyTorch file of weights, but of no"):
        import_model(source, tmp_path / "model.safetensors")


def test_published_weights_get_the_names_of_their_classes(tmp_path, network, weights):
    source = tmp_path / "published.pth"
    source.write_bytes(weights)
    table = tmp_path / "classes.json"
    table.write_text(json.dumps({"1": "matrix", "2": "austenite", "3": "defect"}))
    imported = import_model(source, tmp_path / "model.safetensors", table)
    assert imported.card.classes.ids == (1, 2, 3)
    assert imported.card.classes.names == ("matrix", "austenite", "defect")
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = read_segmenter(tmp_path / "model.safetensors").network(image)
        assert torch.equal(found, network(image)), "encoder and decoder"


def test_a_table_with_another_number_of_classes_is_refused(tmp_path, weights):
    source = tmp_path / "published.pth"
    source.write_bytes(weights)
    table = tmp_path / "classes.json"
    table.write_text(json.dumps({"1": "matrix"}))
    with pytest.raises(InputError, match="names 1 classes, but the network has 3 channels"):
        import_model(source, tmp_path / "model.safetensors", table)


def test_a_package_is_not_replaced_by_the_model_in_it(tmp_path, weights):
    source = package(tmp_path / "zoo.zip", described(weights), weights=weights)
    before = source.read_bytes()
    with pytest.raises(OutputError, match="would be lost"):
        import_model(source, source, overwrite=True)
    assert source.read_bytes() == before


def test_a_file_that_is_there_stays_unless_import_may_replace_it(tmp_path, weights):
    source = tmp_path / "published.pth"
    source.write_bytes(weights)
    out = tmp_path / "model.safetensors"
    out.write_text("old")
    with pytest.raises(OutputError, match="is there already"):
        import_model(source, out)
    assert out.read_text() == "old"
    import_model(source, out, overwrite=True)
    assert read_card(out, "segmenter").encoder == "resnet18"
