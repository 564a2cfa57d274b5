"""Segmenting many images of which some can't be used, on disks and in folders that hinder."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
import tifffile
import torch
from file_events import when_file_is
from limits import largest_file
from PIL import Image

from napari_matssl.errors import InputError, OutputError
from napari_matssl.export.outputs import Outputs
from napari_matssl.export.results import ResultFolder
from napari_matssl.export.run_tables import runs_in
from napari_matssl.files import atomic_write
from napari_matssl.labels.class_table import ClassTable, LabelClass, numbered_table
from napari_matssl.labels.provenance import Provenance, read_mask_facts
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning, PredictSettings
from napari_matssl.tasks.measuring.measure_files import measure_masks
from napari_matssl.tasks.predicting.predict import predict

TABLE = numbered_table([1, 2])
LEVELS = (0, 255)
CPU = PredictSettings(device="cpu", magnifications="one")


@pytest.fixture(scope="module")
def segmenter(grey_level_segmenter):
    return grey_level_segmenter(TABLE, LEVELS)


def field(share, seed=0, size=(48, 64)):
    return np.where(np.random.default_rng(seed).random(size) < share, 255, 0).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "images"
    place.mkdir()
    for number in range(3):
        Image.fromarray(field(0.3, number)).save(place / f"m{number}.png")
    return place


def images_of(folder):
    return sorted(folder.iterdir())


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run(segmenter, folder, out, settings=CPU, **more):
    """Run to the end; give the result and all messages."""
    said = []
    result = drain(predict(segmenter, images_of(folder), out, settings, **more), said.append)
    return result, [step.message for step in said if step.message]


def blank(path):
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(path)


def nan(path):
    tifffile.imwrite(path, np.full((48, 64), np.nan, np.float32))


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("no image")


def half(path):
    Image.fromarray(field(0.5, size=(200, 200))).save(path)
    path.write_bytes(path.read_bytes()[:2000])


def tiny(path):
    Image.fromarray(field(0.5, size=(8, 8))).save(path)


@pytest.mark.parametrize("spoil", [blank, nan, empty, text, half, tiny])
@pytest.mark.parametrize("name", ["a.png", "m1b.tif", "z.png"])
def test_one_bad_image_is_left_out_and_told_wherever_it_stands(
    segmenter, folder, tmp_path, spoil, name
):
    if spoil is nan:
        name = name.replace(".png", ".tif")
    spoil(folder / name)
    result, said = run(segmenter, folder, tmp_path / "out")
    assert [one.name for one in result.images] == ["m0.png", "m1.png", "m2.png"]
    (skipped,) = result.skipped
    assert skipped.name == name
    assert name in skipped.reason
    assert f"Left out: {skipped.reason}" in said
    assert {row["image"] for row in rows_of(result.phases)} == {"m0.png", "m1.png", "m2.png"}
    assert result.failure is None
    assert not result.stopped


def test_without_a_good_image_it_is_an_error_and_nothing_is_written(segmenter, folder, tmp_path):
    for path in images_of(folder):
        blank(path)
    with pytest.raises(InputError, match="None of the 3 images") as caught:
        run(segmenter, folder, tmp_path / "out")
    assert "m0.png" in caught.value.what
    assert names(tmp_path / "out") == []


def test_a_single_bad_image_is_its_own_error(segmenter, folder, tmp_path):
    blank(folder / "m0.png")
    with pytest.raises(InputError, match=r"^m0\.png is constant"):
        drain(predict(segmenter, [folder / "m0.png"], tmp_path / "out", CPU))


class FullAt(torch.nn.Module):
    """A network for which the memory is full where an image is of one size."""

    def __init__(self, network, width):
        super().__init__()
        self.network, self.width = network, width

    def forward(self, images):
        if images.shape[-1] == self.width:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.network(images)


def test_an_image_too_large_for_the_memory_is_left_out(segmenter, folder, tmp_path):
    Image.fromarray(field(0.5, size=(48, 96))).save(folder / "m1.png")
    seen_width = 96
    limited = Segmenter(FullAt(segmenter.network, seen_width), segmenter.card)
    result, _ = run(limited, folder, tmp_path / "out")
    assert [one.name for one in result.images] == ["m0.png", "m2.png"]
    assert "memory" in result.skipped[0].reason


def fail(error):
    raise error


def test_a_full_memory_of_python_is_one_images_too(segmenter, folder, tmp_path):
    with when_file_is("replaced", "*/m1_overlay.png", lambda _: fail(MemoryError())):
        result, _ = run(segmenter, folder, tmp_path / "out")
    assert [one.name for one in result.images] == ["m0.png", "m2.png"]
    assert result.skipped[0].reason.startswith("m1.png doesn't fit into the memory")


# ---- what is looked at before the first image ----


def test_names_that_get_too_long_are_left_out(segmenter, folder, tmp_path):
    long = "x" * 245 + ".png"
    shutil.copy(folder / "m0.png", folder / long)
    result, _ = run(segmenter, folder, tmp_path / "out")
    assert len(result.images) == 3
    assert "too long a name" in result.skipped[0].reason
    assert "_overlay.png" in result.skipped[0].reason
    result, _ = run(
        segmenter, folder, tmp_path / "masks", outputs=Outputs(masks_tiff=False, overlays=False)
    )
    assert len(result.images) == 4, "x..._mask.png has 254 bytes"


def test_umlauts_count_by_their_bytes(segmenter, folder, tmp_path):
    shutil.copy(folder / "m0.png", folder / ("ü" * 122 + ".png"))
    result, _ = run(segmenter, folder, tmp_path / "out")
    assert "too long a name" in result.skipped[0].reason


@pytest.mark.parametrize("other", ["M0.tif", "m0.tif"])
def test_names_that_are_one_on_other_systems_are_an_error_before_anything(
    segmenter, folder, tmp_path, other
):
    tifffile.imwrite(folder / other, field(0.3))
    with pytest.raises(InputError, match=r"_mask\.png"):
        run(segmenter, folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_unicode_forms_of_one_name_are_an_error(segmenter, folder, tmp_path):
    shutil.copy(folder / "m0.png", folder / "Gef\u00fcge.png")
    shutil.copy(folder / "m1.png", folder / "Gefu\u0308ge.tif")
    with pytest.raises(InputError, match="Rename one"):
        run(segmenter, folder, tmp_path / "out")


def test_a_name_that_is_no_unicode_is_segmented_and_escaped_in_the_tables(
    segmenter, folder, tmp_path
):
    os.rename(folder / "m1.png", os.fsencode(folder) + b"/Gef\xfcge.png")
    result, _ = run(segmenter, folder, tmp_path / "out")
    assert len(result.images) == 3
    assert "Gef\\xfcge.png" in {row["image"] for row in rows_of(result.phases)}
    assert os.path.exists(os.fsencode(tmp_path / "out") + b"/Gef\xfcge_mask.png")
    mask = next(one.mask for one in result.images if "Gef" in one.name)
    assert read_mask_facts(mask).provenance.image == "Gef\\xfcge.png"


def test_too_little_room_is_found_before_the_first_image(segmenter, folder, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="MB"):
        run(segmenter, folder, tmp_path / "out")
    assert names(tmp_path / "out") == []


# ---- tables ----


def test_a_table_that_cannot_be_replaced_is_reported_first_and_gets_a_number(
    segmenter, folder, tmp_path
):
    (tmp_path / "out" / "phases.csv").mkdir(parents=True)
    result, said = run(segmenter, folder, tmp_path / "out")
    assert "phases.csv can't be replaced" in said[0]
    assert result.phases == tmp_path / "out" / "phases-2.csv"
    assert len(rows_of(result.phases)) == 6
    assert "phases-2.csv" in said[-1]
    assert result.failure is None


@pytest.mark.cell("predict", "full disk")
def test_a_disk_that_is_full_at_once_leaves_old_results_alone(segmenter, folder, tmp_path):
    out = tmp_path / "out"
    run(segmenter, folder, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with largest_file(50), pytest.raises(OutputError, match="File too large"):
        run(segmenter, folder, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_job_that_is_closed_on_the_way_leaves_the_tables_of_what_is_done(
    segmenter, folder, tmp_path
):
    job = predict(segmenter, images_of(folder), tmp_path / "out", CPU)
    while not (tmp_path / "out" / "m1_mask.png").exists():
        next(job)
    job.close()
    assert {"m0.png", "m1.png"} >= {r["image"] for r in rows_of(tmp_path / "out/phases.csv")}
    assert rows_of(tmp_path / "out" / "phases.csv")


# ---- several runs in one folder ----


def killed(segmenter, folder, out):
    """Leave off as a kill does, which runs no clean-up."""
    job = predict(segmenter, images_of(folder), out, CPU)
    before = (out / "m0_mask.png").read_bytes()
    while (out / "m0_mask.png").read_bytes() == before:
        next(job)
    return job


def run_of(out, name):
    return read_mask_facts(out / f"{name[:-4]}_mask.png").provenance.run


def test_a_killed_run_leaves_no_table_beside_masks_that_it_does_not_fit(
    segmenter, folder, tmp_path
):
    out = tmp_path / "out"
    run(segmenter, folder, out)
    job = killed(segmenter, folder, out)
    assert "phases.csv" not in names(out)
    runs = runs_in(out / "phases-stale.csv")
    assert run_of(out, "m0.png") != runs["m0.png"]
    assert run_of(out, "m1.png") == runs["m1.png"]
    del job


def test_a_complete_run_replaces_the_tables_and_leaves_no_stale_ones(segmenter, folder, tmp_path):
    out = tmp_path / "out"
    first, _ = run(segmenter, folder, out)
    old = rows_of(first.phases)[0]["run"]
    second, _ = run(segmenter, folder, out)
    assert [name for name in names(out) if name.endswith(".csv")] == [
        "corrected.csv",
        "phases.csv",
        "summary.csv",
    ]
    assert {row["run"] for row in rows_of(second.phases)} != {old}
    assert runs_in(second.phases)["m0.png"] == run_of(out, "m0.png")


def test_a_run_over_fewer_images_keeps_the_figures_of_the_others(segmenter, folder, tmp_path):
    out = tmp_path / "out"
    run(segmenter, folder, out)
    said = []
    drain(predict(segmenter, images_of(folder)[:1], out, CPU), said.append)
    assert {row["image"] for row in rows_of(out / "phases.csv")} == {"m0.png"}
    assert len(rows_of(out / "phases-stale.csv")) == 6
    assert "2 images that this one hasn't done" in said[-1].message


def test_what_a_killed_run_left_is_swept_by_the_next(segmenter, folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with atomic_write(out / "a.png") as temporary:
        name = temporary.name.replace(f"-{os.getpid()}-", "-999999999-")
        temporary.write_bytes(b"x")
    assert name != temporary.name
    left = out / name
    left.write_bytes(b"x" * 100)
    run(segmenter, folder, out)
    assert not left.exists()


# ---- where masks come from ----


def test_masks_and_tables_name_their_model_and_settings(segmenter, folder, tmp_path):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"weights")
    settings = CPU.with_cleaning(Cleaning(smallest_region=3)).model_copy(update={"tile": 64})
    outputs = Outputs(masks_tiff=False, probabilities=True)
    result, _ = run(segmenter, folder, tmp_path / "out", settings, outputs=outputs, model=model)
    origin = read_mask_facts(result.images[0].mask).provenance
    assert (origin.image, origin.model) == ("m0.png", "model.safetensors")
    assert origin.settings["tile"] == 64
    row = rows_of(result.phases)[0]
    assert row["run"] == origin.run
    assert origin.model_sha256.startswith(row["model_sha256"])
    assert row["cleaning"] == origin.cleaning == "all classes >= 3 px"
    with tifffile.TiffFile(tmp_path / "out" / "m0_probabilities.tif") as stack:
        assert json.loads(stack.pages[0].description)["napari-matssl"]["run"] == origin.run


def test_measure_finds_the_pixel_size_and_origin_of_our_masks(segmenter, folder, tmp_path):
    tifffile.imwrite(
        folder / "m3.tif", field(0.3), imagej=True, resolution=(4, 4), metadata={"unit": "um"}
    )
    result, _ = run(segmenter, folder, tmp_path / "out")
    measured = measure_masks([tmp_path / "out"])
    rows = measured.rows
    assert {row.origin.run for row in rows} == {rows_of(result.phases)[0]["run"]}
    assert not any("runs" in line for line in measured.remarks)
    areas = [row.area_um2 for row in rows if row.image == "m3_mask.png"]
    predicted = [
        row.area_um2 for one in result.images if one.name == "m3.tif" for row in one.phases
    ]
    assert areas == pytest.approx(predicted)
    assert sum(areas) == pytest.approx(48 * 64 / 16)


@pytest.mark.parametrize("ending", ["_mask.png", "_mask.tif"])
def test_a_mask_of_ours_without_its_class_table_keeps_its_classes(tmp_path, ending):
    """One class beside what was not analysed: of anybody's mask, 0 would be a class."""
    table = ClassTable(classes=(LabelClass(id=1, name="ferrite", colour="#0072b2"),))
    mask = np.ones((48, 64), np.uint8)
    mask[40:] = 0
    micrograph = Micrograph("a.tif", np.zeros((48, 64), np.uint8))
    ResultFolder(tmp_path / "out", table, Outputs(), lambda _: CorrectedFractions()).write(
        micrograph, mask, Provenance(run="1")
    )
    alone = tmp_path / "elsewhere" / f"a{ending}"
    alone.parent.mkdir()
    shutil.copy(tmp_path / "out" / f"a{ending}", alone)
    (row,) = measure_masks([alone]).rows
    assert (row.class_name, row.fraction_percent, row.analysed_pixels) == ("ferrite", 100, 40 * 64)


def test_what_stands_in_the_way_of_a_mask_is_found_before_the_first_image(
    segmenter, folder, tmp_path
):
    (tmp_path / "out" / "m1_mask.png").mkdir(parents=True)
    result, _ = run(segmenter, folder, tmp_path / "out")
    assert [one.name for one in result.images] == ["m0.png", "m2.png"]
    assert "m1_mask.png there is no file" in result.skipped[0].reason


# ---- info bars ----


def bar_image(path, noise=False):
    pixels = np.random.default_rng(0).integers(0, 256, (200, 160)).astype(np.uint8)
    if not noise:
        pixels[170:] = 0
        pixels[178:186, 20:60:4] = 255
    Image.fromarray(pixels).save(path)


def test_an_image_without_info_bar_among_others_with_one_is_reported(segmenter, tmp_path):
    folder = tmp_path / "sem"
    folder.mkdir()
    bar_image(folder / "a.png")
    bar_image(folder / "b.png", noise=True)
    result, said = run(segmenter, folder, tmp_path / "out")
    line = "b.png: no info bar was found"
    assert [line in message for message in said].count(True) == 1
    rows = {row["image"]: row for row in rows_of(result.phases)}
    assert line in rows["b.png"]["remarks"]
    assert rows["a.png"]["remarks"] == ""
    assert rows["a.png"]["info_bar"].startswith("from row 170 down")


def test_the_row_of_the_info_bar_can_be_named(segmenter, tmp_path):
    folder = tmp_path / "sem"
    folder.mkdir()
    bar_image(folder / "b.png", noise=True)
    Image.fromarray(field(0.5)).save(folder / "low.png")
    result, _ = run(segmenter, folder, tmp_path / "out", bar_row=150)
    assert (np.asarray(Image.open(tmp_path / "out" / "b_mask.png"))[150:] == 0).all()
    assert rows_of(result.phases)[0]["info_bar"] == "from row 150 down (set by hand)"
    assert "can't begin at row 150" in result.skipped[0].reason


def test_no_bars_at_all_are_no_matter(segmenter, folder, tmp_path):
    _, said = run(segmenter, folder, tmp_path / "out")
    assert not any("info bar" in message for message in said)


def test_letters_that_no_font_has_are_reported(grey_level_segmenter, folder, tmp_path):
    table = numbered_table([1, 2])
    strange = table.classes[0].model_copy(update={"name": "\U00012345"})
    table = table.model_copy(update={"classes": (strange, table.classes[1])})
    _, said = run(grey_level_segmenter(table, LEVELS), folder, tmp_path / "out")
    assert "No font of this system has \U00012345" in said[0]


def test_images_that_are_excluded_in_their_project_are_named(segmenter, folder, tmp_path):
    said = []
    paths = images_of(folder)
    Project(folder).micrographs.set_excluded(["m0.png", "m2.png"], True)
    result = drain(
        predict(segmenter, paths, tmp_path / "out", CPU), lambda p: said.append(p.message)
    )
    line = "Excluded in the project of their folder, m0.png, m2.png count here."
    assert line in "\n".join(said)
    assert len(result.images) == 3


def test_overlays_of_an_earlier_run_are_told(segmenter, grey_level_segmenter, folder, tmp_path):
    out = tmp_path / "out"
    _, said = run(segmenter, folder, out)
    assert [line for line in said if "earlier run" in line] == []
    other = grey_level_segmenter(TABLE, LEVELS[::-1])
    _, said = run(other, folder, out, outputs=Outputs(masks_tiff=False, overlays=False))
    line = (
        "Beside these masks m0_overlay.png, m1_overlay.png, m2_overlay.png are of an earlier run, "
        "and may show other masks."
    )
    assert line in said
    _, said = run(other, folder, out)
    assert [line for line in said if "earlier run" in line] == []
