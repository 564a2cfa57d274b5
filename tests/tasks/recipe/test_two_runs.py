"""A recipe's run while another one uses its folder."""

import json

import pytest
from recipe_lab import run_command

from napari_matssl.errors import OutputError
from napari_matssl.progress import drain
from napari_matssl.project.folder import Project
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.measuring.export_project import export_project
from napari_matssl.tasks.recipe import running
from napari_matssl.tasks.recipe.recipe_file import read_recipe
from napari_matssl.tasks.recipe.run_guard import check_no_run
from napari_matssl.tasks.recipe.running import run_recipe, sign_run


def run(lab, shift, out, specimen, told=None):
    details = ReportDetails(specimen=specimen)
    return drain(run_recipe(read_recipe(lab.recipe), shift, out, details), told)


@pytest.fixture
def meanwhile(monkeypatch):
    """Have something done once, while the next run reads its model."""

    def come(do):
        usual = running.read_segmenter

        def read(path):
            monkeypatch.setattr(running, "read_segmenter", usual)
            do()
            return usual(path)

        monkeypatch.setattr(running, "read_segmenter", read)

    return come


def test_a_run_that_is_signed_while_another_begins_stays(lab, shift, tmp_path, meanwhile):
    out = tmp_path / "out"
    done = run(lab, shift, out, "Heat 1")
    meanwhile(lambda: drain(sign_run(done, "B. Night")))
    with pytest.raises(OutputError, match="holds a run that is signed"):
        run(lab, shift, out, "Heat 1")
    assert json.loads((out / "run.json").read_text())["signed"]
    assert "B. Night" in (out / "report.html").read_text("utf-8")


def test_two_runs_that_begin_in_one_folder_mix_no_specimens(lab, shift, tmp_path, meanwhile):
    out = tmp_path / "out"
    meanwhile(lambda: run(lab, shift, out, "Heat 1"))
    with pytest.raises(OutputError, match="holds the report of specimen 'Heat 1', not of"):
        run(lab, shift, out, "Heat 2")
    assert "Heat 1" in (out / "report.html").read_text("utf-8")


def test_a_run_in_whose_folder_another_one_was_begun_writes_no_report(lab, shift, tmp_path):
    out, others = tmp_path / "out", []

    def begin(progress):
        if progress.stage == "measuring" and not others:
            other = json.loads((out / "run.json").read_text())
            others.append({**other, "specimen": "Heat 2"})
            (out / "run.json").write_text(json.dumps(others[0]))

    with pytest.raises(OutputError, match="Another run was begun in"):
        run(lab, shift, out, "Heat 1", begin)
    assert not (out / "report.html").exists()
    assert json.loads((out / "run.json").read_text()) == others[0]


def test_other_commands_write_nothing_into_the_folder_of_a_run(lab, shift, tmp_path, capsys):
    out = tmp_path / "out"
    run(lab, shift, out, "Heat 1")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    project = Project(lab.project)
    for given in (
        ("predict", lab.model, shift, "--out", out),
        ("measure", out, "--out", out, "--report"),
        ("measure", out, "--out", out / "phases.csv"),
    ):
        assert run_command(*given) == 2
        assert f"{out} holds a run of the recipe" in capsys.readouterr().err
    with pytest.raises(OutputError, match="holds a run of the recipe"):
        drain(export_project(project, out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_file_of_another_program_of_that_name_is_in_nobodys_way(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for content in ("[]", '{"recipe": "goulash"}', "{"):
        (out / "run.json").write_text(content)
        check_no_run(out)
