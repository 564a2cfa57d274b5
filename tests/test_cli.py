"""The command line as a user calls it: every command, and every error in one line."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from faulty_device import FULL, failing_after, watched_networks
from PIL import Image
from safetensors.torch import save_file
from scipy import ndimage
from torch import nn

from napari_matssl.cli import main
from napari_matssl.labels.unbroken import ENOUGH_IMAGES, UnbrokenClass
from napari_matssl.learn.card import CARD_KEY
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.device import diagnose
from napari_matssl.learn.segmenter import read_segmenter, write_segmenter
from napari_matssl.samples import class_table, make_sample, scribble

MATERIAL = "dual-phase"
SIDE = 128
QUICK = ("--weights", "random", "--epochs", "1", "--device", "cpu")


@dataclass(frozen=True)
class Outcome:
    """What a call left behind."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        return lines[0]


Call = Callable[..., Outcome]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["napari-matssl", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(status, captured.out, captured.err)

    return run


@dataclass(frozen=True)
class Folders:
    """A little project of painted sample micrographs."""

    images: Path
    labels: Path
    truth: Path
    root: Path


def write_project(root: Path, count: int = 3) -> Folders:
    folders = Folders(root / "images", root / "labels", root / "truth", root)
    for folder in (folders.images, folders.labels, folders.truth):
        folder.mkdir(parents=True)
    for seed in range(count):
        sample = make_sample(MATERIAL, seed, (SIDE, SIDE))
        name = f"s{seed}.png"
        Image.fromarray(sample.micrograph.pixels).save(folders.images / name)
        Image.fromarray(scribble(sample.labels, seed=seed)).save(folders.labels / name)
        Image.fromarray(sample.labels).save(folders.truth / name)
    class_table(MATERIAL).write(root / "classes.json")
    return folders


@pytest.fixture
def project(tmp_path: Path) -> Folders:
    return write_project(tmp_path / "project")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folders, Path]:
    """A project with a model that the command line trained."""
    root = tmp_path_factory.mktemp("trained")
    folders = write_project(root / "project")
    model = root / "model.safetensors"
    command = [sys.executable, "-m", "napari_matssl", "finetune"]
    command += [str(folders.images), str(folders.labels), "--out", str(model), *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folders, model


# ---- the main job ----


def test_pretrain_finetune_predict_evaluate_measure(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    encoder, model, out = (tmp_path / n for n in ("enc.safetensors", "m.safetensors", "out"))
    small = tmp_path / "small.json"
    small.write_text(json.dumps({"view_size": 64, "projection_hidden": 64}))
    done = call(
        "pretrain", project.images, "--out", encoder, "--encoder", "tf_efficientnet_lite0",
        "--weights", "random", "--epochs", 2, "--patch-size", 64, "--batch-size", 4,
        "--settings", small,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "12 patches" in done.out
    card = read_card(encoder, "encoder")
    assert card.settings["view_size"] == 64
    assert not list(tmp_path.glob("*.checkpoint.*"))

    done = call(
        "finetune", project.images, project.labels, "--out", model, "--weights", encoder,
        "--epochs", 1,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "classes from classes.json: ferrite, martensite" in done.out
    assert read_card(model, "segmenter").start.startswith("enc.safetensors: MatSSL on 3 images")

    done = call("predict", model, project.images, "--out", out, "--probabilities")
    assert done.status == 0, done.err
    assert "s per image" in done.out
    mask = Image.open(out / "s0_mask.png")
    assert (mask.mode, mask.size) == ("P", (SIDE, SIDE))
    assert set(np.unique(np.asarray(mask))) <= {1, 2}
    assert (out / "s0_overlay.png").exists()
    assert (out / "s0_probabilities.tif").exists()
    rows = list(csv.DictReader((out / "phases.csv").open(encoding="utf-8-sig")))
    assert list(rows[0])[:8] == [
        "image", "group", "class_id", "class", "pixels", "analysed_pixels", "fraction_percent",
        "area_um2",
    ]  # fmt: skip
    assert rows[0]["model"] == "m.safetensors"
    facts = json.loads(call("info", out / "s0_mask.png", "--json").out)
    assert (facts["mask_model"], facts["mask_run"]) == ("m.safetensors", rows[0]["run"])
    assert "mask model: m.safetensors" in call("info", out / "s0_mask.png").out
    assert len(rows) == 6
    assert rows[0]["area_um2"] == ""
    ferrite = int((np.asarray(mask) == 1).sum())
    assert (rows[0]["image"], rows[0]["class"], int(rows[0]["pixels"])) == (
        "s0.png", "ferrite", ferrite,
    )  # fmt: skip

    done = call("measure", out, "--out", tmp_path / "again.csv")
    assert done.status == 0, done.err
    again = list(csv.DictReader((tmp_path / "again.csv").read_text("utf-8-sig").splitlines()))
    assert [r["fraction_percent"] for r in again] == [r["fraction_percent"] for r in rows]
    assert (tmp_path / "again_summary.csv").exists()

    scores = tmp_path / "scores.json"
    done = call("evaluate", model, project.images, project.truth, "--json", scores)
    assert done.status == 0, done.err
    data = json.loads(scores.read_text())
    confusion = np.array(data["confusion"])
    assert confusion.sum() == 3 * SIDE**2
    iou = confusion[0, 0] / (confusion[0].sum() + confusion[:, 0].sum() - confusion[0, 0])
    assert data["classes"]["ferrite"]["iou"] == pytest.approx(iou)
    assert data["miou"] == pytest.approx(
        np.mean([data["classes"][n]["iou"] for n in ("ferrite", "martensite")])
    )
    assert "Trained on 3 of these images" in done.out


def test_splits_choose_training_validation_and_test(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    splits, model, scores = (tmp_path / n for n in ("f.json", "m.safetensors", "s.json"))
    splits.write_text(json.dumps({"A": {"train": ["s0.png"], "val": ["s1.png"], "test": ["s2"]}}))
    chosen = ("--splits", splits, "--split", "A")
    done = call("finetune", project.images, project.truth, "--out", model, *QUICK, *chosen)
    assert done.status == 0, done.err
    card = read_card(model)
    assert [image.name for image in card.training_images] == ["s0.png"]
    assert 0 <= card.metrics["val_miou"] <= 1
    done = call("evaluate", model, project.images, project.truth, *chosen, "--json", scores)
    assert json.loads(scores.read_text())["images"] == ["s2.png"]
    assert json.loads(scores.read_text())["trained_on"] == []


def test_going_on_from_a_model(call: Call, trained: tuple[Folders, Path], tmp_path: Path) -> None:
    folders, model = trained
    out = tmp_path / "next.safetensors"
    done = call(
        "finetune", folders.images, folders.labels, "--out", out, "--go-on-from", model,
        "--epochs", 1,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert read_card(out).start.startswith("went on from")


INSTANT = ("--preset", "instant", "--encoder", "test_efficientnet", "--weights", "random")


def test_the_instant_preset_writes_a_model_that_every_command_uses(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    model, out, scores = (tmp_path / n for n in ("m.safetensors", "out", "s.json"))
    done = call("finetune", project.images, project.labels, "--out", model, *INSTANT)
    assert done.status == 0, done.err
    assert "fitted in" in done.out
    assert "steps" not in done.out
    gained = next(
        line for line in done.out.splitlines() if line.startswith("The last image gained")
    )
    payoff = json.loads(call("info", model, "--json").out)["payoff"]
    assert [one["images"] for one in payoff["points"]] == [1, 2]
    assert gained in call("info", model).out
    card = json.loads(call("info", model, "--json").out)
    assert (card["kind"], card["architecture"]) == ("segmenter", "pixel-classifier")
    assert "architecture: pixel-classifier" in call("info", model).out
    done = call("predict", model, project.images, "--out", out, "--probabilities")
    assert done.status == 0, done.err
    truth, mask = (
        np.asarray(Image.open(path))
        for path in (project.truth / "s0.png", out / "s0_mask.png")
    )  # fmt: skip
    assert (mask == truth).mean() > 0.7
    assert (out / "s0_probabilities.tif").exists()
    done = call("evaluate", model, project.images, project.truth, "--json", scores)
    assert done.status == 0, done.err
    assert json.loads(scores.read_text())["pixel_accuracy"] > 0.7


@pytest.mark.parametrize(
    ("network", "encoder"), [("segformer", "mit_b0"), ("cs-unet", "test_efficientnet")]
)
def test_a_network_with_a_transformer_is_used_by_every_command(
    call: Call, project: Folders, tmp_path: Path, network: str, encoder: str
) -> None:
    model, further, out, scores = (
        tmp_path / n for n in ("m.safetensors", "n.safetensors", "out", "s.json")
    )
    small = tmp_path / "small.json"
    small.write_text(json.dumps({"crop_size": 64, "batch_size": 2}))
    chosen = ("--architecture", network, "--encoder", encoder, "--settings", small)
    train = ("finetune", project.images, project.truth, *QUICK, "--out")
    done = call(*train, model, *chosen)
    assert done.status == 0, done.err
    assert f"starts with {encoder} (weights: random)" in done.err
    swin = "swin_tiny_patch4_window7_224 (weights: random)"
    assert (swin in done.err) == (network == "cs-unet")
    card = read_card(model, "segmenter")
    assert (card.architecture, card.encoder) == (network, encoder)
    assert card.start == ("random" if network == "segformer" else "random; Swin: random")
    assert f"architecture: {network}" in call("info", model).out

    with Image.open(project.images / "s0.png") as image:
        image.crop((0, 0, 75, 101)).save(project.images / "s0.png")  # no multiple of 32
    done = call("predict", model, project.images, "--out", out, "--tile", 64)
    assert done.status == 0, done.err
    with Image.open(out / "s0_mask.png") as mask:
        assert mask.size == (75, 101)
    with Image.open(project.truth / "s0.png") as labels:
        labels.crop((0, 0, 75, 101)).save(project.truth / "s0.png")
    done = call("evaluate", model, project.images, project.truth, "--json", scores)
    assert done.status == 0, done.err
    assert sum(map(sum, json.loads(scores.read_text())["confusion"])) == 2 * SIDE**2 + 75 * 101

    done = call(*train, further, "--go-on-from", model, "--settings", small)
    assert done.status == 0, done.err
    assert read_card(further).architecture == network
    assert read_card(further).start.startswith("went on from a model")
    done = call(*train, further, "--go-on-from", model, "--architecture", "unet++")
    assert done.status == 2
    assert f"is a {network}, not a unet++" in done.error


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--architecture", "segformer", "--encoder", "resnet18"), "such as mit_b0"),
        (("--architecture", "cs-unet", "--encoder", "mit_b0"), "a CNN beside its own Swin"),
        (("--architecture", "unet++", "--encoder", "mit_b0"), "U-Net++ can't be built"),
        (("--transformer-weights", "imagenet"), "only the network cs-unet has a Swin"),
        (("--architecture", "u-net"), "--architecture = 'u-net'"),
    ],
)
def test_networks_and_encoders_that_do_not_fit_are_refused_in_a_line(
    call: Call, project: Folders, tmp_path: Path, given: tuple[str, ...], words: str
) -> None:
    model = tmp_path / "m.safetensors"
    done = call("finetune", project.images, project.labels, "--out", model, *QUICK, *given)
    assert done.status == 2
    assert words.lower() in done.error.lower()
    assert not model.exists()


def test_instant_and_interactive_models_go_on_from_each_other(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    first, second, third = (tmp_path / f"{n}.safetensors" for n in range(3))
    task = ("finetune", project.images, project.labels, "--device", "cpu", "--out")
    assert call(*task, first, *INSTANT).status == 0
    done = call(*task, second, "--go-on-from", first, "--epochs", 1)
    assert done.status == 0, done.err
    assert read_card(second).architecture != "pixel-classifier"
    done = call(*task, third, "--go-on-from", second, "--preset", "instant")
    assert done.status == 0, done.err
    card = read_card(third)
    assert (card.architecture, card.encoder) == ("pixel-classifier", "test_efficientnet")
    done = call(*task, third, "--preset", "instant", "--weights", second)
    assert done.status == 0, done.err
    assert read_card(third).start.startswith("1.safetensors")


def test_the_instant_preset_refuses_what_cannot_teach(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    for path in project.labels.iterdir():
        Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(path)
    out = tmp_path / "m.safetensors"
    refuse(call("finetune", project.images, project.labels, "--out", out, *INSTANT), "painted")
    assert not out.exists()


def test_unlabelled_none_makes_every_value_a_class(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    (project.root / "classes.json").unlink()
    for path in project.labels.glob("*.png"):
        Image.fromarray(np.asarray(Image.open(project.truth / path.name)) - 1).save(path)
    model = tmp_path / "m.safetensors"
    done = call(
        "finetune", project.images, project.labels, "--out", model, *QUICK, "--unlabelled", "none"
    )
    assert done.status == 0, done.err
    table = read_card(model).classes
    assert table is not None
    assert table.ids == (0, 1)


def test_info_lists_facts_of_micrographs_and_models(
    call: Call, trained: tuple[Folders, Path]
) -> None:
    folders, model = trained
    facts = json.loads(call("info", folders.images / "s0.png", "--json").out)
    assert (facts["width"], facts["height"], facts["dtype"]) == (SIDE, SIDE, "uint8")
    assert "pixel_size_um" not in facts
    card = json.loads(call("info", model, "--json").out)
    assert (card["kind"], card["encoder"]) == ("segmenter", "tf_efficientnet_lite0")
    said = call("info", model).out
    assert "kind: segmenter" in said
    assert "{" not in said, "for people, not for programs"
    lines = dict(line.split(": ", 1) for line in said.splitlines())
    assert lines["training images"].startswith("s0.png, s1.png")
    assert all(name.replace("_", " ") in lines["metrics"] for name in card["metrics"])
    assert all(c["name"] in lines["classes"] for c in card["classes"]["classes"])


def test_predict_cleans_masks_as_asked(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path
) -> None:
    folders, model = trained
    image = folders.images / "s0.png"
    options = ("--smallest-region", SIDE**2, "--largest-hole", 5)
    done = call("predict", model, image, "--out", tmp_path / "out", *options)
    assert done.status == 0, done.err
    # Every region is a speck of an image that size: the last one left has it all.
    assert len(np.unique(np.asarray(Image.open(tmp_path / "out" / "s0_mask.png")))) == 1
    refuse(
        call("predict", model, image, "--out", tmp_path / "no", "--largest-hole", -1),
        "--largest-hole = '-1'",
    )


def test_predict_and_evaluate_take_the_choice_of_detached_components(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path
) -> None:
    """A model that has seen one stratum of ferrite: in dual-phase steel, most is detached."""
    folders, path = write_project(tmp_path / "one", count=1), tmp_path / "m.safetensors"
    segmenter = read_segmenter(trained[1])
    rule = UnbrokenClass(class_id=1, inside=1, outside=1, images=ENOUGH_IMAGES)
    card = segmenter.card.model_copy(update={"unbroken": (rule,)})
    write_segmenter(path, replace(segmenter, card=card))
    areas, scores = [], []
    for choice in ("keep", "merge"):
        out, figures = tmp_path / choice, tmp_path / f"{choice}.json"
        option = ("--detached-components", choice)
        assert call("predict", path, folders.images, "--out", out, *option).status == 0
        ferrite = np.asarray(Image.open(out / "s0_mask.png")) == 1
        areas.append(ndimage.label(ferrite, np.ones((3, 3)))[1])  # corners touch, as in merging
        more = (*option, "--json", figures)
        assert call("evaluate", path, folders.images, folders.truth, *more).status == 0
        scores.append(json.loads(figures.read_text())["confusion"])
    assert areas[0] > areas[1] == 1
    assert scores[0] != scores[1]


def test_device_names_the_device_for_people_and_for_programs(call: Call) -> None:
    done = call("device", "--json")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert list(report) == ["name", "number_format", "reason", "remedy", "command"]
    assert report == asdict(diagnose())
    shown = call("device").out
    assert f"name: {report['name']}" in shown
    assert ("remedy:" in shown) is bool(report["remedy"])


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("FEI-Helios-Ebeam-8bits.tif", 3.3724),
        ("test_tiff_Zeiss_SEM_1k.tif", 2.615),
        ("test_loading_image_saved_with_imageJ.tif", 0.16867),
    ],
)
def test_info_gives_the_pixel_size_of_vendor_files(
    call: Call, real_data: Path, name: str, size: float
) -> None:
    facts = json.loads(call("info", real_data / "vendor-tiff" / name, "--json").out)
    assert facts["pixel_size_um"] == pytest.approx([size, size], rel=1e-3)


# ---- bad input: one clear line, status 2, nothing overwritten ----


def refuse(outcome: Outcome, *words: str) -> None:
    assert outcome.status == 2, outcome
    for word in words:
        assert word in outcome.error


def finetune(call: Call, project: Folders, out: Path, *more: object) -> Outcome:
    return call("finetune", project.images, project.labels, "--out", out, *QUICK, *more)


def test_no_images(call: Call, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refuse(call("pretrain", empty, "--out", tmp_path / "e.safetensors"), "empty", ".png")
    refuse(call("pretrain", tmp_path / "gone", "--out", tmp_path / "e.safetensors"), "gone")


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "truncated": data[: len(data) // 2], "text": b"hello"}[how])


@pytest.mark.parametrize("how", ["empty", "truncated", "text"])
def test_a_broken_image_is_an_error_where_nothing_is_left(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path, how: str
) -> None:
    folders = write_project(tmp_path / "p", count=1)
    damage(folders.images / "s0.png", how)
    out = tmp_path / "out"
    for arguments in (
        ("pretrain", folders.images, "--out", out),
        ("finetune", folders.images, folders.labels, "--out", out, *QUICK),
        ("predict", trained[1], folders.images, "--out", out),
        ("evaluate", trained[1], folders.images, folders.truth, "--json", tmp_path / "s.json"),
        ("info", folders.images / "s0.png"),
    ):
        refuse(call(*arguments), "s0.png")
    assert not out.is_file()
    assert not list(out.glob("*"))


@pytest.mark.parametrize("how", ["empty", "truncated", "text"])
def test_predict_leaves_a_broken_image_out_and_lists_it(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path, how: str
) -> None:
    folders = write_project(tmp_path / "p")
    damage(folders.images / "s1.png", how)
    done = call("predict", trained[1], folders.images, "--out", tmp_path / "out")
    assert done.status == 3
    assert "2 of 3 images" in done.out
    lines = done.err.splitlines()
    assert "1 left out:" in lines
    assert "s1.png" in lines[lines.index("1 left out:") + 1]
    rows = csv.DictReader((tmp_path / "out" / "phases.csv").open(encoding="utf-8-sig"))
    assert {row["image"] for row in rows} == {"s0.png", "s2.png"}


def test_pretrain_leaves_an_image_out_that_cannot_be_used(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(project.images / "s1.png")
    encoder = tmp_path / "e.safetensors"
    done = call(
        "pretrain", project.images, "--out", encoder, "--encoder", "test_efficientnet",
        "--weights", "random", "--epochs", 1, "--patch-size", 64, "--view-size", 32,
    )  # fmt: skip
    assert done.status == 3, done.err
    assert "s1.png is constant" in done.err
    assert ", 1 epoch, loss " in done.out
    assert [image.name for image in read_card(encoder).training_images] == ["s0.png", "s2.png"]


def test_a_training_whose_device_fails_is_kept_and_no_success(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    model = tmp_path / "m.safetensors"
    with failing_after(3):
        done = call(
            "finetune", project.images, project.labels, "--out", model, "--encoder",
            "test_efficientnet", "--weights", "random", "--epochs", 4, "--device", "cpu",
        )  # fmt: skip
    assert done.status == 3, done.err
    assert "Ended after 3 steps" in done.err
    assert "3 steps" in done.out
    assert "stopped early" in done.out
    assert read_card(model).metrics["steps"] == 3


def test_an_empty_output_is_not_the_current_folder(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refuse(call("predict", trained[1], trained[0].images, "--out", ""), "--out", "empty")
    refuse(call("predict", trained[1], "", "--out", "x"), "empty")
    assert list(tmp_path.iterdir()) == []


def test_figures_are_printed_where_the_table_cannot_be_replaced(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path
) -> None:
    (tmp_path / "out" / "phases.csv").mkdir(parents=True)
    done = call("predict", trained[1], trained[0].images / "s0.png", "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert "phases-2.csv" in done.out
    assert "ferrite" in done.out
    measured = call("measure", tmp_path / "out", "--out", tmp_path / "out" / "phases.csv")
    refuse(measured, "folder")


def test_class_names_are_no_markup(call: Call, tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text('{"1": "[bcc] ferrite", "2": "[fcc] austenite"}')
    Image.fromarray(np.repeat(np.array([1, 2], np.uint8), 32)[None].repeat(8, 0)).save(
        tmp_path / "a_mask.png"
    )
    done = call("measure", tmp_path, "--out", tmp_path / "t.csv")
    assert done.status == 0, done.err
    assert "[bcc] ferrite" in done.out
    assert "[fcc] austenite" in done.out


def test_image_and_label_of_different_size(call: Call, project: Folders, tmp_path: Path) -> None:
    Image.fromarray(np.ones((SIDE, SIDE - 8), np.uint8)).save(project.labels / "s1.png")
    refuse(finetune(call, project, tmp_path / "m"), "s1.png", f"{SIDE - 8} x {SIDE}")


def test_no_label_for_any_image(call: Call, project: Folders, tmp_path: Path) -> None:
    for path in project.labels.iterdir():
        path.rename(path.with_stem(f"{path.stem}-x"))
    refuse(finetune(call, project, tmp_path / "m"), "label")


def test_nothing_painted_and_single_class(call: Call, project: Folders, tmp_path: Path) -> None:
    for path in project.labels.iterdir():
        Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(path)
    refuse(finetune(call, project, tmp_path / "m"), "painted")
    for path in project.labels.iterdir():
        Image.fromarray(np.eye(SIDE, dtype=np.uint8)).save(path)
    refuse(finetune(call, project, tmp_path / "m"), "ferrite")


def test_label_outside_the_class_table(call: Call, project: Folders, tmp_path: Path) -> None:
    labels = np.array(Image.open(project.labels / "s2.png"))
    labels[:4] = 9
    Image.fromarray(labels).save(project.labels / "s2.png")
    refuse(finetune(call, project, tmp_path / "m"), "s2.png", "9", "--classes")


def test_a_constant_image_cannot_be_trained_on(
    call: Call, project: Folders, tmp_path: Path
) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 7, np.uint8)).save(project.images / "s1.png")
    refuse(finetune(call, project, tmp_path / "m"), "s1.png")


def test_output_that_cannot_be_written_is_found_before_anything_is_read(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path
) -> None:
    """All that would be read is damaged: that would be the error if it came first."""
    folders, model = write_project(tmp_path / "p", count=1), trained[1]
    for folder in (folders.images, folders.labels, folders.truth):
        damage(folder / "s0.png", "truncated")
    file = tmp_path / "file"
    file.write_text("kept")
    inside = file / "m.safetensors"  # a file can't be a folder, not even for root
    refuse(finetune(call, folders, inside), str(file))
    refuse(call("pretrain", folders.images, "--out", inside), str(file))
    refuse(call("pretrain", folders.images, "--out", tmp_path), "is a folder")
    refuse(call("predict", model, folders.images, "--out", file), str(file))
    refuse(call("measure", folders.truth, "--out", inside), str(file))
    scoring = ("evaluate", model, folders.images, folders.truth, "--json", inside)
    refuse(call(*scoring), str(file))
    assert file.read_text() == "kept"


def damaged_models(folder: Path, model: Path) -> dict[str, Path]:
    paths = {n: folder / f"{n}.safetensors" for n in ("truncated", "newer", "pickle", "foreign")}
    data = model.read_bytes()
    paths["truncated"].write_bytes(data[: len(data) // 2])
    card = read_card(model).model_dump(mode="json")
    card["format_version"] = 99
    save_file({"a": torch.zeros(1)}, paths["newer"], metadata={CARD_KEY: json.dumps(card)})
    torch.save({"a": torch.zeros(1)}, paths["pickle"])
    save_file({"a": torch.zeros(1)}, paths["foreign"])
    return paths


@pytest.mark.parametrize("damage", ["truncated", "newer", "pickle", "foreign", "missing"])
def test_bad_model_files(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path, damage: str
) -> None:
    folders, model = trained
    path = damaged_models(tmp_path, model).get(damage, tmp_path / "missing.safetensors")
    out = tmp_path / "out"
    for outcome in (
        call("predict", path, folders.images, "--out", out),
        call("evaluate", path, folders.images, folders.truth),
        call("info", path),
        call("finetune", folders.images, folders.labels, "--out", out, "--go-on-from", path),
    ):
        refuse(outcome, str(path))
    assert not out.exists()


def test_wrong_kind_of_file(call: Call, project: Folders, tmp_path: Path) -> None:
    encoder = tmp_path / "enc.safetensors"
    call(
        "pretrain", project.images, "--out", encoder, "--encoder", "tf_efficientnet_lite0",
        "--weights", "random", "--epochs", 1, "--patch-size", 64, "--view-size", 32,
    )  # fmt: skip
    refuse(call("predict", encoder, project.images, "--out", tmp_path / "o"), "encoder", "finetune")
    outcome = call(
        "finetune", project.images, project.labels, "--out", tmp_path / "m",
        "--weights", encoder, "--encoder", "resnet18",
    )  # fmt: skip
    refuse(outcome, "enc.safetensors", "tf_efficientnet_lite0", "resnet18")


def test_split_that_names_missing_files(call: Call, project: Folders, tmp_path: Path) -> None:
    splits = tmp_path / "f.json"
    splits.write_text(json.dumps({"A": {"train": ["s0.png", "gone.png"], "test": ["s1.png"]}}))
    out = tmp_path / "m"
    refuse(finetune(call, project, out, "--splits", splits, "--split", "A"), "gone.png")
    refuse(finetune(call, project, out, "--splits", splits, "--split", "B"), "B", "A")
    refuse(finetune(call, project, out, "--splits", splits), "--split")


def test_resume_without_a_checkpoint(call: Call, project: Folders, tmp_path: Path) -> None:
    outcome = call(
        "pretrain", project.images, "--out", tmp_path / "e.safetensors", "--resume",
        "--encoder", "tf_efficientnet_lite0", "--weights", "random", "--patch-size", 64,
    )  # fmt: skip
    refuse(outcome, "e.checkpoint.safetensors", "--resume")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_gpu_that_is_not_there(call: Call, project: Folders, tmp_path: Path) -> None:
    outcome = finetune(call, project, tmp_path / "m", "--device", "cuda")
    refuse(outcome, "cuda", "--device")


def test_bad_settings(call: Call, project: Folders, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"learning_rat": 1}')
    refuse(finetune(call, project, tmp_path / "m", "--settings", file), "learning_rat")
    refuse(finetune(call, project, tmp_path / "m", "--val-fraction", 2), "--val-fraction")
    refuse(finetune(call, project, tmp_path / "m", "--unlabelled", "x"), "--unlabelled = ")
    refuse(finetune(call, project, tmp_path / "m", "--encoder", "resnet5"), "resnet5")


def test_out_of_memory_ends_in_one_line(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path
) -> None:
    def full(_module: nn.Module, _images: torch.Tensor) -> None:
        raise FULL

    folders, model = trained
    with watched_networks(full):
        refuse(call("predict", model, folders.images, "--out", tmp_path / "o"), "Out of memory")
        refuse(finetune(call, folders, tmp_path / "m"), "Out of memory")


def test_a_failed_run_keeps_the_old_output(call: Call, project: Folders, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    out.write_bytes(b"precious")
    for path in project.labels.iterdir():
        Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(path)
    refuse(finetune(call, project, out), "painted")
    assert out.read_bytes() == b"precious"


def test_suggest_lists_images_and_where_a_model_is_unsure(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path
) -> None:
    (folders, model), file = trained, tmp_path / "where.json"
    done = call("suggest", folders.images, "--device", "cpu", "--json", file)
    assert done.status == 0
    lines = done.out.splitlines()
    first = lines.index("Paint these first:")
    assert lines[first + 1].endswith(": the most typical image")
    data = json.loads(file.read_text())
    assert len(data["images"]) == len(list(folders.images.iterdir()))
    assert data["images"][0]["image"] in lines[first + 1]
    assert data["regions"] == []
    wanted = ("suggest", folders.images, "--model", model, "--regions", "2", "--json", file)
    done = call(*wanted, "--device", "cpu")
    assert done.status == 0
    regions = json.loads(file.read_text())["regions"]
    assert len(regions) <= 2
    assert sum("% uncertain" in line for line in done.out.splitlines()) == len(regions)


def test_suggest_names_what_is_wrong_in_one_line(
    call: Call, trained: tuple[Folders, Path], tmp_path: Path
) -> None:
    folders, _ = trained
    assert "no-folder" in call("suggest", tmp_path / "no-folder").error
    done = call("suggest", folders.images, "--model", tmp_path / "no.safetensors")
    assert (done.status, "no.safetensors" in done.error) == (2, True)
