"""Two specimens, one of them without a pixel size: no interval of the other one's images."""

import pytest
import tifffile
from openpyxl import load_workbook
from report_parts import Reported, run_command, write_masks

from napari_matssl.measure.objects import measure_objects
from napari_matssl.measure.pooled_sizes import pooled_sizes
from napari_matssl.micrograph.place import Place
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.masks_to_measure import Sources, plan_masks

PLACES = {"a": "X,S1", "c": "X,S1", "d": "X,S2", "e": "X,S2", "f": "Y,S3", "g": "Y,S3"}


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one-calibrated")
    masks, images = write_masks(folder, tuple(PLACES))
    for name in ("d", "e"):
        path = images / f"{name}.tif"
        tifffile.imwrite(path, tifffile.imread(path))
    groups = folder / "groups.csv"
    groups.write_text("\n".join(["image,group,specimen", *map(",".join, PLACES.items())]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)
        status = run_command(
            *("measure", masks, "--images", images, "--out", folder / "out", "--groups", groups),
            *("--measures", "phases,objects,grains", "--grains-class-is", "grains", "--report"),
            *("--class", "graphite"),
        )
    assert status == 0
    return Reported(folder, folder / "out")


@pytest.mark.parametrize(
    ("table", "figure"),
    [
        ("objects_summary.csv", "mean_diameter_um"),
        ("objects_summary.csv", "objects_per_mm2"),
        ("objects_summary.csv", "d50_um"),
        ("grains_summary.csv", "mean_intercept_um"),
        ("grains_summary.csv", "g_astm"),
    ],
)
def test_one_specimen_with_values_has_no_interval(reported, table, figure):
    rows = [r for r in reported.rows(table) if r["figure"] == figure]
    of_x, of_y = ([r for r in rows if r["group"] == group] for group in "XY")
    assert of_x
    assert {(r["over"], r["n"], r["ci95"]) for r in of_x} == {("specimens", "1", "")}
    assert all("specimen" in r["reason"] and r["mean"] for r in of_x)
    assert {(r["over"], r["n"]) for r in of_y} == {("images", "2")}


def test_what_needs_no_pixel_size_counts_both_specimens(reported):
    rows = [r for r in reported.rows("summary.csv") if r["group"] == "X"]
    assert {(r["over"], r["n"]) for r in rows} == {("specimens", "2")}


def test_the_workbook_has_the_same_means(reported):
    book = load_workbook(reported.out / "report.xlsx", data_only=True)
    headings, *rows = book["Objects"].iter_rows(values_only=True)
    wanted = reported.rows("objects_summary.csv")
    assert len(rows) == len(wanted)
    for row, one in zip(rows, wanted, strict=True):
        cells = dict(zip(headings, row, strict=True))
        assert cells["n"] == int(one["n"])
        assert cells["mean"] == (pytest.approx(float(one["mean"])) if one["mean"] else None)


def test_curves_of_the_window_have_no_interval_either(reported):
    folder = reported.folder
    sources = Sources(images=folder / "images", groups=folder / "groups.csv")
    planned, _ = plan_masks([folder / "masks"], sources, MeasureSettings(), ())
    found = [measure_objects(one.field(), "graphite") for one in planned]
    places = {one.name: one.place for one in planned}
    of_x, of_y = pooled_sizes(found, lambda name: places.get(name, Place()))
    assert [one.ci95 for one in of_x.quantiles] == [None] * 3
    assert None not in [one.ci95 for one in of_y.quantiles]


def test_the_page_tells_whose_area_it_adds_up_and_what_intervals_are_over(reported):
    """Each field has 160 x 120 px of 0.5 um: 0.0048 mm2; two of six have no pixel size."""
    html = " ".join(reported.html.split())
    assert "6, 0.01920 mm² in the 4 with a pixel size" in html
    assert "are over the means of specimens where a group has several, else over fields" in html
    assert "a bootstrap over specimens where a group has several, else images" in html
