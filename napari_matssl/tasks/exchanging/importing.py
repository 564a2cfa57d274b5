"""Models of others as files of ours: packages of bioimage.io, published U-Net++ models."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import InputError, ModelFileError
from napari_matssl.files import atomic_write
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.class_table_files import place, read_named_values
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.segmenter import Segmenter, read_segmenter, write_segmenter
from napari_matssl.tasks.exchanging.zoo_description import describe
from napari_matssl.tasks.exchanging.zoo_package import ZooPackage, is_package
from napari_matssl.tasks.exporting.free import check_free


@dataclass(frozen=True)
class ImportedModel:
    """A model that was imported.

    Parameters
    ----------
    path
        Its file.
    card
        Of the file.
    unchanged
        Whether the package held the very file of ours that was taken.
    """

    path: Path
    card: ModelCard
    unchanged: bool


def import_model(
    source: Path, out: Path, classes: Path | None = None, overwrite: bool = False
) -> ImportedModel:
    """Write a model of others as a file of ours.

    Parameters
    ----------
    source
        A package of bioimage.io (``.zip``), or weights of a U-Net++ as PyTorch stores them.
    out
        Where.
    classes
        Class table with a name for each channel, in ascending order of its values; else the names
        in the package, or numbers.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    ModelFileError
        If the file can't be read, or holds no network that is known.
    InputError
        If the class table has another number of classes.
    OutputError
        If the file is there already, or can't be written.
    """
    check_free(out, overwrite, source)
    if not is_package(source):
        segmenter = read_segmenter(source)
        return _written(out, segmenter, classes, {})
    with ZooPackage(source) as package, tempfile.TemporaryDirectory() as folder:
        own = [
            one for one in package.attachments() if str(one.get("source")).endswith(".safetensors")
        ]
        if own:
            inside = Path(folder) / "model.safetensors"
            package.extract(own[0], inside)
            segmenter = read_segmenter(inside)
            if classes is not None:
                return _written(out, segmenter, classes, {})
            with atomic_write(out) as temporary:
                shutil.copyfile(inside, temporary)
            return ImportedModel(out, segmenter.card, unchanged=True)
        weights = package.weights("pytorch_state_dict")
        if weights is None:
            raise ModelFileError(
                f"{source} holds no weights that can be taken over: only a state dict of PyTorch, "
                "or a model that this program has exported, can be.",
                "Run it in the program that it was made for.",
            )
        described = describe(package.description)
        inside = Path(folder) / "weights.pt"
        package.extract(weights, inside)
        segmenter = _known(inside, source)
        facts = {
            "channels": described.channels,
            "intensity_scaling": described.intensity_scaling,
            "pixel_size_um": described.pixel_size_um,
            "start": f"imported from {source.name}",
            "classes": _named(segmenter.classes, described.names),
        }
        return _written(out, segmenter, classes, facts)


def _known(inside: Path, source: Path) -> Segmenter:
    """Read the weights of a package, whose name messages give.

    Raises
    ------
    ModelFileError
        If they can't be read, or are of no U-Net++ that is known.
    """
    try:
        return read_segmenter(inside)
    except ModelFileError as error:
        raise error.reworded(what=error.what.replace(str(inside), str(source))) from error


def _named(table: ClassTable, names: tuple[str, ...]) -> ClassTable:
    """Name the classes of a table, where there are as many names that differ."""
    if len(names) != len(table) or len(set(names)) < len(names):
        return table
    try:
        return ClassTable(
            classes=tuple(
                one.model_copy(update={"name": name})
                for one, name in zip(table.classes, names, strict=True)
            )
        )
    except ValueError:
        return table


def _written(
    out: Path, segmenter: Segmenter, classes: Path | None, facts: Mapping[str, object]
) -> ImportedModel:
    card = segmenter.card.model_copy(update=facts)
    if classes is not None:
        card = card.model_copy(update={"classes": _table(classes, len(card.classes))})
    card = ModelCard.model_validate(card.model_dump())
    write_segmenter(out, Segmenter(segmenter.network, card))
    return ImportedModel(out, card, unchanged=False)


def _table(path: Path, count: int) -> ClassTable:
    """Read a class table that has to have so many classes.

    Raises
    ------
    InputError
        If it can't be read, or has others.
    """
    table, _ = place(read_named_values(path).entries, ())
    if len(table) != count:
        raise InputError(
            f"{path} names {len(table)} classes, but the network has {count} channels.",
            "Name one class for each, the background included.",
        )
    return table
