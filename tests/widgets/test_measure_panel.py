"""The panel Measure: the phase fractions that it shows of a folder, and what it exports."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from desk import said
from file_events import slow_disk
from limits import largest_file
from qtpy.QtCore import QTimer
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_matssl.errors import MatSSLError
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.progress import Progress
from napari_matssl.project.folder import Project
from napari_matssl.samples import class_table, make_sample
from napari_matssl.settings import Cleaning
from napari_matssl.widgets.canvas.setting_facts import set_pixel_size
from napari_matssl.widgets.controls.forms import say
from napari_matssl.widgets.panels.measure_panel import MeasurePanel

NAMES = ("a1.tif", "a2.tif", "a10.tif", "b.tif")
TRUTH = {name: make_sample("inclusions", seed, (96, 128)) for seed, name in enumerate(NAMES)}


@pytest.fixture
def folder(tmp_path):
    """Four micrographs; all but the last are segmented, without a mistake."""
    place = tmp_path / "steel"
    place.mkdir()
    for name, sample in TRUTH.items():
        write_micrograph(place / name, sample.micrograph)
    class_table("inclusions").write(place / "classes.json")
    project = Project(place)
    for name in NAMES[:3]:
        project.masks.write(name, TRUTH[name].labels)
    return place


@pytest.fixture
def dock(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    panel = MeasurePanel(viewer)
    session = panel.session
    yield viewer.window.add_dock_widget(panel, name="Measure")
    session.runner.close()
    session.folder.end()


@pytest.fixture
def panel(dock, folder, qtbot):
    """The panel, with the folder open and measured."""
    panel = dock.widget()
    assert panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: len(images(panel)) == 3)
    return panel


@pytest.fixture
def out(tmp_path, panel, monkeypatch):
    """A folder that the user chooses in the dialog."""
    place = tmp_path / "out"
    place.mkdir()
    choose(monkeypatch, panel, place)
    return place


@pytest.fixture
def slow_masks(folder):
    """Masks that take until they may be read; the image shown has none."""
    Project(folder).micrographs.current = "b.tif"
    with slow_disk("*/matssl/masks/*.png") as disk:
        yield disk


@pytest.fixture
def slow_images(panel, folder):
    """Images that take until they may be read, once the folder is open and measured."""
    with slow_disk(f"{folder}/*.tif") as disk:
        yield disk


def choose(monkeypatch, panel, place):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(place or ""))
    panel.exporting.place.browse.click()


def texts(table):
    return [
        [table.item(row, column).text() for column in range(table.columnCount())]
        for row in range(table.rowCount())
    ]


def images(panel):
    if panel.view is None or not panel.view.tabs.isVisible():
        return []
    return [line[0] for line in texts(panel.view.image_table)]


def summary(panel):
    return {line[0]: line[1:] for line in texts(panel.view.summary_table)}


def mean(panel, name):
    return float(summary(panel)[name][0])


def true_mean(class_id, names=NAMES[:3]):
    return np.mean([100 * (TRUTH[name].labels == class_id).mean() for name in names])


def segment(session, name):
    session.folder.project.masks.write(name, TRUTH[name].labels)
    session.results.take_over(name, TRUTH[name].labels)


def export(qtbot, panel):
    with qtbot.waitSignal(panel.session.runner.ended, timeout=60_000):
        panel.exporting.export.click()


def answer(qtbot, yes):
    """Answer the question as soon as it is asked; its text is kept."""
    asked = []

    def press():
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        asked.append(box.text())
        wanted = "Replace" if yes else "Cancel"
        next(b for b in box.buttons() if b.text().replace("&", "") == wanted).click()

    QTimer.singleShot(50, press)
    return asked


# -- what it shows


def test_the_figures_of_the_open_folder_are_the_truth(panel):
    assert panel.count.text() == "3 of 4 images are segmented."
    assert images(panel) == ["a1.tif", "a2.tif", "a10.tif"]
    assert list(summary(panel)) == ["steel", "sulphide", "oxide"]
    for class_id, (name, figures) in enumerate(summary(panel).items(), start=1):
        assert mean(panel, name) == pytest.approx(true_mean(class_id), abs=0.1)
        assert figures[-1] == "3"
    bars = [i for i in panel.view.chart.plot.plotItem.items if type(i).__name__ == "BarGraphItem"]
    assert bars[0].opts["height"] == [pytest.approx(true_mean(1))]
    assert not panel.problems.isVisible()
    assert not panel.state.isVisible()


def test_without_a_folder_the_panel_shows_a_note(dock):
    panel = dock.widget()
    assert panel.count.text() == "No folder is open."
    assert not panel.exporting.export.isEnabled()
    assert panel.exporting.export.toolTip() == "Open a folder of micrographs first."


def test_a_folder_without_masks_has_nothing_to_export(dock, folder, qtbot):
    panel = dock.widget()
    for path in (folder / "matssl" / "masks").iterdir():
        path.unlink()
    panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: panel.count.text() == "0 of 4 images are segmented.")
    assert panel.exporting.export.toolTip() == "Segment some images first."
    assert not panel.exporting.export.isEnabled()


def test_excluded_images_are_counted(panel, qtbot):
    panel.session.folder.set_excluded(["a1.tif"], True)
    qtbot.waitUntil(lambda: panel.count.text() == "2 of 3 images are segmented, 1 excluded.")


def test_figures_go_with_their_folder(panel):
    assert panel.session.folder.close()
    assert images(panel) == []
    assert panel.count.text() == "No folder is open."
    assert not panel.exporting.export.isEnabled()


def test_a_new_mask_shows(panel, qtbot):
    segment(panel.session, "b.tif")
    qtbot.waitUntil(lambda: len(images(panel)) == 4)
    assert panel.count.text() == "4 of 4 images are segmented."
    assert mean(panel, "steel") == pytest.approx(true_mean(1, NAMES), abs=0.1)


def test_classes_show_as_they_are_edited(panel, qtbot):
    palette = panel.session.palette
    palette.edit(lambda project: project.classes.rename(2, "MnS"))
    qtbot.waitUntil(lambda: list(summary(panel)) == ["steel", "MnS", "oxide"])
    palette.edit(lambda project: project.classes.reorder((3, 1, 2)))
    qtbot.waitUntil(lambda: list(summary(panel)) == ["oxide", "steel", "MnS"])
    palette.edit(lambda project: project.classes.set_exclude(3, True))
    qtbot.waitUntil(lambda: list(summary(panel)) == ["steel", "MnS"])
    without = [np.isin(TRUTH[n].labels, (1, 2)).sum() for n in NAMES[:3]]
    steel = [(TRUTH[n].labels == 1).sum() for n in NAMES[:3]]
    assert mean(panel, "steel") == pytest.approx(100 * np.mean(np.divide(steel, without)), abs=0.1)


def test_cleaning_shows(panel, qtbot):
    before = mean(panel, "steel")
    panel.session.results.clean(Cleaning(smallest_region=10_000))
    qtbot.waitUntil(lambda: mean(panel, "steel") == 100)
    panel.session.results.clean(Cleaning())
    qtbot.waitUntil(lambda: mean(panel, "steel") == before)


def test_whether_paint_overrules_shows_as_it_is_kept(panel):
    problems = said(panel)
    with largest_file(0):
        panel.painted.click()
    assert len(problems) == 1
    assert panel.painted.isChecked()
    assert panel.session.folder.project.masks.painted_counts
    panel.painted.click()
    assert not panel.painted.isChecked()
    assert not panel.session.folder.project.masks.painted_counts


def test_an_image_that_goes_from_the_folder_goes_from_the_figures(panel, folder, qtbot):
    before = mean(panel, "steel")
    panel.session.current.show("b.tif")
    qtbot.waitUntil(lambda: not panel._timer.isActive())
    (folder / "a2.tif").unlink()
    qtbot.waitUntil(lambda: images(panel) == ["a1.tif", "a10.tif"])
    assert mean(panel, "steel") != before
    qtbot.waitUntil(lambda: panel.count.text() == "2 of 3 images are segmented.")


def test_a_pixel_size_set_by_hand_shows(panel, qtbot):
    set_pixel_size(panel.session.current, PixelSize(3.0, 3.0, "set by hand"))
    pixels = (TRUTH["a1.tif"].labels == 1).sum()
    wanted = f"Area: {float(f'{9 * pixels:.4g}'):,g} µm²."
    qtbot.waitUntil(lambda: wanted in panel.view.image_table.item(0, 1).toolTip())


def test_a_damaged_mask_is_named_and_the_others_are_measured(dock, folder, qtbot):
    panel = dock.widget()
    (folder / "matssl" / "masks" / "a2.png").write_bytes(b"no image")
    panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: images(panel) == ["a1.tif", "a10.tif"])
    assert panel.problems.isVisible()
    assert "a2.png" in panel.problems.text()


def test_of_many_problems_a_few_are_named(dock, folder, qtbot):
    panel = dock.widget()
    for number in range(9):
        write_micrograph(folder / f"c{number}.tif", TRUTH["b.tif"].micrograph)
        (folder / "matssl" / "masks" / f"c{number}.png").write_bytes(b"no image")
    panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: len(images(panel)) == 3)
    lines = panel.problems.text().splitlines()
    assert (len(lines), lines[-1]) == (5, "and 5 more")


def test_what_nobody_looks_at_is_measured_when_it_is_looked_at(dock, panel, qtbot):
    panel.session.palette.edit(lambda project: project.classes.rename(2, "MnS"))
    dock.hide()
    qtbot.wait(600)
    assert "MnS" not in summary(panel)
    dock.show()
    qtbot.waitUntil(lambda: "MnS" in summary(panel))


def test_the_window_stays_alive_while_masks_are_measured(dock, folder, qtbot, slow_masks):
    panel = dock.widget()
    panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: panel.count.text() == "3 of 4 images are segmented.")
    assert panel.exporting.export.isEnabled()
    assert images(panel) == []
    assert not panel.view.isVisible()  # neither "nothing segmented" nor figures
    slow_masks.go_on()
    qtbot.waitUntil(lambda: len(images(panel)) == 3)
    assert not panel.state.isVisible()


def test_the_progress_of_measuring_is_shown(dock, folder, qtbot, slow_masks):
    panel = dock.widget()
    panel.session.folder.open([folder])
    slow_masks.let(2)
    qtbot.waitUntil(lambda: panel.state.text() == "Measuring: 2 of 4 images...")
    assert panel.state.isVisible()
    slow_masks.go_on()


def test_figures_of_a_folder_that_was_closed_meanwhile_are_not_shown(
    dock, folder, qtbot, slow_masks
):
    panel = dock.widget()
    panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: bool(slow_masks.names))
    panel.session.folder.close()
    slow_masks.go_on()
    qtbot.wait(600)
    assert images(panel) == []
    assert panel.count.text() == "No folder is open."
    assert slow_masks.names == ["a1.png"]  # the others needn't be measured any more


def test_opening_the_panel_loads_no_plots():
    code = (
        "import sys, napari_matssl.widgets.panels.measure_panel\n"
        "print({'torch', 'pyqtgraph'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_panel_may_be_closed_while_it_measures(dock, folder, qtbot, slow_masks):
    panel, gone = dock.widget(), []
    session = panel.session
    session.folder.open([folder])
    qtbot.waitUntil(lambda: bool(slow_masks.names))
    panel.destroyed.connect(lambda *_: gone.append(True))
    session.viewer.window.remove_dock_widget(dock)
    panel.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    slow_masks.go_on()
    session.palette.edit(lambda project: project.classes.rename(2, "MnS"))
    session.folder.close()
    qtbot.wait(500)  # what comes late finds nobody; pytest-qt fails on exceptions
    assert slow_masks.names == ["a1.png"]


# -- exporting


def test_export_writes_files_and_names_their_place(panel, qtbot, out):
    export(qtbot, panel)
    endings = ("_mask.png", "_mask.tif", "_overlay.png")
    files = {f"{stem}{ending}" for stem in ("a1", "a2", "a10") for ending in endings}
    assert {p.name for p in out.iterdir()} == {
        *files, "phases.csv", "summary.csv", "corrected.csv", "fields.csv", "classes.json"
    }  # fmt: skip
    with (out / "phases.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    for row in rows:
        share = (TRUTH[row["image"]].labels == int(row["class_id"])).mean()
        assert float(row["fraction_percent"]) == pytest.approx(100 * share)
    assert panel.exporting.outcome.text() == f"3 images exported to {out}."
    assert panel.exporting.show_exported.isVisible()


def test_the_exported_files_can_be_shown(panel, qtbot, out, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    export(qtbot, panel)
    panel.exporting.show_exported.click()
    assert [url.toLocalFile() for url in opened] == [str(out)]


def test_only_what_is_ticked_is_exported(panel, qtbot, out):
    for name in ("masks_tiff", "overlays", "tables"):
        panel.exporting.choices[name].setChecked(False)
    export(qtbot, panel)
    assert {p.name for p in out.iterdir()} == {
        "a1_mask.png", "a2_mask.png", "a10_mask.png", "classes.json"
    }  # fmt: skip
    panel.exporting.choices["masks_png"].setChecked(False)
    assert panel.exporting.export.toolTip() == "Tick what to export first."
    assert not panel.exporting.export.isEnabled()


def test_nothing_is_overwritten_unasked(panel, qtbot, out):
    (out / "a1_mask.png").write_text("mine")
    asked = answer(qtbot, yes=False)
    panel.exporting.export.click()
    assert asked == [f"{out} holds a1_mask.png already. Replace?"]
    assert not panel.session.runner.busy
    assert [p.name for p in out.iterdir()] == ["a1_mask.png"]
    answer(qtbot, yes=True)
    export(qtbot, panel)
    assert (out / "a1_mask.png").read_bytes()[:4] == b"\x89PNG"


def test_a_new_folder_beside_the_images_is_proposed_and_made(panel, folder, qtbot, monkeypatch):
    wanted = folder.with_name("steel-results")
    assert panel.exporting.place.folder == wanted
    choose(monkeypatch, panel, None)  # the dialog was cancelled
    assert panel.exporting.place.folder == wanted
    export(qtbot, panel)
    assert (wanted / "phases.csv").is_file()
    assert panel.exporting.outcome.text() == f"3 images exported to {wanted}."


def test_a_name_can_be_typed_and_folders_used_before_are_offered(panel, folder, qtbot):
    line = panel.exporting.place.field.lineEdit()
    line.selectAll()
    qtbot.keyClicks(line, "second round")
    export(qtbot, panel)
    written = folder.with_name("second round")
    assert (written / "phases.csv").is_file()
    panel.session.folder.open([folder])
    offered = [
        panel.exporting.place.field.itemText(n) for n in range(panel.exporting.place.field.count())
    ]
    assert offered == [str(folder.with_name("steel-results")), str(written)]
    assert panel.exporting.place.folder == folder.with_name("steel-results")


def test_without_a_name_there_is_no_export(panel):
    panel.exporting.place.field.lineEdit().clear()
    assert not panel.exporting.export.isEnabled()
    assert panel.exporting.export.toolTip() == "Name a folder to export to first."


def test_the_folder_of_the_images_is_refused(panel, folder, monkeypatch):
    choose(monkeypatch, panel, folder)
    errors = []
    panel.session.notices.failed.connect(errors.append)
    panel.exporting.export.click()
    assert not panel.session.runner.busy
    assert isinstance(errors[0], MatSSLError)
    assert "Choose another folder" in str(errors[0])


def test_an_export_given_up_half_way_leaves_whole_files(panel, qtbot, out, slow_images):
    runner = panel.session.runner
    panel.exporting.export.click()
    slow_images.let(1)
    qtbot.waitUntil(lambda: slow_images.names == ["a1.tif", "a2.tif"], timeout=60_000)
    runner.job.cancel()
    with qtbot.waitSignal(runner.ended):
        slow_images.go_on()
    tables = {"phases.csv", "summary.csv", "corrected.csv", "classes.json"}
    assert {p.name.partition("_")[0] for p in out.iterdir()} == {"a1", "a2", *tables}
    assert len(list(out.iterdir())) == 10
    assert not panel.exporting.outcome.isVisible()
    assert not panel.exporting.show_exported.isVisible()
    assert panel.exporting.export.isEnabled()


@pytest.mark.cell("export in the window", "stopped late")
def test_an_export_finished_early_counts_its_images(panel, qtbot, out, slow_images):
    runner = panel.session.runner
    panel.exporting.export.click()
    slow_images.let(1)
    qtbot.waitUntil(lambda: slow_images.names == ["a1.tif", "a2.tif"], timeout=60_000)
    runner.job.finish()
    with qtbot.waitSignal(runner.ended):
        slow_images.go_on()
    assert panel.exporting.outcome.text() == f"2 of 3 images exported to {out}."
    assert (out / "summary.csv").exists()


def test_an_image_that_fails_is_named(panel, folder, qtbot, out):
    (folder / "matssl" / "masks" / "a2.png").write_bytes(b"no image")
    export(qtbot, panel)
    first, second = panel.exporting.outcome.text().splitlines()
    assert first == f"2 of 3 images exported to {out}."
    assert "a2.png" in second


def test_while_a_job_runs_there_is_no_export(panel, qtbot):
    def job():
        while True:
            yield Progress("working", 0, 1)

    runner = panel.session.runner
    runner.start("Fine-tuning", job)
    assert not panel.exporting.export.isEnabled()
    assert panel.exporting.export.toolTip().startswith("Fine-tuning is running")
    with qtbot.waitSignal(runner.ended):
        runner.job.cancel()
    assert panel.exporting.export.isEnabled()


def test_results_of_other_jobs_are_no_export(panel, qtbot):
    def job():
        yield Progress("working", 0, 1)
        return 3

    with qtbot.waitSignal(panel.session.runner.ended):
        panel.session.runner.start("Segmenting", job)
    assert not panel.exporting.outcome.isVisible()


def test_everything_fits_a_dock_and_has_a_tooltip(panel):
    assert panel.minimumSizeHint().width() <= 370
    for widget in (
        panel.count,
        panel.exporting.export,
        panel.exporting.show_exported,
        panel.exporting.place.field,
        panel.exporting.place.browse,
        *panel.exporting.choices.values(),
    ):
        assert widget.toolTip()


def test_a_long_doubt_takes_no_room_from_what_is_below(dock, folder, qtbot):
    panel = dock.widget()
    panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: len(images(panel)) == 3)
    said = "6 masks are uncertain in places: see the list of images. " * 3
    say(panel.doubts, said)
    panel.setFixedWidth(300)
    # As in the scroll area of all panels: as high as it has to be.
    panel.setFixedHeight(panel.minimumSizeHint().height())
    qtbot.waitUntil(lambda: panel.doubts.height() >= panel.doubts.heightForWidth(300 - 8))
    panel.setFixedHeight(panel.minimumSizeHint().height())
    qtbot.wait(50)
    assert panel.tabs.geometry().bottom() < panel.specimens.geometry().top()
    assert panel.doubts.geometry().bottom() < panel.tabs.geometry().top()
