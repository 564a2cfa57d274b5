"""The segmentation of the shown image: its layer, cleaning, correcting."""

import numpy as np
import pytest
from desk import SIZE, docked, said, write_folder

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings import Cleaning
from napari_matssl.widgets.canvas.setting_facts import set_pixel_size
from napari_matssl.widgets.canvas.shown import PAINTED, PREVIEW, SEGMENTATION


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))


@pytest.fixture
def session(make_napari_viewer, folder):
    session = docked(make_napari_viewer()).session
    assert session.folder.open([folder])
    return session


def mask(speck=True):
    """Phase 1 above, phase 2 below, and 9 px of phase 2 amid phase 1."""
    ids = np.ones(SIZE, np.uint8)
    ids[60:] = 2
    if speck:
        ids[10:13, 10:13] = 2
    return ids


def keep(session, name, ids):
    session.folder.project.masks.write(name, ids)
    session.results.take_over(name, ids)


def names(session):
    return [layer.name for layer in session.viewer.layers]


def shown(session):
    return session.current.shown


def test_a_segmentation_shows_below_the_strokes_on_the_grid_of_its_image(session):
    keep(session, "a1.tif", mask())
    layer = shown(session).extra[SEGMENTATION]
    np.testing.assert_array_equal(layer.data, mask())
    assert names(session) == ["a1.tif", SEGMENTATION, PAINTED]
    assert tuple(layer.scale) == tuple(shown(session).image.scale) == (0.25, 0.25)
    assert not layer.editable
    assert session.viewer.layers.selection.active is shown(session).painted


def test_the_segmentation_of_another_image_waits_until_that_is_shown(session):
    keep(session, "a2.tif", mask())
    assert SEGMENTATION not in names(session)
    session.current.step(1)
    np.testing.assert_array_equal(shown(session).extra[SEGMENTATION].data, mask())
    session.current.step(-1)
    assert SEGMENTATION not in names(session)


def test_cleaning_changes_what_is_shown_and_keeps_what_was_found(session, folder):
    keep(session, "a1.tif", mask())
    for smallest, expected in ((9, mask(False)), (0, mask()), (20, mask(False))):
        session.results.clean(Cleaning(smallest_region=smallest + (smallest == 9)))
        np.testing.assert_array_equal(shown(session).extra[SEGMENTATION].data, expected)
    np.testing.assert_array_equal(session.folder.project.masks.read("a1.tif"), mask())
    keep(session, "a2.tif", mask())
    session.current.step(1)  # cleaned in the same way
    np.testing.assert_array_equal(shown(session).extra[SEGMENTATION].data, mask(False))


def test_a_newer_segmentation_takes_the_place_of_the_older_one_and_of_the_preview(session):
    keep(session, "a1.tif", mask())
    layer = shown(session).extra[SEGMENTATION]
    session.results.show_piece(PREVIEW, "a1.tif", 4, 4, np.full((8, 8), 2, np.uint8))
    assert PREVIEW in names(session)
    keep(session, "a1.tif", mask(False))
    assert shown(session).extra[SEGMENTATION] is layer
    np.testing.assert_array_equal(layer.data, mask(False))
    assert PREVIEW not in names(session)


def test_pieces_of_a_preview_appear_where_they_belong_and_on_their_image_only(session):
    results = session.results
    results.show_piece(PREVIEW, "a1.tif", 10, 20, np.full((5, 6), 2, np.uint8))
    data = shown(session).extra[PREVIEW].data
    assert (data[10:15, 20:26] == 2).all()
    assert data.sum() == 2 * 30
    results.show_piece(PREVIEW, "a2.tif", 0, 0, np.ones((5, 5), np.uint8))
    results.show_piece(PREVIEW, "a1.tif", 95, 0, np.ones((5, 5), np.uint8))  # outside
    assert data.sum() == 2 * 30


def test_a_segmentation_is_copied_into_the_strokes_and_one_undo_takes_it_back(session):
    with pytest.raises(InputError, match="no segmentation"):
        session.results.copy_into_strokes()
    keep(session, "a1.tif", mask())
    painted = shown(session).painted
    painted.paint((80, 100), 1)
    before = painted.data.copy()
    assert session.results.copy_into_strokes() > 0
    np.testing.assert_array_equal(painted.data, mask())
    painted.undo()
    np.testing.assert_array_equal(painted.data, before)


def test_only_a_drawn_rectangle_is_copied(session):
    keep(session, "a1.tif", mask())
    area = session.viewer.add_shapes(
        [np.array([[5, 5], [5, 20], [20, 20], [20, 5]])], scale=(0.25, 0.25), units=("um", "um")
    )
    session.results.copy_into_strokes(area)
    painted = shown(session).painted.data
    np.testing.assert_array_equal(painted[5:20, 5:20], mask()[5:20, 5:20])
    assert not painted[30:].any()


def test_a_mask_that_cant_be_read_is_reported_and_the_image_shows(session, folder):
    problems = said(session)
    (folder / "matssl" / "masks").mkdir(parents=True)
    (folder / "matssl" / "masks" / "a2.png").write_bytes(b"no image")
    assert session.current.show("a2.tif")
    assert len(problems) == 1
    assert names(session) == ["a2.tif", PAINTED]


def test_another_pixel_size_cleans_anew_where_sizes_are_in_um2(session):
    keep(session, "a1.tif", mask())
    session.results.clean(Cleaning(smallest_region="1 um2"))
    layer = shown(session).extra[SEGMENTATION]
    np.testing.assert_array_equal(layer.data, mask(False))  # 9 px of 0.25 um: 0.56 um2
    set_pixel_size(session.current, PixelSize(0.5, 0.5, "set by hand"))
    np.testing.assert_array_equal(layer.data, mask())
    set_pixel_size(session.current, PixelSize(0.25, 0.25, "set by hand"))
    np.testing.assert_array_equal(layer.data, mask(False))
