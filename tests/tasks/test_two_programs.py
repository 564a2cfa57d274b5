"""What another program writes while masks are measured or results are written."""

import csv
import errno

import numpy as np
import pytest
from iron import NAMES, SIZE, write_iron
from typer.testing import CliRunner

from napari_matssl.cli import app
from napari_matssl.errors import InputError
from napari_matssl.export.masks import write_mask
from napari_matssl.export.outputs import Outputs
from napari_matssl.export.results import ResultFolder
from napari_matssl.labels.class_table import ClassTable, numbered_table
from napari_matssl.labels.provenance import MaskFacts, Provenance
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Progress, drain
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.batch import Prepared, each_in_turn
from napari_matssl.tasks.measuring.export_project import export_project
from napari_matssl.tasks.measuring.mask_states import MaskStates
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks_by
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.measure_project import PhaseMeter
from napari_matssl.tasks.measuring.project_meter import ProjectMeter, changed_images
from napari_matssl.tasks.reporting.report_plan import Request, plan_report
from napari_matssl.tasks.reporting.write_report import write_report

GRAINS = MeasureSettings.make({"measures": "grains"})
PHASES = MeasurePlan(MeasureSettings())


def table(*names):
    known = zip(numbered_table([1, 2]).classes, names, strict=True)
    return ClassTable(classes=tuple(one.model_copy(update={"name": name}) for one, name in known))


def put(path, names, rows, run):
    """Write a mask whose second class has so many rows of 50."""
    mask = np.ones((50, 50), np.uint8)
    mask[:rows] = 2
    facts = MaskFacts(None, Provenance(image=path.name, run=run), table(*names))
    write_mask(path, mask, table(*names), facts=facts)


@pytest.fixture
def masks(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in "ab":
        put(folder / f"{name}_mask.png", ("ferrite", "pearlite"), 10, "first")
    return folder


def measured(masks, settings, sources=None, meanwhile=lambda: None):
    """Measure masks; `meanwhile` is called once they are planned, before the first is measured."""
    job = measure_masks_by(each_in_turn, [masks], sources or Sources(), settings, leave_out=True)
    told = []

    def once(progress):
        if not told:
            meanwhile()
        told.append(progress)

    return drain(job, once)


@pytest.mark.parametrize("numbered", [False, True])
def test_a_mask_that_another_run_replaces_is_not_measured_by_its_old_classes(masks, numbered):
    path = masks / "b_mask.png"
    settings, sources = MeasureSettings(), Sources()
    if numbered:
        settings, sources = GRAINS, Sources(numbered_grains=True)
        for mask in masks.iterdir():
            ids = np.repeat(np.arange(1, 6, dtype=np.uint8), 10)[None].repeat(50, axis=0)
            mask.unlink()
            write_mask(mask, ids, numbered_table([1, 2, 3, 4, 5]), facts=None)
        (masks / "classes.json").unlink(missing_ok=True)

    def replace():
        put(path, ("martensite", "ferrite"), 45, "second")

    found = measured(masks, settings, sources, replace)
    assert [one.name for one in found.skipped] == ["b_mask.png"]
    assert f"{path} was replaced while it was measured." in found.skipped[0].reason
    assert {*found.tables["fields.csv"]["image"]} == {"a_mask.png"}


def test_no_report_names_a_mask_that_was_replaced_since_it_was_measured(masks, tmp_path):
    found, out = measured(masks, MeasureSettings()), tmp_path / "out"
    out.mkdir()
    planned = plan_report(found, MeasureSettings(), Request())
    put(masks / "b_mask.png", ("martensite", "ferrite"), 45, "second")
    with pytest.raises(InputError, match="was replaced while it was measured"):
        drain(write_report(planned, out, ()))
    assert not list(out.iterdir())


@pytest.fixture
def opened(tmp_path):
    """A project as a window holds it, which measures 2 um per pixel."""
    return write_iron(tmp_path / "iron")


def calibrate(project, um):
    given = ["calibrate", str(project.folder), "--pixel-size-um", str(um)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output


def test_what_is_measured_has_the_pixel_size_that_a_terminal_has_set(opened, tmp_path):
    states = MaskStates(opened)
    meter, phases = ProjectMeter(opened, states), PhaseMeter(opened, states)
    before, area = drain(meter.measure(PHASES)), phases.measure().rows[0].area_um2
    assert {*before.tables["fields.csv"]["pixel_width_um"]} == {SIZE.x_um}
    calibrate(opened, SIZE.x_um / 10)
    assert phases.measure().rows[0].area_um2 == pytest.approx(area / 100)
    calibrate(opened, SIZE.x_um / 5)
    assert {*drain(meter.measure(PHASES)).tables["fields.csv"]["pixel_width_um"]} == {SIZE.x_um / 5}
    calibrate(opened, SIZE.x_um / 2)
    drain(export_project(opened, tmp_path / "out"))
    assert f",{area / 4:.10g}," in (tmp_path / "out" / "phases.csv").read_text("utf-8")


def test_figures_are_old_once_a_terminal_has_set_another_pixel_size(opened):
    states = MaskStates(opened)
    measured = drain(ProjectMeter(opened, states).measure(PHASES))
    calibrate(opened, SIZE.x_um / 10)
    assert changed_images(opened, states, measured) == NAMES[:3]


def test_what_another_window_excludes_and_cleans_counts_here_too(opened):
    meter, other = ProjectMeter(opened), Project(opened.folder)
    other.micrographs.set_excluded(NAMES[:1], True)
    other.masks.set_cleaning(Cleaning(smallest_region=40))
    other.classes.rename(1, "iron")
    found = drain(meter.measure(PHASES))
    assert found.images == NAMES[1:3]
    assert opened.masks.cleaning == Cleaning(smallest_region=40)
    assert "iron" in {*found.tables["phases.csv"]["class"]}


class Run:
    """A run that writes the masks of images into a folder of results, in which one class is all."""

    def __init__(self, folder, run, fraction=1):
        correct = lambda rows: CorrectedFractions()  # noqa: E731
        outputs = Outputs(masks_tiff=False, overlays=False)
        self.results = ResultFolder(folder, numbered_table([1, 2]), outputs, correct)
        self.run, self.fraction = run, fraction

    def write(self, name):
        mask = np.full((8, 10), self.fraction, np.uint8)
        image = Micrograph(name, np.arange(80, dtype=np.uint8).reshape(8, 10), None)
        self.results.write(image, mask, Provenance(image=name, run=self.run))


def images_and_runs(table):
    with table.open(encoding="utf-8-sig", newline="") as file:
        return {(row["image"], row["run"]) for row in csv.DictReader(file)}


def test_tables_that_another_run_writes_into_the_folder_meanwhile_are_kept(tmp_path):
    ours, theirs = Run(tmp_path, "ours"), Run(tmp_path, "theirs")
    theirs.write("a0.png")
    ours.write("b0.png")
    assert theirs.results.finish()[1] == ""
    assert images_and_runs(tmp_path / "phases.csv") == {("a0.png", "theirs")}
    ours.write("b1.png")
    assert not (tmp_path / "phases.csv").exists(), "masks are being written beside it"
    _, told = ours.results.finish()
    wanted = {("b0.png", "ours"), ("b1.png", "ours")}
    assert images_and_runs(tmp_path / "phases.csv") == wanted
    assert images_and_runs(tmp_path / "phases-stale.csv") == {("a0.png", "theirs")}
    assert "Another run has written its tables into this folder meanwhile" in told
    assert "keep the figures of another run, with 1 image that this one hasn't done" in told


def test_a_table_that_another_run_writes_at_the_very_end_is_kept(tmp_path):
    ours, theirs = Run(tmp_path, "ours"), Run(tmp_path, "theirs")
    ours.write("b0.png")
    theirs.write("a0.png")
    theirs.results.finish()
    ours.results.finish()
    assert images_and_runs(tmp_path / "phases-stale.csv") == {("a0.png", "theirs")}


def test_masks_that_another_run_has_replaced_meanwhile_are_named(tmp_path):
    ours, theirs = Run(tmp_path, "ours"), Run(tmp_path, "theirs", fraction=2)
    ours.write("a0.png")
    ours.write("a1.png")
    theirs.write("a1.png")
    _, told = ours.results.finish()
    assert told == (
        "Another run has replaced the masks of a1.png meanwhile, but the figures are those of this "
        "one: segment these images again, into another folder."
    )
    assert theirs.results.finish()[0] is not None


def test_an_image_whose_drive_goes_is_left_out_and_the_next_follow():
    """As a disk on a network that is asked whether a file is there."""

    def do(name):
        yield Progress("segmenting", 0, 1)
        if name == "b.png":
            raise OSError(errno.EHOSTDOWN, "Host is down", "share/b.png")
        return name

    done = {}
    names = {name: name for name in ("a.png", "b.png", "c.png")}
    ended = drain(each_in_turn(lambda: Prepared(do), names, "segmenting", done.__setitem__))
    assert [*done] == ["a.png", "c.png"]
    assert [one.reason for one in ended.skipped] == [
        "b.png can't be used: Host is down. Check the rights, the disk and the network."
    ]
