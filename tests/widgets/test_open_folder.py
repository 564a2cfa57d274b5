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


def choose(monkeypatch, place):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(place))


def names_of_layers(panel):
    return [layer.name for layer in panel.session.viewer.layers]


def test_a_folder_opens_with_its_first_image_ready_to_paint(empty_panel, folder, monkeypatch):
    choose(monkeypatch, folder)
    empty_panel.opening.open_folder.click()
    assert empty_panel.table.keys == NAMES
    assert empty_panel.table.current == "a1.tif"
    assert empty_panel.folder.text() == str(folder)
    viewer = empty_panel.session.viewer
    assert names_of_layers(empty_panel) == ["a1.tif", PAINTED]
    assert viewer.layers.selection.active is empty_panel.session.current.shown.painted
    assert viewer.layers.selection.active.mode == "paint"
    assert not (folder / "matssl" / "labels").exists()  # looking writes nothing


def test_giving_up_the_dialog_changes_nothing(panel, monkeypatch):
    choose(monkeypatch, "")
    panel.opening.open_folder.click()
    assert panel.table.keys == NAMES


def test_some_files_of_a_folder_open(empty_panel, folder, monkeypatch):
    chosen = ([str(folder / "a10.tif"), str(folder / "a2.tif")], "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: chosen)
    empty_panel.opening.open_files.click()
    assert empty_panel.table.keys == ("a2.tif", "a10.tif")


def test_a_folder_or_files_can_be_dropped_on_the_table(empty_panel, folder):
    drop(empty_panel.table, folder)
    assert empty_panel.table.keys == NAMES
    drop(empty_panel.table, folder / "a2.tif")
    assert empty_panel.table.keys == ("a2.tif",)
    assert names_of_layers(empty_panel) == ["a2.tif", PAINTED]


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
def test_what_cant_be_opened_is_reported_in_one_line_and_changes_nothing(panel, tmp_path, what):
    problems = said(panel)
    stroke(panel)
    (tmp_path / "empty").mkdir()
    paths = {
        "empty": [tmp_path / "empty"],
        "missing": [tmp_path / "missing.tif"],
        "two": [tmp_path, tmp_path / "empty"],
    }[what]
    drop(panel.table, *paths)
    assert len(problems) == 1
    assert "\n" not in problems[0]
    assert panel.table.keys == NAMES
    assert panel.table.current == "a1.tif"
    assert panel.session.current.shown.painted.data.any()


def test_images_of_one_name_are_remarked_upon(empty_panel, folder):
    lines = []
    empty_panel.session.notices.remarked.connect(lines.append)
    (folder / "a1.png").write_bytes(b"")
    empty_panel.session.folder.open([folder])
    assert len(lines) == 1
    assert "is left out" in lines[0]


def test_a_damaged_image_is_reported_and_the_others_open(empty_panel, folder, qtbot):
    problems = said(empty_panel)
    (folder / "a1.tif").write_bytes(b"II*\0 nothing more")
    assert empty_panel.session.folder.open([folder])
    assert len(problems) == 1
    qtbot.waitUntil(lambda: rows(empty_panel)["a1.tif"] == "can't be read")
    assert empty_panel.session.current.show("a2.tif")
    assert empty_panel.table.current == "a2.tif"


def test_reopening_looks_the_same(make_napari_viewer, tmp_path, qtbot):
    folder = write_folder(tmp_path / "steel", um=None)
    empty_panel = docked(make_napari_viewer(show=True))
    session = empty_panel.session
    session.folder.open([folder])
    session.current.show("a2.tif")
    session.palette.edit(lambda project: project.classes.rename(1, "ferrite"))
    session.palette.edit(lambda project: project.classes.add("stain", exclude=True))
    session.palette.edit(lambda project: project.classes.reorder((3, 1, 2)))
    empty_panel.facts.size.setText("0.5")
    empty_panel.facts.size.editingFinished.emit()
    empty_panel.facts.has_bar.click()
    empty_panel.facts.row.setValue(80)
    stroke(empty_panel, class_id=3)
    session.current.flush()
    mask = np.ones(SIZE, np.uint8)
    mask[40:43, 40:43] = 2
    session.folder.project.masks.write("a2.tif", mask)
    session.results.take_over("a2.tif", mask)
    session.results.clean(Cleaning(smallest_region=20))

    def look(empty_panel):
        project, shown = empty_panel.session.folder.project, empty_panel.session.current.shown
        facts = empty_panel.facts
        return {
            "current": empty_panel.table.current,
            "classes": project.classes.in_order,
            "states": rows(empty_panel),
            "size": (facts.size.text(), facts.size_source.text()),
            "bar": (facts.has_bar.isChecked(), facts.row.value(), facts.bar_source.text()),
            "painted": shown.painted.data.tolist(),
            "mask": shown.extra[SEGMENTATION].data.tolist(),
            "cleaning": project.masks.cleaning,
            "layers": [
                (x.name, tuple(x.scale), tuple(map(str, x.units))) for x in layers(empty_panel)
            ],
        }

    def layers(empty_panel):
        return sorted(empty_panel.session.viewer.layers, key=lambda layer: layer.name)

    before = look(empty_panel)
    assert before["states"]["a2.tif"] == "saved, segmented"
    assert 2 not in np.unique(before["mask"])
    assert {scale for _, scale, _ in before["layers"]} == {(0.5, 0.5)}
    assert session.folder.close()
    assert len(session.viewer.layers) == 0
    assert empty_panel.table.keys == ()
    again = docked(make_napari_viewer(show=True))
    again.session.folder.open([folder])
    assert look(again) == before


def test_a_folder_opens_at_once_however_many_images_it_has(empty_panel, tmp_path, qtbot):
    folder = write_folder(tmp_path / "many", [f"m{number:03d}.tif" for number in range(200)])
    empty_panel.session.folder.open([folder])
    assert empty_panel.table.current == "m000.tif"
    assert len(empty_panel.session.folder.facts) < 200  # the thumbnails come later
    qtbot.waitUntil(lambda: len(empty_panel.session.folder.facts) == 200, timeout=60_000)


def test_a_folder_closed_in_the_middle_of_its_survey_reports_no_more(
    empty_panel, tmp_path, folder, qtbot
):
    many = write_folder(tmp_path / "many", [f"m{number:03d}.tif" for number in range(60)])
    empty_panel.session.folder.open([many])
    empty_panel.session.folder.open([folder])
    qtbot.waitUntil(lambda: len(empty_panel.session.folder.facts) == 3)
    assert set(empty_panel.session.folder.facts) == set(NAMES)
    assert empty_panel.session.folder.close()
    qtbot.wait(50)
    assert empty_panel.session.folder.facts == {}
