"""The networks with transformers, and how all are built by name."""

import re
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
import torch
from tiny import finetuning

from napari_matssl.errors import SettingsError, WeightsError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.batchnorm import norms_of
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.cs_unet import PatchExpanding
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.encoders import SWIN, outline
from napari_matssl.learn.inference import segment
from napari_matssl.learn.modelfile import shapes_of
from napari_matssl.learn.networks import (
    KINDS,
    build_network,
    describe_start,
    encoder_parameters,
    tile_step,
)
from napari_matssl.learn.segmenter import Segmenter, read_segmenter, write_segmenter
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.settings import (
    Architecture,
    FinetuneSettings,
    IntensityScalingSettings,
    PredictSettings,
)
from napari_matssl.tasks.finetune.initial_network import begin
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.planning import make_plan

TINY = "test_efficientnet"
NETWORKS = [("segformer", "mit_b0"), ("segformer", SWIN), ("cs-unet", TINY)]
OF_EACH = pytest.mark.parametrize(("architecture", "encoder"), NETWORKS)


def images(height=64, width=96):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, height, width, generator=generator)


def segmenter(architecture, encoder, classes=2):
    card = ModelCard(
        encoder=encoder,
        architecture=architecture,
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=numbered_table([*range(1, classes + 1)]),
    )
    return Segmenter(build_network(encoder, classes, 0, architecture).eval(), card)


@pytest.mark.parametrize("architecture", ["unet++", "guided-unet++"])
def test_unets_see_images_of_any_size_through_a_swin_and_draw_nothing(architecture):
    network = build_network(SWIN, 3, 0, architecture).train()
    for norm in norms_of(network):
        norm.eval()
    assert network(images()).shape == (2, 3, 64, 96)
    assert torch.equal(network(images()), network(images()))


def test_every_architecture_is_a_kind_of_network():
    assert set(KINDS) == set(get_args(Architecture))


@OF_EACH
@pytest.mark.parametrize("size", [(32, 32), (96, 160), (224, 32), (256, 288)])
def test_logits_have_the_size_of_the_image(architecture, encoder, size):
    network = build_network(encoder, 3, 0, architecture).eval()
    with torch.no_grad():
        logits = network(images(*size))
    assert logits.shape == (2, 3, *size)
    assert float(logits.std()) > 0


@OF_EACH
def test_gradients_reach_every_weight(architecture, encoder):
    network = build_network(encoder, 3, 0, architecture).train()
    network(images()).square().mean().backward()
    assert not [
        name
        for name, one in network.named_parameters()
        if one.grad is None or not one.grad.abs().sum()
    ]
    if architecture == "cs-unet":
        learning = {id(one) for one in encoder_parameters(network)}
        both = [*network.encoder.parameters(), *network.transformer.parameters()]
        assert learning == {id(one) for one in both}


def blind(_module, _images, maps):
    return [torch.zeros_like(one) for one in maps]


@OF_EACH
def test_an_image_is_seen_by_all_of_a_network(architecture, encoder):
    """A dead branch would give the same logits whatever it is shown."""
    network = build_network(encoder, 3, 0, architecture).eval()
    with torch.no_grad():
        whole = network(images())
        for branch in ("encoder", "transformer"):
            part = getattr(network, branch, None)
            if part is None:
                continue
            hook = part.register_forward_hook(blind)
            assert not torch.allclose(network(images()), whole, atol=1e-4), branch
            hook.remove()


@OF_EACH
def test_a_model_comes_back_from_its_file(tmp_path, architecture, encoder):
    made = segmenter(architecture, encoder)
    write_segmenter(tmp_path / "model.safetensors", made)
    read = read_segmenter(tmp_path / "model.safetensors")
    assert read.card == made.card
    with torch.no_grad():
        assert torch.equal(read.network(images()), made.network(images()))


@OF_EACH
def test_nothing_is_drawn_from_torchs_own_generator(architecture, encoder):
    network = build_network(encoder, 3, 0, architecture).train()
    for norm in norms_of(network):
        norm.eval()
    assert torch.equal(network(images()), network(images()))
    network.dropout.share = 0.5
    assert not torch.allclose(network(images()), network(images()))


@OF_EACH
def test_bfloat16_changes_logits_by_its_precision_alone(architecture, encoder):
    compute = Compute(torch.device("cpu"), torch.bfloat16, "as asked")
    network = build_network(encoder, 3, 0, architecture).eval()
    with torch.no_grad():
        exact = network(images())
        with compute.autocast():
            rough = network(images()).float()
    assert not torch.equal(exact, rough)
    assert float((exact - rough).abs().mean()) < 0.05 * float(exact.std())


@pytest.mark.parametrize("size", [(33, 47), (100, 131), (300, 75)])
@OF_EACH
def test_images_of_any_size_are_segmented(architecture, encoder, size):
    made, compute = segmenter(architecture, encoder), choose_compute("cpu")
    pixels = np.random.default_rng(0).integers(0, 255, size, dtype=np.uint8)
    settings = PredictSettings(device="cpu", magnifications="one", tile=64, tile_overlap=32)
    job = segment(made.network, made.card, Micrograph("a.tif", pixels), compute, settings)
    found = drain(job)
    assert found.mask.shape == size
    assert set(np.unique(found.mask)) <= {1, 2}


@pytest.mark.parametrize(
    ("architecture", "encoder", "step"),
    [("unet++", TINY, 32), ("segformer", "mit_b0", 32), ("segformer", SWIN, 224),
     ("unet++", SWIN, 224), ("cs-unet", TINY, 224)],
)  # fmt: skip
def test_tiles_begin_where_windows_do(architecture, encoder, step):
    with outline():
        assert tile_step(build_network(encoder, 2, 0, architecture)) == step


def test_patches_are_expanded_in_place():
    """Each patch becomes the square of patches where it lay."""
    expanding = PatchExpanding(4, 3, 2)
    maps = torch.zeros(1, 3, 5, 4)
    before = expanding(maps)
    maps[0, 1, 2] = 1.0
    changed = (expanding(maps) != before).any(dim=-1)[0]
    assert before.shape == (1, 6, 10, 3)
    assert sorted(map(tuple, changed.nonzero().tolist())) == [(2, 4), (2, 5), (3, 4), (3, 5)]


@pytest.mark.parametrize(
    ("architecture", "encoder", "words"),
    [("segformer", "resnet50", "a transformer, such as mit_b0"),
     ("segformer", "tf_efficientnet_lite0", "a transformer, such as mit_b0"),
     ("cs-unet", "mit_b0", "a CNN beside its own Swin"),
     ("cs-unet", f"tu-{SWIN}", "a CNN beside its own Swin")],
)  # fmt: skip
def test_an_encoder_that_makes_no_sense_is_refused_in_a_line(architecture, encoder, words):
    with pytest.raises(SettingsError, match=re.escape(words)) as caught:
        build_network(encoder, 2, 0, architecture)
    assert repr(encoder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_transformer_that_unetplusplus_cannot_use_is_refused_still():
    with pytest.raises(SettingsError, match=r"U-Net\+\+ can't be built on the encoder 'mit_b0'"):
        build_network("mit_b0", 2)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"architecture": "segformer"}, ("mit_b0", "imagenet")),
     ({"architecture": "cs-unet"}, ("tf_efficientnet_lite0", "imagenet", SWIN, "random")),
     ({"architecture": "unet++"}, ()), ({}, ())],
)  # fmt: skip
def test_what_a_transformer_starts_from_is_told(values, words):
    told = describe_start(FinetuneSettings.make(values))
    assert bool(told) == bool(words)
    assert all(word in told for word in words)
    assert "\n" not in told


def by_its_authors(state):
    """Names of a Swin's weights as its authors have them, with what they keep beside."""
    names = {}
    for name, tensor in state.items():
        name = name.removeprefix("model.").replace("layers_", "layers.")
        merging = re.fullmatch(r"layers\.(\d)\.(downsample\..*)", name)
        if merging:
            name = f"layers.{int(merging[1]) - 1}.{merging[2]}"
        names[name] = tensor
    names["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    names["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49).long()
    names["norm.weight"], names["norm.bias"] = torch.ones(768), torch.zeros(768)
    names["head.weight"], names["head.bias"] = torch.rand(5, 768), torch.zeros(5)
    return names


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_swin_saved_by_its_authors_code_starts_a_swin(tmp_path, wrapped):
    given = build_network(TINY, 2, 5, "cs-unet").transformer.state_dict()
    state = by_its_authors(given)
    path = tmp_path / "swin.pth"
    torch.save({"model": state} if wrapped else state, path)
    network = build_network(TINY, 2, 6, "cs-unet")
    assert "published weights" in load_start_weights(network.transformer, SWIN, str(path))
    own = network.transformer.state_dict()
    weights = [name for name in own if not name.endswith("index")]
    assert len(weights) > 100
    assert all(torch.equal(own[name], given[name]) for name in weights)


def test_the_decoder_starts_from_the_weights_that_the_swin_got(tmp_path, two_phases):
    made = segmenter("cs-unet", TINY)
    file = tmp_path / "swin.pth"
    torch.save(by_its_authors(made.network.transformer.state_dict()), file)
    plan = make_plan(
        [two_phases(0)],
        made.card.classes,
        finetuning(architecture="cs-unet", transformer_weights=str(file)),
    )
    begun = begin(plan, choose_compute("cpu"))
    assert begun.origin == "random; Swin: swin.pth (published weights)"
    own = begun.network.decoder.refine
    for stage, blocks in enumerate(own):
        theirs = made.network.transformer.get_submodule(f"model.layers_{stage}.blocks")
        for block, given in zip(blocks, theirs, strict=False):
            assert torch.equal(block.mlp.fc1.weight, given.mlp.fc1.weight)
            table = "relative_position_bias_table"
            assert torch.equal(getattr(block.attn, table), getattr(given.attn, table))


def test_stages_of_both_branches_shrink_alike():
    network = build_network(TINY, 2, 0, "cs-unet").eval()
    with torch.no_grad():
        cnn, swin = network.encoder(images())[2:], network.transformer(images())[2:]
    sizes = [tuple(maps.shape[2:]) for maps in cnn]
    assert sizes == [tuple(maps.shape[2:]) for maps in swin]
    assert all(upper == (2 * h, 2 * w) for upper, (h, w) in pairwise(sizes))


@pytest.mark.parametrize("encoder", ["mit_b0", "mit_b5", "tu-pvt_v2_b0", SWIN])
def test_an_outline_takes_no_memory_and_has_all_shapes(encoder):
    with outline():
        network = build_network(encoder, 2, 0, "segformer")
    assert all(one.is_meta for one in network.state_dict().values())
    if encoder == "mit_b0":
        built = build_network(encoder, 2, 0, "segformer")
        assert shapes_of(network.state_dict()) == shapes_of(built.state_dict())


def test_weights_of_the_swin_that_cannot_be_had_name_its_setting(two_phases):
    settings = finetuning(architecture="cs-unet", transformer_weights="missing.pth")
    with pytest.raises(WeightsError, match=r"missing\.pth") as caught:
        drain(finetune([two_phases(0)], numbered_table([1, 2]), settings))
    assert caught.value.settings == "transformer_weights"
    assert "random" in caught.value.remedy
