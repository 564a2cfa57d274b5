"""``measure`` from the command line: pixel sizes, groups, and what is refused."""

import csv
import json
import shutil
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.cli import main
from napari_matssl.export.masks import write_mask_tiff
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.place import Place
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning

MASK = np.ones((40, 50), np.uint8)
MASK[:10] = 2


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["napari-matssl", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return run


@pytest.fixture
def masks(tmp_path):
    """Two uncalibrated masks of one size."""
    folder = tmp_path / "masks"
    folder.mkdir()
    (folder / "classes.json").write_text('{"1": "matrix", "2": "oxide"}')
    for name in "ab":
        Image.fromarray(MASK).save(folder / f"{name}_mask.png")
    return folder


def rows(path):
    return list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))


def done(answer):
    assert answer[0] == 0, answer[2]
    return answer[1]


def refused(answer, *words):
    assert answer[0] == 2
    assert len(answer[2].strip().splitlines()) == 1
    for word in words:
        assert word in answer[2]


def test_a_folder_of_tables_blank_in_micrometres_without_calibration(call, masks, tmp_path):
    out = tmp_path / "out"
    done(call("measure", masks, "--out", out))
    assert {path.name for path in out.iterdir()} == {"fields.csv", "phases.csv", "summary.csv"}
    oxide = rows(out / "phases.csv")[1]
    assert (oxide["image"], oxide["group"], oxide["class"]) == ("a_mask.png", "all", "oxide")
    assert (oxide["pixels"], oxide["fraction_percent"], oxide["area_um2"]) == ("500", "25", "")
    field = rows(out / "fields.csv")[0]
    assert (field["width_px"], field["height_px"], field["analysed_pixels"]) == ("50", "40", "2000")
    assert (field["pixel_width_um"], field["pixel_size_source"]) == ("", "")


@pytest.mark.parametrize(
    ("given", "sides"),
    [
        (("--pixel-size-um", "0.5"), (0.5, 0.5)),
        (("--pixel-size-um", "0.5", "2"), (0.5, 2.0)),
        (("--pixel-size-um=0.5", "2"), (0.5, 2.0)),
    ],
)
def test_one_side_or_two_on_the_command_line(call, masks, tmp_path, given, sides):
    done(call("measure", *given, masks, "--out", tmp_path / "out"))
    field = rows(tmp_path / "out" / "fields.csv")[0]
    assert (float(field["pixel_width_um"]), float(field["pixel_height_um"])) == sides
    assert field["pixel_size_source"] == "stated with --pixel-size-um"
    oxide = rows(tmp_path / "out" / "phases.csv")[1]
    assert float(oxide["area_um2"]) == pytest.approx(500 * sides[0] * sides[1])


@pytest.mark.parametrize("size", ["0", "-1", "x", "nan", "0.1 0.2 0.3"])
def test_what_is_no_pixel_size_is_refused(call, masks, tmp_path, size):
    refused(call("measure", masks, "--out", tmp_path / "o", "--pixel-size-um", size), "pixel size")


def image_of(path, um, shape=(40, 50)):
    """Write an image that ImageJ has calibrated, with pixels twice as high as wide."""
    tifffile.imwrite(
        path, np.zeros(shape, np.uint8), imagej=True, resolution=(1 / um, 0.5 / um),
        metadata={"unit": "um"},
    )  # fmt: skip


def calibrate_by_hand(folder, name, x, y):
    (folder / "matssl").mkdir()
    size = {"x_um": x, "y_um": y, "source": "set by hand"}
    (folder / "matssl" / "project.json").write_text(
        json.dumps({"format_version": 1, "images": {name: {"pixel_size": size}}})
    )


def test_the_first_source_of_a_pixel_size_counts_and_the_others_are_shown(call, tmp_path):
    """Mask file, image of the same stem, project, command line: removed one after another."""
    masks, images, out = tmp_path / "m", tmp_path / "i", tmp_path / "out"
    masks.mkdir()
    images.mkdir()
    write_mask_tiff(masks / "a_mask.tif", MASK, PixelSize(0.1, 0.1, "microscope"))
    image_of(images / "a.tif", 0.2)
    image_of(masks / "a.tif", 0.3)
    (masks / "matssl").mkdir()

    def size(*more, mask="a_mask.tif"):
        said = done(call("measure", masks / mask, "--out", out, "--pixel-size-um", "0.4", *more))
        field = rows(out / "fields.csv")[0]
        sides = float(field["pixel_width_um"]), float(field["pixel_height_um"])
        return sides, field["pixel_size_source"], said

    sides, source, said = size("--images", images)
    assert (sides, source) == ((0.1, 0.1), "mask file: ImageJ metadata (unit micron)")
    assert "there is also 0.2 x 0.4 µm/px (image a.tif: ImageJ" in said
    assert "0.3 x 0.6 µm/px (project: ImageJ" in said
    assert "0.4 µm/px (stated" in said
    Image.fromarray(MASK).save(masks / "a_mask.png")
    sides, source, _ = size("--images", images, mask="a_mask.png")
    assert sides == pytest.approx((0.2, 0.4))
    assert source == "image a.tif: ImageJ metadata (unit um)"
    sides, source, _ = size(mask="a_mask.png")
    assert sides == pytest.approx((0.3, 0.6))
    assert source == "project: ImageJ metadata (unit um)"


def test_of_two_images_of_one_name_the_tiff_has_the_size(call, masks, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(MASK).save(images / "a.png")  # a picture for slides
    tifffile.imwrite(
        images / "a.TIF", MASK, imagej=True, resolution=(4, 4), metadata={"unit": "um"}
    )
    out = tmp_path / "out"
    given = ("measure", masks / "a_mask.png", "--images", images, "--out", out)
    told = done(call(*given))
    assert "a_mask.png: a.TIF is its image here, not a.png." in told
    (row,) = rows(out / "fields.csv")
    assert row["pixel_size_source"] == "image a.TIF: ImageJ metadata (unit um)"


def test_a_size_that_was_set_in_the_project_is_that_of_its_image(call, masks, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    image_of(images / "a.tif", 0.2)
    calibrate_by_hand(images, "a.tif", 0.25, 0.5)
    said = done(
        call("measure", masks / "a_mask.png", "--images", images, "--out", tmp_path / "out")
    )
    field = rows(tmp_path / "out" / "fields.csv")[0]
    assert (field["pixel_width_um"], field["pixel_height_um"]) == ("0.25", "0.5")
    assert field["pixel_size_source"] == "image a.tif: set by hand"
    assert said  # remarks on classes


def test_the_size_of_an_image_that_was_resized_is_not_taken(call, masks, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    image_of(images / "a.tif", 0.2, (80, 100))
    said = done(
        call("measure", masks / "a_mask.png", "--images", images, "--out", tmp_path / "out")
    )
    assert "100 px wide and the mask 50 px" in said
    assert rows(tmp_path / "out" / "phases.csv")[0]["area_um2"] == ""


def test_one_image_has_no_interval_and_the_reason_is_printed(call, masks, tmp_path):
    said = done(call("measure", masks / "a_mask.png", "--out", tmp_path / "out"))
    assert "One image: no interval." in said
    oxide = rows(tmp_path / "out" / "summary.csv")[1]
    assert (oxide["n"], oxide["ci95_percent"]) == ("1", "")
    assert oxide["reason"] == "one image: no interval"


def test_masks_of_two_pixel_sizes_need_two_groups_or_leave(call, tmp_path):
    masks, out = tmp_path / "m", tmp_path / "out"
    masks.mkdir()
    for name, um in (("a", 0.1), ("b", 0.2)):
        write_mask_tiff(masks / f"{name}.tif", MASK, PixelSize(um, um, "microscope"))
    refused(call("measure", masks, "--out", out), "a.tif", "b.tif", "0.1 µm/px", "--mixed")
    assert not list(out.iterdir())
    done(call("measure", masks, "--out", out, "--mixed"))
    groups = tmp_path / "g.csv"
    groups.write_text("image,specimen,group\na,1,coarse\nb,2,fine\n")
    done(call("measure", masks, "--out", out, "--groups", groups))
    assert [row["group"] for row in rows(out / "summary.csv")] == ["coarse"] * 2 + ["fine"] * 2


def test_one_mask_without_a_size_beside_others_is_named(call, tmp_path):
    masks = tmp_path / "m"
    masks.mkdir()
    write_mask_tiff(masks / "a.tif", MASK, PixelSize(0.1, 0.1, "microscope"))
    Image.fromarray(MASK).save(masks / "b.png")
    said = done(call("measure", masks, "--out", tmp_path / "out"))
    assert "1 of 2 masks have no pixel size" in said
    assert "b.png" in said


def test_specimens_of_a_file_of_groups_count_once_each(call, tmp_path):
    masks, out, groups = tmp_path / "m", tmp_path / "out", tmp_path / "g.csv"
    masks.mkdir()
    (masks / "classes.json").write_text('{"1": "matrix", "2": "oxide"}')
    for n, percent in enumerate((10, 12, 20, 22, 30, 32)):
        mask = np.ones((10, 10), np.uint8)
        mask.ravel()[:percent] = 2
        Image.fromarray(mask).save(masks / f"f{n}_mask.png")
    lines = [f"f{n}.tif;{'ABC'[n // 2]}" for n in range(6)]  # as a German spreadsheet saves it
    groups.write_text("\ufeffImage;Specimen\n" + "\n".join(lines), encoding="utf-8")
    done(call("measure", masks, "--out", out, "--groups", groups))
    oxide = rows(out / "summary.csv")[1]
    assert (oxide["n"], oxide["over"], oxide["images"]) == ("3", "specimens", "6")
    assert float(oxide["mean_percent"]) == pytest.approx(21)
    assert float(oxide["s_between_percent"]) == pytest.approx(99**0.5)
    assert float(oxide["s_within_percent"]) == pytest.approx(2**0.5)
    assert [row["specimen"] for row in rows(out / "fields.csv")] == list("AABBCC")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,section\na,1\n", ("g.csv", "no column specimen")),
        ("image,specimen\na,1\n", ("b_mask.png", "no row", "--groups")),
        ("image,specimen\na,1\na,2\nb,1\n", ("row 3", "another place")),
        ("image,specimen\na,\nb,1\n", ("row 2", "no name")),
        ("", ("g.csv", "no column image")),
    ],
)
def test_a_file_of_groups_that_does_not_fit_is_refused(call, masks, tmp_path, text, words):
    groups = tmp_path / "g.csv"
    groups.write_text(text)
    refused(call("measure", masks, "--out", tmp_path / "out", "--groups", groups), *words)


def test_masks_of_one_name_keep_their_folders_and_each_counts(call, masks, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Image.fromarray(MASK).save(other / "a_mask.png")
    (other / "classes.json").write_text('{"1": "matrix", "2": "oxide"}')
    out = tmp_path / "out"
    done(call("measure", masks, other, "--out", out, "--measures", "phases,objects",
              "--pixel-size-um", "1"))  # fmt: skip
    named = ["masks/a_mask.png", "b_mask.png", "other/a_mask.png"]
    assert [row["image"] for row in rows(out / "fields.csv")] == named
    assert {row["n"] for row in rows(out / "objects_summary.csv") if row["mean"]} == {"3"}
    groups = tmp_path / "g.csv"
    groups.write_text("image,specimen\na,1\nb,1\n")
    answer = call("measure", masks, other, "--out", out, "--groups", groups)
    refused(answer, "both called a_mask.png", "--groups")


def test_masks_of_a_project_have_the_sizes_of_its_images(call, tmp_path):
    image_of(tmp_path / "a.tif", 0.2)
    folder = tmp_path / "matssl" / "masks"
    folder.mkdir(parents=True)
    Image.fromarray(MASK).save(folder / "a.png")
    done(call("measure", folder, "--out", tmp_path / "out"))
    field = rows(tmp_path / "out" / "fields.csv")[0]
    assert field["pixel_size_source"] == "project: ImageJ metadata (unit um)"
    assert float(field["pixel_height_um"]) == pytest.approx(0.4)


def test_rows_of_other_images_are_remarked_on(call, masks, tmp_path):
    groups = tmp_path / "g.csv"
    groups.write_text("image,specimen\na,1\nb,1\nc,2\n")
    said = done(call("measure", masks, "--out", tmp_path / "out", "--groups", groups))
    assert "lists 1 images that aren't measured: c" in said


def test_a_measure_that_there_is_not_is_one_clear_error(call, masks, tmp_path):
    answer = call("measure", masks, "--out", tmp_path / "out", "--measures", "phases,texture")
    refused(answer, "texture", "phases")


def test_measures_may_stand_in_a_file_of_settings(call, masks, tmp_path):
    file = tmp_path / "s.json"
    file.write_text('{"measures": ["phases"], "mixed": true}')
    done(call("measure", masks, "--out", tmp_path / "out", "--settings", file))


def test_one_table_takes_the_name_that_it_is_given(call, masks, tmp_path):
    done(call("measure", masks, "--out", tmp_path / "t.csv"))
    assert {p.name for p in tmp_path.iterdir()} == {"masks", "t.csv", "t_summary.csv"}


@pytest.fixture
def rectangles(tmp_path):
    """Two masks of 60 rectangles of 16 x 10 px each, the second of another specimen."""
    folder = tmp_path / "inclusions"
    folder.mkdir()
    mask = np.zeros((800, 1000), np.uint8)
    for row in range(6):
        for column in range(10):
            mask[20 + row * 120 :, 20 + column * 95 :][:10, :16] = 255
    for name in "ab":
        Image.fromarray(mask).save(folder / f"{name}.png")
    (folder / "classes.json").write_text('{"0": "matrix", "255": "oxide"}')
    return folder


def test_objects_in_three_tables(call, rectangles, tmp_path):
    out = tmp_path / "out"
    said = done(
        call("measure", rectangles, "--out", out, "--pixel-size-um", "0.5", "--measures", "objects",
             "--class", "oxide", "--line-direction", "both")
    )  # fmt: skip
    assert "255 in the label images is class 1 here" in said
    assert "mean_chord_um" in said
    assert {path.name for path in out.iterdir()} == {
        "fields.csv", "objects.csv", "object_summary.csv", "objects_summary.csv",
    }  # fmt: skip
    assert len(rows(out / "objects.csv")) == 120
    along, across = rows(out / "object_summary.csv")[:2]
    assert (along["objects"], along["objects_per_mm2"], along["d50_um"]) == (
        "60", "300", "7.136496465",
    )  # fmt: skip
    assert (along["line_direction_deg"], along["intercepts_per_mm"]) == ("0", "1.5")
    assert (across["line_direction_deg"], across["intercepts_per_mm"]) == ("90", "2.4")
    figures = {
        (row["figure"], row["line_direction_deg"]): row for row in rows(out / "objects_summary.csv")
    }
    assert figures["objects_per_mm2", ""]["mean"] == "300"
    assert (figures["d50_um", ""]["n"], figures["d50_um", ""]["over"]) == ("2", "images")
    assert figures["d50_um", ""]["ci95"] == "0"  # all are of one size
    assert float(figures["mean_free_path_um", "90"]["mean"]) == pytest.approx(411.667, abs=1e-3)


def test_objects_of_specimens_are_summarised_over_these(call, rectangles, tmp_path):
    groups, out = tmp_path / "g.csv", tmp_path / "out"
    groups.write_text("image,specimen\na,A\nb,B\n")
    done(
        call("measure", rectangles, "--out", out, "--pixel-size-um", "0.5", "--measures", "objects",
             "--class", "oxide", "--groups", groups)
    )  # fmt: skip
    assert {row["over"] for row in rows(out / "objects_summary.csv")} == {"specimens"}


def test_objects_without_a_pixel_size_have_pixels_alone(call, rectangles, tmp_path):
    out = tmp_path / "out"
    told = done(call("measure", rectangles / "a.png", "--out", out, "--measures", "phases,objects"))
    assert "No mask has a pixel size, so figures in um are blank" in told
    one = rows(out / "objects.csv")[-1]
    assert (one["area_px"], one["area_um2"], one["feret_max_um"]) == ("160", "", "")
    summary = rows(out / "object_summary.csv")[-1]
    assert (summary["objects"], summary["objects_per_mm2"], summary["d50_um"]) == ("60", "", "")
    assert rows(out / "objects_summary.csv")[-1]["reason"] == (
        "no image with a value: no mean, no interval"
    )


def test_a_class_that_the_masks_lack_is_refused(call, rectangles, tmp_path):
    answer = call("measure", rectangles, "--out", tmp_path / "o", "--measures", "objects",
                  "--class", "pore")  # fmt: skip
    refused(answer, "no class pore", "matrix, oxide", "--class")


def test_calibrate_by_the_bar_or_by_two_sides(call, masks, tmp_path):
    image = tmp_path / "a.png"
    Image.fromarray(MASK).save(image)
    said = done(call("calibrate", image, "--bar-px", "400", "--bar-um", "100"))
    assert "a.png: 0.25 µm/px (scale bar of 100 µm, 400 px long)" in said
    done(call("calibrate", image, "--pixel-size-um", "0.5", "0.1"))
    assert json.loads(done(call("info", image, "--json")))["pixel_size_um"] == [0.1, 0.5]
    done(call("measure", masks / "a_mask.png", "--images", tmp_path, "--out", tmp_path / "o"))
    assert float(rows(tmp_path / "o" / "phases.csv")[1]["area_um2"]) == pytest.approx(500 * 0.05)


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--bar-px", "400"),
        ("--bar-px", "400", "--bar-um", "100", "--pixel-size-um", "1"),
        ("--bar-um", "100", "--pixel-size-um", "1"),
    ],
)
def test_calibrate_takes_a_bar_or_a_size(call, masks, given):
    refused(call("calibrate", masks / "a_mask.png", *given), "--bar-px", "--pixel-size-um")
    assert not (masks / "matssl").exists()


@pytest.fixture
def grain_masks(tmp_path):
    """Two masks of square grains of 20 px with boundaries of 2 px."""
    folder = tmp_path / "grains"
    folder.mkdir()
    (folder / "classes.json").write_text('{"1": "grain", "2": "grain boundary"}')
    mask = np.ones((300, 400), np.uint8)
    for start in range(9, 400, 20):
        mask[start : start + 2] = mask[:, start : start + 2] = 2
    for name in "ab":
        Image.fromarray(mask).save(folder / f"{name}_mask.png")
    return folder


def test_grains_are_measured_beside_phases(call, grain_masks, tmp_path):
    out = tmp_path / "out"
    done(
        call(
            "measure", grain_masks, "--out", out, "--measures", "phases,grains",
            "--pixel-size-um", 0.5,
        )
    )  # fmt: skip
    assert {"phases.csv", "summary.csv", "grains.csv", "grains_summary.csv"} <= {
        path.name for path in out.iterdir()
    }
    counted, lines, _ = rows(out / "grains.csv")[:3]
    assert counted["class"] == "grain boundary"
    assert float(counted["mean_area_um2"]) == pytest.approx(100, rel=0.01)
    assert lines["ci95_g_low"] == ""
    summary = rows(out / "grains_summary.csv")
    assert {one["n"] for one in summary} == {"2"}
    g = next(one for one in summary if one["figure"] == "g_astm")
    assert float(g["ci95_low"]) == pytest.approx(float(g["mean"]))  # both are the same field


def test_settings_of_grains_are_options(call, grain_masks, tmp_path):
    out = tmp_path / "out"
    answer = call(
        "measure", grain_masks, "--out", out, "--measures", "grains", "--class", "grain",
        "--grains-line-pitch", 10, "--grains-intercepts", "chords",
    )  # fmt: skip
    assert "boundaries are" in done(answer)
    lines = rows(out / "grains.csv")[1]
    assert (lines["class"], lines["test_length_um"]) == ("grain", "")
    assert 14 < float(lines["mean_intercept_px"]) < 18.5


@pytest.fixture
def two_phases(tmp_path):
    """Masks of ferrite and martensite, by the rows of 100 that are ferrite."""

    def write(*ferrite):
        folder = tmp_path / "phases"
        folder.mkdir()
        (folder / "classes.json").write_text('{"1": "ferrite", "2": "martensite"}')
        for name, rows in zip("abc", ferrite, strict=False):
            mask = np.full((100, 100), 2, np.uint8)
            mask[:rows] = 1
            Image.fromarray(mask).save(folder / f"{name}.png")
        return folder

    return write


def test_what_a_class_of_grains_is_taken_for_is_told(call, two_phases, tmp_path):
    given = ("--out", tmp_path / "out", "--measures", "grains", "--class", "ferrite")
    masks = two_phases(45, 40)
    told = done(call("measure", masks, *given))
    assert "ferrite is taken for boundaries, as it covers less than half of the area" in told
    told = done(call("measure", masks, *given, "--grains-class-is", "grains"))
    assert "is taken for" not in told


def test_a_class_isnt_boundaries_in_one_image_and_grains_in_the_next(call, two_phases, tmp_path):
    out = tmp_path / "out"
    given = ("--out", out, "--measures", "grains", "--class", "ferrite")
    masks = two_phases(45, 55)
    refused(
        call("measure", masks, *given),
        "taken for boundaries in a.png, but for grains in b.png",
        "--grains-class-is",
    )
    assert not list(out.glob("*.csv"))
    done(call("measure", masks, *given, "--grains-class-is", "grains"))


@pytest.fixture
def layer_masks(tmp_path):
    """Two masks of a level layer of 40 px; one through-crack in the second."""
    folder = tmp_path / "layers"
    folder.mkdir()
    (folder / "classes.json").write_text('{"1": "substrate", "2": "coating", "3": "crack"}')
    mask = np.ones((200, 500), np.uint8)
    mask[80:120] = 2
    Image.fromarray(mask).save(folder / "a_mask.png")
    mask[78:122, 250:254] = 3
    Image.fromarray(mask).save(folder / "b_mask.png")
    return folder


def test_layers_are_measured_with_their_cracks(call, layer_masks, tmp_path):
    out = tmp_path / "out"
    done(
        call(
            "measure", layer_masks, "--out", out, "--measures", "layers", "--class", "coating",
            "--pixel-size-um", 0.5,
        )
    )  # fmt: skip
    whole, cracked = rows(out / "layers.csv")
    assert (whole["class"], whole["method"], whole["columns"]) == ("coating", "columns", "500")
    for row in (whole, cracked):
        assert float(row["mean_px"]) == pytest.approx(40)
        assert float(row["mean_um"]) == pytest.approx(20)
    assert float(whole["cracks_per_mm"]) == 0
    assert float(cracked["cracks_per_mm"]) == pytest.approx(4)  # one in 250 um
    per_area = float(cracked["crack_length_um_per_mm2"])
    assert per_area == pytest.approx(20 / (0.25 * 0.02), rel=0.15)
    summary = {row["figure"]: row for row in rows(out / "layers_summary.csv")}
    assert (summary["mean_um"]["n"], float(summary["mean_um"]["mean"])) == ("2", 20.0)


def test_porosity_of_a_layer(call, layer_masks, tmp_path):
    for name, rows_of_pores in (("a_mask.png", 4), ("b_mask.png", 8)):
        mask = np.array(Image.open(layer_masks / name))
        mask[90 : 90 + rows_of_pores, 50:100] = 4
        Image.fromarray(mask).save(layer_masks / name)
    names = {"1": "substrate", "2": "coating", "3": "crack", "4": "void"}
    (layer_masks / "classes.json").write_text(json.dumps(names))
    out = tmp_path / "out"
    done(
        call(
            "measure", layer_masks, "--out", out, "--measures", "layers", "--class", "coating",
            "--layers-pores", "void",
        )
    )  # fmt: skip
    first, second = rows(out / "layers.csv")
    assert (float(first["pores_px"]), float(first["layer_px"])) == pytest.approx((200, 20_000))
    assert float(first["porosity_percent"]) == pytest.approx(1)
    assert float(second["porosity_percent"]) == pytest.approx(2)
    assert first["pores_um2"] == ""
    summary = {row["figure"]: row for row in rows(out / "layers_summary.csv")}
    porosity = summary["porosity_percent"]
    assert (porosity["n"], float(porosity["mean"])) == ("2", pytest.approx(1.5))
    assert float(porosity["ci95"]) == pytest.approx(12.7062 * 0.5, rel=1e-4)


def test_figures_of_layers_in_um_are_blank_without_a_pixel_size(call, layer_masks, tmp_path):
    out = tmp_path / "out"
    done(call("measure", layer_masks, "--out", out, "--measures", "layers", "--class", "coating"))
    row = rows(out / "layers.csv")[0]
    assert float(row["mean_px"]) == pytest.approx(40)
    assert row["mean_um"] == row["ci95_um"] == row["cracks_per_mm"] == ""


def test_nodules_are_measured(call, tmp_path):
    folder = tmp_path / "iron"
    folder.mkdir()
    (folder / "classes.json").write_text('{"1": "matrix", "2": "graphite"}')
    row, column = np.indices((600, 800))
    mask = np.ones((600, 800), np.uint8)
    for y in range(40, 600, 80):
        for x in range(40, 800, 80):
            mask[np.hypot(row - y, column - x) <= 15] = 2
    mask[275:285, 20:150] = 2  # a flake that joins two discs
    Image.fromarray(mask).save(folder / "a_mask.png")
    out = tmp_path / "out"
    printed = done(
        call(
            "measure", folder, "--out", out, "--measures", "nodules", "--class", "graphite",
            "--pixel-size-um", 1,
        )
    )  # fmt: skip
    (found,) = rows(out / "nodules.csv")
    assert "fewer than 50" not in printed
    assert "circularity from 0.65 (perimeter of the convex hull)" in printed
    assert found["nodules"] == "68"
    assert float(found["nodularity_by_number_percent"]) == pytest.approx(100 * 68 / 69)
    assert float(found["mean_diameter_um"]) == pytest.approx(30, abs=0.5)
    (summary, *_) = rows(out / "nodules_summary.csv")
    assert (summary["n"], summary["ci95"]) == ("1", "")


@pytest.mark.parametrize("measure", ["layers", "nodules"])
def test_what_is_the_layer_or_graphite_has_to_be_named(call, layer_masks, tmp_path, measure):
    out = tmp_path / "out"
    answer = call("measure", layer_masks, "--out", out, "--measures", measure)
    refused(answer, "isn't stated", "--class")
    assert not list(out.glob("*.csv"))


def test_ilastiks_own_segmentations_are_measured(call, tmp_path):
    h5py = pytest.importorskip("h5py")
    folder, images = tmp_path / "ilastik", tmp_path / "images"
    folder.mkdir()
    images.mkdir()
    axes = {"axes": [{"key": key, "typeFlags": 2} for key in "yxc"]}
    for name, count in (("a", 10), ("b", 20)):
        mask = np.ones((40, 50, 1), np.uint8)
        mask[:count] = 2
        with h5py.File(folder / f"{name}_Simple Segmentation.h5", "w") as file:
            data = file.create_dataset("exported_data", data=mask, chunks=(16, 16, 1))
            data.attrs["axistags"] = json.dumps(axes)
        size = PixelSize(0.5, 0.5, "test")
        write_mask_tiff(images / f"{name}.tif", mask[..., 0], size)
    out = tmp_path / "out"
    done(call("measure", folder, "--out", out, "--images", images))
    found = rows(out / "phases.csv")
    assert [row["fraction_percent"] for row in found] == ["75", "25", "50", "50"]
    assert {row["area_um2"] for row in found[:2]} == {"375", "125"}
    assert found[0]["image"] == "a_Simple Segmentation.h5"


PLACES = {f"f{n}.tif": Place("AB"[n // 2]) for n in range(4)}


def project_on_two_specimens(folder):
    """Four images on two specimens, with masks of 10, 12, 20 and 22 % oxide."""
    masks = folder / "matssl" / "masks"
    masks.mkdir(parents=True)
    (folder / "matssl" / "classes.json").write_text('{"1": "matrix", "2": "oxide"}')
    for n, percent in enumerate((10, 12, 20, 22)):
        image_of(folder / f"f{n}.tif", 0.2)
        mask = np.ones((40, 50), np.uint8)
        mask.ravel()[: 20 * percent] = 2
        Image.fromarray(mask).save(masks / f"f{n}.png")
    Project(folder).micrographs.set_places(PLACES)
    return masks


def oxide_of(table):
    return next(row for row in rows(table) if row["class"] == "oxide")


def test_specimens_that_the_project_keeps_count_and_this_is_told(call, tmp_path):
    masks, out = project_on_two_specimens(tmp_path / "heat"), tmp_path / "out"
    said = done(call("measure", masks, "--out", out))
    line = (
        "2 specimens count as the project of heat keeps them; measuring takes others from a file "
        "of groups."
    )
    assert said.count(line) == 1
    oxide = oxide_of(out / "summary.csv")
    assert (oxide["n"], oxide["over"], oxide["images"]) == ("2", "specimens", "4")
    assert float(oxide["ci95_percent"]) == pytest.approx(12.7062 * 50**0.5 / 2**0.5, rel=1e-4)
    assert [row["specimen"] for row in rows(out / "fields.csv")] == list("AABB")


def test_specimens_are_those_of_the_folder_of_images_for_masks_elsewhere(call, tmp_path):
    masks, out = project_on_two_specimens(tmp_path / "heat"), tmp_path / "out"
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(masks, elsewhere)
    (elsewhere / "classes.json").write_text('{"1": "matrix", "2": "oxide"}')
    done(call("measure", elsewhere, "--out", out))
    assert oxide_of(out / "summary.csv")["over"] == "images"
    done(call("measure", elsewhere, "--images", tmp_path / "heat", "--out", out))
    assert oxide_of(out / "summary.csv")["over"] == "specimens"


def test_a_file_of_groups_overrules_the_specimens_of_the_project(call, tmp_path):
    masks, out = project_on_two_specimens(tmp_path / "heat"), tmp_path / "out"
    groups = tmp_path / "g.csv"
    groups.write_text("image,specimen\n" + "".join(f"f{n},{n}\n" for n in range(4)))
    said = done(call("measure", masks, "--out", out, "--groups", groups))
    assert "project of heat" not in said
    assert oxide_of(out / "summary.csv")["n"] == "4"


def test_one_image_without_a_specimen_leaves_intervals_over_images(call, tmp_path):
    masks, out = project_on_two_specimens(tmp_path / "heat"), tmp_path / "out"
    Project(tmp_path / "heat").micrographs.set_places({"f3.tif": Place()})
    said = done(call("measure", masks, "--out", out))
    assert "1 of 4 images have no specimen, so intervals are over images: f3.png." in said
    assert oxide_of(out / "summary.csv")["over"] == "images"


def test_masks_that_the_window_shows_cleaned_are_remarked(call, tmp_path):
    masks, out = project_on_two_specimens(tmp_path / "heat"), tmp_path / "out"
    assert "cleaning" not in done(call("measure", masks, "--out", out))
    Project(tmp_path / "heat").masks.set_cleaning(Cleaning(smallest_region=1000))
    said = done(call("measure", masks, "--out", out))
    assert "Masks of heat are measured as the model found them, without the cleaning" in said
    assert rows(out / "phases.csv")[1]["pixels"] == "200"  # the oxide of f0, which it would remove


def test_specimens_of_two_projects_are_not_mixed(call, tmp_path):
    masks = [project_on_two_specimens(tmp_path / name) for name in ("heat", "cold")]
    said = done(call("measure", *masks, "--out", tmp_path / "out"))
    assert "The specimens of cold, heat aren't counted" in said
    assert "name them in a file of groups" in said
    oxide = oxide_of(tmp_path / "out" / "summary.csv")
    assert (oxide["n"], oxide["over"]) == ("8", "images")
    named = [row["image"] for row in rows(tmp_path / "out" / "fields.csv")]
    assert named[::4] == ["heat/matssl/masks/f0.png", "cold/matssl/masks/f0.png"]
    assert len(set(named)) == 8
