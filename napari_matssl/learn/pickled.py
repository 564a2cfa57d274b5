"""Names and shapes in a weights file of PyTorch, read without PyTorch and without running it.

Such a file is a pickle; the machine here makes stand-ins of the tensors in it. So the names and
shapes of all tensors are known, and that the file holds their numbers, before PyTorch is asked to
load it.
"""

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from napari_matssl.errors import ModelFileError
from napari_matssl.files import check_regular, unreadable_file
from napari_matssl.plain_pickle import PlainUnpickler, RefusedError, values_of

Shape = tuple[int, ...]

STATE_KEYS = ("state_dict", "model_state_dict", "model")
"""Keys under which checkpoints hold the weights of their network."""

PICKLE_STARTS = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

LARGEST_FILE = 4 << 30
"""No published encoder or segmenter is larger, bytes."""

_LONGEST_PROGRAM = 4 << 20
_MOST_PARTS = 20_000
_MOST_UNPACKED = 4
_MAGIC = 0x1950A86A20F9469CFC6C
_UNSAFE = "It may be truncated, or hold more than tensors, which is refused for safety."
_ITEM_BYTES = {
    "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2,
    "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1,
    "BoolStorage": 1, "UntypedStorage": 1, "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16,
}  # fmt: skip


def read_shapes(path: Path) -> dict[str, Shape]:
    """Read names and shapes of the tensors of a state dict in a file of PyTorch's.

    Parameters
    ----------
    path
        Of ``torch.save``, in its present form (a zip archive) or the one before version 1.6.

    Raises
    ------
    ModelFileError
        If the file is missing, no regular one, too large, unpacks to far more than it is, holds
        anything but plain values and tensors, or less data than its tensors need.
    """
    size = check_regular(path, ModelFileError)
    if size > LARGEST_FILE:
        raise ModelFileError(
            f"{path} is larger than {LARGEST_FILE >> 30} GB, more than any encoder needs.",
            "Give a file of an encoder's weights.",
        )
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
            data = _read_zip(path, size) if is_zip else _read_legacy(file, size)
    except ModelFileError:
        raise
    except OSError as error:
        raise unreadable_file(path, error, ModelFileError) from error
    except Exception as error:  # hostile bytes make the machine raise whatever they like
        reason = str(error) if isinstance(error, RefusedError) else type(error).__name__
        raise ModelFileError(
            f"{path} is not a readable file of weights ({reason}).", _UNSAFE
        ) from error
    state = state_of(data, _Tensor)
    if state is None:
        raise ModelFileError(f"{path} holds no state dict.", "Give a file of an encoder's weights.")
    return {name: tensor.shape for name, tensor in state.items()}


def state_of(data: Any, tensor: type) -> dict[str, Any] | None:
    """Find the state dict in what a file holds: the whole, or a part of a checkpoint.

    Returns None where there is none.
    """
    for key in STATE_KEYS:
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict) or not data:
        return None
    if not all(isinstance(one, tensor) for one in data.values()):
        return None
    return {str(name): one for name, one in data.items()}


@dataclass(frozen=True)
class _Storage:
    item_bytes: int
    count: int


@dataclass(frozen=True)
class _Tensor:
    shape: Shape


def _read_zip(path: Path, size: int) -> Any:
    _check_directory(path, size)
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: info for info in archive.infolist()}
        unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > _MOST_UNPACKED * size:
            raise RefusedError(
                f"it unpacks to {unpacked / 1e6:,.0f} MB, {unpacked / size:,.0f} times its size"
            )
        programs = [name for name in parts if name.split("/")[1:] == ["data.pkl"]]
        if len(programs) != 1:
            raise RefusedError("it is an archive, but not of tensors")
        if parts[programs[0]].file_size > _LONGEST_PROGRAM:
            raise RefusedError("its list of tensors is too long")
        program = archive.read(programs[0])
    folder = programs[0].removesuffix("data.pkl")

    def stored(key: str) -> int:
        part = parts.get(f"{folder}data/{key}")
        return -1 if part is None else part.file_size

    return _Machine(program, stored).load()


def _check_directory(path: Path, size: int) -> None:
    """Bound the number of an archive's parts before its directory is read into memory."""
    with path.open("rb") as file:
        file.seek(max(0, size - 22 - 0xFFFF - 20 - 56))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise RefusedError("its end is missing")
    (count, length) = struct.unpack_from("<HI", tail, end + 10)
    large = tail.rfind(b"PK\6\6", 0, end)
    if large >= 0 and 0xFFFF in (count, length & 0xFFFF):
        (count,) = struct.unpack_from("<Q", tail, large + 32)
        (length,) = struct.unpack_from("<Q", tail, large + 40)
    if count > _MOST_PARTS or length > _MOST_PARTS * 1024:
        raise RefusedError(f"it is an archive of {count} parts")


def _read_legacy(file: io.BufferedReader, size: int) -> Any:
    """Read the form before PyTorch 1.6: five pickles, then the numbers of all tensors."""
    file.seek(0)
    programs = io.BytesIO(file.read(_LONGEST_PROGRAM))

    def stored(_key: str) -> int:
        return size  # their sum is checked below

    for expected in (_MAGIC, 1001):
        if _Machine(programs, stored).load() != expected:
            raise RefusedError("it isn't PyTorch's")
    _Machine(programs, stored).load()
    machine = _Machine(programs, stored)
    data = machine.load()
    total = sum(one.item_bytes * one.count for one in machine.storages.values())
    if total > size:
        raise RefusedError(f"its tensors need {total / 1e6:,.0f} MB, more than it has")
    return data


class _Machine(PlainUnpickler):
    """Reads a pickle of plain values and tensors; tensors become their shapes."""

    def __init__(self, program: bytes | io.BytesIO, stored: Callable[[str], int]) -> None:
        super().__init__(program)
        self._stored = stored
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for what the file names; it is made anew, so nothing can spoil it."""
        if (module, name) in (("collections", "OrderedDict"), ("collections", "defaultdict")):
            return lambda *pairs: values_of(*pairs[-1:])
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return lambda storage, offset, size, stride, *_: _tensor(storage, offset, size, stride)
        if module == "torch._utils" and name in ("_rebuild_parameter", "_rebuild_tensor"):
            return (lambda tensor, *_: tensor) if name.endswith("eter") else _tensor
        if module in ("torch", "torch.cuda", "torch.storage") and name in _ITEM_BYTES:
            item_bytes = _ITEM_BYTES[name]
            return lambda: item_bytes
        if module.split(".")[0] == "torch" or (module, name) == ("_codecs", "encode"):
            return lambda *_: None
        raise RefusedError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """Return a stand-in for the numbers of a tensor."""
        kind, storage, key, _, count, *_ = pid
        if kind != "storage" or not isinstance(key, str) or not isinstance(count, int):
            raise RefusedError("it refers to what isn't in it")
        one = _Storage(storage(), count)
        if count < 0 or one.item_bytes * count > self._stored(key):
            raise RefusedError(f"the numbers of a tensor ({key}) are missing")
        self.storages[key] = one
        return one


def _tensor(storage: Any, offset: int, size: Any, stride: Any) -> _Tensor:
    """Stand in for a tensor, whose numbers have to lie within its storage, each but once."""
    shape, steps = tuple(size), tuple(stride)
    if not isinstance(storage, _Storage) or len(shape) != len(steps) or offset < 0:
        raise RefusedError("a tensor is none")
    if not all(isinstance(n, int) and n >= 0 for n in (*shape, *steps)):
        raise RefusedError("a tensor has an impossible shape")
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    count = prod(shape)
    if count and (last >= storage.count or count > storage.count):
        raise RefusedError("a tensor is larger than the numbers it has")
    return _Tensor(shape)
