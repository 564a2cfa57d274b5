"""Point counts of a project beside its masks, and their tables."""

import numpy as np
import pandas as pd
import pytest

from napari_matssl.errors import InputError
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.measure.point_count import summarise
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.place import Place
from napari_matssl.project.folder import Project
from napari_matssl.tasks.measuring.point_counts import export_counts, new_count, project_counts


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "steel"
    folder.mkdir()
    for seed, name in enumerate("ab"):
        pixels = np.random.default_rng(seed).integers(0, 255, (60, 80)).astype(np.uint8)
        write_micrograph(folder / f"{name}.tif", Micrograph(name, pixels))
    return Project(folder)


def half(project, name):
    """Write a mask whose left half is class 1."""
    mask = np.full((60, 80), 2, np.uint8)
    mask[:, :40] = 1
    project.masks.write(name, mask)


def count_by(project, name, judge, points=40):
    kept = new_count(project, project.micrographs.read(name), points, seed=1)
    for y, x in kept.points:
        kept = kept.answered(judge(y, x), "2026-01-02T03:04:05Z")
    project.points.write(name, kept)
    return kept


def by_half(_y, x):
    return (1,) if x < 40 else (2,)


def test_points_spare_the_info_bar_and_come_again_from_their_seed(project):
    micrograph = project.micrographs.read("a.tif").with_info_bar(InfoBar(45, "set by hand"))
    kept = new_count(project, micrograph, 30, seed=5)
    assert len(kept.points) == 30
    assert max(y for y, _ in kept.points) < 45
    assert new_count(project, micrograph, 30, seed=5) == kept
    assert new_count(project, micrograph, 30, seed=6).points != kept.points


def test_finished_counts_are_compared_with_the_masks_as_they_are_measured(project):
    half(project, "a.tif")
    half(project, "b.tif")
    count_by(project, "a.tif", by_half)
    count_by(project, "b.tif", lambda _y, x: (1,) if x < 20 else (2,))
    counts = project_counts(project)
    assert [image.image for image in counts.images] == ["a.tif", "b.tif"]
    assert [image.agreement.kappa for image in counts.images] == [1, pytest.approx(0.5, abs=0.1)]
    assert counts.images[0].rows[0].percent == pytest.approx(50, abs=5)
    # Painted pixels count as painted, in the mask that is measured, too.
    painted = np.full((60, 80), 2, np.uint8)
    project.labels.write("a.tif", painted)
    assert project_counts(project).images[0].rows[0].mask_percent == 0


def test_counts_that_are_not_finished_or_excluded_are_in_no_figure(project):
    kept = new_count(project, project.micrographs.read("a.tif"), 20, seed=0)
    project.points.write("a.tif", kept.answered((1,), ""))
    count_by(project, "b.tif", by_half)
    project.micrographs.set_excluded(["b.tif"], True)
    counts = project_counts(project)
    assert (counts.images, counts.begun) == ((), ("a.tif",))


def test_a_damaged_count_costs_no_other_image_its_figures(project):
    count_by(project, "a.tif", by_half)
    count_by(project, "b.tif", by_half)
    project.points.path("a.tif").write_text("{")
    counts = project_counts(project)
    assert [image.image for image in counts.images] == ["b.tif"]
    assert len(counts.problems) == 1
    assert "a.json" in counts.problems[0]


def test_tables_hold_every_image_and_every_point(project, tmp_path):
    half(project, "a.tif")
    count_by(project, "a.tif", by_half)
    count_by(project, "b.tif", lambda _y, x: () if x < 10 else by_half(0, x))
    written = export_counts(project, tmp_path / "out")
    assert [path.name for path in written] == [
        "point_count.csv",
        "point_count_summary.csv",
        "points.csv",
    ]
    per_image, summary, every = (pd.read_csv(path) for path in written)
    assert list(per_image["image"]) == ["a.tif"] * 2 + ["b.tif"] * 2
    assert per_image["kappa"].notna().tolist() == [True, True, False, False]
    assert summary["n"].tolist() == [2, 2]
    assert len(every) == 80
    assert every["mask_class"].notna().sum() == 40
    assert (every["time"] == "2026-01-02T03:04:05Z").all()


def test_without_a_finished_count_there_is_nothing_to_export(project, tmp_path):
    with pytest.raises(InputError, match="No points are counted"):
        export_counts(project, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_specimens_of_two_groups_are_not_one_and_images_without_one_stand_by_themselves(project):
    for name in ("c.tif", "d.tif"):
        write_micrograph(project.folder / name, project.micrographs.read("a.tif"))
    project = Project(project.folder)
    for name in ("a.tif", "b.tif", "c.tif", "d.tif"):
        count_by(project, name, by_half)
    assert {row.over for row in summarise(project_counts(project).images)} == {"points"}
    project.micrographs.set_places(
        {
            "a.tif": Place("1", group="annealed"),
            "b.tif": Place("1", group="annealed"),
            "c.tif": Place("1", group="quenched"),
            "d.tif": Place(group="as cast"),
        }
    )
    specimens = [image.specimen for image in project_counts(project).images]
    assert specimens[0] == specimens[1]
    assert len({*specimens}) == 3
    assert summarise(project_counts(project).images)[0].statistics.n == 3
