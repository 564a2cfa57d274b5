"""Label images as people save them."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.class_table_files import (
    NamedValue,
    NamedValues,
    named_values_of,
    read_named_values,
)
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.reading_labels import read_labels, read_values

IDS = np.array([[0, 1, 2], [5, 5, 0]], np.uint8)


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
    assert "grey values are the class ids" in caught.value.remedy


RED, GREEN, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 0), (255, 255, 255)
PAINTED = np.zeros((40, 50), np.uint8)  # much unpainted, as strokes are
PAINTED[5:10, 5:45] = 1
PAINTED[20:23, 5:45] = 2
COLOURED = NamedValues(
    (NamedValue(1, "ferrite", "#FF0000"), NamedValue(2, "martensite", "#00ff00")), "c.json"
)
NAMES = NamedValues((NamedValue(1, "ferrite"), NamedValue(2, "martensite")), "c.json")


def in_colours(*colours, ids=PAINTED):
    return Image.fromarray(np.array(colours, np.uint8)[ids])


def indexed(path, ids, *colours):
    image = Image.fromarray(np.asarray(ids, np.uint8))
    image.putpalette([channel for colour in colours for channel in colour])
    image.save(path)
    return path


@pytest.mark.parametrize("colours", [None, 8, 3])
def test_colours_have_the_meaning_of_the_class_table(tmp_path, colours):
    """As RGB, and reduced to a palette whose order is nobody's choice."""
    image = in_colours(BLACK, RED, GREEN)
    (image if colours is None else image.quantize(colours)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_values(tmp_path / "a.png", COLOURED).values, PAINTED)


def test_a_class_may_be_black(tmp_path):
    in_colours(WHITE, BLACK, GREEN).save(tmp_path / "a.png")
    entries = (
        NamedValue(0, "matrix", "#ffffff"),
        NamedValue(1, "pore", "#000000"),
        NamedValue(2, "carbide", "#00ff00"),
    )
    values = read_values(tmp_path / "a.png", NamedValues(entries, "c.json")).values
    np.testing.assert_array_equal(values, PAINTED)


@pytest.mark.parametrize("named", [None, NAMES])
def test_a_palette_whose_indices_were_made_by_chance_is_refused_with_what_each_is(tmp_path, named):
    path = indexed(tmp_path / "a.png", np.array([2, 0, 1])[PAINTED], RED, GREEN, BLACK)
    with pytest.raises(InputError) as caught:
        read_values(path, named)
    assert "a.png" in caught.value.what
    assert "0 is #ff0000 (10.0%)" in caught.value.what
    assert "2 is #000000" in caught.value.what
    assert "grey values" in caught.value.remedy
    assert '"color": "#ff0000"' in caught.value.remedy


def test_a_palette_of_colours_alone_is_refused_as_0_would_be_unpainted(tmp_path):
    path = indexed(tmp_path / "a.png", PAINTED > 0, RED, GREEN)
    with pytest.raises(InputError, match="index 0 is a colour"):
        read_values(path, None)


def test_black_pores_on_white_are_not_turned_round(tmp_path):
    path = indexed(tmp_path / "a.png", PAINTED > 0, WHITE, BLACK)
    with pytest.raises(InputError, match="black is not index 0"):
        read_values(path, None)


def test_an_inverted_grey_palette_is_how_imagej_shows_masks(tmp_path):
    mask = np.where(PAINTED > 0, 255, 0)
    path = indexed(tmp_path / "a.png", mask, *([255 - i] * 3 for i in range(256)))
    np.testing.assert_array_equal(read_values(path, None).values, mask)


def test_indices_that_the_user_names_one_and_all_have_these_meanings(tmp_path):
    path = indexed(tmp_path / "a.png", PAINTED, RED, GREEN, BLACK)
    entries = tuple(NamedValue(i, n) for i, n in enumerate(("matrix", "pore", "carbide")))
    np.testing.assert_array_equal(read_values(path, NamedValues(entries, "c.json")).values, PAINTED)


def test_a_palette_that_shows_other_classes_in_the_tables_colours_is_refused(tmp_path):
    path = indexed(tmp_path / "a.png", PAINTED, BLACK, GREEN, (250, 0, 0))
    with pytest.raises(InputError, match="1 has the colour of class 2"):
        read_values(path, COLOURED)


def test_our_masks_keep_their_ids_whatever_colours_the_classes_have_by_now(tmp_path):
    def table(*colours, first=1):
        made = (
            LabelClass(id=i, name=f"n{i}", colour=colour)
            for i, colour in enumerate(colours, start=first)
        )
        return ClassTable(classes=tuple(made))

    write_mask(tmp_path / "a.png", PAINTED, table("#ff0000", "#00ff00"))
    for now in (("#ff0000", "#00ff00"), ("#00ff00", "#ff0000"), ("#0000ff", "#ff0000")):
        named = named_values_of(table(*now), "classes.json")
        np.testing.assert_array_equal(read_values(tmp_path / "a.png", named).values, PAINTED)
    write_mask(tmp_path / "b.png", PAINTED, table("#0072b2", "#ff0000", "#00ff00", first=0))
    for now in (("#0072b2", "#ff0000", "#00ff00"), ("#ff0000", "#0072b2", "#123456")):
        named = named_values_of(table(*now, first=0), "classes.json")
        np.testing.assert_array_equal(read_values(tmp_path / "b.png", named).values, PAINTED)


def test_colours_that_are_no_classs_are_named_with_their_share(tmp_path):
    in_colours(BLACK, RED, (0, 0, 255)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"no class's in c\.json.*: #0000ff \(6\.0%\)\."):
        read_values(tmp_path / "a.png", COLOURED)
    with pytest.raises(InputError, match=r"#000000 \(84\.0%\), #ff0000 \(10\.0%\)") as caught:
        read_values(tmp_path / "a.png", None)
    assert '"color"' in caught.value.remedy


def test_a_photograph_gets_no_advice_about_colours(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    with pytest.raises(InputError) as caught:
        read_values(tmp_path / "a.png", COLOURED)
    assert "color" not in caught.value.remedy


def test_a_jpeg_holds_two_values_or_none_that_mean_anything(tmp_path):
    mask = np.where(PAINTED > 0, 255, 0).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "a.jpg", quality=100)
    with pytest.raises(InputError, match=r"a\.jpg is a JPEG, whose compression changes values"):
        read_values(tmp_path / "a.jpg", None)
    flat = np.full((32, 32), 255, np.uint8)
    flat[:, 16:] = 0
    Image.fromarray(flat).save(tmp_path / "b.jpg", quality=100)
    np.testing.assert_array_equal(read_values(tmp_path / "b.jpg", None).values, flat)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_values_of_any_type_are_read_and_counted_the_same(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", PAINTED.astype(dtype))
    values = read_values(tmp_path / "a.tif", NAMES).values
    assert count_values(values) == count_values(PAINTED)


def save_with_alpha(path, alpha, channels, kind=np.uint8):
    colours = np.full((4, 5, channels), 200, kind)
    pixels = np.dstack([colours, np.asarray(alpha, kind)])
    if path.suffix == ".tif":
        photometric = "rgb" if channels == 3 else "minisblack"
        tifffile.imwrite(
            path,
            pixels,
            photometric=photometric,
            extrasamples=["unassalpha"],
            planarconfig="contig",
        )
    else:
        path.write_bytes(imagecodecs.png_encode(pixels))


def alpha_of(opaque, kind):
    """Return alpha that is 0 or half in some pixels, or in all."""
    erased = np.full((4, 5), opaque)
    if kind == "all":
        return np.zeros_like(erased)
    erased[1:3] = 0 if kind == "erased" else opaque // 2
    return erased


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("hidden", ["erased", "faint", "all"])
def test_colours_under_transparency_are_not_painted(tmp_path, name, channels, kind, hidden):
    path = tmp_path / name
    save_with_alpha(path, alpha_of(np.iinfo(kind).max, hidden), channels, kind)
    for read in (read_labels, lambda path: read_values(path, None)):
        with pytest.raises(InputError, match=rf"{name} are transparent.*Flatten it"):
            read(path)


def with_transparent_colour(path, mode, hidden):
    """Save values 0, 1 and 2 (or their colours), of which one is transparent without a channel."""
    ids = np.repeat(np.array([[0, 1, 2]], np.uint8), 4, axis=0)
    colours = [(0, 0, 0), (255, 0, 0), (0, 160, 255)]
    if mode == "RGB":
        image = Image.fromarray(np.array(colours, np.uint8)[ids])
    else:
        image = Image.fromarray(ids)
    if mode == "P":
        image.putpalette([value for colour in colours for value in colour])
    image.save(path, transparency=colours[hidden] if mode == "RGB" else hidden)
    with Image.open(path) as saved:
        assert "transparency" in saved.info
        assert saved.mode == mode


FORMS = [("a.gif", "P"), ("a.png", "P"), ("a.png", "L"), ("a.png", "RGB")]


@pytest.mark.parametrize(("name", "mode"), FORMS)
def test_a_colour_that_is_transparent_is_not_painted(tmp_path, name, mode):
    path = tmp_path / name
    with_transparent_colour(path, mode, hidden=1)
    with pytest.raises(InputError, match=rf"{name} are transparent.*Flatten it"):
        read_values(path, None)


@pytest.mark.parametrize(("name", "mode"), FORMS)
def test_black_may_be_transparent_as_it_is_unpainted(tmp_path, name, mode):
    path, table = tmp_path / name, tmp_path / "classes.json"
    with_transparent_colour(path, mode, hidden=0)
    table.write_text(
        '{"1": {"name": "a", "color": "#ff0000"}, "2": {"name": "b", "color": "#00a0ff"}}'
    )
    assert read_values(path, read_named_values(table)).values[0].tolist() == [0, 1, 2]


def test_a_transparent_grey_value_of_few_bits_is_not_painted(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 1, 2, 3]] * 4, np.uint8)).save(path, bits=2, transparency=2)
    with Image.open(path) as saved:
        assert saved.info["transparency"] == 2
    with pytest.raises(InputError, match="are transparent"):
        read_values(path, None)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_an_opaque_alpha_channel_changes_nothing(tmp_path, name, channels, kind):
    path = tmp_path / name
    save_with_alpha(path, np.full((4, 5), np.iinfo(kind).max), channels, kind)
    np.testing.assert_array_equal(read_labels(path), np.full((4, 5), 200))
