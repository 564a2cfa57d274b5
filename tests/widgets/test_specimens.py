"""Specimens in the panel Measure: typed, taken from a file, kept, and what they change."""

import pytest
from iron import write_iron
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_matssl.micrograph.place import Place
from napari_matssl.project.folder import Project
from napari_matssl.widgets.controls.places_dialog import PlacesDialog
from napari_matssl.widgets.panels.measure_panel import MeasurePanel


@pytest.fixture
def panel(make_napari_viewer, tmp_path, qtbot):
    """The panel, with three segmented images of four open."""
    project = write_iron(tmp_path / "iron")
    viewer = make_napari_viewer(show=True)
    panel = MeasurePanel(viewer)
    session = panel.session
    viewer.window.add_dock_widget(panel, name="Measure")
    assert session.folder.open([project.folder])
    qtbot.waitUntil(lambda: panel.tabs is not None and panel.tabs.isVisible(), timeout=20_000)
    yield panel
    session.runner.close()
    session.folder.end()


@pytest.fixture
def groups(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("image,specimen,section\na1,S 1,A\na2,S 1,B\na10,S 2,A\n")
    return path


def answer(do, accept=True):
    """Do something with the dialog once it is open, then accept or cancel it."""

    def act():
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, PlacesDialog)
        do(dialog)
        (dialog.accept if accept else dialog.reject)()

    QTimer.singleShot(200, act)


def type_in(dialog, row, column, text, also=()):
    """Type into a cell while others of the column are selected, too."""
    table = dialog.table
    table.clearSelection()
    for one in (row, *also):
        table.item(one, column).setSelected(True)
    table.item(row, column).setText(text)


def headings(table):
    return [table.horizontalHeaderItem(c).text() for c in range(table.columnCount())]


def test_typed_specimens_are_kept_and_the_interval_is_over_them(panel, qtbot):
    assert "n = 3 fields (images)" in panel.view.note.text()
    assert "s\nwithin" not in headings(panel.view.summary_table)

    def type_all(dialog):
        type_in(dialog, 0, 1, "S 1", also=(1,))
        type_in(dialog, 2, 1, "S 2", also=(3,))

    answer(type_all)
    panel.specimens.button.click()
    folder = panel.session.folder.project.folder
    kept = Project(folder).micrographs
    assert [kept.place(n).specimen for n in ("a1.tif", "a2.tif", "a10.tif", "b.tif")] == [
        "S 1", "S 1", "S 2", "S 2",
    ]  # fmt: skip
    assert panel.specimens.words.text() == "2 specimens."
    qtbot.waitUntil(lambda: "n = 2 specimens (3 images)" in panel.view.note.text(), timeout=20_000)
    assert headings(panel.view.summary_table)[4:6] == ["s bet-\nween", "s\nwithin"]


def test_a_file_fills_the_table_and_what_it_lacks_stays(panel, groups):
    def take(dialog):
        type_in(dialog, 3, 1, "S 9")
        dialog.take_from(groups)
        assert dialog.outcome.text() == "groups.csv: 3 of 4 images. 1 not listed."

    answer(take)
    panel.specimens.button.click()
    places = panel.session.folder.project.micrographs.place
    assert places("a2.tif") == Place("S 1", "B")
    assert places("b.tif") == Place("S 9")


def test_a_wrong_file_is_told_in_the_dialog_and_changes_nothing(panel, tmp_path):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("image,sample\na1,S 1\n")

    def take(dialog):
        dialog.take_from(wrong)
        assert "wrong.csv has no column specimen" in dialog.outcome.text()

    answer(take)
    panel.specimens.button.click()
    assert panel.specimens.words.text() == ""


def test_a_dialog_that_is_cancelled_changes_nothing(panel):
    answer(lambda dialog: type_in(dialog, 0, 1, "S 1", also=(1, 2, 3)), accept=False)
    panel.specimens.button.click()
    assert panel.session.folder.project.micrographs.place("a1.tif") == Place()


def test_an_image_without_a_specimen_is_named_and_intervals_stay_over_images(panel, qtbot):
    answer(lambda dialog: type_in(dialog, 0, 1, "S 1", also=(1,)))
    panel.specimens.button.click()
    assert "2 of 4 images have no specimen" in panel.specimens.words.text()
    qtbot.waitUntil(lambda: "have no specimen" in panel.problems.text(), timeout=20_000)
    assert "n = 3 fields (images)" in panel.view.note.text()


def test_groups_have_a_row_each(panel, qtbot):
    answer(lambda dialog: type_in(dialog, 0, 3, "cold", also=(1,)))
    panel.specimens.button.click()
    assert panel.specimens.words.text() == "2 groups."
    table = panel.view.summary_table

    def names():
        return [table.item(row, 0).text() for row in range(table.rowCount())]

    qtbot.waitUntil(lambda: "steel, cold" in names(), timeout=20_000)
    assert "steel, all" in names()
    assert headings(panel.view.image_table).count("steel\n(%)") == 1


def test_other_measures_show_the_spread_of_specimens(panel, groups, qtbot):
    answer(lambda dialog: dialog.take_from(groups))
    panel.specimens.button.click()
    panel.session.folder.project.micrographs.set_places({"b.tif": Place("S 2")})
    panel.choice.ticks["layers"].setChecked(True)
    panel.choice.classes["layers"].tick("oxide")
    with qtbot.waitSignal(panel.session.runner.ended, timeout=60_000):
        panel.measuring.start.click()
    summary = panel.tabs.views["layers"].summary_table.frame.set_index("figure")
    row = summary.loc["mean_um"]
    assert (row["over"], row["n"], row["mean"]) == ("specimens", 2, (25 + 28) / 2)
    assert row["s_within"] == pytest.approx(2**0.5)


def test_what_another_window_has_typed_meanwhile_stays(panel):
    folder = panel.session.folder.project.folder

    def type_in_both(dialog):
        Project(folder).micrographs.set_places({"a1.tif": Place("S 1", "A")})
        type_in(dialog, 1, 1, "S 2")

    answer(type_in_both)
    panel.specimens.button.click()
    kept = Project(folder).micrographs
    assert kept.place("a1.tif") == Place("S 1", "A")
    assert kept.place("a2.tif").specimen == "S 2"
