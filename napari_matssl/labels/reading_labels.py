"""Read label images: grey values, palettes, and colours of a class table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table_files import NamedValues
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.labels.hdf5 import is_hdf5, read_hdf5
from napari_matssl.labels.names import few
from napari_matssl.micrograph.reading import read_pixels_and_palette

MOST_COLOURS = 256
"""An image of more colours is a picture, not a label image."""

_BLACK = 0
_JPEG = b"\xff\xd8"
_SAVE_IDS = (
    "Save an image of one channel whose grey values are the class ids: 0 where nothing is "
    "painted, 1, 2, 3 and so on elsewhere"
)
_GIVE_COLOURS = (
    'or give the colours in a class table: {"1": {"name": "ferrite", "color": "#ff0000"}}.'
)

Values = NDArray[np.integer]


@dataclass(frozen=True)
class StoredLabels:
    """A label image as it is stored.

    Parameters
    ----------
    values
        ``(H, W)``, in the values of a class table.
    colours
        The colours, ``#rrggbb``, in which a palette shows the values, where no class table says
        what is which; empty else.
    """

    values: Values
    colours: Mapping[int, str] = field(default_factory=dict)


def read_labels(path: Path) -> Values:
    """Read a label image of class ids; of a palette image, the indices.

    Grey and palette images are understood, also grey ones that were stored as RGB, and float ones
    that hold whole numbers.

    Returns
    -------
    ``(H, W)``, class ids.

    Raises
    ------
    InputError
        If the file can't be read, or its pixels are colours, fractions or negative.
    """
    pixels = _stored(path)[0]
    if pixels.ndim == 3:
        if not _is_colourless(pixels):
            raise InputError(
                f"The label image {path} holds colours, not class ids.", f"{_SAVE_IDS}."
            )
        pixels = pixels[..., 0]
    return _whole_numbers(path, pixels)


def read_values(path: Path, named: NamedValues | None) -> StoredLabels:
    """Read a label image in the values of a class table.

    Grey values are taken as they are. Colours, of RGB or palette images, are those of the class
    table where it gives colours and all of the image's are among them; black that is no class's
    is then unpainted. Else a palette's indices count, unless its colours contradict that.

    Parameters
    ----------
    path
        The image.
    named
        The class table, if there is one.

    Raises
    ------
    InputError
        If the file can't be read, holds fractions or negative values, colours that are no
        class's, or indices whose colours show that they are no class ids.
    """
    pixels, palette = _stored(path)
    if pixels.ndim == 3:
        if not _is_colourless(pixels):
            return StoredLabels(_of_colours(path, pixels, named))
        pixels = pixels[..., 0]
    values = _whole_numbers(path, pixels)
    _check_exact(path, values, named)
    return StoredLabels(values) if palette is None else _of_palette(path, values, palette, named)


def _stored(path: Path) -> tuple[NDArray[np.generic], NDArray[np.uint8] | None]:
    """Read the values of a file, and its palette."""
    return (read_hdf5(path), None) if is_hdf5(path) else read_pixels_and_palette(path)


def _of_colours(path: Path, pixels: NDArray[np.generic], named: NamedValues | None) -> Values:
    if pixels.dtype != np.uint8:
        raise InputError(f"The label image {path} holds colours, not class ids.", f"{_SAVE_IDS}.")
    packed = _packed(pixels)
    counts = count_values(packed)
    value_of = _values_by_colour(named)
    if counts.keys() <= value_of.keys():
        return _looked_up(packed, {colour: value_of[colour] for colour in counts})
    remedy = f"{_SAVE_IDS}; {_GIVE_COLOURS}" if len(counts) <= MOST_COLOURS else f"{_SAVE_IDS}."
    strange = {c: n for c, n in counts.items() if c not in value_of} if value_of else counts
    which = f" that are no class's in {named.source}" if value_of and named else ""
    raise InputError(
        f"The label image {path} holds colours{which}, not class ids: "
        f"{_colours_in_words(strange, packed.size)}.",
        remedy,
    )


def _of_palette(
    path: Path, indices: Values, palette: NDArray[np.uint8], named: NamedValues | None
) -> StoredLabels:
    counts = count_values(indices)
    if max(counts, default=0) >= len(palette):
        return StoredLabels(indices)
    colours = {i: int(_packed(palette[i])) for i in counts}
    if named is not None and all(_is_shown(named, i, c) for i, c in colours.items()):
        return StoredLabels(indices)
    value_of = _values_by_colour(named)
    doubt = _contradicts(colours, palette, value_of if named and not named.ours else {})
    # In our own masks ids decide: the colours of classes may have changed since.
    by_colour = doubt or (named is not None and not named.ours)
    if by_colour and set(colours.values()) <= value_of.keys():
        return StoredLabels(_looked_up(indices, {i: value_of[c] for i, c in colours.items()}))
    if doubt and not (named is not None and all(i in named for i in colours)):
        each = [f"{i} is {_hex(c)} ({counts[i] / indices.size:.1%})" for i, c in colours.items()]
        raise InputError(
            f"The label image {path} is a palette image, and its indices don't look like class "
            f"ids: {doubt}. Index {few(each, 8)}.",
            f"{_SAVE_IDS}; {_GIVE_COLOURS}",
        )
    matters = named is None or not named.ours
    return StoredLabels(indices, {i: _hex(c) for i, c in colours.items()} if matters else {})


def ids_decide(path: Path, named: NamedValues) -> bool:
    """Whether the values of an image are class ids, whatever colours its palette has.

    They are in our own label images and masks, as the colours of classes may have changed since.

    Parameters
    ----------
    path
        The image.
    named
        The class table beside it.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    pixels, palette = _stored(path)
    if pixels.ndim == 3 or not named.ours:
        return False
    if palette is None or named.zero_is_a_class():
        return True
    counts = count_values(_whole_numbers(path, pixels))
    colours = {i: int(_packed(palette[i])) for i in counts if i < len(palette)}
    return not _contradicts(colours, palette, {})


def describe_palettes(images: Iterable[tuple[str, Mapping[int, str]]]) -> tuple[str, ...]:
    """Describe the colours of values in palettes.

    Parameters
    ----------
    images
        The name of each label image, and the colours of its :class:`StoredLabels`.

    Returns
    -------
    A line, or none where there are no palettes that matter.

    Raises
    ------
    InputError
        If one image shows a value in another colour than one before.
    """
    seen: dict[int, tuple[str, str]] = {}
    for name, colours in images:
        for value, colour in colours.items():
            first, before = seen.setdefault(value, (name, colour))
            if before != colour:
                raise InputError(
                    f"{name} shows {value} in {colour} and {first} in {before}: their palettes "
                    "were numbered each by itself, and the indices are no class ids.",
                    f"{_SAVE_IDS}; {_GIVE_COLOURS}",
                )
    if not any(value for value in seen):
        return ()
    each = few([f"{value} is {colour}" for value, (_, colour) in sorted(seen.items())], 8)
    return (f"The label images have a palette, in which {each}.",)


def _check_exact(path: Path, values: Values, named: NamedValues | None) -> None:
    """Refuse a JPEG whose compression has made new values."""
    with path.open("rb") as file:
        if file.read(2) != _JPEG:
            return
    counts = count_values(values)
    strange = [v for v in counts if v != 0 and (named is None or v not in named)]
    if len(counts) > 2 and strange:
        raise InputError(
            f"The label image {path} is a JPEG, whose compression changes values: it holds "
            f"{len(counts)}, such as {listed(counts)}.",
            "Save it from the original as PNG or TIFF, or set a threshold.",
        )


def _is_shown(named: NamedValues, index: int, colour: int) -> bool:
    """Whether a palette shows an index as the class table does, or in black where it is none."""
    if index not in named or named[index].is_no_class:
        return colour == _BLACK
    shown = named[index].colour
    return shown is not None and int(shown[1:], 16) == colour


def _contradicts(
    colours: Mapping[int, int], palette: NDArray[np.uint8], value_of: Mapping[int, int]
) -> str:
    """Return why the indices of a palette can't be class ids, 0 being unpainted; "" if they can.

    Programs that reduce the colours of an image number them as they come.
    """
    for index, colour in colours.items():
        if colour != _BLACK and value_of.get(colour, index) != index:
            return f"{index} has the colour of class {value_of[colour]}"
    zero = colours.get(0, _BLACK)
    inverted = np.array_equal(palette[:256, 0], np.arange(255, -1, -1)[: len(palette)])
    if zero == _BLACK or inverted:  # ImageJ often stores an inverted colour table
        return ""
    if any(index and colour == _BLACK for index, colour in colours.items()):
        return "black is not index 0"
    red, green, blue = zero >> 16, zero >> 8 & 255, zero & 255
    return "" if red == green == blue else "index 0 is a colour"


def _values_by_colour(named: NamedValues | None) -> dict[int, int]:
    """Return the value of each colour in a class table; empty if colours are missing or equal."""
    if named is None or not all(one.colour for one in named.entries if not one.is_no_class):
        return {}
    found = {int(one.colour[1:], 16): one.value for one in named.entries if one.colour}
    if len(found) < sum(one.colour is not None for one in named.entries):
        return {}  # two classes share a colour
    black = next(iter(sorted(named.no_class)), None if 0 in named else 0)
    if black is not None:
        found.setdefault(_BLACK, black)
    return found


def _packed(pixels: NDArray[np.generic]) -> NDArray[np.int32]:
    """Pack red, green and blue into one number."""
    wide = pixels.astype(np.int32)
    packed: NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed


def _looked_up(values: Values, meant: Mapping[int, int]) -> Values:
    result = np.zeros(values.shape, dtype=np.int32)
    for value, other in meant.items():
        result[values == value] = other
    return result


def _hex(colour: int) -> str:
    return f"#{colour:06x}"


def _colours_in_words(counts: Mapping[int, int], size: int) -> str:
    largest = sorted(counts.items(), key=lambda one: -one[1])
    words = [f"{_hex(colour)} ({pixels / size:.1%})" for colour, pixels in largest[:5]]
    more = f" and {len(largest) - 5} more" if len(largest) > 5 else ""
    return ", ".join(words) + more


def _is_colourless(pixels: NDArray[np.generic]) -> bool:
    return bool(np.all(pixels == pixels[..., :1]))


def _whole_numbers(path: Path, pixels: NDArray[np.generic]) -> Values:
    if pixels.dtype.kind == "f":
        values = pixels.astype(np.float64)
        # Below 2**31 the cast is exact; larger values than 65535 are refused later.
        if not np.all(
            np.isfinite(values) & (np.abs(values) < 2**31) & (values == np.floor(values))
        ):
            raise InputError(
                f"The label image {path} holds fractions, not class ids.", f"{_SAVE_IDS}."
            )
        pixels = values.astype(np.int64)
    ids: Values = pixels  # type: ignore[assignment]  # numpy's dtypes don't narrow
    if ids.min(initial=0) < 0:
        raise InputError(f"The label image {path} holds negative values.", f"{_SAVE_IDS}.")
    return ids
