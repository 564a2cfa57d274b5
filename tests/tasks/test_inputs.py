"""Bringing images, labels, classes and splits together."""

import hashlib
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.project.folder import Project
from napari_matssl.tasks.inputs import (
    fingerprint,
    read_folder,
    read_labelled,
    read_painted_set,
)
from napari_matssl.tasks.label_files import SplitChoice


def save(path, seed=0, size=(40, 50), values=256):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, values, size).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    """Four images; three with labels of the values 0 to 2."""
    for n, name in enumerate("abcd"):
        save(tmp_path / "images" / f"{name}.png", n)
    for n, name in enumerate("abc"):
        save(tmp_path / "labels" / f"{name}.png", n, values=3)
    return tmp_path


@pytest.fixture
def splits(folder):
    path = folder / "splits.json"
    path.write_text(
        json.dumps(
            {
                "A": {"train": ["a.png"], "val": ["b.png"], "test": ["c.png"]},
                "B": {"train": ["a", "b"], "test": ["c.png"]},
                "lost": {"train": ["a.png", "gone.png"], "test": ["b.png"]},
                "unlabelled": {"train": ["a.png"], "val": ["d.png"]},
            }
        )
    )
    return path


def names(painted):
    return [one.micrograph.name for one in painted]


def test_without_a_split_all_labelled_images_train(folder):
    found = read_painted_set(folder / "images", folder / "labels", 0)
    assert names(found.training) == ["a.png", "b.png", "c.png"]
    assert found.validation == ()
    assert found.table.ids == (1, 2)
    assert "found in the labels" in found.source


def test_every_value_is_a_class_where_none_means_unlabelled(folder):
    assert read_painted_set(folder / "images", folder / "labels", None).table.ids == (0, 1, 2)


def test_a_split_lists_training_and_validation_images(folder, splits):
    found = read_painted_set(
        folder / "images", folder / "labels", 0, split=SplitChoice(splits, "A")
    )
    assert (names(found.training), names(found.validation)) == (["a.png"], ["b.png"])
    found = read_painted_set(
        folder / "images", folder / "labels", 0, split=SplitChoice(splits, "B")
    )
    assert (names(found.training), names(found.validation)) == (["a.png", "b.png"], [])


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("lost", r"gone\.png"), ("unlabelled", r"d\.png"), ("C", 'no split "C"')],
)
def test_a_split_that_names_what_is_not_there_is_an_error(folder, splits, name, complaint):
    with pytest.raises(InputError, match=complaint):
        read_painted_set(folder / "images", folder / "labels", 0, split=SplitChoice(splits, name))


def test_a_class_that_only_the_validation_images_have_is_not_lost(folder, splits):
    """Else a model is chosen by scores that pass over a class."""
    labels = np.full((40, 50), 3, np.uint8)
    Image.fromarray(labels).save(folder / "labels" / "b.png")
    choice = SplitChoice(splits, "A")
    found = read_painted_set(folder / "images", folder / "labels", 0, split=choice)
    assert 3 in found.table.ids
    line = "Painted only in images to validate on, so that no model can learn it: class 3."
    assert line in found.remarks


def test_the_named_class_table_is_taken(folder):
    path = folder / "mine.json"
    path.write_text('{"0": "unlabelled", "1": "ferrite", "2": "pearlite"}')
    found = read_painted_set(folder / "images", folder / "labels", 0, classes=path)
    assert found.table.names == ("ferrite", "pearlite")
    assert "mine.json" in found.source


def save_labels(folder, ids):
    """Give all three label images the same ids."""
    for name in "abc":
        Image.fromarray(ids).save(folder / "labels" / f"{name}.png")


STRIPES = np.repeat(np.arange(4, dtype=np.uint8) % 3, 10)[:, None] * np.ones((1, 50), np.uint8)


def test_0_is_a_class_where_the_table_names_it(folder):
    save_labels(folder, STRIPES)
    (folder / "classes.json").write_text('{"0": "matrix", "1": "pore", "2": "carbide"}')
    found = read_painted_set(folder / "images", folder / "labels")
    assert found.table.names == ("matrix", "pore", "carbide")
    assert found.unlabelled is None
    assert any("0 is a class" in line for line in found.remarks)
    np.testing.assert_array_equal(found.training[0].labels, STRIPES)


def test_a_mask_of_0_and_255_trains_with_a_table_that_names_both(folder):
    save_labels(folder, np.where(STRIPES == 2, 255, 0).astype(np.uint8))
    (folder / "classes.json").write_text('{"0": "matrix", "255": "pore"}')
    found = read_painted_set(folder / "images", folder / "labels")
    assert (found.table.names, found.table.ids) == (("matrix", "pore"), (0, 1))
    np.testing.assert_array_equal(found.training[0].labels, STRIPES == 2)
    (folder / "classes.json").unlink()
    assert read_painted_set(folder / "images", folder / "labels", None).table.names == (
        "class 0",
        "class 255",
    )


@pytest.mark.parametrize("white", [1, 255])
def test_a_full_mask_of_two_values_is_reported_what_0_counts_as(folder, white):
    save_labels(folder, np.where(STRIPES == 2, white, 0).astype(np.uint8))
    with pytest.raises(InputError, match=f'Only one class is painted: "class {white}"') as caught:
        read_painted_set(folder / "images", folder / "labels")
    assert (
        '0 counts as unpainted: 75 % of the pixels; with "none" as the stored value of unpainted'
        in caught.value.what
    )
    (folder / "classes.json").write_text(f'{{"{white}": "pore"}}')
    with pytest.raises(InputError, match=r"0 counts as unpainted.*a name in classes\.json"):
        read_painted_set(folder / "images", folder / "labels")


def with_bar(folder, row=30):
    """Strokes of class 2 in the rows that are the info bar, and nowhere else."""
    labels = np.zeros((40, 50), np.uint8)
    labels[5:20], labels[row:] = 1, 2
    save_labels(folder, labels)


def test_strokes_in_the_info_bar_are_named_with_the_row_where_it_begins(folder):
    with_bar(folder)
    with pytest.raises(InputError, match='Only one class is painted: "class 1"') as caught:
        read_painted_set(folder / "images", folder / "labels", 0, info_bar=30)
    assert '"class 2" is painted only from row 30 of a.png on' in caught.value.what
    assert "set by hand" in caught.value.what
    assert "for specimen (none)" in caught.value.what


def test_the_info_bar_can_be_said(folder):
    with_bar(folder)
    found = read_painted_set(folder / "images", folder / "labels", 0, info_bar=None)
    assert found.table.ids == (1, 2)
    found = read_painted_set(folder / "images", folder / "labels", 0, info_bar=35)
    assert found.training[0].specimen_labels.shape == (35, 50)
    said = "From row 35 on, the info bar doesn't count (set by hand): a.png, b.png, c.png."
    assert said in found.remarks
    for row in (0, 40, 4000):
        with pytest.raises(InputError, match=f"a.png can't begin at row {row}"):
            read_painted_set(folder / "images", folder / "labels", 0, info_bar=row)


def test_a_class_lost_in_the_bar_is_reported_though_others_are_left(folder):
    labels = STRIPES.copy()
    labels[35:] = 7
    save_labels(folder, labels)
    (folder / "classes.json").write_text('{"1": "a", "2": "b", "7": "c"}')
    found = read_painted_set(folder / "images", folder / "labels", info_bar=35)
    assert any('"c" is painted only from row 35' in line for line in found.remarks)


def test_files_that_match_nothing_are_reported(folder):
    save(folder / "labels" / "e_labels.png", values=3)
    found = read_painted_set(folder / "images", folder / "labels", 0)
    assert found.remarks[:2] == (
        "1 label image matches no image: e_labels.png.",
        "1 of 4 images has no label: d.png.",
    )


def test_nothing_painted_but_the_info_bar_names_the_bar(folder):
    labels = np.zeros((40, 50), np.uint8)
    labels[35:] = 4
    save_labels(folder, labels)
    with pytest.raises(InputError, match=r'Nothing is painted.*"class 4".*from row 30 of a\.png'):
        read_painted_set(folder / "images", folder / "labels", info_bar=30)


def test_palettes_that_were_numbered_each_by_itself_are_refused(folder):
    """As by reducing the colours of each label image in turn."""
    for name, colours in (("a", "0f0f00"), ("b", "0f0f00"), ("c", "00f0f0")):
        image = Image.fromarray(STRIPES)
        rgb = [0, 0, 0, *(255 * (c == "f") for c in colours)]
        image.putpalette(rgb)
        image.save(folder / "labels" / f"{name}.png")
    with pytest.raises(InputError, match=r"c\.png shows 1 in #0000ff and a\.png in #00ff00"):
        read_painted_set(folder / "images", folder / "labels")
    (folder / "labels" / "c.png").unlink()
    said = read_painted_set(folder / "images", folder / "labels").remarks
    assert any("in which 0 is #000000, 1 is #00ff00, 2 is #ff0000" in line for line in said)


def test_a_table_beside_the_labels_that_another_one_overrules_is_reported(folder):
    save_labels(folder, STRIPES)
    (folder / "labels" / "classes.json").write_text('{"1": "pore", "2": "carbide"}')
    mine = folder / "mine.json"
    mine.write_text('{"1": "carbide", "2": "pore"}')
    said = read_painted_set(folder / "images", folder / "labels", classes=mine).remarks
    assert any("labels/classes.json is not used, in which 1 pore, 2 carbide" in s for s in said)
    mine.write_text('{"1": "pore", "2": "carbide", "3": "crack"}')
    said = read_painted_set(folder / "images", folder / "labels", classes=mine).remarks
    assert not any("not used" in line for line in said)


def test_single_files_pair_too(folder):
    found = read_painted_set(folder / "images" / "b.png", folder / "labels" / "b.png", 0)
    assert names(found.training) == ["b.png"]


def test_labels_of_another_size_are_an_error_that_names_the_image(folder):
    save(folder / "labels" / "b.png", values=3, size=(40, 49))
    with pytest.raises(InputError, match=r"b\.png has 50 x 40 pixels, its labels have 49 x 40"):
        read_painted_set(folder / "images", folder / "labels", 0)


def test_the_subset_to_score_is_taken(folder, splits):
    choice = SplitChoice(splits, "A")
    for subset, expected in (("test", "c.png"), ("val", "b.png")):
        found = read_labelled(folder / "images", folder / "labels", choice, subset)
        assert names(found) == [expected]
    assert len(read_labelled(folder / "images", folder / "labels", None, "test")) == 3
    with pytest.raises(InputError, match='"holdout"'):
        read_labelled(folder / "images", folder / "labels", choice, "holdout")


def test_folders_are_read_without_the_images_to_leave_out(folder):
    save(folder / "more" / "e.tif", 9)
    folders = [folder / "images", folder / "more"]
    assert len(read_folder(folders)) == 5
    assert [m.name for m in read_folder(folders, {"a", "c"})] == ["b.png", "d.png", "e.tif"]


def test_leaving_every_image_out_is_an_error(folder):
    with pytest.raises(InputError, match="Every image is excluded"):
        read_folder([folder / "images"], {"a", "b", "c", "d"})


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no images"):
        read_folder([tmp_path])


def test_the_fingerprint_is_that_of_the_file_or_else_of_the_pixels(folder):
    path = folder / "images" / "a.png"
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert fingerprint(read_micrograph(path)).sha256 == expected
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    section, turned = Micrograph("section", pixels), Micrograph("section", pixels.T)
    assert fingerprint(section) == fingerprint(Micrograph("section", pixels.copy()))
    assert fingerprint(section).sha256 != fingerprint(turned).sha256


@pytest.mark.parametrize("pages", [1, 2])
def test_two_label_images_of_one_page_are_refused(tmp_path, pages):
    rng = np.random.default_rng(0)
    for name in ("a.png", "a.page1.png"):
        save(tmp_path / "labels" / name, values=3)
    (tmp_path / "images").mkdir()
    sizes = [(40, 50), (34, 34)][:pages]  # smaller pages are passed over
    planes = [rng.integers(0, 256, size).astype(np.uint8) for size in sizes]
    first, *others = map(Image.fromarray, planes)
    first.save(tmp_path / "images" / "a.tif", save_all=True, append_images=others)
    for read in (read_painted_set, partial(read_labelled, split=None, subset="")):
        with pytest.raises(InputError, match=r"a\.png.* both belong to page 1 of a\.tif") as found:
            read(tmp_path / "images", tmp_path / "labels")
        assert "a.page1.png" in found.value.what


def test_label_images_of_two_pages_count_as_two_images(tmp_path):
    save(tmp_path / "labels" / "a.page2.png", values=3)
    save(tmp_path / "labels" / "a.page1.png", values=3)
    (tmp_path / "images").mkdir()
    first, other = (Image.fromarray(np.full((40, 50), v, np.uint8)) for v in (3, 5))
    first.save(tmp_path / "images" / "a.tif", save_all=True, append_images=[other])
    found = read_painted_set(tmp_path / "images", tmp_path / "labels").training
    assert [(one.micrograph.name, one.micrograph.page) for one in found] == [
        ("a.tif", 1),
        ("a.tif", 2),
    ]


def test_painted_images_that_are_excluded_in_their_project_are_named(folder):
    Project(folder / "images").micrographs.set_excluded(["b.png"], True)
    found = read_painted_set(folder / "images", folder / "labels", 0)
    assert "Excluded in the project of its folder, b.png counts here." in found.remarks
    assert names(found.training) == ["a.png", "b.png", "c.png"]
