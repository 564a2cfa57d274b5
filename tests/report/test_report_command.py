"""``measure --report``: what goes in, what is refused, and what a project keeps."""

import csv
import errno
import json
import os
import sys

import numpy as np
import pytest
from masks_of_a_model import add_model
from openpyxl import load_workbook
from PIL import Image
from report_parts import Page, mask_of, run_command, write_image, write_masks

from napari_matssl.errors import StoppedError
from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.provenance import MaskFacts, Provenance
from napari_matssl.progress import Control
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.measure_files import measure_masks
from napari_matssl.tasks.reporting.report_plan import Request, plan_report
from napari_matssl.tasks.reporting.report_sources import checksum
from napari_matssl.tasks.reporting.write_report import write_report

NAMES = ("matrix", "graphite", "boundary")
TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=n, name=name, colour=COLOURS[n]) for n, name in enumerate(NAMES, start=1)
    )
)


@pytest.fixture(autouse=True)
def no_printing(monkeypatch):
    monkeypatch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)


def report_of(out):
    """The page, and all of its text in one line."""
    page = Page((out / "report.html").read_text("utf-8"))
    return page, " ".join(" ".join(page.texts).split())


def test_without_images_there_are_no_pictures_and_the_page_names_the_fields(tmp_path, capsys):
    masks, _ = write_masks(tmp_path, names=("a", "b"))
    out = tmp_path / "out"
    assert run_command("measure", masks, "--out", out, "--report") == 0
    page, text = report_of(out)
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert "Without an image that fits: a_mask.png, b_mask.png." in text
    assert "No field has a pixel size: figures in µm are left out." in text
    assert "No report.pdf was made" in capsys.readouterr().out
    assert not (out / "report.pdf").exists()


def test_without_a_pixel_size_the_page_tells_of_no_figure_in_um(tmp_path):
    masks, _ = write_masks(tmp_path, names=("a", "b"))
    given = ("--measures", "nodules,grains", "--class", "graphite", "--grains-class-is", "grains")
    chords = ("--grains-intercepts", "chords", "--grains-largest-gap", "3")
    run_command("measure", masks, "--out", tmp_path / "out", "--report", *given, *chords)
    _, text = report_of(tmp_path / "out")
    assert "at the edge and below 10 px along their largest dimension" in text
    assert "below 10 µm" not in text
    assert "no mean, no interval" not in text
    assert "Gaps of boundaries up to 3 px were closed." in text
    assert "The mean intercept is the mean chord" in text


def test_a_group_without_pixel_sizes_keeps_its_figures_in_px(tmp_path):
    masks, images = write_masks(tmp_path, names=("a", "b", "c", "d"))
    for name in ("c", "d"):
        (images / f"{name}.tif").unlink()
    rows = [f"{name},{name},{'new' if name in 'cd' else 'old'}" for name in "abcd"]
    groups = tmp_path / "groups.csv"
    groups.write_text("\n".join(["image,specimen,group", *rows]))
    given = ("--measures", "grains", "--class", "graphite", "--grains-class-is", "grains")
    where = ("--images", images, "--groups", groups, "--out", tmp_path / "out", "--report")
    assert run_command("measure", masks, *given, *where) == 0
    page, _ = report_of(tmp_path / "out")
    told = {
        (row[0][0], row[headings.index("figure")][1])
        for names, rows in page.of("grains_summary.csv")
        for headings in [[text for text, _ in names]]
        for row in rows
    }
    assert {f for g, f in told if g == "old"} & {"mean_intercept_um", "mean_intercept_px"} == {
        "mean_intercept_um"
    }
    assert ("new", "mean_intercept_px") in told


def test_an_image_that_was_replaced_since_it_was_segmented_is_named(tmp_path):
    masks, images = write_masks(tmp_path, names=("a", "b"))
    for name in ("a", "b"):
        origin = Provenance(image_sha256=checksum(images / f"{name}.tif"))
        path = masks / f"{name}_mask.png"
        write_mask(path, np.asarray(Image.open(path)), TABLE, facts=MaskFacts(None, origin, TABLE))
    write_image(images / "b.tif", 5)
    where = ("--images", images, "--out", tmp_path / "out", "--report")
    assert run_command("measure", masks, *where) == 0
    _, text = report_of(tmp_path / "out")
    assert "is another one now than when it was segmented: b_mask.png." in text


def test_an_image_of_another_size_or_a_damaged_one_costs_its_picture_alone(tmp_path, capsys):
    masks, images = write_masks(tmp_path, names=("a", "b", "c"))
    write_image(images / "a.tif", 0, shape=(60, 80))
    (images / "b.tif").write_bytes(b"II*\0 no image")
    out = tmp_path / "out"
    assert run_command("measure", masks, "--images", images, "--out", out, "--report") == 0
    page, text = report_of(out)
    assert [facts["alt"] for tag, facts in page.tags if tag == "img"] == ["Classes over c_mask.png"]
    assert "No picture of a_mask.png: The mask of a.tif is 160 x 120 pixels" in text
    assert "No picture of b_mask.png: " in capsys.readouterr().out


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_names_that_are_no_unicode_are_escaped_in_the_report_as_in_its_tables(tmp_path):
    masks, images = write_masks(tmp_path, names=("a", "b"))
    odd = os.fsdecode(b"\xff\n'")
    for folder in (masks, images):
        (path,) = folder.glob("a*")
        path.rename(path.with_name(path.name.replace("a", odd, 1)))
    out = tmp_path / "out"
    assert run_command("measure", masks, "--images", images, "--out", out, "--report") == 0
    _, text = report_of(out)
    assert r"\xff\n'" in text
    assert r"\xff\n'" in (out / "fields.csv").read_text("utf-8-sig")
    assert run_command("verify", out / "report.html") == 3, "all is unchanged, but one isn't found"


def test_one_field_has_no_interval_and_the_page_tells_why(tmp_path):
    masks, images = write_masks(tmp_path, names=("a",))
    out = tmp_path / "out"
    assert run_command("measure", masks, "--images", images, "--out", out, "--report") == 0
    page, text = report_of(out)
    ((headings, rows),) = page.of("summary.csv")
    assert [one for one, _ in headings] == ["class", "n", "mean (%)"]  # no blank column
    assert len(rows) == 3
    assert "One image: no interval." in text
    book = load_workbook(out / "report.xlsx")
    row = next(book["Area fractions"].iter_rows(min_row=2, values_only=True))
    assert row[4].startswith("=AVERAGE(")
    assert row[5] is row[6] is None


@pytest.mark.timeout(120)
def test_300_fields_have_a_table_over_pages_and_twelve_pictures(tmp_path):
    names = [f"field-{n:03d}" for n in range(300)]
    masks, images = tmp_path / "masks", tmp_path / "images"
    masks.mkdir()
    images.mkdir()
    for n, name in enumerate(names):
        mask = np.ones((32, 32), np.uint8)
        mask[: 4 + n % 20] = 2
        Image.fromarray(mask).save(masks / f"{name}_mask.png")
        Image.fromarray(mask * 90).save(images / f"{name}.png")
    out = tmp_path / "out"
    assert run_command("measure", masks, "--images", images, "--out", out, "--report") == 0
    page, text = report_of(out)
    assert sum(len(rows) for _, rows in page.of("phases.csv")) == 300
    pictures = [facts["alt"] for tag, facts in page.tags if tag == "img"]
    assert (len(pictures), pictures[0], pictures[-1]) == (
        12,
        "Classes over field-000_mask.png",
        "Classes over field-299_mask.png",
    )
    assert "12 of 300 fields with an image are shown" in text
    assert "The others are named under Fields." in text
    assert sum(len(rows) for _, rows in page.of("fields.csv")) == 300


def test_fields_whose_picture_isnt_shown_are_named(tmp_path):
    masks, images = write_masks(tmp_path, names=[f"f{n:02d}" for n in range(14)])
    out = tmp_path / "out"
    assert run_command("measure", masks, "--images", images, "--out", out, "--report") == 0
    assert "12 of 14 fields with an image are shown" in report_of(out)[1]
    assert "Not shown: f03_mask.png, f10_mask.png." in report_of(out)[1]


def test_masks_in_which_there_is_nothing_make_a_report_of_blanks(tmp_path, capsys):
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / "classes.json").write_text('{"1": "matrix", "2": "oxide", "3": "boundary"}')
    one_pixel = np.ones((60, 80), np.uint8)
    one_pixel[5, 5] = 2
    for n, mask in enumerate((np.zeros((60, 80), np.uint8), one_pixel)):
        Image.fromarray(mask).save(masks / f"{n}_mask.png")
    out = tmp_path / "out"
    chosen = ("--measures", "phases,objects,grains,layers,nodules", "--class", "oxide")
    assert run_command("measure", masks, "--out", out, "--report", *chosen) == 0
    page, text = report_of(out)
    rows = {row[0][0]: row[1:] for row in page.of("phases.csv")[0][1]}
    assert [text for text, _ in rows["0_mask.png"]] == ["–"] * 3
    assert "No image with a value: no mean, no interval." in text
    assert "table: 12 unchanged" in verify(out, capsys)
    assert run_command("verify", out / "report.xlsx") == 0


def test_a_project_keeps_what_was_typed_once(tmp_path):
    folder = tmp_path / "steel"
    own = folder / "matssl" / "masks"
    own.mkdir(parents=True)
    write_image(folder / "a.tif", 0)
    write_mask(own / "a.png", mask_of(0), TABLE, facts=MaskFacts(None, None, TABLE))
    typed = ("--specimen", "S 7", "--etchant", "Nital", "--operator", "N. N.", "--remark", "dry")
    assert run_command("measure", own, "--out", tmp_path / "1", "--report", *typed) == 0
    kept = json.loads((folder / "matssl" / "project.json").read_text("utf-8"))["details"]
    assert (kept["specimen"], kept["remarks"]) == ("S 7", ["dry"])
    again = ("measure", own, "--out", tmp_path / "2", "--report", "--operator", "M. M.")
    assert run_command(*again) == 0
    page, _ = report_of(tmp_path / "2")
    values = [row[1][0] for row in page.tables[0][1]]
    assert values[:4] == ["S 7", "Nital", "", "M. M."]
    assert values[5] == "dry"
    assert [tag for tag, _ in page.tags].count("img") == 1  # of the image in the project


def test_masks_that_belong_to_no_project_write_none(tmp_path):
    masks, images = write_masks(tmp_path, names=("a", "b"))
    out = tmp_path / "out"
    run_command("measure", masks, "--images", images, "--out", out, "--report", "--specimen", "x")
    assert not (images / "matssl").exists()
    assert not (masks / "matssl").exists()


COUNTS = (
    ((900, 80, 20), (20, 970, 10), (10, 10, 980)),
    ((910, 70, 20), (30, 960, 10), (9, 9, 982)),
)


def test_the_model_of_the_masks_is_described_and_its_error_undone(tmp_path, capsys):
    masks, images = write_masks(tmp_path, names=("a", "b", "c"))
    learnt = {"trained_on": [images / "a.tif"], "parts_of": [images / "b.tif"]}
    model = add_model(tmp_path, masks, TABLE, COUNTS, **learnt)
    out = tmp_path / "out"
    given = ("measure", masks, "--images", images, "--out", out, "--report")
    assert run_command(*given, "--model", model) == 0
    page, text = report_of(out)
    wanted = list(csv.DictReader((out / "corrected.csv").read_text("utf-8-sig").splitlines()))
    ((headings, rows),) = page.of("corrected.csv")
    place = [one for one, _ in headings].index("corrected (%)")
    assert [row[place][1] for row in rows] == [row["corrected_percent"] for row in wanted]
    assert "96.5 % of 2,000 labelled pixels found, IoU" in text
    limit = "% of their painted pixels right, mean of classes (strokes keep away from boundaries)"
    assert text.count(limit) == 2  # in the card and in the methods
    assert (
        "They were segmented into matrix, graphite and boundary by a linear pixel classifier"
        in text
    )
    what = "fields were among the images that the model has learnt from: a.tif, b.tif."
    assert f"2 {what}" in text
    assert "a_mask.png is doubtful by its grey values: fractions differ." in text
    assert "a_mask.png: the model is unsure of 9 % of the area." in text
    assert "segmenting: tile" in text
    assert "model: 1 unchanged" in verify(out, capsys)


def verify(out, capsys):
    capsys.readouterr()
    assert run_command("verify", out / "report.html") == 0
    return capsys.readouterr().out


def test_a_model_whose_file_isnt_there_is_named_and_corrects_nothing(tmp_path):
    masks, _images = write_masks(tmp_path, names=("a", "b"))
    model = add_model(tmp_path, masks, TABLE, COUNTS)
    sha256 = checksum(model)
    model.unlink()
    out = tmp_path / "out"
    assert run_command("measure", masks, "--out", out, "--report") == 0
    _, text = report_of(out)
    assert sha256 in text
    assert "Its file was not found" in text
    assert "the file of the model m.safetensors was not found" in text
    assert not (out / "corrected.csv").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--specimen", "x"), "--report"),
        (("--date", "today"), "--report"),
        (("--report", "--specimen", "x" * 501), "--specimen"),
        (("--report", "--model", "other.safetensors"), "other.safetensors"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_before_anything_is_written(
    tmp_path, capsys, monkeypatch, given, words
):
    masks, _ = write_masks(tmp_path, names=("a",))
    monkeypatch.chdir(tmp_path)
    add_model(tmp_path, tmp_path / "none", TABLE, COUNTS, "other.safetensors")
    out = tmp_path / "out"
    assert run_command("measure", masks, "--out", out, *given) == 2
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1
    assert words in err
    assert not list(out.glob("*.csv"))


def test_a_report_needs_a_folder(tmp_path, capsys):
    masks, _ = write_masks(tmp_path, names=("a",))
    assert run_command("measure", masks, "--out", tmp_path / "phases.csv", "--report") == 2
    assert "Name a folder." in capsys.readouterr().err


@pytest.mark.cell("measure --report", "stopped early")
def test_a_report_that_is_stopped_replaces_none(tmp_path):
    masks, _ = write_masks(tmp_path, names=("a", "b"))
    settings = MeasureSettings()
    planned = plan_report(measure_masks([masks], None, settings), settings, Request())
    (tmp_path / "report.html").write_text("old")
    job = write_report(planned, tmp_path, ())
    next(job)
    with pytest.raises(StoppedError, match="the tables are there"):
        job.send(Control.STOP)
    assert (tmp_path / "report.html").read_text() == "old"
    assert not (tmp_path / "report.xlsx").exists()


@pytest.mark.cell("measure --report", "stopped late")
def test_a_report_that_is_stopped_while_it_is_printed_is_finished(tmp_path):
    masks, _ = write_masks(tmp_path, names=("a",))
    settings = MeasureSettings()
    planned = plan_report(measure_masks([masks], None, settings), settings, Request())
    job = write_report(planned, tmp_path, ())
    while next(job).stage != "printing the report":
        pass
    with pytest.raises(StopIteration) as end:
        job.send(Control.STOP)
    assert end.value.value.page.is_file()


@pytest.mark.cell("measure --report", "full disk")
def test_a_full_disk_leaves_the_report_of_before_beside_the_tables(tmp_path, monkeypatch, capsys):
    masks, _ = write_masks(tmp_path, names=("a",))
    out = tmp_path / "out"
    out.mkdir()
    for name in ("report.html", "report.xlsx", "report.pdf"):
        (out / name).write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("napari_matssl.report.xlsx.fill_in_values", full)
    assert run_command("measure", masks, "--out", out, "--report") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert {p.name for p in out.glob("report*")} == {"report.html", "report.xlsx", "report.pdf"}
    assert {p.read_text() for p in out.glob("report*")} == {"old"}
    assert (out / "summary.csv").is_file()


def test_a_pdf_of_an_earlier_report_doesnt_stay_beside_a_new_page(tmp_path):
    masks, _ = write_masks(tmp_path, names=("a",))
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.pdf").write_bytes(b"%PDF old")
    assert run_command("measure", masks, "--out", out, "--report") == 0
    assert not (out / "report.pdf").exists()
