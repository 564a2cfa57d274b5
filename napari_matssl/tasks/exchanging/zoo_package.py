"""Packages of bioimage.io, read without running anything in them."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from napari_matssl.errors import ModelFileError
from napari_matssl.files import check_regular

DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
"""Names that the description of a package may have."""

_LONGEST_DESCRIPTION = 1 << 20
_MOST_PARTS = 1000
_MOST_UNPACKED = 4 << 30
_CHUNK = 1 << 20


def is_package(path: Path) -> bool:
    """Whether a file is an archive with a description of bioimage.io."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name in archive.namelist() for name in DESCRIPTIONS)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


class ZooPackage:
    """A package that is open for reading.

    Parameters
    ----------
    path
        Of the archive.

    Raises
    ------
    ModelFileError
        If it is damaged or too large, or describes no model.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        check_regular(path, ModelFileError)
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise self._damaged(str(error)) from error
        parts = self._archive.infolist()
        if len(parts) > _MOST_PARTS or sum(one.file_size for one in parts) > _MOST_UNPACKED:
            self.close()
            raise self._damaged("it unpacks to more than any model needs")
        self.description = self._read_description()

    def __enter__(self) -> "ZooPackage":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()

    def attachments(self) -> list[Mapping[str, Any]]:
        """List the attached files as the description names them."""
        given = self.description.get("attachments") or []
        if isinstance(given, dict):  # before version 0.5
            given = given.get("files") or []
        listed = given if isinstance(given, list) else []
        return [one if isinstance(one, dict) else {"source": one} for one in listed]

    def weights(self, form: str) -> Mapping[str, Any] | None:
        """Return what the description tells of the weights of a format; None if it has none."""
        all_weights = self.description.get("weights")
        found = all_weights.get(form) if isinstance(all_weights, dict) else None
        return found if isinstance(found, dict) else None

    def extract(self, file: Mapping[str, Any], to: Path) -> None:
        """Unpack a file that the description names, and check its checksum.

        Raises
        ------
        ModelFileError
            If it isn't in the package, or isn't what the description tells.
        """
        source = str(file.get("source", ""))
        name = PurePosixPath(source).as_posix()
        if name not in self._archive.namelist():
            raise self._damaged(f"{source!r} isn't in it")
        digest = hashlib.sha256()
        try:
            with self._archive.open(name) as packed, to.open("wb") as unpacked:
                while part := packed.read(_CHUNK):
                    digest.update(part)
                    unpacked.write(part)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise self._damaged(f"{source!r} can't be unpacked") from error
        expected = file.get("sha256")
        if expected is not None and digest.hexdigest() != str(expected).lower():
            raise self._damaged(f"{source!r} has another checksum than its description tells")

    def _read_description(self) -> dict[str, Any]:
        name = next((one for one in DESCRIPTIONS if one in self._archive.namelist()), None)
        if name is None:
            raise self._damaged("it has no rdf.yaml")
        if self._archive.getinfo(name).file_size > _LONGEST_DESCRIPTION:
            raise self._damaged(f"{name} is too long")
        try:
            described = yaml.safe_load(self._archive.read(name))
        except (yaml.YAMLError, ValueError, RecursionError, zipfile.BadZipFile) as error:
            raise self._damaged(f"{name} can't be read") from error
        if not isinstance(described, dict) or described.get("type") != "model":
            raise ModelFileError(
                f"{self._path} describes no model.", "Give the package of a model."
            )
        return described

    def _damaged(self, reason: str) -> ModelFileError:
        return ModelFileError(
            f"{self._path} is no readable package of bioimage.io: {reason}.",
            "Get it again from where it came.",
        )
