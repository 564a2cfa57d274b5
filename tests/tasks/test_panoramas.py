"""Panoramas are segmented by rows; their masks grow on disk."""

import csv
import json
import os

import numpy as np
import pytest
import tifffile

from napari_matssl.errors import InputError, OutputError, StoppedError
from napari_matssl.export.growing_mask import GrowingMask
from napari_matssl.export.masks import write_mask
from napari_matssl.export.outputs import Outputs
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.labels.unbroken import UnbrokenClass
from napari_matssl.learn import inference
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.measure import mask_regions
from napari_matssl.micrograph import reading_panorama
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.reading import read_micrograph, read_pixels
from napari_matssl.progress import Control, drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import PredictSettings, Size
from napari_matssl.tasks.exchanging.labels_for_others import hand_out_labels
from napari_matssl.tasks.info import describe
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks
from napari_matssl.tasks.predicting.predict import predict

TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="matrix", colour="#0072b2"),
        LabelClass(id=3, name="carbide", colour="#e69f00"),
        LabelClass(id=7, name="scratch", colour="#999999", exclude=True),
    )
)
SETTINGS = PredictSettings(device="cpu", magnifications="two", tile=64, tile_overlap=32)
PLAIN = Outputs(masks_tiff=False, overlays=False)


@pytest.fixture(scope="module")
def segmenter(grey_level_segmenter):
    """A network that looks around, at another magnification."""
    card = grey_level_segmenter(TABLE, (0, 128, 255), scale=0.7).card
    return Segmenter(build_network("test_efficientnet", 3, seed=3).eval(), card)


@pytest.fixture(autouse=True)
def _bands(monkeypatch):
    monkeypatch.setattr(inference, "_BAND", 2000)


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 10_000)


def save(path, size=(400, 130), um=0.5, seed=0):
    path.parent.mkdir(exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 255, (size[0] // 10, size[1] // 10))
    pixels = np.kron(blocks, np.ones((10, 10))).astype(np.uint8)
    unit = {"resolution": (1 / um, 1 / um), "metadata": {"unit": "um"}}
    tifffile.imwrite(path, pixels, imagej=True, **unit)
    return path


@pytest.fixture
def image(tmp_path):
    return save(tmp_path / "images" / "a.tif")


def run(segmenter, images, out, settings=SETTINGS, outputs=PLAIN, said=None, stop_at=None):
    """Run to the end, or stop at a tile; collect what is told."""
    job = predict(segmenter, images, out, settings, outputs)
    tiles = 0
    try:
        progress = next(job)
        while True:
            if progress.message and said is not None:
                said.append(progress.message)
            tiles += progress.stage == "segmenting" and not progress.message
            progress = job.send(Control.STOP if tiles == stop_at else None)
    except StopIteration as end:
        return end.value


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def figures(folder):
    kept = ("image", "class", "pixels", "analysed_pixels", "fraction_percent", "area_um2")
    return [{name: row[name] for name in kept} for row in rows_of(folder / "phases.csv")]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def whole(segmenter, image, tmp_path):
    """The folder of results, made of the image at once."""
    drain(predict(segmenter, [image], tmp_path / "whole", SETTINGS, PLAIN))
    return tmp_path / "whole"


def test_mask_and_figures_are_those_of_the_whole_image(segmenter, image, whole, tmp_path, large):
    result = run(segmenter, [image], tmp_path / "out")
    expected = read_pixels(whole / "a_mask.png")
    assert len(np.unique(expected)) > 1
    mask = tmp_path / "out" / "a_mask.tif"
    np.testing.assert_array_equal(read_pixels(mask), expected)
    assert figures(tmp_path / "out") == figures(whole)
    assert result.images[0].mask == mask
    tables = ["corrected.csv", "phases.csv", "summary.csv"]
    assert names_in(tmp_path / "out") == sorted(["a_mask.tif", "classes.json", *tables])


def test_the_mask_tells_where_it_comes_from(segmenter, image, whole, tmp_path, large):
    run(segmenter, [image], tmp_path / "out")
    facts, of_whole = (
        read_mask_facts(path) for path in (tmp_path / "out" / "a_mask.tif", whole / "a_mask.png")
    )
    assert facts.classes == TABLE
    assert facts.pixel_size.x_um == 0.5
    same = ("image", "model_created", "version", "light", "uncertain", "unsure", "info_bar")
    for name in same:
        assert getattr(facts.provenance, name) == getattr(of_whole.provenance, name), name
    assert facts.provenance.uncertain is not None


def test_a_large_mask_is_tiled_with_smaller_copies(segmenter, tmp_path, large):
    image = save(tmp_path / "images" / "a.tif", (2300, 150))
    run(segmenter, [image], tmp_path / "out", SETTINGS.model_copy(update={"tile": 512}))
    with tifffile.TiffFile(tmp_path / "out" / "a_mask.tif") as file:
        assert file.is_bigtiff
        assert file.is_ome
        first, *copies = file.series[0].levels
        assert [one.shape for one in copies] == [(1150, 75), (575, 38)]
        whole = first.asarray()
        for level, copy in enumerate(copies, start=1):
            assert copy.pages[0].is_tiled
            np.testing.assert_array_equal(copy.asarray(), whole[:: 2**level, :: 2**level])
        blue = file.pages[0].colormap[:, 1] >> 8
        assert tuple(blue) == TABLE.classes[0].rgb


@pytest.mark.parametrize("stop_at", [3, 9, 20])
def test_a_run_goes_on_where_it_was_stopped(segmenter, image, whole, tmp_path, large, stop_at):
    out = tmp_path / "out"
    with pytest.raises(StoppedError) as stopped:
        run(segmenter, [image], out, stop_at=stop_at)
    notes = {"rows": 0}
    if (out / "a_mask.unfinished.json").exists():
        notes = json.loads((out / "a_mask.unfinished.json").read_text())
    assert ("the same command goes on with a.tif" in str(stopped.value)) == (notes["rows"] > 0)
    assert (notes["rows"] > 0) == (stop_at > 3)
    said, tiles = [], []
    job = predict(segmenter, [image], out, SETTINGS, PLAIN)
    result = drain(job, lambda one: (said.append(one.message), tiles.append(one.total)))
    assert len(result.images) == 1
    np.testing.assert_array_equal(
        read_pixels(out / "a_mask.tif"), read_pixels(whole / "a_mask.png")
    )
    assert figures(out) == figures(whole)
    assert not list(out.glob("*unfinished*"))
    line = f"a.tif: an interrupted run is gone on with from row {notes['rows']:,} on."
    assert (line in said) == (notes["rows"] > 0)
    uncertain = [
        read_mask_facts(path).provenance.uncertain
        for path in (out / "a_mask.tif", whole / "a_mask.png")
    ]
    assert uncertain[0] == uncertain[1]


@pytest.mark.parametrize("change", ["the settings", "the image", "the model"])
def test_another_image_model_or_setting_begins_anew(segmenter, image, tmp_path, large, change):
    out, settings, one = tmp_path / "out", SETTINGS, segmenter
    with pytest.raises(StoppedError):
        run(segmenter, [image], out, stop_at=20)
    if change == "the settings":
        settings = settings.model_copy(update={"tile_overlap": 0})
    elif change == "the image":
        save(image, seed=1)
    else:
        card = segmenter.card.model_copy(update={"created": "2001-01-01T00:00:00+00:00"})
        one = Segmenter(segmenter.network, card)
    said = []
    run(one, [image], out, settings, said=said)
    assert any(f"({change} changed since)" in line for line in said)
    run(one, [image], tmp_path / "fresh", settings)
    assert figures(out) == figures(tmp_path / "fresh")


def test_finished_panoramas_are_not_segmented_again(segmenter, tmp_path, large):
    images = [save(tmp_path / "images" / f"{name}.tif", seed=n) for n, name in enumerate("ab")]
    model, out = tmp_path / "model.safetensors", tmp_path / "out"
    model.write_bytes(b"weights")
    drain(predict(segmenter, images[:1], out, SETTINGS, PLAIN, model))
    before = (out / "a_mask.tif").stat().st_mtime_ns
    result = drain(predict(segmenter, images, out, SETTINGS, PLAIN, model))
    assert [one.kept for one in result.images] == [True, False]
    assert (out / "a_mask.tif").stat().st_mtime_ns == before
    fresh = tmp_path / "fresh"
    drain(predict(segmenter, images, fresh, SETTINGS, PLAIN, model))
    assert figures(out) == figures(fresh)
    other = SETTINGS.model_copy(update={"tile_overlap": 0})
    result = drain(predict(segmenter, images[:1], out, other, PLAIN, model))
    assert [one.kept for one in result.images] == [False]


def test_what_needs_all_of_a_mask_is_left_out_with_a_line(segmenter, image, tmp_path, large):
    rule = UnbrokenClass(class_id=1, inside=1, outside=1, images=4)
    card = segmenter.card.model_copy(update={"unbroken": (rule,)})
    one = Segmenter(segmenter.network, card)
    said = []
    outputs = Outputs(masks_tiff=False, probabilities=True)
    run(one, [image], tmp_path / "out", SETTINGS, outputs, said)
    lines = "\n".join(said)
    assert "a.tif: no overlay or probabilities of so large an image; the mask is a TIFF." in lines
    left_out = "a.tif is too large (130 x 400 px) for merging detached components: left out."
    assert left_out in lines
    origin = read_mask_facts(tmp_path / "out" / "a_mask.tif").provenance
    assert left_out in origin.remarks


CLEANED = SETTINGS.model_copy(
    update={"smallest_region": Size(value=9, unit="um2"), "largest_hole": Size(value=120)}
)


def test_a_panorama_is_cleaned_as_the_whole_image(segmenter, image, whole, tmp_path, monkeypatch):
    drain(predict(segmenter, [image], tmp_path / "whole cleaned", CLEANED, PLAIN))
    expected = read_pixels(tmp_path / "whole cleaned" / "a_mask.png")
    assert (expected != read_pixels(whole / "a_mask.png")).mean() > 0.001
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 10_000)
    monkeypatch.setattr(mask_regions, "_BAND", 17 * 130)
    run(segmenter, [image], tmp_path / "out", CLEANED)
    np.testing.assert_array_equal(read_pixels(tmp_path / "out" / "a_mask.tif"), expected)
    assert figures(tmp_path / "out") == figures(tmp_path / "whole cleaned")
    origin = read_mask_facts(tmp_path / "out" / "a_mask.tif").provenance
    assert origin.cleaning == "all classes >= 9 um2, holes <= 120 px"


def test_another_cleaning_goes_on_with_the_rows_that_are_there(segmenter, image, tmp_path, large):
    out, said = tmp_path / "out", []
    with pytest.raises(StoppedError):
        run(segmenter, [image], out, stop_at=20)
    run(segmenter, [image], out, CLEANED, said=said)
    assert any("is gone on with from row" in line for line in said)
    run(segmenter, [image], tmp_path / "fresh", CLEANED)
    assert figures(out) == figures(tmp_path / "fresh")


def test_the_info_bar_is_not_analysed(segmenter, image, tmp_path, large):
    job = predict(segmenter, [image], tmp_path / "out", SETTINGS, PLAIN, bar_row=333)
    drain(job)
    mask = read_pixels(tmp_path / "out" / "a_mask.tif")
    assert (mask[333:] == 0).all()
    assert (mask[:333] > 0).all()
    analysed = {row["analysed_pixels"] for row in rows_of(tmp_path / "out" / "phases.csv")}
    assert analysed == {str(int(np.isin(mask, (1, 3)).sum()))}


def test_pixels_that_are_no_numbers_are_not_analysed(segmenter, tmp_path, large):
    pixels = np.kron(np.arange(400).reshape(40, 10) % 7, np.ones((10, 13))).astype(np.float32)
    pixels[100:120, 30:50] = np.nan
    path = tmp_path / "images" / "a.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, pixels)
    drain(predict(segmenter, [path], tmp_path / "out", SETTINGS, PLAIN))
    mask = read_pixels(tmp_path / "out" / "a_mask.tif")
    assert (mask == 0).tolist() == np.isnan(pixels).tolist()


def test_a_mask_that_another_program_is_writing_is_left_alone(tmp_path):
    path = tmp_path / "a_mask.unfinished"
    first = GrowingMask(path, (10, 4), {"the image": "x"})
    first.add(np.ones((3, 4), np.uint8), {"pixels": {}})
    notes = tmp_path / "a_mask.unfinished.json"
    state = json.loads(notes.read_text())
    notes.write_text(json.dumps({**state, "process": os.getppid()}))
    with pytest.raises(OutputError, match=f"another program .process {os.getppid()}"):
        GrowingMask(path, (10, 4), {"the image": "x"})
    first.leave()
    os.utime(notes, (1e9, 1e9))  # that program came later, and has got the number of the writer
    assert GrowingMask(path, (10, 4), {"the image": "x"}).rows == 3


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path, notes: notes.write_text("{"), "its notes are damaged"),
        (lambda path, notes: path.write_bytes(b"\1" * 11), "rows of it are missing"),
        (lambda path, notes: path.unlink(), "rows of it are missing"),
    ],
)
def test_what_an_earlier_run_left_is_checked(tmp_path, spoil, why):
    path = tmp_path / "a_mask.unfinished"
    first = GrowingMask(path, (10, 4), {"the image": "x"})
    first.add(np.ones((3, 4), np.uint8), {"pixels": {}})
    first.leave()
    second = GrowingMask(path, (10, 4), {"the image": "x"})
    assert second.resumed.rows == 3
    second.leave()
    spoil(path, tmp_path / "a_mask.unfinished.json")
    again = GrowingMask(path, (10, 4), {"the image": "x"})
    assert (again.rows, again.resumed.why_anew) == (0, why)
    again.leave()
    assert not list(tmp_path.iterdir())  # nothing is done, nothing stays


def test_the_mask_is_measured_like_any_other(segmenter, image, whole, tmp_path, large):
    out = tmp_path / "out"
    run(segmenter, [image], out)
    labels = read_labels(out / "a_mask.tif")
    np.testing.assert_array_equal(labels, read_labels(whole / "a_mask.png"))
    assert read_micrograph(out / "a_mask.tif").pixel_size.x_um == pytest.approx(0.5)


@pytest.fixture
def headed(tmp_path, large):
    """A panorama and its mask; of the image, rows after the first ones are damaged."""
    path = tmp_path / "images" / "a.tif"
    path.parent.mkdir()
    grey = np.random.default_rng(0).integers(0, 255, (400, 130)).astype(np.uint8)
    tifffile.imwrite(path, grey, rowsperstrip=8, compression="zlib")
    with tifffile.TiffFile(path) as file:
        begin = file.pages[0].dataoffsets[20]
    content = bytearray(path.read_bytes())
    content[begin : begin + 400] = bytes(400)
    path.write_bytes(content)
    ids = np.ones((400, 130), np.uint8)
    ids[50:90, 20:60] = 3
    write_mask(tmp_path / "labels" / "a.png", ids, TABLE)
    TABLE.write(tmp_path / "labels" / "classes.json")
    Project(path.parent).micrographs.set_pixel_size("a.tif", PixelSize(0.5, 0.5, "by hand"))
    with pytest.raises(InputError, match="damaged"):
        read_micrograph(path)
    return tmp_path


def test_labels_for_other_programs_take_the_size_alone(headed):
    out = headed / "coco.json"
    drain(hand_out_labels(headed / "labels", headed / "images", out, "coco"))
    image = json.loads(out.read_text())["images"][0]
    assert (image["width"], image["height"]) == (130, 400)


def test_measuring_takes_the_pixel_size_alone(headed):
    measured = measure_masks([headed / "labels"], Sources(images=headed / "images"))
    assert not [line for line in measured.remarks if "has no pixel size to take" in line]
    assert {row.area_um2 / row.pixels for row in measured.rows if row.pixels} == {0.25}


def test_a_panorama_is_described_without_being_whole_in_memory(image, large):
    facts = describe(image)
    assert (facts["width"], facts["height"], facts["dtype"]) == (130, 400, "uint8")
    assert facts["pixel_size_um"] == [0.5, 0.5]


@pytest.mark.parametrize("keeps_notes", [True, False])
def test_a_mask_that_was_edited_is_kept_aside(segmenter, image, tmp_path, large, keeps_notes):
    run(segmenter, [image], tmp_path / "out")
    mask, said = tmp_path / "out" / "a_mask.tif", []
    before = read_pixels(mask)
    with tifffile.TiffFile(mask) as file:
        notes = file.pages[0].description.encode() if keeps_notes else None
    edited = before.copy()
    edited[:20] = 7
    tifffile.imwrite(mask, edited, description=notes, metadata=None)
    assert (read_mask_facts(mask).provenance is not None) == keeps_notes
    by_hand = mask.read_bytes()
    run(segmenter, [image], tmp_path / "out", said=said)
    np.testing.assert_array_equal(read_pixels(mask), before)
    assert (tmp_path / "out" / "a_mask-edited.tif").read_bytes() == by_hand
    assert "a_mask.tif was edited since it was written: it is kept as a_mask-edited.tif." in said
