"""The classes of a project: where they come from, editing, and matching those of a model."""

import json
import unicodedata

import numpy as np
import pytest
from PIL import Image, ImageFilter

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass, numbered_table
from napari_matssl.project.classes import MOST_IDS
from napari_matssl.project.folder import Project


@pytest.fixture
def project(folder):
    return Project(folder)


def summary(classes):
    return [(one.id, one.name) for one in classes]


def named(**names):
    """A class table such as ``named(_1="ferrite")``."""
    return ClassTable(
        classes=tuple(
            LabelClass(id=int(key[1:]), name=name, colour="#123456") for key, name in names.items()
        )
    )


def test_the_nearest_class_table_is_taken_without_the_unpainted_value(folder):
    write = lambda path, name: path.write_text(json.dumps({"0": "unlabelled", "3": name}))  # noqa: E731
    write(folder.parent / "classes.json", "above")
    assert summary(Project(folder).classes.in_order) == [(3, "above")]
    write(folder / "classes.json", "beside")
    assert summary(Project(folder).classes.in_order) == [(3, "beside")]
    (folder / "matssl").mkdir()
    write(folder / "matssl" / "classes.json", "own")
    assert summary(Project(folder).classes.in_order) == [(3, "own")]


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"0": "unlabelled"}'])
def test_a_table_that_is_none_hinders_only_where_it_is_the_projects_own(folder, text):
    (folder / "classes.json").write_text(text)
    project = Project(folder)
    assert project.classes.table.names == ("phase 1", "phase 2")
    assert bool(project.remarks) == ("unlabelled" not in text)
    (folder / "matssl").mkdir()
    (folder / "classes.json").rename(folder / "matssl" / "classes.json")
    with pytest.raises(InputError, match=r"matssl/classes\.json"):
        Project(folder)


def test_a_class_0_of_another_table_gets_a_free_id_with_a_remark(folder):
    (folder / "classes.json").write_text('{"0": "matrix", "1": "pore", "255": "carbide"}')
    project = Project(folder)
    assert summary(project.classes.in_order) == [(1, "pore"), (2, "matrix"), (3, "carbide")]
    said = " ".join(project.remarks)
    assert "names 0 as a class: matrix has the id 2 here, as 0 is the value of unpainted" in said
    assert "names 255 as a class: carbide has the id 3 here, as ids end at 254" in said


def test_a_class_0_in_the_projects_own_table_is_not_dropped_either(folder):
    (folder / "matssl").mkdir()
    (folder / "matssl" / "classes.json").write_text('{"0": "matrix", "1": "pore"}')
    project = Project(folder)
    assert summary(project.classes.in_order) == [(1, "pore"), (2, "matrix")]
    assert "matrix" in " ".join(project.remarks)


@pytest.mark.parametrize("place", [".", "matssl"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_may_have_a_byte_order_mark_and_colours(folder, place, encoding):
    (folder / place).mkdir(exist_ok=True)
    table = '{"1": {"name": "Gefüge", "color": "#ff0000"}, "2": {"name": "martensite"}}'
    (folder / place / "classes.json").write_text(table, encoding=encoding)
    project = Project(folder)
    assert project.remarks == ()
    assert summary(project.classes.in_order) == [(1, "Gefüge"), (2, "martensite")]
    assert project.classes.in_order[0].colour == "#ff0000"


@pytest.mark.parametrize("name", ["a\nb", "x" * 101, "a\u202eb"])
def test_names_that_would_break_a_table_are_refused_in_the_window_too(project, name):
    for edit in (lambda: project.classes.add(name), lambda: project.classes.rename(1, name)):
        with pytest.raises(InputError, match=r"The class name"):
            edit()
    assert summary(project.classes.in_order) == [(1, "phase 1"), (2, "phase 2")]


def test_a_name_in_another_unicode_form_is_the_same_name(project):
    composed, decomposed = (unicodedata.normalize(form, "Gefüge") for form in ("NFC", "NFD"))
    project.classes.rename(1, decomposed)
    assert project.classes.in_order[0].name == composed
    with pytest.raises(InputError, match="already"):
        project.classes.rename(2, composed)
    assert project.classes.adopt(named(_7=decomposed)) == {7: 1}
    project.classes.rename(1, "ferrite")
    assert Project(project.folder).classes.adopt(named(_7=decomposed)) == {7: 1}


def test_label_images_with_smoothed_edges_make_no_classes(folder):
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 10:40] = 200
    (folder / "matssl" / "labels").mkdir(parents=True)
    smoothed = Image.fromarray(mask).filter(ImageFilter.SMOOTH)
    smoothed.save(folder / "matssl" / "labels" / "b.png")
    with pytest.raises(InputError, match="thin seams"):
        Project(folder)


def test_every_edit_is_kept_at_once(project):
    folder = project.folder
    added = project.classes.add()
    assert (added.id, added.name, added.colour, added.exclude) == (3, "phase 3", COLOURS[2], False)
    scratch = project.classes.add(exclude=True)
    assert (scratch.name, scratch.exclude) == ("artefact 1", True)
    assert Project(folder).classes.in_order == project.classes.in_order
    project.classes.rename(1, "  ferrite ")
    assert summary(Project(folder).classes.in_order)[0] == (1, "ferrite")
    project.classes.recolour(2, "#ABCDEF")
    assert Project(folder).classes.table.classes[1].colour == "#ABCDEF"
    project.classes.set_exclude(3, True)
    assert Project(folder).classes.table.classes[2].exclude
    assert project.classes.table.classes[2].name == "phase 3"
    project.classes.reorder((4, 2, 3, 1))
    again = Project(folder)
    assert [one.id for one in again.classes.in_order] == [4, 2, 3, 1]
    assert again.classes.table.ids == (1, 2, 3, 4)
    project.classes.add("pore")
    assert [one.id for one in Project(folder).classes.in_order] == [4, 2, 3, 1, 5]


def test_a_third_class_is_called_the_third_whatever_the_others_are_called(project):
    project.classes.rename(1, "ferrite")
    project.classes.rename(2, "martensite")
    assert project.classes.add().name == "phase 3"
    assert project.classes.add(exclude=True).name == "artefact 1"


def test_free_ids_names_and_unused_colours_are_found_between_others(project):
    project.classes.add()
    project.classes.recolour(2, COLOURS[0].upper())
    project.classes.recolour(3, COLOURS[1])
    project.classes.delete(1)
    assert project.classes.add().model_dump() == {
        "id": 4,
        "name": "phase 4",
        "colour": COLOURS[2],
        "exclude": False,
    }
    project.classes.delete(4)
    project.classes.rename(2, "phase 1")
    assert (project.classes.add().name, project.classes.add().name) == ("phase 4", "phase 5")
    assert [one.id for one in project.classes.in_order] == [2, 3, 5, 6]


def test_an_id_is_given_again_only_where_all_have_been_given(project):
    for _ in range(MOST_IDS - 2):
        project.classes.add()
    project.classes.delete(7)
    assert project.classes.add("last").id == 7


def test_strokes_of_a_class_that_another_window_replaced_stay_its_own(project):
    pore = project.classes.add("pore")
    other = Project(project.folder)
    other.classes.delete(pore.id)
    carbide = other.classes.add("carbide")
    ids = np.full((4, 4), pore.id, np.uint8)
    (remark,) = project.classes.look_again_painting(ids)
    assert 'class "pore" was deleted in another window' in remark
    names = dict(zip(project.classes.table.ids, project.classes.table.names, strict=True))
    assert (names[pore.id], names[carbide.id]) == ("pore", "carbide")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "needs a name"),
        ("  ", "needs a name"),
        ("phase 1", "already"),
        (" phase 1 ", "already"),
    ],
)
def test_empty_and_taken_names_are_refused(project, name, reason):
    before = project.classes.in_order
    for edit in (lambda: project.classes.add(name), lambda: project.classes.rename(2, name)):
        with pytest.raises(InputError, match=reason):
            edit()
    assert project.classes.in_order == before
    assert not (project.folder / "matssl").exists()


def test_what_is_no_edit_is_refused(project):
    with pytest.raises(InputError, match="no class 9"):
        project.classes.rename(9, "x")
    with pytest.raises(InputError, match="colour"):
        project.classes.recolour(1, "red")
    for order in ((1,), (1, 2, 3), (1, 1, 2)):
        with pytest.raises(InputError, match="order"):
            project.classes.reorder(order)


def test_there_is_an_end_to_classes(folder):
    numbered_table(list(range(1, 255))).write(folder / "classes.json")
    project = Project(folder)
    with pytest.raises(InputError, match="254 classes"):
        project.classes.add()
    with pytest.raises(InputError, match="254 classes"):
        project.classes.adopt(named(_1="new"))


def test_deleting_a_class_erases_it_everywhere(project, paint):
    folder = project.folder
    project.classes.add("pore")
    project.labels.write("a2.png", paint(_1=3, _2=4, _3=5))
    project.labels.write("b.tif", paint(_2=6))
    project.masks.write("a10.png", paint(_2=1000, _3=1000))
    assert project.labels.use_of(2) == {"a2.png": 4, "b.tif": 6}
    project.classes.delete(2)
    again = Project(folder)
    assert summary(again.classes.in_order) == [(1, "phase 1"), (3, "pore")]
    labels = again.labels.read("a2.png")
    np.testing.assert_array_equal(labels, np.where(paint(_1=3, _2=4, _3=5) == 2, 0, labels))
    assert again.labels.counts("a2.png") == {1: 3, 3: 5}
    assert not again.labels.has("b.tif")


def test_masks_that_have_a_deleted_class_go_and_the_others_stay(project, paint):
    project.classes.add("pore")
    project.masks.write("a2.png", paint(_1=1262, _2=720, _3=18))
    project.masks.write("a10.png", paint(_1=1000, _2=1000))
    assert project.masks.share_of(3) == {"a2.png": pytest.approx(0.009)}
    project.classes.delete(3)
    assert project.masks.read("a2.png") is None  # its fractions would rise to 63.7 and 36.3 %
    np.testing.assert_array_equal(project.masks.read("a10.png"), paint(_1=1000, _2=1000))


def test_a_merged_class_gives_all_its_pixels_to_the_other(project, paint):
    project.classes.add("pore")
    project.classes.rename(3, "void")
    project.labels.write("b.tif", paint(_2=6, _3=3))
    project.masks.write("a2.png", paint(_1=1262, _2=720, _3=18))
    project.classes.merge(3, 2)
    again = Project(project.folder)
    assert summary(again.classes.in_order) == [(1, "phase 1"), (2, "phase 2")]
    assert again.labels.counts("b.tif") == {2: 9}
    np.testing.assert_array_equal(again.masks.read("a2.png"), paint(_1=1262, _2=738))
    for name in ("void", "pore"):  # both names of a model's class match the merged one
        assert again.classes.adopt(named(_7=name)) == {7: 2}


def test_a_class_is_not_merged_into_itself_or_into_none(project, paint):
    project.labels.write("b.tif", paint(_2=6))
    for into in (2, 9):
        with pytest.raises(InputError):
            project.classes.merge(2, into)
    assert project.labels.counts("b.tif") == {2: 6}


def test_deleting_reaches_images_that_are_not_listed_and_names_them(project, paint):
    project.labels.write("a2.png", paint(_1=1, _2=4))
    project.labels.write("b.tif", paint(_1=1, _2=6))
    few = Project(project.folder, [project.folder / "a2.png"])
    assert few.labels.use_of(2) == {"a2.png": 4, "b.png": 6}
    few.classes.delete(2)
    assert Project(project.folder).labels.counts("b.tif") == {1: 1}


def test_a_damaged_file_stops_deleting_before_anything_is_erased(project, paint):
    for name in ("a2.png", "b.tif"):
        project.labels.write(name, paint(_1=1, _2=4))
    project.masks.path("b.tif").parent.mkdir()
    project.masks.path("b.tif").write_bytes(b"no picture at all")
    with pytest.raises(InputError, match=r"masks/b\.png"):
        project.classes.delete(2)
    assert project.labels.counts("a2.png") == {1: 1, 2: 4}
    assert project.classes.table.ids == (1, 2)


def test_the_last_class_stays(project):
    project.classes.delete(1)
    with pytest.raises(InputError, match=r'"phase 2" is the last class'):
        project.classes.delete(2)


def test_a_models_classes_match_by_name_whatever_their_ids(project):
    assert project.classes.adopt(named(_4="phase 2", _9="phase 1")) == {4: 2, 9: 1}
    assert project.classes.table.ids == (1, 2)
    assert not (project.folder / "matssl").exists()


def test_a_model_still_matches_after_its_class_was_renamed(project):
    model = project.classes.table
    project.classes.rename(1, "ferrite")
    project.classes.rename(1, "α")
    again = Project(project.folder)
    assert again.classes.adopt(model) == {1: 1, 2: 2}
    assert again.classes.adopt(named(_5="ferrite")) == {5: 1}
    assert again.classes.table.names == ("α", "phase 2")


def test_a_name_counts_before_a_former_one(project):
    project.classes.rename(1, "matrix")
    project.classes.rename(2, "phase 1")
    assert project.classes.adopt(named(_1="phase 1")) == {1: 2}


def test_two_classes_of_a_model_never_become_one(project):
    project.classes.rename(1, "ferrite")
    ids = project.classes.adopt(named(_1="phase 1", _2="ferrite"))
    assert ids == {1: 3, 2: 1}
    assert project.classes.table.names == ("ferrite", "phase 2", "phase 1")


def test_a_new_class_of_a_model_keeps_its_id_where_it_can(project):
    assert project.classes.adopt(named(_7="oxide", _9="pore")) == {7: 7, 9: 9}
    assert project.classes.add().id == 3


def test_a_deleted_class_goes_with_its_former_names(project):
    project.classes.rename(1, "ferrite")
    project.classes.delete(1)
    project.classes.add("oxide")
    assert project.classes.adopt(named(_1="phase 1")) == {1: 4}


def test_unknown_classes_of_a_model_are_added_as_they_are(project):
    table = ClassTable(
        classes=(
            LabelClass(id=0, name="resin", colour="#000001"),
            LabelClass(id=1, name="oxide", colour="#000002"),
            LabelClass(id=3, name="scratch", colour="#000003", exclude=True),
        )
    )
    assert project.classes.adopt(table) == {0: 4, 1: 5, 3: 3}
    again = Project(project.folder)
    by_id = {one.id: one for one in again.classes.table.classes}
    assert [(by_id[i].name, by_id[i].colour) for i in (4, 5)] == [
        ("resin", "#000001"),
        ("oxide", "#000002"),
    ]
    assert by_id[3] == table.classes[2]
    assert [one.id for one in again.classes.in_order][:2] == [1, 2]


def test_matching_another_table_uses_former_names_and_adds_nothing(project):
    project.classes.rename(1, "ferrite")
    theirs = ClassTable(
        classes=tuple(
            LabelClass(id=i, name=name, colour="#123456")
            for i, name in ((3, "phase 1"), (4, "Phase 2"), (5, "pore"))
        )
    )
    assert project.classes.matching(theirs) == {3: 1, 4: 2}
    assert project.classes.table.names == ("ferrite", "phase 2")
