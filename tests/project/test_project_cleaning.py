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
    return Project.open(folder)


def test_cleaning_comes_back_with_the_folder_and_leaves_masks_alone(tmp_path):
    project = project_in(tmp_path)
    assert project.cleaning == Cleaning()
    mask = np.ones((40, 50), np.uint8)
    mask[3, 3] = 2
    project.save_mask("a.tif", mask)
    sizes = Cleaning(smallest_region="2 um2", largest_hole=5)
    project.set_cleaning(sizes)
    again = Project.open(tmp_path)
    assert again.cleaning == sizes
    np.testing.assert_array_equal(again.mask("a.tif"), mask)


def test_a_record_with_one_size_for_all_still_opens(tmp_path):
    project_in(tmp_path).set_cleaning(OWN)
    record = tmp_path / "matssl" / "project.json"
    data = json.loads(record.read_text())
    del data["cleaning"]
    record.write_text(json.dumps({**data, "smallest_region": 12, "largest_hole": 5}))
    again = Project.open(tmp_path)
    assert again.cleaning == Cleaning(smallest_region=12, largest_hole=5)
    again.set_cleaning(OWN)
    assert Project.open(tmp_path).cleaning == OWN


@pytest.mark.parametrize("how", ["delete", "merge"])
def test_sizes_of_a_class_go_with_it_and_not_to_the_next_of_its_id(tmp_path, how):
    project = project_in(tmp_path)
    assert project.table.ids == (1, 2)
    project.set_cleaning(OWN)
    if how == "delete":
        project.delete_class(2)
    else:
        project.merge_class(2, 1)
    assert project.cleaning == Cleaning(smallest_region=30)
    assert project.add_class("pore").id == 2
    assert Project.open(tmp_path).cleaning == Cleaning(smallest_region=30)
