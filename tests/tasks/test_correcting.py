"""Which model's error corrects the figures of a project."""

import pytest
from tiny import TINY

from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.held_out import HeldOut, HeldOutImage
from napari_matssl.labels.provenance import Provenance
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter, write_segmenter
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.project.folder import Project
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks.measuring.correcting import correct_project, remark_unlearnt

NAMES = ("matrix", "carbides")
TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=n, name=name, colour=COLOURS[n]) for n, name in enumerate(NAMES, start=1)
    )
)
COUNTS = ((920, 80), (20, 980)), ((900, 100), (25, 975))


@pytest.fixture
def project(tmp_path, two_phases):
    """A folder with a model in it that takes a part of the matrix for carbides."""
    folder = tmp_path / "steel"
    folder.mkdir()
    write_micrograph(folder / "a.tif", two_phases(1, name="a.tif").micrograph)
    project = Project(folder)
    project.classes.adopt(TABLE)
    project.models.folder.mkdir(parents=True, exist_ok=True)
    return project


def add_model(project, name="m.safetensors", table=TABLE, held_out=True, confusions=COUNTS):
    images = tuple(HeldOutImage(name="x.tif", counts=one) for one in confusions)
    card = ModelCard(
        encoder=TINY,
        architecture="pixel-classifier",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=table,
        held_out=HeldOut(source="left-out", classes=table.names, images=images)
        if held_out
        else None,
    )
    network = build_network(TINY, len(table), architecture="pixel-classifier")
    write_segmenter(project.models.folder / name, Segmenter(network, card))
    return Provenance(model=name, model_created=card.created)


def rows(*origins, names=("matrix", "carbides"), ids=(1, 2)):
    """An image of each origin, with 30 % carbides."""
    return [
        PhaseFraction(f"{n}.tif", i, name, 100, 1000, percent, None, origin)
        for n, origin in enumerate(origins)
        for i, name, percent in zip(ids, names, (70.0, 30.0), strict=True)
    ]


def test_the_model_that_made_the_masks_corrects_them(project):
    origin = add_model(project)
    found = correct_project(project, rows(origin, origin))
    assert found.rows[1].corrected == pytest.approx(100 * (0.3 - 0.09) / (0.9775 - 0.09), rel=1e-3)


def test_a_class_of_the_model_is_found_by_the_name_that_it_has_now(project):
    origin = add_model(project)
    ids = {one.name: one.id for one in project.classes.table.classes}
    project.classes.rename(ids["carbides"], "M7C3")
    table = project.classes.table
    chosen = [one for one in table.classes if one.name in ("matrix", "M7C3")]
    measured = rows(origin, names=[c.name for c in chosen], ids=[c.id for c in chosen])
    found = correct_project(project, measured)
    assert found.rows[1].corrected is not None
    assert found.rows[1].class_name == "M7C3"


def test_classes_that_were_merged_since_are_one_in_held_out_images_too(project):
    """A tenth of the matrix is found as nitrides, which are carbides by now, in the masks, too."""
    nitrides = LabelClass(id=3, name="nitrides", colour=COLOURS[3])
    table = ClassTable(classes=(*TABLE.classes, nitrides))
    project.classes.adopt(table)
    counts = [((n, 0, 1000 - n), (0, 980, 20), (1000 - n, n - 10, 10)) for n in (900, 902)]
    origin = add_model(project, table=table, confusions=counts)
    ids = {one.name: one.id for one in project.classes.table.classes}
    project.classes.merge(ids["nitrides"], ids["carbides"])
    measured = rows(origin, origin, ids=(ids["matrix"], ids["carbides"]))
    row = correct_project(project, measured).rows[1]
    mistaken = 0.099  # of the matrix, and half as much of carbides and nitrides together
    wanted = 100 * (0.3 - mistaken) / (1 - 1.5 * mistaken)
    assert row.corrected == pytest.approx(wanted, rel=0.01)
    assert row.held_out_pixels == 4000


@pytest.mark.parametrize("case", ["several", "none", "gone", "again", "not held out"])
def test_where_no_model_can_be_asked_the_reason_is_told(project, case):
    origin = add_model(project, held_out=case != "not held out")
    measured, reason = {
        "several": (rows(origin, add_model(project, "n.safetensors")), "are of 2 models"),
        "none": (rows(Provenance()), "the masks name no model"),
        "gone": (rows(Provenance(model="old.safetensors")), "old.safetensors isn't among"),
        "again": (
            rows(origin.model_copy(update={"model_created": "2020-01-01T00:00:00+00:00"})),
            "was trained again since",
        ),
        "not held out": (rows(origin), "no image was held out of its training"),
    }[case]
    found = correct_project(project, measured)
    assert reason in found.reason
    assert all(row.corrected is None for row in found.rows)
    assert found.rows[0].raw == pytest.approx(70)


def test_a_class_that_the_model_has_not_learnt_is_told(project):
    origin = add_model(project)
    ids = {one.name: one.id for one in project.classes.table.classes}
    known = rows(origin, names=NAMES, ids=[ids[name] for name in NAMES])
    assert remark_unlearnt(project, known) == ""
    project.classes.rename(ids["carbides"], "M7C3")  # still the same class
    assert remark_unlearnt(project, known) == ""
    project.classes.add("pearlite")
    pearlite = project.classes.table.classes[-1]
    new = rows(origin, names=("matrix", pearlite.name), ids=(ids["matrix"], pearlite.id))
    assert remark_unlearnt(project, new).startswith(f"{pearlite.name}: unknown to the model")
    assert remark_unlearnt(project, [*new, *rows(Provenance())]) == ""
    assert remark_unlearnt(project, [*new, *rows(Provenance(model="gone.safetensors"))]) == ""
