from dataclasses import replace

import numpy as np
import pytest
from napari.qt import get_stylesheet
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QGuiApplication
from qtpy.QtWidgets import QLabel, QTableWidgetSelectionRange, QWidget

from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.held_out import HeldOut, HeldOutImage
from napari_matssl.measure.corrected import correct_fractions
from napari_matssl.measure.phases import phase_fractions
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.widgets.controls.phases_view import PhasesView

FERRITE = LabelClass(id=1, name="ferrite", colour=COLOURS[0])
MARTENSITE = LabelClass(id=2, name="martensite", colour=COLOURS[1])
SCRATCH = LabelClass(id=3, name="scratch", colour=COLOURS[2], exclude=True)
TABLE = ClassTable(classes=(FERRITE, MARTENSITE, SCRATCH))
MICROMETRE = PixelSize(1.0, 1.0, "given")


def measured(name, ferrite, martensite, scratch=0, pixel_size=MICROMETRE):
    """Rows of an image that so many pixels of each class are in."""
    mask = np.repeat([1, 2, 3], [ferrite, martensite, scratch]).reshape(1, -1).astype(np.uint8)
    return phase_fractions(name, mask, TABLE, pixel_size)


@pytest.fixture
def view(qtbot):
    widget = PhasesView()
    qtbot.addWidget(widget)
    widget.resize(380, 460)
    widget.show()
    return widget


@pytest.fixture
def three_images(view):
    rows = [*measured("a10.tif", 900, 100), *measured("a2.tif", 700, 300, 50)]
    rows += measured("b.tif", 800, 200, pixel_size=None)
    view.show_phases(rows, TABLE.classes)
    return view


def texts(table):
    return [
        [table.item(row, column).text() for column in range(table.columnCount())]
        for row in range(table.rowCount())
    ]


def column(table, index):
    return [line[index] for line in texts(table)]


def click_header(qtbot, table, section):
    header = table.horizontalHeader()
    place = header.viewport().rect().center()
    place.setX(header.sectionViewportPosition(section) + 10)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def items(chart, kind):
    return [item for item in chart.plot.plotItem.items if type(item).__name__ == kind]


def visible_words(widget):
    return " ".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def test_a_note_stands_there_while_there_is_nothing(view):
    assert visible_words(view) == "Nothing segmented yet: segment some images in Segment first."
    view.show_phases(measured("a.tif", 1, 1), TABLE.classes)
    assert "Nothing" not in visible_words(view)
    view.show_phases([], TABLE.classes)
    assert visible_words(view) == "Nothing segmented yet: segment some images in Segment first."
    view.show_phases(measured("a.tif", 1, 1), TABLE.classes)
    view.clear()
    assert visible_words(view) == "Nothing segmented yet: segment some images in Segment first."


def test_the_summary_has_mean_and_interval_to_the_same_decimals(three_images):
    # 90, 70 and 80 %: s is 10, the interval 4.303 * 10 / sqrt(3)
    assert texts(three_images.summary_table) == [
        ["ferrite", "80.0", "24.8", "10.0", "31.1", "3"],
        ["martensite", "20.0", "24.8", "10.0", "124.2", "3"],
    ]
    assert "n = 3" in visible_words(three_images)


@pytest.mark.parametrize(
    ("pixels", "mean", "interval"),
    [
        ((2010, 1990), "20.0", "1.3"),
        ((145, 150, 149), "1.48", "0.07"),
        ((4, 5, 4, 5), "0.045", "0.009"),
    ],
)
def test_small_intervals_get_more_decimals(view, pixels, mean, interval):
    rows = [r for i, n in enumerate(pixels) for r in measured(f"{i}.tif", 10000 - n, n)]
    view.show_phases(rows, TABLE.classes)
    assert texts(view.summary_table)[1][1:3] == [mean, interval]
    assert items(view.chart, "TextItem")[1].toPlainText() == mean


def test_little_is_not_shown_as_nothing(view):
    """The interval is worth one decimal, but the phase is there in each of the images."""
    rows = [*measured("a.tif", 9998, 2), *measured("b.tif", 9000, 1000), *measured("c.tif", 10, 0)]
    view.show_phases(rows, TABLE.classes)
    assert column(view.image_table, 2) == ["0.02", "10.0", "0.0"]


def test_every_image_has_a_row_and_every_phase_a_column(three_images):
    table = three_images.image_table
    assert texts(table) == [
        ["a10.tif", "90.0", "10.0"],
        ["a2.tif", "70.0", "30.0"],
        ["b.tif", "80.0", "20.0"],
    ]
    assert table.horizontalHeaderItem(1).text() == "ferrite\n(%)"
    assert "700 of 1,000" in table.item(1, 1).toolTip()
    assert "700 µm²" in table.item(1, 1).toolTip()
    assert "no pixel size" in table.item(2, 1).toolTip()


def test_a_click_on_a_header_sorts_by_value(view, qtbot):
    rows = [
        *measured("c.tif", 5, 995),
        *measured("a10.tif", 100, 900),
        *measured("a9.tif", 20, 980),
    ]
    view.show_phases(rows, TABLE.classes)
    view.tabs.setCurrentIndex(1)
    table = view.image_table
    assert column(table, 0) == ["c.tif", "a10.tif", "a9.tif"]
    click_header(qtbot, table, 1)
    assert column(table, 1) == ["0.5", "2.0", "10.0"]
    click_header(qtbot, table, 1)
    assert column(table, 1) == ["10.0", "2.0", "0.5"]
    click_header(qtbot, table, 0)
    assert column(table, 0) == ["a9.tif", "a10.tif", "c.tif"]


def test_the_sorting_stays_when_another_image_is_measured(view, qtbot):
    rows = [*measured("a.tif", 900, 100), *measured("b.tif", 100, 900)]
    view.show_phases(rows, TABLE.classes)
    view.tabs.setCurrentIndex(1)
    click_header(qtbot, view.image_table, 1)
    view.show_phases([*rows, *measured("c.tif", 500, 500)], TABLE.classes)
    assert texts(view.image_table) == [
        ["b.tif", "10.0", "90.0"],
        ["c.tif", "50.0", "50.0"],
        ["a.tif", "90.0", "10.0"],
    ]


def test_ctrl_c_copies_the_selection_with_its_header(three_images, qtbot):
    three_images.tabs.setCurrentIndex(1)
    table = three_images.image_table
    table.setRangeSelected(QTableWidgetSelectionRange(0, 0, 1, 1), True)
    three_images.activateWindow()
    table.setFocus()
    qtbot.waitUntil(table.hasFocus)
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == ("image\tferrite (%)\na10.tif\t90.0\na2.tif\t70.0")


def test_without_a_selection_everything_is_copied_and_undefined_is_blank(view):
    view.show_phases(measured("a.tif", 750, 250), TABLE.classes)
    view.summary_table.copy()
    assert QGuiApplication.clipboard().text() == (
        "class\tmean (%)\t95 % CI (± %)\ts (%)\trel. acc. (%)\tn\n"
        "ferrite\t75.0\t\t\t\t1\n"
        "martensite\t25.0\t\t\t\t1"
    )


def test_cells_apart_from_each_other_keep_their_places_in_the_copy(three_images):
    table = three_images.image_table
    table.setRangeSelected(QTableWidgetSelectionRange(0, 0, 0, 0), True)
    table.setRangeSelected(QTableWidgetSelectionRange(2, 2, 2, 2), True)
    table.copy()
    assert QGuiApplication.clipboard().text() == "image\tmartensite (%)\na10.tif\t\n\t20.0"


def test_swatches_and_bars_have_the_classes_colours(three_images):
    swatch = three_images.summary_table.item(1, 0).data(Qt.ItemDataRole.DecorationRole)
    assert swatch == QColor(MARTENSITE.colour)
    bars = items(three_images.chart, "BarGraphItem")
    assert [bar.opts["brush"] for bar in bars] == [FERRITE.colour, MARTENSITE.colour]
    assert [bar.opts["height"] for bar in bars] == [[pytest.approx(80)], [pytest.approx(20)]]


def test_error_bars_show_the_interval_within_0_and_100_percent(three_images):
    ferrite, martensite = items(three_images.chart, "ErrorBarItem")
    assert ferrite.opts["bottom"] == pytest.approx(24.84, abs=0.01)
    assert ferrite.opts["top"] == pytest.approx(20)
    assert martensite.opts["bottom"] == pytest.approx(20)
    assert martensite.opts["top"] == pytest.approx(24.84, abs=0.01)
    labels = [item.toPlainText() for item in items(three_images.chart, "TextItem")]
    assert labels == ["80.0", "20.0"]
    low, high = three_images.chart.plot.viewRange()[1]
    assert low == 0
    assert high > 100  # room for the value above the bar
    assert not three_images.chart.grab().isNull()


def corrected_by(view, *counts):
    """Show three images; these counts were made in held-out ones."""
    rows = [
        *measured("a.tif", 900, 100),
        *measured("b.tif", 700, 300),
        *measured("c.tif", 800, 200),
    ]
    held_out = None
    if counts:
        images = tuple(HeldOutImage(name=f"{n}.tif", counts=one) for n, one in enumerate(counts))
        names = ("ferrite", "martensite")
        held_out = HeldOut(source="left-out", classes=names, images=images)
    view.show_phases(rows, TABLE.classes, correct_fractions(rows, held_out))


def diamonds(view):
    found = [i for i in view.chart.plot.listDataItems() if type(i).__name__ == "ScatterPlotItem"]
    return found or [
        i for i in view.chart.plot.plotItem.items if type(i).__name__ == "ScatterPlotItem"
    ]


ROWS = ((900, 100), (20, 980)), ((850, 150), (30, 970))


def test_the_corrected_figure_stands_beside_the_one_that_was_found(view):
    corrected_by(view, *ROWS)
    assert [float(mean) for mean in column(view.summary_table, 1)] == [80, 20]
    ferrite, martensite = texts(view.model_error.table)
    assert ferrite[0] == "ferrite"
    assert float(ferrite[1]) == 80
    assert float(ferrite[2]) == pytest.approx(91, abs=1.5)
    assert " to " in martensite[3]
    assert martensite[4] == "2000"
    assert len(diamonds(view)) == 2
    assert "2 left-out painted images" in view.error_note.text()
    assert "strokes keep away from boundaries" in view.model_error.words.text()


def test_without_held_out_images_there_are_no_diamonds_and_a_reason(view):
    corrected_by(view)
    assert diamonds(view) == []
    assert view.error_note.isHidden()
    assert [line[2:4] for line in texts(view.model_error.table)] == [["–", "–"]] * 2
    assert "paint two images or more" in view.model_error.words.text()
    assert "no image was held out" in view.model_error.table.item(0, 3).toolTip()


def test_one_held_out_image_gives_a_diamond_without_an_interval(view):
    corrected_by(view, ROWS[0])
    assert len(diamonds(view)) == 2
    assert [line[3] for line in texts(view.model_error.table)] == ["–", "–"]
    assert "in one held-out image only" in view.model_error.words.text()


def test_one_image_has_bars_but_no_error_bars(view):
    view.show_phases(measured("a.tif", 750, 250), TABLE.classes)
    assert len(items(view.chart, "BarGraphItem")) == 2
    assert not items(view.chart, "ErrorBarItem")
    words = visible_words(view)
    assert "One field: no error bar. Segment more images." in words
    assert "n = 1" in words
    assert column(view.summary_table, 2) == ["–", "–"]


def placed(rows, group, specimen):
    return [replace(row, group=group, specimen=specimen) for row in rows]


def test_the_note_tells_specimens_from_images(view):
    """Two specimens in X, three images of one specimen in Y."""
    rows = [*placed(measured("a.tif", 9, 1), "X", "1"), *placed(measured("b.tif", 8, 2), "X", "2")]
    view.show_phases(rows, TABLE.classes)
    assert "n = 2 specimens (2 images)." in view.note.text()
    for name in "cde":
        rows += placed(measured(f"{name}.tif", 7, 3), "Y", "3")
    view.show_phases(rows, TABLE.classes)
    words = "n = 2 to 3 specimens, or images where a group has one (5 images)."
    assert words in view.note.text()


def test_one_specimen_with_figures_is_no_field(view):
    rows = [
        *placed(measured("a.tif", 9, 1), "all", "1"),
        *placed(measured("b.tif", 8, 2), "all", "1"),
    ]
    view.show_phases([*rows, *placed(measured("c.tif", 0, 0, 5), "all", "2")], TABLE.classes)
    assert "n = 1. One specimen: no error bar." in view.note.text()


def test_images_where_nothing_was_analysed_have_no_figures(view):
    view.show_phases(measured("a.tif", 0, 0, 10), TABLE.classes)
    assert column(view.summary_table, 1) == ["–", "–"]
    assert texts(view.image_table) == [["a.tif", "–", "–"]]
    assert not items(view.chart, "BarGraphItem")
    assert "nothing was analysed" in visible_words(view)
    view.show_phases([*measured("a.tif", 0, 0, 10), *measured("b.tif", 1, 1)], TABLE.classes)
    assert column(view.summary_table, 5) == ["1", "1"]
    view.image_table.sortItems(1, Qt.SortOrder.DescendingOrder)
    assert column(view.image_table, 1) == ["50.0", "–"]


def test_classes_come_in_the_users_order_and_lost_ones_last(view):
    rows = measured("a.tif", 600, 400)
    view.show_phases(rows, [MARTENSITE, FERRITE])
    assert column(view.summary_table, 0) == ["martensite", "ferrite"]
    assert texts(view.image_table) == [["a.tif", "40.0", "60.0"]]
    view.show_phases(rows, [MARTENSITE])
    assert column(view.summary_table, 0) == ["martensite", "ferrite"]
    assert view.summary_table.item(1, 0).data(Qt.ItemDataRole.DecorationRole) is None
    assert not view.chart.grab().isNull()


def test_a_class_that_one_image_was_not_measured_for_has_a_blank_there(view):
    rows = measured("a.tif", 600, 400)
    rows += [replace(r, image="b.tif") for r in rows[:1]]
    view.show_phases(rows, TABLE.classes)
    assert texts(view.image_table) == [["a.tif", "60.0", "40.0"], ["b.tif", "60.0", "–"]]
    assert "n = 1 to 2" in visible_words(view)


def test_all_columns_of_the_summary_fit_a_dock(three_images, qtbot):
    table = three_images.summary_table
    assert three_images.minimumSizeHint().width() <= 380
    qtbot.waitUntil(lambda: not table.horizontalScrollBar().isVisible())
    assert table.columnViewportPosition(5) + table.columnWidth(5) <= table.viewport().width()
    table.sortItems(2, Qt.SortOrder.DescendingOrder)
    qtbot.waitUntil(lambda: not table.horizontalScrollBar().isVisible())
    assert table.columnViewportPosition(5) + table.columnWidth(5) <= table.viewport().width()


def test_long_words_on_the_model_leave_four_classes_in_sight(view, qtbot):
    classes = tuple(LabelClass(id=n, name=f"phase {n}", colour=COLOURS[n]) for n in range(1, 5))
    mask = np.arange(1, 5, dtype=np.uint8).repeat(25).reshape(10, 10)
    rows = [
        row
        for name in "abc"
        for row in phase_fractions(name, mask, ClassTable(classes=classes), MICROMETRE)
    ]
    view.show_phases(rows, classes)
    view.resize(340, 300)
    view.error_note.setText("The model's error is larger than the spread. " * 8)
    table = view.summary_table

    def in_sight():
        seen = table.viewport().rect()
        return [seen.contains(table.visualItemRect(table.item(row, 1))) for row in range(4)]

    qtbot.waitUntil(lambda: all(in_sight()))
    assert view.minimumSizeHint().width() <= 350


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_they_fit_the_narrowest_dock_in_napari_s_own_font(three_images, qtbot, theme):
    three_images.setStyleSheet(get_stylesheet(theme))
    three_images.resize(350, 460)
    table = three_images.summary_table
    qtbot.waitUntil(lambda: not table.horizontalScrollBar().isVisible())


def test_classes_that_are_left_out_of_the_area_are_named(three_images):
    assert "Left out of the analysed area: scratch." in visible_words(three_images)


def test_long_names_below_the_bars_do_not_run_into_each_other(view, qtbot):
    classes = [
        LabelClass(id=i + 1, name=f"retained austenite {i}", colour=COLOURS[i]) for i in range(6)
    ]
    mask = np.arange(1, 7, dtype=np.uint8).reshape(1, -1)
    rows = phase_fractions("a.tif", mask, ClassTable(classes=tuple(classes)), None)
    view.show_phases(rows, classes)

    def widths():
        (names,) = view.chart.plot.getAxis("bottom")._tickLevels
        return [view.fontMetrics().horizontalAdvance(name) for _, name in names]

    assert max(widths()) < 380 / 6
    narrow = max(widths())
    view.resize(1200, 460)
    qtbot.waitUntil(lambda: max(widths()) > narrow)


def test_it_follows_the_theme(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.setStyleSheet("QWidget { background-color: #000000; color: #f0f1f2; }")
    view = PhasesView(window)
    window.show()
    rows = [*measured("a.tif", 600, 400), *measured("b.tif", 500, 500)]
    view.show_phases(rows, TABLE.classes)

    def colours():
        (error_bar, *_) = items(view.chart, "ErrorBarItem")
        axis = view.chart.plot.getAxis("left")
        return axis.textPen().color().name(), QColor(error_bar.opts["pen"]).name()

    assert colours() == ("#f0f1f2", "#f0f1f2")
    window.setStyleSheet("QWidget { background-color: #ffffff; color: #101112; }")
    qtbot.waitUntil(lambda: colours() == ("#101112", "#101112"))


def test_names_that_would_be_dots_alone_are_left_out(view):
    table = ClassTable(
        classes=tuple(LabelClass(id=n, name=f"phase {n}", colour="#808080") for n in range(1, 31))
    )
    rows = phase_fractions("a.tif", np.arange(1, 31, dtype=np.uint8).reshape(5, 6), table, None)
    view.show_phases(rows, table.classes)
    view.resize(300, 500)
    ticks = view.chart.plot.getAxis("bottom")._tickLevels[0]
    assert {name for _, name in ticks} == {""}
