"""What is left out of pretraining: by name, and what shows the same fields."""

import json
import sys

import pytest
from PIL import Image
from tiny import TINY, pretraining

from napari_matssl.cli import main
from napari_matssl.errors import InputError, StoppedError
from napari_matssl.learn.card_files import read_card
from napari_matssl.progress import drain
from napari_matssl.samples import make_sample
from napari_matssl.tasks.exclusion import find_exclusion, without_twins
from napari_matssl.tasks.inputs import read_folder
from napari_matssl.tasks.models import pretrain_encoder


def save(path, seed, quality=None):
    path.parent.mkdir(exist_ok=True)
    pixels = make_sample("grains", seed, size=(256, 256)).micrograph.specimen[:192]
    Image.fromarray(pixels).save(path, **({} if quality is None else {"quality": quality}))


@pytest.fixture
def pool(tmp_path):
    """Five images; ``b`` and ``d`` are copies of the tested images 1 and 2, ``1`` is another."""
    for name, seed in (("a", 10), ("c", 11), ("1", 12)):
        save(tmp_path / "pool" / f"{name}.png", seed)
    save(tmp_path / "pool" / "b.jpg", 1, 80)
    save(tmp_path / "pool" / "d.jpg", 2, 80)
    return tmp_path / "pool"


@pytest.fixture
def tested(pool):
    """The folder of the tested images."""
    for seed in (1, 2):
        save(pool.parent / "tested" / f"{seed}.png", seed)
    return pool.parent / "tested"


def kept(exclusion, pool):
    """Run what `pretrain` runs, and name what is left and what isn't."""
    read = read_folder([pool], exclusion.names)
    left, twins = drain(without_twins(read, exclusion.read()))
    return [m.name for m in left], [(t.name, t.like) for t in twins]


def test_copies_of_the_images_of_a_folder_are_left_out_though_named_otherwise(pool, tested):
    exclusion = find_exclusion([tested], [pool])
    assert exclusion.remarks == ()
    expected = ["1.png", "a.png", "c.png"], [("b.jpg", "1.png"), ("d.jpg", "2.png")]
    assert kept(exclusion, pool) == expected


def test_a_single_image_may_be_given_and_one_of_the_folder_itself(pool, tested):
    assert kept(find_exclusion([tested / "2.png"], [pool]), pool)[1] == [("d.jpg", "2.png")]
    assert kept(find_exclusion([pool / "a.png"], [pool]), pool)[1] == [("a.png", "a.png")]


def test_named_images_are_found_beside_their_list_in_images_or_in_the_folders(pool, tested):
    names = pool.parent / "names.json"
    names.write_text('["2.png", "a"]')
    exclusion = find_exclusion([names], [pool])
    assert [path.name for path in exclusion.images] == ["a.png"]
    assert "2" in exclusion.remarks[0]
    assert "names.json" in exclusion.remarks[0]
    assert "unless their folder is excluded, too" in exclusion.remarks[0]
    tested.rename(pool.parent / "images")
    exclusion = find_exclusion([names], [pool])
    assert exclusion.remarks == ()
    assert kept(exclusion, pool) == (["1.png", "b.jpg", "c.png"], [("d.jpg", "2.png")])
    (pool.parent / "images").rename(pool.parent / "elsewhere")
    beside = pool.parent / "elsewhere" / "names.json"
    names.rename(beside)
    assert kept(find_exclusion([beside], [pool]), pool)[1] == [("d.jpg", "2.png")]


def test_lists_and_folders_can_be_given_together(pool, tested):
    names = pool.parent / "splits.json"
    names.write_text(json.dumps({"A": {"test": ["c.png"]}}))
    left, twins = kept(find_exclusion([names, tested], [pool]), pool)
    assert left == ["1.png", "a.png"]
    assert len(twins) == 2


def test_a_folder_of_copies_alone_is_an_error(pool, tested):
    copies = [m for m in read_folder([pool]) if m.name in ("b.jpg", "d.jpg")]
    with pytest.raises(InputError, match="Every image shows a field to keep apart"):
        drain(without_twins(copies, find_exclusion([tested], [pool]).read()))


def test_an_excluded_image_that_cannot_be_read_is_an_error_that_names_it(pool, tested):
    (tested / "1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1\.png"):
        drain(without_twins(read_folder([pool]), find_exclusion([tested], [pool]).read()))


def test_it_can_be_stopped(pool, tested):
    job = without_twins(read_folder([pool]), find_exclusion([tested], [pool]).read())
    with pytest.raises(StoppedError, match="nothing was written"):
        drain(job, should_stop=lambda: True)


def test_the_encoder_and_the_messages_name_what_was_left_out(pool, tested, tmp_path):
    exclusion = find_exclusion([tested], [pool])
    out, seen = tmp_path / "encoder.safetensors", []
    job = pretrain_encoder(
        lambda leave_out: read_folder([pool], exclusion.names, leave_out),
        pretraining(epochs=1),
        out,
        apart=exclusion.read,
    )
    result = drain(job, lambda progress: seen.append(progress.message))
    assert result.skipped == ()
    assert any("b.jpg ~ 1.png" in message for message in seen)
    card = read_card(out, kind="encoder")
    assert [(one.name, one.like) for one in card.left_out] == [
        ("b.jpg", "1.png"),
        ("d.jpg", "2.png"),
    ]
    assert [one.name for one in card.training_images] == ["1.png", "a.png", "c.png"]


def test_the_checkpoint_names_it_too_and_is_resumed(pool, tested, tmp_path):
    exclusion = find_exclusion([tested], [pool])
    out, seen = tmp_path / "encoder.safetensors", []

    def job(resume=False):
        read = lambda leave_out: read_folder([pool], leave_out=leave_out)  # noqa: E731
        return pretrain_encoder(read, pretraining(epochs=3), out, resume, exclusion.read)

    drain(job(), seen.append, lambda: seen[-1].metrics.get("epoch") == 2)
    state = read_card(tmp_path / "encoder.checkpoint.safetensors", kind="checkpoint")
    assert [one.name for one in state.left_out] == ["b.jpg", "d.jpg"]
    assert drain(job(resume=True)).complete
    assert len(read_card(out).left_out) == 2


def test_the_command_takes_several_and_counts_what_it_left_out(
    pool, tested, tmp_path, monkeypatch, capsys
):
    names = tmp_path / "names.json"
    names.write_text('["c.png", "typo.png"]')
    out = tmp_path / "encoder.safetensors"
    command = ["pretrain", pool, "--out", out, "--exclude", tested, "--exclude", names,
               "--encoder", TINY, "--weights", "random", "--epochs", "1", "--patch-size", "64",
               "--view-size", "64", "--device", "cpu"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["napari-matssl", *map(str, command)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert "b.jpg ~ 1.png" in said
    assert "d.jpg ~ 2.png" in said
    assert "Left out as copies of excluded images: 2" in said
    assert "names.json names images that are neither in the folders nor beside it: typo" in said
    assert [one.name for one in read_card(out).training_images] == ["1.png", "a.png"]
