"""What the methods of contrastive pretraining put round an encoder, and their losses."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_matssl.learn.encoders import LITE0, build_encoder
from napari_matssl.learn.gated import GatedFusion
from napari_matssl.learn.methods import TITLES, build_method
from napari_matssl.learn.momentum_contrast import info_nce, most_similar
from napari_matssl.learn.ntxent import nt_xent
from napari_matssl.settings import PretrainSettings

METHODS = list(TITLES)


def build(method, encoder="test_efficientnet", patches=100, **values):
    heads = {"projection_hidden": 16, "projection_out": 8}
    settings = PretrainSettings(method=method, encoder=encoder, **{**heads, **values})
    return build_method(build_encoder(encoder), settings, patches).train()


def generator():
    return torch.Generator().manual_seed(3)


@pytest.fixture
def views():
    """Two views of six patches."""
    return torch.randn(2, 6, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_resnet50_gives_the_papers_3840_features():
    network = build_method(build_encoder("resnet50"), PretrainSettings(), 10)
    assert [gate.shape[1] for gate in network.fusion.gates] == [256, 512, 1024, 2048]
    assert network.fusion.out_channels == 3840
    widths = [m.weight.shape for m in network.head if isinstance(m, nn.Linear)]
    assert widths == [(2048, 3840), (128, 2048)]


@pytest.mark.parametrize("method", ["matssl", "stages", "simclr"])
def test_embeddings_of_different_patches_point_different_ways_at_the_start(method, views):
    embeddings = functional.normalize(build(method, LITE0)(torch.cat([*views])), dim=1)
    cosines = embeddings @ embeddings.T
    count = len(cosines)
    different = float(cosines[~torch.eye(count, dtype=torch.bool)].mean())
    assert different == pytest.approx(-1 / (count - 1), abs=0.06)  # they sum to about nothing


@pytest.mark.parametrize("method", METHODS)
def test_everything_that_may_learn_learns_from_the_loss(method, views):
    network = build(method, LITE0)
    loss = network.loss(*views, generator())
    assert loss.ndim == 0
    loss.backward()
    learning = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in learning)
    parts = [network.encoder, network.head]
    if method == "matssl":
        parts.append(network.fusion)
    for part in parts:
        assert any(bool(p.grad.abs().sum() > 0) for p in part.parameters())


def test_four_stages_without_gates_are_matssl_without_gates(views):
    """Equal weights give what the released gates give as they open fully: sigmoid(P) = 1."""
    plain, gated = build("stages").eval(), build("matssl", gate="released").eval()
    assert not list(plain.fusion.parameters())
    plain.load_state_dict({k: t for k, t in gated.state_dict().items() if "gates" not in k})
    with torch.no_grad():
        for gate in gated.fusion.gates:
            gate.fill_(100)
    expected = gated.loss(*views, generator())
    torch.testing.assert_close(plain.loss(*views, generator()), expected)
    assert plain.head[0].in_features == sum(gate.shape[1] for gate in gated.fusion.gates)


def test_simclr_is_matssl_on_the_last_stage_without_gates(views):
    network = build("simclr")
    assert not [m for m in network.modules() if isinstance(m, GatedFusion)]
    stage = network.encoder.eval()(views.flatten(0, 1))[-1]
    network.encoder.train()
    assert network.head[0].in_features == stage.shape[1]
    network.eval()
    first, second = (network.head(network.encoder(v)[-1].mean(dim=(2, 3))) for v in views)
    expected = nt_xent(first, second, 0.07)
    torch.testing.assert_close(network.loss(*views, generator()), expected)


def test_info_nce_agrees_with_its_equation():
    random = np.random.default_rng(0)
    queries, keys, queue = (random.normal(size=(n, 4)) for n in (3, 3, 5))
    queue /= np.linalg.norm(queue, axis=1, keepdims=True)
    expected = []
    for query, key in zip(queries, keys, strict=True):
        query, key = query / np.linalg.norm(query), key / np.linalg.norm(key)
        own = np.exp(query @ key / 0.2)
        expected.append(-np.log(own / (own + np.exp(queue @ query / 0.2).sum())))
    found = info_nce(*(torch.from_numpy(a) for a in (queries, keys, queue)), 0.2)
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_positions_find_their_own_in_a_mirrored_stage():
    stage = torch.randn(2, 12, 3, 4, generator=generator())
    partner = most_similar(stage, 7 * stage.flip(3))
    expected = torch.arange(12).reshape(3, 4).flip(1).flatten()
    assert torch.equal(partner, expected.expand(2, -1))


@pytest.mark.parametrize("method", ["mocov2", "densecl"])
def test_the_copy_starts_equal_and_follows_slowly(method, views):
    network = build(method, key_momentum=0.9)
    pairs = list(zip(network.encoder.parameters(), network.key_encoder.parameters(), strict=True))
    assert pairs
    assert all(torch.equal(own, key) for own, key in pairs)
    before = [key.clone() for _, key in pairs]
    with torch.no_grad():
        for own, _ in pairs:
            own += 1
    network.keep_up()
    for (own, key), old in zip(pairs, before, strict=True):
        torch.testing.assert_close(key, 0.9 * old + 0.1 * own)
        assert not key.requires_grad


def test_keys_take_the_place_of_the_oldest(views):
    network = build("mocov2", queue=8)
    before = network.queue.clone()
    network.loss(*views, generator())
    assert (network.queue[:6] != before[:6]).any(dim=1).all()
    assert torch.equal(network.queue[6:], before[6:])
    kept = network.queue.clone()
    network.loss(*views, generator())
    assert torch.equal(network.queue[4:6], kept[4:6])
    assert (network.queue[[6, 7, 0, 1, 2, 3]] != kept[[6, 7, 0, 1, 2, 3]]).any(dim=1).all()
    torch.testing.assert_close(network.queue.norm(dim=1), torch.ones(8))


def test_a_queue_is_no_longer_than_there_are_patches():
    assert build("mocov2", patches=20).queue.shape == (20, 8)
    assert build("densecl", patches=20, queue=5).dense_queue.shape == (5, 8)


def test_a_view_meets_its_own_key_though_keys_are_shuffled(views):
    """Without batch statistics, groups and order don't matter."""
    network = build("mocov2", queue=4, temperature=0.5).eval()
    queue = network.queue.clone()
    keys = network.key_head(network.key_encoder(views[1])[-1])
    expected = info_nce(network.head(network.encoder(views[0])[-1]), keys, queue, 0.5)
    torch.testing.assert_close(network.loss(*views, generator()), expected)
    torch.testing.assert_close(network.queue, functional.normalize(keys, dim=1)[-4:])


def test_keys_are_normalised_in_groups_so_statistics_do_not_mark_them(views):
    network = build("mocov2")
    sizes = []
    network.key_encoder.register_forward_hook(lambda _m, given, _out: sizes.append(len(given[0])))
    network.loss(*views, generator())
    assert sizes == [3, 3]


def test_without_its_dense_half_densecl_is_moco(views):
    moco, dense = build("mocov2"), build("densecl", dense_weight=0.0)
    dense.head["pooled"].load_state_dict(moco.head.state_dict())
    dense.key_head["pooled"].load_state_dict(moco.key_head.state_dict())
    dense.queue.copy_(moco.queue)
    expected = moco.loss(*views, generator())
    torch.testing.assert_close(dense.loss(*views, generator()), expected)


def test_the_dense_half_compares_each_position_with_its_most_similar(views):
    network = build("densecl", dense_weight=1.0, temperature=0.5).eval()
    queue = network.dense_queue.clone()
    stage, key_stage = network.encoder(views[0])[-1], network.key_encoder(views[1])[-1]
    dense, keys = network.head["dense"](stage), network.key_head["dense"](key_stage)
    losses = []
    for image in range(len(stage)):
        own = functional.normalize(stage[image].flatten(1), dim=0)
        other = functional.normalize(key_stage[image].flatten(1), dim=0)
        for position in range(own.shape[1]):
            best = int((own[:, position] @ other).argmax())
            one, key = dense[image, :, position], keys[image, :, best]
            losses.append(info_nce(one[None], key[None], queue, 0.5))
    torch.testing.assert_close(network.loss(*views, generator()), torch.stack(losses).mean())
