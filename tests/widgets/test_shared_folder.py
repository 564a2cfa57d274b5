"""Two windows, or another program, on the folder that is painted in."""

import shutil

import numpy as np
from acting import LONG_MS
from desk import docked, is_saved, labels_on_disk, rows, said, stroke, write_folder
from limits import largest_file
from PIL import Image
from qtpy.QtWidgets import QFileDialog

from napari_matssl.micrograph.image import PixelSize
from napari_matssl.project.folder import Project


def lines(panel):
    told = []
    panel.session.notices.remarked.connect(told.append)
    return told


def changes(told):
    return len([line for line in told if "changed by another window or program" in line])


def painted(panel):
    return panel.session.current.shown.painted


def test_two_windows_on_one_image_keep_and_show_the_strokes_of_both(
    panel, make_napari_viewer, folder, qtbot
):
    other = docked(make_napari_viewer(show=True))
    assert other.session.folder.open([folder])
    told = lines(panel), lines(other)
    stroke(panel, 20, 30, 1)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    stroke(other, 60, 60, 2)
    for one in (panel, other):
        qtbot.waitUntil(
            lambda one=one: painted(one).data[20, 30] == 1 and painted(one).data[60, 60] == 2,
            timeout=LONG_MS,
        )
    qtbot.waitUntil(lambda: is_saved(panel) and is_saved(other), timeout=LONG_MS)
    for heard in told:
        assert len([line for line in heard if "another window" in line]) == 1
    painted(other).undo()  # takes back its own stroke, and nothing else
    qtbot.waitUntil(lambda: painted(panel).data[60, 60] == 0, timeout=LONG_MS)
    assert painted(other).data[20, 30] == 1


def test_strokes_that_are_all_taken_back_in_one_window_go_in_the_other(
    panel, make_napari_viewer, folder, qtbot
):
    stroke(panel, 20, 30, 1)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    other = docked(make_napari_viewer(show=True))
    assert other.session.folder.open([folder])
    assert painted(other).data.any()
    told = lines(panel), lines(other)
    painted(panel).undo()
    for one in (panel, other):
        qtbot.waitUntil(lambda one=one: not painted(one).data.any(), timeout=LONG_MS)
    name = panel.session.current.shown.name
    qtbot.waitUntil(lambda: labels_on_disk(folder, name) is None, timeout=LONG_MS)
    assert [line for line in told[0] if "another window" in line] == []
    assert len([line for line in told[1] if "another window" in line]) == 1
    painted(panel).redo()
    qtbot.waitUntil(lambda: painted(other).data.any(), timeout=LONG_MS)


def test_others_who_have_the_folder_open_are_named_until_they_close_it(
    panel, make_napari_viewer, folder, qtbot
):
    other = docked(make_napari_viewer(show=True))
    heard = lines(other)
    assert other.session.folder.open([folder])
    assert not (folder / "matssl").exists()  # nobody has painted yet
    assert not [line for line in heard if "has had it open since" in line]
    stroke(panel, 20, 30, 1)
    qtbot.waitUntil(
        lambda: len(list((folder / "matssl" / "open").glob("*.json"))) == 2, timeout=LONG_MS
    )
    assert other.session.folder.open([folder])
    assert len([line for line in heard if "has had it open since" in line]) == 1
    assert panel.session.folder.close()
    other.session.folder.end()
    assert not (folder / "matssl" / "open").exists()


def test_a_class_added_in_one_window_shows_in_the_other(panel, make_napari_viewer, folder, qtbot):
    other = docked(make_napari_viewer(show=True))
    assert other.session.folder.open([folder])
    other.session.palette.edit(lambda project: project.classes.add("oxide"))
    stroke(other, 60, 60, 3)
    qtbot.waitUntil(lambda: painted(panel).data[60, 60] == 3, timeout=LONG_MS)
    qtbot.waitUntil(
        lambda: "oxide" in [one.name for one in panel.session.palette.classes], timeout=LONG_MS
    )


def test_labels_deleted_under_an_open_image_come_back_with_a_remark(panel, folder, qtbot):
    told = lines(panel)
    stroke(panel)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    (folder / "matssl" / "labels" / "a1.png").unlink()
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    qtbot.waitUntil(lambda: any("were deleted" in line for line in told), timeout=LONG_MS)
    (folder / "matssl" / "labels" / "a1.png").unlink()
    panel.session.current.step(1)
    panel.session.current.step(-1)
    assert painted(panel).data[20, 30] == 1


def test_labels_written_by_another_program_are_taken_up(panel, folder, qtbot):
    stroke(panel)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    path = folder / "matssl" / "labels" / "a1.png"
    image = Image.open(path)
    more = np.asarray(image).copy()
    more[70:90, 5:60] = 2
    new = Image.fromarray(more)
    new.putpalette(image.getpalette())
    new.save(path)
    stroke(panel, 50, 100)
    qtbot.waitUntil(lambda: bool((painted(panel).data[70:90, 5:60] == 2).all()), timeout=LONG_MS)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    assert labels_on_disk(folder, "a1.tif")[50, 100] == 1


def test_a_folder_that_goes_is_reported_and_saved_to_when_it_is_back(panel, folder, qtbot):
    problems = said(panel)
    stroke(panel)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    moved = folder.with_name("moved")
    shutil.move(folder, moved)
    qtbot.waitUntil(lambda: bool(problems), timeout=LONG_MS)  # without another stroke
    assert "is gone or was replaced" in problems[0]
    stroke(panel, 60, 60)
    assert panel.status.text().startswith("The strokes are NOT saved. The folder")
    assert not panel.session.current.leave()
    assert not folder.exists()
    shutil.move(moved, folder)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)  # without another stroke
    qtbot.waitUntil(lambda: panel.status.text() == "All strokes are saved.", timeout=LONG_MS)
    assert len(problems) == 1


def test_a_read_only_folder_is_reported_before_the_first_stroke(panel, tmp_path, qtbot):
    closed = write_folder(tmp_path / "closed")
    (closed / "matssl").write_text("in the way")
    told = lines(panel)
    assert panel.session.folder.open([closed])
    assert len([line for line in told if "can't be saved" in line]) == 1
    assert panel.status.text().startswith("Strokes can't be saved here: ")
    (closed / "matssl").unlink()
    stroke(panel)
    qtbot.waitUntil(lambda: panel.status.text() == "All strokes are saved.", timeout=LONG_MS)


def test_strokes_of_a_read_only_folder_are_kept_elsewhere(
    panel, make_napari_viewer, tmp_path, monkeypatch, qtbot
):
    closed, place = write_folder(tmp_path / "closed"), tmp_path / "mine"
    place.mkdir()
    (closed / "matssl").write_text("in the way")
    assert panel.elsewhere.isHidden()
    assert panel.session.folder.open([closed])
    assert not panel.elsewhere.isHidden()
    problems = said(panel)
    stroke(panel)
    qtbot.waitUntil(lambda: bool(problems), timeout=LONG_MS)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(place))
    panel.elsewhere.click()
    assert len(problems) == 1
    assert painted(panel).data[20, 30] == 1
    assert panel.status.text() == "All strokes are saved."
    assert panel.elsewhere.isHidden()
    stroke(panel, 60, 60)
    assert panel.session.folder.close()
    again = docked(make_napari_viewer(show=True))
    told = lines(again)
    assert again.session.folder.open([closed])
    assert painted(again).data[20, 30] == painted(again).data[60, 60] == 1
    assert any(f"are kept in {place}" in line for line in told)
    assert (closed / "matssl").read_text() == "in the way"
    assert again.session.folder.close()
    place.rename(tmp_path / "unplugged")
    assert again.session.folder.open([closed])
    assert any(f"are kept in {place}" in line and "isn't there" in line for line in told)


def test_strokes_that_were_erased_stay_erased_when_they_are_kept_elsewhere(
    panel, folder, tmp_path, monkeypatch
):
    stroke(panel)
    stroke(panel, 60, 60)
    panel.session.current.flush()
    told, problems, layer = lines(panel), said(panel), painted(panel)
    (tmp_path / "mine").mkdir()
    with largest_file(64):
        layer.undo()
        stroke(panel, 20, 90, 2)
        panel.session.current.flush()
    assert problems
    expected = layer.data.copy()
    assert expected[60, 60] == 0
    assert panel.session.folder.keep_elsewhere(tmp_path / "mine")
    assert np.array_equal(painted(panel).data, expected)
    project = panel.session.folder.project
    assert project.own.is_relative_to(tmp_path / "mine")
    name = panel.session.current.shown.name
    assert np.array_equal(project.labels.read(name), expected)
    assert not [line for line in told if "another window" in line]


def test_strokes_are_saved_when_there_is_room_again_without_another_stroke(panel, folder, qtbot):
    problems = said(panel)
    (folder / "matssl").mkdir(exist_ok=True)
    (folder / "matssl" / "labels").write_text("in the way")
    stroke(panel)
    qtbot.waitUntil(lambda: bool(problems), timeout=LONG_MS)
    (folder / "matssl" / "labels").unlink()
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    qtbot.waitUntil(lambda: panel.status.text() == "All strokes are saved.", timeout=LONG_MS)
    assert len(problems) == 1


def test_a_stroke_of_no_class_that_is_undone_leaves_all_saved(panel, qtbot):
    problems = said(panel)
    stroke(panel)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    stroke(panel, 60, 60, class_id=7)
    qtbot.waitUntil(lambda: bool(problems), timeout=LONG_MS)
    assert '"Add"' in panel.status.text()
    painted(panel).undo()
    qtbot.waitUntil(lambda: panel.status.text() == "All strokes are saved.", timeout=LONG_MS)
    assert rows(panel)["a1.tif"] == "saved"


def test_what_another_program_sets_shows_in_a_window(panel, folder, qtbot):
    told, current = lines(panel), panel.session.current
    name = current.shown.name
    stroke(panel, 20, 30, 1)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    other = Project(folder)
    other.micrographs.set_pixel_size_of_all(PixelSize(0.125, 0.125, "set by hand"))
    qtbot.waitUntil(
        lambda: current.shown.micrograph.pixel_size == PixelSize(0.125, 0.125, "set by hand"),
        timeout=LONG_MS,
    )
    assert tuple(current.shown.image.scale) == (0.125, 0.125)
    assert tuple(painted(panel).scale) == (0.125, 0.125)
    assert current.shown.name == name
    before = changes(told)
    other.classes.rename(1, "ferrite")
    qtbot.waitUntil(
        lambda: panel.session.palette.classes[0].name == "ferrite" and changes(told) > before,
        timeout=LONG_MS,
    )


def test_what_is_set_in_the_window_itself_or_shown_in_another_is_no_news(panel, folder, qtbot):
    told, watch = lines(panel), panel.session.settings_watch
    stroke(panel, 20, 30, 1)
    qtbot.waitUntil(lambda: is_saved(panel), timeout=LONG_MS)
    looked = []
    looks = watch._on_looked
    watch._on_looked = lambda *given: looked.append(looks(*given))
    panel.session.palette.edit(lambda project: project.classes.rename(1, "ferrite"))
    Project(folder).micrographs.current = panel.session.folder.project.images.names[-1]
    qtbot.waitUntil(lambda: len(looked) >= 3, timeout=LONG_MS)
    assert not changes(told)
