"""Real events of the mouse on the canvas: what paints, what doesn't, and what is undone."""

import shutil
import subprocess
import time

import numpy as np
import pytest
from desk import docked, labels_on_disk, write_folder
from qtpy.QtCore import QCoreApplication, QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QLineEdit
from scipy import ndimage

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
MIDDLE = Qt.MouseButton.MiddleButton
NONE = Qt.MouseButton.NoButton
PRESS, RELEASE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease
MOVE, DOUBLE = QEvent.Type.MouseMove, QEvent.Type.MouseButtonDblClick


class Hand:
    """A mouse over the canvas of a viewer, moved to rows and columns of the shown image."""

    def __init__(self, panel, qtbot):
        self.panel, self.qtbot = panel, qtbot
        self.session = panel.session
        self.viewer = self.session.viewer
        self.canvas = self.viewer.window._qt_viewer.canvas.native

    @property
    def painted(self):
        return self.session.current.shown.painted

    def place(self, point):
        view = self.viewer.window._qt_viewer.canvas.view
        world = self.session.current.shown.image.data_to_world(point)[-2:]
        x, y = (view.transform * view.scene.transform).map([world[1], world[0]])[:2]
        return QPointF(float(x), float(y))

    def send(self, kind, point, button=NONE, buttons=NONE, wait=20):
        place = self.place(point)
        screen = QPointF(self.canvas.mapToGlobal(place.toPoint()))
        event = QMouseEvent(kind, place, screen, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self.canvas, event)
        if wait:
            self.qtbot.wait(wait)

    def click(self, button, point, wait=20):
        self.send(MOVE, point, wait=wait)
        self.send(PRESS, point, button, button, wait)
        self.send(RELEASE, point, button, NONE, wait)

    def stroke(self, *points, wait=20):
        self.send(MOVE, points[0], wait=wait)
        self.send(PRESS, points[0], LEFT, LEFT, wait)
        for point in points[1:]:
            self.send(MOVE, point, NONE, LEFT, wait)
        self.send(RELEASE, points[-1], LEFT, NONE, wait)

    def hover(self, *points):
        for point in points:
            self.send(MOVE, point)


@pytest.fixture
def hand(make_napari_viewer, tmp_path, qtbot):
    panel = docked(make_napari_viewer(show=True))
    assert panel.session.folder.open([write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))])
    qtbot.wait(200)  # until the canvas has its size
    hand = Hand(panel, qtbot)
    hand.painted.brush_size = 3
    yield hand
    hand.session.menu.menu.close()


@pytest.mark.parametrize(
    "button", [RIGHT, MIDDLE, Qt.MouseButton.BackButton], ids=["right", "middle", "back"]
)
def test_other_buttons_change_nothing_and_dont_stick(hand, button):
    hand.stroke((20, 20), (20, 40))
    before = hand.painted.data.copy()
    for mode in ("paint", "erase", "fill", "polygon"):
        hand.painted.mode = mode
        hand.click(button, (20, 30))
        hand.session.menu.menu.close()
        hand.hover((60, 70), (20, 35))
        assert np.array_equal(hand.painted.data, before), mode
    hand.painted.undo()
    assert not hand.painted.data.any()  # the stroke was the last step


def test_a_right_drag_paints_nothing_and_opens_no_menu(hand):
    hand.send(MOVE, (20, 20))
    hand.send(PRESS, (20, 20), RIGHT, RIGHT)
    hand.send(MOVE, (40, 60), NONE, RIGHT)
    hand.send(RELEASE, (40, 60), RIGHT, NONE)
    assert not hand.painted.data.any()
    assert not hand.session.menu.menu.isVisible()


def test_a_right_click_amid_a_stroke_leaves_it_one_stroke(hand):
    hand.send(MOVE, (20, 20))
    hand.send(PRESS, (20, 20), LEFT, LEFT)
    hand.send(MOVE, (20, 40), NONE, LEFT)
    hand.send(PRESS, (20, 40), RIGHT, LEFT | RIGHT)
    hand.send(RELEASE, (20, 40), RIGHT, LEFT)
    hand.send(MOVE, (20, 60), NONE, LEFT)
    hand.send(RELEASE, (20, 60), LEFT, NONE)
    assert hand.painted.data[20, 22:59].all()
    assert not hand.session.menu.menu.isVisible()
    hand.painted.undo()
    assert not hand.painted.data.any()


def test_strokes_are_undone_one_by_one_in_order(hand):
    hand.stroke((20, 20), (20, 40))
    first = hand.painted.data.copy()
    hand.click(RIGHT, (50, 50))
    hand.session.menu.menu.close()
    hand.stroke((60, 20), (60, 40))
    hand.painted.undo()
    assert np.array_equal(hand.painted.data, first)
    hand.painted.undo()
    assert not hand.painted.data.any()


def test_a_stroke_whose_moves_come_at_once_is_no_dot(hand):
    """As in a window that stood still for a while: nothing is handled between the events."""
    hand.stroke((20, 20), (20, 50), (60, 50), (60, 90), wait=0)
    assert hand.painted.data[20, 22:49].all()
    assert hand.painted.data[22:59, 50].all()
    assert hand.painted.data[60, 52:89].all()


def by_the_server(hand, *strokes):
    """Draw strokes as the X server does, all at once, while the window stands still."""
    commands = []
    for first, *others in strokes:
        places = [hand.canvas.mapToGlobal(hand.place(p).toPoint()) for p in (first, *others)]
        moves = [f"mousemove {place.x()} {place.y()}" for place in places]
        commands += [moves[0], "mousedown 1", *moves[1:], "mouseup 1"]
    lines = "".join(f"{command}\n" for command in commands)
    subprocess.run(["xdotool", "-"], input=lines, text=True, check=True, timeout=60)
    time.sleep(0.3)  # the events wait meanwhile


@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")
def test_quick_curves_in_a_window_that_stands_still_are_no_straight_lines(hand):
    if QApplication.platformName() != "xcb":
        pytest.skip("needs an X server")
    corners = [(20, 20), (20, 60), (50, 60), (50, 20)], [(60, 80), (80, 80), (80, 110)]
    by_the_server(hand, *corners)
    hand.qtbot.waitUntil(lambda: hand.painted.data[80, 100] != 0, timeout=20_000)
    hand.qtbot.wait(50)
    painted = hand.painted.data
    for row, column in ((20, slice(22, 59)), (50, slice(22, 59)), (80, slice(82, 109))):
        assert painted[row, column].all()
    assert painted[22:49, 60].all()
    assert painted[62:79, 80].all()
    assert ndimage.label(painted)[1] == 2  # and nothing between them


def test_qt_merges_moves_again_once_the_folder_or_the_window_is_closed(hand):
    merging = Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents
    session = hand.session
    assert not QCoreApplication.testAttribute(merging)
    folder = session.folder.project.folder
    session.folder.close()
    assert QCoreApplication.testAttribute(merging)
    session.folder.open([folder])
    assert not QCoreApplication.testAttribute(merging)
    hand.viewer.window._qt_window.hide()
    assert QCoreApplication.testAttribute(merging)
    hand.viewer.window._qt_window.show()
    assert not QCoreApplication.testAttribute(merging)


def test_a_broad_brush_follows_the_mouse_though_small_moves_are_gathered(hand):
    hand.painted.brush_size = 21
    track = [(30, column) for column in range(30, 61)] + [(row, 60) for row in range(31, 61)]
    hand.stroke(*track, wait=0)
    away = ndimage.distance_transform_edt(~np.isin(np.arange(96 * 128).reshape(96, 128),
                                                   [128 * r + c for r, c in track]))  # fmt: skip
    assert hand.painted.data[away < 8].all()
    assert not hand.painted.data[away > 12].any()


def test_the_second_of_two_quick_strokes_is_no_double_click(hand):
    hand.stroke((20, 20), (20, 40))
    hand.send(DOUBLE, (22, 20), LEFT, LEFT)
    hand.send(MOVE, (40, 20), NONE, LEFT)
    hand.send(RELEASE, (40, 20), LEFT, NONE)
    assert hand.painted.data[24:39, 20].all()


def test_a_stroke_ends_even_if_its_release_went_to_another_window(hand):
    hand.send(MOVE, (20, 20))
    hand.send(PRESS, (20, 20), LEFT, LEFT)
    hand.send(MOVE, (20, 40), NONE, LEFT)
    before = hand.painted.data.copy()
    hand.hover((60, 70), (70, 90))
    assert np.array_equal(hand.painted.data, before)
    hand.painted.undo()
    assert not hand.painted.data.any()


def test_the_menu_names_the_class_and_picks_it(hand):
    hand.session.palette.paint_with(2)
    hand.stroke((20, 20), (20, 60))
    hand.session.palette.paint_with(1)
    hand.click(RIGHT, (20, 40))
    menu = hand.session.menu.menu
    hand.qtbot.waitUntil(menu.isVisible, timeout=5000)
    texts = [action.text() for action in menu.actions() if action.text()]
    assert texts[0] == "phase 2, painted"
    next(a for a in menu.actions() if a.text() == "Paint with phase 2").trigger()
    assert hand.session.palette.picked == hand.painted.selected_label == 2
    menu.close()


def test_the_menu_undoes_and_changes_tools_and_hides_the_segmentation(hand):
    hand.stroke((20, 20), (20, 60))
    shown = hand.session.current.shown
    mask = np.full(shown.painted.data.shape, 2, np.uint8)
    hand.session.folder.project.masks.write(shown.name, mask)
    hand.session.results.take_over(shown.name, mask)
    hand.click(RIGHT, (60, 60))
    menu = hand.session.menu.menu
    hand.qtbot.waitUntil(menu.isVisible, timeout=5000)
    actions = {action.text(): action for action in menu.actions()}
    assert menu.actions()[0].text() == "phase 2, segmented"
    actions["Show segmentation"].trigger()
    actions["Fill (F)"].trigger()
    actions["Undo (Ctrl+Z)"].trigger()
    assert not shown.extra["segmentation"].visible
    assert shown.painted.mode == "fill"
    assert not shown.painted.data.any()
    menu.close()


def test_filling_fills_what_is_outlined(hand):
    corners = (20, 20), (20, 60), (50, 60), (50, 20), (20, 20)
    hand.stroke(*corners)
    hand.painted.mode = "fill"
    hand.click(LEFT, (35, 40))
    assert hand.painted.data[20:51, 20:61].all()
    assert not hand.painted.data[60:].any()


def test_a_fill_that_runs_out_is_reported(hand):
    heard = []
    hand.session.notices.remarked.connect(heard.append)
    hand.painted.mode = "fill"
    hand.click(LEFT, (35, 40))
    assert len(heard) == 1
    assert "100 % of the image were filled" in heard[0]


def test_the_canvas_takes_the_keys_back_when_the_mouse_comes_to_it(hand, monkeypatch):
    field = hand.panel.findChild(QLineEdit) or QLineEdit(hand.panel)
    field.show()
    hand.viewer.window._qt_window.activateWindow()
    field.setFocus()
    hand.qtbot.wait(50)
    QApplication.sendEvent(hand.canvas, QEvent(QEvent.Type.Enter))
    # Of the window itself: on a screen without a window manager it isn't the active one.
    assert hand.viewer.window._qt_window.focusWidget() is hand.canvas


def test_a_stroke_by_the_mouse_is_saved(hand):
    hand.stroke((20, 20), (20, 60))
    folder = hand.session.folder.project.folder

    def saved():
        found = labels_on_disk(folder, "a1.tif")
        return found is not None and found[20, 22:59].all()

    hand.qtbot.waitUntil(saved, timeout=10_000)


def test_the_next_image_is_painted_on_at_once(hand):
    for _ in range(2):
        hand.qtbot.keyClick(hand.canvas, Qt.Key.Key_D)
        hand.qtbot.keyClick(hand.canvas, Qt.Key.Key_A)
        assert hand.session.current.shown.name == "a1.tif"
    hand.stroke((20, 20), (20, 60))
    assert hand.painted.data[20, 22:59].all()
