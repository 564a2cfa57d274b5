"""The file of a recipe: an archive of three members, each with a checksum.

``recipe.json`` holds the rules, ``model.safetensors`` the model as it was, ``seal.json`` a checksum
of each part of both. The members are stored as they are, in this order, without dates: the same
recipe gives the same bytes. Reading takes nothing else.
"""

import hashlib
import json
import shutil
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from pydantic import ValidationError

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.files import atomic_write, check_regular, damaged_file, unreadable_file
from napari_matssl.learn.card_files import read_card
from napari_matssl.report.seal import Finding, Seal, State
from napari_matssl.tasks.recipe.contents import FORMAT_VERSION, Recipe

SUFFIX: Final = ".recipe"

RULES, MODEL, SEAL = "recipe.json", "model.safetensors", "seal.json"
_MEMBERS: Final = (RULES, MODEL, SEAL)
_MODEL_PART: Final = "model file"

_LARGEST: Final = 16 << 30
_LONGEST_JSON: Final = 8 << 20
_LONGEST_LIST: Final = 1 << 16  # of the members, bytes
_START, _END = b"PK\x03\x04", b"PK\x05\x06"
_PIECE: Final = 1 << 20
_AGAIN: Final = "Ask whoever saved it for the file as it was."
_DAMAGED: Final = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError),
    *(UnicodeDecodeError, OverflowError, struct.error),
)
"""What the library raises over archives that were damaged."""


@dataclass(frozen=True)
class RecipeFile:
    """A recipe that was read, and is as it was saved.

    Parameters
    ----------
    path
        Its file.
    recipe
        What it holds.
    checksum
        Over all of its parts, 64 hexadecimal digits.
    """

    path: Path
    recipe: Recipe
    checksum: str

    def copy_model(self, folder: Path) -> Path:
        """Copy the model out of the file, under its own name.

        Raises
        ------
        InputError
            If the file was changed since it was read.
        OutputError
            If the copy can't be written.
        """
        model = folder / self.recipe.model.file
        with _opened(self.path) as archive, atomic_write(model) as temporary:
            with _member(self.path, archive, MODEL) as stored, temporary.open("wb") as copy:
                shutil.copyfileobj(stored, copy, _PIECE)
            with temporary.open("rb") as copy:
                found = hashlib.file_digest(copy, "sha256").hexdigest()
            if found != self.recipe.model.sha256:
                raise InputError(f"{self.path} was changed since it was read.", _AGAIN)
        return model


def write_recipe(path: Path, recipe: Recipe, model: Path) -> str:
    """Write a recipe atomically.

    Parameters
    ----------
    path
        The file.
    recipe
        What it holds.
    model
        File of its model.

    Returns
    -------
    Its checksum.

    Raises
    ------
    InputError
        If the model can't be read, or isn't the recipe's any more.
    OutputError
        If the file can't be written.
    """
    rules = recipe.model_dump(mode="json")
    size = check_regular(model)
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(_info(RULES), json.dumps(rules, indent=2, ensure_ascii=False) + "\n")
        info = _info(MODEL)
        info.file_size = size
        with _reading(model) as source, archive.open(info, "w") as stored:
            sha256 = _copied(source, stored)
        if sha256 != recipe.model.sha256:
            raise InputError(f"{model} was changed meanwhile.", "Save the recipe again.")
        seal = _seal_of(rules, sha256)
        facts = {"parts": dict(seal.parts), "checksum": seal.checksum}
        archive.writestr(_info(SEAL), json.dumps(facts, indent=2) + "\n")
    return seal.checksum


def read_recipe(path: Path) -> RecipeFile:
    """Read a recipe that is as it was saved.

    Raises
    ------
    InputError
        If it can't be read, is no recipe, was altered (what differs is named), or was saved by a
        newer version of the program.
    """
    checksum, findings, rules = _examined(path)
    changed = [one.name for one in findings if one.state is not State.UNCHANGED]
    if changed:
        raise InputError(
            f"{path} was altered since it was saved; what differs: {', '.join(changed)}.", _AGAIN
        )
    try:
        recipe = Recipe.model_validate(rules)
    except (ValidationError, SettingsError) as error:
        raise damaged_file(path, _first_of(error), _AGAIN) from error
    return RecipeFile(path, recipe, checksum)


def check_recipe(path: Path) -> tuple[str, tuple[Finding, ...]]:
    """Compare a recipe with its own checksums.

    Returns
    -------
    Its checksum as it is now, and what was found of its parts.

    Raises
    ------
    InputError
        If it can't be read, or is no recipe.
    """
    checksum, findings, _ = _examined(path)
    return checksum, findings


def _examined(path: Path) -> tuple[str, tuple[Finding, ...], Mapping[str, Any]]:
    """Read all parts of a recipe, and compare them with the checksums in it."""
    with _opened(path) as archive:
        rules = _json_of(path, archive, RULES)
        stated = _json_of(path, archive, SEAL)
        version = rules.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise InputError(
                f"{path} has format {version}, newer than this program's {FORMAT_VERSION}.",
                "Update: pip install -U napari-matssl.",
            )
        try:
            with _member(path, archive, MODEL) as stored:
                sha256 = hashlib.file_digest(stored, "sha256").hexdigest()  # type: ignore[arg-type]
        except zipfile.BadZipFile:  # a checksum of the archive itself tells the same
            sha256 = ""
    before, now = _stated(path, stated), _seal_of(rules, sha256)
    findings = before.compare(now)
    if stated["checksum"] != before.checksum:
        findings.append(Finding("part", "checksums", State.CHANGED))
    named = rules.get("model")
    if sha256 and isinstance(named, dict) and named.get("sha256") != sha256:
        findings.append(Finding("part", "checksum of the model", State.CHANGED))
    return now.checksum, tuple(findings), rules


def check_model(file: RecipeFile, model: Path) -> None:
    """Compare the model of a recipe with what the rules tell of it.

    Raises
    ------
    InputError
        If its classes are others.
    ModelFileError
        If it can't be read.
    """
    card = read_card(model, "segmenter")
    if card.classes != file.recipe.classes or card.created != file.recipe.model.created:
        raise damaged_file(file.path, "its model has another class table or date", _AGAIN)


def _seal_of(rules: Mapping[str, Any], model_sha256: str) -> Seal:
    parts = [(name.replace("_", " "), _digest(value)) for name, value in rules.items()]
    return Seal((*parts, (_MODEL_PART, model_sha256)))


def _digest(value: Any) -> str:
    """Return the checksum of a plain value, however its JSON is laid out."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii", "backslashreplace")).hexdigest()


def _stated(path: Path, seal: Mapping[str, Any]) -> Seal:
    parts = seal.get("parts")
    if (
        set(seal) != {"parts", "checksum"}
        or not isinstance(parts, dict)
        or not all(isinstance(one, str) for one in parts.values())
    ):
        raise damaged_file(path, f"{SEAL} holds no checksums", _AGAIN)
    return Seal(tuple(parts.items()))


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)  # dated 1980, so that the same content gives the same bytes
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable_file(path, error) from error
    with file:
        yield file


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    made = hashlib.sha256()
    while piece := source.read(_PIECE):
        made.update(piece)
        target.write(piece)
    return made.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive; its members are known and stored as they are."""
    size = check_regular(path)
    if size > _LARGEST:
        raise InputError(f"{path} is larger than any recipe.", "Give a file that recipe wrote.")
    try:
        with path.open("rb") as file:
            _check_ends(path, file, size)
            with zipfile.ZipFile(file) as archive:
                _check_members(path, archive)
                yield archive
    except OSError as error:
        raise unreadable_file(path, error) from error
    except _DAMAGED as error:
        raise damaged_file(path, str(error), _AGAIN) from error


def _check_ends(path: Path, file: IO[bytes], size: int) -> None:
    """Look at both ends before a library reads as much as they tell it to."""
    start = file.read(4)
    file.seek(max(0, size - 22))
    end = file.read(22)
    if start != _START:
        raise InputError(f"{path} is no recipe.", "Give a file that the command recipe wrote.")
    if len(end) < 22 or end[:4] != _END:
        raise damaged_file(path, "its end is missing", _AGAIN)
    if struct.unpack("<I", end[12:16])[0] > _LONGEST_LIST:
        raise damaged_file(path, "it lists too many parts", _AGAIN)


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = [one.filename for one in members]
    for what, some in (
        ("lacks", [one for one in _MEMBERS if one not in names]),
        ("holds an unknown part", [one for one in names if one not in _MEMBERS]),
        ("holds twice", [one for one in _MEMBERS if names.count(one) > 1]),
    ):
        if some:
            raise InputError(f"{path} {what}: {some[0]}.", _AGAIN)
    packed = [one.filename for one in members if one.compress_type or one.flag_bits & 0x1]
    if packed:
        raise InputError(f"{path} was packed again by another program: {packed[0]}.", _AGAIN)


@contextmanager
def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    info = archive.getinfo(name)
    if name != MODEL and info.file_size > _LONGEST_JSON:
        raise damaged_file(path, f"{name} is too large", _AGAIN)
    with archive.open(info) as stored:
        yield stored


def _json_of(path: Path, archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    with _member(path, archive, name) as stored:
        raw = stored.read(_LONGEST_JSON + 1)
    try:
        data = json.loads(raw.decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise damaged_file(path, f"{name}: {type(error).__name__}", _AGAIN) from error
    if not isinstance(data, dict):
        raise damaged_file(path, f"{name} holds no object", _AGAIN)
    return data


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _first_of(error: ValidationError | SettingsError) -> str:
    if isinstance(error, SettingsError):
        return error.what
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return ": ".join(filter(None, (place, first["msg"].removeprefix("Value error, "))))
