"""Decide what the values of label images and masks mean, with a class table and without."""

from collections.abc import Iterable, Mapping

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import NO_CLASS_BESIDE_0
from napari_matssl.labels.class_table_files import LARGEST_ID, NamedValue, NamedValues
from napari_matssl.labels.counting import listed
from napari_matssl.labels.names import few
from napari_matssl.labels.seams import look_smoothed
from napari_matssl.labels.value_meaning import FOUND, Images, Meaning, Unlabelled, build_meaning

MOST_CLASSES = 32
"""More distinct values than this, without a class table, are taken for a photograph."""

NOTHING_PAINTED = "Nothing is painted in any label image."


def unpainted_values(named: NamedValues | None, unlabelled: Unlabelled) -> frozenset[int]:
    """Choose the values of unpainted pixels.

    Raises
    ------
    InputError
        If the user calls a value unpainted that has the name of a class.
    """
    if unlabelled is None:
        return frozenset()
    if named is None:
        return frozenset({0 if unlabelled == "auto" else unlabelled})
    if unlabelled == "auto":
        if named.ours and named.zero_is_a_class():
            return named.no_class | {NO_CLASS_BESIDE_0}
        return named.no_class | (frozenset() if 0 in named else {0})
    if unlabelled in named and not named[unlabelled].is_no_class:
        raise InputError(
            f'{named.source} names {unlabelled} as the class "{named[unlabelled].name}", but '
            f"{unlabelled} was given as the value of unpainted pixels.",
            "Give another value, or none, to train the class; or take it out of the table.",
            settings="unlabelled",
        )
    return named.no_class | {unlabelled}


def meaning_of_labels(
    counts: Mapping[int, int],
    named: NamedValues | None,
    unlabelled: Unlabelled = "auto",
    images: Images = (),
    hint: str = "",
) -> Meaning:
    """Decide what the values of painted labels mean.

    Parameters
    ----------
    counts
        Pixels by value, above the info bars.
    named
        The class table, if there is one. A value that has the name of a class in it is a class.
    unlabelled
        The user's choice of the value of unpainted pixels.
    images
        The labels, ``(H, W)`` each; looked at where there is no table.
    hint
        Where else something may be painted, for an error that nothing is.

    Raises
    ------
    InputError
        If there is no class, user and table contradict each other, or, without a table, the
        values are no class ids.
    """
    if named is None:
        return _of_bare_labels(counts, unlabelled, images, hint)
    unpainted = unpainted_values(named, unlabelled)
    classes = [one for one in named.entries if one.value not in unpainted]
    if not classes:
        values = ", ".join(map(str, sorted(unpainted)))
        raise InputError(
            f"{named.source} lists no class beside {values}, the value of unpainted pixels.",
            "Add the classes, or name another value of unpainted pixels.",
            settings="unlabelled",
        )
    remarks = []
    if unlabelled == "auto" and named.zero_is_a_class():
        share = f" ({found[0]})" if (found := _shares(counts, {0})) else ""
        remarks.append(
            f'0 is a class, "{named[0].name}"{share}, as {named.source} names it; if nobody looked '
            'there, call it "unlabelled".'
        )
    found = _shares(counts, unpainted)
    remarks += [f"{value} counts as unpainted: {share}." for value, share in found.items()]
    if found and unlabelled == "auto" and 0 in found and 0 not in named:
        remarks[-1] = f"{remarks[-1][:-1]}; a name in {named.source} makes it a class."
    if absent := [one.name for one in classes if not counts.get(one.value)]:
        remarks.append(f"Nothing is painted as {few(absent, 8)}.")
    return build_meaning(classes, unpainted, named.source, remarks)


def meaning_of_masks(
    counts: Mapping[int, int], named: NamedValues | None, images: Images = ()
) -> Meaning:
    """Decide what the values of masks mean whose phases are to be measured.

    Parameters
    ----------
    counts
        Pixels by value.
    named
        The class table, if there is one.
    images
        The masks, ``(H, W)`` each; looked at where there is no table.

    Raises
    ------
    InputError
        If there is no class, or a value may mean one thing or the other.
    """
    if named is None:
        return _of_bare_masks(counts, images)
    classes = [one for one in named.entries if not one.is_no_class]
    if not classes:
        raise InputError(f"{named.source} lists no class.", "Add the classes.")
    rest = set(named.no_class)
    zero_is_class = named.zero_is_a_class()
    if not zero_is_class and 0 not in named and counts.get(0):
        two_valued = len(classes) == 1 and counts.keys() <= {0, classes[0].value}
        if two_valued and not named.ours:
            classes.insert(0, NamedValue(0, "rest"))
            remark = f"0 has no name in {named.source} and is taken for the rest of the specimen"
            return build_meaning(
                classes, rest, named.source, [f"{remark}: {_shares(counts, {0})[0]}."]
            )
    if named.ours and zero_is_class:
        rest.add(NO_CLASS_BESIDE_0)
    elif not zero_is_class:
        rest.add(0)
    what = " (info bars, excluded classes)" if named.ours else ""
    shares = _shares(counts, rest)
    remarks = [f"{value} is not analysed{what}: {share}." for value, share in shares.items()]
    return build_meaning(classes, rest, named.source, remarks)


def _of_bare_labels(
    counts: Mapping[int, int], unlabelled: Unlabelled, images: Images, hint: str
) -> Meaning:
    unpainted = unpainted_values(None, unlabelled)
    found = {value: pixels for value, pixels in counts.items() if value not in unpainted}
    if not found:
        raise InputError(
            f"{NOTHING_PAINTED} {hint}",
            "Paint a few strokes of each class, or name the stored value of unpainted pixels.",
            settings="unlabelled",
        )
    check_smoothed(counts, images)
    if len(found) > MOST_CLASSES or (
        max(found) > LARGEST_ID and unlabelled is not None and found.keys() - {0, max(found)}
    ):
        raise _no_ids(found)
    remarks = []
    for value, share in _shares(counts, unpainted).items():
        made = '; with "none" as the stored value of unpainted pixels it is a class'
        remarks.append(
            f"{value} counts as unpainted: {share}{made if unlabelled == 'auto' else ''}."
        )
    classes = [NamedValue(value, f"class {value}") for value in sorted(found)]
    return build_meaning(classes, unpainted, FOUND, remarks, numbered=True)


def _of_bare_masks(counts: Mapping[int, int], images: Images) -> Meaning:
    check_smoothed(counts, images)
    others = sorted(counts.keys() - {0})
    if not others:
        raise InputError("The masks hold no class: all pixels are 0.", "Give another mask.")
    if len(others) > MOST_CLASSES:
        error = _no_ids(counts)
        remedy = f"{error.remedy} Values that are numbers of grains have to be declared as such."
        raise error.reworded(remedy=remedy, settings="classes numbered_grains")
    if len(others) == 1:  # beside 0 or alone
        classes = [NamedValue(value, f"class {value}") for value in sorted(counts)]
        reason = "; of masks with two values both are classes" if 0 in counts else ""
        remarks = [
            f"{v} is taken for a class: {s}{reason}." for v, s in _shares(counts, {0}).items()
        ]
        return build_meaning(classes, frozenset(), FOUND, remarks, numbered=True)
    if others[-1] >= NO_CLASS_BESIDE_0:
        raise InputError(
            f"The masks hold {others[-1]} beside other values: {listed(counts)}. It may be a class "
            "or what wasn't analysed, and there is no class table.",
            f'Give one that names it, such as {{"{others[0]}": "a", "{others[-1]}": "b"}}, or '
            'calls it "not analysed".',
            settings="classes",
        )
    remarks = [
        f"{value} is taken for what was not analysed, and is in no fraction: {share}; if it is a "
        "phase, such as what a program calls background, name it in a class table."
        for value, share in _shares(counts, {0}).items()
    ]
    classes = [NamedValue(value, f"class {value}") for value in others]
    return build_meaning(classes, frozenset({0}), FOUND, remarks, numbered=True)


def check_smoothed(counts: Mapping[int, int], images: Images) -> None:
    """Refuse to make classes of values that smoothing has made.

    Parameters
    ----------
    counts
        Pixels by value.
    images
        The label images, ``(H, W)`` each.

    Raises
    ------
    InputError
        If half of the values or more lie only in seams between others.
    """
    if len(counts) < 4:
        return
    made = look_smoothed(images)
    if made:
        kept = sorted(counts.keys() - set(made))
        raise InputError(
            f"The label images hold {len(counts)} values, of which {len(made)} "
            f"({few([str(v) for v in made], 5)}) lie only in thin seams between others "
            f"({few([str(v) for v in kept], 5)}): their edges were smoothed, resampled or "
            "compressed.",
            "Save them again from the original, resized by nearest neighbour and as PNG or TIFF, "
            "or set a threshold.",
        )


def _no_ids(counts: Mapping[int, int]) -> InputError:
    return InputError(
        f"The labels hold {len(counts)} different values up to {max(counts)}; without a class "
        f"table at most {MOST_CLASSES} from 0 to {LARGEST_ID} are understood, or one beside 0.",
        "Check that these are label images; name the classes in a table, such as "
        f'{{"1": "ferrite", "{max(counts)}": "pore"}}, and the value of unpainted pixels if it is '
        "another.",
        settings="classes unlabelled",
    )


def _shares(counts: Mapping[int, int], values: Iterable[int | None]) -> dict[int, str]:
    """Return the share of each value that occurs: ``{0: "53.3 % of the pixels"}``."""
    total = sum(counts.values())
    wanted = sorted(value for value in values if value is not None and counts.get(value))
    return {value: f"{100 * counts[value] / total:.3g} % of the pixels" for value in wanted}
