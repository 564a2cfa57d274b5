"""Class tables as users write them: names of the values in label images."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_matssl.errors import InputError
from napari_matssl.files import read_json, stamp_of
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.names import class_name, few

CLASSES_FILE = "classes.json"
"""Name of the class table that is looked for next to labels."""

LARGEST_VALUE = 65_535
"""Label images have up to 16 bits."""

LARGEST_ID = 254
"""Our masks have 8 bits, of which 255 is not analysed where 0 is a class."""

_KINDS = {list: "a list", int: "a number", float: "a number", bool: "a yes or no"}

_NO_CLASS = re.compile(
    r"(not|un)(labell?ed|painted|annotated|analy[sz]ed)|no(label|class)|ignored?"
)

FORMS = (
    'A class table looks like {"1": "ferrite", "2": "martensite"}, or with colours '
    '{"1": {"name": "ferrite", "color": "#ff0000"}}; the values go from 0 to 65535.'
)


@dataclass(frozen=True)
class NamedValue:
    """A value of label images with its name.

    Parameters
    ----------
    value
        The value, from 0 to 65535.
    name
        Its name.
    colour
        ``#rrggbb``; None where the table gives none.
    exclude
        Scratches, stains: left out of the analysed area.
    """

    value: int
    name: str
    colour: str | None = None
    exclude: bool = False

    @property
    def is_no_class(self) -> bool:
        """Whether the name means that there is no label: "unlabelled", "not analysed", "ignore".

        "background" is a class: it may well be the embedding resin.
        """
        return _NO_CLASS.fullmatch(re.sub(r"[\W_]+", "", self.name.casefold())) is not None


@dataclass(frozen=True)
class NamedValues:
    """A class table as it was written.

    Parameters
    ----------
    entries
        In ascending order of their values, at least one; values and names differ.
    source
        Path of the table, as shown to users: ``"labels/classes.json"``.
    ours
        Whether it has the form that this program writes, and the values of its masks: 0 is not
        analysed unless it is a class, then 255 is.
    """

    entries: tuple[NamedValue, ...]
    source: str
    ours: bool = False
    _by_value: dict[int, NamedValue] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_value", {one.value: one for one in self.entries})

    def __contains__(self, value: int) -> bool:
        return value in self._by_value

    def __getitem__(self, value: int) -> NamedValue:
        return self._by_value[value]

    @property
    def no_class(self) -> frozenset[int]:
        """The values whose names mean that there is no label."""
        return frozenset(one.value for one in self.entries if one.is_no_class)

    def zero_is_a_class(self) -> bool:
        """Whether 0 is named as a class."""
        return 0 in self and not self[0].is_no_class


def named_values_of(table: ClassTable, source: str) -> NamedValues:
    """Convert a class table of ours into the form of users' tables."""
    entries = (NamedValue(c.id, c.name, c.colour, c.exclude) for c in table.classes)
    return NamedValues(tuple(entries), source, ours=True)


def place(
    entries: Iterable[NamedValue], taken: Collection[int]
) -> tuple[ClassTable, dict[int, int]]:
    """Make a class table in which each value gets an id.

    Parameters
    ----------
    entries
        At least one.
    taken
        Ids that stay free.

    Returns
    -------
    The table, and the id by value: the value itself where it can be one, else the next free id.

    Raises
    ------
    InputError
        If there are more values than ids.
    """
    entries = tuple(entries)
    kept = {one.value for one in entries if one.value <= LARGEST_ID and one.value not in taken}
    free = (i for i in range(1, LARGEST_ID + 1) if i not in kept and i not in taken)
    ids = {}
    for one in entries:
        ids[one.value] = one.value if one.value in kept else next(free, -1)
    if -1 in ids.values():
        raise InputError(f"There are {len(ids)} classes, too many.", f"{LARGEST_ID} are possible.")
    # Id 0 often is "unlabelled" and dropped. The first real class gets the first
    # colour whether 0 is listed or not.
    classes = (
        LabelClass(
            id=ids[one.value],
            name=one.name,
            colour=one.colour or COLOURS[(ids[one.value] - 1) % len(COLOURS)],
            exclude=one.exclude,
        )
        for one in entries
    )
    return ClassTable(classes=tuple(sorted(classes, key=lambda c: c.id))), ids


def read_named_values(path: Path, source: str = "") -> NamedValues:
    """Read a class table.

    Three forms are understood: the one that :meth:`ClassTable.write` writes; a plain
    ``{"1": "ferrite", "2": "martensite"}``; and ``{"1": {"name": "ferrite", "color": "#ff0000"}}``,
    where the colour may be missing or be called ``colour``.

    Parameters
    ----------
    path
        A JSON file.
    source
        What to call it; its path by default.

    Raises
    ------
    InputError
        If the file is missing or is none of these, or if a value or a name stands there twice.
    """
    data = read_json(path, FORMS)
    try:
        if not isinstance(data, dict):
            raise ValueError("it holds no object")
        ours = "classes" in data
        entries = _of_our_form(data) if ours else [_of_plain(k, v) for k, v in data.items()]
        entries.sort(key=lambda one: one.value)
        _check_differ(entries)
    except ValueError as error:
        raise InputError(f"{path} is not a class table: {_in_words(error)}.", FORMS) from error
    return NamedValues(tuple(entries), source or str(path), ours)


def find_named_values(labels: Path, given: Path | None = None) -> NamedValues | None:
    """Read the class table that belongs to labels.

    The first of these that there is: the file given, ``classes.json`` in the folder, the same in
    the folder above.

    Parameters
    ----------
    labels
        The folder of the label images, or a single label image.
    given
        A class table that the user named.

    Returns
    -------
    The table; None if there is none.

    Raises
    ------
    InputError
        If there is one that can't be read.
    """
    if given is not None:
        return read_named_values(given, given.as_posix())
    folder = labels.absolute() if labels.is_dir() else labels.absolute().parent
    for path in (folder / CLASSES_FILE, folder.parent / CLASSES_FILE):
        if stamp_of(path) is not None:
            return read_named_values(path, path.relative_to(folder.parent).as_posix())
    return None


def overruled(labels: Path, given: Path | None) -> tuple[str, ...]:
    """Return a remark if the table beside labels differs from the one given."""
    if given is None:
        return ()
    try:
        beside = find_named_values(labels)
    except InputError:  # the given table is used instead
        return ()
    named = read_named_values(given)
    differ = [
        f"{one.value} {one.name}"
        for one in (beside.entries if beside is not None else ())
        if one.value not in named or named[one.value].name != one.name
    ]
    if beside is None or not differ:
        return ()
    return (f"{beside.source} is not used, in which {few(differ, 5)} is otherwise.",)


class _Details(BaseModel):
    """The entry of a value."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    color: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")
    colour: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")
    exclude: bool = False


def _of_our_form(data: dict[str, Any]) -> list[NamedValue]:
    table = ClassTable.model_validate(data)
    return [NamedValue(c.id, c.name, c.colour, c.exclude) for c in table.classes]


def _of_plain(key: str, what: object) -> NamedValue:
    if not re.fullmatch(r"\d{1,9}", key, re.ASCII) or int(key) > LARGEST_VALUE:
        raise ValueError(f'"{_cut(key)}" is not a value from 0 to {LARGEST_VALUE}')
    details = _Details(name=what) if isinstance(what, str) else None
    if isinstance(what, dict):
        details = _Details.model_validate(what)
    if details is None:
        raise ValueError(f'"{key}" has no name, but {_KINDS.get(type(what), "something else")}')
    if details.color and details.colour:
        raise ValueError(f'"{key}" has both a color and a colour')
    name, colour = class_name(details.name), details.color or details.colour
    return NamedValue(int(key), name, colour, details.exclude)


def _check_differ(entries: list[NamedValue]) -> None:
    if not entries:
        raise ValueError("it lists no class")
    seen: dict[object, NamedValue] = {}
    for one in entries:
        for what, text in ((one.value, f"the value {one.value}"), (one.name, f'"{one.name}"')):
            if seen.setdefault(what, one) is not one:
                rule = "class names must differ" if what == one.name else "values must differ"
                raise ValueError(f"{text} stands there twice; {rule}")


def _in_words(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    found = []
    for one in error.errors(include_url=False)[:3]:
        where = ".".join(_cut(str(part)) for part in one["loc"])
        message = one["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {message}" if where else message)
    return "; ".join(found)


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
