"""Segmenting a list of images into masks, overlays and tables."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_matssl.errors import ComputeError, DeviceError, InputError, OutputError, StoppedError
from napari_matssl.export.outputs import Outputs
from napari_matssl.labels.class_table import ClassTable, LabelClass, numbered_table
from napari_matssl.labels.held_out import HeldOut, HeldOutImage
from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.labels.unbroken import UnbrokenClass
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph.reading import read_pixels
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning, PredictSettings, Size
from napari_matssl.tasks.predicting.predict import predict

TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="matrix", colour="#0072b2"),
        LabelClass(id=3, name="Karbid, groß", colour="#e69f00"),
        LabelClass(id=7, name="scratch", colour="#999999", exclude=True),
    )
)
LEVELS = (0, 128, 255)
IDS = np.array(TABLE.ids, np.uint8)
CPU = PredictSettings(device="cpu", magnifications="one")


@pytest.fixture(scope="module")
def segmenter(grey_level_segmenter):
    return grey_level_segmenter(TABLE, LEVELS)


def field(shares, size=(50, 80), seed=0):
    """Class indices in random places, in given shares of the pixels."""
    count = size[0] * size[1]
    values = np.repeat(np.arange(len(shares)), [round(s * count) for s in shares])
    return np.random.default_rng(seed).permutation(values).reshape(size)


def save(path, indices, um=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.array(LEVELS, np.uint8)[indices]
    if um is None:
        Image.fromarray(pixels).save(path)
    else:
        facts = {"resolution": (1 / um, 1 / um), "metadata": {"unit": "um"}}
        tifffile.imwrite(path, pixels, imagej=True, **facts)
    return path


@pytest.fixture
def images(tmp_path):
    """Two fields: one calibrated, one not."""
    return [
        save(tmp_path / "images" / "a1.tif", field((0.7, 0.2, 0.1)), um=0.5),
        save(tmp_path / "images" / "b 2.png", field((0.25, 0.75, 0.0), (64, 40), 1)),
    ]


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_masks_overlays_and_tables_are_written(segmenter, images, tmp_path):
    out = tmp_path / "new" / "out"
    result = drain(predict(segmenter, images, out, CPU))
    assert names(out) == [
        "a1_mask.png", "a1_overlay.png", "b 2_mask.png", "b 2_overlay.png",
        "classes.json", "corrected.csv", "phases.csv", "summary.csv",
    ]  # fmt: skip
    assert [image.name for image in result.images] == ["a1.tif", "b 2.png"]
    assert [image.mask for image in result.images] == [out / "a1_mask.png", out / "b 2_mask.png"]
    assert all(image.seconds > 0 for image in result.images)
    assert (result.phases, result.summary) == (out / "phases.csv", out / "summary.csv")
    assert ClassTable.model_validate_json((out / "classes.json").read_bytes()) == TABLE


def test_mask_pixels_are_class_ids_in_the_classes_colours(segmenter, images, tmp_path):
    drain(predict(segmenter, images, tmp_path / "out", CPU))
    with Image.open(tmp_path / "out" / "a1_mask.png") as mask:
        assert mask.mode == "P"
        ids = np.asarray(mask)
        colours = np.asarray(mask.convert("RGB"))
    np.testing.assert_array_equal(ids, IDS[field((0.7, 0.2, 0.1))])
    np.testing.assert_array_equal(colours[ids == 3][0], (0xE6, 0x9F, 0x00))


def test_the_table_of_phases_holds_the_fractions_and_areas(segmenter, images, tmp_path):
    drain(predict(segmenter, images, tmp_path / "out", CPU))
    rows = rows_of(tmp_path / "out" / "phases.csv")
    assert list(rows[0]) == [
        "image", "group", "class_id", "class", "pixels", "analysed_pixels", "fraction_percent",
        "area_um2", "model", "model_sha256", "run", "date", "version", "cleaning", "info_bar",
        "remarks", "light", "reason", "uncertain_percent", "pixel_size_source",
    ]  # fmt: skip
    found = [[v for k, v in row.items() if k != "group"][:7] for row in rows]
    assert found[0][:5] == ["a1.tif", "1", "matrix", "2800", "3600"]
    assert float(found[0][5]) == pytest.approx(100 * 2800 / 3600)
    assert float(found[0][6]) == pytest.approx(2800 * 0.25, rel=1e-5)
    assert found[1][:5] == ["a1.tif", "3", "Karbid, groß", "800", "3600"]
    assert found[2] == ["b 2.png", "1", "matrix", "640", "2560", "25", ""]
    assert found[3] == ["b 2.png", "3", "Karbid, groß", "1920", "2560", "75", ""]
    assert len(found) == 4  # the scratch is excluded


def test_an_image_that_the_model_is_unsure_of_is_remarked(segmenter, images, tmp_path):
    pixels = read_pixels(images[1]).copy()
    pixels[:16] = 64  # half-way between two classes, a quarter of the image
    Image.fromarray(pixels).save(tmp_path / "half-way.png")
    messages = []
    job = predict(segmenter, [images[1], tmp_path / "half-way.png"], tmp_path / "out", CPU)
    drain(job, lambda progress: messages.append(progress.message))
    (told,) = [one for one in messages if "unsure" in one]
    assert told.startswith("half-way.png: the model is unsure of 25 % of the area, so that ")
    assert told.endswith(
        "may be off by about 25 points. Check the mask, or paint where it is wrong."
    )
    rows = rows_of(tmp_path / "out" / "phases.csv")
    assert [row["uncertain_percent"] for row in rows] == ["0", "0", "25", "25"]
    assert ["unsure" in row["remarks"] for row in rows] == [False, False, True, True]
    origin = read_mask_facts(tmp_path / "out" / "half-way_mask.png").provenance
    assert origin.uncertain == pytest.approx(0.25)
    assert origin.unsure in told


def test_the_summary_holds_mean_and_confidence_over_images(segmenter, images, tmp_path):
    drain(predict(segmenter, images, tmp_path / "out", CPU))
    matrix, carbide = rows_of(tmp_path / "out" / "summary.csv")
    first, second = 100 * 2800 / 3600, 25.0
    assert (matrix["class"], matrix["n"]) == ("matrix", "2")
    assert float(matrix["mean_percent"]) == pytest.approx((first + second) / 2)
    s = abs(first - second) / 2**0.5
    assert float(matrix["s_percent"]) == pytest.approx(s)
    assert float(matrix["ci95_percent"]) == pytest.approx(12.7062 * s / 2**0.5, rel=1e-5)
    assert float(carbide["mean_percent"]) == pytest.approx((800 / 36 + 75) / 2)


def test_one_image_has_no_confidence_interval(segmenter, images, tmp_path):
    drain(predict(segmenter, images[:1], tmp_path / "out", CPU))
    rows = rows_of(tmp_path / "out" / "summary.csv")
    assert [row["class"] for row in rows] == ["matrix", "Karbid, groß"]
    for row in rows:
        assert row["n"] == "1"
        assert row["mean_percent"] != ""
        assert row["s_percent"] == row["ci95_percent"] == ""


def test_fractions_are_corrected_by_what_the_model_mistook(segmenter, images, tmp_path):
    names = segmenter.classes.names
    counts = tuple(
        HeldOutImage(name="a", counts=((900, 100 - n, 0), (0, 1000, 0), (0, 0, 1000)))
        for n in (0, 30)
    )
    held_out = HeldOut(source="validation", classes=names, images=counts)
    card = segmenter.card.model_copy(update={"held_out": held_out})
    result = drain(predict(replace(segmenter, card=card), images, tmp_path / "out", CPU))
    assert result.corrected_table == tmp_path / "out" / "corrected.csv"
    matrix, carbide = rows_of(result.corrected_table)
    summary = rows_of(result.summary)[0]
    assert matrix["raw_percent"] == summary["mean_percent"]
    wrong = (0.1 + 70 / 970) / 2
    assert float(matrix["corrected_percent"]) == pytest.approx(
        float(matrix["raw_percent"]) / (1 - wrong), rel=1e-3
    )
    assert (carbide["held_out_pixels"], carbide["held_out_images"]) == ("2000", "2")
    assert float(carbide["ci95_low_percent"]) < float(carbide["corrected_percent"])


def test_without_held_out_images_the_table_of_corrections_is_blank_with_a_reason(
    segmenter, images, tmp_path
):
    result = drain(predict(segmenter, images, tmp_path / "out", CPU))
    for row in rows_of(result.corrected_table):
        assert row["raw_percent"] != ""
        assert row["corrected_percent"] == row["ci95_low_percent"] == row["ci95_high_percent"] == ""
    assert "no image was held out of its training" in result.corrected.reason


def test_probabilities_and_overlays_are_written_as_asked(segmenter, images, tmp_path):
    outputs = Outputs(masks_tiff=False, overlays=False, probabilities=True)
    drain(predict(segmenter, images[:1], tmp_path / "out", CPU, outputs))
    assert names(tmp_path / "out") == [
        "a1_mask.png", "a1_probabilities.tif",
        "classes.json", "corrected.csv", "phases.csv", "summary.csv",
    ]  # fmt: skip
    with tifffile.TiffFile(tmp_path / "out" / "a1_probabilities.tif") as file:
        stack = file.asarray()
        facts = json.loads(file.pages[0].description)
        assert file.pages[0].photometric.name == "MINISBLACK"  # three classes are no colours
    assert stack.shape == (3, 50, 80)
    assert stack.dtype == np.uint8
    np.testing.assert_array_equal(IDS[stack.argmax(0)], IDS[field((0.7, 0.2, 0.1))])
    assert facts["classes"] == list(TABLE.names)


def speckled(path):
    """A field of matrix with a scratch, a speck of carbide and a large carbide with a hole."""
    indices = np.zeros((50, 80), dtype=int)
    indices[5:7, 5] = 1
    indices[20:40, 20:40] = 1
    indices[30, 30:33] = 0
    indices[45, 10:30] = 2
    return save(path, indices)


def test_cleaning_shows_in_mask_overlay_and_table_and_not_in_probabilities(segmenter, tmp_path):
    path = speckled(tmp_path / "images" / "a.png")
    plain, clean = tmp_path / "plain", tmp_path / "clean"
    outputs = Outputs(masks_tiff=False, probabilities=True)
    drain(predict(segmenter, [path], plain, CPU, outputs))
    settings = PredictSettings(
        device="cpu", magnifications="one", smallest_region=3, largest_hole=3
    )
    drain(predict(segmenter, [path], clean, settings, outputs))
    before, after = (np.asarray(Image.open(out / "a_mask.png")) for out in (plain, clean))
    assert set(before[5:7, 5]) == {3}
    assert set(after[5:7, 5]) == {1}
    assert set(before[30, 30:33]) == {1}
    assert set(after[30, 30:33]) == {3}
    assert np.array_equal(after == 7, before == 7)
    assert (before != after).sum() == 5
    carbide = [int(rows_of(out / "phases.csv")[1]["pixels"]) for out in (plain, clean)]
    assert carbide == [400 - 3 + 2, 400]
    pictures = [np.asarray(Image.open(out / "a_overlay.png")) for out in (plain, clean)]
    assert not np.array_equal(*pictures)
    stacks = [tifffile.imread(out / "a_probabilities.tif") for out in (plain, clean)]
    assert np.array_equal(*stacks)


def test_by_default_nothing_is_cleaned(segmenter, tmp_path):
    path = save(tmp_path / "images" / "a.png", field((0.6, 0.3, 0.1)))
    drain(predict(segmenter, [path], tmp_path / "out", CPU))
    mask = np.asarray(Image.open(tmp_path / "out" / "a_mask.png"))
    assert np.array_equal(mask, IDS[field((0.6, 0.3, 0.1))])


def bar_image(path):
    """A noisy specimen above a drawn bar, as SEM images have."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (200, 160)).astype(np.uint8)
    pixels[170:] = 0
    pixels[178:186, 20:60:4] = 255
    Image.fromarray(pixels).save(path)
    return path


def test_the_info_bar_is_left_out_unless_it_is_specimen(segmenter, tmp_path):
    path = bar_image(tmp_path / "sem.png")
    said = []
    drain(predict(segmenter, [path], tmp_path / "out", CPU), lambda p: said.append(p.message))
    mask = np.asarray(Image.open(tmp_path / "out" / "sem_mask.png"))
    assert mask.shape == (200, 160)
    assert (mask[170:] == 0).all()
    assert (mask[:170] > 0).all()
    assert any("info bar from row 170" in m and "the info bar set to none" in m for m in said)
    whole = PredictSettings(device="cpu", info_bar="none")
    drain(predict(segmenter, [path], tmp_path / "all", whole))
    assert (np.asarray(Image.open(tmp_path / "all" / "sem_mask.png")) > 0).all()


def test_components_detached_from_strata_are_merged_with_a_message_unless_they_shall_stay(
    grey_level_segmenter, tmp_path
):
    rule = UnbrokenClass(class_id=1, inside=2, outside=1, images=2)
    pixels = np.zeros((80, 96), dtype=np.uint8)
    pixels[40:60] = pixels[10:18, 10:20] = 255
    Image.fromarray(pixels).save(tmp_path / "section.png")
    table = numbered_table([1, 2])
    for images, choice, merged in (
        (2, "auto", True),
        (1, "auto", False),
        (1, "merge", True),
        (2, "keep", False),
    ):
        seen = rule.model_copy(update={"images": images})
        segmenter_of_strata = grey_level_segmenter(table, (0, 255), unbroken=(seen,))
        settings = CPU.model_copy(update={"detached_components": choice})
        said, out = [], tmp_path / f"{images}{choice}"
        drain(predict(segmenter_of_strata, [tmp_path / "section.png"], out, settings), said.append)
        mask = np.asarray(Image.open(out / "section_mask.png"))
        assert mask[14, 14] == (1 if merged else 2)
        assert (mask[40:60] == 2).all()
        assert any("detached components are merged" in p.message for p in said) is merged


@pytest.mark.parametrize(("um", "warned"), [(0.5, False), (0.3, False), (0.2, True), (1.3, True)])
def test_an_image_of_quite_another_magnification_is_remarked(
    grey_level_segmenter, tmp_path, um, warned
):
    segmenter = grey_level_segmenter(TABLE, LEVELS, pixel_size_um=0.5)
    path = save(tmp_path / "images" / "far.tif", field((0.5, 0.3, 0.2)), um)
    said = []
    drain(predict(segmenter, [path], tmp_path / "out", CPU), lambda p: said.append(p.message))
    about = [m for m in said if "less reliable" in m]
    named = ["far.tif" in line and f"{um:.4g} µm/px" in line for line in about]
    assert named == [True] * warned


def test_the_progress_runs_from_image_to_image_and_names_the_device(segmenter, images, tmp_path):
    seen = []
    drain(predict(segmenter, images, tmp_path / "out", CPU), seen.append)
    assert "cpu" in seen[0].message
    steps = [p for p in seen if p.stage == "segmenting"]
    assert [p.step for p in steps] == [1, 2]
    assert {p.total for p in steps} == {2}


def test_stop_keeps_what_is_done_and_its_table(segmenter, images, tmp_path):
    seen = []
    settings = PredictSettings(device="cpu", magnifications="one", tile=32, tile_overlap=0)
    job = predict(segmenter, images, tmp_path / "out", settings)
    stop_after = lambda: seen[-1].stage == "segmenting" and seen[-1].step > 1  # noqa: E731
    result = drain(job, seen.append, stop_after)
    assert [image.name for image in result.images] == ["a1.tif"]
    assert names(tmp_path / "out") == [
        "a1_mask.png", "a1_overlay.png",
        "classes.json", "corrected.csv", "phases.csv", "summary.csv",
    ]  # fmt: skip
    assert {row["image"] for row in rows_of(result.phases)} == {"a1.tif"}


def test_stop_before_the_first_image_is_done_writes_nothing(segmenter, images, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(StoppedError, match="nothing was written"):
        drain(predict(segmenter, images, out, CPU), should_stop=lambda: True)
    assert names(out) == []
    drain(predict(segmenter, images, out, CPU))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    seen = []
    job = predict(segmenter, images, out, CPU)
    with pytest.raises(StoppedError):
        drain(job, seen.append, lambda: seen[-1].stage == "segmenting")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_two_images_of_one_stem_are_an_error_before_anything_is_written(
    segmenter, images, tmp_path
):
    other = save(tmp_path / "others" / "a1.png", field((0.5, 0.5)))
    with pytest.raises(InputError, match=r"a1_mask\.png") as caught:
        drain(predict(segmenter, [*images, other], tmp_path / "out", CPU))
    assert str(images[0]) in caught.value.what
    assert str(other) in caught.value.what
    assert not (tmp_path / "out").exists()


def test_the_folder_of_the_images_is_no_place_for_masks(segmenter, images, tmp_path):
    for out in (tmp_path / "images", tmp_path / "images" / ".." / "images"):
        with pytest.raises(OutputError, match="Choose another folder"):
            drain(predict(segmenter, images, out, CPU))
    assert names(tmp_path / "images") == ["a1.tif", "b 2.png"]


def test_a_folder_that_cannot_be_made_is_an_error(segmenter, images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        drain(predict(segmenter, images, tmp_path / "file" / "out", CPU))


def test_a_device_that_is_not_there_is_an_error_before_anything_is_written(
    segmenter, images, tmp_path
):
    with pytest.raises(DeviceError):
        drain(predict(segmenter, images, tmp_path / "out", PredictSettings(device="cuda:63")))
    assert names(tmp_path / "out") == []


class NoMemory(torch.nn.Module):
    def forward(self, images):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_memory_too_small_for_any_image_is_an_error(segmenter, images, tmp_path):
    broken = Segmenter(NoMemory(), segmenter.card)
    out = tmp_path / "out"
    with pytest.raises(ComputeError, match=r"segmenting a1\.tif"):
        drain(predict(broken, images, out, CPU))
    assert names(out) == []


def test_the_same_folder_again_replaces_the_masks(segmenter, images, tmp_path):
    out = tmp_path / "out"
    drain(predict(segmenter, images[:1], out, CPU))
    save(images[0], field((0.1, 0.8, 0.1)), um=0.5)
    drain(predict(segmenter, images[:1], out, CPU))
    ids = np.asarray(Image.open(out / "a1_mask.png"))
    assert (ids == 3).mean() == 0.8
    assert len(rows_of(out / "phases.csv")) == 2


def test_a_page_of_files_that_hold_several_can_be_chosen(segmenter, tmp_path):
    shares = (0.7, 0.2, 0.1), (0.1, 0.6, 0.3)
    pages = [np.array(LEVELS, np.uint8)[field(one)] for one in shares]
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack(pages), photometric="minisblack")
    with pytest.raises(InputError, match="choose one by its number"):
        drain(predict(segmenter, [path], tmp_path / "out", CPU))
    drain(predict(segmenter, [path], tmp_path / "out", CPU, page=2))
    mask = read_pixels(tmp_path / "out" / "stack_mask.png")
    assert np.array_equal(mask, IDS[field(shares[1])])


@pytest.mark.parametrize(("row", "specimen"), [(120, 120), (None, 200), ("auto", 170)])
def test_an_info_bar_that_was_set_in_the_folders_project_counts(segmenter, tmp_path, row, specimen):
    path = bar_image(tmp_path / "sem.png")
    Project(tmp_path).micrographs.set_info_bar("sem.png", row)
    drain(predict(segmenter, [path], tmp_path / "out", CPU))
    mask = np.asarray(Image.open(tmp_path / "out" / "sem_mask.png"))
    assert (mask > 0).any(axis=1).sum() == specimen
    drain(predict(segmenter, [path], tmp_path / "stated", CPU, bar_row=150))
    mask = np.asarray(Image.open(tmp_path / "stated" / "sem_mask.png"))
    assert (mask > 0).any(axis=1).sum() == 150


def test_the_page_that_was_chosen_in_the_folders_project_is_segmented_and_named(
    segmenter, tmp_path
):
    shares = (0.7, 0.2, 0.1), (0.1, 0.6, 0.3)
    pages = [np.array(LEVELS, np.uint8)[field(one)] for one in shares]
    path, said = tmp_path / "stack.tif", []
    tifffile.imwrite(path, np.stack(pages), photometric="minisblack")
    Project(tmp_path).micrographs.set_page("stack.tif", 2)
    job = predict(segmenter, [path], tmp_path / "out", CPU)
    drain(job, lambda progress: said.append(progress.message))
    assert np.array_equal(read_pixels(tmp_path / "out" / "stack_mask.png"), IDS[field(shares[1])])
    assert any("page 2 is segmented, which was chosen in its folder" in one for one in said)
    drain(predict(segmenter, [path], tmp_path / "first", CPU, page=1))
    assert np.array_equal(read_pixels(tmp_path / "first" / "stack_mask.png"), IDS[field(shares[0])])


def test_sizes_of_one_class_leave_the_others_with_a_message(segmenter, tmp_path):
    path = speckled(tmp_path / "images" / "a.png")
    sizes = Cleaning(largest_hole=3).with_sizes(3, smallest_region=Size(value=3))
    drain(predict(segmenter, [path], tmp_path / "out", CPU.with_cleaning(sizes)))
    mask = np.asarray(Image.open(tmp_path / "out" / "a_mask.png"))
    assert set(mask[5:7, 5]) == {1}
    assert {row["cleaning"] for row in rows_of(tmp_path / "out" / "phases.csv")} == {
        "other classes holes <= 3 px; Karbid, groß >= 3 px, holes <= 3 px"
    }


def test_um2_clean_calibrated_images_and_others_are_listed(segmenter, tmp_path):
    folder, said = tmp_path / "images", []
    indices = np.zeros((50, 80), dtype=int)
    indices[20:22, 20:22] = 1  # 4 px: 1 um2 of 0.5 um
    fine = save(folder / "fine.tif", indices, um=0.5)
    coarse = save(folder / "coarse.tif", indices, um=2.0)
    plain = save(folder / "plain.png", indices)
    settings = PredictSettings.make(
        {"device": "cpu", "magnifications": "one", "smallest_region": "2um2"}
    )
    out = tmp_path / "out"
    drain(predict(segmenter, [fine, coarse, plain], out, settings), said.append)
    left = {n: (read_pixels(out / f"{n}_mask.png") == 3).sum() for n in ("fine", "coarse", "plain")}
    assert left == {"fine": 0, "coarse": 4, "plain": 4}
    rows = {row["image"]: row for row in rows_of(out / "phases.csv")}
    assert rows["fine.tif"]["cleaning"] == "all classes >= 2 um2"
    assert rows["plain.png"]["cleaning"] == (
        "all classes >= 2 um2 (not applied: the image has no pixel size)"
    )
    told = "plain.png: no pixel size was found, so sizes in um2 clean nothing here"
    assert told in rows["plain.png"]["remarks"]
    assert told in "\n".join(step.message for step in said if step.message)
    assert told not in rows["fine.tif"]["remarks"]
