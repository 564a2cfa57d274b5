"""The sets of the paper in the layouts in which they are published, on tiny made-up folders."""

import json
from itertools import pairwise

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.errors import InputError

SIZE = (40, 60)


def image(path, seed=0, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, size).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def label(path, values, size=SIZE):
    """Save columns of these values side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = np.repeat(np.asarray(values), size[1] // len(values), axis=0)
    array = np.broadcast_to(columns, (size[0], *columns.shape)).copy()
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="rgb" if array.ndim == 3 else "minisblack")
    else:
        Image.fromarray(array.astype(np.uint8)).save(path)


def read(name, folder):
    from published_sets import read_published

    return read_published(name, folder)


def row(painted):
    """One row of labels, each value once."""
    values = painted.labels[0]
    return [int(values[0]), *(int(b) for a, b in pairwise(values) if a != b)]


def test_metaldam_as_published_has_four_of_five_classes_and_our_nine_test_images(tmp_path):
    folder = tmp_path / "any name"
    for n in range(42):
        image(folder / "images" / f"micrograph{n}.jpg", n, (48, 60))
        label(folder / "labels" / f"micrograph{n}.png", [0, 1, 2, 3, 4])
    image(folder / "unlabeled_images" / "micrograph0.jpg", 99)
    found = read("metaldam", folder)
    assert len(found.labelled) == 42
    assert len(found.unlabelled) == 1
    assert len(found.micrographs) == 43
    assert row(found.labelled["micrograph3"]) == [1, 2, 3, 4, 5]
    assert found.table.names[3] == "precipitate"
    test = {p.micrograph.name for p in found.part("R33-9", "test")}
    assert len(test) == 9
    assert "micrograph36.jpg" in test
    assert len(found.part("R33-9", "train")) == 33
    assert found.part("R33-9", "val") == ()


def test_labels_that_end_where_the_information_bar_begins_cut_it_off(tmp_path):
    image(tmp_path / "images" / "micrograph0.jpg", 0, (48, 60))
    label(tmp_path / "labels" / "micrograph0.png", [0, 1])
    image(tmp_path / "images" / "micrograph1.jpg", 1)
    label(tmp_path / "labels" / "micrograph1.png", [0, 1])
    found = read("metaldam", tmp_path)
    assert found.labelled["micrograph0"].micrograph.height == SIZE[0]
    label(tmp_path / "labels" / "micrograph1.png", [0, 1], (50, 60))
    with pytest.raises(InputError, match=r"micrograph1\.jpg has 60 x 40 pixels, its labels"):
        read("metaldam", tmp_path)


def test_uhcs_has_minus_one_where_nothing_is_labelled_and_its_published_folds(tmp_path):
    folder = tmp_path / "uhcs-tif"
    for n in (6, 7, 75):
        image(folder / "images" / f"uhcs{n:04}.tif", n)
        label(folder / "labels" / f"uhcs{n:04}.tif", np.array([-1, 0, 1, 2, 3], np.int64))
    image(folder / "images" / "uhcs0999.tif", 4)
    lists = {"0": ["micrograph6"], "1": ["micrograph75", "micrograph7"]}
    (tmp_path / "uhcs-validation-sets.json").write_text(json.dumps(lists))
    found = read("uhcs", folder)
    assert row(found.labelled["uhcs0075"]) == [0, 1, 2, 3, 4]
    assert [m.name for m in found.unlabelled] == ["uhcs0999.tif"]
    assert [p.micrograph.name for p in found.part("fold0", "test")] == ["uhcs0006.tif"]
    assert len(found.part("fold1", "test")) == 2
    assert [p.micrograph.name for p in found.part("fold1", "train")] == ["uhcs0006.tif"]


@pytest.mark.parametrize("name", ["uhcs", "metaldam", "aachen", "ebc"])
def test_a_folder_of_images_alone_is_a_set_without_labels(tmp_path, name):
    for n in range(3):
        image(tmp_path / f"{n}.tif", n)
    found = read(name, tmp_path)
    assert len(found.unlabelled) == 3
    assert found.labelled == {}


def colours(values):
    return np.array([[(0, 0, 0), (255, 0, 0), (0, 0, 255)][v] for v in values], np.uint8)


@pytest.mark.parametrize("form", ["colours", "grey", "grey in three channels"])
@pytest.mark.parametrize("names", ["EBC{}", "ebc-{}", "coating {}"])
def test_ebc_as_nasa_publishes_it(tmp_path, names, form):
    values = {
        "colours": colours([0, 1, 2]),
        "grey": np.array([0, 1, 2], np.uint8),
        "grey in three channels": np.array([[v] * 3 for v in (0, 1, 2)], np.uint8),
    }[form]
    for split in (1, 2, 3):
        for n, part in enumerate(("train", "val", "test")):
            stem = f"0{n}#1(2)"
            image(tmp_path / names.format(split) / part / f"{stem}.tif", n)
            label(tmp_path / names.format(split) / f"{part}_annot" / f"{stem}.tif", values)
    found = read("ebc", tmp_path)
    assert list(found.splits) == ["EBC-1", "EBC-2", "EBC-3"]
    assert len(found.labelled) == 3
    assert [p.micrograph.name for p in found.part("EBC-3", "val")] == ["01#1(2).tif"]
    assert row(found.labelled["02#1(2)"]) == [1, 2, 3]
    assert found.table.names == ("background", "oxide", "crack")


def test_ebc_as_the_authors_have_it_with_masks_named_so(tmp_path):
    for part in ("train", "test"):
        image(tmp_path / "EBC1" / part / "inputs" / f"{part}.png")
        label(tmp_path / "EBC1" / part / "targets" / f"{part}_mask.png", [0, 1, 2])
    found = read("ebc", tmp_path)
    assert list(found.splits) == ["EBC-1"]
    assert len(found.part("EBC-1", "train")) == len(found.part("EBC-1", "test")) == 1


def test_a_split_of_its_own_and_splits_of_a_file_are_kept_apart_by_name(tmp_path):
    for part in ("train", "test"):
        image(tmp_path / part / "inputs" / f"{part}.png")
        label(tmp_path / part / "targets" / f"{part}.png", [0, 1])
    found = read("metaldam", tmp_path)
    assert list(found.splits) == ["whole"]
    with pytest.raises(InputError, match=r'no split "R33-9".*Splits: whole'):
        found.part("R33-9", "test")


def aachen(folder, outlines, place="PNG"):
    for n in range(6):
        image(folder / place / f"IMG_{n}.png", n)
    lines = ["image_url;point;polygon", *outlines]
    table = folder / "nature_scidata_heerlen_aachen_steel_annotations_polygon.csv"
    table.write_text("\n".join(lines))
    return folder


def test_outlines_of_aachen_are_filled_and_a_fifth_is_tested_on(tmp_path):
    square = "[(10, 5), (19, 5), (19, 24), (10, 24)]"
    small = "[(40, 30), (44, 30), (44, 34), (40, 34)]"
    outlines = [f"IMG_{n}.png;(12, 7);{square}" for n in range(5)] + [f"IMG_0.png;(42, 32);{small}"]
    found = read("aachen", aachen(tmp_path, outlines))
    assert len(found.labelled) == 5
    assert [m.name for m in found.unlabelled] == ["IMG_5.png"]
    assert (found.labelled["IMG_1"].labels == 2).sum() == 10 * 20
    assert (found.labelled["IMG_0"].labels == 2).sum() == 10 * 20 + 5 * 5
    assert len(found.part("whole", "test")) == 1
    assert len(found.part("whole", "train")) == 4


@pytest.mark.parametrize(
    ("outlines", "message"),
    [
        ([], "holds no outline"),
        (["IMG_0.png;(1, 2);[(1, 2"], "not the table of outlines"),
        (["IMG_0.png;(1, 2);5"], "not the table of outlines"),
        (["other.png;(1, 2);[(1, 2), (3, 4), (5, 6)]"], "None of the images"),
    ],
)
def test_a_table_that_cannot_be_meant_is_an_error_that_names_it(tmp_path, outlines, message):
    with pytest.raises(InputError, match=message) as caught:
        read("aachen", aachen(tmp_path, outlines))
    assert "annotations_polygon.csv" in str(caught.value)


def test_masks_of_aachen_may_be_white_on_black(tmp_path):
    for part in ("train", "test"):
        image(tmp_path / part / "inputs" / "a.png")
        label(tmp_path / part / "targets" / "a.png", [0, 255])
    assert row(read("aachen", tmp_path).labelled["a"]) == [1, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0, 7], np.uint8), "holds 7; its classes are 0 to 2"),
        (np.array([(0, 0, 0), (0, 255, 0)], np.uint8), r"holds the colour \(0, 255, 0\)"),
    ],
)
def test_values_and_colours_without_a_meaning_name_the_file(tmp_path, values, message):
    image(tmp_path / "EBC1" / "train" / "a.tif")
    label(tmp_path / "EBC1" / "train_annot" / "a.tif", values)
    with pytest.raises(InputError, match=message) as caught:
        read("ebc", tmp_path)
    assert "a.tif" in str(caught.value)


def test_a_class_table_beside_the_labels_gives_colours_their_meaning(tmp_path):
    image(tmp_path / "images" / "a.png")
    label(tmp_path / "labels" / "a.png", np.array([(9, 9, 9), (0, 200, 0)], np.uint8))
    table = {"1": {"name": "background", "color": "#090909"},
             "2": {"name": "oxide", "color": "#00c800"}}  # fmt: skip
    (tmp_path / "classes.json").write_text(json.dumps(table))
    assert row(read("ebc", tmp_path).labelled["a"]) == [1, 2]


def test_what_is_no_layout_or_no_folder_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        read("uhcs", tmp_path / "missing")
    with pytest.raises(InputError, match="no images in a layout that is known for uhcs"):
        read("uhcs", tmp_path)
    image(tmp_path / "images" / "a.png")
    label(tmp_path / "labels" / "b.png", [0, 1])
    with pytest.raises(InputError, match="No image of"):
        read("uhcs", tmp_path)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "split", "train", "test", "unlabelled"),
    [
        ("metaldam", "R33-9", 33, 9, 24),
        ("uhcs", "fold5", 20, 4, 60),
        ("ebc", "EBC-3", 15, 6, 0),
    ],
)
def test_our_own_layout_is_read(real_data, name, split, train, test, unlabelled):
    found = read(name, real_data / name)
    assert len(found.part(split, "train")) == train
    assert len(found.part(split, "test")) == test
    assert len(found.unlabelled) == unlabelled
    assert all(set(p.counts) <= {0, *found.table.ids} for p in found.labelled.values())
