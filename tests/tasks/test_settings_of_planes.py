"""What was set for planes of the viewer's layers counts outside of the window, too."""

import numpy as np
import pytest
from PIL import Image

from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.place import Place
from napari_matssl.project.folder import Project
from napari_matssl.project.pixel_sizes import read_calibrated
from napari_matssl.tasks.measuring.calibrate import calibrate
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import measure_masks

SIZE = PixelSize(0.5, 0.5, "set by hand")


@pytest.fixture
def project(tmp_path):
    first, second = np.random.default_rng(0).integers(0, 255, (2, 64, 64), dtype=np.uint8)
    Image.fromarray(first).save(tmp_path / "a.png")
    project = Project(tmp_path)
    project.images.add_plane("depth_3", Micrograph("depth", second))
    mask = np.ones((64, 64), np.uint8)
    for name in project.images.names:
        project.masks.write(name, mask)
    return project


def test_a_plane_has_the_size_and_the_info_bar_that_were_set(project):
    plane = project.images.path("depth_3.tif")
    assert read_calibrated(plane).pixel_size is None
    project.micrographs.set_pixel_size("depth_3.tif", SIZE)
    project.micrographs.set_info_bar("depth_3.tif", 50)
    read = read_calibrated(plane)
    assert (read.pixel_size, read.info_bar.row) == (SIZE, 50)


def test_calibrating_a_plane_sets_it_in_its_project(project):
    plane = project.images.path("depth_3.tif")
    calibrate([plane, project.images.path("a.png")], SIZE)
    now = Project(project.folder).micrographs
    assert [now.pixel_size_by_hand(name) for name in project.images.names] == [SIZE, SIZE]
    assert not (plane.parent / "matssl").exists()


def test_masks_of_planes_have_size_group_and_specimen_of_their_project(project):
    project.micrographs.set_pixel_size("depth_3.tif", SIZE)
    places = {"a.png": Place("1", "", "A"), "depth_3.tif": Place("2", "", "B")}
    project.micrographs.set_places(places)
    measured = measure_masks([project.masks.folder], Sources())
    fields = measured.tables["fields.csv"].set_index("image")
    assert fields["group"].to_dict() == {"a.png": "A", "depth_3.png": "B"}
    assert fields["specimen"].to_dict() == {"a.png": "1", "depth_3.png": "2"}
    assert fields.loc["depth_3.png", "pixel_width_um"] == 0.5
