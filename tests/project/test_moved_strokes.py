"""Strokes that are painted on while their folder is kept in another place."""

import numpy as np
import tifffile

from napari_matssl.project.folder import KeptStrokes, Project
from napari_matssl.project.panorama_strokes import PanoramaStrokes
from napari_matssl.project.substitute_folder import begin_elsewhere, folder_in

SIZE = (60, 80)


def test_what_was_erased_in_a_part_stays_erased_in_the_other_place(tmp_path):
    folder = tmp_path / "steel"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.random.default_rng(0).integers(0, 99, SIZE, np.uint8))
    project, ids = Project(folder), np.zeros(SIZE, np.uint8)
    ids[5:10, 5:10] = ids[40:50, 40:50] = 1
    project.labels.write("a.tif", ids)
    version = project.labels.version("a.tif")
    every = PanoramaStrokes(KeptStrokes(project, "a.tif", version), version, SIZE)
    part = every.in_area((slice(0, 20), slice(0, 20)))
    own = folder_in(tmp_path / "mine", folder)
    (tmp_path / "mine").mkdir()
    begin_elsewhere(folder, own)
    moved = Project(folder, (), own)
    painted = np.zeros((20, 20), np.uint8)
    painted[15, 15] = 2
    saved = part.at(moved).save(painted)
    assert saved.remarks == ()
    expected = ids.copy()
    expected[:20, :20] = painted
    assert np.array_equal(moved.labels.read("a.tif"), expected)
    assert np.array_equal(Project(folder).labels.read("a.tif"), ids)
