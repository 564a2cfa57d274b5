"""How masks are cleaned is kept with the folder; the masks stay as they were found."""

import numpy as np

from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.writing import write_micrograph
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning


def test_cleaning_comes_back_with_the_folder_and_leaves_masks_alone(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    write_micrograph(tmp_path / "a.tif", Micrograph("a", pixels))
    project = Project.open(tmp_path)
    assert project.cleaning == Cleaning()
    mask = np.ones((40, 50), np.uint8)
    mask[3, 3] = 2
    project.save_mask("a.tif", mask)
    sizes = Cleaning(smallest_region="2 um2", largest_hole=5)
    project.set_cleaning(sizes)
    again = Project.open(tmp_path)
    assert again.cleaning == sizes
    np.testing.assert_array_equal(again.mask("a.tif"), mask)
