"""Label images become annotations of COCO and LabelMe, and these the same label images again."""

import json

import numpy as np
import pytest
from annotated import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from typer.testing import CliRunner

from napari_matssl.cli import app
from napari_matssl.errors import InputError, OutputError, StoppedError
from napari_matssl.export.masks import write_mask
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.exchange.recognising import Reading
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.progress import drain
from napari_matssl.tasks.exchanging.exchange_labels import bring_in_labels
from napari_matssl.tasks.exchanging.labels_for_others import hand_out_labels

FORMS = ("coco", "labelme")
TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=value, name=name, colour=COLOURS[n])
        for n, (value, name) in enumerate([(2, "Ferrit"), (3, "Gefüge, rest"), (254, "pore")])
    )
)
IDS = st.sampled_from([0, 0, 2, 3, 254])


def place(folder, **labels):
    """Write images and their label images, by stem."""
    for stem, ids in labels.items():
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros(ids.shape, np.uint8)).save(folder / "images" / f"{stem}.png")
        write_mask(folder / "labels" / f"{stem}.png", ids, TABLE)
    TABLE.write(folder / "labels" / "classes.json")


def hand_out(folder, form, out, messages=None, **other):
    heard = [] if messages is None else messages
    job = hand_out_labels(folder / "labels", folder / "images", out, form, **other)
    return drain(job, lambda progress: heard.append(progress.message))


def blocks():
    """Make a label image of all classes, with a component that touches another at a corner."""
    ids = np.zeros((40, 48), np.uint8)
    ids[2:10, 2:10] = ids[10:12, 10:12] = 2
    ids[20:30, 5:40] = 3
    ids[22:25, 8:12] = 254
    ids[35:38, 40:48] = 2
    return ids


@pytest.mark.parametrize("form", FORMS)
@given(a=arrays(np.uint8, (6, 7), elements=IDS), b=arrays(np.uint8, (9, 4), elements=IDS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_was_written_gives_the_same_label_images(form, tmp_path_factory, a, b):
    a[0, 0] = b[8, 3] = 2  # an image in which nothing is painted has no label image
    folder = tmp_path_factory.mktemp("there-and-back")
    place(folder, a=a, b=b)
    out = folder / ("coco.json" if form == "coco" else "for-labelme")
    hand_out(folder, form, out)
    back = folder / "back"
    made = drain(bring_in_labels([out], folder / "images", back, Reading()))
    assert made.table.ids == TABLE.ids
    assert made.table.names == TABLE.names
    assert np.array_equal(read_labels(back / "a.png"), a)
    assert np.array_equal(read_labels(back / "b.png"), b)


def test_coco_has_an_annotation_per_class_by_its_specification(tmp_path):
    ids = blocks()
    place(tmp_path, a=ids)
    hand_out(tmp_path, "coco", tmp_path / "coco.json")
    content = json.loads((tmp_path / "coco.json").read_text())
    assert content["images"] == [{"id": 1, "file_name": "a.png", "width": 48, "height": 40}]
    assert [(one["id"], one["name"]) for one in content["categories"]] == [
        (2, "Ferrit"),
        (3, "Gefüge, rest"),
        (254, "pore"),
    ]
    first = content["annotations"][0]
    assert first["segmentation"]["size"] == [40, 48]
    assert sum(first["segmentation"]["counts"]) == ids.size
    assert first["segmentation"]["counts"][:3] == [2 * 40 + 2, 8, 32]
    del first["segmentation"]
    assert first == {"id": 1, "image_id": 1, "category_id": 2, "area": 92, "iscrowd": 1,
                     "bbox": [2, 2, 46, 36]}  # fmt: skip


def test_labelme_has_a_mask_per_component(tmp_path):
    place(tmp_path, a=blocks())
    out = tmp_path / "for" / "labelme"
    hand_out(tmp_path, "labelme", out)
    content = json.loads((out / "a.json").read_text())
    assert content["imagePath"] == "../../images/a.png"
    assert (content["imageWidth"], content["imageHeight"]) == (48, 40)
    found = [(one["label"], one["points"]) for one in content["shapes"]]
    assert found == [
        ("Ferrit", [[2, 2], [11, 11]]),
        ("Ferrit", [[40, 35], [47, 37]]),
        ("Gefüge, rest", [[5, 20], [39, 29]]),
        ("pore", [[8, 22], [11, 24]]),
    ]
    assert {one["shape_type"] for one in content["shapes"]} == {"mask"}


def test_a_class_at_0_gets_a_free_id_and_a_line(tmp_path):
    place(tmp_path, a=blocks())
    write(tmp_path / "labels" / "classes.json", {"0": "resin", "2": "a", "3": "b", "254": "c"})
    messages = []
    hand_out(tmp_path, "coco", tmp_path / "coco.json", messages)
    assert "Values that can't be ids are written as others: 0 resin as 1." in messages
    content = json.loads((tmp_path / "coco.json").read_text())
    areas = {one["category_id"]: one["area"] for one in content["annotations"]}
    assert areas[1] == np.count_nonzero(blocks() == 0)


def test_values_that_mean_nothing_are_unpainted(tmp_path):
    place(tmp_path, a=blocks())
    write(tmp_path / "labels" / "classes.json", {"2": "a", "3": "ignore", "254": "c"})
    hand_out(tmp_path, "coco", tmp_path / "coco.json")
    content = json.loads((tmp_path / "coco.json").read_text())
    assert [one["category_id"] for one in content["annotations"]] == [2, 254]


@pytest.mark.parametrize("form", FORMS)
def test_label_images_that_cannot_be_used_are_left_out(tmp_path, form):
    strange, large = blocks(), np.full((50, 60), 2, np.uint8)
    strange[0, 0] = 9
    place(tmp_path, a=strange, b=blocks(), c=large)
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(tmp_path / "images" / "c.png")
    done = hand_out(tmp_path, form, tmp_path / "out")
    assert done.images == ("b.png",)
    assert [one.name for one in done.skipped] == ["a.png", "c.png"]
    assert "a.png holds 9, which" in done.skipped[0].reason
    assert "c.png has 48 x 40 pixels" in done.skipped[1].reason


def test_without_a_class_table_nothing_is_written(tmp_path):
    place(tmp_path, a=blocks())
    (tmp_path / "labels" / "classes.json").unlink()
    with pytest.raises(InputError, match="no class table") as found:
        hand_out(tmp_path, "coco", tmp_path / "coco.json")
    assert found.value.settings == "classes"


@pytest.mark.parametrize(("form", "name"), [("coco", "x"), ("labelme", "a.json")])
def test_files_that_are_there_stay_unless_it_is_allowed(tmp_path, form, name):
    place(tmp_path, a=blocks())
    out = tmp_path / "x"
    old = out if form == "coco" else out / name
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")
    with pytest.raises(OutputError, match="is there already"):
        hand_out(tmp_path, form, out)
    assert old.read_text() == "old"
    hand_out(tmp_path, form, out, overwrite=True)
    assert json.loads(old.read_text())


def test_files_that_differ_in_case_alone_are_not_mixed(tmp_path):
    place(tmp_path, a=blocks())
    for folder in ("images", "labels"):
        Image.fromarray(blocks()).save(tmp_path / folder / "A.tif")
    with pytest.raises(OutputError, match=r"A\.tif.* would both give [aA]\.json"):
        hand_out(tmp_path, "labelme", tmp_path / "x")
    assert len(hand_out(tmp_path, "coco", tmp_path / "x.json").images) == 2


def test_another_class_table_in_the_folder_stays_unless_it_is_allowed(tmp_path):
    place(tmp_path, a=blocks())
    other = write(tmp_path / "x" / "classes.json", {"1": "other"})
    with pytest.raises(OutputError, match=r"classes\.json is there already"):
        hand_out(tmp_path, "labelme", tmp_path / "x")
    assert json.loads(other.read_text()) == {"1": "other"}


def run(*arguments):
    return CliRunner().invoke(app, ["labels", *map(str, arguments)])


def test_the_command_writes_and_refuses_options_for_reading(tmp_path):
    place(tmp_path, a=blocks())
    given = (tmp_path / "labels", "--images", tmp_path / "images", "--out", tmp_path / "c.json")
    done = run(*given, "--format", "coco")
    assert done.exit_code == 0
    assert "Labels of 1 of 1 images" in done.output
    refused = run(*given, "--format", "coco", "--class", "pore")
    assert refused.exit_code == 2
    assert "--format is for writing" in refused.output
    refused = run(tmp_path, *given, "--format", "coco")
    assert "takes one folder" in refused.output


def stop_after_first(folder, form, out):
    job = hand_out_labels(folder / "labels", folder / "images", out, form)
    return drain(job, should_stop=lambda: (out / "a.json").exists() or form == "coco")


def test_a_job_that_is_stopped_keeps_files_of_labelme_and_writes_no_part_of_coco(tmp_path):
    place(tmp_path, a=blocks(), b=blocks())
    done = stop_after_first(tmp_path, "labelme", tmp_path / "x")
    assert done.images == ("a.png",)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["a.json", "classes.json"]
    with pytest.raises(StoppedError):
        stop_after_first(tmp_path, "coco", tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()
