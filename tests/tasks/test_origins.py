"""Which masks of a project are older than its newest model, and what masks keep."""

import os

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from napari_matssl.export.run_tables import runs_in
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.provenance import MaskFacts, Provenance, read_mask_facts
from napari_matssl.learn.card import CARD_KEY, EncoderCard, ModelCard
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning, IntensityScalingSettings, PredictSettings
from napari_matssl.tasks.measuring.export_project import export_project
from napari_matssl.tasks.measuring.measure_project import PhaseMeter
from napari_matssl.tasks.provenance import (
    ANOTHER_BAR,
    ANOTHER_MODEL,
    ANOTHER_SIZE,
    OLDER_THAN_STROKES,
    UNSURE_MASK,
    ModelIdentity,
    mask_doubts,
    newest_model,
    state_provenance,
)

MASK = np.ones((40, 50), np.uint8)
FACTS = MaskFacts(
    PixelSize(0.5, 0.5, "test"),
    Provenance(image="a.png", model="one.safetensors", model_created="2026-01-01", run="r"),
)


@pytest.fixture
def project(tmp_path):
    for name in ("a.png", "b.png"):
        pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    numbered_table([1, 2]).write(tmp_path / "classes.json")
    return Project(tmp_path)


def add_model(project, created, name="new.safetensors"):
    card = ModelCard(
        kind="segmenter",
        encoder="x",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=numbered_table([1, 2]),
        created=created,
    )
    project.models.folder.mkdir(parents=True, exist_ok=True)
    path = project.models.folder / name
    save_file({"w": np.zeros(1)}, path, metadata={CARD_KEY: card.model_dump_json()})
    return path


def test_a_projects_mask_keeps_where_it_comes_from_also_when_a_class_is_merged(project):
    project.masks.write("a.png", MASK, FACTS)
    assert project.masks.provenance("a.png") == FACTS.provenance
    assert project.masks.provenance("b.png") is None
    mask = MASK.copy()
    mask[:5] = 2
    project.masks.write("a.png", mask, FACTS)
    project.classes.merge(2, into=1)
    assert project.masks.provenance("a.png") == FACTS.provenance
    assert (project.masks.read("a.png") == 1).all()


def test_a_mask_without_provenance_is_judged_by_its_date(project):
    project.masks.write("a.png", MASK)
    model = add_model(project, "2026-01-02")
    os.utime(project.masks.path("a.png"), (1000, 1000))
    assert mask_doubts(project) == {"a.png": ANOTHER_MODEL}
    os.utime(model, (500, 500))
    assert mask_doubts(project) == {}


def test_a_damaged_model_is_compared_with_no_mask(project):
    project.masks.write("a.png", MASK, FACTS)
    add_model(project, "2026-01-02").write_bytes(b"damaged")
    assert mask_doubts(project) == {}


def test_masks_of_another_model_than_the_newest_are_doubtful_older_or_younger(project):
    project.masks.write("a.png", MASK, FACTS)
    assert mask_doubts(project) == {}
    add_model(project, FACTS.provenance.model_created)
    assert mask_doubts(project) == {}
    add_model(project, "2025-12-31", "imported.safetensors")
    os.utime(project.models.folder / "imported.safetensors", (9e9, 9e9))
    assert mask_doubts(project) == {"a.png": ANOTHER_MODEL}
    assert mask_doubts(project, ["b.png"]) == {}


def add_encoder(project, created):
    card = EncoderCard(
        encoder="x",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        created=created,
    )
    path = project.models.new_path("encoder")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"w": np.zeros(1)}, path, metadata={CARD_KEY: card.model_dump_json()})
    os.utime(path, (9e9, 9e9))
    return path


def test_an_encoder_that_was_pretrained_since_makes_no_mask_doubtful(project):
    project.masks.write("a.png", MASK, FACTS)
    project.masks.write("b.png", MASK)
    add_encoder(project, "2026-03-01")
    assert mask_doubts(project) == {}
    assert newest_model(project) is None
    model = add_model(project, FACTS.provenance.model_created)
    os.utime(model, (1000, 1000))
    assert mask_doubts(project) == {}
    assert newest_model(project) == model


def test_a_mask_older_than_the_strokes_on_its_image_is_doubtful(project):
    strokes = np.zeros_like(MASK)
    strokes[:3] = 1
    project.labels.write("a.png", strokes)
    project.masks.write("a.png", MASK, FACTS)
    os.utime(project.labels.path("a.png"), (1000, 1000))
    assert mask_doubts(project) == {}
    os.utime(project.labels.path("a.png"), (9e9, 9e9))
    assert mask_doubts(project) == {"a.png": OLDER_THAN_STROKES}


@pytest.mark.parametrize(
    ("then", "now", "other"),
    [
        ("auto", 30, True),  # it wasn't found, and was set once somebody saw it in the mask
        (30, 30, False),
        (30, 31, True),
        (30, None, True),
        (30, "auto", True),
        (None, None, False),
        ("auto", "auto", False),
    ],
)
def test_a_mask_made_with_another_info_bar_than_is_set_now_is_doubtful(
    project, tmp_path, then, now, other
):
    if then != "auto":
        project.micrographs.set_info_bar("a.png", then)
    image = project.micrographs.read("a.png")
    model = ModelIdentity("one.safetensors", "", FACTS.provenance.model_created)
    origin = state_provenance(image, model, PredictSettings(), project.classes.table, "r")
    project.masks.write("a.png", MASK, MaskFacts(FACTS.pixel_size, origin))
    meter = PhaseMeter(project)
    assert meter.measure().rows[0].origin.remarks == ()
    project.micrographs.set_info_bar("a.png", now)
    is_listed = other and now != "auto"  # there is no model
    assert mask_doubts(project) == ({"a.png": ANOTHER_BAR} if is_listed else {})
    remarks = ("segmented with another info bar than is set now",) if other else ()
    assert meter.measure().rows[0].origin.remarks == remarks
    drain(export_project(project, tmp_path / "out"))
    table = (tmp_path / "out" / "phases.csv").read_text(encoding="utf-8-sig")
    assert ("another info bar" in table) is other


@pytest.mark.parametrize(
    ("of_model", "then", "now", "other"),
    [
        (0.5, None, 0.25, True),  # it was calibrated once the mask was there
        (0.5, None, 0.5, False),  # and has the size that was taken for granted
        (0.5, 0.25, 0.3, True),
        (0.5, 0.25, 0.251, False),
        (0.5, 0.25, None, True),
        (None, None, 0.25, False),  # the model sees all images alike
    ],
)
def test_a_mask_made_at_another_pixel_size_than_is_set_now_is_doubtful(
    project, tmp_path, of_model, then, now, other
):
    sizes = [None if um is None else PixelSize(um, um, "set by hand") for um in (then, now)]
    project.micrographs.set_pixel_size("a.png", sizes[0])
    image = project.micrographs.read("a.png")
    model = ModelIdentity("one.safetensors", "", FACTS.provenance.model_created, of_model)
    origin = state_provenance(image, model, PredictSettings(), project.classes.table, "r")
    project.masks.write("a.png", MASK, MaskFacts(image.pixel_size, origin))
    meter = PhaseMeter(project)
    assert meter.measure().rows[0].origin.remarks == ()
    assert mask_doubts(project) == {}
    project.micrographs.set_pixel_size("a.png", sizes[1])
    is_listed = other and now is not None  # else images would have to be read
    assert mask_doubts(project) == ({"a.png": ANOTHER_SIZE} if is_listed else {})
    remarks = ("segmented at another pixel size than is set now",) if other else ()
    assert meter.measure().rows[0].origin.remarks == remarks
    drain(export_project(project, tmp_path / "out"))
    table = (tmp_path / "out" / "phases.csv").read_text(encoding="utf-8-sig")
    assert ("another pixel size" in table) is other


def test_a_mask_of_which_its_model_is_unsure_is_doubtful(project):
    origin = FACTS.provenance.model_copy(update={"unsure": "the model is unsure of 9 %"})
    project.masks.write("a.png", MASK, MaskFacts(FACTS.pixel_size, origin))
    add_model(project, FACTS.provenance.model_created)
    assert mask_doubts(project) == {"a.png": UNSURE_MASK}


def test_measured_and_exported_rows_hold_the_cleaning_of_masks(project, tmp_path):
    project.masks.write("a.png", MASK, FACTS)
    project.masks.set_cleaning(Cleaning(smallest_region=5, largest_hole=6))
    row = PhaseMeter(project).measure().rows[0]
    assert row.origin.model == "one.safetensors"
    drain(export_project(project, tmp_path / "out"))
    table = tmp_path / "out" / "phases.csv"
    assert runs_in(table) == {
        "a.png": read_mask_facts(tmp_path / "out" / "a_mask.png").provenance.run
    }
    text = table.read_text(encoding="utf-8-sig")
    assert "all classes >= 5 px, holes <= 6 px" in text


def test_a_model_that_was_renamed_has_its_name_of_today_in_tables_and_its_masks_stay_its_own(
    project, tmp_path
):
    project.masks.write("a.png", MASK, FACTS)
    model = add_model(project, FACTS.provenance.model_created, "one.safetensors")
    project.models.rename(model, FACTS.provenance.model_created, "ferrite")
    assert mask_doubts(project) == {}
    assert mask_doubts(project) == {}
    assert PhaseMeter(project).measure().rows[0].origin.model == "ferrite.safetensors"
    assert project.masks.provenance("a.png").model == "one.safetensors", "files stay as written"
    drain(export_project(project, tmp_path / "out"))
    table = (tmp_path / "out" / "phases.csv").read_text(encoding="utf-8-sig")
    assert "ferrite.safetensors" in table
    assert "one.safetensors" not in table


def test_a_mask_names_its_page_of_a_file_of_several():
    model, run = ModelIdentity("one.safetensors", "ab", "2026"), "r"
    pixels, table = np.zeros((40, 50), np.uint8), numbered_table([1, 2])
    second = Micrograph("a.tif", pixels, page=2, pages=3)
    alone = Micrograph("b.tif", pixels)
    pages = [
        state_provenance(one, model, PredictSettings(), table, run).page for one in (second, alone)
    ]
    assert pages == [2, None]
