"""Strokes and masks that are kept elsewhere than among the images."""

import numpy as np
import pytest

from napari_matssl.errors import OutputError
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.project.folder import Project
from napari_matssl.project.substitute_folder import begin_elsewhere, folder_in


def everything(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_nothing_is_written_among_the_images_and_all_is_there_again(folder, paint, grey, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    own = folder_in(place, folder)
    before = everything(folder)
    project = Project(folder, (), own)
    project.presence.enter()
    project.labels.write("b.tif", paint(_1=9))
    project.masks.write("b.tif", paint(_2=2000))
    project.classes.rename(1, "ferrite")
    project.images.add_plane("x", Micrograph("x", grey(9)))
    project.presence.leave()
    again = Project(folder, (), own)
    assert again.labels.counts("b.tif") == {1: 9}
    assert again.classes.table.names == ("ferrite", "phase 2")
    assert again.images.names[-1] == "x.tif"
    assert again.images.path("x.tif").is_relative_to(own)
    assert again.models.folder.is_relative_to(own)
    assert f"are kept in {own}" in again.remarks[0]
    assert everything(folder) == before


def test_what_others_have_painted_is_copied_once(folder, paint, tmp_path):
    theirs = Project(folder)
    theirs.labels.write("b.tif", paint(_1=9))
    theirs.presence.enter()
    (folder / "matssl" / "labels").chmod(0o555)
    own = folder_in(tmp_path, folder)
    begin_elsewhere(folder, own)
    assert not (own / "open").exists()
    ours = Project(folder, (), own)
    assert ours.labels.counts("b.tif") == {1: 9}
    assert ours.presence.enter() == ()
    ours.labels.write("b.tif", paint(_1=3))
    begin_elsewhere(folder, own)
    assert Project(folder, (), own).labels.counts("b.tif") == {1: 3}
    np.testing.assert_array_equal(theirs.labels.read("b.tif"), paint(_1=9))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_two_folders_of_one_name_have_places_of_their_own(tmp_path):
    places = {folder_in(tmp_path, tmp_path / one / "steel") for one in ("a", "b")}
    assert len(places) == 2


def test_a_place_that_is_gone_is_reported_and_not_made_anew(folder, paint, tmp_path):
    place = tmp_path / "stick"
    place.mkdir()
    project = Project(folder, (), folder_in(place, folder))
    place.rmdir()
    with pytest.raises(OutputError, match="stick is gone"):
        project.labels.write("b.tif", paint(_1=9))
    assert not place.exists()
    with pytest.raises(OutputError, match="stick"):
        begin_elsewhere(folder, folder_in(place, folder))
