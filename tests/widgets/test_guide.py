"""Going to the images and the places that are worth painting next."""

import shutil

import numpy as np
import pytest
from acting import User, painted_folder, write_model
from qtpy.QtCore import Qt
from safetensors.numpy import save_file

from napari_matssl.learn.card import CARD_KEY, EncoderCard
from napari_matssl.learn.unsure_regions import UnsureRegion
from napari_matssl.progress import Progress
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks import suggest as task
from napari_matssl.tasks.suggest import SuggestedImage, SuggestedRegion, Suggestions

IMAGES = Suggestions(
    tuple(
        SuggestedImage(f"steel-{n}.tif", distance)
        for n, distance in ((2, None), (0, 1.4), (1, 0.9))
    ),
    (),
)


@pytest.fixture
def asked(monkeypatch):
    """What was asked for; no network looks at anything."""
    calls, answers = [], {"regions": ()}

    def suggest(project, settings, segmenter=None, model=None, regions=10):
        calls.append(None if model is None else model.name)
        yield Progress("comparing", 1, 1)
        regions = answers["regions"] if model is not None else ()
        known = frozenset(project.micrographs.analysed)
        return Suggestions(IMAGES.images, (), regions, known=known)

    monkeypatch.setattr(task, "suggest", suggest)
    monkeypatch.setattr("napari_matssl.learn.segmenter.read_segmenter", lambda path: path)
    calls.append(answers)
    return calls


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases, asked):
    """Somebody with three images on which nothing is painted."""
    someone = User(make_napari_viewer, qtbot, monkeypatch)
    someone.open(painted_folder(tmp_path / "steel", two_phases, painted=0))
    return someone


def go(user, press):
    press()
    user.wait()


def test_images_come_in_the_suggested_order_and_are_compared_once(user, asked):
    panel = user.micrographs
    go(user, panel.next_image.click)
    assert user.shown.name == "steel-2.tif"
    assert panel.guide_note.text() == "1 of 3: steel-2.tif, the most typical image"
    go(user, panel.next_image.click)
    assert user.shown.name == "steel-0.tif"
    assert panel.guide_note.text().endswith("the one most unlike those before it (distance 1.4)")
    assert asked[1:] == [None]


def test_painted_and_excluded_images_are_passed(user):
    strokes = np.ones(user.shown.painted.data.shape, np.uint8)
    user.project.labels.write("steel-2.tif", strokes)
    user.project.micrographs.set_excluded(["steel-0.tif"], True)
    go(user, user.micrographs.next_image.click)
    assert user.shown.name == "steel-1.tif"
    go(user, user.micrographs.next_image.click)
    assert "begins anew" in user.micrographs.guide_note.text()
    go(user, user.micrographs.next_image.click)
    assert user.shown.name == "steel-1.tif"


def test_an_image_that_was_added_is_compared_too(user, asked):
    go(user, user.micrographs.next_image.click)
    folder = user.project.folder
    shutil.copy(folder / "steel-0.tif", folder / "new.tif")
    user.until(lambda: "new.tif" in user.project.images.names)
    go(user, user.micrographs.next_image.click)
    assert asked[1:] == [None, None]
    assert user.shown.name == "steel-0.tif", "what was shown is passed all the same"


def test_the_key_does_what_the_button_does(user):
    go(user, lambda: user.press_key(Qt.Key.Key_N))
    assert user.shown.name == "steel-2.tif"


def test_places_need_a_model(user, asked):
    go(user, user.micrographs.next_place.click)
    assert user.micrographs.guide_note.text().startswith("Fine-tune a model first")
    assert asked[1:] == []


def test_an_encoder_has_no_places(user, asked):
    card = EncoderCard(encoder="x", channels="grey", intensity_scaling=IntensityScalingSettings())
    path = user.project.models.new_path("encoder")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"w": np.zeros(1)}, path, metadata={CARD_KEY: card.model_dump_json()})
    user.session.models_changed.emit()
    go(user, user.micrographs.next_place.click)
    assert user.micrographs.guide_note.text().startswith("Fine-tune a model first")
    assert asked[1:] == []


def two_places(user, asked):
    write_model(user.project.models.folder / "model-001.safetensors")
    user.session.models_changed.emit()
    asked[0]["regions"] = (
        SuggestedRegion("steel-1.tif", UnsureRegion(8, 24, 16, 0.5, 120.0)),
        SuggestedRegion("steel-0.tif", UnsureRegion(0, 0, 16, 0.25, 60.0)),
    )


def test_the_view_goes_to_the_places_where_the_model_is_unsure(user, asked):
    two_places(user, asked)
    go(user, lambda: user.press_key(Qt.Key.Key_U))
    assert user.shown.name == "steel-1.tif"
    scale = np.asarray(user.shown.image.scale)[-2:]
    np.testing.assert_allclose(user.viewer.camera.center[-2:], np.array([15.5, 31.5]) * scale)
    canvas = user.viewer.window._qt_viewer.canvas.native
    width = 16 * scale[0] * user.viewer.camera.zoom
    assert width == pytest.approx(0.5 * min(canvas.width(), canvas.height()), rel=0.01)
    note = user.micrographs.guide_note.text()
    assert note == "1 of 2: steel-1.tif, 50 % of this place is uncertain"
    go(user, user.micrographs.next_place.click)
    assert user.shown.name == "steel-0.tif"
    go(user, user.micrographs.next_place.click)
    assert user.shown.name == "steel-1.tif", "it begins anew"
    assert asked[1:] == ["model-001.safetensors"]


def test_a_new_model_has_places_of_its_own(user, asked):
    two_places(user, asked)
    go(user, user.micrographs.next_place.click)
    go(user, user.micrographs.next_place.click)
    write_model(user.project.models.folder / "model-002.safetensors", created="2099-01-01")
    user.session.models_changed.emit()
    go(user, user.micrographs.next_place.click)
    assert asked[1:] == ["model-001.safetensors", "model-002.safetensors"]
    assert user.micrographs.guide_note.text().startswith("1 of 2: ")


def test_a_sure_model_has_no_places(user, asked):
    two_places(user, asked)
    asked[0]["regions"] = ()
    go(user, user.micrographs.next_place.click)
    assert "sure of every image" in user.micrographs.guide_note.text()


def test_another_folder_begins_anew(user, asked, tmp_path, two_phases):
    go(user, user.micrographs.next_image.click)
    user.open(painted_folder(tmp_path / "other", two_phases))
    assert user.micrographs.guide_note.isHidden()
    go(user, user.micrographs.next_image.click)
    assert asked[1:] == [None, None]
    assert "begins anew" in user.micrographs.guide_note.text(), "all are painted"


def test_without_a_folder_the_guide_explains_itself(make_napari_viewer, qtbot, monkeypatch):
    someone = User(make_napari_viewer, qtbot, monkeypatch)
    someone.session.guide.next_image()
    assert someone.micrographs.guide_note.text() == "Open a folder of micrographs first."
