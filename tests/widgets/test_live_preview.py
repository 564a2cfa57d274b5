"""The preview while painting: it comes after a stroke, and only where it is wanted."""

import re
import threading

import numpy as np
import pytest
from acting import User, painted_folder, tiny
from limits import largest_file
from qtpy.QtCore import Qt

from napari_matssl.widgets.canvas.shown import PREVIEW, SEGMENTATION
from napari_matssl.widgets.jobs.torch_start import start_torch
from napari_matssl.widgets.panels.live_preview import MOST_IMAGES, few_with_all_classes
from napari_matssl.widgets.panels.micrographs_panel import MicrographsPanel

A_WHILE_MS = 1500
"""Longer than it takes to begin a preview, and to make one of a tiny image."""


@pytest.fixture
def user(make_napari_viewer, qtbot, monkeypatch):
    return User(make_napari_viewer, qtbot, monkeypatch)


@pytest.fixture
def folder(tmp_path, two_phases):
    """Three images without strokes."""
    return painted_folder(tmp_path / "steel", two_phases, painted=0)


@pytest.fixture
def painter(user, folder):
    """Somebody who has opened them, and has chosen a tiny encoder."""
    user.open(folder)
    tiny(user)
    return user


@pytest.fixture
def held():
    """Previews that wait while they are made."""
    start_torch()
    from faulty_device import held_fits

    with held_fits() as fits:
        yield fits


def add_class(user):
    """Add a third class; gives its id."""
    user.session.palette.edit(lambda project: project.classes.add())
    return user.project.classes.in_order[-1].id


def stroke(user, class_id, row=20):
    """Paint a line as the brush does."""
    layer = user.shown.painted
    for column in range(10, 80, 4):
        layer.paint((row, column), class_id)


def two_strokes(user):
    stroke(user, 1, 20)
    stroke(user, 2, 60)


def note(user):
    return user.micrographs.live_note.text()


def previewed(user):
    return PREVIEW in user.names


def test_strokes_of_two_classes_bring_a_preview_and_another_stroke_a_better_one(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    first = painter.shown.extra[PREVIEW].data.copy()
    assert set(np.unique(first)) == {1, 2}
    assert re.fullmatch(r"Live preview made in \d+\.\d s\.", note(painter))
    stroke(painter, 2, 40)
    painter.until(lambda: (painter.shown.extra[PREVIEW].data != first).any())


def test_it_learns_from_other_images_and_from_strokes_that_are_not_saved(painter):
    third = add_class(painter)
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    painter.press_key(Qt.Key.Key_D)
    painter.click(painter.micrographs.live_here)
    painter.until(lambda: previewed(painter))
    assert set(np.unique(painter.shown.extra[PREVIEW].data)) == {1, 2}
    with largest_file(0):
        stroke(painter, third, 40)
        painter.until(lambda: third in painter.shown.extra[PREVIEW].data)
        assert not painter.project.labels.path("steel-1.tif").exists()
    assert {1, 2} & set(np.unique(painter.shown.extra[PREVIEW].data))


def test_one_class_brings_none_and_a_note_asks_for_another(painter):
    stroke(painter, 1)
    painter.qtbot.wait(A_WHILE_MS)
    assert not previewed(painter)
    assert "paint at least two classes" in note(painter)


def test_nothing_comes_where_it_is_switched_off_and_switching_it_on_brings_one(painter):
    painter.click(painter.micrographs.live)
    two_strokes(painter)
    painter.qtbot.wait(A_WHILE_MS)
    assert not previewed(painter)
    assert note(painter) == ""
    painter.click(painter.micrographs.live)
    painter.until(lambda: previewed(painter))
    painter.click(painter.micrographs.live)
    assert not previewed(painter)


def test_opening_a_painted_folder_shows_none_before_the_first_stroke(user, tmp_path, two_phases):
    user.open(painted_folder(tmp_path / "steel", two_phases))
    tiny(user)
    user.press_key(Qt.Key.Key_D)
    user.qtbot.wait(A_WHILE_MS)
    assert not previewed(user)
    assert note(user) == "Live preview: starts with the next stroke."
    stroke(user, 2)
    user.until(lambda: previewed(user))


def test_none_lies_over_a_segmentation_until_that_is_hidden(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    name, found = painter.shown.name, np.ones_like(painter.shown.painted.data)
    painter.session.results.take_over(name, found)
    stroke(painter, 2, 40)
    painter.qtbot.wait(A_WHILE_MS)
    assert not previewed(painter)
    assert note(painter).startswith("No live preview over a segmentation")
    painter.shown.extra[SEGMENTATION].visible = False
    stroke(painter, 2, 30)
    painter.until(lambda: previewed(painter))


def test_none_takes_the_place_of_the_mask_that_counted_points_are_compared_with(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    name, found = painter.shown.name, np.ones_like(painter.shown.painted.data)
    painter.session.results.take_over(name, found)
    counting = painter.session.counting
    assert counting.begin(10)
    counting.answer(1)
    painter.qtbot.wait(A_WHILE_MS)
    counting.pause()
    stroke(painter, 2, 40)
    painter.until(lambda: "points of this image" in note(painter))
    painter.qtbot.wait(A_WHILE_MS)
    assert not previewed(painter)
    assert counting.begin(10)
    counting.finish()
    painter.qtbot.wait(A_WHILE_MS)
    assert painter.shown.extra[SEGMENTATION].visible
    assert not previewed(painter)


def test_it_is_faint_and_below_the_strokes(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    assert painter.shown.extra[PREVIEW].opacity <= 0.3
    assert painter.names.index(PREVIEW) < painter.names.index(painter.shown.painted.name)


def test_an_image_that_nobody_has_painted_is_left_alone_unless_one_is_asked_for(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    painter.press_key(Qt.Key.Key_D)
    painter.until(lambda: "before the first stroke" in note(painter))
    assert not previewed(painter)
    painter.click(painter.micrographs.live_here)
    painter.until(lambda: previewed(painter))


def test_it_goes_with_the_last_stroke_of_an_image(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    for _ in range(36):
        painter.shown.painted.undo()
    assert not painter.shown.painted.data.any()
    painter.until(lambda: not previewed(painter))


def test_it_goes_when_one_of_two_classes_is_erased(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    stroke(painter, 0, 60)
    painter.until(lambda: not previewed(painter))
    assert "paint at least two classes" in note(painter)


def test_strokes_made_while_a_job_runs_are_in_the_preview_after_it(painter):
    third = add_class(painter)
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    painter.runner.start("Thinking", lambda: thinking(painter))
    stroke(painter, third, 40)
    painter.qtbot.wait(A_WHILE_MS)
    painter.runner.job.finish()
    painter.wait()
    painter.until(lambda: third in painter.shown.extra[PREVIEW].data)


def test_one_from_before_a_job_can_be_switched_off_after_it(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    painter.runner.start("Thinking", lambda: thinking(painter))
    painter.runner.job.finish()
    painter.wait()
    painter.click(painter.micrographs.live)
    painter.until(lambda: not previewed(painter))


def test_one_that_is_asked_for_takes_the_place_of_a_segmentation(painter):
    two_strokes(painter)
    found = np.ones_like(painter.shown.painted.data)
    painter.session.results.take_over(painter.shown.name, found)
    painter.click(painter.micrographs.live_here)
    painter.until(lambda: previewed(painter))
    assert not painter.shown.extra[SEGMENTATION].visible
    painter.click(painter.micrographs.live)
    assert painter.shown.extra[SEGMENTATION].visible


def test_panels_share_one_switch_shown_where_previews_are_made(user, folder, make_napari_viewer):
    alone = MicrographsPanel(make_napari_viewer())
    assert alone.live.isHidden()
    other = MicrographsPanel(user.viewer)
    assert not other.live.isHidden()
    user.click(other.live)
    assert not user.micrographs.live.isChecked()
    assert not other.live_here.isEnabled()


def test_unticked_images_do_not_count(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    painter.finetune.images.item(0).setCheckState(Qt.CheckState.Unchecked)
    painter.until(lambda: "paint at least two classes" in note(painter))


def test_strokes_made_meanwhile_bring_one_more_preview_not_one_each(painter, held):
    begin_one(painter, held)
    for row in (30, 40, 50):
        stroke(painter, 1, row)
        painter.qtbot.wait(500)
    held.go_on.set()
    painter.until(lambda: held.begun == 2)
    painter.qtbot.wait(A_WHILE_MS)
    assert held.begun == 2


def begin_one(painter, held):
    """Paint, and wait until a preview is being made."""
    two_strokes(painter)
    painter.until(held.waiting.is_set)


def test_the_note_tells_that_the_first_preview_of_an_image_is_under_way(painter, held):
    held.go_on.set()
    begin_one(painter, held)
    painter.until(lambda: previewed(painter))
    held.go_on.clear()
    held.waiting.clear()
    painter.press_key(Qt.Key.Key_D)
    painter.until(lambda: "before the first stroke" in note(painter))
    begin_one(painter, held)
    assert note(painter) == "Live preview: computing..."
    held.go_on.set()
    painter.until(lambda: previewed(painter))
    assert "made in" in note(painter)


def end_held(painter, held):
    """Let previews go on, and wait for what comes of the one that waited."""
    held.go_on.set()
    painter.qtbot.wait(A_WHILE_MS)


def test_one_that_is_overtaken_by_a_job_is_dropped(painter, held):
    begin_one(painter, held)
    painter.runner.start("Thinking", lambda: thinking(painter))
    painter.until(lambda: "while a job runs" in note(painter))
    end_held(painter, held)
    assert not previewed(painter)
    stroke(painter, 1, 40)
    painter.qtbot.wait(A_WHILE_MS)
    assert held.begun == 1, "a preview competed with a job"
    painter.runner.job.finish()
    painter.wait()
    painter.qtbot.wait(A_WHILE_MS)
    assert not previewed(painter), "it came before the next stroke"
    stroke(painter, 1, 50)
    painter.until(lambda: previewed(painter))


def thinking(painter):
    from napari_matssl.progress import Control, Progress

    while (yield Progress("thinking", 0, 1)) is not Control.STOP:
        threading.Event().wait(0.02)


def test_the_last_preview_of_a_run_stays_until_the_next_stroke(painter):
    two_strokes(painter)
    painter.until(lambda: previewed(painter))
    painter.run(painter.finetune.start)
    assert not painter.error
    assert painter.finetune.start_from.model is not None  # of which it takes the encoder
    trained = painter.shown.extra[PREVIEW]
    trained.data = np.full_like(trained.data, 1)
    painter.qtbot.wait(A_WHILE_MS)
    assert (painter.shown.extra[PREVIEW].data == 1).all()
    stroke(painter, 2, 40)
    painter.until(lambda: (painter.shown.extra[PREVIEW].data == 2).any())


def test_one_for_another_folder_is_dropped(painter, held, tmp_path, two_phases):
    begin_one(painter, held)
    painter.open(painted_folder(tmp_path / "other", two_phases))  # images of the same names
    end_held(painter, held)
    assert held.segmented == 0
    assert not previewed(painter)


def test_one_for_another_image_is_dropped_and_the_one_in_view_gets_its_own(painter, held):
    begin_one(painter, held)
    painter.press_key(Qt.Key.Key_D)
    assert painter.shown.name == "steel-1.tif"
    stroke(painter, 1)
    held.go_on.set()
    painter.until(lambda: previewed(painter))
    assert (held.begun, held.segmented) == (2, 1)


def test_classes_that_change_meanwhile_bring_another(painter, held):
    begin_one(painter, held)
    painter.micrographs.classes.renamed.emit(painter.project.classes.in_order[0].id, "ferrite")
    held.go_on.set()
    painter.until(lambda: previewed(painter))
    assert (held.begun, held.segmented) == (2, 1)


def test_a_class_that_is_deleted_is_in_no_preview_any_more(painter):
    third = add_class(painter)
    two_strokes(painter)
    stroke(painter, third, 80)
    painter.until(lambda: previewed(painter) and third in painter.shown.extra[PREVIEW].data)
    painter.session.palette.delete(third)
    painter.until(lambda: previewed(painter))
    assert set(np.unique(painter.shown.extra[PREVIEW].data)) <= {1, 2}


def test_a_failure_stands_in_the_note_alone_and_the_next_stroke_tries_again(painter):
    start_torch()
    from faulty_device import failing_fits

    with failing_fits(RuntimeError("conv2d: something odd")):
        two_strokes(painter)
        painter.until(lambda: "something odd" in note(painter))
    assert note(painter).startswith("No live preview: ")
    assert painter.heard == []
    stroke(painter, 1, 40)
    painter.until(lambda: previewed(painter))


def test_a_panel_closed_while_one_is_made_and_strokes_after_it_do_no_harm(painter, held):
    begin_one(painter, held)
    painter.viewer.window.remove_dock_widget(painter.dock)
    painter.shell.deleteLater()
    painter.qtbot.wait(50)
    stroke(painter, 2, 40)
    end_held(painter, held)
    assert held.segmented == 0, "it was told to stop"
    assert not previewed(painter)


def test_a_viewer_that_closes_while_one_is_made_does_no_harm(painter, held):
    begin_one(painter, held)
    painter.viewer.close()
    end_held(painter, held)
    assert held.segmented == 0


def test_a_few_images_have_all_classes_and_the_one_in_view():
    classes = {f"{number}.tif": {1, 2} for number in range(9)}
    classes |= {"bare.tif": set(), "pores.tif": {1, 3}}
    chosen = few_with_all_classes(classes, "7.tif", MOST_IMAGES)
    assert chosen == ("0.tif", "1.tif", "2.tif", "3.tif", "7.tif", "pores.tif")
    assert few_with_all_classes({"a": {1, 2}, "b": {1}, "c": set()}, "b", 6) == ("a", "b")
