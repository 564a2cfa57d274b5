"""The panel Segment: what a model finds, shown, cleaned, kept and corrected."""

import shutil

import numpy as np
import pytest
import tifffile
from acting import User, painted_folder, write_model
from limits import largest_file
from qtpy.QtCore import Qt
from typer.testing import CliRunner

from napari_matssl.cli import app
from napari_matssl.measure.cleaning import clean_mask
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.reading import read_pixels
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning, Size
from napari_matssl.widgets.canvas.maps import UNCERTAINTY
from napari_matssl.widgets.canvas.setting_facts import set_pixel_size
from napari_matssl.widgets.canvas.shown import PAINTED, SEGMENTATION
from napari_matssl.widgets.shell import JobDock


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch):
    return User(make_napari_viewer, qtbot, monkeypatch)


def folder_with_model(folder, two_phases, names=("class 1", "class 2"), side=96, **facts):
    painted_folder(folder, two_phases, painted=0, side=side)
    write_model(folder / "matssl" / "models" / "model-001.safetensors", names, **facts)
    return folder


@pytest.fixture
def ready(user, tmp_path, two_phases):
    """Somebody who has three images and a model."""
    user.open(folder_with_model(tmp_path / "steel", two_phases))
    return user


@pytest.fixture
def paused(user, tmp_path, two_phases):
    """Somebody who is segmenting all images, and paused amid the first."""
    user.open(folder_with_model(tmp_path / "steel", two_phases, side=512))
    user.segment.form.set_value("tile", 32)
    user.segment.form.set_value("tile_overlap", 0)
    user.choose(user.segment.target, "All images")
    user.begin(user.segment.start)
    user.until(lambda: SEGMENTATION in user.names)
    user.click(user.job_bar._pause)
    assert user.project.masks.read("steel-0.tif") is None, "too fast to be paused amid an image"
    return user


def test_the_start_is_off_with_the_reason_until_there_are_images_and_a_model(
    user, tmp_path, two_phases
):
    panel = user.segment
    assert not panel.start.isEnabled()
    user.open(painted_folder(tmp_path / "steel", two_phases, painted=0))
    assert panel.start.toolTip() == "Fine-tune a model first, or import one."
    model = write_model(tmp_path / "elsewhere.safetensors")
    user.answer_dialogs(model)
    user.click(panel.models.import_file)
    assert panel.models.path == user.project.models.folder / "elsewhere.safetensors"
    assert panel.start.isEnabled()


def test_all_images_can_be_segmented_while_none_is_shown(ready):
    """Somebody has deleted the layer of the image, and so closed it."""
    ready.viewer.layers.remove(ready.shown.image)
    ready.until(lambda: ready.shown is None)
    assert ready.segment.start.toolTip() == "No image is shown: choose one in the list of images."
    ready.choose(ready.segment.target, "All images")
    ready.click(ready.segment.start)
    ready.until(lambda: all(ready.project.masks.has(n) for n in ready.project.images.names))


@pytest.mark.parametrize("info_bar", ["auto", "none"])
def test_masks_are_those_of_the_command_line(user, tmp_path, two_phases, info_bar):
    folder = folder_with_model(tmp_path / "steel", two_phases, side=150)
    for path in folder.glob("*.tif"):
        pixels = read_pixels(path)
        pixels[130:] = 0
        pixels[133:138, 20:60:2] = 255
        tifffile.imwrite(path, pixels)
    model = folder / "matssl" / "models" / "model-001.safetensors"
    user.open(folder)
    assert user.shown.micrograph.info_bar is not None
    user.segment.form.set_value("info_bar", info_bar)
    user.choose(user.segment.target, "All images")
    user.run(user.segment.start)
    assert not user.error
    out = tmp_path / "out"
    command = ["predict", model, folder, "--out", out, "--no-overlay", "--info-bar", info_bar]
    assert CliRunner().invoke(app, list(map(str, command))).exit_code == 0
    for path in folder.glob("*.tif"):
        theirs = read_pixels(out / f"{path.stem}_mask.png")
        assert user.project.masks.read(path.name).tobytes() == theirs.tobytes()
        assert (theirs[130:] == 0).all() == (info_bar == "auto")


def test_the_shown_image_is_segmented_alone_and_below_its_strokes(ready):
    ready.run(ready.segment.start)
    assert not ready.error
    assert ready.segment.outcome.text() == "1 image segmented."
    mask = ready.project.masks.read("steel-0.tif")
    assert np.array_equal(ready.viewer.layers[SEGMENTATION].data, mask)
    assert ready.project.masks.read("steel-1.tif") is None
    assert ready.names[-2:] == [SEGMENTATION, PAINTED]
    assert ready.viewer.layers.selection.active.name == PAINTED


def test_a_mask_of_another_window_is_reported_when_it_is_replaced(ready):
    told = []
    ready.notices.remarked.connect(told.append)
    other = Project(ready.project.folder)
    height, width = ready.shown.painted.data.shape
    other.masks.write("steel-0.tif", np.ones((height, width), np.uint8))
    ready.run(ready.segment.start)
    assert not ready.error
    assert len([line for line in told if "steel-0.tif: another window" in line]) == 1
    assert np.array_equal(
        ready.viewer.layers[SEGMENTATION].data, ready.project.masks.read("steel-0.tif")
    )


def test_classes_of_the_model_that_are_new_are_added_and_keep_their_names(
    user, tmp_path, two_phases
):
    names = ("pore", "class 1")
    user.open(folder_with_model(tmp_path / "steel", two_phases, names))
    user.segment.probabilities.setChecked(True)
    # A second look evens out what a random model is sure of.
    user.enter(user.segment.form, magnifications="one")
    user.run(user.segment.start)
    assert not user.error
    ids = {one.name: one.id for one in user.project.classes.in_order}
    assert list(ids) == ["class 1", "class 2", "pore"]
    mask = user.project.masks.read("steel-0.tif")
    assert set(np.unique(mask)) <= {ids["pore"], ids["class 1"]}
    surer = user.viewer.layers["probability: pore"].data > 0.6
    assert surer.any()
    assert (mask[surer] == ids["pore"]).all()


@pytest.mark.parametrize(
    ("um", "warning"),
    [(0.15, ""), (0.19, ""), (0.25, "less reliable"), (0.04, "less reliable"), (None, "calibrat")],
)
def test_it_warns_of_another_magnification_than_the_models(user, tmp_path, two_phases, um, warning):
    user.open(folder_with_model(tmp_path / "steel", two_phases, pixel_size_um=0.1))
    set_pixel_size(user.current, None if um is None else PixelSize(um, um, "set by hand"))
    label = user.segment.warning
    assert warning in label.text()
    assert label.isHidden() == (warning == "")


def test_probabilities_and_uncertainty_lie_on_the_image_and_go_with_the_next_run(ready):
    set_pixel_size(ready.current, PixelSize(0.2, 0.3, "set by hand"))
    ready.segment.probabilities.setChecked(True)
    ready.run(ready.segment.start)
    assert not ready.error
    maps = ["probability: class 1", "probability: class 2", UNCERTAINTY]
    values = []
    for name in maps:
        layer = ready.viewer.layers[name]
        assert layer.data.shape == (96, 96)
        assert tuple(layer.scale) == (0.3, 0.2)
        assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
        values.append(layer.data)
    assert np.allclose(values[0] + values[1], 1, atol=0.01)
    assert [ready.viewer.layers[name].visible for name in maps] == [False, False, True]
    ready.segment.probabilities.setChecked(False)
    ready.run(ready.segment.start)
    assert not {*maps} & {*ready.names}, "what the run before thought"


# The result.


def speckled():
    mask = np.ones((96, 96), np.uint8)
    mask[:5, 10:15] = 2  # 25 px at the edge, so no hole
    mask[40:80, 40:80] = 2
    mask[50:56, 50:56] = 1  # a hole of 36 px
    return mask


def test_cleaning_is_live_keeps_what_was_found_and_stays_with_the_folder(ready, tmp_path):
    mask, editor = speckled(), ready.segment.editor
    ready.project.masks.write("steel-0.tif", mask)
    ready.session.results.take_over("steel-0.tif", mask)
    layer = ready.viewer.layers[SEGMENTATION]
    editor.sizes.region.slider.setValue(30)
    ready.until(lambda: layer.data[2, 12] == 1)
    assert layer.data[52, 52] == 1
    editor.sizes.hole.slider.setValue(40)
    ready.until(lambda: layer.data[52, 52] == 2)
    assert np.array_equal(
        layer.data,
        clean_mask(
            mask, ready.project.classes.table, Cleaning(smallest_region=30, largest_hole=40)
        ),
    )
    assert np.array_equal(ready.project.masks.read("steel-0.tif"), mask)
    editor.sizes.region.slider.setValue(0)
    ready.until(lambda: layer.data[2, 12] == 2)
    folder = ready.project.folder
    other = shutil.copytree(folder, tmp_path / "other", ignore=shutil.ignore_patterns("matssl"))
    ready.open(other)
    assert editor.cleaning == Cleaning()
    ready.open(folder)
    assert editor.cleaning == Cleaning(largest_hole=40)
    assert ready.viewer.layers[SEGMENTATION].data[52, 52] == 2


def test_sizes_that_cant_be_kept_are_not_shown_as_if_they_were(ready):
    editor = ready.segment.editor
    with largest_file(0):
        editor.sizes.region.slider.setValue(30)
        ready.until(lambda: len(ready.heard) == 1)
    ready.until(lambda: editor.cleaning == Cleaning())
    assert editor.sizes.region.slider.value() == 0
    assert ready.project.masks.cleaning == Cleaning()
    editor.sizes.region.slider.setValue(20)
    ready.until(lambda: ready.project.masks.cleaning == Cleaning(smallest_region=20))
    assert editor.cleaning == Cleaning(smallest_region=20)


def test_a_result_is_copied_into_the_strokes_and_taken_back(ready):
    editor = ready.segment.editor
    assert not editor.copy.isEnabled()
    assert editor.copy.toolTip() == "Segment this image first."
    ready.run(ready.segment.start)
    ready.click(editor.copy)
    assert np.array_equal(ready.shown.painted.data, ready.project.masks.read("steel-0.tif"))
    ready.press_key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not ready.shown.painted.data.any()


# Other images.


def test_another_folder_gets_masks_and_tables(ready, tmp_path, two_phases):
    other = painted_folder(tmp_path / "other", two_phases, count=2, painted=0)
    ready.answer_dialogs(other)
    ready.choose(ready.segment.target, "Another folder")
    ready.segment.editor.sizes.region.slider.setValue(20)
    ready.run(ready.segment.start)
    assert not ready.error
    out = other / "matssl" / "results"
    assert str(out) in ready.segment.outcome.text()
    assert not ready.segment.show_results.isHidden()
    assert {"phases.csv", "summary.csv", "steel-0_mask.png"} <= {p.name for p in out.iterdir()}
    mask = read_pixels(out / "steel-1_mask.png")
    assert np.array_equal(
        mask, clean_mask(mask, ready.project.classes.table, Cleaning(smallest_region=20))
    )
    assert SEGMENTATION not in ready.names
    assert ready.project.masks.read("steel-0.tif") is None


def test_sizes_of_a_class_that_was_renamed_are_taken_for_another_folder(ready):
    model = ready.segment.models.card.classes
    ready.project.classes.rename(1, "ferrite")
    editor, wanted = ready.segment.editor, Cleaning().with_sizes(1, smallest_region=Size(value=30))
    editor.sizes.set_cleaning(wanted)
    theirs = model.ids[model.names.index("class 1")]
    assert editor.cleaning_by(model) == wanted.renumbered({1: theirs})
    assert editor.cleaning_by(model) != Cleaning()


def test_a_plane_of_a_users_stack_gets_its_result_on_its_own_grid(ready, two_phases):
    stack = np.stack([two_phases(seed, (64, 80)).micrograph.pixels for seed in (7, 8, 9)])
    layer = ready.viewer.add_image(
        stack, name="series", scale=(1, 0.5, 0.25), translate=(0, 3, 4), units="um"
    )
    ready.viewer.dims.set_current_step(0, 1)
    ready.viewer.layers.selection.active = layer
    ready.click(ready.micrographs.opening.add_layer)
    assert ready.shown.name.startswith("series")
    ready.run(ready.segment.start)
    assert not ready.error
    result = ready.viewer.layers[SEGMENTATION]
    assert result.data.shape == (64, 80)
    assert tuple(result.scale) == (0.5, 0.25)
    assert tuple(result.translate) == (3, 4)
    assert result.units == layer.units[-2:]
    assert np.array_equal(read_pixels(ready.project.images.path(ready.shown.name)), stack[1])
    assert layer in ready.viewer.layers


# What the user does meanwhile.


@pytest.mark.cell("All images in the window", "stopped early")
@pytest.mark.parametrize("how", ["cancel", "finish"])
def test_stopping_amid_an_image_leaves_no_piece_of_a_result(paused, how):
    pieces = paused.viewer.layers[SEGMENTATION].data
    assert pieces.any()
    assert not pieces.all()
    if how == "cancel":
        paused.cancel()
    else:
        paused.click(paused.job_bar._finish)
    paused.wait()
    assert SEGMENTATION not in paused.names
    assert not paused.segment.editor.copy.isEnabled()


@pytest.mark.cell("All images in the window", "stopped late")
def test_finishing_amid_the_second_image_keeps_the_first(paused):
    paused.click(paused.job_bar._pause)
    paused.until(lambda: paused.project.masks.read("steel-0.tif") is not None)
    paused.click(paused.job_bar._finish)
    paused.wait()
    assert not paused.error
    whole = paused.project.masks.read("steel-0.tif")
    assert np.array_equal(paused.viewer.layers[SEGMENTATION].data, whole)
    assert paused.project.masks.read("steel-2.tif") is None


def test_deleting_the_layer_that_is_filled_in_does_not_disturb_the_run(paused):
    paused.viewer.layers.remove(SEGMENTATION)
    paused.click(paused.job_bar._pause)
    paused.until(lambda: paused.project.masks.read("steel-0.tif") is not None)
    paused.until(lambda: SEGMENTATION in paused.names and paused.shown.mask is not None)
    whole = paused.project.masks.read("steel-0.tif")
    assert np.array_equal(paused.viewer.layers[SEGMENTATION].data, whole)
    paused.cancel()
    paused.wait()
    assert not paused.error


def test_masks_go_to_the_folder_they_were_started_in(paused, tmp_path, two_phases):
    first = paused.project
    paused.open(painted_folder(tmp_path / "other", two_phases, painted=0, side=512))
    assert SEGMENTATION not in paused.names
    paused.click(paused.job_bar._pause)
    paused.until(lambda: first.masks.read("steel-0.tif") is not None)
    paused.qtbot.wait(100)
    assert SEGMENTATION not in paused.names, "a mask of another folder"
    assert paused.shown.mask is None
    paused.cancel()
    paused.wait()
    assert not any(paused.project.masks.has(name) for name in paused.project.images.names)
    paused.open(first.folder)
    assert paused.shown.mask is not None


def test_a_panel_that_is_closed_meanwhile_leaves_the_run_alone(paused):
    project, runner, failures = paused.project, paused.runner, []
    runner.job.failed.connect(failures.append)
    paused.viewer.window.remove_dock_widget(paused.dock)
    paused.shell.deleteLater()
    paused.qtbot.wait(50)
    runner.job.resume()
    paused.until(lambda: project.masks.read("steel-1.tif") is not None)
    runner.job.cancel()
    paused.wait()
    assert failures == []


def test_what_a_dock_has_asked_for_is_shown_though_it_was_closed(user, tmp_path, two_phases):
    user.open(folder_with_model(tmp_path / "steel", two_phases))
    dock = JobDock(user.viewer, "Segment")
    placed = user.viewer.window.add_dock_widget(dock, name="Segment")
    user.choose(dock.panel.target, "All images")
    user.begin(dock.panel.start)
    user.viewer.window.remove_dock_widget(placed)
    dock.deleteLater()
    user.wait()
    whole = user.project.masks.read("steel-0.tif")
    assert np.array_equal(user.shown.mask, whole)
    assert np.array_equal(user.viewer.layers[SEGMENTATION].data, whole)
    rows = user.micrographs.table.model()
    assert all(rows.index(row, 1).data().startswith("segmented") for row in range(3))
