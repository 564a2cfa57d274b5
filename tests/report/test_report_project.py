"""The report that the window asks for: of a project's final masks, as they count there."""

import csv
from dataclasses import replace

import numpy as np
import openpyxl
import pytest
from report_parts import Page, mask_of, run_command, write_image

from napari_matssl.errors import InputError, OutputError, StoppedError
from napari_matssl.export.outputs import Outputs
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.progress import Control, drain
from napari_matssl.project.folder import Project
from napari_matssl.project.micrographs import Micrographs
from napari_matssl.settings import Cleaning
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.measuring.export_measured import export_measured
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.point_counts import new_count
from napari_matssl.tasks.measuring.project_meter import ProjectMeter
from napari_matssl.tasks.reporting.report_plan import Request
from napari_matssl.tasks.reporting.report_project import existing_report, report_project

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
    read = Micrographs.read_any

    def doubted(self, name, page=...):
        micrograph = read(self, name, page)
        size = micrograph.pixel_size
        return replace(micrograph, pixel_size=replace(size, doubt=doubt * (name == "a.tif")))

    monkeypatch.setattr(Micrographs, "read_any", doubted)
    made = drain(report_project(ProjectMeter(project), PLAN, tmp_path / "out"))
    page = Page(made.page.read_text("utf-8"))
    assert f"a.tif: {doubt}" in page.texts
    ((headings, rows),) = page.of("fields.csv")
    place = [text for text, _ in headings].index("pixel size doubt")
    assert [row[place][0] for row in rows] == [doubt, ""]


def test_tables_of_an_earlier_report_are_named(project, tmp_path):
    out, said = tmp_path / "out", []
    drain(report_project(ProjectMeter(project), PLAN, out))
    (out / "point_count.csv").write_text("image\n")
    phases = MeasurePlan(MeasureSettings(measures="phases"))
    drain(report_project(ProjectMeter(project), phases, out), said.append)
    (told,) = (one.message for one in said if "earlier run" in one.message)
    for name in ("point_count.csv", "objects.csv", "object_summary.csv"):
        assert name in told
    assert " summary.csv" not in told


def test_a_table_without_corrections_that_an_export_wrote_is_not_called_old(project, tmp_path):
    out, said = tmp_path / "out", []
    drain(export_measured(ProjectMeter(project), out, Outputs(), PLAN))
    (out / "corrected.csv").write_text("of an earlier run")
    assert out / "corrected.csv" in existing_report(project, out, PLAN)
    drain(report_project(ProjectMeter(project), PLAN, out), said.append)
    assert not [one.message for one in said if "earlier run" in one.message]
    rows = read_table(out / "corrected.csv")
    assert {"matrix", "graphite"} <= {row["class"] for row in rows}
    assert not any(row["corrected_percent"] for row in rows)


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


def test_a_report_beside_which_images_change_all_the_time_is_not_written(project, tmp_path):
    sizes = iter(range(1, 1000))

    def clean(_progress):
        project.masks.set_cleaning(Cleaning(smallest_region=next(sizes)))

    with pytest.raises(InputError, match=r"a\.tif changed while it was measured"):
        drain(report_project(ProjectMeter(project), PLAN, tmp_path / "out"), clean)
    assert list((tmp_path / "out").iterdir()) == []


def count_points(project, name, judge, by=""):
    kept = new_count(project, project.micrographs.read(name), 50, seed=3, by=by)
    for number, (y, x) in enumerate(kept.points):
        kept = kept.answered(judge(y, x), f"2026-05-01T09:{number:02d}:00+00:00")
    project.points.write(name, kept)


def test_a_blind_point_count_stands_beside_the_mask_in_page_and_workbook(project, tmp_path):
    for seed, name in enumerate(("a.tif", "b.tif")):
        mask = mask_of(seed)
        count_points(project, name, lambda y, x, ids=mask: (int(ids[y, x]),) if x > 20 else (2,))
    count = project.points.read("a.tif")
    project.points.write("a.tif", count.model_copy(update={"by": "I. Lab"}))
    out = tmp_path / "out"
    made = drain(report_project(ProjectMeter(project), PLAN, out))
    page = Page(made.page.read_text("utf-8"))
    text = " ".join(page.texts)
    assert "100 points of 2 fields were judged by I. Lab on 2026-05-01" in text
    assert "Who counted of 1 field isn't stored." in text
    ((headings, rows),) = page.of("point_count_summary.csv")
    names = [one for one, _ in headings]
    assert names[:3] == ["class", "n", "by hand (%)"]
    table = {row["class"]: row for row in read_table(out / "point_count_summary.csv")}
    for row in rows:
        stored = table[row[0][0]]
        for column, heading in (
            ("manual_percent", "by hand (%)"),
            ("ci95_low_percent", "95 % CI from (%)"),
            ("ci95_high_percent", "to (%)"),
            ("mask_percent", "mask, same points (%)"),
        ):
            assert row[names.index(heading)][1] == stored[column]
    kappa, low, high = (
        float(table["matrix"][name]) for name in ("kappa", "kappa_ci95_low", "kappa_ci95_high")
    )
    assert f"{kappa:.4f} (95 % CI {low:.4f} to {high:.4f})" in text
    assert "2026-05-01 09:49" in text
    book = openpyxl.load_workbook(made.workbook)
    sheet = book["point_count_summary.csv"]
    place = [cell.value for cell in sheet[1]].index("kappa")
    assert sheet[2][place].value == pytest.approx(kappa, rel=1e-9)
    assert len(list(book["points.csv"].rows)) == 101
    # The seal covers it: in the page, in the workbook, and the table beside them.
    assert run_command("verify", made.page) == run_command("verify", made.workbook) == 0
    whole = made.page.read_text("utf-8")
    made.page.write_text(whole.replace("judged by I. Lab", "judged by A. Nother"), "utf-8")
    assert run_command("verify", made.page) == 1
    made.page.write_text(whole, "utf-8")
    (out / "point_count.csv").write_text("", "utf-8")
    assert run_command("verify", made.page) == 1


def test_a_count_that_is_not_finished_is_remarked_and_in_no_table(project, tmp_path):
    kept = new_count(project, project.micrographs.read("a.tif"), 20, seed=0)
    project.points.write("a.tif", kept.answered((1,), ""))
    made = drain(report_project(ProjectMeter(project), PLAN, tmp_path / "out"))
    html = made.page.read_text("utf-8")
    assert "a.tif: its point count isn&#39;t finished" in html
    assert "Blind point count" not in html
    assert not (tmp_path / "out" / "point_count.csv").exists()


def test_a_count_without_any_mask_at_its_points_has_no_kappa_and_tells_why(project, tmp_path):
    write_image(project.folder / "c.tif", 3)
    again = Project(project.folder)
    count_points(again, "c.tif", lambda _y, _x: (1,), by="I. Lab")
    made = drain(report_project(ProjectMeter(again), PLAN, tmp_path / "out"))
    assert "none: no point was judged by both" in made.page.read_text("utf-8")


def read_table(path):
    return list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
