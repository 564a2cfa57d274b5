"""The class table: what users may write into it, and what masks get from it."""

import json

import pytest
from pydantic import ValidationError

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import (
    COLOURS,
    ClassTable,
    LabelClass,
    numbered_table,
    read_class_table,
)


def test_a_table_survives_its_file(tmp_path):
    table = ClassTable(
        classes=(
            LabelClass(id=1, name="α ferrite", colour="#0072b2"),
            LabelClass(id=7, name="scratch", colour="#FF00aa", exclude=True),
        )
    )
    table.write(tmp_path / "classes.json")
    assert read_class_table(tmp_path / "classes.json") == table


def test_the_plain_form_is_sorted_by_number_not_by_text(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"10": "pore", "2": "oxide"}))
    table = read_class_table(path)
    assert table.ids == (2, 10)
    assert table.names == ("oxide", "pore")


def test_listing_the_unlabelled_value_does_not_change_colours(tmp_path):
    with_zero, without = tmp_path / "a.json", tmp_path / "b.json"
    with_zero.write_text(json.dumps({"0": "unlabelled", "1": "oxide", "2": "crack"}))
    without.write_text(json.dumps({"1": "oxide", "2": "crack"}))
    assert read_class_table(with_zero).without(0) == read_class_table(without)
    assert read_class_table(without).classes[0].colour == COLOURS[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[1, 2]", "class table"),
        ("{}", "class table"),
        ('{"one": "oxide"}', "one"),
        ('{"255": "oxide"}', "254"),
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
        read_class_table(path)
    assert str(path) in caught.value.what
    assert complaint in caught.value.what
    assert "ferrite" in caught.value.remedy


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json"):
        read_class_table(tmp_path / "nowhere.json")


def test_not_analysed_never_collides_with_a_class():
    assert numbered_table([1, 254]).not_analysed == 0
    assert numbered_table([0, 1]).not_analysed == 255


def test_descending_ids_are_refused_because_channels_follow_them():
    a, b = numbered_table([1, 2]).classes
    with pytest.raises(ValidationError, match="ascend"):
        ClassTable(classes=(b, a))


def test_without_drops_one_id_and_keeps_the_others_colours():
    table = numbered_table([0, 1, 2])
    assert table.without(0).classes == table.classes[1:]
    assert table.without(9) is table
    assert table.without(None) is table


def test_rgb_reads_the_hexadecimal_colour():
    assert LabelClass(id=1, name="a", colour="#0a80FF").rgb == (10, 128, 255)
