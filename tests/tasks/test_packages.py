"""Packages of bioimage.io: valid, reproducible from their description alone, and read back."""

import hashlib
import io
import json
import zipfile
from importlib.metadata import distribution

import jsonschema
import numpy as np
import onnxruntime
import pytest
import tifffile
import torch
import yaml
from PIL import Image
from test_exporting import SCALE, make_segmenter, reference_of

from napari_matssl.errors import ComputeError, InputError, OutputError, SettingsError
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.learn import portable
from napari_matssl.learn.segmenter import read_segmenter, write_segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
from napari_matssl.progress import drain
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks.exchanging.credits import LICENCES, Credits
from napari_matssl.tasks.exchanging.importing import import_model
from napari_matssl.tasks.exporting.job import export_model
from napari_matssl.tasks.exporting.preprocessing import in_eight_bits, preprocessed

CREDITS = Credits(("A. Nguyen", "B. Phan"), "CC-BY-4.0")
IMAGENET = IntensityScalingSettings(kind="imagenet")
FACTS = {
    "matched": {"grey_reference": reference_of(SCALE)},
    "percentiles": {},
    "colour percentiles": {"channels": "rgb"},
    "imagenet": {"channels": "rgb", "intensity_scaling": IMAGENET},
}


@pytest.fixture(scope="module")
def image(tmp_path_factory, two_phases):
    path = tmp_path_factory.mktemp("image") / "given.tif"
    write_micrograph(path, two_phases(size=(260, 300)).micrograph)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory, image):
    """A model of each intensity scaling, and its package."""
    folder = tmp_path_factory.mktemp("zoo")
    for name, facts in FACTS.items():
        model = folder / f"{name}.safetensors"
        write_segmenter(model, make_segmenter(**facts))
        out = folder / f"{name}.zip"
        drain(export_model(model, "bioimageio", out, [image], credits=CREDITS))
    return folder


def parts_of(package):
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def description_of(package):
    return yaml.safe_load(parts_of(package)["rdf.yaml"])


@pytest.fixture(scope="module")
def schema():
    """The schema of model descriptions, as bioimage.io publishes it."""
    place = distribution("bioimageio.spec").locate_file(
        "bioimageio/spec/static/bioimageio_schema.json"
    )
    whole = json.loads(place.read_text(encoding="utf-8"))
    one = "#/$defs/bioimageio__spec__model__v0_5__ModelDescr"
    return jsonschema.Draft202012Validator({"$ref": one, "$defs": whole["$defs"]})


def as_newest(description, schema):
    """Write a description as its newest version has it, as bioimageio.spec does."""
    definitions = schema.schema["$defs"]
    newest = definitions["bioimageio__spec__model__v0_5__ModelDescr"]["properties"]
    return {
        **description,
        "format_version": newest["format_version"]["const"],
        "documentation": {"source": description["documentation"]},
        "covers": [{"source": one} for one in description["covers"]],
    }


@pytest.mark.parametrize("name", FACTS)
def test_a_description_is_valid_by_the_schema_of_bioimageio(made, schema, name):
    described = as_newest(description_of(made / f"{name}.zip"), schema)
    assert [fault.message for fault in schema.iter_errors(described)] == []
    described["inputs"][0]["axes"][2]["size"] = "any"
    assert list(schema.iter_errors(described)), "or the schema would take anything"


def test_licences_are_those_of_bioimageio(schema):
    definitions = schema.schema["$defs"]
    model = definitions["bioimageio__spec__model__v0_5__ModelDescr"]["properties"]
    known = {name for one in model["license"]["anyOf"] for name in one.get("enum", ())}
    assert set(LICENCES) <= known


def prepared(image, steps):
    """Do the steps of a description to an image ``(1, C, H, W)``."""
    for step in steps:
        given = step["kwargs"]
        if step["id"] == "clip":
            image = image.clip(given["min"], given["max"])
        elif step["id"] == "scale_linear":
            gain, offset = (np.array(given[key])[:, None, None] for key in ("gain", "offset"))
            image = gain * image + offset
        else:
            assert step["id"] == "scale_range"
            low = np.percentile(image, given["min_percentile"])
            high = np.percentile(image, given["max_percentile"])
            image = (image - low) / (high - low + given["eps"])
    return image.astype(np.float32)


@pytest.mark.parametrize("name", FACTS)
def test_both_networks_reproduce_the_test_tensors_by_the_description(made, name):
    parts = parts_of(made / f"{name}.zip")
    described = yaml.safe_load(parts["rdf.yaml"])
    (given,), (found,) = described["inputs"], described["outputs"]
    stored, expected = (
        np.load(io.BytesIO(parts[one["test_tensor"]["source"]])) for one in (given, found)
    )
    image = prepared(stored, given["preprocessing"])
    session = onnxruntime.InferenceSession(parts[described["weights"]["onnx"]["source"]])
    (onnx,) = session.run([found["id"]], {given["id"]: image})
    np.testing.assert_allclose(onnx, expected, atol=1e-3)
    script = torch.jit.load(io.BytesIO(parts[described["weights"]["torchscript"]["source"]]))
    with torch.inference_mode():
        np.testing.assert_allclose(script(torch.from_numpy(image)), expected, atol=1e-3)
    assert len(np.unique(expected.argmax(axis=1))) > 1
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("channels", ["grey", "rgb"])
def test_a_network_that_standardises_does_so_as_predict_does(channels):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 200, (64, 96, 3) if channels == "rgb" else (64, 96)).astype("u1")
    if channels == "rgb":
        pixels[..., 0] //= 3
    settings = IntensityScalingSettings()
    scaling = fit_intensity_scaling(Micrograph("a", pixels), settings, channels)
    expected = scaling.standardise(scaling.unit(pixels))
    planes = pixels[None, None] if channels == "grey" else pixels.transpose(2, 0, 1)[None]
    card = make_segmenter(channels=channels).card
    unit = torch.from_numpy(preprocessed(planes.astype(np.float32), card))
    found = portable._standardised(unit).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_test_image_for_imagenets_constants_has_eight_bits(made, image, tmp_path):
    deep = tmp_path / "deep.tif"
    eight = tifffile.imread(image).astype(np.uint16)
    tifffile.imwrite(deep, eight * 180 + 3000)
    out = tmp_path / "deep.zip"
    model = made / "imagenet.safetensors"
    drain(export_model(model, "bioimageio", out, [deep], credits=CREDITS))
    stored = np.load(io.BytesIO(parts_of(out)["test_input.npy"]))
    assert (stored.min() >= 0, 128 < stored.max() <= 255) == (True, True)
    segmenter = read_segmenter(model)
    micrograph = Micrograph("deep", tifffile.imread(deep))
    scaling = fit_intensity_scaling(micrograph, IMAGENET, "rgb")
    seen = scaling.standardise(scaling.unit(np.repeat(micrograph.pixels[..., None], 3, axis=2)))
    by_steps = preprocessed(
        np.ascontiguousarray(
            in_eight_bits(
                np.repeat(micrograph.pixels[..., None], 3, axis=2), segmenter.card, micrograph
            ).transpose(2, 0, 1)[None]
        ),
        segmenter.card,
    )
    assert np.allclose(by_steps[0], seen, atol=1e-4)
    assert "Bring other images to 0 to 255" in parts_of(out)["README.md"].decode()
    assert "values from 0 to 255" in description_of(out)["inputs"][0]["description"]


def test_a_package_tells_what_the_zoo_asks_for(made):
    parts = parts_of(made / "matched.zip")
    described = yaml.safe_load(parts["rdf.yaml"])
    assert [one["name"] for one in described["authors"]] == ["A. Nguyen", "B. Phan"]
    assert described["license"] == "CC-BY-4.0"
    y = next(one for one in described["inputs"][0]["axes"] if one.get("id") == "y")
    assert (y["unit"], y["scale"]) == ("micrometer", 0.5)
    names = [one.get("channel_names") for one in described["outputs"][0]["axes"]]
    assert names[1] == ["class 1", "class 2", "class 5"]
    named = [
        *described["attachments"], *described["weights"].values(),
        described["inputs"][0]["test_tensor"], described["outputs"][0]["test_tensor"],
    ]  # fmt: skip
    for one in named:
        assert hashlib.sha256(parts[one["source"]]).hexdigest() == one["sha256"]
    page = parts[described["documentation"]].decode()
    assert "## Validation" in page
    assert "| 5 | class 5 |" in page
    width, height = Image.open(io.BytesIO(parts[described["covers"][0]])).size
    assert width == 2 * height
    assert len(parts[described["covers"][0]]) < 500_000


def test_the_same_model_gives_the_same_package(made, image, tmp_path):
    model, out = made / "percentiles.safetensors", tmp_path / "again.zip"
    drain(export_model(model, "bioimageio", out, [image], credits=CREDITS))
    before, after = parts_of(made / "percentiles.zip"), parts_of(out)
    assert list(before) == list(after)
    # TorchScript numbers its classes through all that a process has traced.
    different = {name for name, content in before.items() if after[name] != content}
    assert different <= {"model.pt", "rdf.yaml"}
    with zipfile.ZipFile(out) as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_package_of_ours_comes_back_as_the_very_file(made, tmp_path):
    imported = import_model(made / "matched.zip", tmp_path / "back.safetensors")
    assert imported.unchanged
    before = (made / "matched.safetensors").read_bytes()
    assert (tmp_path / "back.safetensors").read_bytes() == before, "so its masks are the same"


def test_a_published_network_comes_back_with_the_same_output(tmp_path, image):
    segmentation_models = pytest.importorskip("segmentation_models_pytorch")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = segmentation_models.UnetPlusPlus("resnet18", encoder_weights=None, classes=2)
    torch.save(network.eval().state_dict(), tmp_path / "published.pth")
    out = tmp_path / "published.zip"
    drain(export_model(tmp_path / "published.pth", "bioimageio", out, [image], credits=CREDITS))
    assert import_model(out, tmp_path / "back.safetensors").unchanged
    image_of = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = read_segmenter(tmp_path / "back.safetensors").network(image_of)
        assert torch.equal(found, network(image_of))


@pytest.mark.parametrize(
    ("credits", "message"),
    [
        (Credits((), "MIT"), "names its authors and its licence"),
        (Credits(("A",), ""), "names its authors and its licence"),
        (Credits(("A",), "Mine"), "Mine is no licence.*CC-BY-4.0"),
        (Credits(("two\nlines",), "MIT"), "a name on one line"),
    ],
)
def test_authors_and_licence_are_asked_for(made, tmp_path, credits, message):
    job = export_model(
        made / "matched.safetensors", "bioimageio", tmp_path / "a.zip", credits=credits
    )
    with pytest.raises(SettingsError, match=message):
        drain(job)
    assert not list(tmp_path.iterdir())


def test_another_suffix_than_zip_is_refused(made, tmp_path):
    job = export_model(
        made / "matched.safetensors", "bioimageio", tmp_path / "a.onnx", credits=CREDITS
    )
    with pytest.raises(OutputError, match=r"a zip archive.*Call it a\.zip"):
        drain(job)


def test_an_image_that_is_too_small_is_named(made, tmp_path, two_phases):
    write_micrograph(tmp_path / "small.tif", two_phases(size=(96, 300)).micrograph)
    model, out = made / "matched.safetensors", tmp_path / "a.zip"
    job = export_model(model, "bioimageio", out, [tmp_path / "small.tif"], credits=CREDITS)
    with pytest.raises(InputError, match=r"small\.tif is too small.*128 x 128"):
        drain(job)
    assert not out.exists()


def test_a_network_that_gives_something_else_is_not_packed(made, tmp_path, image, monkeypatch):
    other, write = make_segmenter(seed=1), portable.write_torchscript
    monkeypatch.setitem(
        portable.WRITERS, "torchscript", lambda path, _, *more: write(path, other, *more)
    )
    model, out = made / "matched.safetensors", tmp_path / "a.zip"
    with pytest.raises(ComputeError, match=r"torchscript file gives other probabilities"):
        drain(export_model(model, "bioimageio", out, [image], credits=CREDITS))
    assert not list(tmp_path.iterdir())
