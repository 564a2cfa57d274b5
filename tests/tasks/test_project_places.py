"""Specimens and sections of a project: kept, counted once each, and the same as by --groups."""

import pytest
from iron import ALL, NAMES, write_iron
from pandas.testing import assert_frame_equal

from napari_matssl.errors import InputError
from napari_matssl.export.outputs import Outputs
from napari_matssl.micrograph.place import Place
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.tasks.measuring.export_measured import export_measured
from napari_matssl.tasks.measuring.group_file import read_groups
from napari_matssl.tasks.measuring.mask_states import MaskStates
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks
from napari_matssl.tasks.measuring.measure_project import PhaseMeter
from napari_matssl.tasks.measuring.project_meter import ProjectMeter, changed_images
from napari_matssl.tasks.measuring.project_places import places_in_file, places_that_count

GROUPS = "image;specimen;section\na1.tif;S 1;A\na2_mask;S 1;B\na10.tif;S 2;A\nb.tif;S 2;A\n"
PLACES = {
    "a1.tif": Place("S 1", "A"),
    "a2.tif": Place("S 1", "B"),
    "a10.tif": Place("S 2", "A"),
}


@pytest.fixture
def project(tmp_path):
    return write_iron(tmp_path / "iron")


@pytest.fixture
def groups(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text(GROUPS)
    return path


def test_places_are_kept_in_the_project_without_blanks(project):
    project.micrographs.set_places({"a1.tif": Place("  S   1 ", "A\n", " hot ")})
    again = Project(project.folder).micrographs
    assert again.place("a1.tif") == Place("S 1", "A", "hot")
    assert again.place("a2.tif") == Place()
    again.set_places({"a1.tif": Place("", "", "")})
    assert Project(project.folder).micrographs.place("a1.tif") == Place()
    with pytest.raises(InputError, match=r"none\.tif"):
        again.set_places({"none.tif": Place("S 1")})


def test_a_file_of_groups_is_matched_to_the_images(project, groups):
    found, others = places_in_file(read_groups(groups), (*NAMES, "c.tif"))
    assert found == {**PLACES, "b.tif": Place("S 2", "A")}
    assert others == ("c.tif",)


def test_figures_are_those_of_the_command_with_the_same_groups(project, groups, tmp_path):
    project.micrographs.set_places(PLACES)
    meter, out = ProjectMeter(project), tmp_path / "out"
    drain(export_measured(meter, out, Outputs(masks_tiff=True), ALL))
    ours = drain(meter.measure(ALL)).tables
    for measure in ("phases", "layers", "nodules", "grains", "objects"):
        settings = ALL.settings.model_copy(update={"measures": measure})
        masks = [out / f"{name}_mask.tif" for name in ("a1", "a2", "a10")]
        theirs = measure_masks(
            masks, Sources(groups=groups), settings, ALL.classes.get(measure, ())
        ).tables
        name = {"phases": "summary.csv"}.get(measure, f"{measure}_summary.csv")
        assert "specimens" in set(ours[name]["over"])
        columns = ["n", "over", "images", *[c for c in ours[name] if c.startswith(("mean", "ci"))]]
        assert_frame_equal(ours[name][columns], theirs[name][columns])


def test_curves_of_sizes_are_those_of_the_table_by_group_and_specimen(project):
    project.micrographs.set_places({**PLACES, "a10.tif": Place("S 2", "A", "annealed")})
    measured = drain(ProjectMeter(project).measure(ALL))
    table = measured.tables["objects_summary.csv"]
    curves = measured.sizes["objects"]
    assert len({curve.group for curve in curves}) == 2
    for curve in curves:
        rows = table[(table.group == curve.group) & (table["class"] == curve.class_name)]
        rows = rows.set_index("figure")
        for name, found in zip(("d10_um", "d50_um", "d90_um"), curve.quantiles, strict=True):
            expected = rows.loc[name]
            assert found.value == pytest.approx(expected["mean"])
            assert (found.ci95 or 0) == pytest.approx(expected["ci95"] if expected["n"] > 1 else 0)


def test_the_interval_of_phases_is_over_specimens_and_the_spread_is_told_apart(project):
    meter = PhaseMeter(project)
    assert {row.specimen for row in meter.measure().rows} == {""}
    project.micrographs.set_places(PLACES)
    measured = meter.measure()
    assert measured.remark == ""
    assert {row.specimen for row in measured.rows} == {"S 1", "S 2"}


def test_specimens_count_once_each_image_has_one(project):
    project.micrographs.set_places({"a1.tif": Place("S 1"), "a2.tif": Place("S 2")})
    measured = PhaseMeter(project).measure()
    assert {row.specimen for row in measured.rows} == {""}
    assert measured.remark == (
        "1 of 3 images have no specimen, so intervals are over images: a10.tif."
    )
    assert measured.remark in drain(ProjectMeter(project).measure(ALL)).remarks
    project.micrographs.set_excluded(["a10.tif"], True)
    assert PhaseMeter(project).measure().remark == ""


def test_each_group_has_its_own_specimens(project):
    project.micrographs.set_places(
        {
            "a1.tif": Place("S 1", group="cold"),
            "a2.tif": Place("S 2", group="cold"),
            "a10.tif": Place(group="hot"),
        }
    )
    places = places_that_count(project, NAMES[:3])
    assert places.remark == ""
    assert places.of("a2.tif") == Place("S 2", group="cold")
    assert places.of("a10.tif") == Place(group="hot")


def test_figures_are_out_of_date_once_a_specimen_changes(project):
    states = MaskStates(project)
    meter = ProjectMeter(project, states)
    measured = drain(meter.measure(ALL))
    assert changed_images(project, states, measured) == ()
    project.micrographs.set_places({"a2.tif": Place("S 1")})
    assert changed_images(project, states, measured) == ("a2.tif",)


def test_a_page_with_a_specimen_keeps_it_without_a_line_on_sizes(project):
    project.micrographs.set_places({"a1.tif": Place("S 1")})
    assert project.micrographs.set_page("a1.tif", 1) == ()
    assert project.micrographs.place("a1.tif") == Place("S 1")


def test_the_table_of_fields_names_specimens(project):
    project.micrographs.set_places(PLACES)
    fields = drain(ProjectMeter(project).measure(ALL)).tables["fields.csv"]
    assert list(fields["specimen"]) == ["S 1", "S 1", "S 2"]
    assert list(fields["section"]) == ["A", "B", "A"]
