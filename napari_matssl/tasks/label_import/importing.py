"""Take annotations of other programs into a project, and take them back."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.labels.exchange.matching import Matched
from napari_matssl.labels.names import class_name
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.labels.sparse_ids import checksum_of
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.project.folder import Project
from napari_matssl.tasks.batch import Prepared, each_in_turn, none_left
from napari_matssl.tasks.exchanging.find_labels import LINE_WIDTH_PX, draw_labels, drawn_in_words
from napari_matssl.tasks.label_import import copies
from napari_matssl.tasks.label_import.outlook import Outlook

BACKUP = "labels-before-import"
"""Folder below ``matssl`` with a numbered one for the label images that an import has changed."""

Painted = Literal["keep", "fill", "replace"]
"""What becomes of images that are painted already: left, filled where unpainted, replaced."""

_BLACK = "#000000"

Ids = NDArray[np.uint8]


@dataclass(frozen=True)
class ImportWish:
    """What a user wants of annotations.

    Parameters
    ----------
    outlook
        The annotations, as the user has seen them.
    classes
        Name of a class of the project, or of a new one, by the name in the files; those that are
        missing are left out.
    painted
        What becomes of images that are painted already.
    line_width
        Of lines and points that have none of their own, px.
    """

    outlook: Outlook
    classes: Mapping[str, str]
    painted: Painted = "keep"
    line_width: float = LINE_WIDTH_PX


@dataclass(frozen=True)
class Change:
    """A label image that an import has written.

    Parameters
    ----------
    name, page
        The image.
    after
        Checksum of what was written.
    backup
        Copy of the file that was there; None if nothing was painted.
    """

    name: str
    page: int | None
    after: str
    backup: Path | None


@dataclass(frozen=True)
class ImportedLabels:
    """What an import has done.

    Parameters
    ----------
    folder
        Of the project.
    changes
        The label images that it has written.
    kept
        Images that were painted already and left as they were.
    skipped
        Those that couldn't be used.
    new_classes
        Names of the classes that it has added.
    """

    folder: Path
    changes: tuple[Change, ...]
    kept: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    new_classes: tuple[str, ...]


def import_labels(project: Project, wish: ImportWish) -> Job[ImportedLabels]:
    """Draw annotations into the painted labels of a project.

    Images that have annotations only of classes that are left out stay as they are.
    A file that is changed is copied before, to be taken back by :func:`undo_import`. An import that
    fails or is cancelled takes back what it has written, but for new classes; the copies of the
    import before go only when the next has changed something, and while no other window has the
    folder open.

    Yields
    ------
    A progress per image; sent STOP, the job returns with the images so far.

    Raises
    ------
    InputError
        If a class has no valid name, or no image can be used.
    OutputError
        If something can't be written.
    """
    ids, new = _ids(project, wish)
    wanted = {one.name for one in wish.outlook.images}
    items = {
        item.path.name: item
        for item in wish.outlook.found.matching.matched
        if item.path.name in wanted and _has_any(item, ids)
    }
    painted = [one.name for one in wish.outlook.images if one.painted and one.name in items]
    kept = tuple(painted) if wish.painted == "keep" else ()
    for name in kept:
        del items[name]
    backups = copies.new_folder(project.own / BACKUP)
    changes = list[Change]()
    drawing = _Drawing(project, wish, ids, backups, changes)
    counts: dict[str, tuple[int, int]] = {}
    try:
        ended = yield from each_in_turn(
            lambda: Prepared(drawing.draw), items, "importing", counts.__setitem__
        )
        if items and not counts and not ended.stopped:
            raise none_left(ended.first, len(items))
        for line in drawn_in_words(counts):
            yield Progress("importing", len(items), len(items), message=line)
    except BaseException:  # cancelling, too, comes as one
        taken_back = [_is_taken_back(project, one) for one in changes]
        if all(taken_back):
            copies.remove(backups)
        raise
    if not changes:
        copies.remove(backups)
    elif not project.presence.others():  # they may want to undo theirs
        copies.remove_others(backups)
    return ImportedLabels(project.folder, tuple(changes), kept, ended.skipped, new)


def undo_import(project: Project, imported: ImportedLabels) -> Job[tuple[str, ...]]:
    """Take back the labels of an import; images that were painted on since stay as they are.

    Yields
    ------
    A progress per image.

    Returns
    -------
    Images that stayed.

    Raises
    ------
    InputError
        If a copy is damaged.
    OutputError
        If something can't be written.
    """
    stayed = list[str]()
    total = len(imported.changes)
    for number, one in enumerate(imported.changes):
        if not _take_back(project, one):
            stayed.append(one.name)
        if (yield Progress("taking back", number + 1, total)) is Control.STOP:
            stayed += [later.name for later in imported.changes[number + 1 :]]
            break
    return tuple(stayed)


@dataclass(frozen=True)
class _Drawing:
    """What all images are drawn by; `changes` gets those that were."""

    project: Project
    wish: ImportWish
    ids: Mapping[str, int]
    backups: Path
    changes: list[Change]

    def draw(self, item: Matched) -> Job[tuple[int, int] | None]:
        """Write the labels of an image; return what is to be told of them."""
        if (yield Progress("importing", 0, 1)) is Control.STOP:
            return None
        project, name = self.project, item.path.name
        page = project.micrographs.page(name)
        shape = project.micrographs.shape(name, page)
        drawn = draw_labels(item, self.ids, shape, self.wish.line_width)
        before = project.labels.version(name, page)
        ids: Ids = drawn.ids
        if before.ids is not None and before.ids.any():
            if self.wish.painted == "keep":
                raise InputError(
                    f"{name} was painted on meanwhile.", "Import again, and choose what to do."
                )
            if self.wish.painted == "fill":
                ids = np.where(before.ids == 0, ids, before.ids)
        path = project.labels.path(name, page)
        backup = None
        if before.ids is not None:
            backup = self.backups / path.name
            copies.copy(path, backup)
        saved = project.labels.write(name, ids, before, page)
        self.changes.append(Change(name, page, checksum_of(saved.version.ids), backup))
        return drawn.overlapping, drawn.lost


def _has_any(item: Matched, ids: Mapping[str, int]) -> bool:
    """Whether an image has annotations of classes that aren't left out."""
    return any(one.name in ids for _, part in item.parts for one in part.annotations)


def _take_back(project: Project, change: Change) -> bool:
    """Write what was there before; False if the image was painted on since."""
    now = project.labels.version(change.name, change.page)
    if checksum_of(now.ids) != change.after:
        return False
    shape = project.micrographs.shape(change.name, change.page)
    ids = np.zeros(shape, np.uint8)
    if change.backup is not None:
        ids = read_labels(change.backup).astype(np.uint8)
        ids[~np.isin(ids, project.classes.table.ids)] = 0  # of classes that were deleted since
    project.labels.write(change.name, ids, now, change.page)
    return True


def _ids(project: Project, wish: ImportWish) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the class id by the name in the files, and the classes that were added for that."""
    colours = {one.name: one.colour for one in wish.outlook.classes}
    ids, new = dict[str, int](), list[str]()
    for given, wanted in wish.classes.items():
        name = _valid(wanted)
        table = project.classes.table
        there = {one.name: one.id for one in table.classes}
        if name not in there:
            added = project.classes.add(name)
            there[name] = added.id
            new.append(name)
            colour = colours.get(given)
            if colour is not None and colour not in {_BLACK, *(c.colour for c in table.classes)}:
                project.classes.recolour(added.id, colour)
        ids[given] = there[name]
    return ids, tuple(new)


def _valid(name: str) -> str:
    try:
        return class_name(name)
    except ValueError as error:
        raise InputError(
            f'"{name}" is no name of a class: {error}.', "Type another one."
        ) from error


def _is_taken_back(project: Project, change: Change) -> bool:
    with suppress(MatSSLError):
        return _take_back(project, change)
    return False
