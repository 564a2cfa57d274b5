"""A folder that other windows and programs write to while it is open."""

import os
import shutil

import numpy as np
import pytest
from file_events import when_file_is
from limits import largest_file
from PIL import Image

from napari_matssl.errors import InputError, OutputError
from napari_matssl.export.banded_png import BAND_PX
from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.provenance import MaskFacts
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.project.folder import KeptStrokes, Project
from napari_matssl.settings import Cleaning


@pytest.fixture
def two(folder, paint):
    """Two windows on one folder, with 9 px of class 1 in the rows above row 20 on b.tif."""
    Project(folder).labels.write("b.tif", paint(_1=9))
    return Project(folder), Project(folder)


def dab(labels, row, class_id):
    painted = labels.copy()
    painted[row, :5] = class_id
    return painted


def test_strokes_of_two_windows_are_all_kept_and_both_are_reported_once(two, folder):
    ours, theirs = two
    ours.labels.read("b.tif")
    start = theirs.labels.read("b.tif")
    assert ours.labels.write("b.tif", dab(start, 20, 1)).remarks == ()
    saved = theirs.labels.write("b.tif", dab(start, 30, 2))
    assert len(saved.remarks) == 1
    assert "b.tif were changed by another window or program: 5 px merged" in saved.remarks[0]
    assert Project(folder).labels.counts("b.tif") == {1: 9 + 5, 2: 5}
    assert theirs.labels.write("b.tif", saved.version.ids).remarks == ()


def test_first_strokes_of_two_windows_that_saw_nothing_are_all_kept(folder, paint):
    ours, theirs = Project(folder), Project(folder)
    ours.labels.write("b.tif", dab(paint(), 20, 1))
    theirs.labels.write("b.tif", dab(paint(), 30, 2))
    assert Project(folder).labels.counts("b.tif") == {1: 5, 2: 5}


def test_of_a_pixel_painted_in_both_the_later_stays_with_a_remark(two):
    ours, theirs = two
    start = ours.labels.read("b.tif")
    theirs.labels.read("b.tif")
    ours.labels.write("b.tif", dab(start, 20, 1))
    saved = theirs.labels.write("b.tif", dab(start, 20, 2))
    assert "5 px painted in both are as in this window" in saved.remarks[0]
    assert ours.labels.counts("b.tif") == {1: 9, 2: 5}


def test_what_one_window_erases_stays_erased_when_another_paints(two, paint):
    ours, theirs = two
    start = ours.labels.read("b.tif")
    theirs.labels.read("b.tif")
    ours.labels.write("b.tif", dab(paint(), 20, 2))  # the nine pixels are erased
    theirs.labels.write("b.tif", dab(start, 30, 1))
    assert ours.labels.counts("b.tif") == {1: 5, 2: 5}


def test_strokes_erased_in_one_window_do_not_come_back_from_another(two, paint, folder):
    ours, theirs = two
    start = ours.labels.read("b.tif")
    kept = KeptStrokes(theirs, "b.tif", theirs.labels.version("b.tif"))
    ours.labels.write("b.tif", paint())
    assert kept.written_elsewhere()
    saved = kept.save(start)  # as the other window shows them still
    assert not saved.version.ids.any()
    assert "9 px merged" in saved.remarks[0]
    assert not ours.labels.path("b.tif").exists()
    assert not kept.written_elsewhere()
    assert kept.save(dab(paint(), 30, 2)).remarks == ()
    assert Project(folder).labels.counts("b.tif") == {2: 5}


def test_what_is_painted_beside_erased_strokes_stays(two, paint):
    ours, theirs = two
    start = ours.labels.read("b.tif")
    theirs.labels.read("b.tif")
    ours.labels.write("b.tif", paint())
    saved = theirs.labels.write("b.tif", dab(start, 30, 2))
    assert ours.labels.counts("b.tif") == {2: 5}
    assert "9 px merged" in saved.remarks[0]
    ours.labels.path("b.tif").unlink()  # by another program, this time
    again = theirs.labels.write("b.tif", saved.version.ids)
    assert "were deleted" in again.remarks[0]
    assert ours.labels.counts("b.tif") == {2: 5}


def test_an_old_erasure_is_no_reason_for_a_deleted_file(two, paint, folder):
    ours, theirs = two
    ours.labels.write("b.tif", paint())
    path = ours.labels.path("b.tif")
    write_mask(path, paint(_1=9), numbered_table([1, 2]))  # by another program
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    strokes = theirs.labels.read("b.tif")
    path.unlink()
    assert "were deleted" in theirs.labels.write("b.tif", strokes).remarks[0]
    assert Project(folder).labels.counts("b.tif") == {1: 9}


def overtaken(write):
    """Have another window write when ours has looked at a file, and begins to write it."""
    return when_file_is("opened", "*/.matssl-tmp-*.png", lambda _: write(), times=1)


def test_strokes_that_another_window_writes_during_a_saving_are_kept(two):
    ours, theirs = two
    start = ours.labels.read("b.tif")
    theirs.labels.read("b.tif")
    with overtaken(lambda: theirs.labels.write("b.tif", dab(start, 30, 2))):
        saved = ours.labels.write("b.tif", dab(start, 20, 1))
    assert "5 px merged" in saved.remarks[0]
    assert ours.labels.counts("b.tif") == {1: 14, 2: 5}


def test_a_label_file_that_was_deleted_is_written_again_with_a_remark(two):
    project, _ = two
    start = project.labels.read("b.tif")
    project.labels.path("b.tif").unlink()
    saved = project.labels.write("b.tif", dab(start, 20, 2))
    assert "b.tif were deleted" in saved.remarks[0]
    assert project.labels.counts("b.tif") == {1: 9, 2: 5}


def test_all_that_belongs_to_a_folder_deleted_is_written_again(two, folder):
    project, _ = two
    start = project.labels.read("b.tif")
    shutil.rmtree(folder / "matssl")
    project.labels.write("b.tif", dab(start, 20, 2))
    again = Project(folder)
    assert again.labels.counts("b.tif") == {1: 9, 2: 5}
    assert again.classes.in_order == project.classes.in_order


def test_a_label_file_that_another_program_damages_is_not_overwritten(two):
    project, _ = two
    start = project.labels.read("b.tif")
    path = project.labels.path("b.tif")
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"b\.png"):
        project.labels.write("b.tif", dab(start, 20, 2))
    assert path.read_bytes() == b"something else"
    path.unlink()
    project.labels.write("b.tif", dab(start, 20, 2))
    assert project.labels.counts("b.tif") == {1: 9, 2: 5}


def test_a_copy_of_labels_put_in_by_hand_is_joined(two, paint):
    project, _ = two
    start = project.labels.read("b.tif")
    write_mask(project.labels.path("b.tif"), dab(start, 25, 2), numbered_table([1, 2]))
    project.labels.write("b.tif", dab(start, 20, 1))
    assert project.labels.counts("b.tif") == {1: 14, 2: 5}


def test_classes_added_in_two_windows_are_two_classes(two, folder):
    ours, theirs = two
    oxide, pore = ours.classes.add("oxide"), theirs.classes.add("pore")
    assert (oxide.id, pore.id) == (3, 4)
    theirs.classes.rename(1, "ferrite")
    ours.classes.recolour(2, "#123456")
    found = Project(folder).classes.in_order
    assert [(c.id, c.name) for c in found] == [
        (1, "ferrite"),
        (2, "phase 2"),
        (3, "oxide"),
        (4, "pore"),
    ]
    assert found[1].colour == "#123456"


def test_settings_of_two_windows_are_all_kept(two, folder):
    ours, theirs = two
    ours.micrographs.set_pixel_size("a2.png", PixelSize(2.0, 2.0, "set by hand"))
    theirs.micrographs.set_info_bar("b.tif", 33)
    ours.masks.set_cleaning(Cleaning(smallest_region=5))
    theirs.micrographs.set_excluded(["a10.png"], True)
    again = Project(folder)
    assert again.micrographs.pixel_size_by_hand("a2.png").x_um == 2
    assert again.micrographs.read("b.tif").info_bar.row == 33
    assert again.masks.cleaning == Cleaning(smallest_region=5)
    assert again.micrographs.analysed == ("a2.png", "b.tif")


def test_a_class_deleted_in_another_window_while_it_is_painted_comes_back(two, paint):
    ours, theirs = two
    start = ours.labels.read("b.tif")
    theirs.classes.delete(2)
    saved = ours.labels.write("b.tif", dab(start, 20, 2))
    assert '"phase 2" was deleted in another window' in saved.remarks[0]
    assert ours.classes.table.ids == (1, 2)
    assert theirs.labels.read("b.tif")[20, 0] == 2


def test_strokes_of_a_class_that_another_window_has_added_are_joined(two):
    ours, theirs = two
    start = ours.labels.read("b.tif")
    new = theirs.classes.add("oxide")
    theirs.labels.write("b.tif", dab(theirs.labels.read("b.tif"), 30, new.id))
    ours.labels.write("b.tif", dab(start, 20, 1))
    assert ours.labels.counts("b.tif") == {1: 14, 3: 5}
    assert "oxide" in ours.classes.table.names


@pytest.mark.parametrize("how", ["renamed", "removed", "replaced"])
def test_nothing_is_written_where_the_opened_folder_was(two, folder, how):
    project, _ = two
    start = project.labels.read("b.tif")
    moved = folder.with_name("moved")
    shutil.move(folder, moved)
    if how == "removed":
        shutil.rmtree(moved)
    if how == "replaced":
        folder.mkdir()
    for write in (
        lambda: project.labels.write("b.tif", dab(start, 20, 2)),
        lambda: project.masks.write("b.tif", start),
        lambda: project.classes.add(),
        lambda: project.masks.set_cleaning(Cleaning(smallest_region=3)),
    ):
        with pytest.raises(OutputError, match="is gone or was replaced since it was opened"):
            write()
    assert not (folder / "matssl").exists()
    if how == "renamed":
        shutil.move(moved, folder)
        project.labels.write("b.tif", dab(start, 20, 2))
        assert project.labels.counts("b.tif") == {1: 9, 2: 5}


def test_a_folder_that_comes_back_under_another_number_is_the_same(two, folder):
    project, _ = two
    start = project.labels.read("b.tif")
    shutil.copytree(folder, folder.with_name("copy"))  # keeps the times of files
    folder.rename(folder.with_name("old"))
    folder.with_name("copy").rename(folder)
    project.labels.write("b.tif", dab(start, 20, 2))
    assert Project(folder).labels.counts("b.tif") == {1: 9, 2: 5}


def test_labels_read_again_are_what_is_edited(two, paint):
    ours, theirs = two
    ours.labels.read("b.tif")
    theirs.labels.write("b.tif", dab(theirs.labels.read("b.tif"), 30, 2))
    seen = ours.labels.read("b.tif")
    seen[30] = 0
    assert ours.labels.write("b.tif", seen).remarks == ()
    assert theirs.labels.counts("b.tif") == {1: 9}


def test_a_full_disk_gains_no_leftovers_of_backups(two, folder, paint):
    two[0].labels.write("b.tif", paint(_2=40))
    with largest_file(10):
        for _ in range(3):
            assert "no backup" in Project(folder).remarks[0]
    assert not list((folder / "matssl").glob(".labels-backup-*"))


def test_a_mask_that_another_window_made_meanwhile_is_reported_when_it_is_replaced(two, paint):
    ours, theirs = two
    assert ours.masks.write("b.tif", paint(_1=2000)) == ()
    (line,) = theirs.masks.write("b.tif", paint(_2=2000))
    assert line.startswith("b.tif: another window or program had segmented it meanwhile")
    assert theirs.masks.write("b.tif", paint(_1=1000, _2=1000)) == ()
    ours.masks.read("b.tif")  # as it is shown
    assert ours.masks.write("b.tif", paint(_1=3, _2=1997)) == ()
    theirs.masks.path("b.tif").unlink()
    assert ours.masks.write("b.tif", paint(_1=4, _2=1996)) == ()
    np.testing.assert_array_equal(theirs.masks.read("b.tif"), paint(_1=4, _2=1996))


def test_a_mask_that_another_window_writes_during_a_writing_is_reported_too(two, paint):
    ours, theirs = two
    with overtaken(lambda: theirs.masks.write("b.tif", paint(_2=2000), MaskFacts())):
        (line,) = ours.masks.write("b.tif", paint(_1=2000), MaskFacts())
    assert "had segmented it meanwhile" in line
    np.testing.assert_array_equal(ours.masks.read("b.tif"), paint(_1=2000))


def test_what_is_painted_but_no_class_names_the_button(folder, paint):
    with pytest.raises(InputError) as caught:
        Project(folder).labels.write("b.tif", paint(_3=2))
    assert '"Add"' in caught.value.remedy
    assert "json" not in caught.value.remedy
    assert np.asarray(Image.open(folder / "b.tif")).shape == (40, 50)


def write_tall_image(folder, values):
    """Write an image, and make labels for it that are packed in four bands."""
    shape = (4 * BAND_PX // 1024, 1024)
    tall = np.resize(np.arange(251, dtype=np.uint8), shape)
    Image.fromarray(tall).save(folder / "tall.png", compress_level=1)
    return np.random.default_rng(0).choice(np.uint8(values), shape)


def test_saving_a_stroke_packs_only_what_changed(folder, packed_bands):
    """A panorama's strokes are on disk as soon as a small image's."""
    labels = write_tall_image(folder, [0])
    project = Project(folder)
    labels[50, :5] = 1
    saved = project.labels.write("tall.png", labels)
    packed_bands.clear()
    labels = labels.copy()
    labels[-1, :7] = 2
    project.labels.write("tall.png", labels, saved.version)
    assert len(packed_bands) == 1
    assert Project(folder).labels.counts("tall.png") == {1: 5, 2: 7}


@pytest.mark.parametrize(("ready", "packed_by_saving"), [(4, 1), (2, 3), (0, 4)])
def test_labels_packed_at_opening_need_not_be_packed_by_the_first_stroke(
    folder, packed_bands, ready, packed_by_saving
):
    tall = write_tall_image(folder, [1, 2])
    Project(folder).labels.write("tall.png", tall)
    project = Project(folder)
    strokes = KeptStrokes(project, "tall.png", project.labels.version("tall.png"))
    answers = iter([True] * ready)
    strokes.prepare(lambda: next(answers, False))
    packed_bands.clear()
    labels = tall.copy()
    labels[5, :7] = 0
    strokes.save(labels)
    assert len(packed_bands) == packed_by_saving
    np.testing.assert_array_equal(Project(folder).labels.read("tall.png"), labels)
