"""Models of a project that get other names, notes, or are put away."""

import os

import pytest

from napari_matssl.errors import InputError, OutputError
from napari_matssl.project.folder import Project

CREATED = "2026-01-01T08:00:00+00:00"


@pytest.fixture
def project(folder):
    kept = Project(folder)
    kept.models.folder.mkdir(parents=True)
    for name in ("model-001", "model-002"):
        (kept.models.folder / f"{name}.safetensors").write_text(name)
    return kept


def file(project, name="model-001"):
    return project.models.folder / f"{name}.safetensors"


def test_a_renamed_model_is_found_by_each_name_that_it_had(project):
    os.utime(file(project), (1000, 1000))
    ferrite = project.models.rename(file(project), CREATED, "ferrite")
    assert ferrite == file(project, "ferrite")
    assert ferrite.read_text() == "model-001"
    assert ferrite.stat().st_mtime == 1000, "masks without provenance go by it"
    assert not file(project).exists()
    steel = project.models.rename(ferrite, CREATED, "steel.safetensors")
    assert steel == file(project, "steel")
    for name in ("model-001.safetensors", "ferrite.safetensors", "steel.safetensors"):
        assert project.models.name_now(name, CREATED) == "steel.safetensors"
    again = Project(project.folder)
    assert again.models.name_now("model-001.safetensors", CREATED) == "steel.safetensors"


def test_another_model_of_an_earlier_name_is_not_taken_for_it(project):
    project.models.rename(file(project), CREATED, "ferrite")
    assert project.models.name_now("model-001.safetensors", "2026-02-02") == "model-001.safetensors"
    assert project.models.name_now("", "") == ""


def test_a_model_may_get_its_first_name_back(project):
    ferrite = project.models.rename(file(project), CREATED, "ferrite")
    assert project.models.rename(ferrite, CREATED, "model-001") == file(project)
    assert project.models.name_now("ferrite.safetensors", CREATED) == "model-001.safetensors"


@pytest.mark.parametrize("put_away", ["rename", "delete"])
def test_a_name_that_masks_may_hold_is_not_given_to_a_new_model(project, put_away):
    if put_away == "rename":
        project.models.rename(file(project, "model-002"), CREATED, "ferrite")
    else:
        project.models.delete(file(project, "model-002"), CREATED)
    assert project.models.new_path().name == "model-003.safetensors"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "needs a name"),
        (" .safetensors", "needs a name"),
        ("ferrite", "another model called ferrite"),
        ("FERRITE", "another model called FERRITE"),
        ("model-003", "given to new models"),
        ("encoder-001", "given to new models"),
        ("a/b", "character /"),
        ("..\\x", "character \\"),
        ("why?", "character ?"),
        ("two\nlines", "character U+000A"),
        ("turn\u202eed", "character U+202E"),
        (".hidden", "don't take"),
        ("dot.", "don't take"),
        ("NUL", "don't take"),
        ("com1.steel", "don't take"),
        ("ä" * 120, "too long"),
    ],
)
def test_a_name_that_some_system_refuses_is_refused(project, name, reason):
    file(project, "model-002").rename(file(project, "ferrite"))
    assert reason in project.models.why_no_name(file(project), name)
    with pytest.raises(InputError, match=r"^model-001\.safetensors: "):
        project.models.rename(file(project), CREATED, name)
    assert file(project).read_text() == "model-001"
    assert file(project, "ferrite").read_text() == "model-002"


@pytest.mark.parametrize("name", ["Gefüge 2.5 µm", "α+β (réf.)", "model-001b"])
def test_names_in_any_language_are_taken(project, name):
    assert project.models.why_no_name(file(project), name) == ""
    assert project.models.rename(file(project), CREATED, f"  {name} ").stem == name


def test_names_are_the_same_in_either_unicode_form(project):
    project.models.rename(file(project), CREATED, "Gefüge")
    assert "another" in project.models.why_no_name(file(project, "model-002"), "Gefu\u0308ge")


def test_a_deleted_model_put_back_is_matched_with_its_masks(project):
    project.models.set_note(file(project), CREATED, "good on steel")
    gone = project.models.delete(file(project), CREATED)
    assert gone == project.own / "models-backup" / "model-001.safetensors"
    assert gone.read_text() == "model-001"
    assert not project.models.has("model-001.safetensors")
    file(project).write_text("its namesake")
    second = project.models.delete(file(project), "2026-02-02")
    assert (gone.read_text(), second.read_text()) == ("model-001", "its namesake")
    gone.rename(file(project))
    assert project.models.note(file(project), CREATED) == "good on steel"


def test_a_note_is_one_line_that_follows_its_model(project):
    project.models.set_note(file(project), CREATED, " good on\nsteel A ")
    assert project.models.note(file(project), CREATED) == "good on steel A"
    assert project.models.note(file(project), "2026-02-02") == "", "trained again under that name"
    ferrite = project.models.rename(file(project), CREATED, "ferrite")
    assert Project(project.folder).models.note(ferrite, CREATED) == "good on steel A"
    project.models.set_note(ferrite, CREATED, "")
    assert project.models.note(ferrite, CREATED) == ""
    with pytest.raises(InputError, match=r"ferrite\.safetensors has 201 characters"):
        project.models.set_note(ferrite, CREATED, "x" * 201)


def test_two_windows_note_and_rename_side_by_side(project):
    other = Project(project.folder)
    project.models.rename(file(project), CREATED, "ferrite")
    other.models.set_note(file(other, "model-002"), "2026-02-02", "theirs")
    project.models.set_note(file(project, "ferrite"), CREATED, "ours")
    assert other.models.note(file(other, "model-002"), "2026-02-02") == "theirs"
    again = Project(project.folder)
    assert again.models.note(file(again, "model-002"), "2026-02-02") == "theirs"
    assert again.models.note(file(again, "ferrite"), CREATED) == "ours"
    with pytest.raises(InputError, match="not among the models"):
        other.models.rename(file(other), CREATED, "steel")


def test_a_model_of_elsewhere_is_left_alone(project, tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    foreign.touch()
    with pytest.raises(InputError, match="not among the models"):
        project.models.delete(foreign, CREATED)
    assert foreign.exists()


def test_where_the_record_cant_be_written_the_file_keeps_its_name(project):
    (project.own / "project.json").mkdir()
    with pytest.raises((InputError, OutputError)):
        project.models.rename(file(project), CREATED, "ferrite")
    with pytest.raises((InputError, OutputError)):
        project.models.delete(file(project), CREATED)
    assert file(project).read_text() == "model-001"
    assert not file(project, "ferrite").exists()
