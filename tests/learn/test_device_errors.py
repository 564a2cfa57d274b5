"""What goes wrong on a device, in words."""

import errno
import gc
import weakref
from pathlib import Path

import pytest
import torch

from napari_matssl.errors import ComputeError, DeviceError, OutOfMemoryError
from napari_matssl.learn.device_errors import device_errors, free_memory, is_out_of_memory
from napari_matssl.tasks.batch import memory_errors


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("MPS: Failed to allocate private MTLBuffer for size 1234"), True),
        (RuntimeError("Invalid buffer size: 24.00 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `x`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), True),
        (RuntimeError("CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"), True),
        (RuntimeError("std::bad_alloc"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOENT, "out of memory.tif"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_BAD_PARAM"), False),
        (RuntimeError("shapes don't match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_full_memory_is_distinguished_from_other_failures(error, expected):
    assert is_out_of_memory(error) is expected


def test_a_full_memory_becomes_one_clear_line():
    with (
        pytest.raises(ComputeError, match="Out of memory while training") as caught,
        device_errors("training"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory\n" + "allocator state\n" * 50)
    assert "\n" not in str(caught.value)
    assert "smaller" in caught.value.remedy


def test_another_failure_names_the_step_and_quotes_torch():
    with (
        pytest.raises(ComputeError, match=r"while segmenting a\.tif: boom") as caught,
        device_errors("segmenting a.tif"),
    ):
        raise RuntimeError("boom\nC++ stack")
    assert "stack" not in str(caught.value)


def test_a_failure_without_a_message_is_reported_too():
    with pytest.raises(ComputeError, match="while training"), device_errors("training"):
        raise RuntimeError


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: no kernel image is available for execution on the device\nmore",
        "CUDA error: device kernel image is invalid",
        "CUDA error: all CUDA-capable devices are busy or unavailable",
        "The NVIDIA driver initialization failed, you might not have a CUDA gpu.",
    ],
)
def test_a_gpu_that_cannot_compute_is_an_error_of_the_device(words):
    with pytest.raises(DeviceError, match="while fitting") as caught, device_errors("fitting"):
        raise RuntimeError(words)
    assert words.split("\n")[0] in caught.value.what
    assert "more" not in caught.value.what


def test_a_file_that_is_missing_stays_what_it_is():
    with pytest.raises(FileNotFoundError), device_errors("training"):
        Path("no such file").read_bytes()


@pytest.mark.parametrize(
    ("errors", "full"),
    [
        (device_errors, torch.OutOfMemoryError),
        (memory_errors, MemoryError),
    ],
)
def test_what_filled_the_memory_is_gone_once_the_error_was_handled(errors, full):
    """Nobody collects garbage there: a thread beside the window must not."""
    gc.disable()
    try:
        tensors = []

        def step():
            tensor = torch.ones(8)
            tensors.append(weakref.ref(tensor))
            raise full("out of memory")

        try:
            with errors("training"):
                step()
        except OutOfMemoryError:
            held = tensors[0]() is not None
        assert held
        assert tensors[0]() is None
    finally:
        gc.enable()


def test_memory_is_given_back_by_the_device_that_was_used(monkeypatch):
    asked = []

    class Current:
        def __init__(self, device):
            self.device = device

        def __enter__(self):
            asked.append(str(self.device))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(torch.cuda, "device", Current)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: asked.append("cuda emptied"))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: asked.append("mps emptied"))
    free_memory(torch.device("cuda:1"))
    free_memory(torch.device("mps"))
    free_memory(torch.device("cpu"))
    assert asked == ["cuda:1", "cuda emptied", "mps emptied"]


def test_a_gpu_that_has_failed_does_not_fail_a_second_time(monkeypatch, caplog):
    def fail():
        raise RuntimeError("MPS has gone")

    monkeypatch.setattr(torch.mps, "empty_cache", fail)
    free_memory(torch.device("mps"))
    assert "can't be given back" in caplog.text
