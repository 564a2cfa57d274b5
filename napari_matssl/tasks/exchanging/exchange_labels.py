"""Annotations of other programs as label images of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import OutputError
from napari_matssl.export.banded_png import BandedPng
from napari_matssl.export.masks import write_labels
from napari_matssl.files import check_writable_folder
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.class_table_files import find_named_values
from napari_matssl.labels.exchange.cellpose import is_cellpose
from napari_matssl.labels.exchange.matching import Matched
from napari_matssl.labels.exchange.numbering import number_classes
from napari_matssl.labels.exchange.recognising import Reading
from napari_matssl.labels.pairing import stem_of, stem_of_page
from napari_matssl.micrograph.decoding import decode
from napari_matssl.micrograph.reading import find_micrographs
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.project.image_settings import settings_of_image
from napari_matssl.tasks.batch import Prepared, each_in_turn, left_out, none_left
from napari_matssl.tasks.exchanging.annotation_files import files_in, nothing_written
from napari_matssl.tasks.exchanging.find_labels import (
    LINE_WIDTH_PX,
    draw_labels,
    drawn_in_words,
    find_labels,
)
from napari_matssl.tasks.exchanging.free_names import check_apart, check_free
from napari_matssl.tasks.exchanging.table_in_folder import table_in


@dataclass(frozen=True)
class BroughtIn:
    """What was made of annotation files.

    Parameters
    ----------
    written
        The label images.
    wanted
        How many images have annotations.
    table
        Their classes.
    programs
        Those that the annotations are of.
    skipped
        Files and images that were left out.
    """

    written: tuple[Path, ...]
    wanted: int
    table: ClassTable
    programs: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def bring_in_labels(
    sources: Sequence[Path],
    images: Path,
    out: Path,
    reading: Reading,
    classes: Path | None = None,
    line_width: float = LINE_WIDTH_PX,
    overwrite: bool = False,
) -> Job[BroughtIn]:
    """Write label images of what other programs have annotated.

    The class table is written first, and a table that is in `out` keeps its ids: so label images of
    several runs go together.

    Parameters
    ----------
    sources
        Files of annotations, or folders of such files.
    images
        Folder of the images, or one image.
    out
        Folder for ``<stem>.png``, with the page if one is chosen in the project of the images, and
        ``classes.json``.
    reading
        How to read what the files don't tell themselves.
    classes
        Class table that numbers the classes; else one beside the sources, if there is one.
    line_width
        Width of lines and dots that have none of their own, px.
    overwrite
        Whether label images that are there may be replaced.

    Yields
    ------
    A progress per file and image; sent STOP, the job returns with the label images so far.

    Raises
    ------
    InputError
        If there are no files, none can be used, or nothing belongs to the images.
    OutputError
        If label images are there already, would change their meaning, or can't be written.
    StoppedError
        If it was stopped before the first label image.
    """
    paths, there = files_in(sources, reading), _images_in(images, out)
    check_writable_folder(out)
    found = yield from find_labels(
        paths, there, images, reading, alone=images.is_file(), page_of=_page_of
    )
    kept = table_in(out)
    kept.check_keeps(found.files)
    tables = [kept.there, *(find_named_values(one, classes) for one in sources)]
    table = number_classes(found.files, tables)
    plan = _Plan(out, table, line_width)
    items = {one.path.name: one for one in found.matching.matched}
    targets = [(one.path, plan.target(one.path)) for one in items.values()]
    check_apart(targets)
    check_free((target for _, target in targets), overwrite)
    lines = [*found.remarks, *(left_out(one) for one in found.skipped)]
    for line in lines:
        if (yield Progress("drawing", 0, len(items), message=line)) is Control.STOP:
            raise nothing_written()
    kept.write(table)
    written: dict[str, tuple[Path, tuple[int, int]]] = {}
    ended = yield from each_in_turn(
        lambda: Prepared(plan.draw), items, "drawing", written.__setitem__
    )
    if not written:
        raise nothing_written() if ended.stopped else none_left(ended.first, len(items))
    for line in drawn_in_words({name: counts for name, (_, counts) in written.items()}):
        yield Progress("drawing", len(items), len(items), message=line)
    skipped = (*found.unreadable, *found.skipped)
    return BroughtIn(
        tuple(path for path, _ in written.values()),
        len(items) + len(skipped),
        table,
        found.programs,
        (*skipped, *ended.skipped),
    )


@dataclass(frozen=True)
class _Plan:
    """What all images are drawn by."""

    out: Path
    table: ClassTable
    line_width: float

    def target(self, image: Path) -> Path:
        return self.out / f"{stem_of_page(stem_of(image.name), _page_of(image))}.png"

    def draw(self, item: Matched) -> Job[tuple[Path, tuple[int, int]] | None]:
        """Draw and write the label image of an image; return its path and what is to be told."""
        if (yield Progress("drawing", 0, 1)) is Control.STOP:
            return None
        height, width = decode(item.path, _page_of(item.path))[0].pixels.shape[:2]
        ids = dict(zip(self.table.names, self.table.ids, strict=True))
        drawn = draw_labels(item, ids, (height, width), self.line_width)
        target = self.target(item.path)
        write_labels(target, drawn.ids, self.table, BandedPng())
        return target, (drawn.overlapping, drawn.lost)


def _page_of(image: Path) -> int | None:
    """Return the page that is chosen of an image in the project of its folder; else None."""
    return settings_of_image(image).page


def _images_in(images: Path, out: Path) -> list[Path]:
    found = [path for path in find_micrographs([images]) if not is_cellpose(path)]
    if any(path.resolve().parent == out.resolve() for path in found):
        raise OutputError(
            f"{out} is the folder of the images, which label images may not mix with.",
            "Choose another folder for the label images.",
        )
    return found
