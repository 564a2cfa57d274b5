"""The file of a recipe: the same bytes for the same content, and nothing else is taken."""

import json
import shutil

import pytest
from recipe_lab import repacked, run_command

from napari_matssl.errors import InputError
from napari_matssl.project.folder import Project
from napari_matssl.settings import Cleaning, RecipeSettings
from napari_matssl.settings.cleaning import Size
from napari_matssl.tasks.recipe.recipe_file import check_recipe, read_recipe, write_recipe


def test_a_recipe_holds_what_the_project_had(lab):
    recipe = read_recipe(lab.recipe).recipe
    assert recipe.name == "steel"
    assert recipe.model.file == "model-001.safetensors"
    assert recipe.classes.names == ("ferrite", "martensite")
    assert recipe.measuring.settings.chosen == ("phases", "objects")
    assert recipe.measuring.classes == {"objects": ("martensite",)}
    assert recipe.calibration.expected_um == pytest.approx(0.25)
    assert recipe.report.etchant == "Nital 2 %"
    assert recipe.limits == RecipeSettings().limits


def test_the_model_comes_out_as_it_was(lab, tmp_path):
    model = read_recipe(lab.recipe).copy_model(tmp_path)
    assert model.name == lab.model.name
    assert model.read_bytes() == lab.model.read_bytes()


def test_the_same_recipe_gives_the_same_bytes(lab, tmp_path):
    file = read_recipe(lab.recipe)
    again = tmp_path / "again.recipe"
    assert write_recipe(again, file.recipe, lab.model) == file.checksum
    assert again.read_bytes() == lab.recipe.read_bytes()


def changed_limit(name, data):
    if name != "recipe.json":
        return data
    rules = json.loads(data)
    rules["limits"]["fields"] = 1
    rules["cleaning"]["smallest_region"] = "9 px"
    return json.dumps(rules)


def changed_model(name, data):
    return data[:-1] + bytes([data[-1] ^ 1]) if name == "model.safetensors" else data


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (changed_limit, "what differs: cleaning, limits."),
        (changed_model, "what differs: model file, checksum of the model."),
    ],
)
def test_an_altered_recipe_is_refused_with_what_differs(lab, tmp_path, capsys, change, differs):
    altered = repacked(lab.recipe, tmp_path / "altered.recipe", change)
    with pytest.raises(InputError, match=differs.replace(".", r"\.")):
        read_recipe(altered)
    (tmp_path / "images").mkdir()
    assert run_command("run", altered, tmp_path / "images", "--out", tmp_path / "out") == 2
    assert differs in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_new_layout_of_the_same_json_is_no_change(lab, tmp_path):
    def compact(name, data):
        return json.dumps(json.loads(data)) if name == "recipe.json" else data

    again = repacked(lab.recipe, tmp_path / "again.recipe", compact)
    assert read_recipe(again).checksum == read_recipe(lab.recipe).checksum


def test_a_checksum_put_right_makes_another_recipe_with_another_checksum(lab, tmp_path):
    file = read_recipe(lab.recipe)
    rules = file.recipe.model_copy(update={"cleaning": Cleaning(smallest_region=Size(value=9))})
    other = tmp_path / "other.recipe"
    assert write_recipe(other, rules, lab.model) != file.checksum


def drop(wanted):
    return lambda name, data: None if name == wanted else data


def newer(name, data):
    rules = json.loads(data) if name == "recipe.json" else {}
    return json.dumps({**rules, "format_version": 2}) if rules else data


def same(_name, data):
    return data


@pytest.mark.parametrize(
    ("change", "members", "message"),
    [
        (drop("model.safetensors"), {}, "lacks: model.safetensors"),
        (drop("seal.json"), {}, "lacks: seal.json"),
        (same, {"notes.txt": b"hi"}, "holds an unknown part: notes.txt"),
        (newer, {}, "has format 2, newer than this program's 1"),
        (lambda n, d: b"{" if n == "recipe.json" else d, {}, "recipe.json: JSONDecodeError"),
        (lambda n, d: b'{"a": 1, "a": 2}' if n == "seal.json" else d, {}, "seal.json"),
        (lambda n, d: b"{}" if n == "seal.json" else d, {}, "seal.json holds no checksums"),
        (lambda n, d: b"[]" if n == "seal.json" else d, {}, "seal.json holds no object"),
    ],
)
def test_what_is_no_whole_recipe_is_refused_in_a_line(lab, tmp_path, change, members, message):
    broken = repacked(lab.recipe, tmp_path / "broken.recipe", change, members)
    with pytest.raises(InputError) as refused:
        read_recipe(broken)
    assert message in str(refused.value)
    assert str(broken) in str(refused.value)


def test_other_files_are_refused_in_a_line(lab, tmp_path):
    whole = lab.recipe.read_bytes()
    for content in (b"", b"no recipe", whole[:-10], whole[: len(whole) // 2], whole + b"more"):
        path = tmp_path / "x.recipe"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"x\.recipe"):
            read_recipe(path)
    with pytest.raises(InputError, match="is a folder"):
        read_recipe(tmp_path)


def test_a_name_in_the_archive_that_is_no_text_is_refused_in_a_line(lab, tmp_path):
    data = bytearray(lab.recipe.read_bytes())
    name = data.rindex(b"recipe.json")  # in the list at the end
    data[name - 37] |= 0x08  # names are in UTF-8
    data[name] = 0x82
    path = tmp_path / "x.recipe"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.recipe is damaged"):
        read_recipe(path)


def test_half_a_character_in_the_rules_is_refused_in_a_line(lab, tmp_path, capsys):
    """It can be written in JSON, but in no file and no checksum."""

    def half(name, data):
        return data.replace(b'"limits"', b'"\\ud800"') if name == "recipe.json" else data

    altered = repacked(lab.recipe, tmp_path / "altered.recipe", half)
    with pytest.raises(InputError, match="what differs: limits"):
        read_recipe(altered)
    assert run_command("run", altered, tmp_path, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert run_command("verify", altered) == 1


def test_an_archive_packed_by_others_is_refused(lab, tmp_path):
    import zipfile

    with zipfile.ZipFile(lab.recipe) as archive:
        archive.extractall(tmp_path / "in")
    packed = tmp_path / "packed.recipe"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("recipe.json", "model.safetensors", "seal.json"):
            archive.write(tmp_path / "in" / name, name)
    with pytest.raises(InputError, match="packed again by another program"):
        read_recipe(packed)


def test_verify_and_info_take_recipes(lab, tmp_path, capsys):
    assert run_command("verify", lab.recipe) == 0
    assert "limits: unchanged" in capsys.readouterr().out
    altered = repacked(lab.recipe, tmp_path / "altered.recipe", changed_limit)
    assert run_command("verify", altered) == 1
    out = capsys.readouterr().out
    assert "limits: changed" in out
    assert "classes: unchanged" in out
    assert run_command("info", lab.recipe) == 0
    assert "Fewest fields" in capsys.readouterr().out


def test_checksums_are_told_apart_from_the_state(lab):
    checksum, findings = check_recipe(lab.recipe)
    assert checksum == read_recipe(lab.recipe).checksum
    assert {one.name for one in findings} >= {"limits", "model file", "classes", "report"}


# ---- saving ----


def save(lab, out, *more):
    return run_command("recipe", lab.project, "--out", out, *more)


def test_cleaning_and_details_of_the_project_are_taken_but_not_its_specimen(lab, tmp_path, capsys):
    copy = tmp_path / "project"
    shutil.copytree(lab.project, copy)
    record = Project(copy).record
    cleaning = Cleaning().with_sizes(2, smallest_region=Size(value=12))
    details = {"specimen": "S1", "operator": "A", "orientation": "long", "etchant": "LePera"}
    record.change(
        lambda kept: kept.model_copy(
            update={
                "cleaning": cleaning,
                "details": type(kept.details)(**details),
            }
        )
    )
    out = tmp_path / "x.recipe"
    assert run_command("recipe", copy, "--out", out, "--etchant", "Nital") == 0
    recipe = read_recipe(out).recipe
    assert recipe.cleaning == cleaning
    assert (recipe.report.etchant, recipe.report.orientation) == ("Nital", "long")
    assert (recipe.report.specimen, recipe.report.operator) == ("", "")
    assert "martensite >= 12 px" in capsys.readouterr().out


def test_a_project_that_calls_a_class_otherwise_is_told(lab, tmp_path, capsys):
    copy = tmp_path / "project"
    shutil.copytree(lab.project, copy)
    Project(copy).classes.rename(2, "bainite")
    out = tmp_path / "x.recipe"
    assert (
        run_command("recipe", copy, "--out", out, "--measures", "objects", "--class", "bainite")
        == 0
    )
    assert read_recipe(out).recipe.measuring.classes == {"objects": ("martensite",)}
    assert "bainite is martensite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("x.zip", (), "End the name in .recipe."),
        ("x.recipe", ("--measures", "layers"), "layer"),
        ("x.recipe", ("--measures", "objects", "--class", "pores"), "pores is no class of the"),
        ("x.recipe", ("--measures", "grains"), "none is named boundary or grain"),
        (
            "x.recipe",
            ("--measures", "grains", "--class", "martensite"),
            "in the next. State which it is (--grains-class-is)",
        ),
        ("x.recipe", ("--limits-agreement", "0"), "--limits-agreement"),
        ("x.recipe", ("--limits-unlike", "maybe"), "--limits-unlike"),
    ],
)
def test_what_no_recipe_can_be_made_of_is_refused(lab, tmp_path, capsys, name, more, message):
    assert save(lab, tmp_path / name, *more) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_recipe_that_is_there_stays_unless_it_may_be_replaced(lab, tmp_path, capsys):
    out = tmp_path / "x.recipe"
    out.write_text("old")
    assert save(lab, out) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "old"
    assert save(lab, out, "--overwrite") == 0
    assert read_recipe(out).recipe.name == "x"


def test_a_project_without_a_model_is_refused(lab, tmp_path, capsys):
    copy = tmp_path / "project"
    shutil.copytree(lab.project, copy)
    shutil.rmtree(copy / "matssl" / "models")
    assert run_command("recipe", copy, "--out", tmp_path / "x.recipe") == 2
    assert "has no model" in capsys.readouterr().err
