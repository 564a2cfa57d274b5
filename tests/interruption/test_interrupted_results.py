"""What predict, evaluate, measure, the demo and exports leave when they are interrupted."""

import shutil

import numpy as np
import pytest
from interrupting import FULL, NAMES, contents, images_of, temporaries

from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.project.folder import Project

TWICE = {"signals": ["SIGINT", "SIGINT"]}
STOP = {"signals": ["SIGINT"]}
KILL = {"signals": ["SIGKILL"]}
NO_ROOM = {"error": "ENOSPC"}
CPU = ("--device", "cpu")


def are_whole(folder):
    """Read all masks of a folder, or fail."""
    return all(read_labels(path).size for path in folder.glob("*_mask.png"))


# ---- predict ----


@pytest.fixture
def predict(copies, model, place):
    def run(at=()):
        return copies("predict", model, place.images, "--out", place.root / "out", *CPU, at=at)

    return run


@pytest.fixture
def out(place):
    return place.root / "out"


@pytest.mark.cell("predict", "stopped early")
@pytest.mark.parametrize("stage", ["checking", "segmenting"])
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_predict_stopped_early_leaves_old_tables_and_masks(predict, out, stage, name, status):
    assert predict().status == 0
    before = contents(out)
    ended = predict({"stage": stage, "signals": [name]})
    assert ended.status == status
    assert "nothing was written" in ended.err
    assert contents(out) == before


@pytest.mark.cell("predict", "stopped late")
@pytest.mark.cell("predict", "second signal")
@pytest.mark.parametrize("how", [STOP, TWICE], ids=["once", "twice"])
def test_predict_stopped_late_leaves_masks_and_tables_of_what_is_done(predict, out, how):
    ended = predict({"writes": "a1_mask.png", **how})
    assert ended.status == 130
    done = images_of(out / "phases.csv")
    assert done == ({"a0.tif", "a1.tif"} if how is STOP else {"a0.tif"})
    assert {f"{path.stem[:2]}.tif" for path in out.glob("*_mask.png")} == done
    assert are_whole(out)
    assert not temporaries(out)


@pytest.mark.cell("predict", "full disk")
def test_predict_on_a_full_disk_leaves_tables_of_what_is_done(predict, out):
    ended = predict({"writes": "a1_mask.png", **NO_ROOM})
    assert ended.status == 2
    assert FULL in ended.err
    assert images_of(out / "phases.csv") == {"a0.tif"}
    assert "1 of 3 images" in ended.out


@pytest.mark.cell("predict", "full disk")
def test_predict_prints_figures_for_which_there_is_no_room(predict, out):
    ended = predict({"writes": "*.csv", **NO_ROOM})
    assert ended.status == 2
    assert FULL in ended.err
    assert not list(out.glob("*.csv"))
    assert "class 1" in ended.out
    assert "3 of 3 images" in ended.out


@pytest.mark.cell("predict", "full memory")
def test_predict_leaves_out_an_image_for_which_memory_is_too_small(predict, out):
    amid = {"stage": "segmenting", "share": 0.3, "until": 0.6}
    ended = predict({**amid, "forward": 0, "error": "memory"})
    assert ended.status == 3
    assert "a1.tif" in ended.err.rpartition("1 left out:")[2]
    assert images_of(out / "phases.csv") == {"a0.tif", "a2.tif"}


@pytest.mark.cell("predict", "killed")
def test_predict_killed_leaves_whole_masks_and_marks_the_tables_before(predict, out):
    assert predict().status == 0
    before = (out / "phases.csv").read_bytes()
    assert predict({"writes": "a1_mask.png", **KILL}).status == -9
    assert are_whole(out)
    assert not (out / "phases.csv").exists()
    assert (out / "phases-stale.csv").read_bytes() == before
    assert temporaries(out)
    assert predict().status == 0
    assert not temporaries(out), "swept by the next run"


# ---- evaluate ----


@pytest.fixture
def scores(place):
    return place.old("scores.json")


@pytest.fixture
def evaluate(copies, model, place, scores):
    def run(at):
        task = "evaluate", model, place.images, place.truth, "--json", scores, *CPU
        return copies(*task, at=at)

    return run


@pytest.mark.cell("evaluate", "stopped early")
@pytest.mark.cell("evaluate", "second signal")
@pytest.mark.parametrize(
    "moment", [STOP, TWICE, {"share": 0.5, **TWICE}], ids=["early", "twice", "twice, late"]
)
def test_evaluate_that_has_done_nothing_or_ends_at_once_gives_no_scores(evaluate, scores, moment):
    ended = evaluate({"stage": "evaluating", **moment})
    assert ended.status == 130
    assert "mIoU" not in ended.out
    assert scores.read_text() == "old"


@pytest.mark.cell("evaluate", "stopped late")
def test_evaluate_stopped_late_prints_scores_of_what_is_done(evaluate, scores):
    ended = evaluate({"stage": "evaluating", "share": 0.3, "nth": 2, **STOP})
    assert ended.status == 130
    assert "1 images, pooled pixels" in ended.out
    assert "mIoU" in ended.out
    assert "Stopped after 1 of 3 images: these are no scores of the whole set." in ended.out
    assert f"{scores} was not written." in ended.out
    assert scores.read_text() == "old"


@pytest.mark.cell("evaluate", "full disk")
def test_evaluate_on_a_full_disk_prints_scores_and_leaves_the_old_ones(evaluate, scores):
    ended = evaluate({"writes": scores.name, **NO_ROOM})
    assert ended.status == 2
    assert f"Can't write {scores}: {FULL}." in ended.err
    assert "mIoU" in ended.out
    assert scores.read_text() == "old"


@pytest.mark.cell("evaluate", "full memory")
def test_evaluate_leaves_out_an_image_for_which_memory_is_too_small(evaluate):
    amid = {"stage": "evaluating", "share": 0.3, "until": 0.6}
    ended = evaluate({**amid, "forward": 0, "error": "memory"})
    assert ended.status == 3
    assert "2 images, pooled pixels" in ended.out
    assert "a1.tif" in ended.err.rpartition("1 left out:")[2]


@pytest.mark.cell("evaluate", "killed")
def test_evaluate_killed_leaves_the_old_scores(evaluate, scores):
    assert evaluate({"writes": scores.name, **KILL}).status == -9
    assert scores.read_text() == "old"


# ---- suggest ----


@pytest.fixture
def where(place):
    return place.old("where.json")


@pytest.fixture
def suggest(copies, place, where):
    def run(at):
        return copies("suggest", place.images, "--json", where, *CPU, at=at)

    return run


@pytest.mark.cell("suggest", "stopped early")
@pytest.mark.cell("suggest", "second signal")
@pytest.mark.parametrize("how", [STOP, TWICE], ids=["once", "twice"])
def test_suggest_stopped_amid_the_images_suggests_nothing(suggest, where, how):
    ended = suggest({"stage": "comparing", "share": 0.3, **how})
    assert ended.status == 130
    assert "Paint these first" not in ended.out
    assert where.read_text() == "old"


@pytest.mark.cell("suggest", "full disk")
def test_suggest_on_a_full_disk_prints_what_it_found_and_leaves_the_old_file(suggest, where):
    ended = suggest({"writes": where.name, **NO_ROOM})
    assert ended.status == 2
    assert f"Can't write {where}: {FULL}." in ended.err
    assert "Paint these first" in ended.out
    assert where.read_text() == "old"


@pytest.mark.cell("suggest", "full memory")
def test_suggest_leaves_out_an_image_for_which_memory_is_too_small(suggest, where):
    amid = {"stage": "comparing", "share": 0.3, "until": 0.6}
    ended = suggest({**amid, "forward": 0, "error": "memory"})
    assert ended.status == 3
    assert "a1.tif" in ended.err.rpartition("1 left out:")[2]
    assert "a1.tif" not in where.read_text()
    assert "a2.tif" in where.read_text()


@pytest.mark.cell("suggest", "killed")
def test_suggest_killed_leaves_the_old_file(suggest, where):
    assert suggest({"writes": where.name, **KILL}).status == -9
    assert where.read_text() == "old"


# ---- measure ----


@pytest.fixture
def measure(copies, place):
    """Measure the true masks, with tables of an earlier run in the way."""
    place.old("t.csv")
    place.old("t_summary.csv")

    def run(at):
        return copies("measure", place.truth, "--out", place.root / "t.csv", at=at)

    return run


@pytest.fixture
def tables_stay(place):
    yield
    assert [(place.root / name).read_text() for name in ("t.csv", "t_summary.csv")] == ["old"] * 2


@pytest.mark.cell("measure", "stopped early")
@pytest.mark.cell("measure", "killed")
@pytest.mark.parametrize(
    ("name", "status"), [("SIGINT", 130), ("SIGTERM", -15), ("SIGHUP", -1), ("SIGKILL", -9)]
)
@pytest.mark.parametrize("moment", [{"reads": "a1.png"}, {"writes": "t.csv"}])
@pytest.mark.usefixtures("tables_stay")
def test_measure_that_ends_early_writes_nothing(measure, name, status, moment):
    assert measure({**moment, "signals": [name]}).status == status


@pytest.mark.cell("measure", "full disk")
@pytest.mark.usefixtures("tables_stay")
def test_measure_on_a_full_disk_prints_the_figures(measure):
    ended = measure({"writes": "*.csv", **NO_ROOM})
    assert ended.status == 2
    assert FULL in ended.err
    assert "class 1" in ended.out


@pytest.mark.cell("measure", "full memory")
@pytest.mark.usefixtures("tables_stay")
def test_measure_without_memory_is_an_error(measure):
    ended = measure({"reads": "a1.png", "error": "MemoryError"})
    assert ended.status == 2
    assert "emory" in ended.err


# ---- demo ----


@pytest.fixture
def demo(copies, place):
    def run(at):
        return copies("--out", place.root / "demo", *CPU, call="small_demo", at=at)

    return run


DRAWING, LEARNING = "drawing sample micrographs", "pretraining on all images"


@pytest.mark.cell("demo", "stopped early")
@pytest.mark.cell("demo", "stopped late")
@pytest.mark.parametrize("stage", [DRAWING, LEARNING])
def test_a_demo_that_is_stopped_names_the_place_of_its_files(demo, place, stage):
    ended = demo({"stage": stage, **STOP})
    assert ended.status == 130
    line = f"The demo was stopped; what it had made by then is in {place.root / 'demo'}."
    assert ended.err.splitlines()[-1] == line


@pytest.mark.cell("demo", "second signal")
@pytest.mark.cell("demo", "killed")
@pytest.mark.parametrize(("how", "status"), [(TWICE, 130), (KILL, -9)])
def test_a_demo_that_ends_at_once_leaves_whole_files(demo, place, how, status):
    assert demo({"writes": "dual-phase-01.png", **how}).status == status
    folder = place.root / "demo" / "dual-phase"
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.*") if path.is_file()}
    for path in temporaries(folder):
        del files[str(path.relative_to(folder))]
    image, strokes = files.pop("images/dual-phase-00.tif"), files.pop("strokes/dual-phase-00.png")
    unseen = files.pop("unseen/dual-phase-01.tif")
    assert read_micrograph(image).pixels.shape == read_micrograph(unseen).pixels.shape
    assert read_labels(strokes).any()
    assert files.keys() == {"classes.json"}


@pytest.mark.cell("demo", "full disk")
@pytest.mark.cell("demo", "full memory")
@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ({"writes": "dual-phase-01.png", **NO_ROOM}, FULL),
        ({"stage": LEARNING, "forward": 0, "error": "memory"}, "Out of memory"),
    ],
)
def test_a_demo_without_room_or_memory_is_an_error(demo, moment, words):
    ended = demo(moment)
    assert ended.status == 2
    assert words in ended.err.splitlines()[-1]


# ---- what the window does, without the window ----


@pytest.fixture
def project(place):
    """An open folder in which one image has a mask of an earlier run."""
    project = Project(place.images)
    project.masks.write("a0.tif", np.full((96, 96), 1, np.uint8))
    return project


@pytest.fixture
def segment_all(copies, model, project):
    return lambda at: copies(project.folder, model, call="segment_all", at=at)


def segmented(project):
    """Find the images whose masks are new; all masks are whole."""
    masks = {name: project.masks.read(name) for name in NAMES}
    return {name for name, mask in masks.items() if mask is not None and (mask == 2).any()}


@pytest.mark.cell("All images in the window", "stopped early")
def test_segmenting_all_images_stopped_early_changes_nothing(segment_all, project):
    before = contents(project.folder)
    segment_all({"stage": "segmenting", **STOP})
    assert contents(project.folder) == before


@pytest.mark.cell("All images in the window", "stopped late")
@pytest.mark.cell("All images in the window", "killed")
@pytest.mark.cell("All images in the window", "full disk")
@pytest.mark.parametrize(
    ("how", "status"), [(STOP, 130), (KILL, -9), (NO_ROOM, 2)], ids=["stop", "kill", "disk"]
)
def test_segmenting_all_images_that_ends_early_keeps_masks_of_what_is_done(
    segment_all, project, how, status
):
    ended = segment_all({"writes": "a1.png", **how})
    assert ended.status == status
    assert segmented(project) == ({"a0.tif", "a1.tif"} if how is STOP else {"a0.tif"})
    assert (FULL in ended.err) is (how is NO_ROOM)


@pytest.mark.cell("All images in the window", "full memory")
def test_segmenting_all_images_leaves_out_one_too_large(segment_all, project):
    amid = {"stage": "segmenting", "share": 0.3, "until": 0.6}
    ended = segment_all({**amid, "forward": 0, "error": "memory"})
    assert ended.status == 3
    assert segmented(project) == {"a0.tif", "a2.tif"}


@pytest.fixture
def export(copies, project, out):
    for name in NAMES:
        project.masks.write(name, np.full((96, 96), 2, np.uint8))
    return lambda at=(): copies(project.folder, out, call="export", at=at)


@pytest.mark.cell("export in the window", "stopped early")
def test_an_export_stopped_early_changes_nothing(export, out):
    assert export().status == 0
    before = contents(out)
    export({"stage": "exporting", **STOP})
    assert contents(out) == before


@pytest.mark.cell("export in the window", "stopped late")
@pytest.mark.cell("export in the window", "full disk")
@pytest.mark.parametrize(("how", "status"), [(STOP, 130), (NO_ROOM, 2)], ids=["stop", "disk"])
def test_an_export_that_ends_early_has_tables_of_what_is_done(export, out, how, status):
    ended = export({"writes": "a1_mask.png", **how})
    assert ended.status == status
    assert images_of(out / "phases.csv") == ({"a0.tif", "a1.tif"} if how is STOP else {"a0.tif"})
    assert are_whole(out)
    assert (FULL in ended.err) is (how is NO_ROOM)


@pytest.mark.cell("export in the window", "full memory")
def test_an_export_leaves_out_an_image_too_large(export, out):
    ended = export({"reads": "a1.tif", "error": "MemoryError", "times": 1})
    assert ended.status == 0
    assert images_of(out / "phases.csv") == {"a0.tif", "a2.tif"}


@pytest.mark.cell("export in the window", "killed")
def test_an_export_killed_leaves_whole_masks_and_marks_the_tables_before(export, out):
    assert export().status == 0
    shutil.copy(out / "phases.csv", out.parent / "before.csv")
    assert export({"writes": "a1_mask.png", **KILL}).status == -9
    assert are_whole(out)
    assert not (out / "phases.csv").exists()
    assert (out / "phases-stale.csv").read_bytes() == (out.parent / "before.csv").read_bytes()
