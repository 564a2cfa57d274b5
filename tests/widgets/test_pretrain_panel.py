"""The panel Pretrain: its notes before the start, and the encoder that comes of it."""

import pytest
from acting import TINY, User, painted_folder, write_model
from PIL import Image
from qtpy.QtCore import QPoint

from napari_matssl.learn.card_files import read_card
from napari_matssl.settings import PretrainSettings
from napari_matssl.widgets.panels.pretrain_estimate import GAINS, expectation


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch):
    """Somebody whose window is there, for patches are counted once the panel is looked at."""
    return User(make_napari_viewer, qtbot, monkeypatch, show=True)


@pytest.fixture
def ready(user, tmp_path, two_phases):
    user.open(painted_folder(tmp_path / "steel", two_phases, painted=0))
    user.look_at("Pretrain")
    user.pretrain.form.set_value("patch_size", 32)
    user.until(lambda: "patches" in user.pretrain.estimate.text())
    return user


def tiny_pretraining(user, **values):
    user.choose(user.pretrain.start_from.list, "Random")
    given = {"encoder": TINY, "view_size": 32, "batch_size": 8, "epochs": 1, "device": "cpu"}
    for name, value in {**given, **values}.items():
        user.pretrain.form.set_value(name, value)


def test_without_images_the_start_is_off_with_the_reason(user):
    user.look_at("Pretrain")
    assert not user.pretrain.start.isEnabled()
    assert "Open or add a folder" in user.pretrain.start.toolTip()


def test_it_counts_patches_and_estimates_minutes_or_epochs(ready):
    text = ready.pretrain.estimate.text()
    assert text.startswith("3 images give 27 patches of 32 px. The first run shows how many ")
    assert expectation() in text
    ready.pretrain.form.set_value("overlap", 0.5)
    assert "75 patches" in ready.pretrain.estimate.text()
    ready.pretrain.form.set_value("epochs", 50)
    assert "50 epochs: about " in ready.pretrain.estimate.text()
    assert "first guess" in ready.pretrain.estimate.text()
    ready.pretrain.form.set_value("encoder", TINY)
    assert "first run shows how fast" in ready.pretrain.estimate.text()


def test_what_to_expect_lists_every_run_that_was_measured():
    text = expectation()
    every = [gain for found in GAINS.values() for gain in found]
    assert all(f"{gain:+.1f}" in text for gain in every)
    assert f"by {sum(every) / len(every):+.1f} points of mIoU on average" in text


def test_more_folders_count_too_and_can_be_taken_off_again(ready, tmp_path, two_phases):
    panel = ready.pretrain
    assert not panel.folders.remove.isEnabled()
    other = painted_folder(tmp_path / "other", two_phases, count=1, painted=0)
    ready.answer_dialogs(other)
    ready.click(panel.folders.add)
    ready.until(lambda: "4 images give 36 patches" in panel.estimate.text())
    panel.folders.list.setCurrentRow(1)
    ready.click(panel.folders.remove)
    assert panel.estimate.text().startswith("3 images give 27 patches")


def test_an_image_that_cannot_be_read_is_named_where_the_patches_are_counted(ready):
    (ready.project.folder / "steel-1.tif").write_bytes(b"no image")
    ready.open(ready.project.folder)
    ready.until(lambda: "steel-1.tif" in ready.pretrain.estimate.text())


def test_an_image_that_cannot_be_used_is_left_out_and_named(ready):
    (ready.project.folder / "steel-1.tif").write_bytes(b"no image")
    Image.new("L", (96, 96), 7).save(ready.project.folder / "black.png")
    ready.open(ready.project.folder)
    ready.until(lambda: "2 left out:" in ready.pretrain.estimate.text())
    assert ready.pretrain.estimate.text().startswith("2 images give 18 patches")
    tiny_pretraining(ready)
    ready.run(ready.pretrain.start)
    assert not ready.error
    text = ready.pretrain.outcome.text()
    assert "encoder-001.safetensors: 1 epoch" in text
    assert "2 left out:" in text
    assert "black.png is constant" in text
    assert "steel-1.tif" in text


def test_an_excluded_image_is_not_pretrained_on(ready):
    names = ready.project.images.names
    ready.folder.set_excluded(names[:1], True)
    ready.until(lambda: ready.pretrain.estimate.text().startswith("2 images give 18 patches"))
    tiny_pretraining(ready)
    ready.run(ready.pretrain.start)
    card = read_card(ready.project.models.folder / "encoder-001.safetensors")
    assert card.metrics["steps"] == 18 // 8  # of 27 patches it would be 3
    ready.folder.set_excluded(names[:1], False)
    ready.until(lambda: ready.pretrain.estimate.text().startswith("3 images give 27 patches"))


def test_an_encoder_that_another_window_writes_meanwhile_is_not_replaced(ready):
    tiny_pretraining(ready)
    theirs = ready.project.models.folder / "encoder-001.safetensors"
    ready.click(ready.pretrain.start)
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_bytes(b"of another window")
    ready.until(lambda: "encoder-002.safetensors: 1 epoch" in ready.pretrain.outcome.text())
    assert theirs.read_bytes() == b"of another window"


def test_a_run_makes_an_encoder_that_both_panels_offer_as_a_start(ready):
    tiny_pretraining(ready)
    model = write_model(ready.project.models.folder / "model-001.safetensors")
    ready.session.models_changed.emit()
    ready.run(ready.pretrain.start)
    assert not ready.error
    encoder = ready.project.models.folder / "encoder-001.safetensors"
    card = read_card(encoder)
    assert (card.kind, card.encoder, card.metrics["epochs"]) == ("encoder", TINY, 1)
    assert "encoder-001.safetensors: 1 epoch" in ready.pretrain.outcome.text()
    assert "by an earlier run" in ready.pretrain.estimate.text()
    assert ready.segment.models.path == model
    for panel in (ready.finetune, ready.pretrain):
        panel.form.set_value("encoder", "resnet50")
        ready.choose(panel.start_from.list, "Encoder: encoder-001")
        settings = panel.settings()
        assert (settings.encoder, settings.weights) == (TINY, str(encoder))
        panel.form.set_value("preset", "paper")
        assert panel.settings().encoder == TINY, "the network that the file holds"
        assert panel.settings().batch_size == 128


def test_fields_begin_at_the_same_place(ready):
    for panel in (ready.pretrain, ready.finetune):
        ready.look_at("Pretrain" if panel is ready.pretrain else "Fine-tune")
        fields = [panel.start_from, panel.form._editors["preset",]]
        assert len({field.mapTo(panel, QPoint(0, 0)).x() for field in fields}) == 1
        assert panel.start.width() > 0.9 * panel.form.width(), "buttons that start are as wide"


def stop(user, how):
    """Stop once two epochs are over, by a method of the job."""
    epochs = []
    user.begin(user.pretrain.start)
    job = user.runner.job
    job.progressed.connect(lambda progress: epochs.append(progress.metrics.get("epoch", 0)))
    user.until(lambda: max(epochs, default=0) > 2)
    getattr(job, how)()
    user.wait()


def test_a_run_that_was_finished_early_goes_on_with_its_own_settings(ready):
    assert ready.pretrain.go_on.isHidden()
    tiny_pretraining(ready, epochs=200)
    stop(ready, "finish")
    curves = ready.pretrain.curves
    ready.until(lambda: curves._series["loss"].curve.getOriginalDataset()[0] is not None)
    assert curves.isVisible(), "it stays after the run"
    folder = ready.project.models.folder
    assert read_card(folder / "encoder-001.safetensors").metrics["epochs"] < 200
    assert ready.pretrain.go_on.text() == "Go on with encoder-001"
    assert [path.name for path in ready.project.models.files()] == ["encoder-001.safetensors"]
    state = folder / "encoder-001.checkpoint.safetensors"
    before = read_card(state, "checkpoint").step
    ready.pretrain.form.set_value("epochs", 1)
    ready.begin(ready.pretrain.go_on)
    ready.until(lambda: read_card(state, "checkpoint").step > before)
    ready.runner.job.finish()
    ready.wait()
    assert not ready.error
    card = read_card(folder / "encoder-001.safetensors")
    assert card.settings["epochs"] == 200
    assert card.metrics["steps"] > before
    assert ready.project.models.new_path("encoder").stem == "encoder-002"


def test_a_run_that_was_cancelled_leaves_nothing_to_go_on_from(ready):
    tiny_pretraining(ready, epochs=200)
    stop(ready, "cancel")
    assert not list(ready.project.models.folder.glob("*.safetensors"))
    assert ready.pretrain.go_on.isHidden()


def test_saved_settings_hold_the_start_weights(ready, tmp_path):
    tiny_pretraining(ready)
    file = tmp_path / "settings.json"
    ready.pretrain.form.save(file)
    assert PretrainSettings.make(file=file) == ready.pretrain.settings()
    assert PretrainSettings.make(file=file).weights == "random"
    ready.choose(ready.pretrain.start_from.list, "ImageNet")
    ready.pretrain.form.load(file)
    assert ready.pretrain.start_from.list.currentText() == "Random weights"


def test_too_few_patches_are_an_error_with_a_remedy(user, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    Image.effect_noise((64, 64), 40).save(folder / "a.png")
    user.open(folder)
    user.look_at("Pretrain")
    user.until(lambda: "1 image gives 1 patch of 256 px." in user.pretrain.estimate.text())
    user.run(user.pretrain.start)
    assert "at least 2 are needed" in user.error
    assert user.pretrain.start.isEnabled()
