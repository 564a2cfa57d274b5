"""Ground truth to score a model by, in the model's class ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import (
    NO_CLASS_BESIDE_0,
    ClassTable,
    differing_in_case,
    match_by_name,
)
from napari_matssl.labels.class_table_files import (
    NamedValues,
    find_named_values,
    named_values_of,
    overruled,
)
from napari_matssl.labels.counting import listed
from napari_matssl.labels.deciding_meaning import meaning_of_labels
from napari_matssl.labels.names import few
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.value_meaning import Meaning, classes_in_words, count_all
from napari_matssl.learn.card import ModelCard
from napari_matssl.tasks.info_bars import InfoBarChoice
from napari_matssl.tasks.label_files import SplitChoice, describe_pairs, read_subset


@dataclass(frozen=True)
class Truth:
    """Labelled micrographs to score a model by.

    Parameters
    ----------
    painted
        Their labels are in the model's class ids; unpainted pixels have :func:`unlabelled_of`.
    remarks
        Lines on how the values were matched with the model's classes, and on files left out.
    """

    painted: tuple[PaintedMicrograph, ...]
    remarks: tuple[str, ...] = ()


def unlabelled_of(card: ModelCard) -> int:
    """Return the value of unpainted pixels in labels that are in a model's ids."""
    return NO_CLASS_BESIDE_0 if card.unlabelled is None else card.unlabelled


def read_truth(
    images: Path,
    labels: Path,
    card: ModelCard,
    split: SplitChoice | None = None,
    subset: str = "test",
    classes: Path | None = None,
    info_bar: InfoBarChoice = "auto",
) -> Truth:
    """Read labelled micrographs, or those of one subset of a split, for a model.

    The class table beside the labels is matched with the model's by name, as a project matches a
    model's. Without one, values are the model's ids, or its classes called after values.

    Parameters
    ----------
    images, labels
        Folders, or single files; they pair by stem.
    card
        The model's.
    classes
        Class table of the labels; None looks beside them.
    info_bar
        Where the info bars begin.

    Raises
    ------
    InputError
        For anything that is missing, unreadable or doesn't fit together, and if labelled classes
        are none of the model's.
    """
    named = find_named_values(labels, classes)
    colours = named if named is not None else named_values_of(card.classes, "the model")
    pairing, read = read_subset(images, labels, split, subset, colours, info_bar)
    unusual = describe_pairs(read)
    counts = count_all(one.specimen for one in read)
    if named is not None:
        meaning = _by_name(counts, named, card)
    else:
        meaning = _by_id(counts, card, card.classes, labels)
    painted = tuple(part for one in read for part in one.painted(meaning))
    beside = overruled(labels, classes)
    return Truth(painted, (*pairing.remarks, *beside, *unusual, *meaning.remarks))


def _by_name(counts: Mapping[int, int], named: NamedValues, card: ModelCard) -> Meaning:
    """Match the table of the labels with the model's."""
    found = meaning_of_labels(counts, named)
    ids = match_by_name(card.classes, found.table)
    pixels = {found.ids[value]: n for value, n in counts.items() if value in found.ids}
    missing = [one for one in found.table.classes if one.id not in ids]
    if strangers := [one.name for one in missing if pixels.get(one.id)]:
        raise InputError(
            f"Classes of {named.source} are none of the model's: {few(strangers, 8)}. "
            f"The model has {few(card.classes.names, 12)}.",
            'Give them the model\'s names, or one such as "unlabelled" to leave them out.',
        )
    remarks = [one for one in found.remarks if not one.startswith("Nothing is painted as")]
    if missing:
        remarks.append(f"The model doesn't have {few([one.name for one in missing], 8)}.")
    if cased := differing_in_case(card.classes, found.table, ids):
        each = [f'"{theirs}" for the model\'s "{ours}"' for theirs, ours in cased]
        remarks.append(f"{named.source}: {few(each, 8)} is taken, which differs in case only.")
    moved = {i: ours for i, ours in ids.items() if i != ours}
    if moved:
        each = [f"{o.name} {o.id} -> {moved[o.id]}" for o in found.table.classes if o.id in moved]
        remarks.append(
            f"Classes of {named.source} are matched with the model's by name: {few(each, 8)}."
        )
    nothing = unlabelled_of(card)
    by_value = {v: ids.get(i, nothing) for v, i in found.ids.items()}
    return Meaning(card.classes, nothing, by_value, named.source, tuple(remarks))


def _by_id(counts: Mapping[int, int], card: ModelCard, table: ClassTable, labels: Path) -> Meaning:
    """Take values for the model's ids, or for its classes that are called after values."""
    by_name = {one.name: one.id for one in table.classes}
    nothing = unlabelled_of(card)
    ids = {i: i for i in table.ids}
    ids |= {v: by_name[f"class {v}"] for v in counts if f"class {v}" in by_name}
    if card.unlabelled is not None:
        ids[card.unlabelled] = nothing
    if strange := {value: pixels for value, pixels in counts.items() if value not in ids}:
        raise InputError(
            f"The labels in {labels} hold values that are none of the model's classes: "
            f"{listed(strange)}. The model has {classes_in_words(table)}.",
            "Put a classes.json that names the values beside the labels, or give a class table.",
            settings="classes",
        )
    remark = (
        f"There is no class table beside {labels}: values count as the model's ids, "
        f"{classes_in_words(table)}."
    )
    return Meaning(table, nothing, ids, "the model", (remark,), numbered=True)
