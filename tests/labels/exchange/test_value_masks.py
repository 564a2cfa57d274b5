"""Masks in which a grey value is a class."""

import numpy as np
import pytest
from annotated import SIZE
from PIL import Image

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.labels.exchange.drawing import draw
from napari_matssl.labels.exchange.pictures import read_once
from napari_matssl.labels.exchange.recognising import Reading, read_annotation_file
from napari_matssl.labels.exchange.value_masks import values_in, values_of

VALUES = np.zeros(SIZE[::-1], np.uint16)
VALUES[5:30, 4:20], VALUES[10:38, 20:45] = 1, 300
READING = Reading(values=(("ferrite", 1), ("martensite", 300)))


def drawn(file):
    ids = {one.name: n for n, one in enumerate(file.classes, 1)}
    return draw(file.images[0].annotations, ids, SIZE[1], SIZE[0], 1.0).ids


@pytest.mark.parametrize("name", ["a_Simple Segmentation.tif", "a.png"])
def test_each_value_is_the_class_that_was_named(tmp_path, name):
    Image.fromarray(VALUES).save(tmp_path / name)
    file = read_annotation_file(tmp_path / name, READING)
    assert (file.program, file.images[0].name, file.images[0].size) == ("grey values", "a", SIZE)
    assert np.array_equal(drawn(file), np.searchsorted([0, 1, 300], VALUES))


def test_values_without_a_class_are_listed_and_asked_for(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"no class's: 300 \(700 pixels\).*Name the") as found:
        read_annotation_file(tmp_path / "a.png", Reading(values=(("ferrite", 1),)))
    assert found.value.settings == "value"


def test_zero_may_be_a_class(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "a.png")
    file = read_annotation_file(tmp_path / "a.png", Reading(values=(*READING.values, ("pore", 0))))
    assert np.array_equal(drawn(file) == 3, VALUES == 0)


def test_photographs_and_smoothed_edges_are_no_masks(tmp_path):
    y, x = np.mgrid[:96, :96]
    photograph = (x + 96 * y).astype(np.uint16)
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match="9216 grey values"):
        values_in(tmp_path / "photo.png")
    discs = np.zeros((480, 480), np.uint8)
    y, x = np.mgrid[:480, :480]
    for number, (row, column) in enumerate(((120, 130), (300, 150), (180, 330), (340, 340))):
        discs[(y - row) ** 2 + (x - column) ** 2 < 70**2] = 100 + 100 * (number % 2)
    Image.fromarray(discs).resize((60, 60), Image.Resampling.BOX).save(tmp_path / "smooth.png")
    with pytest.raises(InputError, match="edges are smoothed"):
        values_in(tmp_path / "smooth.png")


def test_a_file_that_has_changed_is_read_again(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(VALUES).save(path)
    file = read_annotation_file(path, READING)
    before = drawn(file)
    Image.fromarray(VALUES[::-1]).save(path)
    assert np.array_equal(drawn(file), before[::-1])
    assert read_once(path, lambda _path: VALUES) is VALUES


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["ferrite"], "no class with its grey value.*ferrite=1"),
        (["=1"], "no class with its grey value"),
        (["a=x"], "no class with its grey value"),
        (["a=70000"], "from 0 to 65535"),
        (["a=1", "a=2"], "stands twice"),
        (["a=1", "b=01"], "each grey value once"),
    ],
)
def test_classes_of_values_are_given_once_each(given, words):
    with pytest.raises(SettingsError, match=words):
        values_of(given)


def test_names_may_hold_equals_signs():
    assert values_of(["a=b = 3", "pore=0"]) == {"a=b": 3, "pore": 0}
