"""The report from the window: what is asked, what is written, and the page in the browser."""

import pytest
from desk import said
from qtpy.QtCore import QTimer
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_matssl.errors import InputError
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.project.folder import Project
from napari_matssl.samples import class_table, make_sample
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.widgets.controls.report_dialog import ReportDialog
from napari_matssl.widgets.panels.measure_panel import MeasurePanel

NAMES = ("a.tif", "b.tif")


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "steel"
    place.mkdir()
    class_table("inclusions").write(place / "classes.json")
    samples = {name: make_sample("inclusions", seed, (96, 128)) for seed, name in enumerate(NAMES)}
    for name, sample in samples.items():
        write_micrograph(place / name, sample.micrograph)
    project = Project(place)
    for name, sample in samples.items():
        project.masks.write(name, sample.labels)
    return place


@pytest.fixture
def box(make_napari_viewer, folder, tmp_path, monkeypatch, qtbot):
    """That of the panel, with the folder open, a place, and a browser that notes what it opens."""
    monkeypatch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)
    opened = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True
    )
    viewer = make_napari_viewer(show=True)
    panel = MeasurePanel(viewer)
    session = panel.session
    viewer.window.add_dock_widget(panel, name="Measure")
    assert session.folder.open([folder])
    box = panel.exporting.report
    box.opened, box.panel = opened, panel
    panel.exporting.place.propose(tmp_path / "out")
    qtbot.waitUntil(box.button.isEnabled, timeout=20_000)
    yield box
    session.runner.close()
    session.folder.end()


def answer(typed):
    """Type into the dialog once it is open, and accept it."""

    def type_and_press():
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, ReportDialog)
        for name, text in typed.items():
            dialog.lines[name].setText(text)
        dialog.accept()

    QTimer.singleShot(200, type_and_press)


def test_the_report_is_written_and_its_page_opens_in_the_browser(qtbot, box, tmp_path):
    answer({"specimen": "S 7", "operator": "N. N."})
    box.button.click()
    qtbot.waitUntil(lambda: bool(box.opened), timeout=60_000)
    page = tmp_path / "out" / "report.html"
    assert box.opened == [str(page)]
    assert "S 7" in page.read_text("utf-8")
    assert "report.html, report.xlsx written to" in box.outcome.text()
    assert "No report.pdf was made" in box.outcome.text()
    assert not box.show_page.isHidden()
    assert box.panel.session.folder.project.record.value.details.operator == "N. N."
    box.show_page.click()
    assert box.opened == [str(page)] * 2


def test_the_dialog_shows_what_was_typed_once_and_nothing_happens_without_consent(
    box, tmp_path, monkeypatch
):
    project = box.panel.session.folder.project
    details = ReportDetails(specimen="S 1", remarks=("dry", "again"))
    project.record.change(lambda kept: kept.model_copy(update={"details": details}))
    seen = []

    def look():
        dialog = QApplication.activeModalWidget()
        seen.append((dialog.lines["specimen"].text(), dialog.remarks.toPlainText()))
        dialog.reject()

    QTimer.singleShot(200, look)
    box.button.click()
    assert seen == [("S 1", "dry\nagain")]
    assert not (tmp_path / "out").exists()  # it was cancelled

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("old")
    answer({"specimen": "S 7"})
    monkeypatch.setattr(QMessageBox, "exec", lambda question: question.escapeButton().click())
    box.button.click()
    assert box.panel.session.runner.job is None
    assert project.record.value.details == details
    assert (tmp_path / "out" / "report.html").read_text() == "old"


def test_the_button_tells_why_it_is_off_and_an_error_is_shown(box):
    choice = box.panel.choice
    choice.ticks["nodules"].setChecked(True)
    assert choice.missing
    assert (box.button.isEnabled(), box.button.toolTip()) == (False, choice.missing)
    choice.ticks["nodules"].setChecked(False)
    assert box.button.isEnabled()

    problems = said(box.panel)

    def refuse():
        raise InputError("No class is chosen.", "Choose one.")

    box._chosen = refuse
    box.button.click()
    assert problems == ["No class is chosen. Choose one."]

    box.set_segmented(0)
    assert box.button.toolTip() == "Segment some images first."


def test_a_line_that_is_too_long_is_told_in_the_dialog(qtbot):
    dialog = ReportDialog(ReportDetails(specimen="S"))
    qtbot.addWidget(dialog)
    assert dialog.ok.isEnabled()
    dialog.lines["etchant"].setText("x" * 501)
    assert not dialog.ok.isEnabled()
    assert dialog.problem.text().startswith("Preparation, etchant: at most 500 letters.")
    dialog.lines["etchant"].setText("Nital")
    dialog.remarks.setPlainText("dry\n\n twice ")
    assert dialog.details == ReportDetails(specimen="S", etchant="Nital", remarks=("dry", "twice"))
