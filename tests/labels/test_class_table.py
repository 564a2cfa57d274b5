"""The class table: what classes may be called, what masks get from it, and how tables meet."""

import unicodedata

import pytest
from pydantic import ValidationError

from napari_matssl.labels.class_table import (
    ClassTable,
    LabelClass,
    differing_in_case,
    match_by_name,
    numbered_table,
)


def test_not_analysed_never_collides_with_a_class():
    assert numbered_table([1, 254]).no_class == 0
    assert numbered_table([0, 1]).no_class == 255


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


def classes(**names):
    """A class table such as ``classes(_1="ferrite")``."""
    made = (LabelClass(id=int(k[1:]), name=n, colour="#123456") for k, n in names.items())
    return ClassTable(classes=tuple(made))


def test_names_have_one_unicode_form_and_no_white_space_around():
    composed, decomposed = "Gefüge", unicodedata.normalize("NFD", "Gefüge")
    assert LabelClass(id=1, name=f" {decomposed}\t", colour="#000000").name == composed
    with pytest.raises(ValidationError, match="names must differ"):
        classes(_1=composed, _2=decomposed)


@pytest.mark.parametrize(
    "name", ["[bcc] ferrite", "می\u200cخواهم", "α", "=Fe3C", "铁素体", "M₂₃C₆", "x" * 100]
)
def test_unusual_names_are_names(name):
    assert classes(_1=name).names == (name,)


@pytest.mark.parametrize(
    "name",
    ["", "  ", "a\nb", "a\rb", "a\0b", "a\x1b[31mb", "a\u2028b", "a\u202eb", "a\u200bb", "x" * 101],
)
def test_names_that_would_break_a_table_are_refused(name):
    with pytest.raises(ValidationError, match="class"):
        classes(_1=name)


def test_tables_that_meet_are_matched_by_name_not_by_id():
    ours, theirs = classes(_1="ferrite", _2="martensite"), classes(_1="martensite", _2="ferrite")
    assert match_by_name(ours, theirs) == {1: 2, 2: 1}
    decomposed = unicodedata.normalize("NFD", "Gefüge")
    assert match_by_name(classes(_4="Gefüge"), classes(_7=decomposed, _9="pore")) == {7: 4}


def test_names_match_that_differ_in_case_only_where_one_can_be_meant():
    ours = classes(_1="ferrite", _2="Co", _3="CO")
    assert match_by_name(ours, classes(_7="Ferrite", _8="Co", _9="co")) == {7: 1, 8: 2, 9: 3}
    assert match_by_name(ours, classes(_7="co", _8="FERRITE", _9="Ferrite")) == {}
    theirs = classes(_7="Ferrite", _8="Co")
    ids = match_by_name(ours, theirs)
    assert differing_in_case(ours, theirs, ids) == (("Ferrite", "ferrite"),)
    former = {"old": 1}
    assert match_by_name(ours, classes(_5="old", _6="Ferrite"), former) == {5: 1}


def test_former_names_match_where_the_class_is_still_there_and_free():
    ours = classes(_1="ferrite", _2="carbide")
    former = {"phase 1": 1, "phase 9": 9}
    assert match_by_name(ours, classes(_5="phase 1", _6="phase 9"), former) == {5: 1}
    assert match_by_name(ours, classes(_5="phase 1", _6="ferrite"), former) == {6: 1}
