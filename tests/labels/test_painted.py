"""Label images as people save them, and what the network is trained on."""

import json

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import numbered_table
from napari_matssl.labels.painted import (
    IGNORE,
    PaintedMicrograph,
    check_paintable,
    count_values,
    find_class_table,
    label_ids,
    painted_pixels,
    painted_share,
    read_labels,
    to_targets,
)
from napari_matssl.micrograph.image import InfoBar, Micrograph

TABLE = numbered_table([1, 2, 5])


def painted(labels, bar_row=None):
    labels = np.asarray(labels)
    bar = None if bar_row is None else InfoBar(bar_row, "test")
    image = Micrograph("steel.tif", np.zeros(labels.shape, np.uint8), info_bar=bar)
    return PaintedMicrograph(image, labels)


IDS = np.array([[0, 1, 2], [5, 5, 0]], np.uint8)


def test_labels_of_another_size_name_image_both_sizes_and_remedy():
    image = Micrograph("steel.tif", np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(InputError, match="Paint on the image") as caught:
        PaintedMicrograph(image, np.zeros((30, 41), np.uint8))
    assert "steel.tif has 40 x 30 pixels, its labels have 41 x 30" in caught.value.what


def save_palette(path):
    image = Image.fromarray(IDS)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    image.save(path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("palette.png", save_palette),
        ("grey.png", lambda p: Image.fromarray(IDS).save(p)),
        ("grey16.png", lambda p: Image.fromarray(IDS.astype(np.uint16)).save(p)),
        ("int32.tif", lambda p: tifffile.imwrite(p, IDS.astype(np.int32))),
        ("float.tif", lambda p: tifffile.imwrite(p, IDS.astype(np.float32))),
        (
            "grey as rgb.png",
            lambda p: Image.fromarray(np.repeat(IDS[..., None], 3, axis=2)).save(p),
        ),
    ],
)
def test_class_ids_are_read_however_they_were_saved(tmp_path, name, save):
    save(tmp_path / name)
    ids = read_labels(tmp_path / name)
    assert np.issubdtype(ids.dtype, np.integer)
    np.testing.assert_array_equal(ids, IDS)


COLOURS = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "pixels", "complaint"),
    [
        ("rgb.png", COLOURS, "colours"),
        ("fractions.tif", np.full((4, 5), 0.5, np.float32), "fractions"),
        ("nan.tif", np.full((4, 5), np.nan, np.float32), "fractions"),
        ("negative.tif", np.full((4, 5), -1, np.int16), "negative"),
    ],
)
def test_what_is_no_class_id_is_refused_with_file_and_remedy(tmp_path, name, pixels, complaint):
    path = tmp_path / name
    if name.endswith("png"):
        Image.fromarray(pixels).save(path)
    else:
        tifffile.imwrite(path, pixels)
    with pytest.raises(InputError, match=complaint) as caught:
        read_labels(path)
    assert str(path) in caught.value.what
    assert "palette" in caught.value.remedy


def test_targets_are_channels_and_unpainted_pixels_do_not_train():
    targets = to_targets(painted([[0, 1, 2], [5, 5, 0]]), TABLE, unlabelled=0)
    assert targets.dtype == np.uint8
    np.testing.assert_array_equal(targets, [[IGNORE, 0, 1], [2, 2, IGNORE]])


def test_strokes_across_the_info_bar_do_not_train_whatever_their_value():
    one = painted([[1, 2], [1, 99]], bar_row=1)
    np.testing.assert_array_equal(to_targets(one, TABLE, 0), [[0, 1], [IGNORE, IGNORE]])
    assert label_ids([one]) == (1, 2)


def test_with_unlabelled_none_every_value_is_a_class():
    targets = to_targets(painted([[0, 1]]), numbered_table([0, 1]), unlabelled=None)
    np.testing.assert_array_equal(targets, [[0, 1]])


def test_the_unlabelled_value_can_be_another_one():
    targets = to_targets(painted([[255, 0, 1]]), numbered_table([0, 1]), unlabelled=255)
    np.testing.assert_array_equal(targets, [[IGNORE, 0, 1]])


def test_a_value_outside_the_table_is_named_with_image_pixels_and_remedy():
    with pytest.raises(InputError, match="--classes") as caught:
        to_targets(painted([[1, 7, 7, 300, 0]]), TABLE, unlabelled=0)
    assert "steel.tif" in caught.value.what
    assert "7 (2 pixels), 300 (1 pixel)" in caught.value.what


def test_many_values_outside_the_table_fit_one_line():
    with pytest.raises(InputError, match="and 245 more"):
        to_targets(painted(np.arange(6, 256)[None]), TABLE, unlabelled=0)


@given(
    hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=2, max_dims=2),
        elements=st.sampled_from([0, 1, 2, 5]),
    )
)
def test_targets_lead_back_to_the_painted_ids(labels):
    targets = to_targets(painted(labels), TABLE, unlabelled=0)
    back = np.full(256, 0)
    back[: len(TABLE)] = TABLE.ids
    np.testing.assert_array_equal(back[targets], labels)
    counts = painted_pixels([targets], TABLE)
    assert sum(counts.values()) == np.count_nonzero(labels)
    assert counts[5] == np.count_nonzero(labels == 5)


def test_painted_pixels_add_up_over_images_and_list_classes_without_any():
    targets = [to_targets(painted(labels), TABLE, 0) for labels in ([[1, 1, 0]], [[1, 2, 0]])]
    assert painted_pixels(targets, TABLE) == {1: 3, 2: 1, 5: 0}


def test_the_painted_share_is_pooled_and_leaves_info_bars_out():
    images = [painted([[1, 0, 5, 0]]), painted([[2, 2], [2, 2], [0, 0]], bar_row=2)]
    assert painted_share(images, 0) == 6 / 8
    assert painted_share(images, 2) == 4 / 8
    assert painted_share(images, None) == 1


def test_nothing_painted_is_refused():
    with pytest.raises(InputError, match="Nothing is painted"):
        check_paintable({1: 0, 2: 0, 5: 0}, TABLE)


def test_a_single_painted_class_is_refused_by_name():
    with pytest.raises(InputError, match='"class 2"'):
        check_paintable({1: 0, 2: 40, 5: 0}, TABLE)


def test_two_painted_classes_are_enough():
    check_paintable({1: 1, 2: 40, 5: 0}, TABLE)


def write_table(path, **names):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key[1:]: name for key, name in names.items()}))
    return path


@pytest.fixture
def labels(tmp_path):
    folder = tmp_path / "job" / "labels"
    folder.mkdir(parents=True)
    return folder


def test_the_nearest_class_table_is_taken_and_named(labels, tmp_path):
    numbered = find_class_table(labels, (0, 1, 2), 0)
    assert numbered.table == numbered_table([1, 2])
    assert "found in the labels" in numbered.source

    write_table(labels.parent / "classes.json", _1="above", _2="b")
    above = find_class_table(labels, (0, 1, 2), 0)
    assert (above.table.names[0], above.source) == ("above", "classes.json")

    write_table(labels / "classes.json", _1="beside", _2="b")
    beside = find_class_table(labels, (0, 1, 2), 0)
    assert (beside.table.names[0], beside.source) == ("beside", "labels/classes.json")
    assert find_class_table(labels / "one.png", (0, 1, 2), 0) == beside

    given_path = write_table(tmp_path / "mine.json", _1="given", _2="b")
    given_table = find_class_table(labels, (0, 1, 2), 0, given_path)
    assert (given_table.table.names[0], given_table.source) == ("given", given_path.as_posix())


def test_the_unlabelled_value_is_no_class_even_if_the_table_lists_it(labels):
    write_table(labels / "classes.json", _0="unlabelled", _1="oxide", _2="crack")
    assert find_class_table(labels, (0, 1), 0).table.ids == (1, 2)
    assert find_class_table(labels, (0, 1), None).table.ids == (0, 1, 2)


def test_a_broken_table_beside_the_labels_is_an_error_not_passed_over(labels):
    (labels / "classes.json").write_text("{")
    with pytest.raises(InputError, match=r"classes\.json"):
        find_class_table(labels, (0, 1), 0)


@pytest.mark.parametrize("ids", [(), (0,)])
def test_no_class_at_all_reads_as_nothing_painted(labels, ids):
    with pytest.raises(InputError, match="Nothing is painted"):
        find_class_table(labels, ids, 0)


def test_a_table_of_the_unlabelled_value_alone_is_refused(labels):
    write_table(labels / "classes.json", _0="unlabelled")
    with pytest.raises(InputError, match="--unlabelled"):
        find_class_table(labels, (0, 1), 0)


@pytest.mark.parametrize("ids", [tuple(range(200)), (1, 2, 255), (1, 40_000)])
def test_a_photograph_given_for_labels_is_not_made_into_classes(labels, ids):
    with pytest.raises(InputError, match="label images"):
        find_class_table(labels, ids, 0)


def test_counting_in_pieces_is_counting(monkeypatch):
    values = np.random.default_rng(0).integers(0, 300, (37, 11))
    whole = count_values(values)
    monkeypatch.setattr("napari_matssl.labels.painted._CHUNK", 50)
    assert count_values(values) == whole
    assert whole[7] == (values == 7).sum()
    assert list(whole) == sorted(whole)
