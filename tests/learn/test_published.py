"""Weights that others have published are read as what they are."""

import re
from dataclasses import dataclass
from functools import cache
from math import prod

import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision

from napari_matssl.errors import ModelFileError, WeightsError
from napari_matssl.learn.card_files import encoder_of_file, read_card
from napari_matssl.learn.encoder_signatures import SIGNATURES
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.modelfile import shapes_of
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.published import bare_names, identify, match_names, signature
from napari_matssl.learn.segmenter import adopt, read_segmenter
from napari_matssl.learn.start_weights import load_start_weights


@cache
def outline_of(name):
    """Names and shapes of an encoder's tensors, without the tensors."""
    with torch.device("meta"):
        return shapes_of(smp.encoders.get_encoder(name, weights=None).state_dict())


def state_of(name):
    """State dict of an encoder, each tensor with numbers of its own."""
    state = {}
    for number, (key, shape) in enumerate(outline_of(name).items()):
        low = 0.1 + number / 10_000
        numbers = torch.linspace(low, low + 0.1, prod(shape)).half().reshape(shape)
        state[key] = torch.tensor(number) if key.endswith("num_batches_tracked") else numbers
    return state


def old_densenet(name):
    return re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name)


def data_parallel(name):
    return f"module.{name}"


def features_parallel(name):
    return name.replace("features.", "features.module.", 1)


@dataclass(frozen=True)
class Form:
    """How somebody saved a network: what classified photographs, and what names look like."""

    encoder: str
    head: str
    rename: object = staticmethod(lambda name: name)


FORMS = [
    Form("resnet18", "fc"),
    Form("resnet34", "fc", data_parallel),
    Form("resnext50_32x4d", "fc"),
    Form("se_resnet50", "last_linear"),
    Form("densenet121", "classifier"),
    Form("densenet121", "classifier", old_densenet),
    Form("efficientnet-b0", "_fc"),
    Form("timm-efficientnet-b0", "classifier"),
    Form("vgg11_bn", "classifier.6", features_parallel),
    Form("inceptionv4", "last_linear"),
    Form("mobilenet_v2", "classifier.1"),
    Form("mobilenet_v2", "classifier.1", features_parallel),
    Form("dpn68", "last_linear", data_parallel),
    Form("xception", "last_linear"),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f"{f.encoder}-{f.rename.__name__}")
def test_every_kind_of_micronet_encoder_is_loaded_and_identified_by_its_tensors(tmp_path, form):
    state = state_of(form.encoder)
    saved = {form.rename(key): tensor for key, tensor in state.items()}
    head = {"weight": torch.ones(3, 5), "bias": torch.ones(3)}
    saved |= {form.rename(f"{form.head}.{key}"): tensor for key, tensor in head.items()}
    path = tmp_path / "micronet.pth.tar"
    torch.save({"epoch": 3, "arch": form.encoder, "state_dict": saved}, path)
    assert encoder_of_file(str(path)) == form.encoder
    encoder = build_encoder(form.encoder, seed=5)
    assert "micronet.pth.tar" in load_start_weights(encoder, form.encoder, str(path))
    for key, own in encoder.state_dict().items():
        assert torch.equal(own, state[key].to(own.dtype)), key


def test_the_table_of_encoders_is_that_of_the_installed_library():
    """All that U-Net++ can use; mit_* can't be used."""
    known = [name for name in smp.encoders.encoders if not name.startswith("mit_")]
    found = {signature(outline_of(name)): name for name in known}
    assert found == SIGNATURES
    assert len(found) == len(known), "no two are taken for each other"


@pytest.mark.parametrize("head", ["fc", "classifier", "last_linear", "_fc"])
def test_no_encoder_is_lost_behind_any_wrapper_or_head(head):
    for name in SIGNATURES.values():
        own = {k: s for k, s in outline_of(name).items() if "num_batches" not in k}
        file = {f"module.backbone.{k}": s for k, s in own.items()}
        file |= {f"module.backbone.{head}.weight": (9, 9), "epoch": ()}
        published = identify(file)
        assert (published.encoder, published.classes) == (name, None)
        assert match_names(file, own) == {bare: f"module.backbone.{bare}" for bare in own}


def resnet(seed=1, name="resnet18"):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torchvision.models.get_model(name).state_dict()


def named(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def without_fc(state):
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def in_sequence(state):
    """Name a ResNet's tensors as a list of its parts does."""
    places = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    parts = ((name.split(".", 1), tensor) for name, tensor in without_fc(state).items())
    return {f"{places[first]}.{rest}": tensor for (first, rest), tensor in parts}


METHODS = {
    "DenseCL as released": lambda a, b: {
        **named("backbone.backbone.", without_fc(a)),
        **named("backbone_momentum.backbone.", without_fc(b)),
        **named("projection_head_global.", {"layers.0.weight": torch.ones(4, 2)}),
        **named("projection_head_local_momentum.", {"layers.0.weight": torch.ones(4, 2)}),
    },
    "MoCo v2 as released": lambda a, b: {
        **named("key_backbone.", without_fc(b)),
        **named("backbone.", without_fc(a)),
        **named("projection_head.", {"layers.0.weight": torch.ones(4, 2)}),
    },
    "MatSSL as released": lambda a, b: {
        **named("backbone.", without_fc(a)),
        **{k: t for k, t in a.items() if k.startswith("layer")},
        **named("attn_module.gates.", {str(i): torch.ones(1, 64) for i in range(4)}),
        **named("projection_head.", {"layers.0.weight": torch.ones(4, 2)}),
    },
    "MoCo's own": lambda a, b: {
        **named("module.encoder_k.", b),
        **named("module.encoder_q.", a),
        "module.queue": torch.ones(4, 4),
    },
    "a list of parts": lambda a, b: {
        **named("backbone_momentum.", in_sequence(b)),
        **named("backbone.", in_sequence(a)),
    },
    "a teacher and its student": lambda a, b: {
        **named("teacher.backbone.", b),
        **named("student.backbone.", a),
    },
}


@pytest.mark.parametrize("how", METHODS)
def test_the_encoder_that_learnt_is_taken_not_the_copy_that_follows(tmp_path, how):
    learnt, slow = resnet(1), resnet(2)
    path = tmp_path / "published.pth"
    torch.save(METHODS[how](learnt, slow), path)
    assert encoder_of_file(str(path)) == "resnet18"
    encoder = build_encoder("resnet18", seed=5)
    load_start_weights(encoder, "resnet18", str(path))
    for name, tensor in without_fc(learnt).items():
        assert torch.equal(encoder.state_dict()[name], tensor), name


def test_published_encoders_keep_no_gate_head_or_classifier():
    own = outline_of("resnet18")
    file = named("backbone.", own) | {"backbone.fc.weight": (3, 3), "layer1.0.conv1.weight": (1,)}
    file |= {"attn_module.gates.0": (1, 1), "projection_head.0.weight": (1,)}
    assert match_names(file, own) == {name: f"backbone.{name}" for name in own}


def test_a_timm_encoder_gets_timms_own_weights(tmp_path):
    """They hold more than the stages, and other dots in their names."""
    import timm

    for name in ("test_convnext", "test_efficientnet"):
        whole = timm.create_model(name)
        torch.save(whole.state_dict(), tmp_path / "timm.pth")
        encoder = build_encoder(name, seed=5)
        load_start_weights(encoder, name, str(tmp_path / "timm.pth"))
        own = {k.removeprefix("model.").replace(".", "_"): t
               for k, t in encoder.state_dict().items()}  # fmt: skip
        theirs = {k.replace(".", "_"): t for k, t in whole.state_dict().items()}
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in own.items())
        assert encoder_of_file(str(tmp_path / "timm.pth")) is None


def unet(classes, kind=smp.UnetPlusPlus, seed=3):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind("resnet18", encoder_weights=None, classes=classes).eval()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_published_unetplusplus_is_a_model_with_numbered_classes(tmp_path, wrapped):
    network = unet(3)
    path = tmp_path / "metaldam.pth"
    state = network.state_dict()
    torch.save({"model": named("module.", state)} if wrapped else state, path)
    segmenter = read_segmenter(path)
    card = segmenter.card
    assert (card.kind, card.encoder, card.architecture) == ("segmenter", "resnet18", "unet++")
    assert card.classes.ids == (0, 1, 2)
    assert card.classes.names == ("class 0", "class 1", "class 2")
    assert card.intensity_scaling.kind == "imagenet"
    assert card.channels == "rgb"
    assert "metaldam.pth" in card.start
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(segmenter.network(image), network(image))


def test_one_channel_stands_for_a_class_and_its_background(tmp_path):
    network = unet(1)
    torch.save(network.state_dict(), tmp_path / "oxide.pth")
    segmenter = read_segmenter(tmp_path / "oxide.pth")
    assert segmenter.classes.ids == (0, 1)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        probability = segmenter.network(image).softmax(1)[:, 1]
        assert torch.allclose(probability, network(image).sigmoid()[:, 0], atol=1e-6)


def test_a_model_goes_on_from_a_published_one_with_decoder_and_classes(tmp_path):
    network = unet(3)
    torch.save(network.state_dict(), tmp_path / "metaldam.pth")
    start = read_segmenter(tmp_path / "metaldam.pth")
    own = start.classes.without(0)
    mine = build_network("resnet18", 2, seed=8)
    adopt(mine, own, start)
    theirs = network.state_dict()
    for name, tensor in mine.state_dict().items():
        rows = theirs[name][1:] if name.startswith("segmentation_head.") else theirs[name]
        assert torch.equal(tensor, rows), name


def test_a_unet_that_is_no_unetplusplus_gives_its_encoder_alone(tmp_path):
    torch.save(unet(3, smp.Unet).state_dict(), tmp_path / "unet.pth")
    assert read_card(tmp_path / "unet.pth").kind == "encoder"
    with pytest.raises(ModelFileError, match=r"unet\.pth holds an encoder; segmenter needed"):
        read_segmenter(tmp_path / "unet.pth")
    encoder = build_encoder("resnet18", seed=5)
    load_start_weights(encoder, "resnet18", str(tmp_path / "unet.pth"))


def test_a_network_that_tensors_do_not_identify_has_to_be_named(tmp_path):
    torch.save({f"layer.{n}": torch.ones(2) for n in range(20)}, tmp_path / "own.pth")
    assert encoder_of_file(str(tmp_path / "own.pth")) is None
    with pytest.raises(ModelFileError, match=r"own\.pth.*no encoder that is known") as caught:
        read_card(tmp_path / "own.pth")
    assert caught.value.settings == "weights encoder"
    with pytest.raises(WeightsError, match="missing tensor"):
        load_start_weights(build_encoder("resnet18"), "resnet18", str(tmp_path / "own.pth"))


def test_names_lose_what_was_wrapped_round_them():
    names = ["a.module.features.denseblock1.denselayer2.norm.1.weight", "b.x", "a.0.weight"]
    assert bare_names(names, "a.") == {
        "features.denseblock1.denselayer2.norm1.weight": names[0],
        "conv1.weight": names[2],
    }
