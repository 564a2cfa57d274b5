"""From painted micrographs to a model file to masks, with no network left in memory."""

import gc
import hashlib
import shutil
import weakref
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from faulty_device import watched_networks
from tiny import finetuning as chosen
from tiny import pretraining

from napari_matssl.errors import InputError, OutputError, UnwrittenError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.segmenter import read_segmenter
from napari_matssl.learn.unet import UnetPlusPlus
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.progress import drain
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.inputs import PaintedSet
from napari_matssl.tasks.models import pretrain_encoder, train_model
from napari_matssl.tasks.predicting.with_model import segment_with_model

TABLE = numbered_table([1, 2])
PREDICT = PredictSettings(device="cpu", magnifications="one", tile=64, tile_overlap=32)


@pytest.fixture(scope="module")
def painted(two_phases):
    return PaintedSet(tuple(two_phases(seed) for seed in (1, 2)), (), TABLE, "a test")


@pytest.fixture(scope="module")
def model(painted, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    trained = drain(train_model(lambda: painted, chosen(), path))
    assert trained.path == path
    return path


def test_the_card_of_the_file_holds_what_was_trained(model, painted):
    card = read_card(model, kind="segmenter")
    assert card.classes == TABLE
    assert [i.name for i in card.training_images] == [p.micrograph.name for p in painted.training]


def test_it_goes_on_from_a_model_file(model, painted, tmp_path):
    out = tmp_path / "second.safetensors"
    trained = drain(train_model(lambda: painted, chosen(epochs=1), out, start=model))
    assert trained.card.start.startswith("went on")
    assert trained.steps == 2


def test_a_model_that_somebody_has_written_meanwhile_is_not_replaced(painted, tmp_path):
    out, spare = (tmp_path / f"model-00{n}.safetensors" for n in (1, 2))
    trained = drain(
        train_model(lambda: painted, chosen(epochs=1), out, spare=lambda: spare),
        lambda _progress: out.write_bytes(b"of another window"),
    )
    assert trained.path == spare
    assert out.read_bytes() == b"of another window"
    assert read_card(spare).kind == "segmenter"


def test_an_encoder_that_somebody_has_written_meanwhile_is_not_replaced(painted, tmp_path):
    out, spare = (tmp_path / f"encoder-00{n}.safetensors" for n in (1, 2))
    images = [one.micrograph for one in painted.training]
    settings = pretraining(epochs=1, patch_size=32, view_size=32)
    made = drain(
        pretrain_encoder(lambda _leave_out: images, settings, out, spare=lambda: spare),
        lambda _progress: out.write_bytes(b"of another window"),
    )
    assert made.path == spare
    assert out.read_bytes() == b"of another window"
    assert read_card(spare).kind == "encoder"


def test_a_place_that_cannot_be_written_is_found_before_anything_is_read(tmp_path):
    def read():
        raise InputError("was read", "")

    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError):
        drain(train_model(read, chosen(), tmp_path / "folder"))


def test_a_disk_that_is_too_full_is_found_before_training(painted, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: shutil._ntuple_diskusage(9, 8, 10**6))
    steps = train_model(lambda: painted, chosen(), tmp_path / "model.safetensors")
    with pytest.raises(OutputError, match=r"about\s+[78] MB are needed"):
        drain(steps, lambda progress: pytest.fail("trained") if progress.metrics else None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.cell("Finish now in the window", "full disk")
def test_a_model_that_cannot_be_written_any_more_is_kept_until_it_is(painted, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()

    def remove(progress):
        if progress.metrics and folder.is_dir():
            folder.rmdir()
            folder.write_text("in the way")

    with pytest.raises(UnwrittenError) as raised:
        drain(train_model(lambda: painted, chosen(epochs=1), folder / "model.safetensors"), remove)
    with pytest.raises(UnwrittenError):
        raised.value.write(folder / "model.safetensors")
    trained = raised.value.write(tmp_path / "elsewhere.safetensors")
    assert trained.steps == 2
    assert read_card(trained.path, kind="segmenter").classes == TABLE


def test_the_mask_is_the_models_in_the_ids_that_were_asked_for(model, two_phases):
    micrograph = two_phases(8).micrograph
    kept, previews = [], []
    count = drain(
        segment_with_model(
            model, {"x.tif": lambda: micrograph}, PREDICT, kept.append, {1: 7, 2: 9}
        ),
        lambda p: previews.append(p.preview) if p.preview is not None else None,
    )
    assert count.done == 1
    segmenter = read_segmenter(model)
    compute = choose_compute("cpu")
    network = compute.place_to_segment(segmenter.network.eval())
    truth = drain(segment(network, segmenter.card, micrograph, compute, PREDICT)).mask
    np.testing.assert_array_equal(kept[0].mask, np.where(truth == 1, 7, 9))
    assert previews
    assert set(np.unique(np.concatenate([p.ids.ravel() for p in previews]))) <= {7, 9}
    assert kept[0].probabilities is None
    assert kept[0].uncertainty is None
    assert not kept[0].seen_in_training


def test_probabilities_come_with_uncertainty_and_training_images_are_marked(model, painted):
    micrograph = painted.training[0].micrograph
    kept = []
    drain(
        segment_with_model(
            model, {"x.tif": lambda: micrograph}, PREDICT, kept.append, probabilities=True
        )
    )
    assert kept[0].probabilities.shape == (2, *micrograph.pixels.shape)
    assert kept[0].uncertainty.shape == micrograph.pixels.shape
    assert kept[0].seen_in_training


def test_an_image_that_was_calibrated_anew_since_it_was_learnt_is_told(painted, tmp_path):
    def at(um, micrograph):
        return replace(micrograph, pixel_size=PixelSize(um, um, "test"))

    def lines(um):
        image, told = at(um, painted.training[0].micrograph), []
        reads = {image.name: lambda: image}
        drain(
            segment_with_model(out, reads, PREDICT, told.append), lambda p: said.append(p.message)
        )
        (mask,) = told
        return [one for one in mask.facts.provenance.remarks if "learnt from it" in one]

    said, out = [], tmp_path / "model.safetensors"
    training = tuple(replace(p, micrograph=at(0.2, p.micrograph)) for p in painted.training)
    calibrated = replace(painted, training=training)
    drain(train_model(lambda: calibrated, chosen(epochs=1), out))
    assert lines(0.2) == lines(0.2005) == []
    (line,) = lines(0.25)
    assert " had 0.2 µm/px when the model learnt from it and has 0.25 now" in line
    assert any(line in message for message in said)


def test_stop_keeps_what_is_done(model, two_phases):
    images = [two_phases(seed).micrograph for seed in (5, 6, 7)]
    kept = []
    job = segment_with_model(model, {i.name: lambda i=i: i for i in images}, PREDICT, kept.append)
    assert drain(job, should_stop=lambda: len(kept) == 1).done == 1
    assert [k.name for k in kept] == [images[0].name]


def test_classes_that_a_model_lacks_are_named(model, painted, tmp_path):
    """Of a table with other names nothing goes on, though the ids are the same."""
    classes = (TABLE.classes[0], TABLE.classes[1].model_copy(update={"name": "martensite"}))
    renamed = PaintedSet(painted.training, (), TABLE.model_copy(update={"classes": classes}), "")
    said = []
    job = train_model(lambda: renamed, chosen(epochs=1), tmp_path / "m.safetensors", start=model)
    drain(job, lambda progress: said.append(progress.message))
    assert any("lacks martensite" in line and "class 2" in line for line in said)
    again = train_model(lambda: painted, chosen(epochs=1), tmp_path / "m.safetensors", start=model)
    said.clear()
    drain(again, lambda progress: said.append(progress.message))
    assert not any("know" in line for line in said)


def unreadable():
    raise InputError("bad.tif is damaged.", "Copy it again.")


def full():
    raise MemoryError


def test_one_bad_image_does_not_keep_the_others_from_being_segmented(model, two_phases):
    image = two_phases(5).micrograph
    blank = Micrograph("blank.tif", np.zeros((64, 64), np.uint8))
    reads = {"bad": unreadable, "blank": lambda: blank, "a": lambda: image, "huge": full}
    kept, said = [], []
    job = segment_with_model(model, reads, PREDICT, kept.append)
    batch = drain(job, lambda p: said.append(p.message))
    assert [one.name for one in kept] == ["a"]
    assert batch.done == 1
    assert [one.name for one in batch.skipped] == ["bad", "blank", "huge"]
    for one, reason in zip(batch.skipped, ("damaged", "constant", "memory"), strict=True):
        assert reason in one.reason
        assert any(one.reason in message for message in said)


def test_without_a_single_good_image_it_is_an_error(model):
    with pytest.raises(InputError, match="damaged"):
        drain(segment_with_model(model, {"bad": unreadable}, PREDICT, lambda _: None))
    reads = {"bad": unreadable, "worse": unreadable}
    with pytest.raises(InputError, match="None of the 2 images"):
        drain(segment_with_model(model, reads, PREDICT, lambda _: None))


def test_a_mask_names_the_model_that_made_it(model, two_phases):
    size = PixelSize(0.1, 0.1, "test")
    micrograph = replace(two_phases(5).micrograph, pixel_size=size, remarks=("odd file",))
    kept, said = [], []
    job = segment_with_model(model, {"x.tif": lambda: micrograph}, PREDICT, kept.append)
    drain(job, lambda p: said.append(p.message))
    facts = kept[0].facts
    assert facts.pixel_size == size
    assert facts.provenance.model == model.name
    assert facts.provenance.model_sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert facts.provenance.settings["tile"] == 64
    odd, unsure = facts.provenance.remarks
    assert odd == "odd file"
    assert "the model is unsure of" in unsure, "it has hardly learnt"
    assert [message for message in said if "odd file" in message] == ["odd file"]


def test_another_magnification_brings_a_warning(painted, two_phases, tmp_path):
    def calibrated(micrograph, um):
        return Micrograph(micrograph.name, micrograph.pixels, PixelSize(um, um, "test"))

    known = tuple(type(p)(calibrated(p.micrograph, 0.1), p.labels) for p in painted.training)
    path = tmp_path / "model.safetensors"
    drain(train_model(lambda: PaintedSet(known, (), TABLE, ""), chosen(epochs=1), path))
    for um, warned in ((0.15, False), (0.3, True)):
        messages = []
        micrograph = calibrated(two_phases(8).micrograph, um)
        drain(
            segment_with_model(path, {"x.tif": lambda m=micrograph: m}, PREDICT, lambda _: None),
            lambda p, messages=messages: messages.append(p.message),
        )
        assert any("less reliable" in m for m in messages) is warned


def test_nothing_to_segment_is_an_error(model):
    with pytest.raises(InputError, match="no image"):
        drain(segment_with_model(model, {}, PREDICT, lambda _: None))


def test_no_network_is_alive_after_six_runs(painted, model, tmp_path):
    alive, numbers = weakref.WeakSet(), count(1)

    def watch(module, _images):
        if isinstance(module, UnetPlusPlus) and module not in alive:
            alive.add(module)
            next(numbers)

    micrograph = painted.training[0].micrograph
    with watched_networks(watch):
        for number in range(3):
            out = tmp_path / f"{number}.safetensors"
            drain(train_model(lambda: painted, chosen(epochs=1), out))
            drain(segment_with_model(model, {"x.tif": lambda: micrograph}, PREDICT, lambda _: None))
    gc.collect()
    assert next(numbers) > 6
    assert not alive
