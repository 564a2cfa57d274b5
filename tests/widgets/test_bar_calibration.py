"""Calibrating by a line along the scale bar, and the warning where bar and pixel size disagree."""

import threading

import numpy as np
import pytest
import tifffile
from desk import docked, key, said
from qtpy.QtCore import Qt, QTimer

from napari_matssl.micrograph import scale_bar
from napari_matssl.project.folder import Project
from napari_matssl.project.image_summary import ImageFacts
from napari_matssl.widgets.canvas import bar_line
from napari_matssl.widgets.canvas.bar_line import LINE
from napari_matssl.widgets.controls.image_rows import WRONG_SCALE
from napari_matssl.widgets.panels import bar_calibration

HEIGHT, WIDTH, ROW, BAR = 300, 400, 250, 90


def write(path, um=None, other=None, bar=True):
    """Write a micrograph with a white info bar, in which a bar of 90 px stands."""
    pixels = np.random.default_rng(len(path.name)).integers(40, 200, (HEIGHT, WIDTH), np.uint8)
    pixels[ROW:] = 255
    pixels[ROW + 6 : ROW + 12, 200:300:3] = 0  # text
    if bar:
        pixels[275:277, 20 : 22 + BAR] = 0
        for x in (20, 20 + BAR):
            pixels[264:288, x : x + 2] = 0
    known = {}
    if um is not None:
        known = {"resolution": (1 / um, 1 / (other or um)), "metadata": {"unit": "micron"}}
    tifffile.imwrite(path, pixels, imagej=True, **known)


@pytest.fixture
def panel(make_napari_viewer, tmp_path, qtbot):
    """Give the panel Micrographs with one image that fits its bar, one that doesn't, others."""
    folder = tmp_path / "sem"
    folder.mkdir()
    write(folder / "a.tif", 10 / BAR)
    write(folder / "b.tif", 7.2 / BAR)
    write(folder / "c.tif")
    write(folder / "d.tif", 10 / BAR, 20 / BAR)
    panel = docked(make_napari_viewer(show=True))
    panel.problems = said(panel)
    assert panel.session.folder.open([folder])
    facts = panel.session.folder.facts
    qtbot.waitUntil(lambda: len(facts) == 4, timeout=20_000)
    assert all(isinstance(one, ImageFacts) for one in facts.values())
    yield panel
    assert not panel.problems


def calibration(panel):
    return panel.facts.by_bar


def begin(panel, length="", unit="µm"):
    tool = calibration(panel)
    tool.start.click()
    if length is not None:
        tool.length.setText(length)
        tool.unit.setCurrentText(unit)
    return tool


def size_of(panel, name):
    """The size that was set by hand, as another program finds it on disk."""
    size = Project(panel.session.folder.project.folder).micrographs.pixel_size_by_hand(name)
    return None if size is None else size.x_um


def state(panel, name):
    return panel._row(name).state


def test_only_the_image_whose_bar_contradicts_its_size_gets_a_warning(panel):
    assert [WRONG_SCALE in state(panel, f"{one}.tif") for one in "abcd"] == [
        False, True, False, False,
    ]  # fmt: skip
    assert "the bar of 90 px would be 7.2 µm long" in panel._row("b.tif").tooltip
    assert panel.facts.size_doubt.isHidden()
    panel.session.current.show("b.tif")
    assert "pixel size and scale bar disagree" in panel.facts.size_doubt.text()


def test_all_sources_stand_in_the_tooltip_with_the_one_that_counts(panel, qtbot):
    panel.session.current.show("b.tif")
    lines = panel.facts.size_source.toolTip().split("\n")
    assert len(lines) == 2
    assert "ImageJ metadata" in lines[0]
    assert lines[0].endswith("(used)")
    assert "scale bar of 90 px" in lines[1]
    assert lines[1].endswith("(differs)")
    panel.facts.size.setText("0.2")
    panel.facts.size.editingFinished.emit()
    qtbot.waitUntil(lambda: "set by hand (used)" in panel.facts.size_source.toolTip())
    assert "ImageJ metadata" in panel.facts.size_source.toolTip().split("\n")[1]


def test_the_bar_that_is_found_is_drawn_and_its_length_calibrates_the_image(panel, qtbot):
    panel.session.current.show("b.tif")
    tool = begin(panel)
    line = panel.session.viewer.layers[LINE]
    assert np.asarray(line.data[0])[:, 1] == pytest.approx([20.5, 20.5 + BAR])
    assert "90.0 px" in tool.found.text()
    assert not tool.here.isEnabled()
    tool.length.setText("10")
    assert "0.1111 µm/px" in tool.found.text()
    tool.here.click()
    assert size_of(panel, "b.tif") == pytest.approx(10 / BAR)
    assert size_of(panel, "a.tif") is None
    assert LINE not in panel.session.viewer.layers
    assert tool.form.isHidden()
    assert panel.facts.size_doubt.isHidden()
    assert panel.session.viewer.layers["b.tif"].scale == pytest.approx([10 / BAR] * 2)
    qtbot.waitUntil(lambda: WRONG_SCALE not in state(panel, "b.tif"), timeout=10_000)
    tool.undo.click()
    assert size_of(panel, "b.tif") is None
    assert panel.session.current.shown.micrograph.pixel_size.x_um == pytest.approx(7.2 / BAR)
    assert tool.undo.isHidden()


def test_the_number_that_is_read_beside_the_bar_is_proposed_and_waits_for_a_click(
    panel, monkeypatch
):
    monkeypatch.setattr(scale_bar, "read_length", lambda *_: 0.5)
    panel.session.current.show("c.tif")
    tool = begin(panel, None)
    assert (tool.length.text(), tool.unit.currentText()) == ("500", "nm")
    assert tool.here.isEnabled()
    assert size_of(panel, "c.tif") is None
    tool.here.click()
    assert size_of(panel, "c.tif") == pytest.approx(0.5 / BAR)


def test_a_line_that_is_drawn_by_hand_counts_in_its_unit(panel):
    panel.session.current.show("c.tif")
    tool = begin(panel, "500", "nm")
    line = panel.session.viewer.layers[LINE]
    line.data = [np.array([[100, 50], [130, 90]])]  # 30 down, 40 across
    assert "50.0 px" in tool.found.text()
    tool.here.click()
    assert size_of(panel, "c.tif") == pytest.approx(0.5 / 50)
    assert panel.session.current.shown.micrograph.pixel_size.source.startswith("scale bar of 0.5")


def test_all_images_are_calibrated_but_those_whose_pixels_are_not_square(panel):
    heard = []
    panel.session.notices.remarked.connect(heard.append)
    panel.session.current.show("a.tif")
    tool = begin(panel, "20,0")
    tool.everywhere.click()
    assert [size_of(panel, f"{one}.tif") for one in "abc"] == pytest.approx([20 / BAR] * 3)
    assert size_of(panel, "d.tif") is None
    assert "3 images" in heard[-1]
    assert "d.tif" in heard[-1]
    tool.undo.click()
    assert [size_of(panel, f"{one}.tif") for one in "abc"] == [None] * 3
    assert heard[-1] == "3 images: the pixel size is as before."


def test_undoing_leaves_sizes_that_were_set_since_and_can_be_tried_again(panel, monkeypatch):
    heard = []
    panel.session.notices.remarked.connect(heard.append)
    panel.session.current.show("a.tif")
    tool = begin(panel, "20")
    tool.everywhere.click()
    panel.session.current.show("b.tif")
    panel.facts.size.setText("0.25")
    panel.facts.size.editingFinished.emit()
    with monkeypatch.context() as full:
        full.setattr(bar_calibration, "set_pixel_sizes", lambda *_: None)  # it can't be written
        tool.undo.click()
    assert "as before" not in heard[-1]
    assert not tool.undo.isHidden()
    tool.undo.click()
    assert [size_of(panel, f"{one}.tif") for one in "abc"] == [None, 0.25, None]
    assert heard[-1] == (
        "2 images: the pixel size is as before. Left out, as they got another since: b.tif."
    )


def test_pixels_that_are_not_square_stay_as_they_are(panel):
    panel.session.current.show("d.tif")
    tool = begin(panel, "10")
    assert not tool.here.isEnabled()
    assert "aren't square" in tool.found.text()


@pytest.mark.parametrize("text", ["ten", "0", "-4", "1e999"])
def test_lengths_that_are_none_are_refused_where_they_are_typed(panel, text):
    panel.session.current.show("c.tif")
    tool = begin(panel, text)
    assert not tool.here.isEnabled()
    assert text in tool.found.text() or "scale bar of" in tool.found.text()


def test_escape_and_another_image_take_the_line_away(panel, qtbot):
    tool = begin(panel, "10")
    key(qtbot, panel.session.viewer, Qt.Key.Key_Escape)
    if LINE in panel.session.viewer.layers:  # a window that isn't active has no shortcuts
        tool.cancel.click()
    assert LINE not in panel.session.viewer.layers
    assert tool.form.isHidden()
    begin(panel, "10")
    panel.session.current.step(1)
    assert LINE not in panel.session.viewer.layers
    assert tool.form.isHidden()


def test_the_window_lives_on_while_the_scale_bar_is_looked_for(panel, monkeypatch):
    """The number beside it is read by networks, which take seconds to load."""
    panel.session.current.show("b.tif")
    find, alive, lived = bar_line.find_scale_bar, threading.Event(), []

    def slow(micrograph):
        lived.append(alive.wait(20))
        return find(micrograph)

    monkeypatch.setattr(bar_line, "find_scale_bar", slow)
    QTimer.singleShot(0, alive.set)  # set by the window, if it isn't the one that waits
    tool = begin(panel)
    assert lived == [True]
    assert "90.0 px" in tool.found.text()
    assert LINE in panel.session.viewer.layers


def test_no_line_comes_over_another_image_that_is_shown_meanwhile(panel, monkeypatch):
    panel.session.current.show("b.tif")
    shown = threading.Event()

    def slow(_micrograph):
        shown.wait(20)

    def go_on():
        panel.session.current.show("a.tif")
        shown.set()

    monkeypatch.setattr(bar_line, "find_scale_bar", slow)
    QTimer.singleShot(0, go_on)
    tool = begin(panel, length=None)
    assert panel.session.current.shown.name == "a.tif"
    assert LINE not in panel.session.viewer.layers
    assert tool.form.isHidden()
