"""What is seen around the image: all of it, a scale bar, docks that don't squash each other."""

import numpy as np
import pytest
from desk import NAMES, SIZE, UM, docked, write_folder
from napari.settings import get_settings
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QDockWidget

from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.widgets.canvas.overlay_picture import OverlayPicture
from napari_matssl.widgets.canvas.setting_facts import set_pixel_size
from napari_matssl.widgets.controls.forms import bring_into_sight, say
from napari_matssl.widgets.launch import _enlarge
from napari_matssl.widgets.shell import JobDock, MatSSLWidget


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


def is_whole(viewer):
    """Whether the whole image is in sight."""
    canvas = viewer.window._qt_viewer.canvas.native
    extent = viewer.layers.extent.world[:, -2:]
    height, width = (extent[1] - extent[0]) * viewer.camera.zoom
    return height <= canvas.height() + 1 and width <= canvas.width() + 1


def test_the_image_stays_whole_when_docks_take_room_and_a_zoom_stays(viewer, qtbot, tmp_path):
    panel = docked(viewer)
    viewer.window._qt_window.resize(1200, 700)
    assert panel.session.folder.open([write_folder(tmp_path / "steel")])
    qtbot.waitUntil(lambda: is_whole(viewer))
    viewer.window._qt_window.resize(900, 500)
    qtbot.waitUntil(lambda: is_whole(viewer))
    viewer.camera.zoom *= 3
    zoom = viewer.camera.zoom
    viewer.window._qt_window.resize(1200, 700)
    qtbot.wait(200)
    assert viewer.camera.zoom == zoom


def test_calibrated_images_have_a_scale_bar_and_others_none(viewer, tmp_path):
    session = docked(viewer).session
    session.folder.open([write_folder(tmp_path / "steel")])
    assert viewer.scale_bar.visible
    session.folder.open([write_folder(tmp_path / "bare", um=None)])
    assert not viewer.scale_bar.visible
    set_pixel_size(session.current, PixelSize(0.5, 0.5, "set by hand"))
    assert viewer.scale_bar.visible


def test_a_picture_is_whole_without_napari_s_scale_bar_and_the_image_after_it(
    viewer, qtbot, tmp_path
):
    session = docked(viewer).session
    viewer.window._qt_window.resize(1200, 700)
    session.folder.open([write_folder(tmp_path / "steel")])
    qtbot.waitUntil(lambda: is_whole(viewer))
    zoom = viewer.camera.zoom
    picture = OverlayPicture(viewer, session.view)
    for pixels in (np.zeros((900, 1600, 3), np.uint8), np.zeros((60, 90, 3), np.uint8)):
        picture.show("overlay", pixels)
        canvas = viewer.window._qt_viewer.canvas.native
        filled = np.array(pixels.shape[:2]) * viewer.camera.zoom / (canvas.height(), canvas.width())
        assert filled.max() == pytest.approx(0.95, abs=0.02)
        middle = np.array(pixels.shape[:2]) / 2 - 0.5
        assert viewer.camera.center[-2:] == pytest.approx(middle, abs=1)
        assert not viewer.scale_bar.visible
    viewer.layers["overlay"].visible = False  # by its eye
    assert viewer.scale_bar.visible
    picture.show("overlay", np.zeros((60, 90, 3), np.uint8))
    picture.hide()
    assert viewer.scale_bar.visible
    assert viewer.camera.zoom == pytest.approx(zoom)


def test_a_scale_bar_that_was_switched_off_stays_off(viewer, tmp_path):
    session = docked(viewer).session
    session.folder.open([write_folder(tmp_path / "steel")])
    viewer.scale_bar.visible = False
    session.current.show(NAMES[1])
    assert not viewer.scale_bar.visible


@pytest.mark.parametrize("brush", [9, 30])
def test_the_brush_hides_nothing_of_what_is_below_it(viewer, qtbot, tmp_path, brush):
    panel = docked(viewer)
    folder = tmp_path / "steel"
    folder.mkdir()
    bright = np.full(SIZE, 200, np.uint8)
    bright[0, 0], bright[0, 1] = 0, 255  # for the contrast limits
    write_micrograph(folder / "a.tif", Micrograph("a", bright, PixelSize(UM, UM, "set by hand")))
    assert panel.session.folder.open([folder])
    qtbot.wait(200)  # until the canvas has its size
    painted = panel.session.current.shown.painted
    painted.brush_size = brush
    canvas = viewer.window._qt_viewer.canvas.native
    middle = canvas.rect().center()
    for place in (middle - QPoint(40, 0), middle):
        qtbot.mouseMove(canvas, place)
        qtbot.wait(50)
    seen = viewer.screenshot(canvas_only=True, flash=False)
    under = seen[middle.y() - 1 : middle.y() + 2, middle.x() - 1 : middle.x() + 2, :3]
    assert under.min() > 100


def test_a_panel_opened_beside_the_others_shares_their_place(viewer, qtbot):
    shell = MatSSLWidget(viewer)
    viewer.window.add_dock_widget(shell, name="MatSSL")
    qtbot.wait(50)
    viewer.window.add_dock_widget(JobDock(viewer, "Measure"), name="Measure")
    window = viewer.window._qt_window
    ours = [d for d in window.findChildren(QDockWidget) if d.name in ("MatSSL", "Measure")]
    assert len(ours) == 2
    qtbot.waitUntil(lambda: bool(window.tabifiedDockWidgets(ours[0])))


def test_what_an_export_has_written_scrolls_into_sight(viewer, qtbot):
    shell = MatSSLWidget(viewer)
    viewer.window.add_dock_widget(shell, name="MatSSL")
    viewer.window._qt_window.resize(1000, 600)
    shell.sections["Measure"].expand(animate=False)
    panel = shell.panels["Measure"]
    link = panel.exporting.show_exported
    link.show()
    qtbot.wait(50)
    assert link.visibleRegion().isEmpty()
    folder = "/a/long/way/to/a/folder of steels that has more letters than a line of the panel"
    say(panel.exporting.outcome, f"6 images exported to {folder}.")
    bring_into_sight(link)
    qtbot.waitUntil(lambda: link.visibleRegion().boundingRect() == link.rect())
    panel.doubts.setText("A line that comes later.\n" * 3)
    panel.doubts.show()
    qtbot.wait(200)
    assert link.visibleRegion().boundingRect() == link.rect()


def test_the_first_window_has_room_and_one_that_was_sized_stays(viewer):
    window = viewer.window._qt_window
    window.resize(800, 500)
    _enlarge(viewer)
    room = window.screen().availableGeometry()
    assert room.contains(window.geometry())
    assert window.width() >= min(1600, room.width() - 40)
    get_settings().application.window_size = (900, 600)
    window.resize(900, 600)
    _enlarge(viewer)
    assert (window.width(), window.height()) == (900, 600)
    get_settings().application.window_size = None
