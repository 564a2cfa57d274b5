import math
import subprocess
import sys
import time

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel, QWidget

from napari_matssl.labels.class_table import COLOURS, LabelClass
from napari_matssl.widgets.controls.curves import REDRAW_MS, TrainingCurves


def label_classes(*names):
    return [LabelClass(id=i + 1, name=n, colour=COLOURS[i]) for i, n in enumerate(names)]


@pytest.fixture
def curves(qtbot):
    widget = TrainingCurves()
    qtbot.addWidget(widget)
    widget.clear(label_classes("ferrite", "martensite"))
    widget.resize(380, 400)
    widget.show()
    return widget


def drawn(curves, key):
    """The points of a curve as they are on the screen."""
    series = curves._smoothed if key == "smoothed" else curves._series[key]
    x, y = series.curve.getOriginalDataset()
    return ([], []) if x is None else (x.tolist(), y.tolist())


def visible_words(widget):
    return " ".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def test_before_the_first_step_a_note_explains_the_wait(curves, qtbot):
    assert visible_words(curves) == "Waiting for the first step"
    curves.add(0.1, {"loss": 1.0})
    qtbot.waitUntil(lambda: "Waiting" not in visible_words(curves))
    curves.clear(label_classes("ferrite"))
    assert visible_words(curves) == "Waiting for the first step"


def test_steps_are_drawn_together_after_half_a_second(curves, qtbot):
    for step in range(10):
        curves.add(step / 10, {"loss": 2.0})
    assert drawn(curves, "loss") == ([], [])
    began = time.monotonic()
    qtbot.waitUntil(lambda: len(drawn(curves, "loss")[0]) > 0)
    assert time.monotonic() - began > 0.8 * REDRAW_MS / 1000
    x, y = drawn(curves, "loss")
    assert x == pytest.approx([0, 10, 20, 30, 40, 50, 60, 70, 80, 90])
    assert y == [2.0] * 10


def test_steps_that_follow_each_other_quickly_do_not_put_off_drawing(curves, qtbot):
    for step in range(30):
        curves.add(step / 30, {"loss": 2.0})
        qtbot.wait(REDRAW_MS // 10)
        if drawn(curves, "loss")[0]:
            break
    assert 5 <= len(drawn(curves, "loss")[0]) < 30


def test_the_last_step_is_drawn_even_if_none_follows(curves, qtbot):
    curves.add(0.1, {"loss": 2.0})
    qtbot.waitUntil(lambda: drawn(curves, "loss")[0] == [10])
    curves.add(1.0, {"loss": 1.0})
    qtbot.waitUntil(lambda: drawn(curves, "loss")[0] == [10, 100])


def test_the_smoothed_loss_starts_at_the_loss_and_lies_between_the_steps(curves):
    random = np.random.default_rng(0)
    for step in range(200):
        curves.add(step / 200, {"loss": 1 + random.normal(0, 0.2)})
    curves._redraw()
    raw, smoothed = drawn(curves, "loss")[1], drawn(curves, "smoothed")[1]
    assert smoothed[0] == raw[0]
    assert len(smoothed) == 200
    assert np.std(smoothed[50:]) < 0.5 * np.std(raw[50:])
    assert np.mean(smoothed[50:]) == pytest.approx(1, abs=0.05)


def test_the_smoothed_loss_follows_a_short_run(curves):
    for step, loss in enumerate([1.5, 0.5, 0.4, 0.4]):
        curves.add(step / 4, {"loss": loss})
    curves._redraw()
    assert drawn(curves, "smoothed")[1] == pytest.approx([1.5, 1.0, 0.8, 0.7])


def test_a_step_that_is_repeated_while_a_preview_is_made_counts_once(curves):
    for share, loss in ((0.1, 2.0), (0.2, 1.0), (0.2, 1.0), (0.2, 1.0)):
        curves.add(share, {"loss": loss, "iou_ferrite": 0.5})
    curves._redraw()
    assert drawn(curves, "loss") == ([10, 20], [2.0, 1.0])
    assert drawn(curves, "smoothed")[1] == [2.0, 1.5]


def test_the_legend_lists_validation_once_there_is_any(curves):
    curves.add(0.1, {"loss": 1.0, "iou_ferrite": 0.5})
    assert "validation" not in curves._iou_legend.text()
    curves.add(0.2, {"loss": 1.0, "val_miou": 0.5})
    assert "validation" in curves._iou_legend.text()
    curves.clear(label_classes("ferrite"))
    assert "validation" not in curves._iou_legend.text()


def test_a_validation_that_is_repeated_at_every_step_is_one_point(curves):
    first = {"val_loss": 0.5, "val_miou": 0.6, "val_iou_ferrite": 0.7, "val_iou_martensite": 0.5}
    second = {**first, "val_miou": 0.65}
    for step in range(4):
        curves.add(step / 10, {"loss": 1.0, "iou_ferrite": 0.9, **(first if step < 2 else second)})
    curves._redraw()
    assert drawn(curves, "val_miou") == ([0, 20], [0.6, 0.65])
    assert drawn(curves, "val_iou_martensite") == ([0, 20], [0.5, 0.5])
    assert drawn(curves, "val_loss")[1] == [0.5, 0.5]
    assert len(drawn(curves, "iou_ferrite")[0]) == len(drawn(curves, "loss")[0]) == 4


def test_figures_that_cannot_be_drawn_are_left_out(curves):
    curves.add(0.1, {"loss": math.nan, "val_iou_ferrite": math.inf, "epoch": 3.0})
    curves._redraw()
    assert visible_words(curves) == "Waiting for the first step"
    curves.add(0.2, {"loss": 1.0, "iou_pearlite": 0.5})
    curves._redraw()
    assert drawn(curves, "loss") == ([20], [1.0])


def test_the_axes_span_the_run_and_the_losses(curves):
    for share, loss in ((0.1, 4.0), (0.2, 2.0)):
        curves.add(share, {"loss": loss, "iou_ferrite": 0.3})
    curves._redraw()
    (left, right), (low, high) = curves._loss_plot.viewRange()
    assert left < 0
    assert right > 100
    assert low < 0
    assert 4 < high < 5
    (left, right), (low, high) = curves._iou_plot.viewRange()
    assert left < 0
    assert right > 100
    assert -0.1 < low < 0
    assert 1 < high < 1.1


def test_a_rise_of_the_loss_at_the_start_is_explained_where_it_is_seen(curves):
    assert "may rise in the first steps" in curves.toolTip()


def test_a_pretraining_has_a_loss_alone(qtbot):
    curves = TrainingCurves(with_iou=False)
    qtbot.addWidget(curves)
    curves.clear(())
    curves.resize(300, 200)
    curves.show()
    assert curves.minimumSizeHint().height() < 200
    curves.add(0.5, {"loss": 4.0, "epoch": 1.0})
    curves._redraw()
    assert drawn(curves, "loss") == ([50], [4.0])
    assert "IoU" not in visible_words(curves) + curves.toolTip()
    assert not curves._iou_plot.isVisible()
    assert curves._loss_plot.getAxis("bottom").labelText == "progress (%)"


def test_a_note_stands_there_while_there_is_no_iou(curves):
    curves.add(0.1, {"loss": 1.0})
    curves._redraw()
    assert curves._no_iou.isVisible()
    curves.add(0.2, {"loss": 1.0, "val_miou": 0.4})
    curves._redraw()
    assert not curves._no_iou.isVisible()


def test_curves_and_legend_have_the_classes_colours(curves):
    curves.clear(label_classes("ferrite", "<scratch>"))
    pen = curves._series["iou_<scratch>"].curve.opts["pen"]
    points = curves._series["val_iou_<scratch>"].curve.opts["symbolPen"]
    assert pen.color().name() == points.color().name() == COLOURS[1]
    curves.add(0.1, {"loss": 1.0})
    curves._redraw()
    words = visible_words(curves)
    assert "&lt;scratch&gt;" in words
    assert COLOURS[1] in words
    assert "martensite" not in words


def test_it_follows_the_theme(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.setStyleSheet("QWidget { background-color: #000000; color: #f0f1f2; }")
    curves = TrainingCurves(window)
    curves.clear(label_classes("ferrite"))
    curves.resize(380, 400)
    window.resize(380, 400)
    window.show()
    curves.add(0.5, {"loss": 1.0})
    curves._redraw()

    def colours():
        corner = curves.grab().toImage().pixelColor(70, 12).name()
        axis = curves._iou_plot.getAxis("left")
        smoothed = curves._smoothed.curve.opts["pen"]
        return corner, axis.textPen().color().name(), smoothed.color().name()

    assert colours() == ("#000000", "#f0f1f2", "#f0f1f2")
    window.setStyleSheet("QWidget { background-color: #ffffff; color: #101112; }")
    qtbot.waitUntil(lambda: colours() == ("#ffffff", "#101112", "#101112"))


def test_the_mouse_can_neither_pan_nor_open_menus(curves):
    curves.add(0.5, {"loss": 1.0})
    curves._redraw()
    under_mouse = curves.childAt(curves._iou_plot.mapTo(curves, curves._iou_plot.rect().center()))
    assert under_mouse is not curves._iou_plot
    assert not curves._iou_plot.isAncestorOf(under_mouse)


def test_it_fits_a_dock_and_legends_are_whole(qtbot):
    dock = QWidget()
    qtbot.addWidget(dock)
    dock.resize(300, 600)
    curves = TrainingCurves(dock)
    curves.clear(label_classes("ferrite", "retained austenite", "upper bainite", "martensite"))
    curves.add(0.5, {"loss": 1.0})
    curves._redraw()
    dock.show()
    curves.resize(300, 400)
    curves.resize(300, curves.minimumSizeHint().height())
    legend = curves._iou_legend
    qtbot.waitUntil(lambda: legend.height() >= legend.heightForWidth(legend.width()))
    assert curves._loss_plot.height() >= 130
    assert curves.sizeHint().width() <= 380


@pytest.mark.timeout(60)
def test_two_thousand_steps_are_drawn(curves):
    for step in range(2000):
        curves.add(step / 2000, {"loss": 1.0, "iou_ferrite": 0.5, "iou_martensite": 0.4})
    curves._redraw()
    places, losses = drawn(curves, "loss")
    assert (len(places), places[-1], losses[-1]) == (2000, pytest.approx(99.95), 1.0)


def test_importing_it_loads_neither_pyqtgraph_nor_torch():
    code = "import sys, napari_matssl.widgets.controls.curves as c; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pyqtgraph", "torch", "matplotlib"} & set(done.stdout.split())
