"""Splits of data sets, and lists of names to leave out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from napari_matssl.errors import InputError
from napari_matssl.files import read_json
from napari_matssl.labels.names import few
from napari_matssl.labels.pairing import Pair, stem_of

Item = TypeVar("Item", Pair, Path)


@dataclass(frozen=True)
class Split:
    """One split of a data set: names of images by subset.

    Parameters
    ----------
    path, name
        The file and which of its splits this is.
    subsets
        Names of images, with or without suffix, by subset (``train``, ``val``, ``test``).
    """

    path: Path
    name: str
    subsets: dict[str, tuple[str, ...]]

    def select(self, items: Sequence[Item], subset: str) -> list[Item]:
        """Pick the images or pairs of one subset, in the split's order.

        Raises
        ------
        InputError
            If there is no such subset, it is empty, or one of its names has no item.
        """
        if not self.subsets.get(subset):
            raise InputError(
                f'The split "{self.name}" of {self.path} has no images in "{subset}".',
                f"Its subsets are {_quoted(self.subsets)}.",
            )
        by_stem = dict[str, list[Item]]()  # several pairs if several pages have labels
        for one in items:
            path = one.image if isinstance(one, Pair) else one
            by_stem.setdefault(stem_of(path), []).append(one)
        names = {stem_of(name): name for name in self.subsets[subset]}
        missing = [name for stem, name in names.items() if stem not in by_stem]
        if missing:
            raise InputError(
                f'The split "{self.name}" of {self.path} names files in "{subset}" that are not '
                f"there, or have no label: {few(missing)}.",
                "Add them, or take the names out of the split.",
            )
        return [one for stem in names for one in by_stem[stem]]


def read_split(path: Path, name: str) -> Split:
    """Read one split from a file of splits.

    Parameters
    ----------
    path
        JSON such as ``{"A": {"train": ["a.png"], "val": ["b.png"], "test": ["c.png"]}}``.
    name
        Which split, ``"A"`` here.

    Raises
    ------
    InputError
        If the file isn't such JSON, has no split of that name, or trains on an image that is also
        there to validate or test.
    """
    data = read_json(path, _SPLITS)
    if not isinstance(data, dict):
        raise InputError(f"{path} is not a file of splits.", _SPLITS)
    if name not in data:
        raise InputError(f'{path} has no split "{name}".', f"Its splits are {_quoted(data)}.")
    subsets = data[name]
    if not isinstance(subsets, dict) or not all(map(_is_names, subsets.values())):
        raise InputError(f'The split "{name}" of {path} is not understood.', _SPLITS)
    split = Split(path, name, {key: tuple(names) for key, names in subsets.items()})
    _check_leak(split)
    return split


def read_exclusions(path: Path) -> frozenset[str]:
    """Read names of images to leave out of pretraining.

    Parameters
    ----------
    path
        JSON: a list of names, or lists in objects to any depth, so that a file of splits will do
        (all that it names is left out).

    Returns
    -------
    The stems, as :func:`stem_of` gives them.

    Raises
    ------
    InputError
        If the file isn't such JSON.
    """
    data = read_json(path, _NAMES)
    if not isinstance(data, list | dict):
        raise InputError(f"{path} is not a list of names.", _NAMES)
    return frozenset(stem_of(name) for name in _names_inside(path, data))


_SPLITS = 'Splits look like {"A": {"train": ["a.png"], "val": ["b.png"], "test": ["c.png"]}}.'
_NAMES = 'Names to leave out look like ["a.png", "b.png"].'


def _quoted(names: Iterable[str]) -> str:
    return few([f'"{name}"' for name in names], 12) or "none"


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _check_leak(split: Split) -> None:
    trained = {stem_of(name) for name in split.subsets.get("train", ())}
    for subset in ("val", "test"):
        leaked = [name for name in split.subsets.get(subset, ()) if stem_of(name) in trained]
        if leaked:
            raise InputError(
                f'The split "{split.name}" of {split.path} has images both in "train" and in '
                f'"{subset}": {few(leaked)}.',
                "Take them out of one of the two.",
            )


def _names_inside(path: Path, data: object) -> Iterator[str]:
    waiting = [data]  # a stack, as recursion is limited in depth
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list | dict):
            waiting += one.values() if isinstance(one, dict) else one
        else:
            kind = "nothing" if one is None else f"a {type(one).__name__}"
            raise InputError(f"{path} holds {kind} where a name should be.", _NAMES)
