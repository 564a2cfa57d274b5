"""A recipe in the window: run by an operator, and saved from the panel Measure."""

import pytest
from desk import said
from qtpy.QtCore import QTimer
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QFileDialog
from recipe_lab import make_lab, unlike, write_field

from napari_matssl.settings import LimitSettings
from napari_matssl.tasks.recipe.recipe_file import read_recipe
from napari_matssl.tasks.recipe.run_folder import read_run
from napari_matssl.widgets.controls.folder_field import FolderField
from napari_matssl.widgets.controls.recent import RecentFolders
from napari_matssl.widgets.controls.recipe_dialog import RecipeDialog
from napari_matssl.widgets.panels.measure_panel import MeasurePanel
from napari_matssl.widgets.panels.run_recipe_panel import RunRecipePanel


@pytest.fixture(scope="module")
def lab(tmp_path_factory, two_phases):
    return make_lab(tmp_path_factory.mktemp("lab"), two_phases, "--limits-unsure", "pass")


@pytest.fixture(autouse=True)
def nothing_opens(monkeypatch):
    monkeypatch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    return opened


@pytest.fixture
def shift(tmp_path, two_phases):
    folder = tmp_path / "shift"
    folder.mkdir()
    for seed in range(2):
        write_field(folder / f"f{seed}.tif", two_phases(seed))
    write_field(folder / "g-unlike.tif", two_phases(2), grey=unlike)
    (folder / "g-damaged.tif").write_bytes(b"II*\0broken")
    return folder


@pytest.fixture
def panel(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    made = RunRecipePanel(viewer)
    viewer.window.add_dock_widget(made, name="Run recipe")
    yield made
    made.session.runner.close()


def row_of(panel, name):
    (item,) = [
        panel.list.table.item(row, 0)
        for row in range(panel.list.table.rowCount())
        if panel.list.table.item(row, 0).text() == name
    ]
    return item


def test_an_operator_runs_looks_and_signs(qtbot, panel, lab, shift, nothing_opens):
    assert panel.run.toolTip() == "Choose a recipe first."
    panel.open_recipe(lab.recipe)
    qtbot.waitUntil(lambda: "steel: phases, objects" in panel.about.text(), timeout=20_000)
    assert panel.run.toolTip() == "Choose the folder of the images first."
    panel.images.set_folder(shift)
    assert panel.out.folder == shift.with_name("shift-steel")
    assert panel.run.toolTip() == "Type the specimen first."
    panel.specimen.setText("Heat 4711")
    assert panel.run.isEnabled()
    assert panel.after.isHidden()
    panel.run.click()
    qtbot.waitUntil(lambda: not panel.after.isHidden(), timeout=120_000)
    assert panel.verdict.text().startswith("Heat 4711, recipe steel: FAIL: 2 images failed")
    cells = {
        panel.list.table.item(row, 0).text(): panel.list.table.item(row, 1).text()
        for row in range(4)
    }
    assert cells["g-unlike.tif"] == cells["g-damaged.tif"] == "fail"
    table = panel.list.table  # all of it, and nothing beside: the signature stands below
    assert table.verticalScrollBar().maximum() == 0
    assert table.viewport().height() == pytest.approx(4 * table.rowHeight(0), abs=3)
    assert cells["f0.tif"] == "pass"

    panel.name.setText("B. Night")
    assert not panel.sign.isEnabled()
    assert panel.sign.toolTip() == "Look at g-damaged.tif and 1 more first: click the row."
    panel.list.table.setCurrentItem(row_of(panel, "g-unlike.tif"))
    viewer = panel.session.viewer
    qtbot.waitUntil(lambda: "g-unlike.tif" in viewer.layers, timeout=20_000)
    assert "unlike the painted images" in panel.list.reasons.text()
    panel.list.table.setCurrentItem(row_of(panel, "f1.tif"))
    qtbot.waitUntil(lambda: [layer.name for layer in viewer.layers] == ["f1.tif"], timeout=20_000)
    assert panel.list.reasons.isHidden()
    panel.list.table.setCurrentItem(row_of(panel, "g-damaged.tif"))
    assert panel.sign.isEnabled()
    assert "f1.tif" not in viewer.layers
    panel.sign.click()
    qtbot.waitUntil(lambda: bool(nothing_opens), timeout=60_000)
    assert panel.state.text().startswith("Signed by B. Night, 20")
    assert not panel.sign.isEnabled()
    assert read_run(panel.out.folder).signed.startswith("B. Night")
    page = (panel.out.folder / "report.html").read_text("utf-8")
    assert "Heat 4711" in page
    assert "signed in the program by B. Night" in page


def test_an_altered_recipe_is_refused_in_the_window(qtbot, panel, lab, tmp_path):
    altered = tmp_path / "altered.recipe"
    data = lab.recipe.read_bytes()
    altered.write_bytes(data.replace(b'"fields": 2', b'"fields": 1'))
    problems = said(panel)
    panel.open_recipe(altered)
    qtbot.waitUntil(lambda: bool(problems), timeout=20_000)
    assert "altered.recipe" in str(problems[0])
    assert panel.about.text() == ""
    assert not panel.run.isEnabled()


def test_results_never_go_where_others_are(qtbot, panel, lab, shift):
    shift.with_name("shift-steel").mkdir()
    panel.open_recipe(lab.recipe)
    qtbot.waitUntil(lambda: bool(panel.about.text()), timeout=20_000)
    for typed in ("/", "/t", str(shift)):  # letter by letter
        panel.images.field.setEditText(typed)
    assert panel.out.folder == shift.with_name("shift-steel-2")


def test_recent_folders_are_offered_before_one_is_proposed(qtbot, tmp_path):
    recent = RecentFolders("tested")
    recent.add(tmp_path)
    made = FolderField("Images", "Folder of the images.", recent)
    qtbot.addWidget(made)
    assert made.folder is None
    assert made.field.itemText(0) == str(tmp_path)


# ---- saving ----


@pytest.fixture
def measure(make_napari_viewer, lab):
    viewer = make_napari_viewer(show=True)
    made = MeasurePanel(viewer)
    viewer.window.add_dock_widget(made, name="Measure")
    assert made.session.folder.open([lab.project])
    yield made
    made.session.runner.close()
    made.session.folder.end()


def test_the_panel_measure_saves_a_recipe(qtbot, measure, tmp_path, monkeypatch, lab):
    out = tmp_path / "window.recipe"
    monkeypatch.setattr(QFileDialog, "exec", lambda _dialog: True)
    monkeypatch.setattr(QFileDialog, "selectedFiles", lambda _dialog: [str(out)])

    def fill_in():
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, RecipeDialog)
        dialog.lines["etchant"].setText("Nital")
        dialog.limits.set_value("fields", 4)
        dialog.accept()

    box = measure.exporting.report
    qtbot.waitUntil(box.save_recipe.isEnabled, timeout=20_000)
    QTimer.singleShot(300, fill_in)
    box.save_recipe.click()
    qtbot.waitUntil(out.exists, timeout=120_000)
    qtbot.waitUntil(lambda: "window.recipe" in box.outcome.text(), timeout=20_000)
    recipe = read_recipe(out).recipe
    assert recipe.limits == LimitSettings(fields=4)
    assert recipe.report.etchant == "Nital"
    assert recipe.model.file == lab.model.name
    assert recipe.measuring.settings.chosen == ("phases",)
