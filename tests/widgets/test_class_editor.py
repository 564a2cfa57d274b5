import pytest
from napari.qt import get_stylesheet
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QColor, QDragMoveEvent, QDropEvent
from qtpy.QtWidgets import QColorDialog, QLineEdit, QPushButton, QTableView

from napari_matssl.labels.class_table import COLOURS, LabelClass
from napari_matssl.widgets.controls.class_editor import ClassEditor

KEY, COLOUR, NAME, ID, PAINTED, EXCLUDE = range(6)
LEFT = Qt.MouseButton.LeftButton
SIGNALS = [
    "picked",
    "added",
    "exclude_added",
    "renamed",
    "recoloured",
    "reordered",
    "exclude_changed",
    "delete_wanted",
    "refused",
]


def classes(*names, ids=None, **more):
    ids = ids or range(1, len(names) + 1)
    return [
        LabelClass(id=i, name=n, colour=COLOURS[k % 8], **more)
        for k, (i, n) in enumerate(zip(ids, names, strict=True))
    ]


class Driver:
    """Does with an editor what a user does, and keeps the editor's signals."""

    def __init__(self, qtbot, editor):
        self.qtbot, self.editor, self.said = qtbot, editor, []
        self.view = editor.findChild(QTableView)
        for name in SIGNALS:
            signal = getattr(editor, name)
            signal.connect(lambda *values, name=name: self.said.append((name, *values)))

    def index(self, row, column):
        return self.view.model().index(row, column)

    def text(self, row, column):
        return self.index(row, column).data()

    def place(self, row, column):
        return self.view.visualRect(self.index(row, column)).center()

    def click(self, row, column=NAME):
        self.qtbot.mouseClick(self.view.viewport(), LEFT, pos=self.place(row, column))

    def key(self, key):
        self.qtbot.keyClick(self.view, key)

    def press(self, text):
        self.qtbot.mouseClick(self.button(text), LEFT)

    def button(self, text):
        return next(b for b in self.editor.findChildren(QPushButton) if b.text() == text)

    def type_name(self, name):
        line = self.view.findChild(QLineEdit)
        assert line is not None, "no name is being edited"
        line.setText(name)
        self.qtbot.keyClick(line, Qt.Key.Key_Return)
        self.qtbot.waitUntil(lambda: self.view.findChild(QLineEdit) is None)

    def drop_below_last(self, row):
        data = self.view.model().mimeData([self.index(row, NAME)])
        where = QPointF(20, self.view.viewport().height() - 2)
        moving = QDragMoveEvent(
            where.toPoint(),
            Qt.DropAction.MoveAction,
            data,
            LEFT,
            Qt.KeyboardModifier.NoModifier,
        )
        self.view.dragMoveEvent(moving)
        assert moving.isAccepted()
        event = QDropEvent(
            where if "position" in dir(QDropEvent) else where.toPoint(),
            Qt.DropAction.MoveAction,
            data,
            LEFT,
            Qt.KeyboardModifier.NoModifier,
            QEvent.Type.Drop,
        )
        self.view.dropEvent(event)


@pytest.fixture
def user(qtbot):
    editor = ClassEditor()
    qtbot.addWidget(editor)
    editor.setStyleSheet(get_stylesheet("dark"))  # plain Qt's buttons are wider
    editor.resize(360, 320)
    editor.set_classes(classes("ferrite", "pearlite", "scratches", ids=(4, 2, 7)), {4: 1234567})
    with qtbot.waitActive(editor):
        editor.show()
        editor.activateWindow()
    return Driver(qtbot, editor)


def test_a_row_shows_key_name_id_and_painted_pixels(user):
    columns = (KEY, NAME, ID, PAINTED)
    assert [user.text(0, c) for c in columns] == ["1", "ferrite", "4", "1,234,567"]
    assert [user.text(1, c) for c in columns] == ["2", "pearlite", "2", "0"]
    user.editor.set_painted({2: 1000})
    assert [user.text(r, PAINTED) for r in range(3)] == ["0", "1,000", "0"]


def test_a_class_without_pixels_is_dim(user):
    dim = [user.index(r, PAINTED).data(Qt.ItemDataRole.ForegroundRole) for r in (0, 1)]
    assert dim[0] is None
    assert dim[1] is not None


def test_changed_classes_are_drawn_and_the_keyboard_stays_where_it_is(user):
    user.view.setCurrentIndex(user.index(1, EXCLUDE))
    user.editor.set_selected(2)
    changed = []
    user.view.model().dataChanged.connect(lambda *corners: changed.append(corners))
    user.editor.set_classes(classes("ferrite", "bainite", "dirt", ids=(4, 2, 7)), {})
    first, last = changed[0][:2]
    assert (first.row(), last.row()) == (0, 2)
    assert (first.column(), last.column()) == (KEY, EXCLUDE)
    here = user.view.currentIndex()
    assert (here.row(), here.column()) == (1, EXCLUDE)


def test_only_the_first_nine_rows_have_a_key(user):
    user.editor.set_classes(classes(*"abcdefghijk"), {})
    assert [user.text(r, KEY) for r in (8, 9, 10)] == ["9", "", ""]


def test_the_swatch_keeps_its_colour_in_the_selected_row(user):
    icon = user.index(1, COLOUR).data(Qt.ItemDataRole.DecorationRole)
    for mode in (icon.Mode.Normal, icon.Mode.Selected):
        image = icon.pixmap(28, 16, mode).toImage()
        assert image.pixelColor(image.width() // 2, image.height() // 2).name() == COLOURS[1]


def test_a_click_picks_the_class_each_time(user):
    user.click(1, KEY)
    user.click(1)  # back from erasing, say
    assert user.said == [("picked", 2), ("picked", 2)]
    assert user.editor.selected == 2


def test_arrows_and_digits_pick(user):
    user.click(0)
    user.key(Qt.Key.Key_Down)
    user.key(Qt.Key.Key_3)
    user.key(Qt.Key.Key_9)  # there is no ninth class
    assert user.said == [("picked", 4), ("picked", 2), ("picked", 7)]
    assert user.editor.selected == 7
    assert user.view.selectionModel().selectedRows()[0].row() == 2


def test_the_viewers_letter_shortcuts_are_not_swallowed(user):
    class Above(ClassEditor):
        def keyPressEvent(self, event):  # noqa: N802
            heard.append(event.text())

    heard = []
    editor = Above()
    user.qtbot.addWidget(editor)
    editor.set_classes(classes("ferrite", "dirt"), {})
    user.qtbot.keyClick(editor.findChild(QTableView), "d")
    assert heard == ["d"]


def test_the_owner_selects_without_a_signal(user):
    user.editor.set_selected(7)
    assert user.editor.selected == 7
    assert [i.row() for i in user.view.selectionModel().selectedRows()] == [2]
    user.editor.set_selected(None)
    assert user.editor.selected is None
    assert user.view.selectionModel().selectedRows() == []
    assert user.said == []


def test_new_classes_keep_the_selection_without_a_signal(user):
    user.editor.set_selected(2)
    user.editor.set_classes(classes("a", "b", "c", "d", ids=(9, 8, 3, 2)), {})
    assert user.editor.selected == 2
    assert [i.row() for i in user.view.selectionModel().selectedRows()] == [3]
    user.editor.set_classes(classes("a", "b", ids=(9, 8)), {})
    assert user.editor.selected is None
    assert user.view.selectionModel().selectedRows() == []
    assert user.said == []


@pytest.mark.parametrize("how", ["F2", "double click"])
def test_renaming_in_place(user, how):
    def take(class_id, name):  # what an owner does, in the middle of the edit
        user.editor.set_classes(classes("ferrite", name, "scratches", ids=(4, 2, 7)), {})

    user.editor.renamed.connect(take)
    user.click(1, NAME if how == "double click" else KEY)
    if how == "F2":
        user.key(Qt.Key.Key_F2)
    else:
        user.qtbot.mouseDClick(user.view.viewport(), LEFT, pos=user.place(1, NAME))
    user.type_name("  bainite ")
    assert user.said[-1] == ("renamed", 2, "bainite")
    assert user.text(1, NAME) == "bainite"


@pytest.mark.parametrize(
    ("name", "why"), [("ferrite", "a class"), (" ", "needs a name"), ("pearlite", None)]
)
def test_bad_names_are_refused_and_the_old_one_stays(user, name, why):
    user.click(1)
    user.said.clear()
    user.key(Qt.Key.Key_F2)
    user.type_name(name)
    assert user.text(1, NAME) == "pearlite"
    if why is None:
        assert user.said == []
    else:
        [(signal, message)] = user.said
        assert signal == "refused"
        assert why in message
        assert "pearlite" in message


@pytest.mark.parametrize("by", ["click", "keyboard"])
def test_the_swatch_asks_for_a_colour(user, monkeypatch, by):
    asked = []

    def answer(initial, *rest):
        asked.append(initial.name())
        return QColor("#12ab34")

    monkeypatch.setattr(QColorDialog, "getColor", answer)
    if by == "click":
        user.click(2, COLOUR)
    else:
        user.view.setCurrentIndex(user.index(2, COLOUR))
        user.key(Qt.Key.Key_Space)
    assert asked == [COLOURS[2]]
    assert user.said[-1] == ("recoloured", 7, "#12ab34")


@pytest.mark.parametrize("answer", [QColor(), QColor(COLOURS[2])], ids=["cancelled", "same"])
def test_no_new_colour_is_no_change(user, monkeypatch, answer):
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: answer)
    user.click(2, COLOUR)
    assert user.said == [("picked", 7)]


def test_boxes_that_are_not_ticked_have_an_edge_on_dark_rows(user):
    view = user.view
    palette = view.palette()
    for role in (palette.ColorRole.Base, palette.ColorRole.Text, palette.ColorRole.Window):
        palette.setColor(role, QColor("#202020"))
    view.setPalette(palette)
    place = view.visualRect(view.model().index(0, view.model().columnCount() - 1))
    image = view.viewport().grab(place).toImage()
    every = {(x, y) for x in range(image.width()) for y in range(image.height())}
    edge = [one for one in every if image.pixelColor(*one).getRgb()[:3] == (140, 140, 140)]
    assert len(edge) >= 4 * 8  # a box of 8 px or more


def test_ticking_exclude(user):
    user.editor.set_classes([*classes("ferrite"), *classes("stain", ids=(5,), exclude=True)], {})
    state = [user.index(r, EXCLUDE).data(Qt.ItemDataRole.CheckStateRole) for r in (0, 1)]
    assert [Qt.CheckState(s) for s in state] == [Qt.CheckState.Unchecked, Qt.CheckState.Checked]
    for row in (0, 1):
        box = user.place(row, EXCLUDE)
        box.setX(user.view.visualRect(user.index(row, EXCLUDE)).left() + 10)
        user.qtbot.mouseClick(user.view.viewport(), LEFT, pos=box)
    changes = [s for s in user.said if s[0] == "exclude_changed"]
    assert changes == [("exclude_changed", 1, True), ("exclude_changed", 5, False)]


def test_up_and_down_ask_for_an_order_and_the_selection_follows(user):
    user.editor.set_selected(2)
    user.press("Up")
    user.press("Down")
    assert user.said == [("reordered", (2, 4, 7)), ("reordered", (4, 7, 2))]
    user.editor.set_classes(classes("a", "b", "c", ids=(2, 4, 7)), {})
    assert user.editor.selected == 2
    assert not user.button("Up").isEnabled()
    assert user.button("Down").isEnabled()
    user.editor.set_selected(7)
    assert user.button("Up").isEnabled()
    assert not user.button("Down").isEnabled()


def test_a_dragged_row_asks_for_an_order_and_none_is_lost(user):
    user.drop_below_last(0)
    assert user.said == [("reordered", (2, 7, 4))]
    assert user.view.model().rowCount() == 3
    user.drop_below_last(2)  # where it is
    assert len(user.said) == 1


@pytest.mark.parametrize(
    ("dragged", "above", "order"),
    [(2, 0, (7, 4, 2)), (0, 2, (2, 4, 7)), (0, 0, None), (0, 1, None)],
)
def test_a_row_is_dropped_between_others(user, dragged, above, order):
    model = user.view.model()
    data = model.mimeData([user.index(dragged, NAME)])
    move = Qt.DropAction.MoveAction
    assert model.canDropMimeData(data, move, above, 0, model.index(-1, -1))
    model.dropMimeData(data, move, above, 0, model.index(-1, -1))
    assert user.said == ([] if order is None else [("reordered", order)])


def test_adding(user):
    user.press("Add")
    user.press("Add exclude class")
    assert user.said == [("added",), ("exclude_added",)]
    assert "left out of the phase fractions" in user.button("Add exclude class").toolTip()


@pytest.mark.parametrize("by", ["button", "key"])
def test_deleting_asks_the_owner(user, by):
    user.editor.set_selected(7)
    if by == "button":
        user.press("Delete")
    else:
        user.key(Qt.Key.Key_Delete)
    assert user.said == [("delete_wanted", 7)]
    assert user.view.model().rowCount() == 3


def test_the_last_class_is_not_deleted_with_the_reason(user):
    user.editor.set_selected(7)
    assert user.button("Delete").isEnabled()
    user.editor.set_classes(classes("only", ids=(7,)), {})
    assert not user.button("Delete").isEnabled()
    assert "last class" in user.button("Delete").toolTip()
    user.key(Qt.Key.Key_Delete)
    [(signal, why)] = user.said
    assert signal == "refused"
    assert "last class" in why


def test_nothing_selected_is_nothing_to_move_or_delete(user):
    for text in ("Up", "Down", "Delete"):
        assert not user.button(text).isEnabled()
    assert "Select" in user.button("Delete").toolTip()


def test_before_any_class_nothing_breaks(qtbot):
    editor = ClassEditor()
    qtbot.addWidget(editor)
    user = Driver(qtbot, editor)
    for key in (Qt.Key.Key_1, Qt.Key.Key_F2, Qt.Key.Key_Delete, Qt.Key.Key_Down):
        user.key(key)
    editor.set_classes([], {})
    editor.set_painted({1: 2})
    assert [s[0] for s in user.said] == ["refused"]


def test_it_fits_a_narrow_dock_with_five_rows_in_sight(user):
    user.editor.set_classes(classes("tempered martensite", *"bcdef"), {1: 12345678})
    user.editor.resize(360, user.editor.minimumSizeHint().height())
    user.qtbot.wait(20)
    assert user.editor.minimumSizeHint().width() <= 360
    shown = user.view.viewport().rect()
    assert sum(user.view.columnWidth(c) for c in range(6)) <= shown.width()
    assert user.view.columnWidth(NAME) >= 60
    assert shown.contains(user.view.visualRect(user.index(4, NAME)))


def test_everything_has_a_tooltip(user):
    model = user.view.model()
    for column in range(6):
        assert model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        assert user.index(0, column).data(Qt.ItemDataRole.ToolTipRole)
    assert all(b.toolTip() for b in user.editor.findChildren(QPushButton))
