"""The dialog for labels of other programs: what is read in it, and what its keys do."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_matssl.labels.exchange.matching import Matching
from napari_matssl.tasks.exchanging.find_labels import FoundLabels
from napari_matssl.tasks.label_import.outlook import ClassOutlook, ImageOutlook, Outlook
from napari_matssl.widgets.controls.import_dialog import ImportDialog

IMAGES = tuple(ImageOutlook(f"a{number}.tif", ("masks.png",), 2, 0) for number in range(2))
CLASSES = (
    ClassOutlook("#0000ff", "#0000ff", 2, 2, 0.0005, "crack"),
    ClassOutlook("#000000", "#000000", 2, 2, 0.9995, "oxide"),
)


@pytest.fixture
def dialog(qtbot):
    made = ImportDialog(["crack", "oxide"])
    qtbot.addWidget(made)
    made.show()
    return made


def show(dialog, *remarks):
    found = FoundLabels((), Matching((), (), ()))
    dialog.show_outlook(Outlook(found, IMAGES, CLASSES, 10, remarks, False, "file"))


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_enter_in_a_class_ends_the_typing_and_imports_nothing(dialog, key):
    show(dialog)
    field = dialog.classes.boxes[0].lineEdit()
    field.selectAll()
    QTest.keyClicks(field, "pore")
    QTest.keyClick(field, key)
    assert dialog.wish.classes["#0000ff"] == "pore"
    assert dialog.ok.isEnabled()
    assert dialog.isVisible(), "Import would have closed it"


def test_remarks_are_read_from_the_first_word_on(dialog, qtbot):
    names = ", ".join(f"a specimen with a long name {number}.tif" for number in range(4))
    show(dialog, f"4 of 10 images have no annotation: {names}.")
    bar = dialog.remarks.verticalScrollBar()
    qtbot.waitUntil(lambda: dialog.remarks.viewport().width() > 600 and bar.maximum() == 0)


def test_a_rare_class_is_not_listed_as_none(dialog):
    show(dialog)
    assert [dialog.classes.item(row, 2).text() for row in (0, 1)] == ["< 0.1%", "100.0%"]
