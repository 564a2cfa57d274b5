"""The paper's comparison: what is run, on what, and how it is set out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from napari_matssl.errors import InputError, OutOfMemoryError
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.samples import make_sample
from napari_matssl.settings import FinetuneSettings


def field(seed, size=(96, 128)):
    return make_sample("grains", seed, size=(120, size[1])).micrograph.specimen[: size[0]]


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def labels_of(pixels, classes):
    edges = np.quantile(pixels, np.linspace(0, 1, classes + 1)[1:-1])
    return np.digitize(pixels, edges).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Tiny sets: MetalDAM and UHCS as published, EBC as NASA has it; copies of test images."""
    root = tmp_path_factory.mktemp("sets")
    for n in (0, 1, 2, 7):
        pixels = field(n)
        save(root / "steels" / "images" / f"micrograph{n}.png", pixels)
        save(root / "steels" / "labels" / f"micrograph{n}.png", labels_of(pixels, 5))
    save(root / "steels" / "unlabeled" / "micrograph1.png", field(20))
    save(root / "steels" / "unlabeled" / "micrograph2.jpg", field(7))
    for n in range(3):
        save(root / "carbon" / f"{n}.png", field(30 + n))
    save(root / "carbon" / "copy.png", field(0))
    for n, part in enumerate(("train", "val", "test")):
        pixels = field(40 + n)
        save(root / "nasa" / "EBC2" / part / f"{n}.tif", pixels)
        save(root / "nasa" / "EBC2" / f"{part}_annot" / f"{n}.tif", labels_of(pixels, 3))
    return root


@pytest.fixture
def sets(data):
    from paper_tasks import read_sets

    return read_sets(
        {"metaldam": data / "steels", "uhcs": data / "carbon", "ebc": data / "nasa", "aachen": None}
    )


def given(*arguments):
    from paper import parser

    return parser().parse_args(list(arguments))


def test_metaldam_is_scored_without_precipitate(sets):
    from paper_tasks import make_task

    task = make_task("metaldam", sets["metaldam"])
    assert task.data.table.names == ("matrix", "austenite", "martensite-austenite", "defect")
    assert {p.micrograph.name for p in task.data.test} == {"micrograph0.png", "micrograph7.png"}
    for painted in (*task.data.training, *task.data.test):
        assert set(painted.counts) == {0, 1, 2, 3, 5}
        assert painted.counts[0] == (labels_of(painted.micrograph.pixels, 5) == 3).sum()
    assert (task.protocol, task.settings["epochs"]) == ("native", 200)


def test_coatings_have_two_classes_at_half_their_size(sets):
    from paper_tasks import make_task

    task = make_task("EBC-2", sets["ebc"])
    assert task.data.table.names == ("background", "oxide and crack")
    assert set(task.data.test[0].counts) == {1, 2}
    assert task.protocol == "matssl"
    assert len(task.data.validation) == 1
    assert (task.settings["scale"], task.settings["crop_size"]) == (0.5, 512)
    with pytest.raises(InputError, match=r'no split "EBC-3".*EBC-2'):
        make_task("EBC-3", sets["ebc"])


def test_other_sets_are_pretrained_on_unless_others_are_asked_for():
    from paper_tasks import usual_sets

    there = ("uhcs", "metaldam", "ebc", "others")
    assert usual_sets("metaldam", there) == ("uhcs", "others")
    assert usual_sets("EBC-1", there) == ("uhcs", "metaldam", "others")
    assert usual_sets("UHCS-3", there) == ("metaldam", "others")


def test_images_that_show_a_test_image_are_left_out_and_sets_keep_their_overlap(sets, data):
    from paper_tasks import make_pool, make_task

    task = make_task("metaldam", sets["metaldam"])
    pool = make_pool(task, ("uhcs", "metaldam"), sets, None)
    names = [m.name for m in pool.images]
    assert names == ["0.png", "1.png", "2.png", "micrograph1.png", "micrograph2.png",
                     "micrograph1.png"]  # fmt: skip
    assert pool.overlaps == (0.6, 0.6, 0.6, 0.7, 0.7, 0.7)
    assert len(pool.left_out) == 4  # the two test images, and a copy of each
    assert any(line.startswith("copy.png ~ micrograph0.png") for line in pool.left_out)
    assert any(line.startswith("micrograph2.jpg ~ micrograph7.png") for line in pool.left_out)
    others = make_pool(task, ("others",), sets, data / "carbon")
    assert others.overlaps == (0.0, 0.0, 0.0)
    with pytest.raises(InputError, match=r"no folder to pretrain on aachen.*--aachen FOLDER"):
        make_pool(task, ("aachen",), sets, None)
    with pytest.raises(InputError, match="nothing to pretrain on"):
        make_pool(task, (), sets, None)


@pytest.mark.parametrize("method", ["mocov2", "densecl"])
def test_baselines_have_their_own_schedule_or_matssls(method):
    from paper import pretrain_settings, schedule_name

    own = pretrain_settings(method, given(), 0)
    same = pretrain_settings(method, given("--same-schedule"), 0)
    matssl = pretrain_settings("matssl", given(), 0)
    assert (own.batch_size, own.learning_rate, own.epochs) == (256, 0.03, 50)
    assert (same.batch_size, same.learning_rate, same.final_learning_rate) == (128, 0.1, 1e-4)
    assert (same.jitter, same.weight_decay) == (matssl.jitter, matssl.weight_decay)
    assert same.temperature == own.temperature == 0.2
    assert same.method == method
    assert schedule_name(method, given()) == "own"
    assert schedule_name(method, given("--same-schedule")) == "MatSSL's"
    assert schedule_name("simclr", given()) == "MatSSL's"


def test_the_published_recipe_is_run_for_its_epochs_unless_minutes_are_given(sets):
    from paper import finetune_settings
    from paper_tasks import make_task

    task = make_task("metaldam", sets["metaldam"])
    paper = finetune_settings(task, "imagenet", given("--encoder", "resnet50"), 3)
    assert (paper.preset, paper.epochs, paper.minutes) == ("paper", 200, None)
    assert (paper.architecture, paper.encoder, paper.seed) == ("unet++", "resnet50", 3)
    short = finetune_settings(task, "imagenet", given("--finetune-minutes", "2"), 0)
    assert (short.epochs, short.minutes, short.batch_size) == (None, 2, 128)
    small = finetune_settings(task, "imagenet", given("--batch-size", "8"), 0)
    assert (small.epochs, small.batch_size) == (200, 8)


def test_our_recipe_takes_the_place_of_the_published_one_in_fine_tuning(sets):
    from paper import finetune_settings
    from paper_tasks import make_task

    asked = given("--recipe", "interactive", "--finetune-minutes", "30", "--batch-size", "8")
    ours = finetune_settings(make_task("EBC-2", sets["ebc"]), "imagenet", asked, 1)
    assert ours == FinetuneSettings.make({"minutes": 30, "batch_size": 8, "seed": 1})


def test_single_fields_of_fine_tuning_are_changed(sets):
    from paper import finetune_settings
    from paper_tasks import make_task

    asked = given("--recipe", "interactive", "--set", "scale=0.5", "--set", "exposure=own")
    found = finetune_settings(make_task("EBC-2", sets["ebc"]), "imagenet", asked, 0)
    assert found == FinetuneSettings.make({"scale": 0.5, "exposure": "own"})


@pytest.mark.parametrize(
    ("arguments", "architecture", "encoder", "swin"),
    [
        ([], "unet++", "tf_efficientnet_lite0", "random"),
        (["--architecture", "segformer"], "segformer", "mit_b0", "random"),
        (["--architecture", "segformer", "--encoder", "mit_b2"], "segformer", "mit_b2", "random"),
        (["--architecture", "cs-unet", "--transformer-weights", "swin.pth"], "cs-unet",
         "tf_efficientnet_lite0", "swin.pth"),
    ],
)  # fmt: skip
def test_the_papers_other_networks_are_asked_for(sets, arguments, architecture, encoder, swin):
    from paper import finetune_settings
    from paper_tasks import make_task

    task = make_task("EBC-2", sets["ebc"])
    found = finetune_settings(task, "random", given(*arguments), 0)
    assert (found.architecture, found.encoder) == (architecture, encoder)
    assert found.transformer_weights == swin
    assert (found.crop_size, found.scale) == (512, 0.5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--only", "mosfet"], ["'mosfet'", "metaldam", "EBC-3", "UHCS-5"]),
        (["--methods", "byol"], ["'byol'", "stages", "densecl"]),
        (["--pretrain-on", "imagenet"], ["uhcs", "aachen", "others"]),
        (["--only", "aachen"], ["aachen needs its set", "--aachen FOLDER"]),
        (["--uhcs", "/nowhere"], ["/nowhere is no folder"]),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(arguments, named, capsys, tmp_path):
    from paper import main

    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--results", str(tmp_path / "r.json"), "--notes", str(tmp_path / "n.md")])
    said = capsys.readouterr().err or str(caught.value)
    assert said.startswith("error: ")
    assert len(said.strip().splitlines()) == 1
    assert all(word in said for word in named)
    assert not (tmp_path / "r.json").exists()


@pytest.fixture
def brief(data, tmp_path, monkeypatch):
    """Run MetalDAM with a tiny network, two epochs of fine-tuning and of pretraining."""
    import paper
    import paper_tasks

    source = replace(paper_tasks.SOURCES["metaldam"], epochs=2)
    monkeypatch.setitem(paper_tasks.SOURCES, "metaldam", source)
    whole = paper.pretrain_settings
    short = {"epochs": 2, "view_size": 64}
    monkeypatch.setattr(
        paper, "pretrain_settings", lambda *given: whole(*given).model_copy(update=short)
    )
    notes = tmp_path / "NOTES.md"
    notes.write_text("before\n<!-- begin: paper.py -->\n<!-- end: paper.py -->\nafter\n")
    common = ["--metaldam", data / "steels", "--uhcs", data / "carbon", "--only", "metaldam",
              "--encoder", TINY, "--weights", "random", "--work", tmp_path,
              "--results", tmp_path / "paper.json", "--notes", notes]  # fmt: skip
    return lambda *more: paper.main([*map(str, common), *map(str, more)])


def test_a_row_is_computed_kept_and_set_beside_the_papers_figure(brief, tmp_path, capsys):
    notes, results = tmp_path / "NOTES.md", tmp_path / "paper.json"
    brief("--methods", "imagenet", "matssl", "--called", "ImageNet")
    brief("--methods", "imagenet", "--called", "ImageNet", "--seeds", 1)
    brief("--methods", "matssl", "--pretrain-on", "metaldam", "--batch-size", 2)
    cells = json.loads(results.read_text()).values()
    assert [c["seed"] for c in cells if c["start"] == "ImageNet"] == [0, 1]
    pretrained = {tuple(c["pretrained_on"]): c for c in cells if c["start"] == "MatSSL"}
    assert pretrained[("uhcs",)]["images"] == 3
    assert pretrained[("metaldam",)]["images"] == 3
    assert set(pretrained[("uhcs",)]["classes"]) >= {"matrix", "austenite", "defect"}
    assert "precipitate" not in pretrained[("uhcs",)]["classes"]
    assert "copy.png ~ micrograph0.png" in capsys.readouterr().out
    text = notes.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    row = {tuple(cell.strip() for cell in line.split("|")[1:9]): line
           for line in text.splitlines() if line.startswith("| metaldam")}  # fmt: skip
    ours = {r[1:4]: r[6:8] for r in row if r[7] != "-"}
    assert ours[("ImageNet", "U-Net++", "-")][0] == "66.73"
    assert "2 seeds" in ours[("ImageNet", "U-Net++", "-")][1]
    assert ours[("MatSSL", "U-Net++", "uhcs")][0] == "69.95"
    assert ours[("MatSSL", "U-Net++", "metaldam")][0] == "69.02"
    assert "| 86.73 | - |" in text
    assert " of 2 |" in next(line for r, line in row.items() if r[3] == "metaldam")
    assert "1 training image" in text


def test_a_run_that_fails_is_told_of_and_the_others_are_done(brief, tmp_path, monkeypatch, capsys):
    import paper

    def failing(*_given, **_named):
        raise OutOfMemoryError("Out of memory.")
        yield

    monkeypatch.setattr(paper, "pretrain", failing)
    with pytest.raises(SystemExit, match="1 run failed"):
        brief("--methods", "matssl", "imagenet")
    assert "error: metaldam, matssl, seed 0: Out of memory." in capsys.readouterr().err
    (cell,) = json.loads((tmp_path / "paper.json").read_text()).values()
    assert cell["start"] == "random"


def test_every_figure_of_the_paper_has_a_row_though_nothing_was_computed():
    from paper_tables import PAPER, table

    lines = table({}).splitlines()
    assert sum(line.startswith("| ") for line in lines) == 1 + len(PAPER)
    for row in (
        ["| EBC-3 | MicroNet | transformer |", "| 56.72 |"],
        ["| EBC-1 | MicroNet | CS-UNet |", "| 95.98 |"],
        ["| EBC-2 | MicroNet | U-Net++ |", "| 84.60 |"],
        ["| aachen | MoCo v2 | U-Net++ | the set itself, too |", "| 65.65 |"],
    ):
        assert any(all(part in line for part in row) for line in lines)


def test_pools_hold_whole_images_so_that_patches_are_scaled_by_them(sets):
    from paper_tasks import make_pool, make_task

    pool = make_pool(make_task("metaldam", sets["metaldam"]), ("uhcs",), sets, None)
    assert all(isinstance(one, Micrograph) for one in pool.images)
    assert {one.pixels.shape for one in pool.images} == {(96, 128)}
