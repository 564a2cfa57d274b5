"""The report from the window: what is asked, what is written, and the page in the browser."""

import pytest
from desk import said
from qtpy.QtCore import QTimer
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QMessageBox, QVBoxLayout, QWidget

from napari_matssl.errors import InputError
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.project.folder import Project
from napari_matssl.samples import class_table, make_sample
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.measure_plan import MeasurePlan
from napari_matssl.tasks.project_meter import ProjectMeter
from napari_matssl.widgets.controls.folder_field import FolderField
from napari_matssl.widgets.controls.recent import RecentFolders
from napari_matssl.widgets.controls.report_dialog import ReportDialog
from napari_matssl.widgets.panels.report_box import ReportBox
from napari_matssl.widgets.session import session_of

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
def box(make_napari_viewer, folder, tmp_path, monkeypatch):
    """The box in a dock, with the folder open, a place, and a browser that notes what it opens."""
    monkeypatch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)
    opened = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True
    )
    viewer = make_napari_viewer(show=True)
    session = session_of(viewer)
    assert session.folder.open([folder])
    place = FolderField("Export to a folder", "", RecentFolders("exported"))
    place.propose(tmp_path / "out")
    meter = ProjectMeter(session.folder.project)
    box = ReportBox(session, lambda: (meter, MeasurePlan()), lambda: "", place)
    host = QWidget()
    layout = QVBoxLayout(host)
    layout.addWidget(place)
    layout.addWidget(box.report)
    layout.addWidget(box)
    viewer.window.add_dock_widget(host, name="Report")
    box.opened, box.session = opened, session
    box.set_segmented(2)
    yield box
    session.runner.close()
    session.folder.end()


def answer(typed, accept=True):
    """Type into the dialog once it is open, and press one of its buttons."""

    def type_and_press():
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, ReportDialog)
        for name, text in typed.items():
            dialog.lines[name].setText(text)
        (dialog.accept if accept else dialog.reject)()

    QTimer.singleShot(200, type_and_press)


def test_the_report_is_written_and_its_page_opens_in_the_browser(qtbot, box, tmp_path):
    answer({"specimen": "S 7", "operator": "N. N."})
    box.report.click()
    qtbot.waitUntil(lambda: bool(box.opened), timeout=60_000)
    page = tmp_path / "out" / "report.html"
    assert box.opened == [str(page)]
    assert "S 7" in page.read_text("utf-8")
    assert "report.html, report.xlsx written to" in box.outcome.text()
    assert "No report.pdf was made" in box.outcome.text()
    assert not box.show_page.isHidden()
    assert box.session.folder.project.record.value.details.operator == "N. N."
    box.show_page.click()
    assert box.opened == [str(page)] * 2


def test_what_was_typed_once_stands_in_the_dialog_the_next_time(qtbot, box):
    project = box.session.folder.project
    details = ReportDetails(specimen="S 1", remarks=("dry", "again"))
    project.record.change(lambda kept: kept.model_copy(update={"details": details}))
    seen = []

    def look():
        dialog = QApplication.activeModalWidget()
        seen.append((dialog.lines["specimen"].text(), dialog.remarks.toPlainText()))
        dialog.reject()

    QTimer.singleShot(200, look)
    box.report.click()
    assert seen == [("S 1", "dry\nagain")]


def test_nothing_happens_if_the_dialog_is_cancelled(box, tmp_path):
    answer({"specimen": "S 7"}, accept=False)
    box.report.click()
    assert box.session.runner.job is None
    assert box.session.folder.project.record.value.details.empty
    assert not (tmp_path / "out").exists()


def test_files_that_are_there_are_replaced_only_if_the_user_agrees(box, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("old")
    answer({"specimen": "S 7"})
    monkeypatch.setattr(QMessageBox, "exec_", lambda box: box.escapeButton().click())
    box.report.click()
    assert box.session.runner.job is None
    assert (tmp_path / "out" / "report.html").read_text() == "old"


def test_the_button_tells_why_it_is_off(box):
    box.set_segmented(0)
    assert not box.report.isEnabled()
    assert box.report.toolTip() == "Segment some images first."


def test_what_cant_be_measured_is_shown_as_an_error(box):
    problems = said(box)

    def refuse():
        raise InputError("No class is chosen.", "Choose one.")

    box._chosen = refuse
    box.report.click()
    assert problems == ["No class is chosen. Choose one."]


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
