"""What an import of labels would do, to be looked at before it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.class_table_files import LARGEST_ID, NamedValue
from napari_matssl.labels.exchange.matching import Matched
from napari_matssl.labels.exchange.shapes import Stroke
from napari_matssl.progress import Job
from napari_matssl.project.folder import Project
from napari_matssl.tasks.exchanging.find_labels import FoundLabels, check_size, find_labels
from napari_matssl.tasks.label_import.sources import LabelSource, ToldBy, look_into


@dataclass(frozen=True)
class ImageOutlook:
    """An image that gets labels.

    Parameters
    ----------
    name
        The image.
    files
        Names of the files that have annotations of it.
    shapes
        How many these are.
    painted
        Pixels that are painted on it already.
    """

    name: str
    files: tuple[str, ...]
    shapes: int
    painted: int


@dataclass(frozen=True)
class ClassOutlook:
    """A class of the files.

    Parameters
    ----------
    name
        As the files call it; a colour or a grey value of masks.
    colour
        ``#rrggbb``; None where the files give none.
    images, shapes
        How many have it.
    share
        Share of the area of all masks; None for shapes.
    suggested
        Class of the project, or a new one; empty to leave it out; None if it has to be asked for.
    """

    name: str
    colour: str | None
    images: int
    shapes: int
    share: float | None
    suggested: str | None


@dataclass(frozen=True)
class Outlook:
    """What an import would do.

    Parameters
    ----------
    found
        The annotations; only images in `images` can be imported.
    images, classes
        Those that it concerns.
    total
        How many images the project has.
    problems
        Lines on what is left out and why, and on what was decided.
    has_lines
        Whether there are lines or points without a width of their own.
    told_by
        What has told the class of shapes in files without classes.
    """

    found: FoundLabels
    images: tuple[ImageOutlook, ...]
    classes: tuple[ClassOutlook, ...]
    total: int
    problems: tuple[str, ...]
    has_lines: bool
    told_by: ToldBy

    @property
    def painted(self) -> int:
        """How many of the images are painted already."""
        return sum(one.painted > 0 for one in self.images)


def look_at_labels(
    project: Project, sources: Sequence[Path], told_by: ToldBy = "file", only: str | None = None
) -> Job[Outlook]:
    """Read annotations, and look at what importing them would do. Nothing is written.

    Parameters
    ----------
    project
        Whose images they are of.
    sources
        Files of annotations, masks, or folders of these.
    told_by
        What tells the class of shapes in files without classes. By ``"file"`` they are of one
        class, if nothing in it does.
    only
        The image that ROIs and masks belong to, whatever they are called.

    Yields
    ------
    A progress per file.

    Raises
    ------
    InputError
        If there are no files, none can be used, nothing belongs to the images, or labels of the
        project are damaged.
    StoppedError
        If it was stopped.
    """
    source = yield from look_into(sources, told_by)
    names = project.images.names if only is None else (only,)
    paths, alone = [project.images.path(name) for name in names], len(names) == 1
    try:
        found = yield from find_labels(
            source.paths,
            paths,
            project.folder,
            source.reading,
            alone=alone,
            page_of=lambda path: project.micrographs.page(path.name),
        )
    except InputError as error:
        if told_by != "file" or "class" not in error.settings.split():
            raise
        return (yield from look_at_labels(project, sources, "one", only))
    return _outlook(project, source, found, told_by)


def _outlook(project: Project, source: LabelSource, found: FoundLabels, told_by: ToldBy) -> Outlook:
    problems = [one.reason for one in (*found.unreadable, *found.skipped)]
    fitting = list[Matched]()
    for item in found.matching.matched:
        name = item.path.name
        try:
            check_size(item, project.micrographs.shape(name, project.micrographs.page(name)))
        except InputError as error:
            problems.append(str(error))
        else:
            fitting.append(item)
    if not fitting:
        raise InputError(problems[-1])
    images = tuple(_image(project, item) for item in fitting)
    classes = _classes(project, source, found, fitting)
    every = (one for item in fitting for _, part in item.parts for one in part.annotations)
    has_lines = any(isinstance(one.shape, Stroke) and one.shape.width is None for one in every)
    total, lines = len(project.images.names), (*problems, *found.remarks)
    return Outlook(found, images, classes, total, lines, has_lines, told_by)


def _image(project: Project, item: Matched) -> ImageOutlook:
    name = item.path.name
    files = tuple(path.name for path, _ in item.parts)
    shapes = sum(len(part.annotations) for _, part in item.parts)
    return ImageOutlook(name, files, shapes, sum(project.labels.counts(name).values()))


def _classes(
    project: Project, source: LabelSource, found: FoundLabels, fitting: Sequence[Matched]
) -> tuple[ClassOutlook, ...]:
    """List the classes that annotations have, in the order of the files."""
    colours = {one.name: one.colour for file in reversed(found.files) for one in file.classes}
    order = dict.fromkeys(one.name for file in found.files for one in file.classes)
    shapes, images = dict.fromkeys(order, 0), dict.fromkeys(order, 0)
    for item in fitting:
        names = [one.name for _, part in item.parts for one in part.annotations]
        for name in names:
            shapes[name] += 1
        for name in set(names):
            images[name] += 1
    used = [name for name in order if shapes[name]]
    suggested = _suggested(project, source, {name: colours[name] for name in used})
    return tuple(
        ClassOutlook(
            name,
            colours[name],
            images[name],
            shapes[name],
            source.shares.get(name),
            suggested[name],
        )
        for name in used
    )


def _suggested(
    project: Project, source: LabelSource, colours: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Suggest a class of the project for each name in the files, else that name."""
    by_colour = {one.colour.lower(): one.name for one in project.classes.table.classes}
    suggested: dict[str, str | None] = {}
    for name, colour in colours.items():
        meant = source.meant.get(name, name)
        if meant is None and colour is not None:
            meant = by_colour.get(colour)
        suggested[name] = "" if meant and NamedValue(0, meant).is_no_class else meant
    wanted = [*dict.fromkeys(name for name in suggested.values() if name)][:LARGEST_ID]
    ours = _matching(project, wanted) if wanted else {}
    return {name: ours.get(meant or "", meant) for name, meant in suggested.items()}


def _matching(project: Project, names: Sequence[str]) -> dict[str, str]:
    """Find the project's name for each class that it has, by the rules for all class tables."""
    theirs = ClassTable(
        classes=tuple(
            LabelClass(id=number, name=name, colour=COLOURS[0])
            for number, name in enumerate(names, 1)
        )
    )
    own = dict(zip(project.classes.table.ids, project.classes.table.names, strict=True))
    ids = project.classes.matching(theirs)
    return {names[number - 1]: own[class_id] for number, class_id in ids.items()}
