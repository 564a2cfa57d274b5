"""Panoramas in the window; what counts as one is made small here."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from acting import User, tiny, write_model, write_strokes

from napari_matssl.errors import InputError
from napari_matssl.export.outputs import Outputs
from napari_matssl.labels import sparse_ids
from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.learn import inference
from napari_matssl.measure import mask_regions
from napari_matssl.measure.cleaning import clean_mask
from napari_matssl.micrograph import reading_panorama
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.reading import read_pixels
from napari_matssl.micrograph.reading_panorama import read_any
from napari_matssl.progress import drain
from napari_matssl.project import panorama_parts
from napari_matssl.settings import Cleaning
from napari_matssl.tasks.measuring.export_measured import existing_tables, export_measured
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.project_meter import ProjectMeter
from napari_matssl.widgets.canvas import painting_area
from napari_matssl.widgets.canvas.own_strokes import KnownParts
from napari_matssl.widgets.canvas.painting_area import ELSEWHERE
from napari_matssl.widgets.canvas.shown import PAINTED, PREVIEW, SEGMENTATION
from napari_matssl.widgets.napari_private import scene_of

SIZE = (280, 180)
UM = 0.5
NAME = "large.tif"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 40_000)
    monkeypatch.setattr(painting_area, "SIDE", 90)
    monkeypatch.setattr(panorama_parts, "SIDE", 60)
    monkeypatch.setattr(sparse_ids, "_BAND", 5000)


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch):
    return User(make_napari_viewer, qtbot, monkeypatch)


@pytest.fixture
def folder(tmp_path, two_phases):
    """A panorama, an ordinary image, and a model."""
    folder = tmp_path / "steel"
    folder.mkdir()
    for name, size, seed in ((NAME, SIZE, 1), ("small.tif", (96, 96), 2)):
        painted = two_phases(seed, size)
        unit = {"resolution": (1 / UM, 1 / UM), "metadata": {"unit": "um"}}
        tifffile.imwrite(folder / name, painted.micrograph.pixels, imagej=True, **unit)
    write_model(folder / "matssl" / "models" / "model-001.safetensors")
    return folder


def read(folder, name=NAME):
    return tifffile.imread(folder / name)


@pytest.fixture
def ready(user, folder):
    """Somebody who looks at the panorama, of which all has been looked through."""
    user.open(folder)
    assert user.shown.name == NAME
    user.until(lambda: user.shown.micrograph.info_bar is None and not looking(user))
    return user


def looking(user):
    return user.current._looking._shown is not None


def look_at(user, row, column, zoom=4.0):
    """Bring a pixel of the panorama into the middle of the view."""
    camera = scene_of(user.viewer).camera
    camera.center = (*camera.center[:-2], row * UM, column * UM)
    camera.zoom = zoom / UM
    painting = user.shown.painting

    def there():
        return (
            all(
                part.start <= at < part.stop
                for part, at in zip(painting.area, (row, column), strict=True)
            )
            and user.shown.autosave.settled
        )

    user.until(there)


def paint(user, row, column, class_id, length=30):
    """Paint a line at a place of the panorama, which has to lie in the area."""
    top, left = user.shown.painting.top_left
    layer = user.shown.painted
    layer.brush_size = 5
    for step in range(0, length, 3):
        layer.paint((row - top, column - left + step), class_id)
    user.until(lambda: user.shown.autosave.settled)


def on_disk(folder):
    return read_pixels(folder / "matssl" / "labels" / "large.png")


def test_parts_that_were_read_for_a_live_preview_follow_page_and_pixel_size(folder):
    known, area = KnownParts(), (slice(0, 60), slice(30, 90))
    panorama, ids = read_any(folder / NAME), np.ones((60, 60), np.uint8)
    first = known.of(panorama, area, ids)
    assert known.of(panorama, area, ids) is first
    coarse = PixelSize(2.0, 2.0, "set by hand")
    other = known.of(replace(panorama, pixel_size=coarse), area, ids)
    assert other.micrograph.pixel_size == coarse
    assert known.of(replace(panorama, page=2), area, ids).micrograph.page == 2


def test_a_panorama_is_shown_by_parts_with_its_scale_and_contrast(ready, folder):
    image, pixels = ready.shown.image, read(folder)
    assert image.multiscale
    assert tuple(image.scale) == (UM, UM)
    assert [level.shape for level in image.data] == [SIZE, (70, 45), (18, 12)]
    np.testing.assert_array_equal(image.data[0][100:110, 20:40], pixels[100:110, 20:40])
    low, high = image.contrast_limits
    assert pixels.min() <= low < 70 < 180 < high <= pixels.max()
    np.testing.assert_allclose(image.data[1].mean(), pixels.mean(), atol=2)


def test_strokes_are_kept_in_the_panoramas_place_and_seen_from_elsewhere(ready, folder):
    look_at(ready, 240, 130)
    paint(ready, 240, 130, 1)
    look_at(ready, 40, 40)
    assert not ready.shown.painted.data.any()
    paint(ready, 40, 40, 2)
    ids = on_disk(folder)
    assert ids.shape == SIZE
    assert ids[240, 145] == 1
    assert ids[40, 55] == 2
    assert np.count_nonzero(ids == 1) == np.count_nonzero(ids == 2) > 100
    elsewhere = ready.viewer.layers[ELSEWHERE].data[0]
    assert elsewhere[240, 145] == 1
    assert elsewhere[40, 55] == 0, "it is in the painted layer"
    assert ready.session.palette.painted_pixels() == {
        value: np.count_nonzero(ids == value) for value in (1, 2)
    }
    look_at(ready, 240, 130)
    top, left = ready.shown.painting.top_left
    assert ready.shown.painted.data[240 - top, 145 - left] == 1
    np.testing.assert_allclose(ready.shown.painted.translate, (top * UM, left * UM))


def test_undo_takes_no_stroke_back_that_lies_elsewhere(ready, folder):
    look_at(ready, 240, 130)
    paint(ready, 240, 130, 1)
    look_at(ready, 40, 40)
    ready.shown.painted.undo()
    assert not ready.shown.painted.data.any()
    assert on_disk(folder)[240, 145] == 1


def test_strokes_are_there_after_stepping_to_another_image_and_back(ready, folder):
    look_at(ready, 240, 130)
    paint(ready, 240, 130, 1)
    assert ready.current.show("small.tif")
    assert ELSEWHERE not in ready.names
    assert ready.current.show(NAME)
    look_at(ready, 240, 130)
    top, left = ready.shown.painting.top_left
    assert ready.shown.painted.data[240 - top, 145 - left] == 1


def test_strokes_of_another_window_are_joined(ready, folder):
    look_at(ready, 240, 130)
    theirs = np.zeros(SIZE, np.uint8)
    theirs[40:50, 40:50] = 2
    theirs[210:220, 150:160] = 2
    write_strokes(folder, NAME, theirs)
    paint(ready, 240, 130, 1)
    ids = on_disk(folder)
    assert ids[45, 45] == ids[215, 155] == 2
    assert ids[240, 145] == 1
    top, left = ready.shown.painting.top_left
    assert ready.shown.painted.data[215 - top, 155 - left] == 2


def test_what_was_looked_through_is_kept_once_somebody_has_painted(ready, folder, user):
    kept = folder / "matssl" / "panoramas" / "large.npz"
    assert kept.is_file()  # the folder has a model, so it is a project
    kept_at = kept.stat().st_mtime_ns
    before = ready.shown.micrograph
    assert ready.folder.open([folder])
    assert not looking(ready)
    after = ready.shown.micrograph
    assert after is not before
    np.testing.assert_array_equal(after.sample.pixels, before.sample.pixels)
    assert kept.stat().st_mtime_ns == kept_at
    kept.write_bytes(b"damaged")
    assert ready.folder.open([folder])
    ready.until(lambda: not looking(ready))
    np.testing.assert_array_equal(ready.shown.micrograph.sample.pixels, before.sample.pixels)


def test_the_mask_is_that_of_the_image_whole_and_lies_below_the_strokes(ready, folder, monkeypatch):
    ready.run(ready.segment.start)
    assert not ready.error
    ready.until(lambda: SEGMENTATION in ready.names)
    project = ready.project
    path = project.masks.path(NAME)
    assert path.name == "large.tif"
    assert not project.masks.growing_path(NAME).exists()
    mask = read_pixels(path)
    assert ready.names[-3:] == [SEGMENTATION, ELSEWHERE, PAINTED]
    shown = ready.viewer.layers[SEGMENTATION].data
    np.testing.assert_array_equal(shown[0][90:210, 20:170], mask[90:210, 20:170])
    np.testing.assert_array_equal(shown[1][:], mask[::4, ::4])
    np.testing.assert_array_equal(shown[2][:], mask[::16, ::16])
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 1 << 26)
    ready.segment.form.set_value("detached_components", "keep")
    assert ready.folder.open([folder])
    project.masks.path(NAME).unlink()
    ready.run(ready.segment.start)
    np.testing.assert_array_equal(ready.project.masks.read(NAME), mask)


def test_a_stopped_run_is_gone_on_with(ready, folder, monkeypatch):
    monkeypatch.setattr(inference, "_BAND", 2000)
    ready.segment.form.set_value("tile", 32)
    ready.segment.form.set_value("tile_overlap", 0)
    ready.begin(ready.segment.start)
    growing = ready.project.masks.growing_path(NAME)
    ready.until(lambda: growing.is_file() and growing.stat().st_size > 40 * SIZE[1])
    ready.until(lambda: SEGMENTATION in ready.names)
    ready.click(ready.job_bar._finish)
    ready.until(lambda: not ready.runner.busy)
    done = growing.stat().st_size // SIZE[1]
    assert 40 <= done < SIZE[0], "too fast to be stopped"
    assert "What is done of large.tif is kept" in ready.segment.outcome.text()
    assert SEGMENTATION not in ready.names
    first = np.frombuffer(growing.read_bytes(), np.uint8, 40 * SIZE[1])
    first = ready.segment._run.run.ids[first]  # it grows in the ids of the model
    ready.run(ready.segment.start)
    assert not growing.exists()
    mask = read_pixels(ready.project.masks.path(NAME))
    np.testing.assert_array_equal(mask[:40].ravel(), first)


def test_preview_and_fine_tuning_take_parts_around_the_strokes(ready, folder):
    tiny(ready)
    look_at(ready, 240, 130)
    paint(ready, 240, 130, 1)
    paint(ready, 250, 130, 2)
    ready.until(lambda: PREVIEW in ready.names)
    preview = ready.viewer.layers[PREVIEW]
    assert preview.data.shape == (60, 60)
    np.testing.assert_allclose(preview.translate, (210 * UM, 100 * UM))
    ready.choose(ready.finetune.form._editors[("preset",)].control, "instant")
    ready.run(ready.finetune.start)
    assert not ready.error
    card = ready.segment.models.card
    assert [one.name for one in card.training_images] == ["large.tif at 120, 210"]


def final(ready, folder):
    """The mask of the panorama as it ought to be measured and exported."""
    mask, ids = read_pixels(ready.project.masks.path(NAME)), on_disk(folder)
    return np.where(ids > 0, ids, clean_mask(mask, ready.project.classes.table, CLEANING))


CLEANING = Cleaning(smallest_region=40, largest_hole=30)


@pytest.fixture
def corrected(ready, monkeypatch):
    """A segmented panorama that somebody has painted on and cleaned."""
    monkeypatch.setattr(mask_regions, "_BAND", 17 * SIZE[1])
    ready.run(ready.segment.start)
    look_at(ready, 240, 130)
    paint(ready, 240, 130, 1)
    ready.session.results.clean(CLEANING)
    return ready


def test_phases_are_measured_with_paint_and_cleaned(corrected, folder):
    measured = drain(ProjectMeter(corrected.project).measure(MeasurePlan(), [NAME]))
    assert not measured.problems
    assert not measured.remarks
    expected, classes = final(corrected, folder), corrected.project.classes.in_order
    assert (expected != read_pixels(corrected.project.masks.path(NAME))).any()
    rows = measured.tables["phases.csv"]
    found = dict(zip(rows["class_id"], rows["pixels"], strict=True))
    assert found == {one.id: np.count_nonzero(expected == one.id) for one in classes}


def test_the_view_shows_the_mask_as_found_and_a_line_tells_it(corrected):
    line = "large.tif is a panorama: its mask is shown as found, and cleaned where it is measured"
    assert sum(heard.startswith(line) for heard in corrected.heard) == 1
    corrected.session.results.clean(Cleaning(smallest_region=50))
    assert sum(heard.startswith(line) for heard in corrected.heard) == 1
    mask = read_pixels(corrected.project.masks.path(NAME))
    shown = corrected.viewer.layers[SEGMENTATION].data
    np.testing.assert_array_equal(shown[0][90:210, 20:170], mask[90:210, 20:170])


def test_masks_and_tables_are_exported_as_those_of_other_images(corrected, folder, tmp_path):
    out, said = tmp_path / "results", []
    corrected.run(corrected.segment.start)
    job = export_measured(ProjectMeter(corrected.project), out, Outputs(), MeasurePlan())
    result = drain(job, lambda progress: said.append(progress.message))
    assert result.images == (NAME,)
    assert not result.problems
    expected = final(corrected, folder)
    np.testing.assert_array_equal(read_pixels(out / "large_mask.tif"), expected)
    facts = read_mask_facts(out / "large_mask.tif")
    assert facts.pixel_size.x_um == UM
    assert facts.provenance.cleaning == "all classes >= 40 px, holes <= 30 px"
    assert facts.provenance.painted
    names = sorted(path.name for path in out.iterdir())
    tables = ["corrected.csv", "fields.csv", "phases.csv", "summary.csv"]
    assert names == sorted(["classes.json", "large_mask.tif", *tables])
    assert "large.tif: no overlay of so large an image; the mask is a TIFF." in said
    rows = pd.read_csv(out / "phases.csv")
    assert rows["pixels"].tolist() == [
        np.count_nonzero(expected == one.id) for one in corrected.project.classes.in_order
    ]


def test_tables_alone_are_exported_without_a_mask(corrected, tmp_path):
    out = tmp_path / "results"
    outputs = Outputs(masks_png=False, masks_tiff=False, overlays=False)
    meter = ProjectMeter(corrected.project)
    assert existing_tables(corrected.project, out, outputs, MeasurePlan()) == ()
    drain(export_measured(meter, out, outputs, MeasurePlan()))
    assert not (out / "large_mask.tif").exists()
    assert (out / "large_mask.tif") not in existing_tables(
        corrected.project, out, outputs, MeasurePlan()
    )
    drain(export_measured(meter, out, Outputs(overlays=False), MeasurePlan()))
    assert out / "large_mask.tif" in existing_tables(
        corrected.project, out, Outputs(overlays=False), MeasurePlan()
    )


def test_what_needs_the_whole_image_says_so(ready):
    line = "large.tif is a panorama (180 x 280 px), too large for this."
    assert not ready.session.counting.begin(10)
    assert ready.heard[-1].startswith(line)
    with pytest.raises(InputError, match="too large for this"):
        ready.project.micrographs.read(NAME)
