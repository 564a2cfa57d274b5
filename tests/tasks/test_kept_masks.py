"""Runs that make only the masks that are missing."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, PngImagePlugin

from napari_matssl.export.outputs import Outputs
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.micrograph.place import Place
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning, PredictSettings
from napari_matssl.tasks import provenance
from napari_matssl.tasks.predicting import kept_masks
from napari_matssl.tasks.predicting.kept_masks import describe_replaced
from napari_matssl.tasks.predicting.predict import predict

CPU = PredictSettings(device="cpu", magnifications="one")
NAMES = ["m0.png", "m1.png", "m2.png"]


@pytest.fixture(scope="module")
def segmenter(grey_level_segmenter):
    return grey_level_segmenter(numbered_table([1, 2]), (0, 255))


def save(path, seed):
    bright = np.random.default_rng(seed).random((48, 64)) < 0.3
    Image.fromarray(np.where(bright, 255, 0).astype(np.uint8)).save(path)


@pytest.fixture
def place(tmp_path, segmenter):
    """A folder that was segmented; call it to do so again."""
    (tmp_path / "images").mkdir()
    for seed, name in enumerate(NAMES):
        save(tmp_path / "images" / name, seed)
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"weights")

    def run(settings=CPU, network=segmenter, missing=True, said=None, stop=None, told=None, **more):
        paths, out = sorted((tmp_path / "images").iterdir()), tmp_path / "out"
        job = predict(network, paths, out, settings, model=model, missing=missing, **more)
        result = drain(job, told if said is None else said.append, stop)
        return [one.name for one in result.images if not one.kept]

    assert run(missing=False) == NAMES
    return run


def files(tmp_path):
    return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_nothing_is_made_again_and_all_files_stay_as_they_are(place, tmp_path):
    before, said = files(tmp_path), []
    assert place(said=said) == []
    assert files(tmp_path) == before
    told = "3 of 3 images have masks of this model and these settings already, which are kept."
    assert told in [one.message for one in said]


def test_without_being_asked_all_masks_are_made_again(place):
    assert place(missing=False) == NAMES


@pytest.mark.parametrize("lost", ["m1_mask.png", "m1_overlay.png"])
def test_an_image_of_which_a_file_is_missing_is_done(place, tmp_path, lost):
    before = read_mask_facts(tmp_path / "out" / "m0_mask.png").provenance.run
    (tmp_path / "out" / lost).unlink()
    assert place() == ["m1.png"]
    with (tmp_path / "out" / "phases.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["image"], row["run"] == before) for row in csv.DictReader(file)]
    assert rows == [(name, name != "m1.png") for name in NAMES for _ in range(2)]
    assert not list((tmp_path / "out").glob("*stale*"))


def test_an_image_with_other_content_is_done(place, tmp_path):
    save(tmp_path / "images" / "m2.png", 77)
    assert place() == ["m2.png"]


def test_an_image_that_is_replaced_while_it_is_segmented_is_done_again(place, tmp_path):
    (tmp_path / "out" / "m2_mask.png").unlink()
    replaced = []

    def replace(progress):
        if progress.stage == "segmenting" and not progress.message and not replaced:
            save(tmp_path / "images" / "m2.png", 77)
            replaced.append(progress)

    assert place(told=replace) == ["m2.png"]
    assert replaced
    assert place() == ["m2.png"]


@pytest.mark.parametrize("missing", [True, False])
def test_masks_of_other_images_of_the_same_names_are_named_before_they_are_replaced(
    place, tmp_path, missing
):
    said = []
    place(missing=missing, said=said)
    assert not [one.message for one in said if "Replaced" in one.message]
    save(tmp_path / "images" / "m2.png", 77)
    said = []
    place(missing=missing, said=said)
    told = [one.message for one in said if "Replaced" in one.message]
    assert told == [
        "Replaced, as they were made of images of the same names but of other content: m2_mask.png."
        " To keep masks of other images, stop and choose another folder."
    ]


def test_an_image_that_can_no_longer_be_read_stops_no_comparison(place, tmp_path):
    place(missing=False)
    save(tmp_path / "images" / "m2.png", 77)
    pairs = [
        (tmp_path / "out" / "m0_mask.png", tmp_path / "images" / "gone.png"),
        (tmp_path / "out" / "m2_mask.png", tmp_path / "images" / "m2.png"),
    ]
    assert "content: m2_mask.png. To keep" in describe_replaced(pairs)


def test_a_damaged_mask_is_made_again(place, tmp_path):
    mask = tmp_path / "out" / "m0_mask.png"
    mask.write_bytes(mask.read_bytes()[:-30])
    assert place() == ["m0.png"]


@pytest.mark.parametrize("keeps_text", [True, False])
@pytest.mark.parametrize("missing", [True, False])
def test_a_mask_that_was_edited_is_made_again_and_kept_aside(place, tmp_path, keeps_text, missing):
    """Another program that keeps the text in the file leaves what the model found in doubt."""
    mask = tmp_path / "out" / "m0_mask.png"
    before = mask.read_bytes()
    with Image.open(mask) as stored:
        text = PngImagePlugin.PngInfo()
        for key, value in stored.text.items() if keeps_text else ():
            text.add_itxt(key, value)
        edited = stored.copy()
    edited.paste(1, (0, 0, 64, 10))
    edited.save(mask, pnginfo=text)
    by_hand, said = mask.read_bytes(), []
    assert (read_mask_facts(mask).provenance is not None) == keeps_text
    assert place(missing=missing, said=said) == (["m0.png"] if missing else NAMES)
    assert np.array_equal(np.asarray(Image.open(mask)), np.asarray(Image.open(io.BytesIO(before))))
    assert (tmp_path / "out" / "m0_mask-edited.png").read_bytes() == by_hand
    line = "m0_mask.png was edited since it was written: it is kept as m0_mask-edited.png."
    assert line in [one.message for one in said]
    assert [p.name for p in (tmp_path / "out").glob("*edited*")] == ["m0_mask-edited.png"]


def test_a_second_edited_mask_gets_a_number(tmp_path):
    for content in (100, 200):
        Image.fromarray(np.full((40, 40), content, np.uint8)).save(tmp_path / "a_mask.png")
        assert kept_masks.set_aside_edited(tmp_path / "a_mask.png")
    assert kept_masks.set_aside_edited(tmp_path / "a_mask.png") == "", "it isn't there"
    found = {p.name: int(np.asarray(Image.open(p)).max()) for p in tmp_path.iterdir()}
    assert found == {"a_mask-edited.png": 100, "a_mask-edited-2.png": 200}


def test_kept_masks_are_of_the_models_classes_whatever_stands_beside_them(place, tmp_path):
    path = tmp_path / "out" / "classes.json"
    before = path.read_text()
    path.write_text(before.replace("class 1", "other"))
    assert path.read_text() != before
    assert place() == []
    assert path.read_text() == before


def test_another_model_other_settings_or_files_make_all_masks_again(place, tmp_path, segmenter):
    assert place(CPU.with_cleaning(Cleaning(smallest_region=3))) == NAMES
    assert place(CPU.model_copy(update={"tile": 64})) == NAMES
    assert place() == NAMES
    assert place(bar_row=40) == NAMES
    assert place(bar_row=40, outputs=Outputs(masks_tiff=False, probabilities=True)) == NAMES
    assert place(bar_row=40, outputs=Outputs(masks_tiff=False, overlays=False)) == []
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    assert place(bar_row=40) == NAMES


def test_a_stale_overlay_beside_a_new_mask_does_not_count(place):
    """The second run writes masks alone, so that the overlays are of the first."""
    settings = CPU.model_copy(update={"tile": 64})
    assert place(settings, outputs=Outputs(masks_tiff=False, overlays=False)) == NAMES
    assert place(settings) == NAMES


def test_another_version_of_pytorch_makes_all_masks_again(place, monkeypatch):
    monkeypatch.setattr(provenance, "torch_version", lambda: "1.0")
    assert place() == NAMES


def test_stopped_before_the_first_missing_image_the_tables_keep_all_that_is_there(place, tmp_path):
    before = files(tmp_path)
    (tmp_path / "out" / "m1_mask.png").unlink()
    stop = [False]

    class Said(list):
        def append(self, progress):
            stop[0] = progress.stage == "segmenting"

    place(said=Said(), stop=lambda: stop[0])
    after = files(tmp_path)
    assert after["phases-stale.csv"] == before["phases.csv"]
    assert b"m0.png" in after["phases.csv"]
    assert b"m1.png" not in after["phases.csv"]


def test_what_decides_stands_in_every_mask():
    assert set(kept_masks._THE_SAME) <= set(provenance.Provenance.model_fields)


def test_specimens_count_in_the_tables_as_the_project_keeps_them(place, tmp_path):
    summary, said = tmp_path / "out" / "summary.csv", []

    def over():
        return {(row.n, row.over, row.images) for row in pd.read_csv(summary).itertuples()}

    assert over() == {(3, "images", 3)}
    kept = {name: Place(specimen) for name, specimen in zip(NAMES, "AAB", strict=True)}
    Project(tmp_path / "images").micrographs.set_places(kept)
    assert place(said=said) == []
    assert over() == {(2, "specimens", 3)}
    assert any(one.message.startswith("2 specimens count as the project of") for one in said)
    place(places=False)
    assert over() == {(3, "images", 3)}
