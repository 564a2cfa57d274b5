"""Keys that the user has given to napari come before ours."""

import pytest
from desk import docked, key
from napari.settings import get_settings
from qtpy.QtCore import Qt


@pytest.fixture
def shortcuts():
    """napari's own, as they are before and after."""
    kept = get_settings().shortcuts
    before = kept.shortcuts
    yield kept
    kept.shortcuts = before


def test_a_key_that_the_user_gave_to_napari_stays_with_napari(
    make_napari_viewer, qtbot, folder, shortcuts
):
    usual = shortcuts.shortcuts
    shortcuts.shortcuts = {**usual, "napari:toggle_grid": ["D"]}
    viewer = make_napari_viewer(show=True)
    panel = docked(viewer)
    assert panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: panel.session.current.shown is not None)
    key(qtbot, viewer, Qt.Key.Key_D)
    assert viewer.grid.enabled
    assert panel.session.current.shown.name == "a1.tif"
    shortcuts.shortcuts = usual
    key(qtbot, viewer, Qt.Key.Key_D)
    assert panel.session.current.shown.name == "a2.tif"
