"""A folder of micrographs: what is found in it, and what is still there after closing it."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from file_events import when_file_is
from limits import held_to_rights, largest_file
from PIL import Image

from napari_matssl.errors import InputError, OutputError
from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import to_targets
from napari_matssl.project.folder import Project
from napari_matssl.project.image_summary import survey
from napari_matssl.project.micrographs import Micrographs
from napari_matssl.tasks.inputs import read_painted_set


def everything(folder):
    """All files below a folder with their content."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_images_come_in_natural_order_and_opening_writes_nothing(folder):
    before = everything(folder)
    project = Project(folder)
    assert project.images.names == ("a2.png", "a10.png", "b.tif")
    assert project.remarks == ()
    for name in project.images.names:
        survey(project, name)
        assert not project.labels.has(name)
        assert not project.masks.has(name)
        assert project.labels.read(name) is None
        assert project.masks.read(name) is None
    assert project.labels.names() == ()
    assert project.models.files() == ()
    assert everything(folder) == before


def test_a_fresh_folder_has_two_phases(folder):
    assert [(c.id, c.name) for c in Project(folder).classes.in_order] == [
        (1, "phase 1"),
        (2, "phase 2"),
    ]


def test_all_that_was_saved_is_there_after_reopening(folder, paint):
    project = Project(folder)
    labels, mask = paint(_1=7, _2=5), paint(_1=1500, _2=500)
    project.micrographs.current = "b.tif"
    project.classes.rename(1, "ferrite α")
    project.classes.reorder((2, 1))
    project.labels.write("a10.png", labels)
    project.masks.write("b.tif", mask)

    again = Project(folder)
    np.testing.assert_array_equal(again.labels.read("a10.png"), labels)
    assert again.labels.read("a10.png").dtype == np.uint8
    np.testing.assert_array_equal(again.masks.read("b.tif"), mask)
    assert again.classes.in_order == project.classes.in_order
    assert [c.name for c in again.classes.in_order] == ["phase 2", "ferrite α"]
    assert again.classes.table.ids == (1, 2)
    assert again.micrographs.current == "b.tif"
    assert again.labels.names() == ("a10.png",)
    assert [again.labels.has(name) for name in ("a10.png", "b.tif")] == [True, False]
    assert [again.masks.has(name) for name in ("a10.png", "b.tif")] == [False, True]
    first, second = everything(folder), everything(folder)
    Project(folder)
    assert first == second == everything(folder)


def test_a_folder_that_was_moved_opens_the_same(folder, paint, tmp_path):
    project = Project(folder)
    project.labels.write("b.tif", paint(_1=3, _2=4))
    project.micrographs.current = "a2.png"
    project.micrographs.set_info_bar("a2.png", 33)
    moved = tmp_path / "another disk" / "Stähle"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    again = Project(moved)
    assert (again.images.names, again.micrographs.current) == (project.images.names, "a2.png")
    assert again.labels.counts("b.tif") == {1: 3, 2: 4}
    assert again.micrographs.read("a2.png").info_bar.row == 33
    assert str(folder).encode() not in b"".join(everything(moved).values())


def test_the_command_line_finds_the_painted_labels_with_their_classes(folder, paint):
    project = Project(folder)
    project.labels.write("a2.png", paint(_1=3, _2=4))
    project.labels.write("b.tif", paint(_2=9))
    found = read_painted_set(folder, folder / "matssl" / "labels", unlabelled=0)
    assert [one.micrograph.name for one in found.training] == ["a2.png", "b.tif"]
    assert found.table == project.classes.table
    assert found.source == "classes.json"


def test_nothing_painted_any_more_is_no_file(folder, paint):
    project = Project(folder)
    project.labels.write("b.tif", paint(_1=3))
    project.labels.write("b.tif", paint())
    assert project.labels.read("b.tif") is None
    assert not project.labels.path("b.tif").exists()
    assert project.labels.counts("b.tif") == {}
    project.labels.write("b.tif", paint())


def test_a_mask_whose_file_is_removed_is_gone(folder, paint):
    project = Project(folder)
    project.masks.write("b.tif", paint(_1=3))
    project.masks.path("b.tif").unlink()
    assert project.masks.read("b.tif") is None
    assert not project.masks.has("b.tif")


def test_painted_pixels_are_counted_anew_after_each_saving(folder, paint):
    project = Project(folder)
    for pixels in range(1, 30):  # quicker than the clocks of some file systems
        project.labels.write("b.tif", paint(_1=pixels, _2=30 - pixels))
        assert project.labels.counts("b.tif") == {1: pixels, 2: 30 - pixels}


def test_counting_again_reads_no_file(folder, paint):
    project, opened = Project(folder), []
    project.labels.write("b.tif", paint(_1=3))
    project.labels.counts("b.tif")
    with when_file_is("opened", "*b.png", opened.append):
        for _ in range(2):
            counts = project.labels.counts("b.tif")
            assert counts == {1: 3}
            counts[1] = 99  # belongs to whoever asked
    assert opened == []


@pytest.mark.parametrize("what", ["labels", "masks"])
def test_labels_and_masks_that_do_not_fit_are_refused_with_the_reason(folder, paint, what):
    project = Project(folder)
    part = getattr(project, what)
    with pytest.raises(InputError, match=r"49 x 40 pixels, but the image has 50 x 40"):
        part.write("b.tif", paint(_1=3)[:, :49])
    with pytest.raises(InputError, match=r"9 \(2 pixels\)"):
        part.write("b.tif", paint(_1=3, _9=2))
    with pytest.raises(InputError, match=r"300 \(1 pixel\)"):
        part.write("b.tif", np.pad([[300]], ((0, 39), (0, 49))))
    assert not (folder / "matssl").exists()

    path = part.path("b.tif")
    write_mask(path, paint(_1=3)[:, :49], project.classes.table)
    with pytest.raises(InputError, match=r"b\.png: 49 x 40 pixels"):
        part.read("b.tif")
    write_mask(path, paint(_1=3, _9=2), project.classes.table)
    with pytest.raises(InputError, match=r"b\.png.*9 \(2 pixels\)"):
        part.read("b.tif")
    Image.fromarray(np.full((40, 50), 1000, np.uint16)).save(path)
    with pytest.raises(InputError, match=r"b\.png holds values up to 1000"):
        part.read("b.tif")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"b\.png is damaged"):
        part.read("b.tif")


def test_labels_of_napari_in_wider_types_are_taken(folder, paint):
    project = Project(folder)
    project.labels.write("b.tif", paint(_1=3, _2=4).astype(np.int32))
    np.testing.assert_array_equal(project.labels.read("b.tif"), paint(_1=3, _2=4))


def test_a_painted_micrograph_is_ready_to_train_on(folder, paint):
    project = Project(folder)
    with pytest.raises(InputError, match=r"Nothing is painted on b\.tif"):
        project.labels.with_micrograph("b.tif")
    labels = paint(_1=30)
    labels[39] = 2
    project.labels.write("b.tif", labels)
    project.micrographs.set_info_bar("b.tif", 39)
    painted = project.labels.with_micrograph("b.tif")
    targets = to_targets(painted, project.classes.table, unlabelled=0)
    assert (targets == 0).sum() == 30
    assert not (targets == 1).any()  # it was painted on the info bar


def test_names_may_be_of_any_language_and_have_spaces_and_dots(folder, paint, grey):
    for name in ("mikro 1 – größe.png", "钢 15.0kV.tif", "x [1].ome.tif"):
        tifffile.imwrite(folder / name, grey()) if name.endswith("tif") else Image.fromarray(
            grey()
        ).save(folder / name)
        Project(folder).labels.write(name, paint(_1=3, _2=5))
        assert Project(folder).labels.counts(name) == {1: 3, 2: 5}
    found = read_painted_set(folder, folder / "matssl" / "labels", unlabelled=0)
    assert len(found.training) == 3


def test_16_bit_and_colour_images_are_surveyed(folder, grey):
    wide = grey().astype(np.uint16) * 100
    tifffile.imwrite(folder / "wide.tif", wide)
    colour = np.stack([grey(1), grey(2), grey(3)], axis=2)
    Image.fromarray(colour).save(folder / "colour.png")
    project = Project(folder)
    assert project.micrographs.read("wide.tif").pixels.dtype == np.uint16
    for name in ("wide.tif", "colour.png"):
        facts = survey(project, name)
        assert (facts.width, facts.height) == (50, 40)
        assert facts.thumbnail.shape == (51, 64, 3)
        assert facts.thumbnail.std() > 5


def test_a_survey_lists_what_there_is_of_an_image(folder, paint):
    project = Project(folder)
    project.labels.write("b.tif", paint(_1=3, _2=4))
    project.micrographs.set_info_bar("b.tif", 33)
    facts = survey(project, "b.tif")
    assert facts.pixel_size is None
    assert (facts.page, facts.pages) == (1, 1)
    assert facts.thumbnail.shape[:2] == (42, 64)  # without the bar
    project.labels.path("b.tif").write_bytes(b"no labels")
    with pytest.raises(InputError, match=r"b\.png"):
        survey(project, "b.tif")


def test_an_image_that_cannot_be_read_spoils_only_itself(folder):
    (folder / "b.tif").write_bytes((folder / "b.tif").read_bytes()[:900])
    project = Project(folder)
    with pytest.raises(InputError, match=r"b\.tif"):
        survey(project, "b.tif")
    survey(project, "a2.png")


def test_two_images_of_one_name_would_share_labels_so_the_second_is_left_out(folder, grey):
    Image.fromarray(grey()).save(folder / "b.png")
    Image.fromarray(grey()).save(folder / "b.ome.tif")
    project = Project(folder)
    assert project.images.names == ("a2.png", "a10.png", "b.ome.tif")
    assert [r.split(":")[0] for r in project.remarks] == [
        "b.png is left out",
        "b.tif is left out",
    ]


def test_single_files_of_a_folder_can_be_opened(folder, tmp_path):
    only = [folder / "b.tif", folder / "a2.png"]
    assert Project(folder, only).images.names == ("a2.png", "b.tif")
    other = tmp_path / "other.png"
    shutil.copy(folder / "a2.png", other)
    with pytest.raises(InputError, match=r"other\.png is not in the folder"):
        Project(folder, [*only, other])


def test_folders_without_images_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        Project(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"b\.tif is not a folder"):
        Project(folder / "b.tif")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        Project(tmp_path / "empty")


def test_an_image_of_another_folder_is_unknown(folder):
    project = Project(folder)
    for ask in (
        project.micrographs.read,
        project.labels.read,
        project.labels.has,
        project.masks.has,
        partial(survey, project),
    ):
        with pytest.raises(InputError, match=r"no image x\.png"):
            ask("x.png")


def test_the_image_shown_last_may_be_gone(folder):
    project = Project(folder)
    assert project.micrographs.current is None
    project.micrographs.current = "b.tif"
    (folder / "b.tif").unlink()
    assert Project(folder).micrographs.current is None
    with pytest.raises(InputError, match=r"no image x\.png"):
        project.micrographs.current = "x.png"


@pytest.fixture
def locked(folder):
    """A folder in which no project can be made, not even by root: a file has its name."""
    (folder / "matssl").write_text("in the way")
    return folder


def test_a_folder_that_cannot_be_written_is_for_looking(locked, paint):
    project = Project(locked)
    project.micrographs.current = "b.tif"
    assert project.micrographs.current == "b.tif"
    for name in project.images.names:
        survey(project, name)
        assert project.labels.read(name) is None
    project.labels.write("b.tif", paint())
    before = project.classes.in_order
    for save in (
        lambda: project.labels.write("b.tif", paint(_1=3)),
        lambda: project.masks.write("b.tif", paint(_1=3)),
        lambda: project.classes.add(),
        lambda: project.micrographs.set_info_bar("b.tif", None),
    ):
        with pytest.raises(OutputError, match="matssl") as caught:
            save()
        assert "copy the micrographs" in caught.value.remedy
    assert project.classes.in_order == before


def test_a_folder_that_cannot_be_written_is_reported_at_opening(locked):
    (line,) = Project(locked).remarks
    assert line.startswith(f"{locked}: strokes, masks and classes can't be saved")
    assert "is no folder" in line
    assert "copy the micrographs" in line
    (locked / "matssl").unlink()
    assert Project(locked).remarks == ()


@pytest.mark.parametrize("closed", ["steel", "matssl", "labels"])
def test_a_read_only_folder_is_reported_at_opening_and_not_touched(folder, paint, closed):
    place = {"steel": folder, "matssl": folder / "matssl", "labels": folder / "matssl" / "labels"}
    if closed != "steel":
        Project(folder).labels.write("b.tif", paint(_1=3))
    before = everything(folder)
    place[closed].chmod(0o555)
    project = held_to_rights(lambda: Project(folder))
    hindrance = held_to_rights(lambda: project.hindrance)
    assert hindrance.endswith(f"{closed} can't be written")
    assert [line for line in project.remarks if hindrance in line] == [*project.remarks]
    assert everything(folder) == before
    place[closed].chmod(0o755)
    assert held_to_rights(lambda: project.hindrance) is None


def test_a_disk_that_refuses_the_first_writing_is_a_hindrance_until_one_succeeds(folder, paint):
    Project(folder).labels.write("b.tif", paint(_1=3))
    project = Project(folder)
    assert project.hindrance is None
    with largest_file(0):
        project.micrographs.current = "b.tif"
    assert "File too large" in project.hindrance
    project.micrographs.current = "a2.png"
    assert project.hindrance is None


def test_labels_without_a_backup_are_remarked_on(folder, paint):
    Project(folder).labels.write("b.tif", paint(_1=3))
    with largest_file(10):
        project = Project(folder)
    assert project.labels.counts("b.tif") == {1: 3}
    assert "no backup" in project.remarks[0]
    assert "File too large" in project.remarks[0]


def test_the_backup_holds_the_labels_as_they_were_at_the_last_opening(folder, paint):
    backup = folder / "matssl" / "labels-backup" / "b.png"
    project = Project(folder)
    project.labels.write("b.tif", paint(_1=1))
    assert not backup.exists()
    project = Project(folder)
    project.labels.write("b.tif", paint(_1=2))
    project.labels.write("a2.png", paint(_1=9))
    assert np.count_nonzero(Image.open(backup)) == 1
    project = Project(folder)
    project.labels.write("b.tif", paint())
    assert np.count_nonzero(Image.open(backup)) == 2
    assert (backup.parent / "a2.png").is_file()
    project.labels.write("a2.png", paint())
    Project(folder)
    assert np.count_nonzero(Image.open(backup)) == 2, "nothing painted is nothing to back up"


def test_an_opening_interrupted_during_the_backup_leaves_the_old_one(folder, paint):
    backup = folder / "matssl" / "labels-backup"
    Project(folder).labels.write("b.tif", paint(_1=1))
    Project(folder).labels.write("b.tif", paint(_1=2))
    with (
        when_file_is("opened", "*/new/b.png", lambda _: signal.raise_signal(signal.SIGINT)),
        pytest.raises(KeyboardInterrupt),
    ):
        Project(folder)
    assert np.count_nonzero(Image.open(backup / "b.png")) == 1
    Project(folder)
    assert np.count_nonzero(Image.open(backup / "b.png")) == 2
    assert sorted(p.name for p in backup.parent.iterdir()) == [
        "classes.json",
        "labels",
        "labels-backup",
        "project.json",
    ]


SAVING = """
import sys
from pathlib import Path
import numpy as np
from napari_matssl.project.folder import Project
project = Project(Path(sys.argv[1]))
noise = np.random.default_rng(0).integers(1, 3, (600, 800), dtype=np.uint8)
for number in range(100_000):
    project.labels.write("big.tif", noise)
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_a_killed_program_leaves_readable_labels(folder, grey):
    tifffile.imwrite(folder / "big.tif", grey(0, (600, 800)))
    for _ in range(4):
        command = [sys.executable, "-c", SAVING, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as saving:
            saving.stdout.readline()
            time.sleep(0.05 + 0.01 * np.random.default_rng().random())
            saving.kill()
        project = Project(folder)
        assert np.unique(project.labels.read("big.tif")).tolist() == [1, 2]
        assert list(project.labels.use_of(1)) == ["big.tif"]


def test_what_a_killed_program_leaves_behind_is_no_label(folder, paint):
    project = Project(folder)
    project.labels.write("b.tif", paint(_1=3))
    (folder / "matssl" / "labels" / ".b-x1y2z3.png").write_bytes(b"half a pic")
    project = Project(folder)
    assert project.labels.use_of(1) == {"b.tif": 3}
    project.classes.delete(2)
    assert [p.name for p in (folder / "matssl" / "labels-backup").iterdir()] == ["b.png"]


def test_a_survey_in_a_thread_bears_saving_and_deleting_beside_it(folder, paint):
    project = Project(folder)
    failures = []
    over = threading.Event()

    def look():
        try:
            while not over.is_set():
                for name in project.images.names:
                    survey(project, name)
        except Exception as error:  # noqa: BLE001  # a thread's failure has to reach the test
            failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(40):
        project.labels.write("b.tif", paint(_1=number % 3, _2=4 * (number % 2)))
        project.masks.write("a2.png", paint(_1=9))
        added = project.classes.add()
        project.classes.delete(added.id)
        project.masks.path("a2.png").unlink()
    over.set()
    thread.join()
    assert failures == []


def test_a_folder_of_thousands_is_asked_about_one_image_without_looking_at_all(folder):
    project = Project(folder)
    project.micrographs.set_excluded(["b.tif"], True)
    looked_up = []
    kept = project.record.value
    counted = SimpleNamespace(image=lambda name: looked_up.append(name) or kept.image(name))
    micrographs = Micrographs(project.images, SimpleNamespace(value=counted), project.own)
    assert [micrographs.is_excluded(name) for name in ("a2.png", "b.tif")] == [False, True]
    assert looked_up == ["a2.png", "b.tif"]


def test_models_come_newest_first_and_new_names_are_unused(folder):
    project = Project(folder)
    assert project.models.new_path() == folder / "matssl" / "models" / "model-001.safetensors"
    project.models.folder.mkdir(parents=True)
    for age, name in enumerate(("model-001", "model-007", "imported")):
        path = project.models.folder / f"{name}.safetensors"
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    (project.models.folder / "model-009.txt").touch()
    assert [p.stem for p in project.models.files()] == ["model-001", "model-007", "imported"]
    assert project.models.new_path().name == "model-008.safetensors"
    assert project.models.new_path("steel / batch 2").name == "steel-batch-2-001.safetensors"


def test_labels_without_a_class_table_are_numbered(folder, paint):
    write_mask(folder / "matssl" / "labels" / "b.png", paint(_2=3, _7=1), numbered_table([2, 7]))
    project = Project(folder)
    assert project.classes.table == numbered_table([2, 7])
    assert not (folder / "matssl" / "classes.json").exists()


def test_photographs_in_place_of_labels_are_not_made_into_classes(folder, grey):
    (folder / "matssl" / "labels").mkdir(parents=True)
    Image.fromarray(grey()).save(folder / "matssl" / "labels" / "b.png")
    with pytest.raises(InputError, match=r"different values.*classes\.json"):
        Project(folder)


def test_painted_labels_whose_image_is_gone_are_reported(folder, paint):
    project = Project(folder)
    for name in project.images.names:
        project.labels.write(name, paint(_1=3, _2=4))
    (folder / "b.tif").rename(folder / "B.tif")
    said = " ".join(Project(folder).remarks)
    assert "1 label image in" in said
    assert "matches no image here: b.png." in said
    assert Project(folder, [folder / "a2.png"]).remarks == ()
