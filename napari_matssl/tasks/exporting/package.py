"""A model as a package of bioimage.io: one archive that holds no times of its own."""

import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.segmenter import Segmenter, write_segmenter
from napari_matssl.learn.tensorfile import is_pickle
from napari_matssl.tasks.exchanging.credits import Credits
from napari_matssl.tasks.exporting.package_description import (
    COVER,
    DESCRIPTION,
    MODEL,
    PAGE,
    TEST_INPUT,
    TEST_OUTPUT,
    describe_package,
    package_title,
)
from napari_matssl.tasks.exporting.package_page import cover, documentation
from napari_matssl.tasks.exporting.sample import Sample

_WRITTEN = (1980, 1, 1, 0, 0, 0)  # of each part: the description holds when the model was made


def write_package(
    path: Path,
    folder: Path,
    card: ModelCard,
    facts: Mapping[str, Any],
    sample: Sample,
    credits: Credits,
) -> None:
    """Write a package.

    Parameters
    ----------
    path
        A temporary file.
    folder
        Holds the exported networks and the model; what else goes in is written beside them.
    card, facts
        Of the model.
    sample
        Its test tensors.
    credits
        Go into the description.

    Raises
    ------
    OSError
        If it can't be written.
    """
    np.save(folder / TEST_INPUT, sample.stored)
    np.save(folder / TEST_OUTPUT, sample.probabilities)
    (folder / COVER).write_bytes(cover(card, sample))
    page = documentation(card, facts, credits, package_title(facts["model"]), MODEL)
    (folder / PAGE).write_text(page, encoding="utf-8", newline="\n")
    files = sorted(folder.iterdir())
    described = describe_package(card, facts, credits, {one.name: _sum_of(one) for one in files})
    (folder / DESCRIPTION).write_text(_as_yaml(described), encoding="utf-8", newline="\n")
    with zipfile.ZipFile(path, "w") as archive:
        for file in (folder / DESCRIPTION, *files):
            _add(archive, file)


def add_model(folder: Path, model: Path, segmenter: Segmenter) -> None:
    """Put the model itself where its package is made; one of PyTorch's becomes a file of ours."""
    if is_pickle(model):
        write_segmenter(folder / MODEL, segmenter)
    else:
        shutil.copyfile(model, folder / MODEL)


def _as_yaml(described: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(described), sort_keys=False, allow_unicode=True)
    return text


def _add(archive: zipfile.ZipFile, file: Path) -> None:
    part = zipfile.ZipInfo(file.name, _WRITTEN)
    part.external_attr = 0o644 << 16
    part.file_size = file.stat().st_size
    with file.open("rb") as source, archive.open(part, "w") as target:
        shutil.copyfileobj(source, target)


def _sum_of(file: Path) -> str:
    with file.open("rb") as content:
        digest: str = hashlib.file_digest(content, "sha256").hexdigest()
    return digest
