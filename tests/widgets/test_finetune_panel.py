"""The panel Fine-tune: its jobs steered, broken and left alone while the user does other things."""

import gc
import weakref

import numpy as np
import pytest
from acting import User, painted_folder, tiny, write_model
from qtpy.QtCore import Qt

from napari_matssl.errors import OutputError
from napari_matssl.learn.card_files import read_card
from napari_matssl.project.folder import Project
from napari_matssl.settings import FinetuneSettings
from napari_matssl.widgets.canvas.shown import PREVIEW
from napari_matssl.widgets.jobs.torch_start import start_torch
from napari_matssl.widgets.shell import JobDock

ENDLESS = 100_000


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch):
    return User(make_napari_viewer, qtbot, monkeypatch)


@pytest.fixture
def painted(user, tmp_path, two_phases):
    """Somebody who has three painted images open, and a tiny network chosen."""
    user.open(painted_folder(tmp_path / "steel", two_phases))
    tiny(user)
    return user


def start_endless(user):
    """Start a run without an end and wait for its first steps; gives the steps as they come."""
    tiny(user, epochs=ENDLESS)
    steps = []
    user.begin(user.finetune.start)
    user.runner.job.progressed.connect(lambda p: steps.append(p.metrics.get("loss")))
    user.until(lambda: any(steps))
    return steps


def start_button_is_back(user):
    return user.finetune.start.isEnabled() and not user.job_bar._pause.isEnabled()


def test_an_image_that_is_excluded_is_not_trained_on_even_while_it_is_shown(painted):
    name = painted.shown.name
    painted.folder.set_excluded([name], excluded=True)
    assert painted.finetune.chosen == ("steel-1.tif", "steel-2.tif")
    painted.run(painted.finetune.start)
    (model,) = painted.project.models.files()
    assert name not in {one.name for one in read_card(model).training_images}
    painted.folder.set_excluded([name], excluded=False)
    assert name in painted.finetune.chosen


def test_two_windows_that_train_at_once_keep_a_model_each(painted):
    start_endless(painted)
    theirs = write_model(Project(painted.project.folder).models.new_path())
    before = theirs.read_bytes()
    painted.click(painted.job_bar._finish)
    painted.wait()
    assert theirs.read_bytes() == before
    assert {path.stem for path in painted.project.models.files()} == {"model-001", "model-002"}
    assert painted.finetune.outcome.text().startswith("model-002")


def test_a_run_that_goes_without_strokes_that_cant_be_saved_tells_so(painted):
    painted.shown.painted.data_setitem(
        (np.arange(9), np.arange(9)), 3 - painted.shown.painted.data[0, 0]
    )
    labels = painted.project.labels
    with pytest.MonkeyPatch.context() as patch:

        def full(*_given):
            raise OutputError("The disk is full.", "Free some space.")

        patch.setattr(type(labels), "write", full)
        painted.run(painted.finetune.start)
    told = [line for line in painted.heard if "goes without the strokes on steel-0.tif" in line]
    assert len(told) == 1
    assert "The disk is full." in told[0]


def test_a_model_is_listed_though_the_dock_that_asked_for_it_was_closed(painted):
    first, dock = painted.finetune, JobDock(painted.viewer, "Fine-tune")
    placed = painted.viewer.window.add_dock_widget(dock, name="Fine-tune")
    painted.finetune = dock.panel
    tiny(painted)
    painted.begin(dock.panel.start)
    painted.viewer.window.remove_dock_widget(placed)
    dock.deleteLater()
    painted.wait()
    (model,) = painted.project.models.files()
    texts = [first.start_from.list.itemText(row) for row in range(first.start_from.list.count())]
    assert f"Model: {model.stem}" in texts


def test_a_dock_that_is_opened_while_a_model_is_trained_shows_what_becomes_of_it(painted):
    start_endless(painted)
    dock = JobDock(painted.viewer, "Fine-tune")
    painted.viewer.window.add_dock_widget(dock, name="Fine-tune")
    painted.click(painted.job_bar._finish)
    painted.wait()
    (model,) = painted.project.models.files()
    assert dock.panel.outcome.text().startswith(model.name)
    assert dock.panel.start_from.model == model


# The buttons of the bar.


@pytest.mark.cell("Finish now in the window", "stopped early")
def stands_still(user, steps):
    """Whether no step follows the one that was running, however long that takes."""
    for _ in range(20):
        before = len(steps)
        user.qtbot.wait(500)
        if len(steps) == before:
            return True
    return False


def test_a_paused_run_stands_still_goes_on_and_finishes_with_a_model(painted):
    steps, bar = start_endless(painted), painted.job_bar
    assert not painted.finetune.start.isEnabled()
    assert "Fine-tuning is running" in painted.finetune.start.toolTip()
    painted.click(bar._pause)
    assert stands_still(painted, steps)
    before = len(steps)
    assert "Paused" in bar._status.text()
    painted.click(bar._pause)
    painted.until(lambda: len(steps) > before + 1)
    painted.click(bar._finish)
    painted.wait()
    assert not painted.error
    (model,) = painted.project.models.files()
    assert read_card(model).metrics["steps"] >= 2
    assert painted.finetune.start_from.model == model
    assert start_button_is_back(painted)


def test_no_point_of_the_curve_follows_finish_now(painted):
    """The share of a run that is finished early leaps to 1, where a straight line would go."""
    painted.finetune.validation.setValue(1)
    steps = start_endless(painted)
    series, before = painted.finetune.curves._series, len(steps)
    painted.until(lambda: len(series["loss"].x) > 1)
    painted.click(painted.job_bar._finish)
    points = series["loss"].x.tolist()
    painted.wait()
    assert not painted.error
    assert len(steps) > before
    assert series["loss"].x.tolist() == points
    assert not len(series["val_miou"].x)


def test_a_cancelled_run_leaves_no_model(painted):
    start_endless(painted)
    painted.cancel()
    painted.wait()
    assert painted.job_bar._status.text().startswith("Cancelled")
    assert painted.project.models.files() == ()
    assert painted.finetune.start_from.model is None
    assert painted.finetune.outcome.text() == ""
    assert start_button_is_back(painted)


# What goes wrong.


@pytest.mark.parametrize(
    ("message", "what", "remedy"),
    [
        ("CUDA out of memory. Tried to allocate 2 GiB", "Out of memory", "Close other programs"),
        ("conv2d: something odd", "conv2d: something odd", "The log holds the details"),
    ],
)
def test_a_runtime_error_of_torch_reaches_the_message_with_its_remedy(
    painted, message, what, remedy
):
    start_torch()
    from faulty_device import failing_after

    with failing_after(0, RuntimeError(message)):
        painted.run(painted.finetune.start)
    assert what in painted.error
    assert remedy in painted.error
    assert painted.project.models.files() == ()
    assert start_button_is_back(painted)
    painted.run(painted.finetune.start)
    assert not painted.error
    assert len(painted.project.models.files()) == 1


def test_a_painted_file_that_has_vanished_is_no_longer_trained_on(painted):
    painted.project.labels.path("steel-2.tif").unlink()
    painted.run(painted.finetune.start)
    assert not painted.error
    assert painted.finetune.chosen == ("steel-0.tif", "steel-1.tif")
    card = read_card(painted.project.models.files()[0])
    assert [image.name for image in card.training_images] == ["steel-0.tif", "steel-1.tif"]


def test_an_image_that_has_vanished_is_an_error_that_names_it(painted):
    (painted.project.folder / "steel-2.tif").unlink()
    painted.run(painted.finetune.start)
    assert "steel-2.tif" in painted.error
    assert start_button_is_back(painted)


def test_all_painted_files_vanished_is_reported_before_the_start(user, tmp_path, two_phases):
    folder = painted_folder(tmp_path / "steel", two_phases, count=2, painted=1)
    user.open(folder)
    user.current.show("steel-1.tif")
    tiny(user)
    user.project.labels.path("steel-0.tif").unlink()
    user.click(user.finetune.start)
    assert not user.runner.busy
    assert "Paint at least two classes" in user.heard[-1]


# What the user does meanwhile.


def test_a_preview_layer_that_is_deleted_does_not_disturb_the_run(painted):
    start_endless(painted)
    painted.until(lambda: PREVIEW in painted.names)
    painted.viewer.layers.remove(PREVIEW)
    painted.until(lambda: PREVIEW in painted.names)
    painted.finetune.preview.click()
    painted.qtbot.wait(400)  # one may be on its way
    painted.viewer.layers.remove(PREVIEW)
    painted.qtbot.wait(600)
    assert PREVIEW not in painted.names
    painted.click(painted.job_bar._finish)
    painted.wait()
    assert not painted.error


def test_another_image_that_is_shown_meanwhile_gets_the_preview(painted):
    previews = []
    start_endless(painted)
    painted.runner.job.progressed.connect(
        lambda p: p.preview is not None and previews.append(p.preview.image)
    )
    painted.until(lambda: bool(previews))
    assert set(previews) == {"steel-0.tif"}
    painted.press_key(Qt.Key.Key_D)
    assert PREVIEW not in painted.names
    painted.until(lambda: "steel-1.tif" in previews)
    painted.until(lambda: PREVIEW in painted.names)
    painted.cancel()
    painted.wait()


def test_a_run_ends_in_its_own_folder_whatever_is_open_by_then(painted, tmp_path, two_phases):
    first = painted.project
    start_endless(painted)
    painted.until(lambda: PREVIEW in painted.names)
    painted.open(painted_folder(tmp_path / "other", two_phases, painted=0))
    assert PREVIEW not in painted.names
    painted.qtbot.wait(4000)  # previews are made every 3 s
    assert PREVIEW not in painted.names, "a preview with the classes of another folder"
    painted.click(painted.job_bar._finish)
    painted.wait()
    assert not painted.error
    (model,) = first.models.files()
    assert painted.project.models.files() == ()
    assert painted.finetune.start_from.model is None
    assert painted.segment.models.path is None
    assert painted.finetune.outcome.text() == ""
    assert any(str(model) in line for line in painted.heard)
    painted.open(first.folder)
    assert painted.segment.models.path == model


def test_a_run_outlives_its_folder_being_closed(painted):
    first = painted.project
    start_endless(painted)
    assert painted.folder.close()
    painted.click(painted.job_bar._finish)
    painted.wait()
    assert not painted.error
    assert len(first.models.files()) == 1


def test_a_class_that_is_renamed_meanwhile_is_still_the_models(painted):
    start_endless(painted)
    (first, *_) = painted.project.classes.in_order
    painted.micrographs.classes.renamed.emit(first.id, "ferrite")
    painted.click(painted.job_bar._finish)
    painted.wait()
    assert first.name in read_card(painted.project.models.files()[0]).classes.names
    painted.run(painted.segment.start)
    assert not painted.error
    assert [one.name for one in painted.project.classes.in_order] == ["ferrite", "class 2"]
    assert set(np.unique(painted.project.masks.read("steel-0.tif"))) <= {1, 2}


def test_a_panel_that_is_closed_meanwhile_spoils_nothing(painted, make_napari_viewer):
    project, runner, failures = painted.project, painted.runner, []
    start_endless(painted)
    runner.job.failed.connect(failures.append)
    painted.viewer.window.remove_dock_widget(painted.dock)
    painted.shell.deleteLater()
    painted.qtbot.wait(50)
    runner.job.finish()
    painted.wait()
    assert failures == []
    assert len(project.models.files()) == 1


# What is chosen.


def test_too_little_paint_switches_the_start_off_with_the_reason(user, tmp_path, two_phases):
    user.open(painted_folder(tmp_path / "steel", two_phases, painted=1))
    panel = user.finetune
    assert panel.start.isEnabled()
    panel.images.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert not panel.start.isEnabled()
    assert "Paint at least two classes" in panel.start.toolTip()
    panel.images.item(0).setCheckState(Qt.CheckState.Checked)
    data = user.shown.painted.data.copy()
    data[data == 2] = 0
    data[:2, :30] = 2
    user.shown.painted.data = data
    user.until(lambda: "few, a stroke or two more" in panel.pixels.text())
    data = data.copy()
    data[data == 2] = 0
    user.shown.painted.data = data
    user.until(lambda: not panel.start.isEnabled())
    assert "class 2: 0 px: not painted" in panel.pixels.text()


def test_validation_images_give_curves_and_a_score(painted):
    panel = painted.finetune
    panel.validation.setValue(1)
    tiny(painted, epochs=3, validations=3)
    painted.run(panel.start)
    assert not painted.error
    for key in ("val_loss", "val_miou"):
        assert len(panel.curves._series[key].y) >= 1
    score = read_card(painted.project.models.files()[0]).metrics["val_miou"]
    assert f"validation mIoU {score:.3f}" in panel.outcome.text()
    assert len(read_card(painted.project.models.files()[0]).training_images) == 2


def test_the_number_of_validation_images_stays_as_it_was_chosen(user, tmp_path, two_phases):
    user.open(painted_folder(tmp_path / "steel", two_phases, count=6, painted=5))
    panel = user.finetune
    assert panel.validation.value() == 1
    panel.validation.setValue(0)
    user.current.show("steel-5.tif")
    user.shown.painted.data = np.full((96, 96), 1, np.uint8)
    user.until(lambda: len(panel.chosen) == 6)
    assert panel.validation.value() == 0
    assert panel.settings().val_fraction == 0
    user.open(painted_folder(tmp_path / "other", two_phases, count=5))
    assert panel.validation.value() == 1


def test_saved_settings_hold_the_start_and_the_validation_and_bring_them_back(painted, tmp_path):
    panel, file = painted.finetune, tmp_path / "settings.json"
    panel.validation.setValue(1)
    panel.form.save(file)
    written = FinetuneSettings.make(file=file)
    assert written == panel.settings()
    assert written.weights == "random"
    assert written.val_fraction == pytest.approx(1 / 3)
    painted.choose(panel.start_from.list, "ImageNet")
    panel.validation.setValue(2)
    panel.form.load(file)
    assert panel.start_from.list.currentText() == "Random weights"
    assert panel.validation.value() == 1


def test_the_preset_instant_is_chosen_in_the_form_and_makes_a_model_that_segments(painted):
    panel = painted.finetune
    painted.choose(panel.form._editors[("preset",)].control, "instant")
    assert panel.settings().architecture == "pixel-classifier"
    painted.run(panel.start)
    assert not painted.error
    assert "model-001.safetensors: fitted." in panel.outcome.text()
    assert panel.curves is None  # it would wait for a first step for ever
    (model,) = painted.project.models.files()
    assert read_card(model).architecture == "pixel-classifier"
    assert painted.segment.models.path == model
    painted.run(painted.segment.start)
    assert not painted.error
    mask, labels = (
        painted.project.masks.read("steel-0.tif"),
        painted.project.labels.read("steel-0.tif"),
    )
    assert (mask == labels).mean() > 0.9
    painted.run(panel.start)  # goes on from it
    assert not painted.error


def test_settings_with_weights_that_are_gone_are_reported_and_not_run(painted, tmp_path):
    panel, file = painted.finetune, tmp_path / "settings.json"
    gone = panel.settings().model_copy(update={"weights": str(tmp_path / "gone.safetensors")})
    gone.write(file)
    panel.form.load(file)
    assert "gone.safetensors" in panel.start_from.problem.text()
    assert panel.settings().weights == "random"


# Memory.


def test_after_four_runs_no_network_is_alive(painted):
    start_torch()
    from faulty_device import watched_networks

    networks, seen = weakref.WeakSet(), []

    def watch(module, _images):
        if type(module).__name__.endswith("UnetPlusPlus") and module not in networks:
            networks.add(module)
            seen.append(module.training)

    with watched_networks(watch):
        for _ in range(4):
            painted.run(painted.finetune.start)
            assert not painted.error
    assert len(painted.project.models.files()) == 4
    assert seen.count(True) >= 4
    gc.collect()
    assert not networks
