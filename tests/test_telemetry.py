"""ONNX Runtime leaves nothing in the home when we use it."""

import os
import subprocess
import sys

import pytest

from napari_matssl.telemetry import SWITCH

EXPORT = "from napari_matssl.learn.portable import check_onnx; check_onnx()"


def import_runtime(home, code):
    clean = {name: text for name, text in os.environ.items() if name != SWITCH}
    clean |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=clean)
    return list((home / ".cache").rglob("*onnxruntime*"))


def test_an_export_leaves_no_identifier_in_the_home(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    assert import_runtime(tmp_path, EXPORT) == []


def test_a_switch_that_the_user_has_set_stays(monkeypatch):
    from napari_matssl.telemetry import switch_off_telemetry

    monkeypatch.setenv(SWITCH, "0")
    switch_off_telemetry()
    assert os.environ[SWITCH] == "0"
