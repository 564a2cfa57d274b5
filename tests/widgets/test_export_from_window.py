"""Models and labels go to other programs from the menus of the window."""

import json

import pytest
import torch
from acting import LONG_MS, TINY, User, painted_folder
from qtpy.QtWidgets import QFileDialog, QMenu

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter, write_segmenter
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks.exchanging.credits import Credits
from napari_matssl.widgets.controls.export_dialog import ExportDialog, ExportWish, asked_export
from napari_matssl.widgets.panels.image_menu import image_menu


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases):
    """Somebody with a painted image and a model."""
    someone = User(make_napari_viewer, qtbot, monkeypatch)
    someone.open(painted_folder(tmp_path / "steel", two_phases, count=1))
    network = build_network(TINY, 2, 0, "pixel-classifier").eval()
    random = torch.Generator().manual_seed(0)
    for name, weights in network.named_parameters():
        if name.startswith("heads."):
            weights.data = torch.randn(weights.shape, generator=random) * 0.1
    card = ModelCard(
        encoder=TINY, architecture="pixel-classifier", channels="grey",
        intensity_scaling=IntensityScalingSettings(), classes=numbered_table([1, 2]),
    )  # fmt: skip
    models = someone.project.models.folder
    models.mkdir(parents=True, exist_ok=True)
    write_segmenter(models / "model-001.safetensors", Segmenter(network, card))
    someone.session.models_changed.emit()
    someone.choose(someone.segment.models.combo, "model-001")
    return someone


def save_as(monkeypatch, path):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), ""))


def answer(monkeypatch, fill):
    """Fill in the dialog that asks for a format, and agree."""

    def act(dialog):
        fill(dialog)
        assert dialog.ok.isEnabled(), dialog.problem.text()
        return 1

    monkeypatch.setattr(ExportDialog, "exec", act)


def export(user):
    user.segment.models.manage.export.trigger()
    user.qtbot.waitUntil(lambda: not user.runner.busy, timeout=3 * LONG_MS)  # tracing takes long


def test_a_model_is_exported_in_the_background(user, monkeypatch, tmp_path):
    answer(monkeypatch, lambda dialog: user.choose(dialog.form, "TorchScript"))
    save_as(monkeypatch, tmp_path / "steel")
    export(user)
    assert any("have another class than the model" in line for line in user.heard), user.heard
    with torch.inference_mode():
        assert torch.jit.load(tmp_path / "steel.pt")(torch.zeros(1, 1, 64, 64)).shape[1] == 2


def test_authors_and_licence_of_a_package_are_asked_for(user, monkeypatch, tmp_path):
    def fill(dialog):
        user.choose(dialog.form, "Package")
        assert not dialog.ok.isEnabled()
        assert "names its authors" in dialog.problem.text()
        dialog.authors.setText("A. Nguyen; B. Phan")

    answer(monkeypatch, fill)
    save_as(monkeypatch, tmp_path / "steel")
    credits = Credits(("A. Nguyen", "B. Phan"), "CC-BY-4.0")
    asked = asked_export(user.segment.models.manage, user.segment.models.path)
    assert asked == ExportWish("bioimageio", tmp_path / "steel.zip", credits)


def test_a_file_that_cannot_be_written_gives_one_line(user, monkeypatch, tmp_path):
    answer(monkeypatch, lambda dialog: user.choose(dialog.form, "TorchScript"))
    (tmp_path / "steel.pt").mkdir()
    save_as(monkeypatch, tmp_path / "steel.pt")
    failed = []
    user.runner.started.connect(lambda job: job.failed.connect(failed.append))
    export(user)
    assert len(failed) == 1
    assert "steel.pt" in str(failed[0])


def test_authors_are_asked_for_packages_alone(qtbot):
    dialog = ExportDialog("steel")
    qtbot.addWidget(dialog)
    dialog.authors.setText("A. Nguyen")
    assert dialog.chosen == "onnx"
    assert dialog.credits == Credits()
    assert not dialog.authors.isEnabled()
    dialog.form.setCurrentText("Package of bioimage.io")
    assert dialog.credits == Credits(("A. Nguyen",), "CC-BY-4.0")


def entry(user, text):
    """Find an entry in the menu of the list of images."""
    menu = image_menu(user.session, [user.shown.name], lambda: None, user.micrographs)
    (formats,) = [one for one in menu.findChildren(QMenu) if one.title() == "Export all labels"]
    return next(one for one in formats.actions() if one.text() == text)


def test_labels_are_exported_as_coco(user, monkeypatch, tmp_path):
    save_as(monkeypatch, tmp_path / "all")
    entry(user, "COCO...").trigger()
    user.until(lambda: not user.runner.busy)
    content = json.loads((tmp_path / "all.json").read_text())
    assert [one["file_name"] for one in content["images"]] == [user.shown.name]
    assert content["annotations"]
    assert any("Labels of 1 of 1 images" in line for line in user.heard)


def test_labels_are_exported_as_labelme_and_none_is_replaced(user, tmp_path):
    out = tmp_path / "labelme"
    out.mkdir()
    user.answer_dialogs(out)
    failed = []
    user.runner.started.connect(lambda job: job.failed.connect(failed.append))
    for _ in range(2):
        entry(user, "LabelMe...").trigger()
        user.until(lambda: not user.runner.busy)
    (written,) = [path for path in out.iterdir() if path.name != "classes.json"]
    assert json.loads(written.read_text())["shapes"]
    assert [("is there already" in str(error)) for error in failed] == [True]
