"""Provenance of masks, in the panels and in the list of images."""

import os

import numpy as np
import pytest
from acting import User, painted_folder, write_model

from napari_matssl.labels.provenance import DOUBTFUL, MaskFacts, Provenance
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings import Cleaning
from napari_matssl.tasks.provenance import ANOTHER_BAR, ANOTHER_MODEL, OLDER_THAN_STROKES
from napari_matssl.widgets.canvas.setting_facts import set_info_bar, set_pixel_size
from napari_matssl.widgets.controls.mask_origin import doubts_in_words, origin_in_words

CREATED = "2026-01-01T08:00:00+00:00"
ORIGIN = Provenance(
    model="model-001.safetensors",
    model_sha256="3fa9c0b1a2d4" + 52 * "0",
    model_created=CREATED,
    written="2026-01-02T09:30:00+00:00",
)


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases):
    """Somebody with three images, of which the first two have a mask of the model there is."""
    someone = User(make_napari_viewer, qtbot, monkeypatch)
    someone.open(painted_folder(tmp_path / "steel", two_phases))
    models = someone.project.models.folder
    write_model(models / "model-001.safetensors", created=CREATED)
    for name in ("steel-0.tif", "steel-1.tif"):
        mask = np.ones(someone.shown.painted.data.shape, np.uint8)
        someone.project.masks.write(name, mask, MaskFacts(provenance=ORIGIN))
        someone.session.results.take_over(name, mask)
    someone.session.models_changed.emit()
    return someone


def state(user, name):
    return user.micrographs._row(name).state


def add_another(user):
    write_model(user.project.models.folder / "model-002.safetensors", created="2026-01-03")
    user.session.models_changed.emit()


def test_the_panel_segment_shows_model_checksum_dates_and_cleaning(user):
    text = user.segment.origin.text()
    assert "model-001" in text
    assert "3fa9c0b1a2d4" in text
    assert "3fa9c0b1a2d40" not in text
    assert "2026-01-02" in text
    assert text.endswith("not cleaned.")
    user.session.results.clean(Cleaning(smallest_region=30))
    assert "cleaned: all classes >= 30 px." in user.segment.origin.text()
    user.current.step(2)
    user.current.show("steel-2.tif")
    assert user.segment.origin.isHidden(), "it has no mask"


def test_a_newer_model_marks_masks_in_the_list_and_in_both_panels(user):
    assert state(user, "steel-1.tif") == "saved, segmented"
    add_another(user)
    rows = {row.key: row.state for row in user.micrographs.table._model.rows}
    assert rows["steel-1.tif"] == "saved, segmented, old"
    assert rows["steel-2.tif"] == "saved"
    assert user.segment.origin.text().endswith("It was made by another model than the newest.")
    user.look_at("Measure")
    user.viewer.window._qt_window.show()
    user.until(lambda: "2 masks were made by another model" in user.measure.doubts.text())


def test_strokes_after_the_mask_mark_it(user):
    os.utime(user.project.labels.path("steel-0.tif"), (9e9, 9e9))
    user.folder.painted_changed.emit("steel-0.tif")
    assert state(user, "steel-0.tif") == "saved, segmented, old"
    assert user.micrographs._row("steel-0.tif").tooltip == "segmented before the last strokes on it"
    assert user.segment.origin.text().endswith("It is older than the strokes on this image.")


def test_a_doubtful_image_is_marked_in_the_list_and_in_both_panels(user):
    reasons = ("its grey values suggest about 80 % b, but the mask has 20 %",)
    doubtful = ORIGIN.model_copy(update={"light": DOUBTFUL, "reasons": reasons})
    mask = np.ones(user.shown.painted.data.shape, np.uint8)
    for name in ("steel-0.tif", "steel-1.tif"):
        user.project.masks.write(name, mask, MaskFacts(provenance=doubtful))
        user.session.results.take_over(name, mask)
    user.session.models_changed.emit()
    assert state(user, "steel-1.tif") == "saved, segmented, doubtful"
    assert user.micrographs._row("steel-1.tif").tooltip.endswith("doubtful by its grey values")
    assert user.segment.origin.text().endswith(f"The image is doubtful: {reasons[0]}.")
    user.look_at("Measure")
    user.viewer.window._qt_window.show()
    user.until(lambda: "2 images are doubtful by grey values" in user.measure.doubts.text())


def test_a_mask_of_which_the_model_is_unsure_is_marked_in_the_list_and_in_both_panels(user):
    unsure = "the model is unsure of 20 % of the area, so that b may be off by about 9 points"
    origin = ORIGIN.model_copy(update={"uncertain": 0.2, "unsure": unsure})
    mask = np.ones(user.shown.painted.data.shape, np.uint8)
    for name in ("steel-0.tif", "steel-1.tif"):
        user.project.masks.write(name, mask, MaskFacts(provenance=origin))
        user.session.results.take_over(name, mask)
    user.session.models_changed.emit()
    assert state(user, "steel-1.tif") == "saved, segmented, unsure"
    assert user.micrographs._row("steel-1.tif").tooltip.endswith("by a model that is unsure of it")
    assert user.segment.origin.text().endswith(f"T{unsure[1:]}.")
    user.look_at("Measure")
    user.viewer.window._qt_window.show()
    user.until(lambda: "2 masks are uncertain in places" in user.measure.doubts.text())


def test_an_info_bar_that_is_set_after_segmenting_marks_the_mask(user):
    set_info_bar(user.current, 80)
    user.until(lambda: state(user, "steel-0.tif") == "saved, segmented, old")
    assert user.segment.origin.text().endswith(
        " It was made with another info bar than is set now."
    )
    user.look_at("Measure")
    user.viewer.window._qt_window.show()
    user.until(lambda: "1 mask was made with another info bar" in user.measure.doubts.text())


def test_a_pixel_size_that_is_set_after_segmenting_marks_the_mask(user):
    mask = user.project.masks.read("steel-0.tif")
    origin = ORIGIN.model_copy(update={"model_um": 0.5})
    user.project.masks.write("steel-0.tif", mask, MaskFacts(provenance=origin))
    set_pixel_size(user.current, PixelSize(0.1, 0.1, "set by hand"))
    user.until(lambda: state(user, "steel-0.tif") == "saved, segmented, old")
    assert user.segment.origin.text().endswith(
        " It was made at another pixel size than is set now."
    )
    user.look_at("Measure")
    user.viewer.window._qt_window.show()
    user.until(lambda: "1 mask was made at another pixel size" in user.measure.doubts.text())


def test_masks_are_counted_as_a_person_does():
    assert doubts_in_words({}, "model-002") == ""
    one = {"a.tif": ANOTHER_MODEL}
    assert doubts_in_words(one, "model-002").startswith(
        "1 mask was made by another model than model-002, the newest."
    )
    bar = {**one, "c.tif": ANOTHER_BAR}
    assert "1 mask was made with another info bar than is set now." in doubts_in_words(bar, "m")
    two = {**one, "b.tif": OLDER_THAN_STROKES}
    assert "1 mask is older than the strokes on its image." in doubts_in_words(two, "model-002")


def test_a_mask_without_provenance_is_marked():
    assert origin_in_words(Provenance(), "").startswith("The model that made this mask is unknown")
