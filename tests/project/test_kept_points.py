"""Counts of points are kept per image, and follow what becomes of the classes."""

import json

import pytest

from napari_matssl.errors import InputError, OutputError
from napari_matssl.project.folder import Project
from napari_matssl.project.kept_points import KeptCount


@pytest.fixture
def project(folder):
    return Project(folder)


def count(project, *answers, points=((0, 0), (5, 7), (39, 49))):
    made = KeptCount(size=(40, 50), seed=3, classes=project.classes.table, points=points)
    for answer in answers:
        made = made.answered(answer, "2026-01-02T03:04:05Z")
    return made


def answers(kept):
    return [answer.classes for answer in kept.answers]


def test_a_count_comes_back_as_it_was_left_and_can_go_on(project):
    project.points.write("b.tif", count(project, (1,), (1, 2)))
    kept = Project(project.folder).points.read("b.tif")
    assert answers(kept) == [(1,), (1, 2)]
    assert kept.points == ((0, 0), (5, 7), (39, 49))
    assert not kept.finished
    assert kept.answered((), "").finished
    assert answers(kept.undone()) == [(1,)]
    assert kept.ended().finished
    assert project.points.read("a2.png") is None


def test_nothing_is_written_by_looking(project):
    assert project.points.read("b.tif") is None
    assert not project.own.exists()


def test_renamed_and_merged_classes_are_followed(project):
    third = project.classes.add("bainite").id
    project.points.write("b.tif", count(project, (1,), (2,), (1, third)))
    project.classes.rename(1, "ferrite")
    project.classes.merge(third, 2)
    assert answers(Project(project.folder).points.read("b.tif")) == [(1,), (2,), (1, 2)]
    project.classes.merge(2, 1)
    assert answers(project.points.read("b.tif")) == [(1,), (1,), (1,)]


def test_points_of_a_class_that_is_gone_are_no_other_classes(project):
    project.points.write("b.tif", count(project, (1,), (2,)))
    name = project.classes.table.names[1]
    project.classes.delete(2)
    project.classes.add("something else")
    with pytest.raises(InputError, match=rf"b\.tif: points were counted as {name}"):
        project.points.read("b.tif")


def test_a_count_of_another_window_is_not_overwritten(project):
    project.points.write("b.tif", count(project, (1,)))
    assert project.points.go_on("b.tif") is not None
    other = Project(project.folder)
    theirs = other.points.go_on("b.tif").answered((2,), "")
    other.points.write("b.tif", theirs)
    with pytest.raises(OutputError, match="another window has counted"):
        project.points.write("b.tif", count(project, (1,), (1,)))
    assert answers(project.points.read("b.tif")) == [(1,), (2,)]  # looking doesn't change that
    with pytest.raises(OutputError, match="another window has counted"):
        project.points.write("b.tif", count(project, (1,), (1,)))


def test_a_count_can_be_removed_and_begun_anew(project):
    project.points.write("b.tif", count(project, (1,)))
    project.points.remove("b.tif")
    assert project.points.read("b.tif") is None
    project.points.write("b.tif", count(project))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": [[40, 0]]}, "outside the image"),
        ({"points": [[0, 0]], "answers": [{"classes": [9], "time": ""}]}, "class 9"),
        ({"points": [[0, 0]], "answers": [{"classes": [1, 1], "time": ""}]}, "two classes"),
        ({"points": [[0, 0]], "answers": [{"classes": []}, {"classes": []}]}, "more answers"),
        ({"format_version": 2}, "format_version|Input should be 1"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(project, change, words):
    project.points.write("b.tif", count(project))
    path = project.points.path("b.tif")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=words) as caught:
        project.points.read("b.tif")
    assert str(path) in str(caught.value)


def test_a_count_of_an_image_that_was_replaced_is_told(project):
    other = count(project).model_copy(update={"size": (80, 100)})
    project.points.write("b.tif", other)
    with pytest.raises(InputError, match=r"counted on 100 x 80 px, but it has 50 x 40"):
        project.points.read("b.tif")
