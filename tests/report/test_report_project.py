"""The report that the window asks for: of a project's final masks, as they count there."""

from dataclasses import replace

import numpy as np
import pytest
from report_parts import Page, mask_of, run_command, write_image

from napari_matssl.errors import InputError, OutputError, StoppedError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.progress import Control, drain
from napari_matssl.project.folder import Project
from napari_matssl.project.micrographs import Micrographs
from napari_matssl.settings import Cleaning
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.measure_plan import MeasurePlan
from napari_matssl.tasks.project_meter import ProjectMeter
from napari_matssl.tasks.report_plan import Request
from napari_matssl.tasks.report_project import existing_report, report_project

TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=n, name=name, colour=COLOURS[n])
        for n, name in enumerate(("matrix", "graphite", "boundary"), start=1)
    )
)
PLAN = MeasurePlan(MeasureSettings(measures="phases,objects"), {"objects": ("graphite",)})


@pytest.fixture(autouse=True)
def no_printing(monkeypatch):
    monkeypatch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "steel"
    folder.mkdir()
    for seed, name in enumerate(("a.tif", "b.tif")):
        write_image(folder / name, seed)
    project = Project(folder)
    project.classes.adopt(TABLE)
    for seed, name in enumerate(("a.tif", "b.tif")):
        project.masks.write(name, mask_of(seed))
    return project


def test_the_report_of_a_project_is_of_its_cleaned_masks(project, tmp_path):
    out = tmp_path / "out"
    project.masks.set_cleaning(Cleaning.model_validate({"smallest_region": "40"}))
    request = Request(ReportDetails(specimen="S 1", operator="N. N."), "1 May")
    made = drain(report_project(ProjectMeter(project), PLAN, out, request))
    assert made.page == out / "report.html"
    page = Page(made.page.read_text("utf-8"))
    text = " ".join(page.texts)
    assert "S 1" in text
    assert "1 May" in text
    assert "a.tif" in [row[0][0] for row in page.of("phases.csv")[0][1]]
    assert "segmenting: cleaning" in text
    assert [facts["alt"] for tag, facts in page.tags if tag == "img"] == [
        "Classes over a.tif",
        "Classes over b.tif",
    ]
    assert project.record.value.details.operator == "N. N."
    assert run_command("verify", made.page) == 0


def test_painted_pixels_that_overrule_a_mask_are_named_with_their_checksum(project, tmp_path):
    strokes = np.zeros((120, 160), np.uint8)
    strokes[:5] = 1
    project.labels.write("a.tif", strokes)
    made = drain(report_project(ProjectMeter(project), PLAN, tmp_path / "out"))
    roles = [f["data-role"] for _, f in Page(made.page.read_text("utf-8")).tags if "data-role" in f]
    assert roles.count("strokes") == 1
    project.labels.write("a.tif", np.roll(strokes, 20, axis=0))
    assert run_command("verify", made.page) == 1


def test_a_pixel_size_that_the_image_contradicts_is_remarked_and_stands_in_the_table(
    project, tmp_path, monkeypatch
):
    doubt = "its scale bar is 7 µm long by this size."
    read = Micrographs.read

    def doubted(self, name, page=...):
        micrograph = read(self, name, page)
        size = micrograph.pixel_size
        return replace(micrograph, pixel_size=replace(size, doubt=doubt * (name == "a.tif")))

    monkeypatch.setattr(Micrographs, "read", doubted)
    made = drain(report_project(ProjectMeter(project), PLAN, tmp_path / "out"))
    page = Page(made.page.read_text("utf-8"))
    assert f"a.tif: {doubt}" in page.texts
    ((headings, rows),) = page.of("fields.csv")
    place = [text for text, _ in headings].index("pixel size doubt")
    assert [row[place][0] for row in rows] == [doubt, ""]


def test_details_that_were_kept_stand_in_the_next_report(project, tmp_path):
    request = Request(ReportDetails(specimen="S 1"))
    drain(report_project(ProjectMeter(project), PLAN, tmp_path / "out", request))
    again = drain(report_project(ProjectMeter(Project(project.folder)), PLAN, tmp_path / "out"))
    assert "S 1" in again.page.read_text("utf-8")
    assert existing_report(project, tmp_path / "out", PLAN)[0] == again.page


def test_a_folder_that_isnt_segmented_or_is_that_of_the_images_is_refused(project, tmp_path):
    with pytest.raises(OutputError, match="folder of the micrographs"):
        drain(report_project(ProjectMeter(project), PLAN, project.folder))
    for name in ("a.tif", "b.tif"):
        project.masks.path(name).unlink()
    with pytest.raises(InputError, match="is segmented"):
        drain(report_project(ProjectMeter(project), PLAN, tmp_path / "out"))


def test_a_report_that_is_stopped_while_images_are_measured_writes_nothing(project, tmp_path):
    job = report_project(ProjectMeter(project), PLAN, tmp_path / "out")
    next(job)
    with pytest.raises(StoppedError):
        job.send(Control.STOP)
    assert list((tmp_path / "out").iterdir()) == []
