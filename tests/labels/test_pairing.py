"""Which files belong together, and what a split or a list of names means."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.labels.pairing import Pair, pair_by_stem, stem_of
from napari_matssl.labels.splits import Split, read_exclusions, read_split


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(path)
    return path


@pytest.fixture
def folders(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    return images, labels


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.png", "a"),
        ("a.TIF", "a"),
        ("a.ome.tif", "a"),
        ("folder/a.png", "a"),
        ("folder\\a.png", "a"),
        ("a", "a"),
        ("steel 15.0kV", "steel 15.0kV"),
        ("steel 15.0kV.tif", "steel 15.0kV"),
        (Path("images") / "a.png", "a"),
    ],
)
def test_stems_lose_only_suffixes_of_images(name, stem):
    assert stem_of(name) == stem


def test_files_pair_by_stem_whatever_the_suffix_and_images_without_label_stay_out(folders):
    images, labels = folders
    for name in ("b.tif", "a.png", "lonely.png"):
        touch(images / name)
    for name in ("a.png", "b.png", "stray.png"):
        touch(labels / name)
    found = pair_by_stem(images, labels)
    assert found.pairs == (
        Pair(images / "a.png", labels / "a.png"),
        Pair(images / "b.tif", labels / "b.png"),
    )
    assert found.images_left == (images / "lonely.png",)
    assert found.labels_left == (labels / "stray.png",)


def test_labels_that_match_no_image_are_named_and_images_without_label_counted(folders):
    images, labels = folders
    for name in ("m0", "m1", "m2", "m3"):
        touch(images / f"{name}.png")
    for name in ("m0", "m1", "M2", "m3_labels"):
        touch(labels / f"{name}.png")
    assert pair_by_stem(images, labels).remarks == (
        "2 label images match no image: M2.png, m3_labels.png.",
        "2 of 4 images have no label: m2.png, m3.png.",
    )
    (labels / "M2.png").unlink()
    touch(labels / "m2.png")
    assert pair_by_stem(images, labels).remarks == (
        "1 label image matches no image: m3_labels.png.",
        "1 of 4 images has no label: m3.png.",
    )


@pytest.mark.parametrize(("of_image", "of_label"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_that_look_the_same_are_the_same(folders, of_image, of_label):
    images, labels = folders
    image = touch(images / unicodedata.normalize(of_image, "Stahl_Gefüge_ä.png"))
    label = touch(labels / unicodedata.normalize(of_label, "Stahl_Gefüge_ä.tif"))
    found = pair_by_stem(images, labels)
    assert found.pairs == (Pair(image, label),)
    assert found.remarks == ()


def test_splits_and_exclusions_name_files_in_any_unicode_form(tmp_path):
    names = [unicodedata.normalize(form, "Gefüge.png") for form in ("NFC", "NFD")]
    for listed, there in (names, names[::-1]):
        path = tmp_path / "splits.json"
        path.write_text(json.dumps({"A": {"train": [listed]}}))
        item = Path("images") / there
        assert read_split(path, "A").select([item], "train") == [item]
        assert stem_of(there) in read_exclusions(path)


def test_a_leak_between_subsets_is_seen_in_any_unicode_form(tmp_path):
    train, test = (unicodedata.normalize(form, "Gefüge.png") for form in ("NFC", "NFD"))
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"A": {"train": [train], "test": [test]}}))
    with pytest.raises(InputError, match="both in"):
        read_split(path, "A")


def test_two_files_that_differ_in_unicode_form_alone_are_refused(folders):
    images, labels = folders
    for form in ("NFC", "NFD"):
        touch(images / unicodedata.normalize(form, "ä.png"))
    touch(labels / "ä.png")
    with pytest.raises(InputError, match="Two images"):
        pair_by_stem(images, labels)


@pytest.mark.parametrize("depth", [900, 100_000])
def test_exclusions_may_be_nested_or_are_refused_but_never_break(tmp_path, depth):
    path = tmp_path / "names.json"
    path.write_text(depth * "[" + '"a.png"' + depth * "]")
    if depth == 900:
        assert read_exclusions(path) == {"a"}
    else:
        with pytest.raises(InputError, match="nested too deeply"):
            read_exclusions(path)


def test_readers_of_names_take_a_byte_order_mark(tmp_path):
    path = tmp_path / "names.json"
    path.write_text('{"A": {"train": ["a.png"]}}', encoding="utf-8-sig")
    assert read_exclusions(path) == {"a"}
    assert read_split(path, "A").subsets == {"train": ("a.png",)}


def test_a_class_table_beside_the_labels_is_no_label(folders):
    images, labels = folders
    touch(images / "a.png")
    touch(labels / "a.png")
    (labels / "classes.json").write_text("{}")
    assert len(pair_by_stem(images, labels).pairs) == 1


def test_single_files_pair_too(folders):
    images, labels = folders
    image, label = touch(images / "a.tif"), touch(labels / "a.png")
    touch(images / "b.tif")
    for given in (image, images):
        found = pair_by_stem(given, label)
        assert found.pairs == (Pair(image, label),)
        assert found.remarks == ()


def test_no_label_for_any_image_names_what_was_looked_for(folders):
    images, labels = folders
    for n in range(5):
        touch(images / f"im{n}.png")
    touch(labels / "other.png")
    with pytest.raises(InputError, match="No label for any image") as caught:
        pair_by_stem(images, labels)
    assert "im0, im1, im2 and 2 more" in caught.value.what
    assert str(labels) in caught.value.what


def test_empty_folders_of_labels_and_of_images_have_different_errors(folders):
    images, labels = folders
    touch(images / "a.png")
    with pytest.raises(InputError, match="label images"):
        pair_by_stem(images, labels)
    with pytest.raises(InputError) as caught:
        pair_by_stem(labels, images)
    assert "label" not in caught.value.what.replace(str(labels), "")


def test_two_images_for_one_label_are_refused_by_name(folders):
    images, labels = folders
    touch(images / "a.png")
    touch(images / "a.tif")
    touch(labels / "a.png")
    with pytest.raises(InputError, match="images") as caught:
        pair_by_stem(images, labels)
    assert "a.png" in caught.value.what
    assert "a.tif" in caught.value.what


def test_two_labels_for_one_image_are_refused(folders):
    images, labels = folders
    touch(images / "a.png")
    touch(labels / "a.png")
    touch(labels / "a.tif")
    with pytest.raises(InputError, match="labels"):
        pair_by_stem(images, labels)


def test_an_image_is_never_its_own_label(folders):
    images, _ = folders
    touch(images / "a.png")
    with pytest.raises(InputError, match="folder of their own"):
        pair_by_stem(images, images)


def test_labels_kept_in_a_folder_among_the_images_still_pair(folders):
    images, _ = folders
    image, label = touch(images / "a.png"), touch(images / "labels" / "a.png")
    assert pair_by_stem(images, images / "labels").pairs == (Pair(image, label),)


SPLITS = {
    "A": {"train": ["a.png", "b"], "val": ["c.png"], "test": ["d.png"]},
    "B": {"train": ["d.png"]},
}


@pytest.fixture
def splits(tmp_path):
    path = tmp_path / "splits.json"
    path.write_text(json.dumps(SPLITS))
    return path


def pairs(*stems):
    return [Pair(Path(f"images/{s}.tif"), Path(f"labels/{s}.png")) for s in stems]


def test_a_split_selects_pairs_and_paths_in_its_order(splits):
    split = read_split(splits, "A")
    assert set(split.subsets) == {"train", "val", "test"}
    a, b, c, d = pairs("a", "b", "c", "d")
    assert split.select([d, c, b, a], "train") == [a, b]
    assert split.select([a.image, c.image], "val") == [c.image]


def test_a_name_listed_twice_is_selected_once(tmp_path):
    split = Split(tmp_path, "A", {"train": ("a.png", "a", "b.png")})
    assert split.select(pairs("a", "b"), "train") == pairs("a", "b")


def test_a_split_that_names_missing_files_lists_the_first_few(tmp_path):
    split = Split(tmp_path / "s.json", "A", {"train": tuple(f"{n}.png" for n in range(9))})
    with pytest.raises(InputError, match=r"1\.png, 2\.png, 3\.png and 5 more") as caught:
        split.select(pairs("0"), "train")
    assert "s.json" in caught.value.what


@pytest.mark.parametrize("subset", ["tset", "empty"])
def test_an_unknown_or_empty_subset_lists_the_known_ones(tmp_path, subset):
    split = Split(tmp_path, "A", {"train": ("a",), "test": ("b",), "empty": ()})
    with pytest.raises(InputError, match='"train", "test", "empty"'):
        split.select(pairs("a", "b"), subset)


def test_an_unknown_split_lists_the_known_ones(splits):
    with pytest.raises(InputError, match=r'has no split "C".* "A", "B"'):
        read_split(splits, "C")


@pytest.mark.parametrize("subset", ["val", "test"])
def test_an_image_to_train_and_to_score_is_a_leak(tmp_path, subset):
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"A": {"train": ["a.png", "b.png"], subset: ["b"]}}))
    with pytest.raises(InputError, match=rf'"train" and in "{subset}": b'):
        read_split(path, "A")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '{"A": ["a.png"]}', '{"A": {"train": "a.png"}}', '{"A": {"train": [1]}}'],
)
def test_a_file_that_holds_no_splits_is_refused_with_an_example(tmp_path, text):
    path = tmp_path / "splits.json"
    path.write_text(text)
    with pytest.raises(InputError, match="Splits look like") as caught:
        read_split(path, "A")
    assert str(path) in caught.value.what


def test_files_that_are_no_text_are_refused(tmp_path):
    path = touch(tmp_path / "a.png")
    with pytest.raises(InputError, match="not text"):
        read_split(path, "A")
    with pytest.raises(InputError, match="not text"):
        read_exclusions(path)


def test_exclusions_are_read_from_a_list_and_from_a_file_of_splits(tmp_path, splits):
    path = tmp_path / "names.json"
    path.write_text(json.dumps(["a.png", "folder/b.tif", "c"]))
    assert read_exclusions(path) == {"a", "b", "c"}
    assert read_exclusions(splits) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("text", ['"a.png"', "3", "[1]", '{"test": null}', "{"])
def test_exclusions_that_are_no_names_are_refused(tmp_path, text):
    path = tmp_path / "names.json"
    path.write_text(text)
    with pytest.raises(InputError, match="Names to leave out look like"):
        read_exclusions(path)


def test_labels_of_pages_belong_to_their_image(folders):
    images, labels = folders
    image, other = touch(images / "a.tif"), touch(images / "a.page2.tif")
    first, third = touch(labels / "a.png"), touch(labels / "a.page3.png")
    second, strange = touch(labels / "a.page2.png"), touch(labels / "b.page1.png")
    found = pair_by_stem(images, labels)
    assert set(found.pairs) == {Pair(image, first), Pair(image, third, 3), Pair(other, second)}
    assert found.labels_left == (strange,)
    split = Split(Path("s.json"), "A", {"train": ("a.tif",)})
    assert split.select(found.pairs, "train") == [Pair(image, first), Pair(image, third, 3)]
