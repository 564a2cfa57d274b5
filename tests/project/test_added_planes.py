"""Planes of other programs' images, kept with a project."""

import numpy as np
import pytest
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.project.folder import Project
from napari_matssl.project.planes import keep_plane


def test_a_plane_is_an_image_of_the_project_below_its_own_folder(folder, grey):
    project = Project(folder)
    pixels = grey(7)
    assert project.images.add_plane("depth_3", Micrograph("depth", pixels)) == ("depth_3.tif", True)
    path = folder / "matssl" / "planes" / "depth_3.tif"
    for one in (project, Project(folder)):
        assert one.images.names == ("a2.png", "a10.png", "b.tif", "depth_3.tif")
        assert one.images.path("depth_3.tif") == path
        assert one.images.path("b.tif") == folder / "b.tif"
        np.testing.assert_array_equal(one.micrographs.read("depth_3.tif").pixels, pixels)
        assert not one.images.refresh()
    assert not (folder / "depth_3.tif").exists()
    with pytest.raises(InputError, match="no image c"):
        project.images.path("c.tif")


@pytest.mark.parametrize("size", [None, PixelSize(0.5, 0.5, "stated")])
def test_planes_of_one_layer_have_one_origin_and_others_their_own(folder, grey, size):
    project = Project(folder)
    planes = [("Füße/1_0", "Füße/1"), ("Füße/1_1", "Füße/1"), ("x_0", "x"), ("y", "y"), ("z", "z")]
    names = [
        project.images.add_plane(title, Micrograph(layer, grey(n), size))[0]
        for n, (title, layer) in enumerate(planes)
    ]
    kept = [Project(folder).micrographs.read(name) for name in names]
    origins = [one.origin for one in kept]
    assert origins[0] == origins[1]
    assert kept[0].origin_name == "Füße_1"
    assert len(set(origins)) == 4
    assert all((one.pixel_size is None) is (size is None) for one in kept)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_the_same_plane_again_is_the_image_that_is_there(folder, grey, dtype):
    project = Project(folder)
    pixels = grey(7).astype(dtype) / (3 if dtype[0] == "f" else 1)
    pixels = pixels.astype(dtype)
    if dtype[0] == "f":
        pixels[3, 4] = np.nan
    for new in (True, False):
        assert project.images.add_plane("x", Micrograph("x", pixels.copy())) == ("x.tif", new)
    assert Project(folder).images.add_plane("x", Micrograph("x", pixels)) == ("x.tif", False)
    assert project.images.names.count("x.tif") == 1


def test_other_pixels_under_the_same_name_get_a_number(folder, grey):
    project = Project(folder)
    names = [project.images.add_plane("x", Micrograph("x", grey(n)))[0] for n in (5, 6, 5, 6, 7)]
    assert names == ["x.tif", "x-2.tif", "x.tif", "x-2.tif", "x-3.tif"]
    (folder / "matssl" / "planes" / "x.tif").unlink()
    assert project.images.add_plane("x", Micrograph("x", grey(6))) == ("x-2.tif", False)


def test_a_plane_takes_no_name_of_the_folders_images_as_labels_go_by_names(folder, grey):
    project = Project(folder)
    assert project.images.add_plane("A2", Micrograph("A2", grey(9)))[0] == "A2-2.tif"
    copy = Micrograph("b", np.asarray(Image.open(folder / "b.tif")))
    assert project.images.add_plane("b", copy) == ("b.tif", False)
    assert project.images.path("b.tif") == folder / "b.tif"


def test_an_image_that_comes_with_the_name_of_a_plane_goes_before_it_with_a_remark(folder, grey):
    Project(folder).images.add_plane("x", Micrograph("x", grey(9)))
    Image.fromarray(grey(1)).save(folder / "x.tif")
    project = Project(folder)
    assert project.images.path("x.tif") == folder / "x.tif"
    assert any("planes" in line and "is left out" in line for line in project.remarks)


def test_a_folder_of_nothing_but_planes_opens(tmp_path, grey):
    keep_plane(tmp_path / "matssl" / "planes", (), "x", Micrograph("x", grey(9)))
    project = Project(tmp_path)
    assert project.images.names == ("x.tif",)
    project.images.refresh()
    assert project.images.names == ("x.tif",)


def test_a_plane_added_to_some_files_of_a_folder_stays_with_them(folder, grey):
    Project(folder).images.add_plane("x", Micrograph("x", grey(9)))
    project = Project(folder, [folder / "b.tif"])
    assert project.images.names == ("b.tif",)
    project.images.add_plane("y", Micrograph("y", grey(8)))
    project.images.refresh()
    assert project.images.names == ("b.tif", "y.tif")
