"""Opening folders, and what is found out about their images, through a real viewer."""

import numpy as np
import pytest
from desk import (
    NAMES,
    SIZE,
    docked,
    drop,
    rows,
    said,
    stroke,
    write_folder,
)
from napari.settings import get_settings
from qtpy.QtWidgets import QFileDialog

from napari_matssl.settings import Cleaning
from napari_matssl.widgets.canvas.shown import PAINTED, SEGMENTATION

random = np.random.default_rng(1)


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "steel")


@pytest.fixture
def panel(make_napari_viewer):
    return docked(make_napari_viewer(show=True))


@pytest.fixture
def opened(panel, folder):
    assert panel.session.folder.open([folder])
    return panel


def choose(monkeypatch, place):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(place))


def names_of_layers(panel):
    return [layer.name for layer in panel.session.viewer.layers]


def test_a_folder_opens_with_its_first_image_ready_to_paint(panel, folder, monkeypatch):
    choose(monkeypatch, folder)
    panel.opening.open_folder.click()
    assert panel.table.keys == NAMES
    assert panel.table.current == "a1.tif"
    assert panel.folder.text() == str(folder)
    viewer = panel.session.viewer
    assert names_of_layers(panel) == ["a1.tif", PAINTED]
    assert viewer.layers.selection.active is panel.session.current.shown.painted
    assert viewer.layers.selection.active.mode == "paint"
    assert not (folder / "matssl" / "labels").exists()  # looking writes nothing


def test_giving_up_the_dialog_changes_nothing(opened, monkeypatch):
    choose(monkeypatch, "")
    opened.opening.open_folder.click()
    assert opened.table.keys == NAMES


def test_some_files_of_a_folder_open(panel, folder, monkeypatch):
    chosen = ([str(folder / "a10.tif"), str(folder / "a2.tif")], "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: chosen)
    panel.opening.open_files.click()
    assert panel.table.keys == ("a2.tif", "a10.tif")


def test_a_folder_or_files_can_be_dropped_on_the_table(panel, folder):
    drop(panel.table, folder)
    assert panel.table.keys == NAMES
    drop(panel.table, folder / "a2.tif")
    assert panel.table.keys == ("a2.tif",)
    assert names_of_layers(panel) == ["a2.tif", PAINTED]


def test_a_folder_dropped_on_the_canvas_opens_in_the_shell(make_napari_viewer, folder):
    from napari_matssl.widgets.shell import MatSSLWidget

    get_settings().plugins.extension2reader = {"*/": "napari-matssl"}  # as the dialog keeps it
    viewer = make_napari_viewer(show=True)
    drop(viewer.window._qt_viewer, folder)
    (shell,) = viewer.window.dock_widgets.values()
    assert isinstance(shell, MatSSLWidget)
    assert shell.panels["Micrographs"].table.keys == NAMES
    assert [layer.name for layer in viewer.layers] == ["a1.tif", PAINTED]


@pytest.mark.parametrize("what", ["empty", "missing", "two"])
def test_what_cant_be_opened_is_said_in_one_line_and_changes_nothing(opened, tmp_path, what):
    problems = said(opened)
    stroke(opened)
    (tmp_path / "empty").mkdir()
    paths = {
        "empty": [tmp_path / "empty"],
        "missing": [tmp_path / "missing.tif"],
        "two": [tmp_path, tmp_path / "empty"],
    }[what]
    drop(opened.table, *paths)
    assert len(problems) == 1
    assert "\n" not in problems[0]
    assert opened.table.keys == NAMES
    assert opened.table.current == "a1.tif"
    assert opened.session.current.shown.painted.data.any()


def test_images_of_one_name_are_remarked_upon(panel, folder):
    lines = []
    panel.session.notices.remarked.connect(lines.append)
    (folder / "a1.png").write_bytes(b"")
    panel.session.folder.open([folder])
    assert len(lines) == 1
    assert "is left out" in lines[0]


def test_a_damaged_image_says_so_and_the_others_open(panel, folder, qtbot):
    problems = said(panel)
    (folder / "a1.tif").write_bytes(b"II*\0 nothing more")
    assert panel.session.folder.open([folder])
    assert len(problems) == 1
    qtbot.waitUntil(lambda: rows(panel)["a1.tif"] == "can't be read")
    assert panel.session.current.show("a2.tif")
    assert panel.table.current == "a2.tif"


def test_reopening_looks_the_same(make_napari_viewer, tmp_path, qtbot):
    folder = write_folder(tmp_path / "steel", um=None)
    panel = docked(make_napari_viewer(show=True))
    session = panel.session
    session.folder.open([folder])
    session.current.show("a2.tif")
    session.palette.edit(lambda project: project.classes.rename(1, "ferrite"))
    session.palette.edit(lambda project: project.classes.add("stain", exclude=True))
    session.palette.edit(lambda project: project.classes.reorder((3, 1, 2)))
    panel.facts.size.setText("0.5")
    panel.facts.size.editingFinished.emit()
    panel.facts.has_bar.click()
    panel.facts.row.setValue(80)
    stroke(panel, class_id=3)
    session.current.flush()
    mask = np.ones(SIZE, np.uint8)
    mask[40:43, 40:43] = 2
    session.folder.project.masks.write("a2.tif", mask)
    session.results.take_over("a2.tif", mask)
    session.results.clean(Cleaning(smallest_region=20))

    def look(panel):
        project, shown = panel.session.folder.project, panel.session.current.shown
        facts = panel.facts
        return {
            "current": panel.table.current,
            "classes": project.classes.in_order,
            "states": rows(panel),
            "size": (facts.size.text(), facts.size_source.text()),
            "bar": (facts.has_bar.isChecked(), facts.row.value(), facts.bar_source.text()),
            "painted": shown.painted.data.tolist(),
            "mask": shown.extra[SEGMENTATION].data.tolist(),
            "cleaning": project.masks.cleaning,
            "layers": [(x.name, tuple(x.scale), tuple(map(str, x.units))) for x in layers(panel)],
        }

    def layers(panel):
        return sorted(panel.session.viewer.layers, key=lambda layer: layer.name)

    before = look(panel)
    assert before["states"]["a2.tif"] == "saved, segmented"
    assert 2 not in np.unique(before["mask"])
    assert {scale for _, scale, _ in before["layers"]} == {(0.5, 0.5)}
    assert session.folder.close()
    assert len(session.viewer.layers) == 0
    assert panel.table.keys == ()
    again = docked(make_napari_viewer(show=True))
    again.session.folder.open([folder])
    assert look(again) == before


def test_a_folder_opens_at_once_however_many_images_it_has(panel, tmp_path, qtbot):
    folder = write_folder(tmp_path / "many", [f"m{number:03d}.tif" for number in range(200)])
    panel.session.folder.open([folder])
    assert panel.table.current == "m000.tif"
    assert len(panel.session.folder.facts) < 200  # the thumbnails come later
    qtbot.waitUntil(lambda: len(panel.session.folder.facts) == 200, timeout=60_000)


def test_a_folder_closed_in_the_middle_of_its_survey_tells_no_more(panel, tmp_path, folder, qtbot):
    many = write_folder(tmp_path / "many", [f"m{number:03d}.tif" for number in range(60)])
    panel.session.folder.open([many])
    panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: len(panel.session.folder.facts) == 3)
    assert set(panel.session.folder.facts) == set(NAMES)
    assert panel.session.folder.close()
    qtbot.wait(50)
    assert panel.session.folder.facts == {}
