"""The classes of a project: where they come from, editing, and matching those of a model."""

import json
import unicodedata

import numpy as np
import pytest
from PIL import Image, ImageFilter

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import COLOURS, ClassTable, LabelClass, numbered_table
from napari_matssl.project.folder import Project


@pytest.fixture
def project(folder):
    return Project.open(folder)


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
    assert summary(Project.open(folder).classes) == [(3, "above")]
    write(folder / "classes.json", "beside")
    assert summary(Project.open(folder).classes) == [(3, "beside")]
    (folder / "matssl").mkdir()
    write(folder / "matssl" / "classes.json", "own")
    assert summary(Project.open(folder).classes) == [(3, "own")]


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"0": "unlabelled"}'])
def test_a_table_that_is_none_hinders_only_where_it_is_the_projects_own(folder, text):
    (folder / "classes.json").write_text(text)
    project = Project.open(folder)
    assert project.table.names == ("phase 1", "phase 2")
    assert bool(project.remarks) == ("unlabelled" not in text)
    (folder / "matssl").mkdir()
    (folder / "classes.json").rename(folder / "matssl" / "classes.json")
    with pytest.raises(InputError, match=r"matssl/classes\.json"):
        Project.open(folder)


def test_a_class_0_of_another_table_gets_a_free_id_and_that_is_told(folder):
    (folder / "classes.json").write_text('{"0": "matrix", "1": "pore", "255": "carbide"}')
    project = Project.open(folder)
    assert summary(project.classes) == [(1, "pore"), (2, "matrix"), (3, "carbide")]
    said = " ".join(project.remarks)
    assert "names 0 as a class: matrix has the id 2 here, as 0 is the value of unpainted" in said
    assert "names 255 as a class: carbide has the id 3 here, as ids end at 254" in said


def test_a_class_0_in_the_projects_own_table_is_not_dropped_either(folder):
    (folder / "matssl").mkdir()
    (folder / "matssl" / "classes.json").write_text('{"0": "matrix", "1": "pore"}')
    project = Project.open(folder)
    assert summary(project.classes) == [(1, "pore"), (2, "matrix")]
    assert "matrix" in " ".join(project.remarks)


@pytest.mark.parametrize("place", [".", "matssl"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_may_have_a_byte_order_mark_and_colours(folder, place, encoding):
    (folder / place).mkdir(exist_ok=True)
    table = '{"1": {"name": "Gefüge", "color": "#ff0000"}, "2": {"name": "martensite"}}'
    (folder / place / "classes.json").write_text(table, encoding=encoding)
    project = Project.open(folder)
    assert project.remarks == ()
    assert summary(project.classes) == [(1, "Gefüge"), (2, "martensite")]
    assert project.classes[0].colour == "#ff0000"


@pytest.mark.parametrize("name", ["a\nb", "x" * 101, "a\u202eb"])
def test_names_that_would_break_a_table_are_refused_in_the_window_too(project, name):
    for edit in (lambda: project.add_class(name), lambda: project.rename_class(1, name)):
        with pytest.raises(InputError, match=r"The class name"):
            edit()
    assert summary(project.classes) == [(1, "phase 1"), (2, "phase 2")]


def test_a_name_in_another_unicode_form_is_the_same_name(project):
    composed, decomposed = (unicodedata.normalize(form, "Gefüge") for form in ("NFC", "NFD"))
    project.rename_class(1, decomposed)
    assert project.classes[0].name == composed
    with pytest.raises(InputError, match="already"):
        project.rename_class(2, composed)
    assert project.adopt(named(_7=decomposed)) == {7: 1}
    project.rename_class(1, "ferrite")
    assert Project.open(project.folder).adopt(named(_7=decomposed)) == {7: 1}


def test_label_images_with_smoothed_edges_make_no_classes(folder):
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 10:40] = 200
    (folder / "matssl" / "labels").mkdir(parents=True)
    smoothed = Image.fromarray(mask).filter(ImageFilter.SMOOTH)
    smoothed.save(folder / "matssl" / "labels" / "b.png")
    with pytest.raises(InputError, match="thin seams"):
        Project.open(folder)


def test_every_edit_is_kept_at_once(project):
    folder = project.folder
    added = project.add_class()
    assert (added.id, added.name, added.colour, added.exclude) == (3, "phase 3", COLOURS[2], False)
    scratch = project.add_class(exclude=True)
    assert (scratch.name, scratch.exclude) == ("artefact 1", True)
    assert Project.open(folder).classes == project.classes
    project.rename_class(1, "  ferrite ")
    assert summary(Project.open(folder).classes)[0] == (1, "ferrite")
    project.recolour_class(2, "#ABCDEF")
    assert Project.open(folder).table.classes[1].colour == "#ABCDEF"
    project.set_exclude(3, True)
    assert Project.open(folder).table.classes[2].exclude
    assert project.table.classes[2].name == "phase 3"
    project.reorder_classes((4, 2, 3, 1))
    again = Project.open(folder)
    assert [one.id for one in again.classes] == [4, 2, 3, 1]
    assert again.table.ids == (1, 2, 3, 4)
    project.add_class("pore")
    assert [one.id for one in Project.open(folder).classes] == [4, 2, 3, 1, 5]


def test_a_third_class_is_called_the_third_whatever_the_others_are_called(project):
    project.rename_class(1, "ferrite")
    project.rename_class(2, "martensite")
    assert project.add_class().name == "phase 3"
    assert project.add_class(exclude=True).name == "artefact 1"


def test_free_ids_names_and_unused_colours_are_found_between_others(project):
    project.add_class()
    project.recolour_class(2, COLOURS[0].upper())
    project.recolour_class(3, COLOURS[1])
    project.delete_class(1)
    assert project.add_class().model_dump() == {
        "id": 1,
        "name": "phase 4",
        "colour": COLOURS[2],
        "exclude": False,
    }
    project.delete_class(1)
    project.rename_class(2, "phase 1")
    assert (project.add_class().name, project.add_class().name) == ("phase 4", "phase 5")
    assert [one.id for one in project.classes] == [2, 3, 1, 4]


@pytest.mark.parametrize("name", ["", "  ", "phase 1", " phase 1 "])
def test_empty_and_taken_names_are_refused(project, name):
    before = project.classes
    for edit in (lambda: project.add_class(name), lambda: project.rename_class(2, name)):
        with pytest.raises(InputError, match=r"needs a name|already"):
            edit()
    assert project.classes == before
    assert not (project.folder / "matssl").exists()


def test_what_is_no_edit_is_refused(project):
    with pytest.raises(InputError, match="no class 9"):
        project.rename_class(9, "x")
    with pytest.raises(InputError, match="colour"):
        project.recolour_class(1, "red")
    for order in ((1,), (1, 2, 3), (1, 1, 2)):
        with pytest.raises(InputError, match="order"):
            project.reorder_classes(order)


def test_there_is_an_end_to_classes(folder):
    numbered_table(list(range(1, 255))).write(folder / "classes.json")
    project = Project.open(folder)
    with pytest.raises(InputError, match="254 classes"):
        project.add_class()
    with pytest.raises(InputError, match="254 classes"):
        project.adopt(named(_1="new"))


def test_deleting_a_class_erases_it_everywhere(project, paint):
    folder = project.folder
    project.add_class("pore")
    project.save_labels("a2.png", paint(_1=3, _2=4, _3=5))
    project.save_labels("b.tif", paint(_2=6))
    project.save_mask("a10.png", paint(_2=1000, _3=1000))
    assert project.class_use(2) == {"a2.png": 4, "b.tif": 6}
    project.delete_class(2)
    again = Project.open(folder)
    assert summary(again.classes) == [(1, "phase 1"), (3, "pore")]
    labels = again.labels("a2.png")
    np.testing.assert_array_equal(labels, np.where(paint(_1=3, _2=4, _3=5) == 2, 0, labels))
    assert again.painted("a2.png") == {1: 3, 3: 5}
    assert not again.state("b.tif").painted


def test_masks_that_have_a_deleted_class_go_and_the_others_stay(project, paint):
    project.add_class("pore")
    project.save_mask("a2.png", paint(_1=1262, _2=720, _3=18))
    project.save_mask("a10.png", paint(_1=1000, _2=1000))
    assert project.mask_use(3) == {"a2.png": pytest.approx(0.009)}
    project.delete_class(3)
    assert project.mask("a2.png") is None  # its fractions would rise to 63.7 and 36.3 %
    np.testing.assert_array_equal(project.mask("a10.png"), paint(_1=1000, _2=1000))


def test_a_merged_class_gives_all_its_pixels_to_the_other(project, paint):
    project.add_class("pore")
    project.rename_class(3, "void")
    project.save_labels("b.tif", paint(_2=6, _3=3))
    project.save_mask("a2.png", paint(_1=1262, _2=720, _3=18))
    project.merge_class(3, 2)
    again = Project.open(project.folder)
    assert summary(again.classes) == [(1, "phase 1"), (2, "phase 2")]
    assert again.painted("b.tif") == {2: 9}
    np.testing.assert_array_equal(again.mask("a2.png"), paint(_1=1262, _2=738))
    for name in ("void", "pore"):  # a model that knows the class finds the one that has taken it
        assert again.adopt(named(_7=name)) == {7: 2}


def test_a_class_is_not_merged_into_itself_or_into_none(project, paint):
    project.save_labels("b.tif", paint(_2=6))
    for into in (2, 9):
        with pytest.raises(InputError):
            project.merge_class(2, into)
    assert project.painted("b.tif") == {2: 6}


def test_deleting_reaches_images_that_are_not_listed_and_says_so(project, paint):
    project.save_labels("a2.png", paint(_1=1, _2=4))
    project.save_labels("b.tif", paint(_1=1, _2=6))
    few = Project.open(project.folder, [project.folder / "a2.png"])
    assert few.class_use(2) == {"a2.png": 4, "b.png": 6}
    few.delete_class(2)
    assert Project.open(project.folder).painted("b.tif") == {1: 1}


def test_a_damaged_file_stops_deleting_before_anything_is_erased(project, paint):
    for name in ("a2.png", "b.tif"):
        project.save_labels(name, paint(_1=1, _2=4))
    project.mask_path("b.tif").parent.mkdir()
    project.mask_path("b.tif").write_bytes(b"no picture at all")
    with pytest.raises(InputError, match=r"masks/b\.png"):
        project.delete_class(2)
    assert project.painted("a2.png") == {1: 1, 2: 4}
    assert project.table.ids == (1, 2)


def test_the_last_class_stays(project):
    project.delete_class(1)
    with pytest.raises(InputError, match=r'"phase 2" is the last class'):
        project.delete_class(2)


def test_a_models_classes_match_by_name_whatever_their_ids(project):
    assert project.adopt(named(_4="phase 2", _9="phase 1")) == {4: 2, 9: 1}
    assert project.table.ids == (1, 2)
    assert not (project.folder / "matssl").exists()


def test_a_model_still_matches_after_its_class_was_renamed(project):
    model = project.table
    project.rename_class(1, "ferrite")
    project.rename_class(1, "α")
    again = Project.open(project.folder)
    assert again.adopt(model) == {1: 1, 2: 2}
    assert again.adopt(named(_5="ferrite")) == {5: 1}
    assert again.table.names == ("α", "phase 2")


def test_a_name_counts_before_a_former_one(project):
    project.rename_class(1, "matrix")
    project.rename_class(2, "phase 1")
    assert project.adopt(named(_1="phase 1")) == {1: 2}


def test_two_classes_of_a_model_never_become_one(project):
    project.rename_class(1, "ferrite")
    ids = project.adopt(named(_1="phase 1", _2="ferrite"))
    assert ids == {1: 3, 2: 1}
    assert project.table.names == ("ferrite", "phase 2", "phase 1")


def test_a_new_class_of_a_model_keeps_its_id_where_it_can(project):
    assert project.adopt(named(_7="oxide", _9="pore")) == {7: 7, 9: 9}
    assert project.add_class().id == 3


def test_a_deleted_class_is_forgotten_with_its_former_names(project):
    project.rename_class(1, "ferrite")
    project.delete_class(1)
    project.add_class("oxide")
    assert project.adopt(named(_1="phase 1")) == {1: 3}


def test_unknown_classes_of_a_model_are_added_as_they_are(project):
    table = ClassTable(
        classes=(
            LabelClass(id=0, name="resin", colour="#000001"),
            LabelClass(id=1, name="oxide", colour="#000002"),
            LabelClass(id=3, name="scratch", colour="#000003", exclude=True),
        )
    )
    assert project.adopt(table) == {0: 4, 1: 5, 3: 3}
    again = Project.open(project.folder)
    by_id = {one.id: one for one in again.table.classes}
    assert [(by_id[i].name, by_id[i].colour) for i in (4, 5)] == [
        ("resin", "#000001"),
        ("oxide", "#000002"),
    ]
    assert by_id[3] == table.classes[2]
    assert [one.id for one in again.classes][:2] == [1, 2]


def test_matching_another_table_knows_former_names_and_adds_nothing(project):
    project.rename_class(1, "ferrite")
    theirs = ClassTable(
        classes=tuple(
            LabelClass(id=i, name=name, colour="#123456")
            for i, name in ((3, "phase 1"), (4, "Phase 2"), (5, "pore"))
        )
    )
    assert project.matching(theirs) == {3: 1, 4: 2}
    assert project.table.names == ("ferrite", "phase 2")
