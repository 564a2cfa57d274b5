"""Weights from the hub: announced, given up in time, stopped at once."""

import os
import socket
import threading

import pytest
from huggingface_hub import constants
from safetensors.torch import save_file

from napari_matssl.errors import StoppedError, WeightsError
from napari_matssl.learn import downloads
from napari_matssl.learn.downloads import fetch, hub_file
from napari_matssl.learn.encoders import LITE0, build_encoder, smp_name
from napari_matssl.learn.start_weights import fetch_start_weights, load_start_weights
from napari_matssl.progress import Control, drain

TINY = "test_efficientnet"


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty folder where the hub's client keeps what it has fetched."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(cache, name):
    """Give the place there of an encoder's weights."""
    file = hub_file(smp_name(name))
    commit = file.revision or 40 * "a"
    folder = cache / f"models--{file.repository.replace('/', '--')}"
    for place in (folder / "refs", folder / "snapshots" / commit):
        place.mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    return folder / "snapshots" / commit / file.name


@pytest.fixture
def silent_hub(monkeypatch, cache):
    """A hub that takes calls and never answers, as behind a firewall that drops packets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(downloads, "PATIENCE_S", 1.0)
        yield server


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["resnet18", TINY])
def test_a_hub_that_never_answers_is_given_up_with_what_works_offline(silent_hub, name):
    encoder = build_encoder(name, seed=2)
    with pytest.raises(WeightsError, match=f"ImageNet weights of '{name}'") as caught:
        load_start_weights(encoder, name, "imagenet")
    assert "nothing arrived for 1 s" in caught.value.what
    assert "127.0.0.1" in caught.value.what, "it says where from"
    for way in (LITE0, "file of weights", "random"):
        assert way in caught.value.remedy


@pytest.mark.timeout(30)
def test_what_is_fetched_is_announced_and_stop_works_at_once(silent_hub):
    job = fetch_start_weights("resnet18", "imagenet")
    first = next(job)
    assert "resnet18" in first.message
    assert "smp-hub/resnet18.imagenet on 127.0.0.1" in first.message
    assert "about 45 MB" in first.message
    assert first.passing
    assert next(job).message == ""
    with pytest.raises(StoppedError):
        job.send(Control.STOP)


@pytest.mark.parametrize(
    ("name", "source"), [(LITE0, "imagenet"), ("resnet18", "random"), ("resnet18", "x.pth")]
)
def test_what_is_here_needs_no_download(silent_hub, name, source):
    assert list(fetch_start_weights(name, source)) == []


def test_a_hub_that_cannot_be_found_is_an_error_at_once(monkeypatch, cache):
    def unknown(*_, **__):
        raise OSError("[Errno -3] Temporary failure in name resolution\nlong\ntraceback")

    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(WeightsError, match="name resolution") as caught:
        drain(fetch("resnet18"))
    assert "traceback" not in str(caught.value)


def test_nothing_of_the_hubs_client_is_changed_for_others(silent_hub):
    """Another thread of the process may be fetching something else."""
    offline = constants.HF_HUB_OFFLINE
    job = fetch("resnet18")
    next(job)
    next(job)
    assert offline == constants.HF_HUB_OFFLINE
    with pytest.raises(StoppedError):
        job.send(Control.STOP)
    left = [thread for thread in threading.enumerate() if thread.name == "fetching weights"]
    assert all(thread.daemon for thread in left), "the program needn't wait for them"


@pytest.mark.parametrize("name", ["resnet18", TINY])
def test_weights_on_the_disk_are_loaded_without_the_hub(cache, name):
    import timm
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(3)
        theirs = timm.create_model(name).state_dict()
    save_file(theirs, cached(cache, name))
    encoder = build_encoder(name, seed=5)
    assert "ImageNet" in load_start_weights(encoder, name, "imagenet")
    own = encoder.state_dict()
    first = next(iter(own))
    assert torch.equal(own[first], theirs[first.removeprefix("model.")])


def test_damaged_weights_on_the_disk_are_named_with_their_place(cache):
    cached(cache, "resnet18").write_bytes(b"half of them")
    with pytest.raises(WeightsError, match=r"model\.safetensors can't be loaded") as caught:
        load_start_weights(build_encoder("resnet18"), "resnet18", "imagenet")
    assert "Delete that file" in caught.value.remedy


def test_what_arrives_counts_as_progress(silent_hub, monkeypatch):
    """A slow connection is none that is dead."""
    more = threading.Event()

    def slow(_repository, name, tqdm_class, **_):
        with tqdm_class(total=100) as bar:
            bar.update(40)
            more.wait(20)
            bar.update(60)
        return f"/somewhere/{name}"

    monkeypatch.setattr(downloads, "hf_hub_download", slow)
    shares = []

    def show(progress):
        shares.append(progress.step)
        if shares[-1] == 0.4:
            more.set()

    assert str(drain(fetch("resnet18"), show)) == "/somewhere/model.safetensors"
    assert 0.4 in shares


def test_an_encoder_without_weights_on_the_hub_is_an_error():
    for name in ("tu-resnet18.no_such_tag", "resnext101_32x16d"):
        with pytest.raises(WeightsError, match="no ImageNet weights"):
            hub_file(name)
