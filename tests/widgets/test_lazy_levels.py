"""Layers of panoramas show what has changed meanwhile, the whole panorama in view, too."""

import numpy as np
import pytest
import tifffile
from acting import User

from napari_matssl.micrograph import reading_panorama
from napari_matssl.widgets.canvas import painting_area
from napari_matssl.widgets.canvas.lazy_levels import sampled_levels
from napari_matssl.widgets.canvas.painting_area import ELSEWHERE
from napari_matssl.widgets.canvas.shown import SEGMENTATION
from napari_matssl.widgets.napari_private import scene_of

SIZE = (280, 180)
NAME = "large.tif"


@pytest.fixture
def ready(make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases):
    """Somebody who looks at what counts as a panorama here."""
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 40_000)
    monkeypatch.setattr(painting_area, "SIDE", 90)
    folder = tmp_path / "steel"
    folder.mkdir()
    tifffile.imwrite(folder / NAME, two_phases(1, SIZE).micrograph.pixels)
    user = User(make_napari_viewer, qtbot, monkeypatch)
    user.open(folder)
    user.until(lambda: user.current._looking._shown is None)
    return user


def coloured(user, title):
    """How much of the small picture of a layer has a class; it is made of its last level."""
    return np.count_nonzero(user.viewer.layers[title].thumbnail[..., :3].any(axis=-1))


def test_strokes_are_seen_once_the_area_has_left_them(ready):
    assert coloured(ready, ELSEWHERE) == 0
    painting = ready.shown.painting
    rows, columns = painting.area
    ready.shown.painted.fill((0, 0), 1)
    ready.current.flush()
    camera = scene_of(ready.viewer).camera
    camera.center, camera.zoom = (0, 30, 30), 8.0
    ready.until(lambda: painting.area != (rows, columns))
    assert coloured(ready, ELSEWHERE) > 0


def test_a_mask_that_grows_is_seen_to_its_last_row(ready, tmp_path):
    path, ids = tmp_path / "large.unfinished", np.arange(256, dtype=np.uint8)
    shown = []
    for rows in (40, 120, 280):
        path.write_bytes(b"\1" * rows * SIZE[1])
        ready.session.results.show_growing(NAME, None, path, ids)
        shown.append(coloured(ready, SEGMENTATION))
    assert 0 < shown[0] < shown[1] < shown[2]


def test_a_level_is_read_again_only_where_somebody_has_it():
    asked = []

    def read(rows, columns):
        asked.append((rows, columns))
        return np.full((len(range(64)[rows]), len(range(64)[columns])), len(asked), np.uint8)

    level = sampled_levels((64, 64), read)[0]
    level.read_again()
    assert not asked
    whole = np.asarray(level)
    assert np.asarray(level) is whole
    level.read_again()
    assert (whole == 2).all()
    del whole
    level.read_again()
    assert len(asked) == 2
