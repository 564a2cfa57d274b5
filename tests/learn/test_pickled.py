"""PyTorch's files of weights: looked through before they are loaded, whatever they hold."""

import os
import pickle
import resource
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from napari_matssl.errors import ModelFileError
from napari_matssl.learn import pickled
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.modelfile import read_pickle
from napari_matssl.learn.pickled import read_shapes

STATE = {
    "conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2),
    "half": torch.ones(3).half(),
    "count": torch.tensor(7),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "empty": torch.ones(0, 3),
}


@pytest.mark.parametrize("legacy", [False, True])
def test_shapes_are_those_that_pytorch_loads(tmp_path, legacy):
    path = tmp_path / "a.pth"
    optimiser = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}
    data = {"state_dict": STATE, "optimizer": optimiser, "epoch": 3, "arch": "resnet18"}
    torch.save(data, path, _use_new_zipfile_serialization=not legacy)
    assert read_shapes(path) == {name: tuple(tensor.shape) for name, tensor in STATE.items()}
    loaded = read_pickle(path)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in STATE.items())


def test_parameters_and_shared_numbers_are_read(tmp_path):
    layer = torch.nn.Linear(3, 2)
    data = {"own": layer.weight, "again": layer.weight.data, "part": layer.weight.data[1]}
    torch.save(data, tmp_path / "a.pth")
    assert read_shapes(tmp_path / "a.pth") == {"own": (2, 3), "again": (2, 3), "part": (3,)}


def bomb(path, size=300_000_000):
    """Write a file of weights of which the numbers are zeros, packed."""
    torch.save({"a": torch.zeros(2)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, bytes(size) if name.endswith("data/0") else content)


@pytest.mark.timeout(20)
def test_a_zip_bomb_is_refused_unopened(tmp_path):
    bomb(tmp_path / "bomb.pth")
    assert (tmp_path / "bomb.pth").stat().st_size < 1e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (read_shapes, read_pickle, read_card):
        with pytest.raises(ModelFileError, match=r"bomb\.pth.*unpacks to 300 MB"):
            read(tmp_path / "bomb.pth")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 100_000, "kB: nothing was unpacked"


def test_parts_that_lie_on_one_another_count_as_often_as_they_are_named(tmp_path):
    """A directory may name the same bytes a thousand times."""
    path = tmp_path / "quine.pth"
    torch.save({"a": torch.zeros(1000)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        one = archive.getinfo(next(n for n in archive.namelist() if n.endswith("data/0")))
        for number in range(1000):
            again = zipfile.ZipInfo(f"{one.filename}{number}")
            for name in ("header_offset", "file_size", "compress_size", "CRC", "compress_type"):
                setattr(again, name, getattr(one, name))
            archive.filelist.append(again)
        archive._didModify = True
    with pytest.raises(ModelFileError, match="unpacks to"):
        read_shapes(path)


def test_an_archive_of_too_many_parts_is_refused_before_its_directory_is_read(
    tmp_path, monkeypatch
):
    path = tmp_path / "many.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/0", b"")
    content = bytearray(path.read_bytes())
    struct.pack_into("<HH", content, len(content) - 14, 30_000, 30_000)  # what its end claims
    path.write_bytes(content)

    def never(*_):
        raise AssertionError("the directory is read")

    monkeypatch.setattr(zipfile, "ZipFile", never)
    with pytest.raises(ModelFileError, match="30000 parts"):
        read_shapes(path)


@pytest.mark.timeout(10)
def test_pipes_and_devices_are_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "x.pth")
    for path in (tmp_path / "x.pth", Path("/dev/zero")):
        for read in (read_shapes, read_card):
            with pytest.raises(ModelFileError, match="a pipe or a device"):
                read(path)


def test_a_file_larger_than_any_encoder_is_refused_unread(tmp_path):
    path = tmp_path / "sparse.pth"
    with path.open("wb") as file:
        file.write(b"PK")
        file.truncate(5 << 30)
    with pytest.raises(ModelFileError, match="larger than 4 GB"):
        read_shapes(path)


def forged(path, program):
    """Put a program of one's own into a file of weights."""
    torch.save({"a": torch.zeros(2)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, program if name.endswith("data.pkl") else content)
    return path


def nested_key(depth=60):
    """A key whose hash takes for ever: a pair of twice the same pair, and so on."""
    return b"\x80\x02}" + b")" + b"2\x86" * depth + b"K\x01s."


HOSTILE = {
    "code": pickle.dumps({"a": os.system}, 2),
    "a key that can't be hashed in time": nested_key(),
    "a huge array": b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "a huge place in the memo": b"\x80\x02}r\xff\xff\xff\x7f.",
    "a huge text": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "a long number": b"\x80\x02\x8b\xff\xff\xff\x7f123.",
    "no end": b"\x80\x02}",
    "nothing": b"",
    "a set": b"\x80\x04\x8f.",
    "no dict": b"\x80\x02]q\x01.",
    "itself": b"\x80\x02}q\x01U\x01ah\x01s.",
    "a deep list": b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b".",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_is_refused_in_words(tmp_path, name):
    path = forged(tmp_path / "hostile.pth", HOSTILE[name])
    with pytest.raises(ModelFileError, match=r"hostile\.pth"):
        read_pickle(path)


def test_tensors_larger_than_their_numbers_are_refused(tmp_path):
    """A thousand million by a thousand million, of two numbers."""
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(2).as_strided((1 << 30, 1 << 30), (0, 0))}, path)
    with pytest.raises(ModelFileError, match="larger than the numbers it has"):
        read_shapes(path)


def test_a_truncated_file_is_refused(tmp_path):
    torch.save(STATE, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    for share in (0.01, 0.3, 0.6, 0.9, 0.999):
        path = tmp_path / "part.pth"
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ModelFileError, match=r"part\.pth"):
            read_shapes(path)


def test_the_old_form_with_less_data_than_declared_is_refused(tmp_path):
    path = tmp_path / "old.pth"
    torch.save({"a": torch.zeros(100_000)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelFileError, match="are missing"):
        read_shapes(path)


def test_the_library_that_reads_pickles_is_left_as_it_was():
    assert pickled._Machine.dispatch is not pickle._Unpickler.dispatch
    assert pickle.SETITEM[0] in pickle._Unpickler.dispatch
    assert pickle._Unpickler.dispatch[pickle.SETITEM[0]] is pickle._Unpickler.load_setitem
