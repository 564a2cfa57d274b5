"""How masks are cleaned is kept with the folder; the masks stay as they were found."""

import json

import numpy as np
import pytest

from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning, Size

OWN = Cleaning(smallest_region=30).with_sizes(2, smallest_region=Size(), largest_hole=Size(value=9))


def project_in(folder):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    write_micrograph(folder / "a.tif", Micrograph("a", pixels))
    return Project(folder)


def test_cleaning_comes_back_with_the_folder_and_leaves_masks_alone(tmp_path):
    project = project_in(tmp_path)
    assert project.masks.cleaning == Cleaning()
    mask = np.ones((40, 50), np.uint8)
    mask[3, 3] = 2
    project.masks.write("a.tif", mask)
    sizes = Cleaning(smallest_region="2 um2", largest_hole=5)
    project.masks.set_cleaning(sizes)
    again = Project(tmp_path)
    assert again.masks.cleaning == sizes
    np.testing.assert_array_equal(again.masks.read("a.tif"), mask)


def test_a_record_with_one_size_for_all_still_opens(tmp_path):
    project_in(tmp_path).masks.set_cleaning(OWN)
    record = tmp_path / "matssl" / "project.json"
    data = json.loads(record.read_text())
    del data["cleaning"]
    record.write_text(json.dumps({**data, "smallest_region": 12, "largest_hole": 5}))
    again = Project(tmp_path)
    assert again.masks.cleaning == Cleaning(smallest_region=12, largest_hole=5)
    again.masks.set_cleaning(OWN)
    assert Project(tmp_path).masks.cleaning == OWN


@pytest.mark.parametrize("how", ["delete", "merge"])
def test_sizes_of_a_class_go_with_it_and_not_to_the_next_of_its_id(tmp_path, how):
    project = project_in(tmp_path)
    assert project.classes.table.ids == (1, 2)
    project.masks.set_cleaning(OWN)
    if how == "delete":
        project.classes.delete(2)
    else:
        project.classes.merge(2, 1)
    assert project.masks.cleaning == Cleaning(smallest_region=30)
    assert project.classes.add("pore").id == 3
    assert Project(tmp_path).masks.cleaning == Cleaning(smallest_region=30)
