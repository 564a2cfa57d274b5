"""Measuring and exporting what a project's images were segmented into."""

import csv
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.errors import InputError, OutputError
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.export.outputs import Outputs
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.micrograph.calibration import read_pixel_size
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.progress import Control, drain
from napari_matssl.project.folder import Project
from napari_matssl.samples import class_table, make_sample
from napari_matssl.settings import Cleaning, PredictSettings
from napari_matssl.tasks.measuring.export_project import existing_exports, export_project
from napari_matssl.tasks.measuring.measure_project import PhaseMeter
from napari_matssl.tasks.predicting.predict import predict

NAMES = ("a1.tif", "a2.tif", "a10.tif", "b.tif")
TRUTH = {name: make_sample("inclusions", seed, (96, 128)) for seed, name in enumerate(NAMES)}
UM = TRUTH["a1.tif"].micrograph.pixel_size.x_um
TABLES = ("phases.csv", "summary.csv", "corrected.csv")


@pytest.fixture
def project(tmp_path):
    """Four calibrated micrographs; all but the last are segmented, without a mistake."""
    folder = tmp_path / "steel"
    folder.mkdir()
    for name, sample in TRUTH.items():
        write_micrograph(folder / name, sample.micrograph)
    class_table("inclusions").write(folder / "classes.json")
    project = Project(folder)
    for name in NAMES[:3]:
        project.masks.write(name, TRUTH[name].labels)
    return project


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "out"


def counted(rows, image):
    return {r.class_name: (r.pixels, r.analysed_pixels) for r in rows if r.image == image}


def truth(image, *classes):
    return {
        name: (int((TRUTH[image].labels == i).sum()), 96 * 128)
        for i, name in enumerate(classes or ("steel", "sulphide", "oxide"), start=1)
    }


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def spoil_unnoticed(path):
    """Make a file unreadable such that it looks unchanged."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# -- measuring


def test_segmented_images_are_measured_in_the_projects_order(project):
    measured = PhaseMeter(project).measure()
    assert list(dict.fromkeys(r.image for r in measured.rows)) == ["a1.tif", "a2.tif", "a10.tif"]
    for name in NAMES[:3]:
        assert counted(measured.rows, name) == truth(name)
    row = measured.rows[1]
    assert row.fraction_percent == pytest.approx(100 * row.pixels / (96 * 128))
    assert row.area_um2 == pytest.approx(row.pixels * UM**2, rel=1e-4)
    assert measured.problems == ()


def test_some_images_are_measured_alone(project):
    measured = PhaseMeter(project).measure(["a10.tif", "b.tif"])
    assert {r.image for r in measured.rows} == {"a10.tif"}


def test_what_has_not_changed_is_not_read_again(project):
    meter = PhaseMeter(project)
    before = meter.measure()
    for name in NAMES[:3]:
        spoil_unnoticed(project.masks.path(name))
        spoil_unnoticed(project.folder / name)
    project.classes.recolour(1, "#ff0000")
    assert meter.measure() == before
    assert len(PhaseMeter(Project(project.folder)).measure().problems) == 3


def test_a_new_mask_is_measured(project):
    meter = PhaseMeter(project)
    meter.measure()
    project.masks.write("a1.tif", np.full((96, 128), 2, np.uint8))
    project.masks.write("b.tif", TRUTH["b.tif"].labels)
    project.masks.path("a2.tif").unlink()
    rows = meter.measure().rows
    assert counted(rows, "a1.tif")["sulphide"] == (96 * 128, 96 * 128)
    assert counted(rows, "b.tif") == truth("b.tif")
    assert counted(rows, "a2.tif") == {}


def test_edits_of_the_classes_show(project):
    meter = PhaseMeter(project)
    meter.measure()
    project.classes.rename(2, "MnS")
    assert counted(meter.measure().rows, "a1.tif") == truth("a1.tif", "steel", "MnS", "oxide")
    project.classes.set_exclude(3, True)
    oxide = int((TRUTH["a1.tif"].labels == 3).sum())
    assert oxide > 0
    found = counted(meter.measure().rows, "a1.tif")
    assert list(found) == ["steel", "MnS"]
    assert found["steel"][1] == 96 * 128 - oxide


def test_masks_are_measured_as_they_are_cleaned(project):
    mask = np.ones((96, 128), np.uint8)
    mask[10, 10] = 2
    project.masks.write("a1.tif", mask)
    meter = PhaseMeter(project)
    assert counted(meter.measure().rows, "a1.tif")["sulphide"][0] == 1
    project.masks.set_cleaning(Cleaning(smallest_region=2))
    assert counted(meter.measure().rows, "a1.tif")["sulphide"][0] == 0
    assert project.masks.read("a1.tif")[10, 10] == 2


def test_a_pixel_size_set_by_hand_gives_the_areas(project):
    meter = PhaseMeter(project)
    meter.measure()
    project.micrographs.set_pixel_size("a2.tif", PixelSize(3.0, 3.0, "set by hand"))
    rows = meter.measure().rows
    steel = {r.image: r for r in rows if r.class_name == "steel"}
    assert steel["a2.tif"].area_um2 == pytest.approx(9 * steel["a2.tif"].pixels)
    assert steel["a1.tif"].area_um2 == pytest.approx(UM**2 * steel["a1.tif"].pixels, rel=1e-4)
    project.micrographs.set_pixel_size("a2.tif", None)
    steel = [r for r in meter.measure().rows if r.class_name == "steel" and r.image == "a2.tif"]
    assert steel[0].area_um2 == pytest.approx(UM**2 * steel[0].pixels, rel=1e-4)


def test_an_image_that_was_saved_anew_gives_its_new_pixel_size(project):
    meter = PhaseMeter(project)
    meter.measure()
    anew = replace(TRUTH["a1.tif"].micrograph, pixel_size=PixelSize(2.0, 2.0, "another lens"))
    write_micrograph(project.folder / "a1.tif", anew)
    steel = meter.measure(["a1.tif"]).rows[0]
    assert steel.area_um2 == pytest.approx(4 * steel.pixels)


def test_what_cant_be_read_is_reported_and_keeps_nothing_else_from_being_measured(project):
    project.masks.path("a1.tif").write_bytes(b"no image")
    (project.folder / "a2.tif").unlink()
    measured = PhaseMeter(project).measure()
    assert {r.image for r in measured.rows} == {"a10.tif"}
    assert len(measured.problems) == 2
    assert "a1.png" in measured.problems[0]
    assert "a2.tif" in measured.problems[1]


def test_a_mask_that_was_repaired_is_no_problem_any_more(project):
    good = project.masks.path("a1.tif").read_bytes()
    meter = PhaseMeter(project)
    project.masks.path("a1.tif").write_bytes(b"no image")
    assert meter.measure().problems
    project.masks.path("a1.tif").write_bytes(good)
    measured = meter.measure()
    assert measured.problems == ()
    assert counted(measured.rows, "a1.tif") == truth("a1.tif")


# -- exporting


def test_masks_overlays_and_tables_of_all_segmented_images_are_written(project, out):
    exported = drain(export_project(project, out))
    assert (exported.folder, exported.images, exported.wanted) == (out, NAMES[:3], 3)
    assert exported.problems == ()
    endings = ("_mask.png", "_mask.tif", "_overlay.png")
    images = {f"{stem}{ending}" for stem in ("a1", "a2", "a10") for ending in endings}
    assert set(contents(out)) == {*images, *TABLES, "classes.json"}
    assert (
        ClassTable.model_validate_json((out / "classes.json").read_bytes()) == project.classes.table
    )
    for stem in ("a1", "a2", "a10"):
        with Image.open(out / f"{stem}_mask.png") as mask:
            np.testing.assert_array_equal(np.asarray(mask), TRUTH[f"{stem}.tif"].labels)
        mask = tifffile.imread(out / f"{stem}_mask.tif")
        np.testing.assert_array_equal(mask, TRUTH[f"{stem}.tif"].labels)
    assert read_pixel_size(out / "a1_mask.tif", 128, 128).x_um == pytest.approx(UM, rel=1e-4)


def test_tables_hold_the_truth(project, out):
    drain(export_project(project, out))
    rows = rows_of(out / "phases.csv")
    assert len(rows) == 9
    for row in rows:
        pixels = (TRUTH[row["image"]].labels == int(row["class_id"])).sum()
        assert int(row["pixels"]) == pixels
        assert float(row["fraction_percent"]) == pytest.approx(100 * pixels / (96 * 128))
    steel = [100 * (TRUTH[name].labels == 1).mean() for name in NAMES[:3]]
    summary = rows_of(out / "summary.csv")[0]
    assert (summary["class"], summary["n"]) == ("steel", "3")
    assert float(summary["mean_percent"]) == pytest.approx(np.mean(steel))


def test_files_are_the_same_as_those_of_predict(grey_level_segmenter, tmp_path):
    table = ClassTable(
        classes=(
            LabelClass(id=1, name="matrix", colour="#0072b2"),
            LabelClass(id=3, name="Karbid, groß", colour="#e69f00"),
        )
    )
    folder = tmp_path / "images"
    folder.mkdir()
    grey = np.where(np.random.default_rng(0).random((64, 80)) < 0.3, 255, 0).astype(np.uint8)
    tifffile.imwrite(
        folder / "x.y.tif", grey, imagej=True, resolution=(2, 2), metadata={"unit": "um"}
    )
    Image.fromarray(255 - grey).save(folder / "b 2.png")
    settings = PredictSettings(device="cpu", smallest_region=3, largest_hole=4)
    segmenter = grey_level_segmenter(table, (0, 255))
    paths = [folder / "b 2.png", folder / "x.y.tif"]
    drain(predict(segmenter, paths, tmp_path / "predicted", settings))

    table.write(folder / "classes.json")
    project = Project(folder)
    project.masks.write("x.y.tif", np.where(grey == 255, 3, 1))
    project.masks.write("b 2.png", np.where(grey == 255, 1, 3))
    project.masks.set_cleaning(Cleaning(smallest_region=3, largest_hole=4))
    drain(export_project(project, tmp_path / "out", Outputs(masks_tiff=False)))
    predicted, exported = contents(tmp_path / "predicted"), contents(tmp_path / "out")
    assert len(predicted) == 8
    assert set(predicted) == set(exported)
    same = ["b 2_overlay.png", "x.y_overlay.png", "classes.json"]
    assert [name for name in same if predicted[name] != exported[name]] == []
    for name in ("b 2_mask.png", "x.y_mask.png"):
        masks = (read_labels(tmp_path / place / name) for place in ("predicted", "out"))
        np.testing.assert_array_equal(*masks)
    for name in TABLES:
        tables = (rows_of(tmp_path / place / name) for place in ("predicted", "out"))
        figures = [[list(row.values())[:7] for row in table] for table in tables]
        assert figures[0] == figures[1]
        assert len(figures[0]) > 1


@pytest.mark.parametrize(
    ("outputs", "endings"),
    [
        (Outputs(masks_tiff=False, overlays=False, tables=False), ["_mask.png"]),
        (Outputs(masks_png=False, overlays=False, tables=False), ["_mask.tif"]),
        (Outputs(masks_png=False, masks_tiff=False, tables=False), ["_overlay.png"]),
    ],
)
def test_only_what_is_wanted_is_written(project, out, outputs, endings):
    drain(export_project(project, out, outputs, ["a10.tif", "b.tif"]))
    assert set(contents(out)) == {"classes.json", *(f"a10{ending}" for ending in endings)}


def test_tables_alone_can_be_had(project, out):
    drain(export_project(project, out, Outputs(False, False, False)))
    assert set(contents(out)) == {"classes.json", *TABLES}


@pytest.mark.parametrize(
    "outputs",
    [Outputs(), Outputs(masks_tiff=False), Outputs(overlays=False, tables=False)],
)
def test_all_files_that_would_be_overwritten_are_known_before(project, out, outputs):
    assert existing_exports(project, out, outputs) == ()
    drain(export_project(project, out, outputs))
    (out / "notes.txt").write_text("mine")
    found = {path.name for path in existing_exports(project, out, outputs)}
    assert found == set(contents(out)) - {"notes.txt"}
    (out / "a1_mask.png").unlink()
    assert out / "a1_mask.png" not in existing_exports(project, out, outputs)


@pytest.mark.parametrize("inside", [".", "matssl", "matssl/masks", "matssl/new"])
def test_folders_of_the_project_are_refused(project, inside):
    folder = project.folder / inside
    before = sorted(project.folder.rglob("*"))
    with pytest.raises(OutputError, match="Choose another folder"):
        next(export_project(project, folder))
    with pytest.raises(OutputError, match="Choose another folder"):
        existing_exports(project, folder, Outputs())
    assert sorted(project.folder.rglob("*")) == before


def test_a_link_to_the_folder_of_the_images_is_refused_too(project, tmp_path):
    (tmp_path / "link").symlink_to(project.folder)
    with pytest.raises(OutputError):
        next(export_project(project, tmp_path / "link"))


def test_a_folder_beside_the_images_will_do(project):
    assert drain(export_project(project, project.folder / "report")).images == NAMES[:3]


def test_without_a_segmentation_there_is_nothing_to_export(project, out):
    with pytest.raises(InputError, match=r"Segment some images first\."):
        next(export_project(project, out, names=["b.tif"]))
    assert not out.exists()


def test_a_damaged_mask_keeps_no_other_image_from_being_exported(project, out):
    project.masks.path("a2.tif").write_bytes(b"no image")
    steps = []
    exported = drain(export_project(project, out), steps.append)
    assert (exported.images, exported.wanted) == (("a1.tif", "a10.tif"), 3)
    assert len(exported.problems) == 1
    assert "a2.png" in exported.problems[0]
    assert [step.message for step in steps] == ["", "", f"Left out: {exported.problems[0]}", ""]
    assert {row["image"] for row in rows_of(out / "phases.csv")} == {"a1.tif", "a10.tif"}
    assert not (out / "a2_mask.png").exists()


def test_if_no_image_can_be_exported_that_is_an_error(project, out):
    project.masks.path("a2.tif").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a2\.png"):
        drain(export_project(project, out, names=["a2.tif"]))


def test_stopped_it_keeps_what_is_done(project, out):
    job = export_project(project, out)
    steps = [next(job), next(job)]
    with pytest.raises(StopIteration) as end:
        job.send(Control.STOP)
    assert [(step.step, step.total) for step in steps] == [(0, 3), (1, 3)]
    assert (end.value.value.images, end.value.value.wanted) == (("a1.tif",), 3)
    assert {row["image"] for row in rows_of(out / "phases.csv")} == {"a1.tif"}
    assert "a2_mask.png" not in contents(out)


def test_stopped_before_the_first_image_it_leaves_earlier_tables_alone(project, out):
    drain(export_project(project, out))
    before = contents(out)
    assert drain(export_project(project, out), should_stop=lambda: True).images == ()
    assert contents(out) == before


def test_a_cancelled_export_leaves_whole_masks_with_their_classes_and_tables(project, out):
    job = export_project(project, out)
    next(job)
    next(job)
    job.close()
    masks = {"a1_mask.png", "a1_mask.tif", "a1_overlay.png"}
    assert set(contents(out)) == {*masks, "classes.json", *TABLES}
    assert {row["image"] for row in rows_of(out / "phases.csv")} == {"a1.tif"}
    assert (
        ClassTable.model_validate_json((out / "classes.json").read_bytes()) == project.classes.table
    )


def test_reporting_needs_no_torch():
    code = "import sys, napari_matssl.tasks.measuring.export_project; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_was_painted_counts_instead_of_the_mask_unless_switched_off(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    write_micrograph(tmp_path / "a.tif", Micrograph("a", pixels))
    project = Project(tmp_path)
    mask = np.ones((40, 50), np.uint8)
    mask[30:] = 0
    project.masks.write("a.tif", mask)
    meter = PhaseMeter(project)
    assert meter.measure().rows[0].pixels == 1500
    painted = np.zeros((40, 50), np.uint8)
    painted[:10, :10] = 2
    painted[35:, :10] = 2  # below the info bar: not analysed, whatever is painted
    project.labels.write("a.tif", painted)
    one, two = meter.measure().rows
    assert (one.pixels, two.pixels, two.analysed_pixels) == (1400, 100, 1500)
    result = drain(export_project(project, tmp_path / "out", Outputs()))
    assert result.images == ("a.tif",)
    exported = read_labels(tmp_path / "out" / "a_mask.png")
    assert (exported == 2).sum() == 100
    assert (exported == 0).sum() == 500
    project.masks.set_painted_counts(False)
    assert meter.measure().rows[0].pixels == 1500
    assert not Project(tmp_path).masks.painted_counts
