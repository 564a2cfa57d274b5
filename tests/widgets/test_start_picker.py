"""Choosing what to start from."""

import pytest
from acting import TINY, write_model

from napari_matssl.widgets.controls.start_picker import StartPicker


@pytest.fixture
def picker(qtbot):
    picker = StartPicker()
    qtbot.addWidget(picker)
    picker.heard = []
    picker.changed.connect(lambda: picker.heard.append(picker.list.currentText()))
    return picker


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model-001.safetensors")


def entries(picker):
    return [picker.list.itemText(row) for row in range(picker.list.count())]


def test_imagenet_is_the_start_until_something_else_is_chosen(picker):
    assert picker.encoder.source == "imagenet"
    assert picker.model is None
    picker.select_source("random")
    assert picker.encoder.source == "random"
    picker.select_source("micrographs")
    assert picker.encoder.name == "tf_efficientnet_lite0", "it fits no other network"
    assert picker.heard == ["Random weights", "Micrographs (MatSSL)"]


def test_a_model_is_gone_on_from_with_its_own_network(picker, model):
    picker.set_files([model])
    assert "Model: model-001" in entries(picker)
    assert picker.encoder.source == "imagenet"
    picker.select(model)
    assert picker.model == model
    assert picker.encoder.name == TINY
    assert picker.heard == ["Model: model-001"]


def test_the_choice_stays_when_files_are_added_and_goes_with_its_file(picker, model, tmp_path):
    picker.set_files([model])
    picker.select(model)
    newer = write_model(tmp_path / "model-002.safetensors")
    picker.set_files([newer, model])
    assert picker.model == model
    picker.set_files([newer])
    assert picker.model is None
    assert "Model: model-001" not in entries(picker), "a model of a folder that was closed"


def test_a_file_chosen_by_hand_stays_listed(picker, model, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(model), ""))
    picker.list.activated.emit(picker.list.count() - 1)
    assert picker.model == model
    picker.set_files([])
    assert picker.model == model
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    picker.list.activated.emit(picker.list.count() - 1)
    assert picker.model == model
    assert picker.list.currentText() == "Model: model-001"


def test_an_unusable_file_is_explained_and_leaves_the_choice(picker, model, tmp_path):
    picker.select(model)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    picker.select(broken)
    assert "broken.safetensors" in picker.problem.text()
    assert not picker.problem.isHidden()
    assert picker.model == model
    picker.list.setCurrentIndex(0)
    picker.list.activated.emit(0)
    assert picker.problem.isHidden()


def test_pretraining_does_not_start_from_a_model(qtbot, model):
    picker = StartPicker(models=False)
    qtbot.addWidget(picker)
    picker.set_files([model])
    starts = ["ImageNet weights", "Micrographs (MatSSL)", "Random weights"]
    assert entries(picker) == [*starts, "", "Choose a file..."]
    picker.select(model)
    assert picker.encoder.source == "imagenet"
    assert "is a model; choose an encoder" in picker.problem.text()


def test_published_weights_are_started_from_as_what_they_are(qtbot, picker, tmp_path):
    import segmentation_models_pytorch as smp
    import torch

    network = smp.UnetPlusPlus("resnet18", encoder_weights=None, classes=2)
    encoder, whole, unknown = (tmp_path / f"{name}.pth" for name in ("encoder", "whole", "unknown"))
    torch.save(network.encoder.state_dict(), encoder)
    torch.save(network.state_dict(), whole)
    torch.save({"a": torch.ones(2)}, unknown)
    picker.select(encoder)
    assert (picker.encoder.source, picker.encoder.name) == (str(encoder), "resnet18")
    picker.select(whole)
    assert (picker.model, picker.encoder.name) == (whole, "resnet18")
    picker.select(unknown)
    assert (picker.encoder.source, picker.encoder.name) == (str(unknown), None)
    picker.select(tmp_path / "gone.pth")
    assert "gone.pth" in picker.problem.text()


def test_the_newest_model_is_proposed_and_imagenet_without_one(picker, model, tmp_path):
    newest = write_model(tmp_path / "model-002.safetensors")
    picker.set_files((newest, model))
    picker.propose()
    assert picker.model == newest
    picker.set_files(())
    picker.propose()
    assert picker.model is None
    assert picker.encoder.source == "imagenet"
