"""Objects, grains, layers and nodules in the panel Measure."""

import io

import numpy as np
import pandas as pd
import pytest
from file_events import slow_disk
from iron import NAMES, OF_CLASS, command_of, write_image, write_iron
from typer.testing import CliRunner

from napari_matssl.cli import app
from napari_matssl.export.tables import write_frames
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings.layers import LayerSettings
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.measures import TABLES
from napari_matssl.widgets.canvas.setting_facts import set_pixel_size
from napari_matssl.widgets.panels.measure_panel import MeasurePanel

MEASURES = tuple(OF_CLASS)
PER_IMAGE = {"objects": "object_summary.csv"}


@pytest.fixture
def project(tmp_path):
    return write_iron(tmp_path / "iron")


@pytest.fixture
def dock(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    panel = MeasurePanel(viewer)
    session = panel.session
    yield viewer.window.add_dock_widget(panel, name="Measure")
    session.runner.close()
    session.folder.end()


@pytest.fixture
def panel(dock, project, qtbot):
    """The panel, with the folder open and phases measured."""
    panel = dock.widget()
    assert panel.session.folder.open([project.folder])
    qtbot.waitUntil(lambda: panel.count.text() == "3 of 4 images are segmented.")
    qtbot.waitUntil(lambda: panel.tabs.isVisible())
    return panel


def tick(panel, *measures):
    for name in measures:
        panel.choice.ticks[name].setChecked(True)
        for of_class in OF_CLASS[name]:
            panel.choice.classes[name].tick(of_class)


def measure(qtbot, panel, *measures):
    tick(panel, *measures)
    assert panel.measuring.start.isEnabled(), panel.measuring.start.toolTip()
    with qtbot.waitSignal(panel.session.runner.ended, timeout=60_000):
        panel.measuring.start.click()
    return panel.tabs.views[measures[0]]


def as_read(frame, tmp_path):
    """Return a table as it is read from its file."""
    path = tmp_path / "one.csv"
    write_frames({path: frame})
    return pd.read_csv(io.StringIO(path.read_text(encoding="utf-8-sig")))


# -- choosing


def test_without_ticks_there_are_phases_alone(panel):
    assert not panel.tabs.tabBar().isVisible()
    assert panel.tabs.currentWidget() is panel.view
    assert not panel.measuring.row.isVisible()
    assert not panel.choice.form.isVisible()
    assert panel.choice.phases.isChecked()


def test_a_tick_brings_a_tab_that_tells_what_to_do(panel):
    panel.choice.ticks["objects"].setChecked(True)
    view = panel.tabs.views["objects"]
    assert panel.tabs.currentWidget() is view
    assert view.empty.text() == "Objects: not measured yet. Press Measure."
    panel.choice.ticks["objects"].setChecked(False)
    assert panel.tabs.indexOf(view) == -1


@pytest.mark.parametrize(("name", "what"), [("layers", "the layer"), ("nodules", "graphite")])
def test_the_class_of_a_layer_and_of_graphite_has_to_be_chosen(panel, name, what):
    panel.choice.ticks[name].setChecked(True)
    assert not panel.measuring.start.isEnabled()
    assert what in panel.measuring.start.toolTip()
    assert what in panel.tabs.views[name].empty.text()
    assert not panel.exporting.export.isEnabled()
    panel.choice.classes[name].tick(OF_CLASS[name][0])
    assert panel.measuring.start.isEnabled()
    assert panel.exporting.export.isEnabled()


def test_the_class_of_boundaries_has_to_be_chosen_where_no_name_tells(panel):
    panel.choice.ticks["grains"].setChecked(True)
    palette = panel.session.palette
    for one in palette.classes:  # by none of these names can boundaries or grains be told
        palette.edit(lambda project, one=one: project.classes.rename(one.id, f"phase {one.id}"))
    assert not panel.measuring.start.isEnabled()
    assert "boundaries, or of grains" in panel.measuring.start.toolTip()
    assert "boundaries, or of grains" in panel.tabs.views["grains"].empty.text()
    palette.edit(lambda project: project.classes.rename(1, "grain boundary"))
    ids = tuple(one.id for one in palette.classes)
    palette.edit(lambda project: project.classes.reorder(ids[::-1]))  # as the user likes them
    assert panel.measuring.start.isEnabled()
    palette.edit(lambda project: project.classes.rename(1, "phase 1"))
    assert not panel.measuring.start.isEnabled()
    panel.choice.classes["grains"].tick("phase 1")
    assert panel.measuring.start.isEnabled()


def test_nothing_segmented_tells_what_to_do(dock, project, qtbot):
    for path in (project.folder / "matssl" / "masks").iterdir():
        path.unlink()
    panel = dock.widget()
    panel.session.folder.open([project.folder])
    qtbot.waitUntil(lambda: panel.count.text() == "0 of 4 images are segmented.")
    tick(panel, "objects")
    assert not panel.measuring.start.isEnabled()
    assert "segment some images" in panel.tabs.views["objects"].empty.text()


def test_classes_follow_the_class_table(panel):
    tick(panel, "layers")
    palette = panel.session.palette
    palette.edit(lambda project: project.classes.rename(3, "scale"))
    assert panel.choice.classes["layers"].names == ("scale",)
    palette.edit(lambda project: project.classes.set_exclude(3, True))
    assert panel.choice.classes["layers"].names == ()


def test_only_settings_of_ticked_measures_are_shown(panel, qtbot):
    tick(panel, "grains")
    form = panel.choice.form
    form.more.expand(animate=False)
    shown = {name: not widgets[0].isHidden() for name, widgets in form._rows.items()}
    assert shown == {
        "line_direction": False, "mixed": True, "grains": True, "layers": False, "nodules": False
    }  # fmt: skip
    tick(panel, "objects")
    assert not form._rows["line_direction"][0].isHidden()


def test_settings_are_those_of_the_command(panel, tmp_path):
    file = tmp_path / "settings.json"
    MeasureSettings(measures="phases,grains", grains={"largest_gap": 7}).write(file)
    panel.choice.form.load(file)
    assert panel.choice.ticked == ("grains",)
    assert panel.choice.plan().settings.grains.largest_gap == 7
    tick(panel, "nodules")
    panel.choice.form.save(file)
    assert MeasureSettings.make(file=file).chosen == ("phases", "grains", "nodules")


def test_everything_fits_a_dock(panel, qtbot):
    tick(panel, *MEASURES)
    panel.choice.form.more.expand(animate=False)
    qtbot.wait(50)
    assert panel.minimumSizeHint().width() <= 370


# -- figures


def test_tables_are_those_of_the_command(panel, project, qtbot, tmp_path):
    panel.choice.form.set_value("line_direction", "both")
    measure(qtbot, panel, *MEASURES)
    for name, view in panel.tabs.views.items():
        out = tmp_path / name
        masks = project.folder / "matssl" / "masks"
        done = CliRunner().invoke(app, command_of(name, masks, out))
        assert done.exit_code == 0, done.output
        theirs = pd.read_csv(out / PER_IMAGE.get(name, f"{name}.csv"), encoding="utf-8-sig")
        ours = as_read(view.per_image, tmp_path)
        assert list(ours.image) == [f"{stem[:-4]}.tif" for stem in theirs.image]
        pd.testing.assert_frame_equal(ours.drop(columns="image"), theirs.drop(columns="image"))
        theirs = pd.read_csv(out / TABLES[name][-1], encoding="utf-8-sig")
        ours = as_read(view.summary_table.frame, tmp_path)
        pd.testing.assert_frame_equal(ours, theirs[list(ours)])
        assert {"mean", "s", "ci95", "relative_accuracy_percent"} <= {*ours}


def test_the_curve_of_sizes_has_the_quantiles_of_the_table(panel, qtbot):
    view = measure(qtbot, panel, "objects", "grains")
    (curve,) = view.plot.curves
    summary = view.summary_table.frame.set_index("figure")
    for name, found in zip(("d10_um", "d50_um", "d90_um"), curve.quantiles, strict=True):
        assert found.value == pytest.approx(summary.loc[name, "mean"])
        assert found.ci95 == pytest.approx(summary.loc[name, "ci95"])
    drawn = [type(item).__name__ for item in view.plot.plot.plotItem.items]
    assert drawn.count("ErrorBarItem") == 3
    colours = {one.name: one.colour for one in panel.session.folder.project.classes.table.classes}
    assert view.plot.colours == (colours[curve.class_name],)
    (grains,) = panel.tabs.views["grains"].plot.curves
    # Between boundaries one pixel wide, 20 px apart: 19 x 19 px of 2 um.
    assert np.allclose(grains.sizes, 2 * 19 * 2 / np.sqrt(np.pi))


def test_the_plot_of_a_layer_is_that_of_the_image_shown(panel, qtbot):
    view = measure(qtbot, panel, "layers")
    panel.session.current.show("a2.tif")
    assert view.plot.curve.title == "a2.tif, oxide"
    table = view.per_image.set_index("image")
    assert view.plot.curve.mean == pytest.approx(table.mean_um["a2.tif"]) == pytest.approx(26)
    assert np.nanmean(view.plot.curve.thickness) == pytest.approx(26)
    assert view.plot.curve.ci95 == pytest.approx(table.ci95_um["a2.tif"])


def test_porosity_of_a_layer_is_of_the_classes_named_in_the_form(panel, qtbot):
    panel.choice.form.set_value("layers", LayerSettings(pores="graphite"))
    view = measure(qtbot, panel, "layers")
    assert list(view.per_image.porosity_percent) == [0, 0, 0]  # it lies beside the oxide
    summary = view.summary_table.frame.set_index("figure").loc["porosity_percent"]
    assert (summary["n"], summary["mean"]) == (3, 0)


def test_nodularity_has_a_bar_per_image_and_the_mean(panel, qtbot):
    view = measure(qtbot, panel, "nodules")
    values = view.per_image.nodularity_by_number_percent
    assert [bar for _, bar in view.plot.bars] == pytest.approx(list(values))
    assert "on average" in view.plot.legend.text()


def test_remarks_of_a_measure_are_shown(panel, qtbot):
    view = measure(qtbot, panel, "nodules")
    assert "fewer than 50" in view.remarks.text()


def test_without_a_pixel_size_a_line_tells_why_and_what_to_do(dock, project, qtbot):
    write_image(project.folder, "a1.tif", 0, size=None)
    panel = dock.widget()
    panel.session.folder.open([project.folder])
    qtbot.waitUntil(lambda: panel.count.text() == "3 of 4 images are segmented.")
    view = measure(qtbot, panel, "objects")
    assert view.uncalibrated.text().startswith("a1.tif has no pixel size, so figures in µm")
    assert "Set it" in view.uncalibrated.text()
    model = view.image_table.frame_model
    cells = {c: model.text(0, c) for c in model.columns}
    assert (cells["objects"], cells["mean_area_um2"]) == ("8", "–")


# -- the job


def test_a_mask_that_changes_makes_figures_out_of_date(panel, project, qtbot):
    view = measure(qtbot, panel, "objects")
    assert panel.measuring.state.text() == "3 images measured."
    project.masks.write("a2.tif", np.full((160, 200), 2, np.uint8))
    panel.session.results.take_over("a2.tif", np.full((160, 200), 2, np.uint8))
    qtbot.waitUntil(lambda: "a2.tif changed since" in panel.measuring.state.text())
    assert view.image_table.frame_model.is_old(1)
    assert len(view.per_image) == 3  # the figures stay
    measure(qtbot, panel, "objects")
    assert panel.measuring.state.text() == "3 images measured."
    assert not view.image_table.frame_model.is_old(1)
    assert view.per_image.objects[1] == 0  # all of it touches the edge


def test_a_mask_that_changes_while_it_is_measured_makes_figures_out_of_date(panel, project, qtbot):
    measure(qtbot, panel, "objects")
    measuring, figures = panel.measuring, panel.session.figures
    project.masks.write("a2.tif", np.full((160, 200), 2, np.uint8))
    figures._on_measured(measuring.measured)  # as a job that began before
    qtbot.waitUntil(lambda: "a2.tif changed since" in measuring.state.text())


def test_other_settings_make_figures_out_of_date(panel, qtbot):
    measure(qtbot, panel, "objects")
    panel.choice.form.set_value("line_direction", "90")
    assert "settings changed since" in panel.measuring.state.text()
    panel.choice.form.set_value("line_direction", "0")
    assert panel.measuring.state.text() == "3 images measured."


def test_a_job_that_is_stopped_shows_what_is_done(panel, project, qtbot):
    tick(panel, "objects")
    runner = panel.session.runner
    with slow_disk(f"{project.folder}/matssl/masks/*.png") as disk:
        panel.measuring.start.click()
        qtbot.waitUntil(lambda: len(disk.names) == 1, timeout=60_000)
        assert panel.tabs.views["objects"].empty.text() == "Measuring..."
        disk.let(1)
        qtbot.waitUntil(lambda: len(disk.names) == 2, timeout=60_000)
        runner.job.finish()
        with qtbot.waitSignal(runner.ended, timeout=60_000):
            disk.go_on()
    assert panel.measuring.state.text() == "Stopped: 2 of 3 images are measured."
    assert list(panel.tabs.views["objects"].per_image.image) == ["a1.tif", "a2.tif"]


def test_a_panel_may_be_closed_while_it_measures_and_the_next_one_shows_the_figures(
    dock, panel, project, qtbot
):
    tick(panel, "objects")
    viewer, runner, gone = panel.session.viewer, panel.session.runner, []
    with slow_disk(f"{project.folder}/matssl/masks/*.png") as disk:
        panel.measuring.start.click()
        qtbot.waitUntil(lambda: len(disk.names) == 1, timeout=60_000)
        panel.destroyed.connect(lambda *_: gone.append(True))
        viewer.window.remove_dock_widget(dock)
        panel.deleteLater()
        qtbot.waitUntil(lambda: bool(gone))
        with qtbot.waitSignal(runner.ended, timeout=60_000):
            disk.go_on()  # pytest-qt fails on exceptions in slots
    again = MeasurePanel(viewer)
    viewer.window.add_dock_widget(again, name="Measure")
    qtbot.waitUntil(lambda: again.tabs is not None and again.tabs.isVisible())
    tick(again, "objects")
    assert again.measuring.state.text() == "3 images measured."
    assert len(again.tabs.views["objects"].per_image) == 3


def test_figures_go_with_their_folder(panel, qtbot):
    view = measure(qtbot, panel, "objects")
    assert panel.session.folder.close()
    assert view._pages.currentIndex() == 0
    assert "Open a folder" in panel.measuring.start.toolTip()


def test_a_damaged_mask_is_named(panel, project, qtbot):
    (project.folder / "matssl" / "masks" / "a2.png").write_bytes(b"no image")
    view = measure(qtbot, panel, "objects")
    assert "a2.png" in panel.measuring.state.text()
    assert list(view.per_image.image) == ["a1.tif", "a10.tif"]


# -- rows and images


@pytest.mark.parametrize("name", ["phases", "objects"])
def test_a_click_on_a_row_goes_to_the_image(panel, qtbot, name):
    view = measure(qtbot, panel, "objects")
    assert panel.session.current.shown.name == "a1.tif"
    if name == "objects":
        view.image_table.chosen.emit(2)
    else:
        panel.view.image_table.cellClicked.emit(2, 1)
    assert panel.session.current.shown.name == "a10.tif"


# -- export


def test_exported_are_the_tables_of_ticked_measures(panel, qtbot, tmp_path):
    tick(panel, "grains", "layers")
    out = tmp_path / "out"
    panel.exporting.place.set_folder(out)
    with qtbot.waitSignal(panel.session.runner.ended, timeout=60_000):
        panel.exporting.export.click()
    tables = {"fields.csv", "corrected.csv", *TABLES["phases"]}
    tables |= {*TABLES["grains"], *TABLES["layers"]}
    assert {path.name for path in out.glob("*.csv")} == tables
    layers = pd.read_csv(out / "layers.csv", encoding="utf-8-sig")
    assert list(layers.image) == list(NAMES[:3])
    assert list(layers.mean_px) == pytest.approx([12, 13, 14])


def test_an_export_that_a_measure_refuses_writes_nothing(panel, qtbot, tmp_path):
    set_pixel_size(panel.session.current, PixelSize(1.0, 1.0, "set by hand"))
    tick(panel, "objects")
    out = tmp_path / "out"
    panel.exporting.place.set_folder(out)
    failed = []
    panel.session.runner.started.connect(lambda job: job.failed.connect(failed.append))
    with qtbot.waitSignal(panel.session.runner.ended, timeout=60_000):
        panel.exporting.export.click()
    assert "a1.tif has 1 µm/px" in str(failed[0])
    assert not out.exists()
