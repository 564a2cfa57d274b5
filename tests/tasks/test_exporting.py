"""Models as files for other programs, run there and compared."""

import builtins
import json

import numpy as np
import pytest
import torch
from tiny import TINY

from napari_matssl.errors import ComputeError, InputError, OutputError, SettingsError, StoppedError
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn import portable
from napari_matssl.learn.card import ModelCard, TrainingImage
from napari_matssl.learn.grey_reference import GreyReference, GreyScale
from napari_matssl.learn.networks import KINDS, build_network
from napari_matssl.learn.portable_facts import portable_facts
from napari_matssl.learn.segmenter import Segmenter, write_segmenter
from napari_matssl.progress import Control, drain
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks.exporting import checking
from napari_matssl.tasks.exporting.check_images import images_to_check
from napari_matssl.tasks.exporting.job import export_model

ENCODERS = {
    "guided-unet++": TINY,
    "unet++": TINY,
    "segformer": "mit_b0",
    "cs-unet": TINY,
    "pixel-classifier": TINY,
}
SCALE = GreyScale(low=10, high=240, middle=100, spread=50)


def make_segmenter(architecture="pixel-classifier", seed=0, **facts):
    """A network with random weights whose classes vary from pixel to pixel."""
    encoder = facts.pop("encoder", ENCODERS[architecture])
    given = {
        "encoder": encoder,
        "architecture": architecture,
        "channels": "grey",
        "intensity_scaling": IntensityScalingSettings(),
        "classes": numbered_table([1, 2, 5]),
        "pixel_size_um": 0.25,
        "scale": 0.5,
        "temperature": 1.5,
    }
    network = build_network(encoder, 3, seed, architecture)
    random = torch.Generator().manual_seed(seed)
    for name, weights in network.named_parameters():
        if name.startswith(("heads.", "segmentation_head.")):
            weights.data = torch.randn(weights.shape, generator=random) * 0.1
    return Segmenter(network.eval(), ModelCard(**{**given, **facts}))


def reference_of(scale):
    """A grey reference of three classes."""
    return GreyReference(
        scale=scale, centre=(0, 0, 0), width=(1, 1, 1), words=((0, 0, 0),),
        histograms=((1,),) * 4, reach=1,
    )  # fmt: skip


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "steel.safetensors"
    write_segmenter(path, make_segmenter())
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory, two_phases):
    """A small image to check on."""
    path = tmp_path_factory.mktemp("small") / "given.tif"
    write_micrograph(path, two_phases(size=(96, 128)).micrograph)
    return [path]


def metadata_of(session):
    """What an ONNX file tells of itself."""
    stored = session.get_modelmeta().custom_metadata_map
    return {key: json.loads(text) for key, text in stored.items()}


def test_every_architecture_is_exported_below():
    assert set(KINDS) == set(ENCODERS), "which docs/other-programs.md tells"


@pytest.mark.parametrize("architecture", ENCODERS)
def test_onnx_gives_the_probabilities_of_each_network_at_any_size(tmp_path, architecture):
    onnxruntime = pytest.importorskip("onnxruntime")
    segmenter = make_segmenter(architecture)
    path = tmp_path / "model.onnx"
    portable.write_onnx(path, segmenter, portable_facts(segmenter.card, "steel", "abc"))
    session = onnxruntime.InferenceSession(path)
    assert [one.name for one in session.get_inputs()] == ["image"]
    assert [one.name for one in session.get_outputs()] == ["probabilities"]
    random = np.random.default_rng(0)
    for shape in ((1, 1, 64, 64), (3, 1, 96, 160), (1, 1, 288, 224)):
        image = random.normal(size=shape).astype(np.float32)
        (found,) = session.run(None, {"image": image})
        with torch.no_grad():
            logits = segmenter.network(torch.from_numpy(image).expand(-1, 3, -1, -1))
        expected = (logits / segmenter.card.temperature).softmax(dim=1).numpy()
        assert found.shape == (shape[0], 3, *shape[2:])
        np.testing.assert_allclose(found, expected, atol=2e-3)
        assert len(np.unique(found.argmax(axis=1))) > 1, "or all networks would agree"


@pytest.mark.parametrize("architecture", ENCODERS)
def test_torchscript_gives_the_probabilities_of_each_network_at_any_size(tmp_path, architecture):
    segmenter = make_segmenter(architecture)
    path = tmp_path / "model.pt"
    portable.write_torchscript(path, segmenter, portable_facts(segmenter.card, "steel", "abc"))
    inside = {portable.FACTS_FILE: ""}
    loaded = torch.jit.load(path, _extra_files=inside)
    assert json.loads(inside[portable.FACTS_FILE])["model"] == "steel"
    random = torch.Generator().manual_seed(0)
    for shape in ((1, 1, 64, 64), (3, 1, 96, 160), (1, 1, 288, 224)):
        image = torch.randn(shape, generator=random)
        with torch.no_grad():
            found = loaded(image)
            logits = segmenter.network(image.expand(-1, 3, -1, -1))
        expected = (logits / segmenter.card.temperature).softmax(dim=1)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
        assert len(found.argmax(dim=1).unique()) > 1


def test_the_metadata_tell_what_another_program_needs(model, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    out = tmp_path / "steel.onnx"
    exported = drain(export_model(model, "onnx", out))
    assert exported.agreement.share <= checking.LARGEST_DIFFERENCE
    assert exported.agreement.images == "2 synthetic images"
    assert exported.agreement.pixels > 100_000
    facts = metadata_of(onnxruntime.InferenceSession(out))
    assert [one["id"] for one in facts["classes"]] == [1, 2, 5]
    assert facts["classes"][2] == {
        "id": 5, "name": "class 5", "colour": "#d55e00", "exclude": False
    }  # fmt: skip
    assert facts["um_per_px"] == 0.25
    assert facts["magnification"] == 0.5
    assert facts["network_um_per_px"] == 0.5
    assert facts["multiple_of"] == 32
    assert facts["model"] == "steel.safetensors"
    assert len(facts["model_sha256"]) == 64
    assert facts["scaling"]["kind"] == "standardise"
    assert facts["grey_scale"] is None


def test_a_grey_scale_of_painted_images_is_told():
    facts = portable_facts(make_segmenter(grey_reference=reference_of(SCALE)).card, "a", "b")
    assert facts["grey_scale"] == SCALE.model_dump()


def test_a_model_with_imagenets_constants_takes_three_channels(tmp_path, small):
    settings = IntensityScalingSettings(kind="imagenet")
    segmenter = make_segmenter("unet++", channels="rgb", intensity_scaling=settings)
    path = tmp_path / "rgb.safetensors"
    write_segmenter(path, segmenter)
    out = tmp_path / "rgb.pt"
    drain(export_model(path, "torchscript", out, small))
    assert torch.jit.load(out)(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 64, 64)
    facts = portable_facts(segmenter.card, "a", "b")
    assert facts["scaling"]["mean"] == [0.485, 0.456, 0.406]


def test_an_export_as_torchscript_gives_no_warning(model, tmp_path, small, recwarn):
    drain(export_model(model, "torchscript", tmp_path / "steel.pt", small))
    assert [str(one.message) for one in recwarn] == []


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(model, tmp_path, small):
    out = tmp_path / "steel.pt"
    out.write_text("old")
    with pytest.raises(OutputError, match="is there already"):
        drain(export_model(model, "torchscript", out))
    assert out.read_text() == "old"
    drain(export_model(model, "torchscript", out, small, overwrite=True))
    assert torch.jit.load(out) is not None


def test_a_model_is_not_replaced_by_what_is_made_of_it(model, small):
    before = model.read_bytes()
    with pytest.raises(OutputError, match="would be lost"):
        drain(export_model(model, "onnx", model, [small], overwrite=True))
    assert model.read_bytes() == before


def test_what_does_not_agree_with_the_model_is_not_written(model, tmp_path, small, monkeypatch):
    other = make_segmenter(seed=1)
    write = portable.write_torchscript
    monkeypatch.setitem(
        portable.WRITERS, "torchscript", lambda path, _, facts: write(path, other, facts)
    )
    out = tmp_path / "steel.pt"
    out.write_text("old")
    with pytest.raises(ComputeError, match=r"have another class.*at most 0\.1 %"):
        drain(export_model(model, "torchscript", out, small, overwrite=True))
    assert out.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_stopped_export_writes_nothing(model, tmp_path, small):
    out = tmp_path / "steel.pt"
    job = export_model(model, "torchscript", out, small)
    while next(job).stage != "checking":
        pass
    with pytest.raises(StoppedError, match="nothing was written"):
        job.send(Control.STOP)
    assert [path.name for path in tmp_path.iterdir()] == [model.name]


def test_given_images_are_compared(model, tmp_path, small):
    exported = drain(export_model(model, "torchscript", tmp_path / "a.pt", small))
    assert exported.agreement.images == "1 given image"
    assert exported.agreement.pixels == 96 * 128


def test_a_given_image_that_is_missing_ends_the_export(model, tmp_path):
    with pytest.raises(InputError, match=r"no .*absent\.tif"):
        drain(export_model(model, "torchscript", tmp_path / "a.pt", [tmp_path / "absent.tif"]))
    assert not (tmp_path / "a.pt").exists()


def test_painted_images_of_the_project_are_compared(tmp_path, two_phases):
    models = tmp_path / "matssl" / "models"
    models.mkdir(parents=True)
    write_micrograph(tmp_path / "a.tif", two_phases(size=(96, 128)).micrograph)
    names = ("a.tif", "gone.tif", "../a.tif")
    images = tuple(TrainingImage(name=name, sha256="") for name in names)
    card = make_segmenter(training_images=images).card
    words, found = images_to_check(models / "m.safetensors", card, ())
    assert words == "1 painted image"
    assert [one.name for one in found] == ["a.tif"]


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(model, tmp_path, monkeypatch, missing):
    imported = builtins.__import__

    def absent(name, *arguments, **more):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SettingsError, match=rf"{missing}, which.*napari-matssl\[export\]"):
        drain(export_model(model, "onnx", tmp_path / "a.onnx"))
