"""A recipe run on a folder: verdicts, deviations, report, and what is refused."""

import csv
import json
import shutil
from html import unescape

import numpy as np
import pytest
import zarr
from PIL import Image, PngImagePlugin
from recipe_lab import INSTANT, TABLE, UM, run_command, unlike, write_field

from napari_matssl.errors import InputError, OutputError
from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.micrograph.place import Place
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.measuring import measure_files
from napari_matssl.tasks.measuring.calibrate import calibrate, size_of_bar
from napari_matssl.tasks.recipe.recipe_file import read_recipe
from napari_matssl.tasks.recipe.running import run_recipe, sign_run

GIVEN = ("--specimen", "Heat 4711", "--operator", "B. Night")


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def page_of(out):
    return unescape((out / "report.html").read_text("utf-8"))


def verdicts(out):
    return {row["image"]: row["verdict"] for row in rows_of(out / "verdicts.csv")}


@pytest.fixture
def run(lab, shift, tmp_path):
    def call(*given, recipe=lab.recipe, out=tmp_path / "out"):
        return run_command("run", recipe, shift, "--out", out, *(given or GIVEN))

    call.out = tmp_path / "out"
    return call


@pytest.fixture
def lenient(lab, tmp_path):
    """A recipe by which images of which the model is unsure pass."""

    def save(*more):
        out = tmp_path / "lenient.recipe"
        given = ("--limits-unsure", "pass", "--limits-doubtful", "pass", *more)
        assert run_command("recipe", lab.project, "--out", out, "--overwrite", *given) == 0
        return out

    return save


def test_good_images_pass_and_all_files_are_there(run, lenient, capsys):
    assert run(recipe=lenient()) == 0
    assert verdicts(run.out) == {"f0.tif": "pass", "f1.tif": "pass", "f2.tif": "pass"}
    names = {path.name for path in run.out.iterdir()}
    assert names >= {"report.html", "report.xlsx", "run.json", "f0_mask.png", "f0_overlay.png"}
    assert not [name for name in names if name.startswith(".")]
    record = json.loads((run.out / "run.json").read_text())
    assert (record["verdict"], record["recipe"]) == ("pass", "lenient")
    assert {row["image"] for row in rows_of(run.out / "phases.csv")} == set(record["images"])
    assert "PASS" in capsys.readouterr().out
    assert run_command("verify", run.out / "report.html") == 0


def test_figures_are_those_of_predict_and_measure(run, lab, lenient, shift, tmp_path):
    assert run(recipe=lenient("--measures", "phases,objects", "--class", "martensite")) == 0
    masks, tables = tmp_path / "masks", tmp_path / "tables"
    assert run_command("predict", lab.model, shift, "--out", masks) == 0
    given = ("--measures", "phases,objects", "--class", "martensite", "--images", shift)
    assert run_command("measure", masks, "--out", tables, *given) == 0
    for name in ("summary.csv", "objects_summary.csv"):
        ours, theirs = rows_of(run.out / name), rows_of(tables / name)
        for row in (*ours, *theirs):
            row.pop("run", None)
        assert ours == theirs


def test_bad_images_fail_with_their_reasons_and_stop_nothing(run, lenient, shift, two_phases):
    write_field(shift / "g-no-size.tif", two_phases(4), um=None)
    write_field(shift / "g-coarse.tif", two_phases(5), um=0.5)
    write_field(shift / "g-unlike.tif", two_phases(6), grey=unlike)
    (shift / "g-damaged.tif").write_bytes(b"II*\0broken")
    assert run(recipe=lenient()) == 1
    rows = {row["image"]: row for row in rows_of(run.out / "verdicts.csv")}
    assert {name for name, row in rows.items() if row["verdict"] == "fail"} == {
        *("g-no-size.tif", "g-coarse.tif", "g-unlike.tif", "g-damaged.tif")
    }
    assert rows["g-no-size.tif"]["reason"] == "no pixel size was found"
    assert "agrees by 50 %" in rows["g-coarse.tif"]["reason"]
    assert rows["g-unlike.tif"]["reason"].startswith("unlike the painted images")
    assert "damaged" in rows["g-damaged.tif"]["reason"]
    page = page_of(run.out)
    assert "FAIL: 4 images failed." in page
    assert "Without a pixel size: g-no-size.tif." in page
    assert "Left out, as they couldn't be used: g-damaged.tif." in page
    assert page.index("Verdict by the recipe") < page.index("Area fractions")


def test_images_to_be_checked_give_the_status_of_exceptions(run, lenient, shift):
    size = size_of_bar(100, 25)
    list(calibrate([shift / "f1.tif"], size, True))
    assert run(recipe=lenient()) == 3
    assert verdicts(run.out)["f1.tif"] == "check"


def test_too_few_fields_fail_the_run(run, lenient, capsys):
    assert run(recipe=lenient("--limits-fields", 4)) == 1
    assert set(verdicts(run.out).values()) == {"pass"}
    assert "FAIL: 3 images don't fail, but 4 are needed." in capsys.readouterr().out


def test_a_stated_pixel_size_is_for_images_without_one(run, lenient, shift, two_phases):
    write_field(shift / "g.tif", two_phases(4), um=None)
    assert run(recipe=lenient("--pixel-size-um", "0.25")) == 0
    rows = {row["image"]: row for row in rows_of(run.out / "fields.csv")}
    assert float(rows["g.tif"]["pixel_width_um"]) == 0.25
    assert "stated in the recipe" in rows["g.tif"]["pixel_size_source"]
    page = page_of(run.out)
    assert "With the pixel size that is stated in the recipe: g.tif." in page


def test_details_are_the_recipes_and_a_project_of_the_folder_changes_nothing(run, shift):
    details = ReportDetails(specimen="other", etchant="other", orientation="across")
    Project(shift).record.change(lambda kept: kept.model_copy(update={"details": details}))
    before = (shift / "matssl" / "project.json").read_bytes()
    run("--specimen", "Heat 4711")
    page = page_of(run.out)
    assert "Nital 2 %" in page
    assert "across" not in page
    assert "The operator isn't given." in page
    assert (shift / "matssl" / "project.json").read_bytes() == before


def test_another_program_and_device_are_deviations(run, lab, lenient, tmp_path):
    from napari_matssl.tasks.recipe.recipe_file import write_recipe

    recipe = read_recipe(lenient()).recipe
    origin = recipe.origin.model_copy(update={"program": "0.0.9", "device": "Abacus, wood"})
    old = tmp_path / "old.recipe"
    write_recipe(old, recipe.model_copy(update={"origin": origin}), lab.model)
    assert run(recipe=old) == 0
    page = page_of(run.out)
    assert "the recipe was saved with 0.0.9." in page
    assert "the recipe was saved with Abacus, wood." in page


def test_the_same_run_again_keeps_its_masks(run, lenient, capsys):
    recipe = lenient()
    assert run(recipe=recipe) == 0
    before = {path.name: path.read_bytes() for path in run.out.glob("*_mask.png")}
    capsys.readouterr()
    assert run(recipe=recipe) == 0
    assert "3 of 3 images have masks" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in run.out.glob("*_mask.png")} == before


def test_masks_name_the_model_of_the_recipe(run, lab, lenient):
    run(recipe=lenient())
    origin = read_mask_facts(run.out / "f0_mask.png").provenance
    assert origin.model == lab.model.name
    assert origin.model_sha256 == read_recipe(lab.recipe).recipe.model.sha256


def test_a_folder_that_holds_anything_else_is_refused_and_stays(
    run, lab, shift, lenient, tmp_path, capsys
):
    other = tmp_path / "other"
    other.mkdir()
    (other / "phases.csv").write_text("mine")
    assert run(out=other) == 2
    assert "isn't empty, and holds no run of a recipe" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["phases.csv"]
    assert run(out=shift) == 2
    assert "is the folder of the images" in capsys.readouterr().err
    run()
    assert run(recipe=lenient()) == 2
    assert "holds a run of steel" in capsys.readouterr().err
    (run.out / "run.json").write_text("{}")
    assert run() == 2
    assert "run.json can't be used" in capsys.readouterr().err


def test_no_usable_image_leaves_nothing(run, shift, capsys):
    for path in shift.iterdir():
        path.write_bytes(b"II*\0broken")
    assert run() == 2
    assert "None of the 3 images can be used" in capsys.readouterr().err
    assert not list(run.out.iterdir())


def test_signing_writes_the_report_again_and_locks_the_folder(lab, shift, tmp_path):
    file, out = read_recipe(lab.recipe), tmp_path / "out"
    done = drain(run_recipe(file, shift, out, ReportDetails(specimen="Heat 4711")))
    assert "signed in the program" not in page_of(out)
    assert "The operator isn't given." in page_of(out)
    signed = drain(sign_run(done, "B. Night"))
    page = page_of(out)
    assert "The operator isn't given." not in page
    assert f"Looked at and signed in the program by {signed.record.signed}." in page
    assert signed.record.signed.startswith("B. Night, 20")
    assert run_command("verify", out / "report.html") == 0
    with pytest.raises(OutputError, match=r"holds a run that is signed: B\. Night"):
        drain(run_recipe(file, shift, out))


@pytest.mark.parametrize("name", ["out/f1_mask.png", "shift/f1.tif", "out/phases.csv"])
def test_nobody_signs_for_files_that_changed_since_the_run(lab, shift, tmp_path, name):
    file, out = read_recipe(lab.recipe), tmp_path / "out"
    done = drain(run_recipe(file, shift, out, ReportDetails(specimen="Heat 4711")))
    page = page_of(out)
    with (tmp_path / name).open("ab") as changed:
        changed.write(b"1")
    with pytest.raises(InputError, match=f"{(tmp_path / name).name} changed since the figures"):
        drain(sign_run(done, "B. Night"))
    assert page_of(out) == page
    assert not json.loads((out / "run.json").read_text())["signed"]


def test_a_run_that_was_signed_elsewhere_is_not_signed_again(lab, shift, tmp_path):
    file, out = read_recipe(lab.recipe), tmp_path / "out"
    first, second = (
        drain(run_recipe(file, shift, out, ReportDetails(specimen="Heat 4711"))) for _ in range(2)
    )
    drain(sign_run(second, "B. Night"))
    with pytest.raises(OutputError, match="run or signed again meanwhile"):
        drain(sign_run(first, "A. Day"))
    assert "A. Day" not in page_of(out)


def test_images_that_have_gone_are_in_no_figure(run, lenient, shift):
    recipe = lenient()
    assert run(recipe=recipe) == 0
    (shift / "f2.tif").unlink()
    assert run(recipe=recipe) == 0
    assert set(verdicts(run.out)) == {"f0.tif", "f1.tif"}
    assert {row["image"] for row in rows_of(run.out / "phases.csv")} == {"f0.tif", "f1.tif"}


def test_a_swapped_class_table_changes_no_figure(run, lenient):
    recipe = lenient()
    assert run(recipe=recipe) == 0
    before = {name: rows_of(run.out / name) for name in ("phases.csv", "summary.csv")}
    table = run.out / "classes.json"
    text = table.read_text()
    table.write_text(
        text.replace("ferrite", "swap")
        .replace("martensite", "ferrite")
        .replace("swap", "martensite")
    )
    assert run(recipe=recipe) == 0
    assert {name: rows_of(run.out / name) for name in before} == before
    assert table.read_text() == text


def test_an_edited_mask_is_made_again(run, lenient):
    recipe = lenient()
    assert run(recipe=recipe) == 0
    before, mask = rows_of(run.out / "phases.csv"), run.out / "f1_mask.png"
    with Image.open(mask) as stored:
        text = PngImagePlugin.PngInfo()
        for key, value in stored.text.items():
            text.add_itxt(key, value)
        edited = stored.copy()
    edited.paste(1, (0, 0, stored.width, 20))
    edited.save(mask, pnginfo=text)
    assert run(recipe=recipe) == 0
    fractions = [row["fraction_percent"] for row in rows_of(run.out / "phases.csv")]
    assert fractions == [row["fraction_percent"] for row in before]


def test_a_run_is_of_the_specimen_that_is_entered(run, shift):
    """What the folder's project calls specimens and groups divides no figure of it."""
    places = {f"f{n}.tif": Place(specimen=f"S{n % 2}", group="X") for n in range(3)}
    Project(shift).micrographs.set_places(places)
    run()
    for row in rows_of(run.out / "summary.csv"):
        assert (row["group"], row["over"], row["n"]) == ("all", "images", "3")
    assert {row["specimen"] for row in rows_of(run.out / "fields.csv")} == {""}


def test_the_report_of_another_specimen_is_not_replaced(run, lenient, shift, two_phases, capsys):
    recipe = lenient()
    assert run("--specimen", "Heat 1", recipe=recipe) == 0
    before = {path.name: path.read_bytes() for path in run.out.iterdir()}
    assert run("--specimen", "Heat 2", recipe=recipe) == 2
    assert "holds the report of specimen 'Heat 1', not of specimen 'Heat 2'" in (
        capsys.readouterr().err
    )
    job = run_recipe(read_recipe(recipe), shift, run.out, ReportDetails(specimen="Heat 1"))
    next(progress for progress in job if progress.stage == "segmenting")
    job.close()  # interrupted once it has begun
    assert not json.loads((run.out / "run.json").read_text())["finished"]
    assert run("--specimen", "Heat 2", recipe=recipe) == 2
    assert "holds the report of specimen 'Heat 1'" in capsys.readouterr().err
    assert run("--specimen", "Heat 1", recipe=recipe) == 0
    before = {path.name: path.read_bytes() for path in run.out.iterdir()}
    for seed in range(3):
        write_field(shift / f"f{seed}.tif", two_phases(20 + seed))
    assert run("--specimen", "Heat 1", recipe=recipe) == 2
    assert "the report of other images, none of which is in" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in run.out.iterdir()} == before


def test_what_is_not_read_and_what_is_there_twice_is_told(run, lenient, shift):
    (shift / "g.czi").write_bytes(b"ZISRAWFILE")
    (shift / "more").mkdir()
    (shift / "notes.txt").write_text("night shift")
    shutil.copy(shift / "f1.tif", shift / "copy of f1.tif")
    assert run(recipe=lenient()) == 0
    page = page_of(run.out)
    assert "In the folder, but no images that are read: g.czi, more/." in page
    assert "under several names counts as several fields: copy of f1.tif and f1.tif." in page


def test_an_image_that_was_taken_again_belongs_to_the_same_run(run, lenient, shift, two_phases):
    recipe = lenient()
    assert run(recipe=recipe) == 0
    before = rows_of(run.out / "phases.csv")
    write_field(shift / "f1.tif", two_phases(21))
    assert run(recipe=recipe) == 0
    after = rows_of(run.out / "phases.csv")
    changed = {a["image"] for a, b in zip(after, before, strict=True) if a["pixels"] != b["pixels"]}
    assert changed == {"f1.tif"}


def test_a_mask_that_cannot_be_measured_fails_and_stops_nothing(run, lenient, monkeypatch):
    def check(field, _measures):
        if field.name.startswith("f1"):
            raise InputError("f1 needs more memory than is free.", "Close other programs.")

    monkeypatch.setattr(measure_files, "check_memory", check)
    assert run(recipe=lenient()) == 1
    assert verdicts(run.out) == {"f0.tif": "pass", "f1.tif": "fail", "f2.tif": "pass"}
    assert {row["image"] for row in rows_of(run.out / "phases.csv")} == {"f0.tif", "f2.tif"}
    assert "f1 needs more memory than is free" in page_of(run.out)


def test_a_recipe_runs_where_its_project_is_gone(lab, shift, tmp_path):
    moved = tmp_path / "elsewhere.recipe"
    shutil.copy(lab.recipe, moved)
    assert run_command("run", moved, shift, "--out", tmp_path / "out") in (0, 3)
    assert (tmp_path / "out" / "report.html").exists()


def test_images_of_ome_formats_are_in_all_tables_by_their_names(run, lenient, shift, two_phases):
    (shift / "f1.tif").rename(shift / "f1.ome.tif")
    write_ome_zarr(shift / "f2.ome.zarr", two_phases(2).micrograph.pixels)
    (shift / "f2.tif").unlink()
    assert run(recipe=lenient()) == 0
    names = {"f0.tif", "f1.ome.tif", "f2.ome.zarr"}
    assert set(verdicts(run.out)) == names
    assert {row["image"] for row in rows_of(run.out / "fields.csv")} == names
    page = page_of(run.out)
    assert "has no image of this name" not in page
    assert "Without an image that fits: f2.ome.zarr." in page
    assert run_command("verify", run.out / "report.html") == 0
    (shift / "f2.ome.zarr" / "0" / "more").write_text("x")
    assert run_command("verify", run.out / "report.html") == 1


def write_ome_zarr(path, pixels):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=pixels)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [UM, UM]}]
    level = {"path": "0", "coordinateTransformations": scale}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]


def test_pixel_sizes_that_differ_are_a_deviation(run, lenient, shift, two_phases):
    recipe = lenient()
    assert run(recipe=recipe) == 0
    assert "Pixel sizes differ" not in page_of(run.out)
    write_field(shift / "f1.tif", two_phases(1), um=0.29)
    assert run(recipe=recipe) == 0
    line = "Pixel sizes differ, from 0.25 µm/px (f0.tif) to 0.29 µm/px (f1.tif)."
    assert line in page_of(run.out)


def test_an_image_of_which_nothing_counts_is_no_field(two_phases, tmp_path):
    project, shift, out = tmp_path / "project", tmp_path / "shift", tmp_path / "out"
    labels = project / "matssl" / "labels"
    labels.mkdir(parents=True)
    shift.mkdir()
    ferrite, martensite = TABLE.classes
    table = ClassTable(classes=(ferrite.model_copy(update={"exclude": True}), martensite))
    table.write(project / "matssl" / "classes.json")
    table.write(labels / "classes.json")
    one = two_phases(7)
    write_field(project / "p.tif", one)
    write_mask(labels / "p.png", one.labels.astype(np.uint8), table)
    model, recipe = tmp_path / "m.safetensors", tmp_path / "m.recipe"
    assert run_command("finetune", project, labels, "--out", model, *INSTANT) == 0
    limits = [f"--limits-{name}=pass" for name in ("unlike", "doubtful", "unsure")]
    given = ("--model", model, "--out", recipe, "--limits-fields", "2")
    assert run_command("recipe", project, *given, *limits) == 0
    write_field(shift / "good.tif", one)
    greys = one.micrograph.pixels[one.labels == ferrite.id]
    level, spread = float(np.mean(greys)), float(np.std(greys)) / 4
    noise = np.random.default_rng(0).normal(level, spread, one.labels.shape)
    write_field(shift / "mount.tif", one, grey=lambda _: np.round(noise).astype(np.uint8))
    assert run_command("run", recipe, shift, "--out", out) == 1
    assert verdicts(out) == {"good.tif": "pass", "mount.tif": "fail"}
    assert "1 image doesn't fail, but 2 are needed" in page_of(out)
