"""Counting at points by keys: nothing of the mask in sight, undone, paused, gone on with."""

import gc

import numpy as np
import pandas as pd
import pytest
from desk import SIZE, answer, docked, key, said, write_folder
from limits import largest_file
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication

from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.counted_points import COUNTED
from napari_matssl.widgets.canvas.crosshair import CROSS
from napari_matssl.widgets.canvas.shown import PAINTED, PREVIEW, SEGMENTATION
from napari_matssl.widgets.panels.measure_panel import MeasurePanel
from napari_matssl.widgets.panels.point_count_panel import PointCountPanel

ONE, TWO, Z = Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_Z


@pytest.fixture
def panel(make_napari_viewer, tmp_path, qtbot):
    """Give the panel beside an image whose left half the mask has as class 1."""
    session = docked(make_napari_viewer(show=True)).session
    assert session.folder.open([write_folder(tmp_path / "steel", ("a1.tif", "a2.tif"))])
    mask = np.full(SIZE, 2, np.uint8)
    mask[:, : SIZE[1] // 2] = 1
    for name in ("a1.tif", "a2.tif"):
        session.folder.project.masks.write(name, mask)
    session.results.take_over("a1.tif", mask)
    panel = PointCountPanel(session.viewer)
    session.viewer.window.add_dock_widget(panel, name="Point count")
    panel.points.setValue(20)
    panel.problems_seen = said(panel)
    yield panel
    assert not panel.problems_seen


def in_sight(panel):
    return {layer.name for layer in panel.session.viewer.layers if layer.visible}


def press(panel, qtbot, *keys):
    for one in keys:
        key(qtbot, panel.session.viewer, one)


def on_disk(panel, name="a1.tif"):
    project = Project(panel.session.folder.project.folder)
    return project.points.read(name)


def start(panel):
    assert panel.start.isEnabled(), panel.start.toolTip()
    panel.start.click()
    assert panel.session.counting.running


def classes(panel):
    return [one.classes for one in panel.session.counting.kept.answers]


def judge_all(panel, qtbot, by=lambda _y, x: x < SIZE[1] // 2):
    counting = panel.session.counting
    for y, x in counting.kept.points[len(counting.kept.answers) :]:
        press(panel, qtbot, ONE if by(y, x) else TWO)


def until_compared(panel, qtbot):
    qtbot.waitUntil(lambda: bool(panel._counts and panel._counts.images), timeout=20_000)


def test_nothing_but_the_image_and_the_cross_is_in_sight(panel):
    viewer = panel.session.viewer
    window = viewer.window._qt_viewer
    assert {SEGMENTATION, PAINTED} <= in_sight(panel)
    start(panel)
    assert in_sight(panel) == {"a1.tif", CROSS}
    assert window.dockLayerList.isHidden()  # thumbnails would show the mask
    viewer.layers[SEGMENTATION].visible = True  # whoever does that
    viewer.add_labels(np.ones(SIZE, np.uint8), name="mine")
    assert in_sight(panel) == {"a1.tif", CROSS}
    panel.pause.click()
    assert CROSS not in viewer.layers
    assert PAINTED in in_sight(panel)
    assert "mine" in in_sight(panel)
    assert not window.dockLayerList.isHidden()


def test_the_view_goes_to_each_point_and_the_cross_leaves_its_pixel_free(panel, qtbot):
    start(panel)
    viewer, counting = panel.session.viewer, panel.session.counting
    image, seen = viewer.layers["a1.tif"], set()
    for _ in range(4):
        y, x = counting.kept.points[len(counting.kept.answers)]
        assert viewer.camera.center[-2:] == pytest.approx(image.data_to_world((y, x)))
        seen.add((y, x))
        for arm in viewer.layers[CROSS].data:
            distance = np.abs(np.asarray(arm) - (y, x)).max(axis=1)
            assert distance.min() > 0.5
        press(panel, qtbot, ONE)
    assert len(seen) == 4


def test_keys_judge_and_take_back_and_reach_nothing_else(panel, qtbot):
    start(panel)
    press(panel, qtbot, ONE, TWO, Qt.Key.Key_B, Qt.Key.Key_0)
    assert classes(panel) == [(1,), (2,), (1, 2), ()]
    press(panel, qtbot, Qt.Key.Key_Backspace)
    qtbot.keyClick(
        panel.session.viewer.window._qt_viewer.canvas.native, Z, Qt.KeyboardModifier.ControlModifier
    )
    assert classes(panel) == [(1,), (2,)]
    press(panel, qtbot, Qt.Key.Key_D, Qt.Key.Key_V, Qt.Key.Key_H, Qt.Key.Key_P)
    assert panel.session.current.shown.name == "a1.tif"
    assert in_sight(panel) == {"a1.tif", CROSS}
    assert not panel.session.current.shown.painted.data.any()
    press(panel, qtbot, Qt.Key.Key_Escape, TWO)
    assert panel.session.palette.picked == 2  # keys paint again


def test_with_three_classes_a_boundary_asks_for_both_sides(panel, qtbot):
    panel.session.palette.add_class()
    start(panel)
    press(panel, qtbot, Qt.Key.Key_B, TWO)
    assert panel.session.counting.asks_for_boundary
    assert "Boundary between" in panel.strip.text()
    assert classes(panel) == []
    press(panel, qtbot, TWO, Qt.Key.Key_3)  # the same class again is no other side
    assert classes(panel) == [(2, 3)]
    press(panel, qtbot, Qt.Key.Key_B, Qt.Key.Key_Backspace, ONE)
    assert classes(panel) == [(2, 3), (1,)]


def test_plus_and_minus_zoom_for_all_points_that_follow(panel, qtbot):
    start(panel)
    camera = panel.session.viewer.camera
    usual = camera.zoom
    press(panel, qtbot, Qt.Key.Key_Minus)
    assert camera.zoom == pytest.approx(usual / 1.25)
    press(panel, qtbot, ONE)
    assert camera.zoom == pytest.approx(usual / 1.25)


def test_it_is_kept_every_few_points_and_goes_on_after_a_pause(panel, qtbot):
    before = tuple(panel.session.viewer.camera.center)
    start(panel)
    points = panel.session.counting.kept.points
    press(panel, qtbot, *[ONE] * 5, TWO)
    assert len(on_disk(panel).answers) == 5
    press(panel, qtbot, Qt.Key.Key_Escape)
    assert len(on_disk(panel).answers) == 6
    assert tuple(panel.session.viewer.camera.center) == pytest.approx(before)
    assert panel.start.text() == "Go on"
    assert "6 of 20 points" in panel.progress.text()
    start(panel)
    assert panel.session.counting.kept.points == points
    assert classes(panel) == [(1,)] * 5 + [(2,)]


def test_the_mask_stays_out_of_sight_until_the_count_is_finished(panel, qtbot):
    start(panel)
    press(panel, qtbot, ONE, Qt.Key.Key_Escape)
    assert SEGMENTATION not in in_sight(panel)
    panel.session.current.step(1)
    assert SEGMENTATION in in_sight(panel)  # of the other image
    panel.session.current.step(-1)
    assert SEGMENTATION not in in_sight(panel)
    start(panel)
    panel.finish.click()
    assert SEGMENTATION in in_sight(panel)


def test_what_a_model_finds_meanwhile_stays_out_of_sight_during_a_pause(panel, qtbot):
    results = panel.session.results
    start(panel)
    press(panel, qtbot, ONE, Qt.Key.Key_Escape)
    results.take_over("a1.tif", np.ones(SIZE, np.uint8))
    assert {SEGMENTATION, PREVIEW}.isdisjoint(in_sight(panel))
    results.show_piece(PREVIEW, "a1.tif", 0, 0, np.ones((20, 20), np.uint8))
    assert {SEGMENTATION, PREVIEW}.isdisjoint(in_sight(panel))
    results.remove_layer(PREVIEW)
    assert SEGMENTATION not in in_sight(panel)
    start(panel)
    panel.finish.click()
    assert SEGMENTATION in in_sight(panel)
    results.take_over("a1.tif", np.ones(SIZE, np.uint8))
    assert SEGMENTATION in in_sight(panel)


def test_the_figures_of_the_panel_measure_are_covered_until_the_count_is_finished(panel, qtbot):
    session = panel.session
    measure = MeasurePanel(session.viewer)
    session.viewer.window.add_dock_widget(measure, name="Measure", area="left")
    qtbot.waitUntil(lambda: measure.tabs is not None and measure.tabs.isVisible(), timeout=20_000)
    start(panel)
    assert not measure.tabs.isVisible()
    assert "point count" in measure.covered.text()
    session.results.mask_changed.emit("a2.tif")  # is measured, and stays covered
    qtbot.waitUntil(lambda: not measure._stale, timeout=20_000)
    press(panel, qtbot, ONE, Qt.Key.Key_Escape)
    assert not measure.tabs.isVisible()  # a pause is no end
    session.current.step(1)
    assert measure.tabs.isVisible()
    session.current.step(-1)
    assert not measure.tabs.isVisible()
    start(panel)
    panel.finish.click()
    assert measure.tabs.isVisible()
    assert measure.covered.isHidden()


def test_the_name_of_whoever_counts_is_kept_with_the_count(panel, qtbot):
    panel.by.setText(" I. Lab ")
    start(panel)
    press(panel, qtbot, ONE, Qt.Key.Key_Escape)
    panel.by.clear()
    start(panel)  # nobody's name takes none away
    panel.finish.click()
    assert on_disk(panel).by == "I. Lab"


def test_another_image_or_class_table_pauses_it(panel, qtbot):
    start(panel)
    press(panel, qtbot, ONE)
    panel.session.current.step(1)
    assert not panel.session.counting.running
    assert len(on_disk(panel).answers) == 1
    panel.session.current.step(-1)
    start(panel)
    panel.session.palette.add_class()  # the keys have another meaning now
    assert not panel.session.counting.running


def test_figures_and_points_come_with_the_end_and_not_before(panel, qtbot):
    start(panel)
    judge_all(panel, qtbot, by=lambda _y, x: x < SIZE[1] // 4)
    columns = np.array([x for _, x in panel.session.counting.kept.points])  # drawn by chance
    assert panel.session.counting.running  # the last key can still be taken back
    assert "Enter" in panel.progress.text()
    assert panel.view.isHidden()
    press(panel, qtbot, Qt.Key.Key_Return)
    until_compared(panel, qtbot)
    assert not panel.view.isHidden()
    table = panel.view.table
    hand = [float(table.item(row, 1).text()) for row in range(2)]
    mask = [float(table.item(row, 3).text()) for row in range(2)]
    assert sum(hand) == pytest.approx(100)
    assert hand[0] == pytest.approx(100 * (columns < SIZE[1] // 4).mean(), abs=0.06)
    assert mask[0] == pytest.approx(100 * (columns < SIZE[1] // 2).mean(), abs=0.06)
    assert "kappa" in panel.view.words.text()
    layer = panel.session.viewer.layers[COUNTED]
    assert len(layer.data) == 20
    wrong = list(map(str, layer.symbol)).count("cross")
    assert wrong == sum(SIZE[1] // 4 <= x < SIZE[1] // 2 for _, x in layer.data)
    panel.show_points.click()
    assert COUNTED not in panel.session.viewer.layers


def test_points_that_the_mask_alone_excludes_are_marked_and_told(panel, qtbot):
    palette = panel.session.palette
    palette.edit(lambda project: project.classes.set_exclude(2, True))
    start(panel)
    judge_all(panel, qtbot, by=lambda _y, _x: True)
    columns = np.array([x for _, x in panel.session.counting.kept.points])
    press(panel, qtbot, Qt.Key.Key_Return)
    until_compared(panel, qtbot)
    excluded = int((columns >= SIZE[1] // 2).sum())
    words = panel.view.words.text()
    assert f"At {excluded} points either hand or mask has an excluded class" in words
    symbols = list(map(str, panel.session.viewer.layers[COUNTED].symbol))
    assert symbols.count("cross") == excluded > 1


def test_finishing_early_counts_what_is_judged(panel, qtbot):
    start(panel)
    assert not panel.finish.isEnabled()
    press(panel, qtbot, *[ONE] * 7)
    panel.finish.click()
    until_compared(panel, qtbot)
    assert len(on_disk(panel).points) == 7
    assert "7 points on 1 image" in panel.view.words.text()


def test_counting_anew_is_asked_for_and_draws_other_points(panel, qtbot):
    start(panel)
    first = panel.session.counting.kept.points
    press(panel, qtbot, ONE)
    panel.finish.click()
    until_compared(panel, qtbot)
    questions = []
    answer("Cancel", questions)
    panel.start.click()
    assert not panel.session.counting.running
    answer("Replace", questions)
    panel.start.click()
    assert panel.session.counting.running
    assert COUNTED not in panel.session.viewer.layers
    assert panel.session.counting.kept.points != first
    assert len(questions) == 2


def test_a_count_that_is_discarded_is_gone(panel, qtbot):
    start(panel)
    press(panel, qtbot, ONE)
    answer("Delete", [])
    panel.discard.click()
    assert on_disk(panel) is None
    assert panel.start.text() == "Count points"
    assert SEGMENTATION in in_sight(panel)


def test_tables_are_exported(panel, qtbot, tmp_path):
    assert not panel.export.isEnabled()
    start(panel)
    judge_all(panel, qtbot)
    press(panel, qtbot, Qt.Key.Key_Return)
    until_compared(panel, qtbot)
    panel.place.set_folder(tmp_path / "out")
    panel.export.click()
    assert "point_count.csv" in panel.outcome.text()
    every = pd.read_csv(tmp_path / "out" / "points.csv")
    assert len(every) == 20
    assert every["agrees"].eq(1).all()
    answer("Cancel", questions := [])
    panel.export.click()
    assert "points.csv" in questions[0]


def test_closing_the_window_keeps_what_is_judged(panel, qtbot):
    start(panel)
    press(panel, qtbot, ONE, TWO)
    panel.session.folder.end()
    assert len(on_disk(panel).answers) == 2


FULL = 64
"""Bytes of a file that fit on a disk that is full."""


@pytest.mark.parametrize("left", ["escape", "next image", "other folder"])
def test_what_is_judged_survives_a_pause_on_a_full_disk(panel, qtbot, left, tmp_path):
    session = panel.session
    start(panel)
    press(panel, qtbot, *[ONE] * 5, TWO)
    with largest_file(FULL):
        if left == "escape":
            press(panel, qtbot, Qt.Key.Key_Escape)
        elif left == "next image":
            session.current.step(1)
            assert panel.start.text() == "Count points"
            session.current.step(-1)
        else:
            folder = session.folder.project.folder
            assert session.folder.close()
            assert session.folder.open([folder])
    assert panel.problems_seen
    panel.problems_seen.clear()
    assert len(on_disk(panel).answers) == 5
    assert "6 of 20 points are judged. They aren't saved yet" in panel.progress.text()
    assert SEGMENTATION not in in_sight(panel)
    with largest_file(FULL):
        panel.start.click()
        assert not session.counting.running
        assert panel.problems_seen.pop()
    start(panel)
    assert classes(panel) == [(1,)] * 5 + [(2,)]
    assert len(on_disk(panel).answers) == 6
    assert session.counting.waiting is None


def test_a_count_that_all_is_judged_of_is_finished_once_it_can_be_written(panel, qtbot):
    start(panel)
    judge_all(panel, qtbot)
    press(panel, qtbot, Qt.Key.Key_Backspace, ONE)
    with largest_file(FULL):
        press(panel, qtbot, Qt.Key.Key_Escape)
    assert panel.problems_seen.pop()
    assert SEGMENTATION not in in_sight(panel)
    assert panel.start.text() == "Go on"
    panel.start.click()
    assert on_disk(panel).finished
    assert not panel.session.counting.running
    assert panel.start.text() == "Count anew"
    assert SEGMENTATION in in_sight(panel)


def test_a_count_that_another_window_went_on_with_is_not_kept(panel, qtbot):
    start(panel)
    press(panel, qtbot, ONE)
    other = Project(panel.session.folder.project.folder)
    other.points.write("a1.tif", other.points.go_on("a1.tif").answered((2,), ""))
    press(panel, qtbot, Qt.Key.Key_Escape)
    problem = panel.problems_seen.pop()
    assert "another window has counted" in problem
    assert "Show another image and this one again" in problem
    panel.session.current.step(1)
    panel.session.current.step(-1)
    start(panel)
    assert classes(panel) == [(2,)]


def test_what_is_judged_goes_elsewhere_with_strokes_that_can_t_be_saved(panel, qtbot, tmp_path):
    start(panel)
    press(panel, qtbot, ONE, TWO)
    with largest_file(FULL):
        press(panel, qtbot, Qt.Key.Key_Escape)
    assert panel.problems_seen.pop()
    (tmp_path / "mine").mkdir()
    assert panel.session.folder.keep_elsewhere(tmp_path / "mine")
    assert len(panel.session.folder.project.points.read("a1.tif").answers) == 2
    assert panel.session.counting.waiting is None


def test_closing_asks_about_points_that_can_t_be_saved(panel, qtbot):
    start(panel)
    press(panel, qtbot, ONE, TWO)
    window = panel.session.viewer.window._qt_window
    with largest_file(FULL):
        answer("Cancel", questions := [])
        gc.disable()
        try:
            assert not window.close()
            # Whoever keeps Qt's event has it taken for the next one at its place, such as a key.
            assert not [one for one in gc.get_objects() if isinstance(one, QCloseEvent)]
        finally:
            gc.enable()
        press(panel, qtbot, Qt.Key.Key_Escape)
        assert panel.problems_seen.pop()
        answer("Cancel", questions)
        assert not window.close()
    assert window.isVisible()
    assert len(questions) == 2
    assert all(one.startswith("The points that were judged can't be saved.") for one in questions)


def test_a_count_that_can_t_be_kept_does_not_begin(panel):
    own = panel.session.folder.project.own
    (own / "points").write_text("in the way")
    panel.start.click()
    assert not panel.session.counting.running
    assert SEGMENTATION in in_sight(panel)
    assert "points" in panel.problems_seen.pop()


def test_time_left_is_told_after_some_points(panel, qtbot):
    start(panel)
    assert panel.progress.text() == "1 of 20"
    press(panel, qtbot, *[ONE] * 6)
    assert panel.progress.text().startswith("7 of 20, ")
    assert panel.progress.text().endswith("left")
    QApplication.processEvents()
    assert panel.strip.isVisible()
    assert "7 of 20" in panel.strip.text()
