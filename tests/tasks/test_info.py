"""Facts of a file, as ``info`` shows them."""

import json

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import tifffile
import torch
from PIL import Image

from napari_matssl.errors import InputError, ModelFileError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.modelfile import write_tensors
from napari_matssl.learn.shipped_weights import weights_path
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks.info import describe

GREY = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixels", "dtype", "channels"),
    [
        (GREY, "uint8", "grey"),
        (GREY.astype(np.uint16) * 9, "uint16", "grey"),
        (GREY.astype(np.float32) / 9, "float32", "grey"),
        (np.stack([GREY, GREY.T.reshape(40, 50), GREY], 2), "uint8", "rgb"),
    ],
)
def test_info_of_a_micrograph_has_size_and_type_but_no_made_up_pixel_size(
    tmp_path, pixels, dtype, channels
):
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    facts = describe(tmp_path / "a.tif")
    assert facts == {
        "name": "a.tif", "width": 50, "height": 40, "dtype": dtype, "channels": channels,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("resolution", "expected"), [((4, 4), [0.25, 0.25]), ((4, 2), [0.5, 0.25])]
)
def test_info_of_a_calibrated_micrograph_has_its_pixel_size(tmp_path, resolution, expected):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, imagej=True, resolution=resolution, metadata={"unit": "um"})
    facts = describe(path)
    assert facts["pixel_size_um"] == expected
    assert "ImageJ" in facts["pixel_size_source"]
    json.dumps(facts)


def test_an_info_bar_is_reported_with_how_it_was_found(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (200, 160)).astype(np.uint8)
    pixels[170:] = 0
    pixels[178:186, 20:60:4] = 255
    Image.fromarray(pixels).save(tmp_path / "sem.png")
    facts = describe(tmp_path / "sem.png")
    assert (facts["info_bar_row"], facts["info_bar_source"]) == (170, "uniform rows")
    assert facts["height"] == 200


def test_what_is_unusual_about_a_micrograph_is_reported(tmp_path):
    stack = np.stack([GREY, GREY.T.reshape(40, 50)]).astype(np.float32)
    stack[1, :2] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    facts = describe(tmp_path / "a.tif", page=2)
    assert facts["pages"] == 2
    assert facts["remarks"] == [
        "page 2 of 2 is read.",
        "5 % of its pixels are no numbers (NaN or infinite) and not analysed.",
    ]
    with pytest.raises(InputError, match="stack of 2 planes"):
        describe(tmp_path / "a.tif")


def test_info_of_a_model_has_its_card(tmp_path):
    card = ModelCard(
        kind="segmenter",
        encoder="resnet18",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=numbered_table([1, 2]),
        metrics={"val_miou": 0.8},
    )
    write_tensors(tmp_path / "model.safetensors", card, {"a": torch.zeros(2)})
    facts = json.loads(json.dumps(describe(tmp_path / "model.safetensors")))
    assert facts["kind"] == "segmenter"
    assert [c["name"] for c in facts["classes"]["classes"]] == ["class 1", "class 2"]
    assert facts["metrics"] == {"val_miou": 0.8}
    assert ModelCard.model_validate(facts) == card


def test_info_of_an_encoder_leaves_out_what_only_models_have():
    facts = describe(weights_path("micrographs"))
    assert (facts["kind"], facts["encoder"]) == ("encoder", "tf_efficientnet_lite0")
    assert not facts.keys() & {"architecture", "classes", "scale", "unlabelled"}


@pytest.mark.parametrize(
    ("name", "error"),
    [("a.png", InputError), ("a.safetensors", ModelFileError), ("a.pth", ModelFileError)],
)
@pytest.mark.parametrize("content", [None, b"", b"neither image nor model" * 9])
def test_what_cannot_be_read_is_an_error_that_names_it(tmp_path, name, error, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=name.replace(".", r"\.")):
        describe(path)


def test_info_of_a_published_model_is_read_from_its_tensors(tmp_path):
    network = smp.UnetPlusPlus("resnet18", encoder_weights=None, classes=2)
    torch.save(network.state_dict(), tmp_path / "aachen.pth")
    facts = json.loads(json.dumps(describe(tmp_path / "aachen.pth")))
    assert (facts["kind"], facts["encoder"]) == ("segmenter", "resnet18")
    assert [c["name"] for c in facts["classes"]["classes"]] == ["class 0", "class 1"]
    assert facts["intensity_scaling"]["kind"] == "imagenet"
    torch.save(network.encoder.state_dict(), tmp_path / "encoder.pth")
    facts = describe(tmp_path / "encoder.pth")
    assert (facts["kind"], facts["encoder"]) == ("encoder", "resnet18")
    assert "classes" not in facts


def test_a_file_of_unknown_weights_is_marked_as_one(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "own.pth")
    with pytest.raises(ModelFileError, match=r"PyTorch file of weights.*name their network"):
        describe(tmp_path / "own.pth")
