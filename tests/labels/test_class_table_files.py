"""Class tables as users write them into classes.json."""

import json
import os

import pytest

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.class_table_files import (
    NamedValue,
    find_named_values,
    named_values_of,
    place,
    read_named_values,
)


def write(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def test_a_table_survives_its_file(tmp_path):
    table = ClassTable(
        classes=(
            LabelClass(id=1, name="α ferrite", colour="#0072b2"),
            LabelClass(id=7, name="scratch", colour="#FF00aa", exclude=True),
        )
    )
    table.write(tmp_path / "classes.json")
    read = read_named_values(tmp_path / "classes.json")
    assert read.ours
    assert place(read.entries, ()) == (table, {1: 1, 7: 7})


def test_the_plain_form_is_sorted_by_number_not_by_text(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"10": "pore", "2": "oxide"}))
    table, _ = place(read_named_values(path).entries, ())
    assert table.ids == (2, 10)
    assert table.names == ("oxide", "pore")


def test_listing_the_unlabelled_value_does_not_change_colours(tmp_path):
    with_zero, without = tmp_path / "a.json", tmp_path / "b.json"
    with_zero.write_text(json.dumps({"0": "unlabelled", "1": "oxide", "2": "crack"}))
    without.write_text(json.dumps({"1": "oxide", "2": "crack"}))
    (with_table, _), (without_table, _) = (
        place(read_named_values(path).entries, ()) for path in (with_zero, without)
    )
    assert with_table.without(0) == without_table
    assert without_table.classes[0].colour == COLOURS[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[1, 2]", "class table"),
        ("{}", "class table"),
        ('{"one": "oxide"}', "one"),
        ('{"65536": "oxide"}', "65535"),
        ('{"1.0": "oxide"}', "1.0"),
        ('{"١": "oxide"}', "65535"),
        ('{"' + 5000 * "9" + '": "oxide"}', "65535"),
        ('{"1": ' + 5000 * "9" + "}", "JSON"),
        ('{"1": 1e999}', "no name"),
        ('{"1": ["oxide"]}', "no name, but a list"),
        ('{"1": ' + 60 * "[" + 60 * "]" + "}", "no name"),
        ('{"1": ' + 100_000 * "[" + 100_000 * "]" + "}", "nested too deeply"),
        ('{"1": null}', "no name"),
        ('{"1": {"color": "#ff0000"}}', "name"),
        ('{"1": {"name": "oxide", "id": 4}}', "id"),
        ('{"1": {"name": 7}}', "name"),
        ('{"1": {"name": "oxide", "color": "red"}}', "pattern"),
        ('{"1": {"name": "oxide", "color": "#ff0000", "colour": "#00ff00"}}', "both"),
        ('{"1": "oxide", "1": "crack"}', "twice"),
        ('{"1": "oxide", "01": "crack"}', "value 1 stands there twice"),
        ('{"classes": null}', "classes"),
        ('{"classes": []}', "at least 1"),
        (
            '{"classes": [{"id": 1, "name": "a", "colour": "#000000"}, '
            '{"id": 1, "name": "b", "colour": "#000000"}]}',
            "ids must differ",
        ),
        ('{"classes": [{"id": 255, "name": "a", "colour": "#000000"}]}', "254"),
        ('{"1": "ferrite\\nmartensite"}', "line break"),
        ('{"1": "' + 101 * "x" + '"}', "at most 100"),
        ('{"-1": "oxide"}', "0"),
        ('{"1": "oxide", "2": "oxide"}', "names must differ"),
        ('{"1": ""}', "1 character"),
        ('{"classes": [{"id": 1, "name": "a", "colour": "red"}]}', "pattern"),
    ],
)
def test_a_bad_table_is_refused_with_an_example(tmp_path, text, complaint):
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_named_values(path)
    assert str(path) in caught.value.what
    assert complaint in caught.value.what
    assert "ferrite" in caught.value.remedy


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json"):
        read_named_values(tmp_path / "nowhere.json")


def test_a_refusal_is_one_short_line(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text('{"' + 100_000 * "9" + '": "' + 100_000 * "x" + '"}')
    with pytest.raises(InputError) as caught:
        read_named_values(path)
    assert len(caught.value.what) < 300


@pytest.mark.parametrize("key", ["color", "colour"])
def test_names_with_colours_are_understood(tmp_path, key):
    table = {"1": {"name": "ferrite", key: "#ff0000"}, "2": {"name": "martensite"}}
    found, _ = place(read_named_values(write(tmp_path / "c.json", table)).entries, ())
    assert found.names == ("ferrite", "martensite")
    assert [c.colour for c in found.classes] == ["#ff0000", COLOURS[1]]


def test_a_class_can_be_excluded_in_the_short_form_too(tmp_path):
    path = write(tmp_path / "c.json", {"1": {"name": "scratch", "exclude": True}})
    assert place(read_named_values(path).entries, ())[0].classes[0].exclude


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_the_table(tmp_path, encoding):
    path = tmp_path / "classes.json"
    path.write_text('{"1": "Gefüge"}', encoding=encoding)
    assert read_named_values(path).entries == (NamedValue(1, "Gefüge"),)


@pytest.mark.parametrize(
    ("name", "nobody"),
    [
        ("unlabelled", True),
        ("Unlabeled", True),
        ("not labelled", True),
        ("_not_analysed_", True),
        ("unpainted", True),
        ("ignore", True),
        ("background", False),
        ("_background_", False),
        ("matrix", False),
        ("unlabelled ferrite", False),
        ("void", False),
    ],
)
def test_only_names_for_unlabelled_pixels_are_no_class(name, nobody):
    assert NamedValue(0, name).is_no_class == nobody


def test_values_that_can_be_no_id_get_the_next_free_one():
    entries = [NamedValue(v, f"n{v}") for v in (0, 1, 255, 65_535)]
    table, ids = place(entries, taken=())
    assert ids == {0: 0, 1: 1, 255: 2, 65_535: 3}
    assert table.names == ("n0", "n1", "n255", "n65535")
    table, ids = place(entries[:2], taken={0})
    assert ids == {0: 2, 1: 1}
    assert table.ids == (1, 2)


def test_more_classes_than_ids_are_an_error():
    with pytest.raises(InputError, match="too many"):
        place([NamedValue(v, f"n{v}") for v in range(1, 300)], taken=())


def test_the_nearest_table_is_found_and_named(tmp_path):
    labels = tmp_path / "job" / "labels"
    labels.mkdir(parents=True)
    assert find_named_values(labels) is None
    write(labels.parent / "classes.json", {"1": "above"})
    above = find_named_values(labels)
    assert (above[1].name, above.source) == ("above", "classes.json")
    write(labels / "classes.json", {"1": "beside"})
    beside = find_named_values(labels)
    assert (beside[1].name, beside.source) == ("beside", "labels/classes.json")
    assert find_named_values(labels / "one.png") == beside
    given = write(tmp_path / "mine.json", {"1": "given"})
    assert find_named_values(labels, given).source == given.as_posix()


def test_a_broken_table_beside_the_labels_is_an_error_not_passed_over(tmp_path):
    (tmp_path / "classes.json").write_text("{")
    with pytest.raises(InputError, match=r"classes\.json"):
        find_named_values(tmp_path)


@pytest.mark.timeout(20)
def test_a_pipe_for_a_class_table_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "classes.json")
    with pytest.raises(InputError, match="pipe"):
        find_named_values(tmp_path)


def test_a_table_of_ours_keeps_its_values_and_colours():
    table = ClassTable(classes=(LabelClass(id=3, name="a", colour="#010203", exclude=True),))
    named = named_values_of(table, "the model")
    assert (3 in named, 4 in named, named.ours) == (True, False, True)
    assert place(named.entries, ())[0] == table
