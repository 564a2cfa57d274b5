"""The model picker: which models there are, and what their cards hold."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel
from safetensors.numpy import save_file

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.unbroken import UnbrokenClass
from napari_matssl.learn.card import CARD_KEY, EncoderCard, ModelCard, TrainingImage
from napari_matssl.learn.tensorfile import read_header
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.widgets.controls.card_view import local_time
from napari_matssl.widgets.controls.model_picker import ModelPicker
from napari_matssl.widgets.jobs.torch_start import start_torch

TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="ferrite", colour="#0072b2"),
        LabelClass(id=2, name="a<b & c", colour="#e69f00"),
        LabelClass(id=3, name="scratches", colour="#999999", exclude=True),
    )
)


def model(path: Path, day: int = 1, **changes) -> Path:
    facts = {
        "encoder": "resnet18",
        "channels": "grey",
        "intensity_scaling": IntensityScalingSettings(),
        "created": f"2025-03-{day:02d}T12:00:00+00:00",
        "start": "ImageNet",
        **changes,
    }
    encoder = changes.get("kind") == "encoder"
    card = EncoderCard(**facts) if encoder else ModelCard(**{"classes": TABLE, **facts})
    path.parent.mkdir(exist_ok=True)
    save_file({"w": np.zeros(1)}, path, metadata={CARD_KEY: card.model_dump_json()})
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def picker(qtbot, folder):
    return shown(qtbot, folder)


def shown(qtbot, folder):
    picker = ModelPicker()
    picker.set_folder(folder)
    qtbot.addWidget(picker)
    picker.resize(380, 400)
    picker.show()
    return picker


def listed(picker):
    return [picker.combo.itemText(i).split("  (")[0] for i in range(picker.combo.count())]


def texts(picker):
    return [label.text() for label in picker.findChildren(QLabel) if label.isVisible()]


def card_row(picker, name):
    row = picker._card._rows[name]
    return row.text() if row.isVisible() else None


def test_without_a_model_the_picker_shows_a_remedy(qtbot, picker, folder):
    assert picker.path is None
    assert picker.card is None
    assert texts(picker) == ["No model yet. Fine-tune one, or import a file."]
    assert not picker.show_in_folder.isEnabled()
    assert shown(qtbot, folder / "missing").path is None


def test_models_are_listed_newest_first_and_the_newest_is_chosen(qtbot, folder):
    model(folder / "old.safetensors", day=1)
    model(folder / "new.safetensors", day=9)
    model(folder / "middle.safetensors", day=5)
    model(folder / "pretrained.safetensors", kind="encoder")
    (folder / "notes.txt").write_text("no model")
    (folder / ".new-x1y2.safetensors").write_bytes(b"half written")
    picker = shown(qtbot, folder)
    assert listed(picker) == ["new", "middle", "old"]
    assert picker.path == folder / "new.safetensors"
    assert "2025-03-09" in picker.combo.currentText()


def test_a_damaged_file_is_listed_last_with_the_reason_and_cant_be_chosen(qtbot, folder):
    (folder / "broken.safetensors").write_bytes(b"rubbish")
    picker = shown(qtbot, folder)
    assert picker.path is None
    assert "No model yet" in texts(picker)[0]
    model(folder / "good.safetensors")
    picker.set_folder(folder)
    assert listed(picker) == ["good", "broken"]
    assert picker.path == folder / "good.safetensors"
    item = picker.combo.model().item(1)
    assert not item.isEnabled()
    assert "damaged" in item.data(Qt.ItemDataRole.ToolTipRole)
    with pytest.raises(InputError, match=r"broken\.safetensors is not in the list"):
        picker.select(folder / "broken.safetensors")
    assert picker.path == folder / "good.safetensors"


def test_tampered_files_of_every_kind_leave_the_good_model_usable(qtbot, folder):
    good = model(folder / "good.safetensors")
    card = json.loads(read_header(good).metadata[CARD_KEY])
    odd = {"scale": -1, "pixel_size_um": -1, "encoder": "a\nb", "created": "never"}
    for key, value in odd.items():
        text = json.dumps({**card, key: value})
        save_file({"w": np.zeros(1)}, folder / f"{key}.safetensors", metadata={CARD_KEY: text})
    text = json.dumps({**card, "metrics": {"loss": 1e400}, "painted_share": 1e400})
    save_file({"w": np.zeros(1)}, folder / "huge.safetensors", metadata={CARD_KEY: text})
    save_file({"w": np.zeros(1)}, folder / "deep.safetensors", metadata={CARD_KEY: "[" * 90_000})
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "folder.safetensors").mkdir()
    (folder / "bomb.pth").write_bytes(b"PK\x03\x04")
    picker = shown(qtbot, folder)
    assert picker.path == good
    names = {"good", *odd, "huge", "deep", "pipe", "folder", "bomb"}
    assert set(listed(picker)) == names
    for row in range(1, picker.combo.count()):
        item = picker.combo.model().item(row)
        assert not item.isEnabled()
        assert listed(picker)[row] in item.data(Qt.ItemDataRole.ToolTipRole), "the file is named"


def test_a_published_model_is_listed_and_imported_under_its_own_suffix(qtbot, folder, tmp_path):
    start_torch()  # triton, which torchvision would import, ends a process with Mesa's LLVM
    import segmentation_models_pytorch as smp
    import torch

    network = smp.UnetPlusPlus("resnet18", encoder_weights=None, classes=2)
    torch.save(network.state_dict(), tmp_path / "aachen.pth")
    picker = shown(qtbot, folder)
    picker.add_file(tmp_path / "aachen.pth")
    assert picker.path == folder / "aachen.pth"
    assert "class&nbsp;1" in card_row(picker, "Classes")


def test_the_card_is_described_in_plain_words(qtbot, folder):
    images = tuple(TrainingImage(name=f"field {n}.tif", sha256="0") for n in range(23))
    model(
        folder / "m.safetensors",
        pixel_size_um=0.05213,
        metrics={"loss": 0.12345, "val_miou": 0.8234},
        training_images=images,
        start="mine.safetensors: <ImageNet>",
    )
    picker = shown(qtbot, folder)
    classes = card_row(picker, "Classes")
    assert all(c.colour in classes for c in TABLE.classes)
    assert "ferrite" in classes
    assert "a&lt;b&nbsp;&amp;&nbsp;c" in classes
    assert "scratches&nbsp;(excluded)" in classes
    assert card_row(picker, "Pixel size") == "0.05213 µm/px"
    assert card_row(picker, "Score") == "mIoU 0.823"
    assert card_row(picker, "Training loss") == "0.123"
    assert card_row(picker, "Trained on") == "23 images"
    tooltip = picker._card._rows["Trained on"].toolTip()
    assert "field 19.tif" in tooltip
    assert "field 20.tif" not in tooltip
    assert "and 3 more" in tooltip
    assert card_row(picker, "Created") == local_time("2025-03-01T12:00:00+00:00")
    assert card_row(picker, "Encoder") == "resnet18"
    assert card_row(picker, "Start weights") == "mine.safetensors: &lt;ImageNet&gt;"


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0213, "1 image, 2.1 % painted"),
        (0.0004, "1 image, 0.04 % painted"),
        (0.8999, "1 image, 90 % painted"),
        (0.95, "1 image, nearly all painted"),
        (1.0, "1 image, painted all over"),
    ],
)
def test_the_card_shows_how_much_was_painted(qtbot, folder, share, said):
    image = (TrainingImage(name="a.tif", sha256="0"),)
    model(folder / "m.safetensors", painted_share=share, training_images=image)
    assert card_row(shown(qtbot, folder), "Trained on") == said


def test_the_card_names_unbroken_classes(qtbot, folder):
    rule = UnbrokenClass(class_id=TABLE.ids[0], inside=2, outside=1, images=2)
    model(folder / "m.safetensors", unbroken=(rule,))
    picker = shown(qtbot, folder)
    assert card_row(picker, "Unbroken") == TABLE.names[0]
    model(folder / "m.safetensors")
    assert card_row(shown(qtbot, folder), "Unbroken") is None


def test_what_a_card_lacks_is_marked_or_left_out(qtbot, folder):
    image = (TrainingImage(name="a.tif", sha256="0"),)
    model(folder / "m.safetensors", training_images=image)
    picker = shown(qtbot, folder)
    assert card_row(picker, "Pixel size") == "not calibrated"
    assert card_row(picker, "Score") == "no validation images"
    assert card_row(picker, "Training loss") is None
    assert card_row(picker, "Trained on") == "1 image"


def test_times_are_local_and_odd_ones_are_shown_as_they_stand():
    assert local_time("2025-03-01T12:00:00+00:00").startswith("2025-0")
    assert local_time("last Tuesday") == "last Tuesday"


def test_chosen_is_emitted_when_the_model_changes_and_only_then(qtbot, folder):
    first = model(folder / "first.safetensors", day=1)
    second = model(folder / "second.safetensors", day=2)
    picker = shown(qtbot, folder)
    said = []
    picker.chosen.connect(said.append)
    picker.combo.setFocus()
    qtbot.keyClick(picker.combo, Qt.Key.Key_Down)
    assert said == [first]
    assert picker.card.created.startswith("2025-03-01")
    picker.set_folder(folder)
    assert said == [first]  # kept, though not the newest
    picker.select(second)
    assert said == [first, second]
    second.unlink()
    picker.set_folder(folder)
    assert said == [first, second, first]
    picker.set_folder(None)
    assert said[-1] is None


def test_a_model_that_was_just_trained_can_be_selected(qtbot, picker, folder):
    path = model(folder / "new.safetensors")
    picker.select(path)
    assert picker.path == path
    model(path, training_images=(TrainingImage(name="a", sha256="0"),))  # trained again
    picker.select(path)
    assert card_row(picker, "Trained on") == "1 image"


def test_an_imported_file_is_copied_and_chosen(qtbot, picker, folder, tmp_path, monkeypatch):
    model(folder / "newer.safetensors", day=20)
    source = model(tmp_path / "elsewhere" / "gift.safetensors")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(source), ""))
    said = []
    picker.chosen.connect(said.append)
    picker.import_file.click()
    assert said == [folder / "gift.safetensors"]
    assert (folder / "gift.safetensors").read_bytes() == source.read_bytes()
    assert source.exists()
    assert sorted(p.name for p in folder.iterdir()) == ["gift.safetensors", "newer.safetensors"]
    picker.add_file(folder / "newer.safetensors")  # it is there already: no question
    assert said[-1] == folder / "newer.safetensors"


@pytest.mark.parametrize("yes", [False, True])
def test_a_file_of_the_same_name_is_replaced_only_if_the_user_agrees(qtbot, folder, tmp_path, yes):
    mine = model(folder / "m.safetensors", day=1)
    theirs = model(tmp_path / "theirs" / "m.safetensors", day=2)
    expected = (theirs if yes else mine).read_bytes()
    picker = shown(qtbot, folder)
    questions = []

    def answer():
        box = QApplication.activeModalWidget()
        questions.append(box.text())
        wanted = "Replace" if yes else "Cancel"
        next(b for b in box.buttons() if b.text().replace("&", "") == wanted).click()

    QTimer.singleShot(100, answer)
    picker.add_file(theirs)
    assert "already holds a model called m" in questions[0]
    assert mine.read_bytes() == expected
    assert picker.card.created.startswith("2025-03-02" if yes else "2025-03-01")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("encoder.safetensors", "holds an encoder; segmenter needed"),
        ("rubbish.safetensors", "damaged"),
        ("missing.safetensors", "There is no"),
    ],
)
def test_a_file_that_cant_be_imported_is_refused_in_a_line(picker, folder, tmp_path, name, line):
    model(tmp_path / "encoder.safetensors", kind="encoder")
    (tmp_path / "rubbish.safetensors").write_bytes(b"rubbish")
    picker.add_file(tmp_path / name)
    assert any(line in text for text in texts(picker))
    assert list(folder.iterdir()) == []
    picker.add_file(model(tmp_path / "good.safetensors"))
    assert not any(line in text for text in texts(picker))


def test_importing_needs_a_folder(qtbot, tmp_path):
    picker = shown(qtbot, None)
    picker.add_file(model(tmp_path / "good.safetensors"))
    assert any("no folder to import good.safetensors into" in text for text in texts(picker))
    picker.set_folder(tmp_path / "new")
    picker.add_file(tmp_path / "good.safetensors")
    assert picker.path == tmp_path / "new" / "good.safetensors"


def test_show_in_folder_opens_the_folder(qtbot, folder, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    model(folder / "m.safetensors")
    shown(qtbot, folder).show_in_folder.click()
    assert [Path(name) for name in opened] == [folder]


def test_long_names_dont_widen_the_panel(qtbot, folder):
    model(folder / f"{'very-long-name-' * 9}.safetensors", start="x" * 200)
    picker = shown(qtbot, folder)
    picker.add_file(folder / f"{'no-such-file-' * 9}.safetensors")
    assert picker.minimumSizeHint().width() <= 360
