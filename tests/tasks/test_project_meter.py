"""Measuring a project by several measures, and exporting all of their tables."""

import io

import numpy as np
import pandas as pd
import pytest
from iron import ALL, NAMES, SIZE, command_of, mask_of, write_image, write_iron
from typer.testing import CliRunner

from napari_matssl.cli import app
from napari_matssl.errors import InputError, SettingsError
from napari_matssl.export.outputs import Outputs
from napari_matssl.export.tables import write_frames
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.progress import Control, drain
from napari_matssl.project.record import ModelRecord
from napari_matssl.settings import Cleaning, Size
from napari_matssl.settings.measuring import MEASURES, MeasureSettings
from napari_matssl.tasks.measuring.export_measured import existing_tables, export_measured
from napari_matssl.tasks.measuring.mask_states import MaskStates
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.measures import TABLES
from napari_matssl.tasks.measuring.project_meter import ProjectMeter, changed_images, items_of_image


@pytest.fixture
def project(tmp_path):
    return write_iron(tmp_path / "iron")


def as_read(frame, tmp_path):
    """Return a table as it is read from its file."""
    path = tmp_path / "one.csv"
    write_frames({path: frame})
    return pd.read_csv(io.StringIO(path.read_text(encoding="utf-8-sig")))


@pytest.mark.parametrize("measure", MEASURES)
def test_tables_are_those_of_the_command(project, tmp_path, measure):
    plan = MeasurePlan(ALL.settings.model_copy(update={"measures": measure}), ALL.classes)
    measured = drain(ProjectMeter(project).measure(plan))
    out = tmp_path / "by-command"
    given = command_of(measure, project.folder / "matssl" / "masks", out)
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert {path.name for path in out.iterdir()} == {"fields.csv", *TABLES[measure]}
    for name in TABLES[measure]:
        theirs = pd.read_csv(out / name, encoding="utf-8-sig")
        ours = as_read(measured.tables[name], tmp_path)
        left_out = [c for c in ("image", "pixel_size_source") if c in theirs]
        assert len(theirs)
        pd.testing.assert_frame_equal(ours.drop(columns=left_out), theirs.drop(columns=left_out))


def test_the_command_names_masks_that_painted_pixels_overrule_here(project, tmp_path):
    """The mask of a1 is measured as it is stored; the window counts what was painted over it."""
    painted = np.zeros((160, 200), np.uint8)
    painted[100:140, 50:150] = 2
    project.labels.write("a1.tif", painted)
    given = command_of("phases", project.folder / "matssl" / "masks", tmp_path / "out")
    said = " ".join(CliRunner().invoke(app, given).output.split())
    assert "a1.png: painted pixels overrule the mask in the window, not here" in said
    project.masks.set_painted_counts(False)
    assert "overrule" not in CliRunner().invoke(app, given).output


def test_only_what_has_changed_is_measured_again(project, monkeypatch):
    meter, read = ProjectMeter(project), []
    usual = type(project.masks).read
    monkeypatch.setattr(
        type(project.masks), "read", lambda self, name: read.append(name) or usual(self, name)
    )
    first = drain(meter.measure(ALL))
    assert read == list(NAMES[:3])
    second = drain(meter.measure(ALL))
    assert read == list(NAMES[:3])
    pd.testing.assert_frame_equal(first.tables["grains.csv"], second.tables["grains.csv"])
    project.masks.write("a2.tif", np.full((160, 200), 2, np.uint8))
    third = drain(meter.measure(ALL))
    assert read == [*NAMES[:3], "a2.tif"]
    assert third.tables["objects.csv"].image.eq("a2.tif").sum() == 1


def test_other_settings_are_measured_anew(project):
    meter = ProjectMeter(project)
    along = drain(meter.measure(MeasurePlan(MeasureSettings(measures="objects"))))
    across = MeasureSettings(measures="objects", line_direction="90")
    found = drain(meter.measure(MeasurePlan(across))).tables["object_summary.csv"]
    assert set(along.tables["object_summary.csv"].line_direction_deg) == {0}
    assert set(found.line_direction_deg) == {90}


def test_what_has_changed_since_is_told(project):
    states = MaskStates(project)
    measured = drain(ProjectMeter(project, states).measure(ALL))
    assert changed_images(project, states, measured) == ()
    project.masks.write("a2.tif", mask_of(7))
    project.masks.write("b.tif", mask_of(3))
    assert changed_images(project, states, measured) == ("a2.tif", "b.tif")
    project.masks.path("a1.tif").unlink()
    assert changed_images(project, states, measured) == ("a2.tif", "b.tif", "a1.tif")


def test_another_cleaning_changes_all(project):
    states = MaskStates(project)
    measured = drain(ProjectMeter(project, states).measure(ALL))
    project.masks.set_cleaning(Cleaning(smallest_region=40))
    assert changed_images(project, states, measured) == NAMES[:3]


def test_a_stopped_job_keeps_what_is_done(project):
    job = ProjectMeter(project).measure(ALL)
    next(job)
    next(job)
    with pytest.raises(StopIteration) as end:
        job.send(Control.STOP)
    measured = end.value.value
    assert (measured.images, measured.wanted) == (NAMES[:1], NAMES[:3])
    assert set(measured.tables["nodules.csv"].image) == {"a1.tif"}


def test_a_damaged_mask_is_named_and_the_others_are_measured(project):
    (project.folder / "matssl" / "masks" / "a2.png").write_bytes(b"no image")
    measured = drain(ProjectMeter(project).measure(ALL))
    assert measured.images == ("a1.tif", "a10.tif")
    assert "a2.png" in measured.problems[0]


def test_mixed_pixel_sizes_are_refused_but_for_fractions(project):
    project.micrographs.set_pixel_size("a2.tif", PixelSize(1.0, 1.0, "set by hand"))
    with pytest.raises(InputError, match=r"a1\.tif has .*a2\.tif"):
        drain(ProjectMeter(project).measure(ALL))
    mixed = MeasurePlan(ALL.settings.model_copy(update={"mixed": True}), ALL.classes)
    assert len(drain(ProjectMeter(project).measure(mixed)).images) == 3
    assert len(drain(ProjectMeter(project).measure(MeasurePlan())).images) == 3


def test_the_layer_has_to_be_named(project):
    with pytest.raises(SettingsError, match="layer"):
        drain(ProjectMeter(project).measure(MeasurePlan(MeasureSettings(measures="layers"))))


def test_images_without_a_pixel_size_are_named(project):
    write_image(project.folder, "a1.tif", 0, size=None)
    measured = drain(ProjectMeter(project).measure(ALL))
    assert measured.uncalibrated == ("a1.tif",)
    objects = measured.tables["objects.csv"].set_index("image")
    assert objects.loc["a1.tif", "area_um2"].isna().all()
    assert objects.loc["a2.tif", "area_um2"].notna().all()
    assert any("a1.tif" in line for line in measured.remarks)


# -- single items


@pytest.mark.parametrize(
    ("measure", "class_name", "count"),
    [("objects", "graphite", 8), ("nodules", "graphite", 8), ("grains", "grain boundary", 41)],
)
def test_items_have_the_numbers_of_their_pixels(project, measure, class_name, count):
    items = items_of_image(project, "a1.tif", SIZE, ALL, measure, class_name)
    assert len(items.table) == len(items.places) == items.numbers.max() == count
    areas = np.bincount(items.numbers.ravel())[1:]
    assert list(items.table.area_px) == list(areas)
    assert items.table.area_um2.to_numpy() == pytest.approx(4 * areas)
    for number, place in enumerate(items.places, start=1):
        rows, columns = np.nonzero(items.numbers == number)
        assert tuple(place) == pytest.approx((rows.mean(), columns.mean()))
    assert set(np.unique(items.kinds)) <= {0, *items.words}
    assert ((items.kinds > 0) == (items.numbers > 0)).all()


@pytest.mark.parametrize("figure", ["lines", "circles"])
def test_intercepts_add_up_to_those_of_the_table(project, figure):
    items = items_of_image(project, "a1.tif", SIZE, ALL, "grains", "grain boundary", figure)
    measured = drain(ProjectMeter(project).measure(ALL)).tables["grains.csv"]
    row = measured[(measured.image == "a1.tif") & (measured.method == figure)].iloc[0]
    assert items.table.counted.sum() == pytest.approx(row["intercepts"])
    assert set(items.kinds_of_ends) <= set(items.words)
    halves = {1: 0.5, 2: 1, 3: 1.5}
    for kind, counted in zip(items.kinds_of_ends, items.table.counted, strict=True):
        assert counted == halves[kind] if kind in halves else counted >= 2
    pieces = np.linalg.norm(items.lines[:, 1] - items.lines[:, 0], axis=1)
    assert pieces.sum() >= 0.99 * row["test_length_px"]  # parts lie outside what was analysed
    across = items.ends[:, 1] - items.ends[:, 0]
    assert np.linalg.norm(across, axis=1) == pytest.approx(160 / 45)


def test_a_tick_is_at_right_angles_to_its_line(project):
    items = items_of_image(project, "a1.tif", SIZE, ALL, "grains", "grain boundary", "lines")
    along = items.lines[items.table.test_line - 1]  # each line is one piece
    products = np.sum(np.diff(along, axis=1) * np.diff(items.ends, axis=1), axis=(1, 2))
    assert products == pytest.approx(0, abs=1e-6)


def test_columns_have_their_thickness_and_ends(project):
    items = items_of_image(project, "a2.tif", SIZE, ALL, "layers", "oxide")
    lengths = np.linalg.norm(items.ends[:, 1] - items.ends[:, 0], axis=1)
    assert items.table.thickness_px.to_numpy() == pytest.approx(lengths)
    assert lengths.mean() == pytest.approx(13, abs=0.6)
    assert items.table.thickness_um.to_numpy() == pytest.approx(2 * lengths)
    assert np.diff(items.table.along_um).min() > 0


# -- export


def test_exported_are_masks_and_all_tables(project, tmp_path):
    out = tmp_path / "out"
    done = drain(export_measured(ProjectMeter(project), out, Outputs(), ALL))
    assert done.images == NAMES[:3]
    tables = {name for measure in MEASURES for name in TABLES[measure]}
    names = {path.name for path in out.iterdir()}
    assert names >= {*tables, "fields.csv", "corrected.csv", "classes.json", "a1_mask.png"}
    measured = drain(ProjectMeter(project).measure(ALL))
    for name in tables - {*TABLES["phases"]}:
        ours = as_read(measured.tables[name], tmp_path)
        pd.testing.assert_frame_equal(ours, pd.read_csv(out / name, encoding="utf-8-sig"))
    existing = existing_tables(project, out, Outputs(), ALL)
    assert {path.name for path in existing} == names


def test_figures_follow_the_name_of_a_model_and_not_its_note(project):
    """Tables name models as they are called now, and look up their errors by that."""
    meter = ProjectMeter(project)
    drain(meter.measure(ALL))
    before = meter._states.of("a1.tif", project.classes.table)

    def keep(**values):
        one = ModelRecord(file="good.safetensors", created="2026-01-01", **values)
        project.record.change(lambda record: record.model_copy(update={"models": (one,)}))

    keep(note="from the first heat")
    assert meter._states.of("a1.tif", project.classes.table) == before
    keep(former=("model-001.safetensors",))
    assert meter._states.of("a1.tif", project.classes.table) != before


def test_tables_of_an_earlier_export_are_named(project, tmp_path):
    out, said = tmp_path / "out", []
    drain(export_measured(ProjectMeter(project), out, Outputs(), ALL))
    plan = MeasurePlan(MeasureSettings(measures="phases"))
    drain(export_measured(ProjectMeter(project), out, Outputs(), plan), said.append)
    (told,) = (one.message for one in said if "earlier run" in one.message)
    others = {name for measure in MEASURES[1:] for name in TABLES[measure]}
    assert {name for name in others if name in told} == others
    assert not [name for name in ("phases.csv", " summary.csv", "corrected.csv") if name in told]


def test_nothing_is_written_where_a_measure_cannot_be_made(project, tmp_path):
    out = tmp_path / "out"
    plan = MeasurePlan(MeasureSettings(measures="phases,layers"))
    with pytest.raises(SettingsError):
        drain(export_measured(ProjectMeter(project), out, Outputs(), plan))
    assert not out.exists()


def test_without_tables_nothing_is_measured(project, tmp_path):
    out = tmp_path / "out"
    outputs = Outputs(masks_png=True, masks_tiff=False, overlays=False, tables=False)
    drain(export_measured(ProjectMeter(project), out, outputs, ALL))
    assert not list(out.glob("*.csv"))


def stopping(job):
    """Send STOP at every further step."""
    try:
        while True:
            yield job.send(Control.STOP)
    except StopIteration as end:
        return end.value


def test_a_stopped_export_writes_tables_of_the_images_that_are_done(project, tmp_path):
    out = tmp_path / "out"
    job = export_measured(ProjectMeter(project), out, Outputs(), ALL)
    progress = next(job)
    while (progress.stage, progress.step) != ("exporting", 2):
        progress = next(job)
    done = drain(stopping(job))
    assert done.images == NAMES[:2]
    assert set(pd.read_csv(out / "fields.csv", encoding="utf-8-sig").image) == set(NAMES[:2])


@pytest.mark.parametrize("stage", ["measuring", "exporting"])
def test_tables_and_masks_agree_or_the_export_tells_that_images_changed(project, tmp_path, stage):
    def clean(progress):
        if (progress.stage, progress.step) == (stage, 2):
            project.masks.set_cleaning(Cleaning(smallest_region=Size(value=80)))

    out = tmp_path / "out"
    exported = drain(export_measured(ProjectMeter(project), out, Outputs(), ALL), clean)
    objects = pd.read_csv(out / "objects.csv", encoding="utf-8-sig").groupby("image").size()
    now = drain(ProjectMeter(project).measure(ALL)).tables["objects.csv"].groupby("image").size()
    if stage == "measuring":
        assert objects.to_dict() == now.to_dict()
        assert exported.problems == ()
    else:
        assert objects.to_dict() != now.to_dict()
        assert exported.problems == (
            "a1.tif, a2.tif, a10.tif changed meanwhile: the files don't agree. Export again.",
        )
