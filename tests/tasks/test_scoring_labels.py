"""Labels to score by, matched with a model's classes."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.progress import drain
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.evaluate import evaluate
from napari_matssl.tasks.scoring_labels import read_truth, unlabelled_of

IDS = np.ones((64, 64), np.uint8)  # of the model: 1 ferrite, dark; 2 martensite, bright
IDS[10:30, 10:50] = 2
GREY = np.array([0, 0, 255], np.uint8)


def table(**names):
    made = (LabelClass(id=int(k[1:]), name=n, colour=f"#00000{k[1:]}") for k, n in names.items())
    return ClassTable(classes=tuple(made))


@pytest.fixture
def model(grey_level_segmenter):
    return grey_level_segmenter(table(_1="ferrite", _2="martensite"), (0, 255))


@pytest.fixture
def folder(tmp_path):
    """Two images with labels in the model's ids, and no class table."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(GREY[IDS]).save(tmp_path / "images" / name)
        Image.fromarray(IDS).save(tmp_path / "labels" / name)
    return tmp_path


def relabel(folder, values, names=None):
    """Write labels in which ids 1 and 2 are other values, with a table or none."""
    lookup = np.array([0, *values], np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(lookup[IDS]).save(folder / "labels" / name)
    if names is not None:
        (folder / "labels" / "classes.json").write_text(json.dumps(names))


def score(model, folder, **more):
    truth = read_truth(folder / "images", folder / "labels", model.card, **more)
    result = drain(evaluate(model, truth.painted, PredictSettings(device="cpu")))
    return result.scores.miou, " ".join(truth.remarks)


def test_the_rows_below_an_info_bar_that_is_named_are_not_scored(model, folder):
    wrong = IDS.copy()
    wrong[56:] = 2  # the letters of a bar that isn't found, say
    for name in ("a.png", "b.png"):
        Image.fromarray(wrong).save(folder / "labels" / name)
    miou, said = score(model, folder)
    assert miou < 1.0
    miou, said = score(model, folder, info_bar=56)
    assert miou == 1.0
    assert "From row 56 on, the info bar doesn't count (set by hand)" in said
    with pytest.raises(InputError, match="can't begin at row 64"):
        score(model, folder, info_bar=64)


def test_ids_count_where_there_is_no_table_with_a_remark(model, folder):
    miou, said = score(model, folder)
    assert miou == 1.0
    assert "no class table beside" in said
    assert "1 ferrite, 2 martensite" in said


@pytest.mark.parametrize("values", [(2, 1), (7, 5), (1, 255)])
def test_tables_are_matched_by_name(model, folder, values):
    relabel(folder, values, {str(values[0]): "ferrite", str(values[1]): "martensite"})
    miou, said = score(model, folder)
    assert miou == 1.0
    told = "by name: martensite 1 -> 2, ferrite 2 -> 1" in said
    assert told is (values == (2, 1))


def test_a_table_that_is_named_goes_before_the_one_beside(model, folder):
    relabel(folder, (2, 1), {"1": "ferrite", "2": "martensite"})
    assert score(model, folder)[0] < 0.1
    mine = folder / "mine.json"
    mine.write_text('{"2": "ferrite", "1": "martensite"}')
    assert score(model, folder, classes=mine)[0] == 1.0


def test_0_that_the_table_names_is_the_class_of_that_name(model, folder):
    relabel(folder, (0, 1), {"0": "ferrite", "1": "martensite"})
    assert score(model, folder)[0] == 1.0


def test_labelled_classes_that_the_model_does_not_have_are_named(model, folder):
    relabel(folder, (1, 2), {"1": "ferrite", "2": "bainite"})
    with pytest.raises(InputError, match=r"none of the model's: bainite.*ferrite, martensite"):
        read_truth(folder / "images", folder / "labels", model.card)


def test_a_class_of_the_table_that_is_nowhere_labelled_is_remarked_on(model, folder):
    relabel(folder, (1, 2), {"1": "ferrite", "2": "martensite", "3": "bainite"})
    miou, said = score(model, folder)
    assert miou == 1.0
    assert "doesn't have bainite" in said


def test_values_that_are_none_of_the_models_ids_are_named(model, folder):
    relabel(folder, (0, 255))
    with pytest.raises(InputError, match=r"255 \(1600 pixels\).*1 ferrite, 2 martensite"):
        read_truth(folder / "images", folder / "labels", model.card)


def test_a_model_of_unnamed_values_matches_them_again(grey_level_segmenter, folder):
    """Trained from masks of 0 and 255 without a table: its classes are called after values."""
    model = grey_level_segmenter(table(_0="class 0", _1="class 255"), (0, 255), unlabelled=None)
    relabel(folder, (0, 255))
    assert score(model, folder)[0] == 1.0


def test_unpainted_pixels_do_not_count_where_0_is_a_class_of_the_model(
    grey_level_segmenter, folder
):
    model = grey_level_segmenter(table(_0="ferrite", _1="martensite"), (0, 255), unlabelled=None)
    values = np.array([0, 4, 9], np.uint8)[IDS]
    values[:10] = 0
    for name in ("a.png", "b.png"):
        Image.fromarray(values).save(folder / "labels" / name)
    (folder / "labels" / "classes.json").write_text('{"4": "ferrite", "9": "martensite"}')
    truth = read_truth(folder / "images", folder / "labels", model.card)
    assert (truth.painted[0].labels[:10] == unlabelled_of(model.card)).all()
    result = drain(evaluate(model, truth.painted, PredictSettings(device="cpu")))
    assert result.scores.miou == 1.0
    assert result.scores.confusion.sum() == 2 * 54 * 64


def test_files_without_partner_are_reported(model, folder):
    (folder / "labels" / "b.png").rename(folder / "labels" / "B.png")
    said = score(model, folder)[1]
    assert "1 label image matches no image: B.png." in said
    assert "1 of 2 images has no label: b.png." in said


def test_names_that_differ_in_case_only_are_one_class_with_a_remark(model, folder):
    relabel(folder, (2, 1), {"2": "Ferrite", "1": "martensite"})
    miou, said = score(model, folder)
    assert miou == 1.0
    assert '"Ferrite" for the model\'s "ferrite" is taken' in said
