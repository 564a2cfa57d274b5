"""Why there is no CUDA: with a driver's tool that is a real process."""

import sys

import pytest

from napari_matssl.learn import nvidia
from napari_matssl.learn.nvidia import (
    INSTALL_TORCH,
    NvidiaGPU,
    explain_no_cuda,
    find_nvidia,
    has_kernels,
)

A2000 = NvidiaGPU("NVIDIA RTX A2000", "535.183.01")


def tool(code):
    return (sys.executable, "-c", code)


def test_the_tool_names_the_first_gpu_and_its_driver(tmp_path):
    two = tool("print('NVIDIA RTX A2000, 535.183.01'); print('Tesla K80, 470.82')")
    assert find_nvidia(two, tmp_path) == A2000


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("raise SystemExit('Driver/library version mismatch')", "version mismatch"),
        ("print('it has failed.\\nMore'); raise SystemExit(9)", "it has failed."),
        ("raise SystemExit(1)", "fails without a word"),
    ],
)
def test_a_tool_that_fails_is_a_complaint_of_the_driver(tmp_path, code, complaint):
    gpu = find_nvidia(tool(code), tmp_path)
    assert gpu is not None
    assert complaint in gpu.complaint
    assert "\n" not in gpu.complaint
    fault = explain_no_cuda(gpu, "13.2", None)
    assert complaint in fault.reason
    assert "driver" in fault.remedy


@pytest.mark.timeout(120)
def test_a_tool_that_hangs_is_left_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia, "_PATIENCE", 0.3)
    gpu = find_nvidia(tool("import time; time.sleep(600)"), tmp_path)
    assert gpu is not None
    assert "doesn't answer" in gpu.complaint


def test_a_tool_that_finds_no_device_means_no_gpu(tmp_path):
    assert (
        find_nvidia(tool("print('No devices were found'); raise SystemExit(6)"), tmp_path) is None
    )


def test_without_the_tool_gpu_and_driver_are_read_from_proc(tmp_path):
    gpus = tmp_path / "gpus" / "0000:01:00.0"
    gpus.mkdir(parents=True)
    (gpus / "information").write_text("Model: \t\t NVIDIA RTX A2000\nIRQ:   	 16\n")
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\nGCC version: 12\n"
    )
    assert find_nvidia(("no-such-tool",), tmp_path) == A2000


def test_with_neither_there_is_no_gpu(tmp_path):
    assert find_nvidia(("no-such-tool",), tmp_path / "none") is None


def test_without_a_gpu_there_is_nothing_to_mend():
    for cuda in ("13.2", None):
        fault = explain_no_cuda(None, cuda, None)
        assert fault.reason == "no NVIDIA GPU was found"
        assert (fault.remedy, fault.command) == ("", "")


def test_a_pytorch_without_cuda_beside_a_gpu_is_mended_by_the_command():
    fault = explain_no_cuda(A2000, None, None)
    assert "NVIDIA RTX A2000" in fault.reason
    assert "built without CUDA" in fault.reason
    assert fault.command == INSTALL_TORCH
    assert "://" not in INSTALL_TORCH


@pytest.mark.parametrize(
    ("driver", "cuda", "oldest"),
    [("535.183.01", "13.2", 580), ("579.99", "13.0", 580), ("470.82", "12.8", 525)],
)
def test_an_old_driver_is_named_with_the_one_that_is_needed(driver, cuda, oldest):
    fault = explain_no_cuda(NvidiaGPU("NVIDIA RTX A2000", driver), cuda, None)
    assert driver in fault.reason
    assert f"CUDA {cuda}" in fault.reason
    assert f"version {oldest} or newer" in fault.remedy
    assert fault.command == INSTALL_TORCH


@pytest.mark.parametrize(
    ("driver", "cuda"), [("580.65.06", "13.2"), ("535.183.01", "12.8"), ("", "13.2"), ("9", "99.1")]
)
def test_a_driver_that_fits_or_is_unknown_is_not_called_too_old(driver, cuda):
    fault = explain_no_cuda(NvidiaGPU("NVIDIA RTX A2000", driver), cuda, None)
    assert "too old" not in fault.reason
    assert "Restart the computer" in fault.remedy


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_gpu_is_reported(hidden):
    fault = explain_no_cuda(A2000, "12.8", hidden)
    assert "CUDA_VISIBLE_DEVICES" in fault.reason
    assert fault.command == ""
    assert "CUDA_VISIBLE_DEVICES" not in explain_no_cuda(A2000, "12.8", "0").reason


@pytest.mark.parametrize(
    ("capability", "built_for", "expected"),
    [
        ((8, 6), ["sm_80", "sm_90"], True),  # the same major version, a later minor one
        ((8, 0), ["sm_86"], False),
        ((7, 0), ["sm_75", "sm_80"], False),  # V100 under wheels for Turing and later
        ((6, 1), ["sm_50", "sm_60", "sm_70"], True),
        ((9, 0), ["sm_80", "compute_80"], True),  # translated when it is loaded
        ((7, 5), ["compute_80"], False),
        ((12, 0), ["sm_100", "sm_120"], True),
        ((10, 3), ["sm_100f"], True),
        ((9, 0), ["sm_90a"], True),
        ((12, 1), ["sm_120a"], False),
        ((12, 0), ["sm_90a", "compute_90a"], False),
        ((9, 4), ["gfx942", "gfx1100"], True),
        ((8, 6), [], True),
    ],
)
def test_a_build_has_code_for_a_card_or_not(capability, built_for, expected):
    assert has_kernels(capability, built_for) is expected
