"""Masks in which a colour is a class."""

import numpy as np
import pytest
from annotated import SIZE
from PIL import Image

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.labels.exchange.colour_masks import colours_of
from napari_matssl.labels.exchange.drawing import draw
from napari_matssl.labels.exchange.recognising import Reading, read_annotation_file

IDS = np.zeros(SIZE[::-1], np.uint8)
IDS[5:30, 4:20], IDS[10:38, 20:45] = 1, 2
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 160, 255]], np.uint8)
READING = Reading(colours=(("ferrite", "#ff0000"), ("martensite", "#00a0ff")))


def picture(mode):
    if mode == "P":
        image = Image.fromarray(IDS + 7)  # a program numbers colours as it meets them
        image.putpalette([9, 9, 9] * 7 + COLOURS.ravel().tolist())
        return image
    return Image.fromarray(COLOURS[IDS]).convert(mode)


def drawn(file):
    ids = {one.name: n for n, one in enumerate(file.classes, 1)}
    return draw(file.images[0].annotations, ids, SIZE[1], SIZE[0], 1.0).ids


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_each_colour_is_the_class_that_was_named(tmp_path, mode):
    path = tmp_path / "a_mask.png"
    picture(mode).save(path)
    file = read_annotation_file(path, READING)
    assert (file.images[0].name, file.images[0].size) == ("a", SIZE)
    assert [(one.name, one.colour) for one in file.classes] == list(READING.colours)
    assert np.array_equal(drawn(file), IDS)


def test_colours_under_transparency_are_not_painted(tmp_path):
    path = tmp_path / "a.png"
    image = picture("RGBA")
    image.putalpha(Image.fromarray(np.where(IDS == 1, 0, 255).astype(np.uint8)))
    image.save(path)
    with pytest.raises(InputError, match=r"a\.png are transparent.*Flatten it"):
        read_annotation_file(path, READING)


@pytest.mark.parametrize("unpainted", [False, True])
def test_colours_under_the_transparency_of_a_palette_are_not_painted(tmp_path, unpainted):
    path = tmp_path / "a.png"
    image = picture("RGBA")
    erased = (IDS == 0) if unpainted else (IDS == 1)
    alpha = np.where(erased, 0, 255).astype(np.uint8)
    image.putalpha(Image.fromarray(alpha))
    image.quantize(8).save(path)
    with Image.open(path) as saved:
        assert saved.mode == "P"
        assert 0 in saved.info["transparency"]
    if unpainted:
        assert np.array_equal(drawn(read_annotation_file(path, READING)), IDS)
        return
    with pytest.raises(InputError, match=r"a\.png are transparent.*Flatten it"):
        read_annotation_file(path, READING)


def test_colours_without_a_class_are_listed_and_asked_for(tmp_path):
    path = tmp_path / "a.png"
    picture("RGB").save(path)
    with pytest.raises(InputError, match=r"no class's: #00a0ff \(\d.*Name the class") as found:
        read_annotation_file(path, Reading(colours=(("ferrite", "#ff0000"),)))
    assert found.value.settings == "colour"
    with pytest.raises(InputError, match=r"#00a0ff .*#ff0000"):
        read_annotation_file(path, Reading())


def test_black_may_be_a_class(tmp_path):
    path = tmp_path / "a.png"
    picture("RGB").save(path)
    reading = Reading(colours=(*READING.colours, ("pore", "#000000")))
    found = drawn(read_annotation_file(path, reading))
    assert np.array_equal(found == 3, IDS == 0)


def discs(size=480):
    """Areas with round edges, as drawing programs smooth them."""
    y, x = np.mgrid[:size, :size]
    ids = np.zeros((size, size), np.uint8)
    for number, (row, column) in enumerate(((120, 130), (300, 150), (180, 330), (340, 340))):
        ids[(y - row) ** 2 + (x - column) ** 2 < 70**2] = 1 + number % 2
    return COLOURS[ids]


@pytest.mark.parametrize("factor", [2, 8])
def test_smoothed_edges_are_told_from_missing_names(tmp_path, factor):
    path = tmp_path / "a.png"
    whole = Image.fromarray(discs())
    sides = [side // factor for side in whole.size]
    whole.resize(sides, Image.Resampling.BOX).save(path)
    with pytest.raises(InputError, match=r"only where areas meet.*without smoothed edges"):
        read_annotation_file(path, READING)
    whole.resize(sides, Image.Resampling.NEAREST).save(path)
    assert len(read_annotation_file(path, READING).images[0].annotations) == 2


def test_a_photograph_and_grey_values_are_refused(tmp_path):
    path = tmp_path / "a.png"
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(path)
    with pytest.raises(InputError, match="or it is a photograph"):
        read_annotation_file(path, READING)
    Image.fromarray(IDS.astype(np.uint16) * 300).save(path)
    with pytest.raises(InputError, match="grey values of more than 8 bit"):
        read_annotation_file(path, READING)


def test_white_is_a_colour(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray((IDS == 1).astype(np.uint8) * 255).save(path)
    file = read_annotation_file(path, Reading(colours=(("pore", "#ffffff"),)))
    assert np.array_equal(drawn(file) == 1, IDS == 1)


def test_colours_are_read_as_people_write_them():
    assert colours_of(["a = b=#FF0000", "pore=#00a0ff"]) == {"a = b": "#ff0000", "pore": "#00a0ff"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["ferrite"], "no class with its colour.*ferrite=#ff0000"),
        (["=#ff0000"], "no class with its colour"),
        (["ferrite=red"], "no class with its colour"),
        (["a=#ff0000", "b=#FF0000"], "stands twice"),
        (["a=#ff0000", "a=#00ff00"], "stands twice"),
    ],
)
def test_other_forms_are_refused(given, words):
    with pytest.raises(SettingsError, match=words):
        colours_of(given)
