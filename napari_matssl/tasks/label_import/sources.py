"""What a user chose to import: annotation files, or masks whose codes are counted first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from napari_matssl.errors import InputError
from napari_matssl.files import unreadable_file
from napari_matssl.labels.class_table import NO_CLASS_BESIDE_0
from napari_matssl.labels.class_table_files import LARGEST_ID, NamedValues, find_named_values
from napari_matssl.labels.exchange.colour_masks import colours_in, has_colours
from napari_matssl.labels.exchange.pictures import is_picture
from napari_matssl.labels.exchange.recognising import Reading, is_annotation_file
from napari_matssl.labels.exchange.value_masks import values_in
from napari_matssl.labels.reading_labels import ids_decide
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.tasks.exchanging.annotation_files import (
    NO_ANNOTATIONS,
    files_in,
    nothing_written,
)

ToldBy = Literal["file", "group", "name", "one"]
"""What tells the class of a shape: the file, the group or name of a ROI; or all are of one."""

ONE_CLASS = "all shapes"
"""Name of the one class of shapes that have none."""

_BLACK, _VALUE = "#000000", "value "


@dataclass(frozen=True)
class LabelSource:
    """Files to import, and how to read them.

    Parameters
    ----------
    paths
        The files.
    reading
        How to read what they don't tell themselves.
    meant
        Class that a name in the files stands for, where that isn't the name itself; None where it
        has to be asked for, empty for what is unpainted.
    shares
        Share of the area of all masks that a colour or grey value has, by its name.
    """

    paths: tuple[Path, ...]
    reading: Reading
    meant: Mapping[str, str | None] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)


def look_into(sources: Sequence[Path], told_by: ToldBy = "file") -> Job[LabelSource]:
    """Find out how to read what a user chose; look which colours or grey values masks have.

    Parameters
    ----------
    sources
        Files, or folders of files.
    told_by
        What tells the class of a shape in files whose shapes have none.

    Yields
    ------
    A progress per mask.

    Raises
    ------
    InputError
        If there is no file, no mask can be used, or masks lie between annotation files.
    StoppedError
        If it was stopped.
    """
    masks = _masks_in(sources)
    if masks:
        return (yield from _of_masks(masks, _tables(sources)))
    by = told_by if told_by in ("group", "name") else None
    reading = Reading(ONE_CLASS if told_by == "one" else None, by)
    return LabelSource(tuple(files_in(sources, reading)), reading, {ONE_CLASS: None})


def _masks_in(sources: Sequence[Path]) -> list[Path]:
    """List the masks among files and folders; a folder with annotation files gives none."""
    masks, others = list[Path](), list[Path]()
    for source in sources:
        try:
            inside = sorted(source.iterdir()) if source.is_dir() else [source]
        except OSError as error:
            raise unreadable_file(source, error) from error
        inside = [one for one in inside if one.name[0] != "." and one.name not in NO_ANNOTATIONS]
        known = [one for one in inside if is_annotation_file(one, Reading())]
        others += known
        masks += [] if known else [one for one in inside if is_picture(one)]
    if masks and others:
        raise InputError(
            f"{masks[0].name} is a mask, {others[0].name} is none.", "Import one after the other."
        )
    return masks


def _tables(sources: Sequence[Path]) -> list[NamedValues]:
    """Read the class tables that lie beside masks."""
    found = (find_named_values(one) for one in sources)
    return [one for one in found if one is not None]


def _of_masks(masks: Sequence[Path], tables: Sequence[NamedValues]) -> Job[LabelSource]:
    by_colour = _go_by_colours(masks, tables)
    found: dict[str, int] = {}  # pixels by the name of a code
    first: InputError | None = None
    for number, path in enumerate(masks):
        try:
            pixels = colours_in(path) if by_colour else _named(values_in(path))
        except InputError as error:
            first = first or error
        else:
            for name, count in pixels.items():
                found[name] = found.get(name, 0) + count
        progress = Progress("looking at masks", number + 1, len(masks))
        if (yield progress) is Control.STOP:
            raise nothing_written()
    if not found and first is not None:
        raise first
    if len(found) > LARGEST_ID:
        raise InputError(
            f"The masks hold {len(found)} colours or grey values, more than there can be classes.",
            "Choose masks in which each stands for a class, not for an object.",
        )
    every = sum(found.values())
    shares = {name: count / every for name, count in found.items()}
    entries = [entry for table in tables for entry in table.entries]
    if by_colour:
        named = {entry.colour: entry.name for entry in entries if entry.colour}
        meant = {name: named.get(name, "" if name == _BLACK else None) for name in sorted(found)}
        reading = Reading(colours=tuple((name, name) for name in meant))
        return LabelSource(tuple(masks), reading, meant, shares)
    values = {name: _value(name) for name in sorted(found, key=_value)}
    names = {entry.value: entry.name for entry in entries}
    if any(table.ours and table.zero_is_a_class() for table in tables):
        names.setdefault(NO_CLASS_BESIDE_0, "")
    meant = {name: names.get(value, None if value else "") for name, value in values.items()}
    return LabelSource(tuple(masks), Reading(values=tuple(values.items())), meant, shares)


def _named(pixels: Mapping[int, int]) -> dict[str, int]:
    return {f"{_VALUE}{value}": count for value, count in pixels.items()}


def _value(name: str) -> int:
    return int(name.removeprefix(_VALUE))


def _go_by_colours(masks: Sequence[Path], tables: Sequence[NamedValues]) -> bool:
    """Whether a colour is a class in masks, and not a value as in our own.

    Pictures that are no masks don't count beside our own: overlays lie there.
    """
    coloured = [path for path in masks if _is(has_colours, path)]
    if not tables or not all(table.ours for table in tables):
        return bool(coloured)
    others = [path for path in coloured if not _is(lambda one: ids_decide(one, tables[0]), path)]
    return any(_is(lambda one: bool(colours_in(one)), path) for path in others)


def _is(what: Callable[[Path], bool], path: Path) -> bool:
    """Tell what a mask is; of one that can't be read, reading it tells why not."""
    try:
        return what(path)
    except InputError:
        return False
