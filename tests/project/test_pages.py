"""Which page of a file of several images counts, and whose strokes and masks are whose."""

import numpy as np
import pytest
import tifffile

from napari_matssl.errors import InputError, StackError
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.progress import drain
from napari_matssl.project.folder import KeptStrokes, Project
from napari_matssl.project.image_summary import survey
from napari_matssl.tasks.inputs import fingerprint, read_painted_set
from napari_matssl.tasks.learnt_images import LearntImages
from napari_matssl.tasks.measuring.export_project import export_project
from napari_matssl.tasks.measuring.measure_project import PhaseMeter


@pytest.fixture
def pages(grey):
    """Three pages (40, 50)."""
    return np.stack([grey(seed) for seed in (1, 2, 3)])


@pytest.fixture
def project(folder, pages):
    """A folder with a stack, and a file of two channels of which the first opens."""
    tifffile.imwrite(folder / "stack.tif", pages, photometric="minisblack", metadata=None)
    axes = {"axes": "CYX"}
    tifffile.imwrite(folder / "two.ome.tif", pages[:2], photometric="minisblack", metadata=axes)
    return Project(folder)


def test_a_page_that_is_chosen_is_read_from_then_on(project, pages):
    with pytest.raises(StackError):
        project.micrographs.read("stack.tif")
    project.micrographs.set_page("stack.tif", 3)
    project.micrographs.set_page("two.ome.tif", 2)
    for again in (project, Project(project.folder)):
        np.testing.assert_array_equal(again.micrographs.read("stack.tif").pixels, pages[2])
        np.testing.assert_array_equal(again.micrographs.read("two.ome.tif").pixels, pages[1])
        facts = survey(again, "stack.tif")
        assert (facts.page, facts.pages) == (3, 3)


def test_a_page_that_is_not_there_changes_nothing(project):
    project.micrographs.set_page("stack.tif", 2)
    with pytest.raises(InputError, match="has no page 4: it holds 3"):
        project.micrographs.set_page("stack.tif", 4)
    with pytest.raises(InputError, match="has no page 2: it holds 1"):
        project.micrographs.set_page("b.tif", 2)
    assert (project.micrographs.page("stack.tif"), project.micrographs.page("b.tif")) == (2, None)


def test_strokes_and_masks_stay_with_their_page(project, paint):
    name, first, second = "two.ome.tif", paint(_1=7), paint(_2=5)
    project.labels.write(name, first)
    project.masks.write(name, paint(_1=2000))
    project.micrographs.set_page(name, 2)
    assert project.labels.read(name) is None
    assert project.masks.read(name) is None
    assert name not in project.labels.names()
    project.labels.write(name, second)
    project.masks.write(name, paint(_2=2000))
    np.testing.assert_array_equal(project.labels.read(name), second)
    project.micrographs.set_page(name, 1)  # the one that opens without a choice
    np.testing.assert_array_equal(project.labels.read(name), first)
    assert project.masks.read(name).max() == 1


def test_training_takes_pixels_and_strokes_of_one_page(project, pages, paint):
    project.micrographs.set_page("stack.tif", 2)
    project.labels.write("stack.tif", paint(_1=7, _2=5))
    painted = project.labels.with_micrograph("stack.tif")
    np.testing.assert_array_equal(painted.micrograph.pixels, pages[1])
    assert np.count_nonzero(painted.labels) == 12


def test_the_command_line_trains_on_the_pages_that_were_painted(project, pages, paint):
    name = "two.ome.tif"
    project.labels.write(name, paint(_1=7, _2=5))
    project.micrographs.set_page(name, 2)
    project.labels.write(name, paint(_1=3, _2=4))
    project.micrographs.set_page("stack.tif", 3)
    project.labels.write("stack.tif", paint(_1=1, _2=1))
    found = read_painted_set(project.folder, project.own / "labels").training
    seen = {
        (one.micrograph.name, one.micrograph.page): np.count_nonzero(one.labels) for one in found
    }
    assert seen == {("stack.tif", 3): 2, (name, 1): 12, (name, 2): 7}
    for one in found:
        np.testing.assert_array_equal(one.micrograph.pixels, pages[one.micrograph.page - 1])


def test_strokes_that_are_saved_late_go_to_the_page_they_were_painted_on(project, paint):
    name = "two.ome.tif"
    kept = KeptStrokes(project, name, project.labels.version(name), project.micrographs.page(name))
    project.micrographs.set_page(name, 2)  # before the stroke of the last second was saved
    kept.save(paint(_1=9))
    assert project.labels.read(name) is None
    assert not kept.written_elsewhere()
    project.micrographs.set_page(name, 1)
    assert project.labels.counts(name) == {1: 9}


def test_another_windows_choice_counts_once_the_image_is_shown_anew(project, paint):
    here, there = project, Project(project.folder)
    there.micrographs.begin_page("two.ome.tif")
    here.micrographs.set_page("two.ome.tif", 2)
    there.micrographs.set_excluded(["a2.png"], True)  # takes up the record as it is on disk
    there.masks.write("two.ome.tif", paint(_1=2000))
    assert there.micrographs.page("two.ome.tif") is None
    assert here.masks.read("two.ome.tif") is None
    there.micrographs.begin_page("two.ome.tif")
    assert there.micrographs.page("two.ome.tif") == 2


def test_of_a_stack_that_is_shown_the_first_page_counts_and_is_reported(project):
    before = {path.name for path in project.folder.iterdir()}
    line = project.micrographs.begin_page("stack.tif")
    assert "stack.tif is a stack" in line
    assert "first page" in line
    assert project.micrographs.page("stack.tif") == 1
    assert {path.name for path in project.folder.iterdir()} == before  # looking writes nothing
    assert project.micrographs.begin_page("stack.tif") == ""
    assert project.micrographs.begin_page("two.ome.tif") == ""


def test_what_was_set_by_hand_stays_for_pages_of_one_size_alone(folder, pages):
    path = folder / "with a thumbnail.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(pages[0], metadata=None, photometric="minisblack")
        tiff.write(pages[1, :36, :33].copy(), metadata=None, photometric="minisblack")
        tiff.write(pages[2], metadata=None, photometric="minisblack")
    project = Project(folder)
    size = PixelSize(0.5, 0.5, "set by hand")
    project.micrographs.set_page(path.name, 1)
    project.micrographs.set_pixel_size(path.name, size)
    project.micrographs.set_info_bar(path.name, 38)
    assert project.micrographs.set_page(path.name, 3) == ()
    assert project.micrographs.read(path.name).pixel_size == size
    (line,) = project.micrographs.set_page(path.name, 2)
    assert "another size" in line
    micrograph = project.micrographs.read(path.name)
    assert (micrograph.pixel_size, micrograph.info_bar) == (None, None)


def test_a_page_never_shares_its_strokes_with_another_image(project, pages):
    tifffile.imwrite(project.folder / "stack.page2.tif", pages[0])
    again = Project(project.folder)
    with pytest.raises(InputError, match=r"share its strokes with stack\.page2\.tif"):
        again.micrographs.set_page("stack.tif", 2)
    again.micrographs.set_page("stack.tif", 3)


def test_strokes_on_another_page_are_no_labels_without_an_image(project, paint):
    project.micrographs.set_page("stack.tif", 2)
    project.labels.write("stack.tif", paint(_1=7))
    project.micrographs.set_page("stack.tif", 1)
    assert Project(project.folder).remarks == ()
    assert project.labels.use_of(1) == {"stack.tif, page 2": 7}


def test_the_page_is_measured_and_exported_that_counts(project, pages, paint, tmp_path):
    name = "two.ome.tif"
    meter = PhaseMeter(project)
    project.masks.write(name, paint(_1=2000))
    project.masks.write(name, paint(_1=500, _2=1500), page=2)
    assert [row.pixels for row in meter.measure().rows] == [2000, 0]
    project.micrographs.set_page(name, 2)
    assert [row.pixels for row in meter.measure().rows] == [500, 1500]
    drain(export_project(project, tmp_path / "out"))
    mask = tifffile.imread(tmp_path / "out" / "two.ome_mask.tif")
    assert np.count_nonzero(mask == 2) == 1500


def test_another_page_of_the_same_file_was_not_trained_on(project):
    first = project.micrographs.read("two.ome.tif")
    project.micrographs.set_page("two.ome.tif", 2)
    second = project.micrographs.read("two.ome.tif")
    trained = fingerprint(first)
    assert fingerprint(first).is_of(trained)
    assert not fingerprint(second).is_of(trained)
    older = trained.model_copy(update={"page": None})  # of a card without pages
    assert fingerprint(second).is_of(older)
    # It isn't new to the model, either.
    assert LearntImages((trained,)).hold(second)
