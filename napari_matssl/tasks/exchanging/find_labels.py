"""Annotations of other programs, with the images that they belong to."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.exchange import cellpose, colour_masks, fiji, value_masks
from napari_matssl.labels.exchange.drawing import Drawn, draw
from napari_matssl.labels.exchange.matching import Matched, Matching, match_images
from napari_matssl.labels.exchange.recognising import Reading
from napari_matssl.labels.exchange.shapes import (
    AnnotatedImage,
    AnnotationFile,
    BrokenAnnotationError,
)
from napari_matssl.labels.exchange.stack_positions import has_positions, on_one_page
from napari_matssl.labels.names import few
from napari_matssl.progress import Job, Skipped
from napari_matssl.tasks.exchanging.annotation_files import read_all
from napari_matssl.tasks.exchanging.stack_pages import counting_page

LINE_WIDTH_PX = 3.0
"""Width of lines and dots that have none of their own."""

_NAMELESS = (cellpose.PROGRAM, colour_masks.PROGRAM, fiji.PROGRAM, value_masks.PROGRAM)


@dataclass(frozen=True)
class FoundLabels:
    """What annotation files hold for some images.

    Parameters
    ----------
    files
        Those that can be used.
    matching
        Images with what the files have on them.
    unreadable
        Files that can't be used; each has been a message while they were read.
    """

    files: tuple[AnnotationFile, ...]
    matching: Matching
    unreadable: tuple[Skipped, ...] = ()

    @property
    def programs(self) -> tuple[str, ...]:
        """Those that the files are of."""
        return tuple(sorted({file.program for file in self.files}))

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Annotated images that are broken, or that can't be told apart."""
        broken = (one for file in self.files for one in file.skipped)
        return (*broken, *self.matching.skipped)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines on what was decided or passed over, and what has no partner."""
        own = (line for file in self.files for line in file.remarks)
        return (*own, *self.matching.remarks)


def find_labels(
    paths: Sequence[Path],
    images: Sequence[Path],
    place: Path,
    reading: Reading,
    alone: bool,
    page_of: Callable[[Path], int | None] = lambda image: None,
) -> Job[FoundLabels]:
    """Read annotation files, and match them with images.

    Parameters
    ----------
    paths
        Files of annotations.
    images
        Their images.
    place
        What the images are called in messages: their folder, or the only one.
    reading
        How to read what the files don't tell themselves.
    alone
        There is one image: ROIs and masks belong to it, whatever they are called, unless some are
        called like it.
    page_of
        Tells the page that is chosen of an image, from 1; None for the default one.

    Yields
    ------
    A progress per file.

    Raises
    ------
    InputError
        If no file can be used, or nothing belongs to the images.
    StoppedError
        If it was stopped.
    """
    files, unreadable = yield from read_all(paths, reading)
    if alone and not any(_is_called_like(file, images[0]) for file in files):
        files = [_about_any(file) for file in files]
    matching = match_images(files, images)
    if not matching.matched:
        raise _nothing_matched(files, place)
    return FoundLabels(tuple(files), _on_pages(matching, page_of), tuple(unreadable))


def draw_labels(
    item: Matched, ids: Mapping[str, int], size: tuple[int, int], line_width: float
) -> Drawn:
    """Draw what annotation files have on an image.

    Parameters
    ----------
    item
        The image.
    ids
        Class id by the name of a class in the files; classes without one are left out.
    size
        Height and width of the image, px.
    line_width
        Of lines and dots that have none of their own, px.

    Raises
    ------
    InputError
        If the annotations are of another size, or can't be drawn.
    """
    check_size(item, size)
    every = (one for _, part in item.parts for one in part.annotations)
    wanted = [one for one in every if one.name in ids]
    try:
        drawn = draw(wanted, ids, *size, line_width)
    except BrokenAnnotationError as error:
        names = few([str(file) for file, _ in item.parts])
        raise InputError(
            f"The annotations of {item.path.name} in {names} can't be used: {error}.",
            "Export them again.",
        ) from error
    if wanted and drawn.lost == len(wanted):
        raise InputError(
            f"No shape on {item.path.name} covers a pixel of it: it has {size[1]} x {size[0]}.",
            "Give the image that was annotated, at its original size.",
        )
    return drawn


def drawn_in_words(counts: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return lines on what isn't in the labels as it is in the files.

    Parameters
    ----------
    counts
        By the name of an image, pixels in two classes and shapes that cover no pixel, as of
        :class:`~napari_matssl.labels.exchange.drawing.Drawn`.
    """
    twice = {name: pixels for name, (pixels, _) in counts.items() if pixels}
    lost = {name: shapes for name, (_, shapes) in counts.items() if shapes}
    lines = []
    if twice:
        pixels, where = sum(twice.values()), _each(twice)
        lines.append(
            f"{pixels:,} pixels lie in two classes, of which the one drawn later counts: {where}."
        )
    if lost:
        shapes, where = sum(lost.values()), _each(lost)
        cover = "shape covers" if shapes == 1 else "shapes cover"
        lines.append(
            f"{shapes:,} {cover} no pixel of the image, outside of it or between its pixels: "
            f"{where}. Images of another size than the annotated ones do that."
        )
    return lines


def _each(counts: Mapping[str, int]) -> str:
    return few([f"{name} ({count:,})" for name, count in counts.items()], 5)


def check_size(item: Matched, size: tuple[int, int]) -> None:
    """Check that annotations are of the size of their image, height and width.

    Raises
    ------
    InputError
        If they aren't.
    """
    height, width = size
    for file, part in item.parts:
        if part.size is not None and part.size != (width, height):
            raise InputError(
                f"{item.path.name} has {width} x {height} pixels, its annotations in {file} "
                f"are of {part.size[0]} x {part.size[1]}.",
                "Give the image that was annotated, at its original size.",
            )


def _on_pages(matching: Matching, page_of: Callable[[Path], int | None]) -> Matching:
    """Leave out what lies on other pages of stacks than those that count."""
    taken, lines = list[Matched](), list[str]()
    for item in matching.matched:
        one, line = item, ""
        if has_positions(item):
            with suppress(InputError):  # such an image is left out, with the reason, later on
                page = counting_page(item.path, page_of(item.path))
                one, line = on_one_page(item, page)
        taken += [one] * any(part.annotations for _, part in one.parts)
        lines += [line] * bool(line)
    if not taken:
        raise InputError(
            f"No ROI lies on a page that counts. {lines[0]}",
            "Choose the page that they lie on, or save it as an image of its own.",
        )
    return replace(matching, matched=tuple(taken), remarks=(*matching.remarks, *lines))


def _is_called_like(file: AnnotationFile, image: Path) -> bool:
    """Whether ROIs or masks, which name no image, are called like one."""
    return file.program in _NAMELESS and bool(match_images([file], [image]).matched)


def _about_any(file: AnnotationFile) -> AnnotationFile:
    """Let annotations that name no image be of the only one that is given."""
    if file.program not in _NAMELESS:
        return file

    def nameless(image: AnnotatedImage) -> AnnotatedImage:
        return replace(image, name="")

    return replace(file, images=tuple(map(nameless, file.images)))


def _nothing_matched(files: Sequence[AnnotationFile], place: Path) -> InputError:
    broken = [one for file in files for one in file.skipped]
    if broken:
        return InputError(f"No annotation can be used. The first: {broken[0].reason}")
    names = [image.name for file in files for image in file.images if image.annotations]
    if not names:
        return InputError("The files hold no annotations with an area.", "Export them again.")
    is_nameless = any(file.program in _NAMELESS for file in files)
    return InputError(
        f"No annotation belongs to an image of {place}: looked for {few(list(names))}.",
        "Give the folder of the images that were annotated; names or stems have to be the same.",
        settings="images" if is_nameless else "",
    )
