"""Which device computes, and what happens when it fails."""

import re

import pytest
import torch

from napari_matssl.errors import ComputeError, DeviceError
from napari_matssl.learn import device
from napari_matssl.learn.device import (
    Compute,
    choose_compute,
    device_errors,
    diagnose,
    fastest_dtype,
    is_out_of_memory,
    no_cuda,
    seeded,
)
from napari_matssl.learn.nvidia import INSTALL_TORCH, NvidiaGPU


@pytest.fixture
def computer(monkeypatch):
    """A computer with an NVIDIA GPU or none, which PyTorch can't use."""

    def make(gpu):
        asked = []
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr(device, "find_nvidia", lambda: asked.append(1) or gpu)
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


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_a_gpu_that_is_not_there_is_an_error_never_the_cpu_instead(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="--device auto or cpu") as caught:
        choose_compute(name)
    assert repr(name) in caught.value.what


def test_a_gpu_beyond_those_found_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match=r"2 GPU\(s\) found"):
        choose_compute("cuda:2")


def test_an_apple_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="no Apple GPU"):
        choose_compute("mps")


def test_a_device_that_torch_knows_but_we_do_not_is_an_error():
    with pytest.raises(DeviceError, match="supported"):
        choose_compute("meta")


def test_auto_falls_back_to_the_cpu_and_says_why(computer):
    computer(None)
    compute = choose_compute("auto")
    assert compute.device.type == "cpu"
    assert compute.reason == "no NVIDIA GPU was found"
    assert compute.describe().startswith("cpu, ")


def test_the_driver_is_asked_once_per_program_and_only_where_cuda_is_missing(computer):
    asked = computer(None)
    choose_compute("cpu")
    assert not asked
    choose_compute("auto")
    choose_compute("auto")
    assert len(asked) == 1


def test_the_diagnosis_of_a_computer_without_a_gpu_has_nothing_to_mend(computer):
    computer(None)
    report = diagnose()
    assert re.fullmatch(r"CPU, \d+ cores?", report.name)
    assert report.number_format == str(fastest_dtype(torch.device("cpu"))).removeprefix("torch.")
    assert report.reason == "no NVIDIA GPU was found"
    assert (report.remedy, report.command) == ("", "")


def test_the_diagnosis_of_a_gpu_that_lies_idle_says_what_mends_it(computer):
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


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("shapes don't match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_full_memory_is_told_from_other_failures(error, expected):
    assert is_out_of_memory(error) is expected


def test_a_full_memory_becomes_one_clear_line():
    with (
        pytest.raises(ComputeError, match="Out of memory while training") as caught,
        device_errors("training"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory\n" + "allocator state\n" * 50)
    assert "\n" not in str(caught.value)
    assert "smaller" in caught.value.remedy


def test_another_failure_says_what_was_done_and_what_torch_said():
    with (
        pytest.raises(ComputeError, match=r"while segmenting a\.tif: boom") as caught,
        device_errors("segmenting a.tif"),
    ):
        raise RuntimeError("boom\nC++ stack")
    assert "stack" not in str(caught.value)


def test_a_failure_without_a_message_is_reported_too():
    with pytest.raises(ComputeError, match="while training"), device_errors("training"):
        raise RuntimeError


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


def test_a_pytorch_that_does_not_tell_what_the_processor_can_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_compute("cpu").dtype is torch.float32
