"""Labels, masks and class tables as people bring them, through the command line."""

import json
import os
import sys
import unicodedata

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_matssl.cli import main
from napari_matssl.learn.card_files import read_card

INSTANT = ("--preset", "instant", "--encoder", "test_efficientnet", "--weights", "random")


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a command; give its status and all that it wrote."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["napari-matssl", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        captured = capsys.readouterr()
        said = captured.out + captured.err
        assert "Traceback" not in said
        return status, said

    return run


def phases(seed=0, low=35, high=70):
    """Make labels 0, 1, 2 all over, and the picture in which each has a grey value."""
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.normal(size=(128, 128)), 7)
    labels = np.digitize(field, np.percentile(field, [low, high])).astype(np.uint8)
    grey = np.array([60, 130, 210])[labels] + random.normal(0, 6, labels.shape)
    return labels, grey.clip(0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Three images with labels 0, 1, 2 all over."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for seed in range(3):
        labels, grey = phases(seed)
        Image.fromarray(grey).save(tmp_path / "images" / f"m{seed}.png")
        Image.fromarray(labels).save(tmp_path / "labels" / f"m{seed}.png")
    return tmp_path


def table(folder, names):
    (folder / "labels" / "classes.json").write_text(json.dumps(names), encoding="utf-8")


def relabel(folder, change):
    for path in (folder / "labels").glob("*.png"):
        change(np.asarray(Image.open(path))).save(path)


def finetune(call, folder, *more):
    model = folder / "m.safetensors"
    return *call(
        "finetune", folder / "images", folder / "labels", "--out", model, *INSTANT, *more
    ), model


def test_a_class_0_trains_and_is_found_again_where_the_table_names_it(call, folder):
    table(folder, {"0": "matrix", "1": "pore", "2": "carbide"})
    status, said, model = finetune(call, folder)
    assert status == 0, said
    assert "classes from labels/classes.json: matrix, pore, carbide" in said
    assert '0 is a class, "matrix"' in said
    status, said = call("predict", model, folder / "images", "--out", folder / "out")
    assert status == 0, said
    masks = [np.asarray(Image.open(p)) for p in sorted((folder / "out").glob("*_mask.png"))]
    truth = [np.asarray(Image.open(p)) for p in sorted((folder / "labels").glob("*.png"))]
    for mask, labels in zip(masks, truth, strict=True):
        assert abs((mask == 0).mean() - (labels == 0).mean()) < 0.05
    scores = folder / "scores.json"
    status, said = call("evaluate", model, folder / "images", folder / "labels", "--json", scores)
    assert status == 0, said
    assert json.loads(scores.read_text())["miou"] > 0.8


def test_without_a_table_0_is_unpainted_and_its_share_told(call, folder):
    status, said, model = finetune(call, folder)
    assert status == 0, said
    assert (
        '0 counts as unpainted: 35 % of the pixels; with "none" as the stored value of unpainted '
        "pixels it is a class." in said
    )
    assert read_card(model).unlabelled == 0


def test_user_and_table_that_contradict_each_other_end_in_one_line(call, folder):
    table(folder, {"0": "matrix", "1": "pore", "2": "carbide"})
    status, said, model = finetune(call, folder, "--unlabelled", "0")
    assert status == 2
    assert '"matrix"' in said
    assert not model.exists()


def test_evaluate_matches_the_tables_by_name(call, folder):
    table(folder, {"0": "unlabelled", "1": "ferrite", "2": "martensite"})
    assert finetune(call, folder)[0] == 0
    scores, found = folder / "scores.json", []
    command = ("evaluate", folder / "m.safetensors", folder / "images", folder / "labels", "--json")
    assert call(*command, scores)[0] == 0
    found.append(json.loads(scores.read_text())["miou"])
    relabel(folder, lambda ids: Image.fromarray(np.array([0, 2, 1], np.uint8)[ids]))
    table(folder, {"1": "martensite", "2": "ferrite"})
    status, said = call(*command, scores)
    assert status == 0
    assert "by name" in said
    found.append(json.loads(scores.read_text())["miou"])
    assert found[0] == found[1] > 0.8
    table(folder, {"1": "martensite", "2": "bainite"})
    status, said = call(*command, scores)
    assert status == 2
    assert "bainite" in said


def test_files_that_match_nothing_are_named_by_finetune_and_evaluate(call, folder):
    labels = folder / "labels"
    labels.joinpath("m2.png").rename(labels / "M2.png")
    labels.joinpath("M2.png").write_bytes(labels.joinpath("m1.png").read_bytes())
    labels.joinpath("m3_labels.png").write_bytes(labels.joinpath("m1.png").read_bytes())
    status, said, model = finetune(call, folder)
    assert status == 0, said
    assert "2 label images match no image: M2.png, m3_labels.png." in said
    assert "1 of 3 images has no label: m2.png." in said
    status, said = call("evaluate", model, folder / "images", labels)
    assert status == 0, said
    assert "2 label images match no image: M2.png, m3_labels.png." in said


@pytest.mark.parametrize("white", [1, 255])
def test_a_full_mask_of_two_values_ends_in_one_line_with_a_remedy(call, folder, white):
    relabel(folder, lambda ids: Image.fromarray((ids == 2).astype(np.uint8) * np.uint8(white)))
    status, said, model = finetune(call, folder)
    assert status == 2
    assert f'Only one class is painted: "class {white}"' in said
    assert "0 counts as unpainted" in said
    assert '"none" as the stored value of unpainted pixels' in said
    status, said, model = finetune(call, folder, "--unlabelled", "none")
    assert status == 0, said
    assert read_card(model).classes.names == ("class 0", f"class {white}")
    table(folder, {"0": "matrix", str(white): "pore"})
    status, said, model = finetune(call, folder)
    assert status == 0, said
    assert read_card(model).classes.names == ("matrix", "pore")
    assert read_card(model).classes.ids == (0, 1)


def test_smoothed_masks_are_no_classes_for_any_command(call, folder):
    relabel(
        folder,
        lambda ids: Image.fromarray((ids == 2).astype(np.uint8) * np.uint8(200)).resize(
            (256, 256), Image.Resampling.BILINEAR
        ).resize((128, 128), Image.Resampling.BILINEAR),
    )  # fmt: skip
    for status, said in (
        finetune(call, folder)[:2],
        call("measure", folder / "labels", "--out", folder / "p.csv"),
    ):
        assert status == 2
        assert "thin seams" in said
        assert "0, 200" in said
    assert not (folder / "p.csv").exists()


def test_colours_are_understood_by_the_table_or_refused_with_what_is_what(call, folder):
    red, green = (255, 0, 0), (0, 255, 0)
    colours = np.array([(0, 0, 0), red, green], np.uint8)
    relabel(folder, lambda ids: Image.fromarray(colours[ids]))
    status, said, _ = finetune(call, folder)
    assert status == 2
    assert "#ff0000" in said
    relabel(folder, lambda rgb: Image.fromarray(rgb).quantize(8))
    names = {
        "1": {"name": "pore", "color": "#ff0000"},
        "2": {"name": "carbide", "color": "#00ff00"},
    }
    table(folder, names)
    status, said, model = finetune(call, folder)
    assert status == 0, said
    assert "0 counts as unpainted: 35 %" in said
    assert [c.colour for c in read_card(model).classes.classes] == ["#ff0000", "#00ff00"]


def test_a_palette_of_our_own_advice_is_not_taken_for_ids_by_chance(call, folder):
    def by_chance(ids):
        image = Image.fromarray(np.array([2, 0, 1], np.uint8)[ids])
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 0])
        return image

    relabel(folder, by_chance)
    for status, said in (
        finetune(call, folder)[:2],
        call("measure", folder / "labels", "--out", folder / "p.csv"),
    ):
        assert status == 2
        assert "0 is #ff0000" in said
        assert "2 is #000000" in said


def test_measure_of_the_commonest_mask_there_is(call, tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    mask[:20, :20] = 255
    Image.fromarray(mask).save(tmp_path / "pores.png")
    status, said = call("measure", tmp_path / "pores.png", "--out", tmp_path / "p.csv")
    assert status == 0, said
    assert "class 255" in said
    assert "25.00" in said


def test_umlauts_match_whoever_stored_them(call, folder):
    composed, decomposed = (unicodedata.normalize(f, "Gefüge_ä.png") for f in ("NFC", "NFD"))
    for part, name in (("images", composed), ("labels", decomposed)):
        (folder / part / "m0.png").rename(folder / part / name)
    status, said, model = finetune(call, folder)
    assert status == 0, said
    assert "3 painted images" in said
    assert "match no image" not in said
    assert len(read_card(model).training_images) == 3


def test_strokes_in_the_info_bar_are_reported_and_the_bar_can_be_set(call, folder):
    def with_bar(ids):
        strokes = np.zeros_like(ids)
        strokes[20:24], strokes[110:114] = 1, 2
        return Image.fromarray(strokes)

    relabel(folder, with_bar)
    table(folder, {"1": "matrix", "2": "oxide"})
    status, said, _ = finetune(call, folder, "--info-bar", "100")
    assert status == 2
    assert '"oxide" is painted only from row 100 of m0.png on' in said
    status, said, _ = finetune(call, folder, "--info-bar", "none")
    assert status == 0, said
    for wrong in ("x", "-3", "500"):
        status, said, _ = finetune(call, folder, "--info-bar", wrong)
        assert status == 2
        assert "auto" in said


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"1": "ferrite\\nmartensite", "2": "pore"}', "line break"),
        ('{"1": "ferrite\\u0007", "2": "pore"}', "control character"),
        ('{"1": "' + 5000 * "x" + '", "2": "pore"}', "at most 100"),
        ('{"1": "ferrite", "1": "pore"}', "twice"),
        ('{"01": "ferrite", "1": "pore"}', "twice"),
        ('{"classes": [{"id": 1, "name": "a", "colour": "#000000"}, '
         '{"id": 1, "name": "b", "colour": "#000000"}]}', "ids must differ"),
        ('{"' + 4400 * "9" + '": "ferrite"}', "65535"),
        ('{"1": ' + 4400 * "9" + "}", "JSON"),
        (50_000 * '{"1":' + "1" + 50_000 * "}",
         "nested too deeply" if sys.version_info < (3, 14) else "is not a class"),
        ('{"classes": ' + 300 * "[" + 300 * "]" + "}", "class table"),
    ],
)  # fmt: skip
def test_a_class_table_that_would_break_something_later_is_refused_at_once(
    call, folder, text, complaint
):
    (folder / "labels" / "classes.json").write_text(text)
    status, said, model = finetune(call, folder)
    assert status == 2
    assert complaint in said
    assert len(said) < 600
    assert not model.exists()


@pytest.mark.parametrize("names", [{"1": "[bcc] ferrite", "2": "[fcc] austenite"}])
def test_names_with_brackets_are_names(call, folder, names):
    table(folder, names)
    status, said, model = finetune(call, folder)
    assert status == 0, said
    assert read_card(model).classes.names == tuple(names.values())


@pytest.mark.parametrize("place", ["images", "labels"])
def test_a_folder_whose_name_no_file_system_takes_is_refused(call, folder, place):
    given = {"images": folder / "images", "labels": folder / "labels", place: folder / (5000 * "x")}
    out = folder / "m.safetensors"
    for command in (
        ("finetune", given["images"], given["labels"], "--out", out),
        ("measure", given[place], "--out", folder / "p.csv"),
    ):
        status, said = call(*command)
        assert status == 2
        assert "can't be read" in said or "There is no" in said  # before Python 3.14; from it on


@pytest.mark.parametrize("option", ["--classes", "--splits"])
@pytest.mark.timeout(60)
def test_what_is_no_file_or_has_an_endless_name_is_refused(call, folder, option):
    os.mkfifo(folder / "pipe.json")
    more = ("--split", "A") if option == "--splits" else ()
    for path in (folder / "pipe.json", "/dev/zero", folder / (5000 * "x"), folder, 300 * "x/"):
        status, said, _ = finetune(call, folder, option, path, *more)
        assert status == 2, said
