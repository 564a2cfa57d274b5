"""The table of figures that may have thousands of rows."""

import math

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_matssl.widgets.controls.figure_words import in_one_line, title_of_column
from napari_matssl.widgets.controls.frame_view import FrameView

FRAME = pd.DataFrame(
    {
        "image": ["a10.tif", "a2.tif", "b.tif"],
        "group": "all",
        "area_px": [12, 7, 30],
        "mean_area_um2": [1234.5678, math.nan, 0.0123456],
        "reason": ["", "one image: no interval", ""],
    }
)


@pytest.fixture
def view(qtbot):
    made = FrameView("Click a row.", follow_arrows=True)
    qtbot.addWidget(made)
    made.resize(500, 300)
    made.show_frame(FRAME, ("group",))
    made.show()
    qtbot.waitExposed(made)
    return made


def column(view, place):
    model = view.frame_model
    return [model.data(model.index(row, place)) for row in range(model.rowCount())]


def test_columns_have_words_and_units(view):
    model = view.frame_model
    titles = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(3)]
    assert titles == ["image", "area\n(px)", "mean area\n(µm²)"]
    tip = model.headerData(2, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert "mean_area_um2" in tip
    assert in_one_line("crack_length_um_per_mm2") == "crack length (µm/mm²)"
    assert title_of_column("g_astm") == "G\n(ASTM)"


def test_blank_cells_show_a_dash_and_why(view):
    model = view.frame_model
    assert column(view, 2)[1] == "–"
    tip = model.data(model.index(1, 2), Qt.ItemDataRole.ToolTipRole)
    assert tip == "One image: no interval."


def test_small_figures_among_large_ones_are_not_shown_as_zero(view):
    assert column(view, 2)[2] == "0.012"


def test_figures_of_a_summary_have_digits_of_their_own(view):
    means = [1396.7, 9.3811, 0.44201]
    view.show_frame(pd.DataFrame({"figure": ["objects_per_mm2", "d50_um", "s"], "mean": means}))
    assert column(view, 0) == ["objects (1/mm²)", "d50 (µm)", "s"]
    assert column(view, 1) == ["1397", "9.381", "0.4420"]


@pytest.mark.parametrize(
    ("place", "order", "wanted"),
    [
        (0, Qt.SortOrder.AscendingOrder, ["a2.tif", "a10.tif", "b.tif"]),
        (1, Qt.SortOrder.DescendingOrder, ["b.tif", "a10.tif", "a2.tif"]),
        (2, Qt.SortOrder.AscendingOrder, ["b.tif", "a10.tif", "a2.tif"]),
        (2, Qt.SortOrder.DescendingOrder, ["a10.tif", "b.tif", "a2.tif"]),
    ],
)
def test_sorting(view, place, order, wanted):
    view.sortByColumn(place, order)
    assert column(view, 0) == wanted


def test_a_sorted_table_stays_sorted_with_new_figures(view):
    view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    view.show_frame(FRAME.assign(area_px=[1, 2, 3]), ("group",))
    assert column(view, 0) == ["b.tif", "a2.tif", "a10.tif"]


def test_a_click_and_the_arrows_choose_rows_of_the_table(view, qtbot):
    chosen = []
    view.chosen.connect(chosen.append)
    view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    place = view.visualRect(view.frame_model.index(0, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert [FRAME.image[row] for row in chosen] == ["a2.tif", "a10.tif"]


def test_selecting_by_program_chooses_nothing(view):
    chosen = []
    view.chosen.connect(chosen.append)
    view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    view.select(2)
    assert (view.selected, chosen) == ([2], [])


def test_all_digits_are_copied(view):
    view.copy()
    lines = QApplication.clipboard().text().split("\n")
    assert lines[0] == "image\tarea_px\tmean_area_um2"
    assert lines[1:] == ["a10.tif\t12\t1234.5678", "a2.tif\t7\t", "b.tif\t30\t0.0123456"]


def test_rows_of_images_that_changed_are_marked(view):
    view.frame_model.mark_old(["a2.tif"])
    model = view.frame_model
    fonts = [model.data(model.index(row, 0), Qt.ItemDataRole.FontRole) for row in range(3)]
    assert [font is not None and font.italic() for font in fonts] == [False, True, False]
    tip = model.data(model.index(1, 0), Qt.ItemDataRole.ToolTipRole)
    assert tip == "This image has changed since it was measured."


def test_of_many_rows_only_those_in_sight_are_made(view, qtbot, monkeypatch):
    model = view.frame_model
    asked, usual = set(), model.data
    monkeypatch.setattr(
        model, "data", lambda index, role=0: asked.add(index.row()) or usual(index, role)
    )
    many = pd.DataFrame({"object": np.arange(10_000), "area_um2": np.linspace(0, 1, 10_000)})
    view.show_frame(many)
    view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    qtbot.wait(50)
    view.select(5_000)
    qtbot.wait(50)
    assert 10 < len(asked) < 200
