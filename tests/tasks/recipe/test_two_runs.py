"""A recipe's run while another one uses its folder."""

import json

import pytest

from napari_matssl.errors import OutputError
from napari_matssl.progress import drain
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.recipe import running
from napari_matssl.tasks.recipe.recipe_file import read_recipe
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
