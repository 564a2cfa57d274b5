"""Which device computes, and what happens when it fails."""

import os
import re
import threading

import pytest
import torch
from graphics_cards import Cards
from torch.utils._python_dispatch import TorchDispatchMode

from napari_matssl.errors import ComputeError, DeviceError, OutOfMemoryError
from napari_matssl.learn.device import (
    Compute,
    choose_compute,
    diagnose,
    fastest_dtype,
    no_cuda,
    seeded,
)
from napari_matssl.learn.nvidia import INSTALL_TORCH, INSTALL_TORCH_FOR_OLD_CARDS, NvidiaGPU


@pytest.fixture
def computer(monkeypatch, tmp_path):
    """Make a computer with an NVIDIA GPU or none, which PyTorch can't use.

    Its driver's tool is a real program that notes each call in a file, which is given.
    """
    if os.name != "posix":
        pytest.skip("the driver's tool is a shell script here")

    def make(gpu):
        asked = tmp_path / "asked"
        asked.touch()
        answer = "No devices were found" if gpu is None else f"{gpu.name}, {gpu.driver}"
        tool = tmp_path / "nvidia-smi"
        status = 6 if gpu is None else 0
        tool.write_text(f"#!/bin/sh\necho x >> '{asked}'\necho '{answer}'\nexit {status}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr(torch.version, "cuda", None)
        no_cuda.cache_clear()
        return asked

    yield make
    no_cuda.cache_clear()


@pytest.mark.parametrize("name", ["nonsense", "", "cuda:x", "gpu"])
def test_a_name_that_is_no_device_lists_those_that_are(name):
    with pytest.raises(DeviceError, match="auto, cpu, cuda") as caught:
        choose_compute(name)
    assert repr(name) in caught.value.what
    assert caught.value.settings == "device"


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_a_gpu_that_is_not_there_is_an_error_never_the_cpu_instead(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="Use auto or cpu") as caught:
        choose_compute(name)
    assert repr(name) in caught.value.what
    assert caught.value.settings == "device"


def test_a_gpu_beyond_those_found_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match=r"2 GPU\(s\) found"):
        choose_compute("cuda:2")


def test_an_apple_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="no Apple GPU"):
        choose_compute("mps")


def test_a_device_of_torch_that_is_not_supported_is_an_error():
    with pytest.raises(DeviceError, match="supported"):
        choose_compute("meta")


def test_auto_falls_back_to_the_cpu_with_the_reason(computer):
    computer(None)
    compute = choose_compute("auto")
    assert compute.device.type == "cpu"
    assert compute.reason == "no NVIDIA GPU was found"
    assert compute.describe().startswith("cpu, ")


def test_the_driver_is_asked_once_per_program_and_only_where_cuda_is_missing(computer):
    asked = computer(None)
    choose_compute("cpu")
    assert asked.read_text() == ""
    choose_compute("auto")
    choose_compute("auto")
    assert asked.read_text() == "x\n"


def test_the_diagnosis_of_a_computer_without_a_gpu_has_nothing_to_mend(computer):
    computer(None)
    report = diagnose()
    assert re.fullmatch(r"CPU, \d+ cores?", report.name)
    assert report.number_format == str(fastest_dtype(torch.device("cpu"))).removeprefix("torch.")
    assert report.reason == "no NVIDIA GPU was found"
    assert (report.remedy, report.command) == ("", "")


def test_the_diagnosis_of_a_gpu_that_lies_idle_has_a_remedy(computer):
    computer(NvidiaGPU("NVIDIA RTX A2000", "535.183.01"))
    report = diagnose()
    assert report.name.startswith("CPU, ")
    assert "NVIDIA RTX A2000" in report.reason
    assert report.reason == choose_compute("auto").reason
    assert report.remedy
    assert report.command == INSTALL_TORCH
    with pytest.raises(DeviceError, match="RTX A2000 is not used"):
        choose_compute("cuda")


def test_the_diagnosis_of_an_apple_gpu_has_nothing_to_mend(monkeypatch, computer):
    computer(NvidiaGPU("one that lies idle beside it"))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    report = diagnose()
    assert (report.name, report.number_format) == ("Apple GPU", "float32")
    assert (report.remedy, report.command) == ("", "")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_the_diagnosis_of_a_cuda_gpu():
    report = diagnose()
    assert report.name == torch.cuda.get_device_name()
    assert (report.remedy, report.command) == ("", "")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_networks_run_in_the_chosen_format(dtype):
    compute = Compute(torch.device("cpu"), dtype, "test")
    network = compute.place(torch.nn.Conv2d(3, 4, 3))
    images = compute.place_images(torch.ones(1, 3, 8, 8))
    assert images.is_contiguous(memory_format=torch.channels_last)
    with compute.autocast():
        assert network(images).dtype is dtype


def test_seeding_leaves_torchs_own_generator_as_it_was():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with seeded(7):
        first = torch.rand(3)
    with seeded(7):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": False, "avx2": True}, torch.float32),
        ({"architecture": "aarch64"}, torch.float32),
    ],
)
def test_a_processor_takes_bfloat16_where_it_has_instructions_for_it(
    monkeypatch, capabilities, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_compute("cpu").dtype is expected


def test_a_pytorch_without_capabilities_of_the_processor_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_compute("cpu").dtype is torch.float32


class Copies(TorchDispatchMode):
    """Remember of every copy between or within devices whether it was asked to be asynchronous."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = operation.overloadpacket._qualified_op_name
        if name == "aten::_to_copy":
            self.seen.append(bool(kwargs.get("non_blocking")))
        elif name == "aten::copy_":
            self.seen.append(bool(kwargs.get("non_blocking") or (len(args) > 2 and args[2])))
        return operation(*args, **kwargs)


def test_the_watch_over_copies_sees_an_asynchronous_one():
    with Copies() as copies:
        torch.ones(1, 3, 4, 4).to("meta", non_blocking=True)
    assert copies.seen == [True]


@pytest.mark.parametrize("kind", ["meta", "cpu"])
def test_a_copy_to_a_device_is_made_when_the_call_returns(kind):
    """Callers drop the source at once, which would change an asynchronous copy on Apple GPUs."""
    compute = Compute(torch.device(kind), torch.float32, "test")
    with Copies() as copies:
        compute.place_images(torch.ones(1, 3, 8, 8))
        compute.move(torch.ones(3, dtype=torch.uint8))
        compute.place(torch.nn.Conv2d(3, 4, 3))
    assert copies.seen
    assert not any(copies.seen)


class FailingNetwork(torch.nn.Module):
    """A network that no device takes."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def to(self, *_, **__):
        raise self.error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"), OutOfMemoryError),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), OutOfMemoryError),
        (RuntimeError("CUDA error: no kernel image is available for execution"), DeviceError),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), ComputeError),
    ],
)
def test_a_network_that_cannot_be_moved_is_one_line(error, expected):
    compute = Compute(torch.device("cpu"), torch.float32, "test")
    with pytest.raises(expected, match="moving the network") as caught:
        compute.place(FailingNetwork(error))
    assert type(caught.value) is expected
    assert caught.value.remedy


PASCAL, AMPERE, RUBIN = (
    ("NVIDIA GeForce GTX 1080", (6, 1)),
    ("NVIDIA RTX A2000", (8, 6)),
    ("NVIDIA R100", (13, 0)),
)
WHEEL = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


@pytest.mark.parametrize(
    ("card", "command"), [(PASCAL, INSTALL_TORCH_FOR_OLD_CARDS), (RUBIN, INSTALL_TORCH)]
)
def test_auto_leaves_a_card_out_that_this_pytorch_has_no_kernels_for(monkeypatch, card, command):
    Cards(monkeypatch, [card], WHEEL)
    compute = choose_compute("auto")
    assert compute.device.type == "cpu"
    report = diagnose()
    assert report.name.startswith("CPU")
    assert card[0] in report.reason
    assert "no kernels" in report.reason
    assert report.command == command
    for name in ("cuda", "cuda:0"):
        with pytest.raises(DeviceError, match=f"{card[0]}.*no kernels"):
            choose_compute(name)


def test_auto_takes_the_next_card_and_names_the_one_left_out(monkeypatch):
    Cards(monkeypatch, [PASCAL, AMPERE], WHEEL)
    compute = choose_compute("auto")
    assert compute.device == torch.device("cuda:1")
    assert "GTX 1080 is not used" in compute.reason
    assert choose_compute("cuda:1").device == torch.device("cuda:1")
    assert "GTX 1080 is not used" in diagnose().reason


def test_auto_leaves_a_card_out_that_does_not_answer(monkeypatch):
    broken = RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nmore")
    Cards(monkeypatch, [broken], WHEEL)
    report = diagnose()
    assert report.name.startswith("CPU")
    assert "cuda:0 doesn't answer: CUDA error: all" in report.reason
    assert "\n" not in report.reason
    assert report.remedy


@pytest.mark.parametrize(
    ("index", "expected"), [(0, torch.float32), (1, torch.bfloat16), (2, torch.float32)]
)
def test_the_number_format_is_that_of_the_card_that_is_used(monkeypatch, index, expected):
    Cards(monkeypatch, [AMPERE] * 3, WHEEL, bfloat16=[1])
    assert choose_compute(f"cuda:{index}").dtype is expected


def test_threads_that_build_networks_at_once_get_what_their_seeds_stand_for():
    inside, go = threading.Event(), threading.Event()

    def build():
        with seeded(1):
            inside.set()
            go.wait(60)

    with seeded(0):
        expected = [float(torch.rand(1)) for _ in range(2)]
    other = threading.Thread(target=build)
    with seeded(0):
        first = float(torch.rand(1))
        other.start()
        inside.wait(0.5)  # it never comes while this thread builds
        second = float(torch.rand(1))
    go.set()
    other.join(60)
    assert [first, second] == expected
