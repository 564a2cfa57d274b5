"""``measure`` corrects fractions for the model's own error, beside those found."""

import csv

import numpy as np
import pytest
from masks_of_a_model import add_model
from PIL import Image
from typer.testing import CliRunner

from napari_matssl.cli import app
from napari_matssl.errors import MatSSLError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.project.folder import Project

TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="matrix", colour="#808080"),
        LabelClass(id=2, name="oxide", colour="#3060c0"),
    )
)
COUNTS = [((900, 100), (200, 800)), ((900, 100), (200, 800))]
"""Of the matrix a tenth is found as oxide, of the oxide a fifth as matrix, in both images."""

COLUMNS = (
    "group,class_id,class,raw_percent,corrected_percent,ci95_low_percent,ci95_high_percent,"
    "held_out_pixels,held_out_images"
)


def write_masks(folder, *oxide_rows):
    folder.mkdir()
    for number, count in enumerate(oxide_rows):
        mask = np.ones((100, 40), np.uint8)
        mask[:count] = 2
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
    return folder


@pytest.fixture
def masks(tmp_path):
    """Two masks, in which 40 and 50 % are found as oxide: truly 50 % on the mean."""
    return write_masks(tmp_path / "masks", 40, 50)


def measure(*words):
    """Run the command; return exit status and what it prints, in one line, or the message."""
    result = CliRunner().invoke(app, ["measure", *map(str, words)])
    if isinstance(result.exception, MatSSLError):
        return 2, str(result.exception)
    return result.exit_code, " ".join(result.output.split())


def rows(path):
    return list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))


def test_fractions_are_corrected_without_a_report_and_stand_beside_those_found(masks, tmp_path):
    model = add_model(tmp_path, masks, TABLE, COUNTS)
    out = tmp_path / "out"
    status, printed = measure(masks, "--out", out, "--model", model)
    assert status == 0
    assert (out / "corrected.csv").read_text("utf-8-sig").splitlines()[0] == COLUMNS
    matrix, oxide = rows(out / "corrected.csv")
    # 0.1 * 50 % + 0.8 * 50 % = 45 %
    assert float(oxide["raw_percent"]) == pytest.approx(45)
    assert float(oxide["corrected_percent"]) == pytest.approx(50)
    assert float(matrix["corrected_percent"]) == pytest.approx(50)
    assert (oxide["held_out_pixels"], oxide["held_out_images"]) == ("2000", "2")
    assert float(rows(out / "summary.csv")[1]["mean_percent"]) == pytest.approx(45)
    assert "Corrected for the model's own error" in printed
    assert "as found %" in printed
    assert printed.index("Area fraction per class") < printed.index("Corrected for")
    assert not list(out.glob("report*"))


def test_the_model_of_the_masks_project_is_found(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.zeros((100, 40), np.uint8)).save(folder / "0.png")
    TABLE.write(folder / "classes.json")
    project = Project(folder)
    project.masks.write("0.png", np.ones((100, 40), np.uint8))
    own = project.masks.path("0.png").parent
    mask = np.ones((100, 40), np.uint8)
    mask[:45] = 2
    Image.fromarray(mask).save(own / "0.png")
    project.models.folder.mkdir(exist_ok=True)
    add_model(project.models.folder, own, TABLE, COUNTS)
    status, _printed = measure(own, "--out", tmp_path / "out")
    assert status == 0
    oxide = rows(tmp_path / "out" / "corrected.csv")[1]
    assert float(oxide["corrected_percent"]) == pytest.approx(50)


def test_each_group_is_corrected(masks, tmp_path):
    model = add_model(tmp_path, masks, TABLE, COUNTS)
    groups = tmp_path / "groups.csv"
    groups.write_text("image,specimen,group\n0_mask.png,A,cold\n1_mask.png,B,hot\n")
    out = tmp_path / "out"
    assert measure(masks, "--out", out, "--model", model, "--groups", groups)[0] == 0
    oxide = {row["group"]: row for row in rows(out / "corrected.csv") if row["class"] == "oxide"}
    assert float(oxide["cold"]["corrected_percent"]) == pytest.approx(100 * 0.3 / 0.7)
    assert float(oxide["hot"]["corrected_percent"]) == pytest.approx(100 * 0.4 / 0.7)


def test_beside_one_table_the_others_have_its_name(masks, tmp_path):
    model = add_model(tmp_path, masks, TABLE, COUNTS)
    assert measure(masks, "--out", tmp_path / "steel.csv", "--model", model)[0] == 0
    assert {path.name for path in tmp_path.glob("*.csv")} == {
        "steel.csv",
        "steel_summary.csv",
        "steel_corrected.csv",
    }


def test_a_model_without_held_out_images_corrects_nothing_and_the_line_tells_why(masks, tmp_path):
    model = add_model(tmp_path, masks, TABLE, ())
    out = tmp_path / "out"
    status, printed = measure(masks, "--out", out, "--model", model)
    assert status == 0
    assert "no image was held out of its training" in printed
    assert not (out / "corrected.csv").exists()


def test_masks_of_others_are_measured_without_a_word_on_models(masks, tmp_path):
    TABLE.write(masks / "classes.json")
    status, printed = measure(masks, "--out", tmp_path / "out")
    assert status == 0
    assert "model" not in printed.replace(str(tmp_path), "")
    assert not (tmp_path / "out" / "corrected.csv").exists()


@pytest.mark.parametrize(
    ("measures", "words"), [("objects", "Add phases to --measures"), ("phases", "made none of")]
)
def test_a_model_that_corrects_nothing_is_refused(masks, tmp_path, measures, words):
    model = add_model(tmp_path, masks, TABLE, COUNTS)
    other = add_model(tmp_path, tmp_path / "none", TABLE, (), "other.safetensors")
    given = model if measures == "objects" else other
    out = tmp_path / "out"
    status, message = measure(masks, "--out", out, "--measures", measures, "--model", given)
    assert status == 2
    assert words in message
    assert not list(out.glob("*.csv"))


def test_tables_of_an_earlier_run_are_told_of(masks, tmp_path):
    out = tmp_path / "out"
    status, printed = measure(
        masks, "--out", out, "--model", add_model(tmp_path, masks, TABLE, COUNTS)
    )
    assert "earlier run" not in printed
    others = write_masks(tmp_path / "others", 10, 20)
    status, printed = measure(others, "--out", out, "--measures", "phases")
    assert status == 0
    told = "corrected.csv beside these tables is of an earlier run, not of these masks."
    assert told in printed
    (out / "grains.csv").write_text("old")
    _, printed = measure(others, "--out", out)
    assert "grains.csv, corrected.csv" in printed or "corrected.csv, grains.csv" in printed
    assert (out / "grains.csv").read_text() == "old"
    _, printed = measure(others, "--out", out / "one.csv")
    assert "earlier run" not in printed
