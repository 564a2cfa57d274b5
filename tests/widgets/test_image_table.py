from pathlib import Path

import numpy as np
import pytest
from napari.qt import get_stylesheet
from qtpy.QtCore import QEvent, QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_matssl.widgets.controls.image_table import ImageRow, ImageTable

TOOLTIP, FONT, DECORATION = (
    Qt.ItemDataRole.ToolTipRole,
    Qt.ItemDataRole.FontRole,
    Qt.ItemDataRole.DecorationRole,
)


def row(name, state="unlabelled", level=None, **more):
    thumbnail = None if level is None else np.full((30, 60, 3), level, np.uint8)
    return ImageRow(f"key of {name}", name, state, thumbnail=thumbnail, **more)


def drop(table, *urls):
    data = QMimeData()
    data.setUrls([QUrl(u) for u in urls])
    event = QDropEvent(
        QPointF(5, 5) if "position" in dir(QDropEvent) else QPointF(5, 5).toPoint(),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        QEvent.Type.Drop,
    )
    event.ignore()
    table.dropEvent(event)
    return event.isAccepted()


def pixels(table):
    image = table.viewport().grab().toImage()
    return {image.pixel(x, y) for x in range(image.width()) for y in range(image.height())}


def cell(table, place, column=0):
    return table.model().index(place, column)


@pytest.fixture
def table(qtbot):
    table = ImageTable()
    qtbot.addWidget(table)
    table.setStyleSheet(get_stylesheet("dark"))
    table.resize(360, 400)
    with qtbot.waitActive(table):
        table.show()
        table.activateWindow()
    return table


@pytest.fixture
def filled(table):
    table.set_rows([row("beta.tif"), row("gamma.tif"), row("zeta.tif")])
    return table


@pytest.fixture
def opened(table):
    keys = []
    table.opened.connect(keys.append)
    return keys


def test_a_row_shows_name_and_state_and_the_tooltip_the_rest(table):
    table.set_rows([row("a<b>.tif", "saved", detail="10 x 20", tooltip="no scale bar")])
    assert [cell(table, 0, c).data() for c in (0, 1)] == ["a<b>.tif", "saved"]
    for column in (0, 1):
        tip = cell(table, 0, column).data(TOOLTIP)
        assert tip == "a<b>.tif\n10 x 20\nno scale bar"
    headings = [table.model().headerData(c, Qt.Orientation.Horizontal) for c in (0, 1)]
    assert headings == ["Image", "State"]


@pytest.mark.parametrize(
    ("state", "colours"),
    [
        ("painted", {"#e69f00"}),
        ("segmented", {"#009e73"}),
        ("saved, segmented", {"#3f8fd0", "#009e73"}),
        ("can't be read", {"#d9480f"}),
        ("painted, segmented", {"#e69f00", "#009e73"}),
        ("unlabelled", set()),
    ],
)
def test_each_state_has_its_dot(table, state, colours):
    table.set_rows([row("a.tif", state)])
    icon = cell(table, 0, 1).data(DECORATION)
    image = icon.pixmap(12, 12).toImage()
    seen = {image.pixelColor(x, y).name() for x in range(12) for y in range(12)}
    every = {"#e69f00", "#3f8fd0", "#009e73", "#d9480f"}
    assert seen & every == colours


def test_the_hollow_dot_is_seen_on_light_and_dark_rows(table):
    table.set_rows([row("a.tif", "unlabelled")])
    image = cell(table, 0, 1).data(DECORATION).pixmap(12, 12).toImage()
    drawn = [image.pixelColor(x, y) for x in range(12) for y in range(12)]
    values = [colour.lightness() for colour in drawn if colour.alpha() > 100]
    assert min(values) < 120
    assert max(values) > 200


def test_names_get_the_room_that_states_dont_need(table, qtbot):
    name = "micrograph10.png"
    table.resize(350, 300)
    table.show()
    table.set_rows([row(name, "unlabelled")])
    qtbot.wait(20)
    room = table.columnWidth(0) - 48 - 16  # thumbnail, margins
    assert table.fontMetrics().horizontalAdvance(name) <= room
    table.update_row(row(name, "painted, segmented, old"))
    table.resizeColumnToContents(1)
    text = table.fontMetrics().horizontalAdvance("painted, segmented, old")
    assert table.columnWidth(1) >= text + 12


def test_thumbnails_keep_shape_and_colour_also_in_the_selected_row(table):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, :30], pixels[:, 30:] = (250, 10, 10), (10, 10, 250)
    table.set_rows([ImageRow("a", "a.tif", "painted", thumbnail=pixels[::-1, ::-1])])
    icon = cell(table, 0).data(DECORATION)
    for mode in (icon.Mode.Normal, icon.Mode.Selected):
        image = icon.pixmap(48, 48, mode).toImage()
        w, h = image.width(), image.height()
        assert w == h
        assert image.pixelColor(w // 4, h // 2).getRgb()[:3] == (10, 10, 250)
        assert image.pixelColor(3 * w // 4, h // 2).getRgb()[:3] == (250, 10, 10)
        assert image.pixelColor(w // 2, h // 8).alpha() == 0  # 1:3, centred in the square


def test_an_update_changes_one_row_and_its_thumbnail(table):
    table.set_rows([row("a.tif", level=0), row("b.tif", level=0)])
    table.viewport().grab()
    table.update_row(row("b.tif", "painted", level=200))
    centre = [
        cell(table, n).data(DECORATION).pixmap(48, 48).toImage().pixelColor(24, 24).red()
        for n in (0, 1)
    ]
    assert centre == [0, 200]
    assert [cell(table, n, 1).data() for n in (0, 1)] == ["unlabelled", "painted"]


def test_what_an_update_changes_is_drawn_at_once(filled):
    changed = []
    filled.model().dataChanged.connect(lambda first, *_: changed.append(first.row()))
    filled.update_row(row("gamma.tif", "painted"))
    filled.set_current(filled.keys[0])
    filled.set_current(filled.keys[2])
    assert changed[:2] == [1, 0]
    assert sorted(changed[2:4]) == [0, 2]


def test_new_rows_show_their_own_thumbnails(table):
    for level in (10, 200):
        table.set_rows([row("a.tif", level=level)])
        image = cell(table, 0).data(DECORATION).pixmap(48, 48).toImage()
        assert image.pixelColor(24, 24).red() == level


def test_an_update_of_an_unknown_image_is_an_error(filled):
    with pytest.raises(KeyError):
        filled.update_row(row("other.tif"))
    with pytest.raises(KeyError):
        filled.set_current("other")


def test_the_shown_image_is_bold_marked_and_in_sight(table, opened):
    table.set_rows([row(f"{n:03}.tif") for n in range(100)])
    key = table.keys[70]
    table.set_current(key)
    assert table.current == key
    fonts = [cell(table, n).data(FONT) for n in range(100)]
    assert [n for n, font in enumerate(fonts) if font is not None and font.bold()] == [70]
    place = table.visualRect(cell(table, 70))
    assert table.viewport().rect().contains(place.center())
    table.scrollToTop()
    table.set_current(key)  # again, from where the user scrolled to
    place = table.visualRect(cell(table, 70))
    assert table.viewport().rect().contains(place.center())
    table.clearSelection()
    marked = table.viewport().grab(place).toImage().pixel(1, 10)
    other = table.viewport().grab(table.visualRect(cell(table, 69))).toImage().pixel(1, 10)
    assert marked != other
    table.set_current(None)
    assert table.current is None
    assert cell(table, 70).data(FONT) is None
    assert opened == []


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_enter_opens_the_highlighted_row(qtbot, filled, opened, key):
    qtbot.keyClick(filled, key)
    filled.setCurrentIndex(cell(filled, 0))
    qtbot.keyClick(filled, Qt.Key.Key_Down)
    qtbot.keyClick(filled, key)
    assert opened[-1] == filled.keys[1]


def test_a_double_click_opens_either_column(qtbot, filled, opened):
    for place, column in ((2, 0), (1, 1)):
        where = filled.visualRect(cell(filled, place, column)).center()
        qtbot.mouseClick(filled.viewport(), Qt.MouseButton.LeftButton, pos=where)
        qtbot.mouseDClick(filled.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert opened == [filled.keys[2], filled.keys[1]]


def test_a_and_d_ask_for_a_step(qtbot, filled, opened):
    steps = []
    filled.step_wanted.connect(steps.append)
    for key in "dda":
        qtbot.keyClick(filled, key)
    qtbot.keyClick(filled, "d", Qt.KeyboardModifier.ControlModifier)
    assert steps == [1, 1, -1]
    assert opened == []


def test_other_letters_jump_to_a_name_also_from_the_state_column(qtbot, filled, opened):
    filled.setCurrentIndex(cell(filled, 0, 1))
    qtbot.keyClick(filled, "z")
    assert filled.currentIndex().row() == 2
    assert opened == []


def test_new_rows_keep_scroll_position_highlight_and_shown_image(table):
    table.set_rows([row(f"{n:03}.tif") for n in range(100)])
    table.set_current(table.keys[60])
    table.setCurrentIndex(cell(table, 62))
    table.verticalScrollBar().setValue(table.verticalScrollBar().maximum() // 2)
    scrolled = table.verticalScrollBar().value()
    assert scrolled > 0
    table.set_rows([row("new.tif"), *(row(f"{n:03}.tif", "saved") for n in range(100))])
    assert table.verticalScrollBar().value() == scrolled
    assert table.currentIndex().row() == 63
    assert table.current == "key of 060.tif"
    table.set_rows([row("new.tif")])
    assert table.current is None


def test_new_rows_keep_the_scroll_position_of_a_table_nobody_clicked(table):
    table.set_rows([row(f"{n:03}.tif") for n in range(100)])
    table.verticalScrollBar().setValue(1000)
    table.set_rows([row(f"{n:03}.tif") for n in range(101)])
    assert table.verticalScrollBar().value() == 1000


def test_an_empty_table_shows_a_remedy(table):
    hint = len(pixels(table))
    table.set_rows([row("", "")])
    table.setRowHidden(0, True)
    assert hint > len(pixels(table)) == 1


def test_files_and_folders_can_be_dropped(table, tmp_path):
    dropped = []
    table.dropped.connect(dropped.append)
    assert table.viewport().acceptDrops()
    paths = [tmp_path / "ä b.tif", tmp_path / "folder"]
    assert drop(table, *(QUrl.fromLocalFile(str(p)) for p in paths))
    assert dropped == [paths]
    assert all(isinstance(p, Path) for p in dropped[0])
    assert not drop(table, "https://example.org/a.tif")
    assert len(dropped) == 1


def test_the_width_of_the_states_fits_a_dock(table):
    table.set_rows([row("x" * 80 + ".tif", "painted, segmented", level=9)])
    text = table.fontMetrics().horizontalAdvance("painted, segmented")
    assert table.columnWidth(1) >= text + 12
    assert table.columnWidth(0) + table.columnWidth(1) <= table.viewport().width()


@pytest.mark.timeout(60)
def test_five_hundred_images_are_listed(table):
    images = [row(f"{n:03}.tif", "saved", level=n % 256) for n in range(500)]
    table.set_rows(images)
    for image in images:
        table.update_row(image)
    table.set_current(table.keys[250])
    table.viewport().grab()
    assert len(table.keys) == 500


def test_moving_the_highlight_opens_nothing(qtbot, filled, opened):
    moved = []
    filled.selectionModel().currentChanged.connect(lambda *_: moved.append(1))
    filled.setCurrentIndex(cell(filled, 0))
    qtbot.keyClick(filled, Qt.Key.Key_Down)
    qtbot.mouseClick(
        filled.viewport(),
        Qt.MouseButton.LeftButton,
        pos=filled.visualRect(cell(filled, 2)).center(),
    )
    assert len(moved) == 3
    assert opened == []
    assert filled.current is None
