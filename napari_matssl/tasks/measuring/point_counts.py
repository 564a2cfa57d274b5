"""Counting classes by eye at points of a project's images: begin, take stock, export."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.export.tables import write_frames
from napari_matssl.files import check_writable_folder
from napari_matssl.measure.point_count import CountedPoint, ImagePoints, count_image
from napari_matssl.measure.point_grid import draw_points
from napari_matssl.measure.point_tables import count_frame, count_summary_frame, points_frame
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.project.folder import Project
from napari_matssl.project.kept_points import KeptCount
from napari_matssl.tasks.measuring.measure_project import final_mask, final_origin
from napari_matssl.tasks.measuring.project_places import places_that_count

COUNT, COUNT_SUMMARY, ALL_POINTS = "point_count.csv", "point_count_summary.csv", "points.csv"
"""Names of the tables."""


@dataclass(frozen=True, eq=False)
class PointCounts:
    """The counts of a project's images that are finished.

    Parameters
    ----------
    images
        In the project's order.
    begun
        Images whose count was begun and not finished.
    problems
        A line for each count that can't be used.
    """

    images: tuple[ImagePoints, ...]
    begun: tuple[str, ...]
    problems: tuple[str, ...]


def new_count(
    project: Project, micrograph: Micrograph, points: int, seed: int, by: str = ""
) -> KeptCount:
    """Draw the points of an image, of which none is judged yet.

    Parameters
    ----------
    project
        Its classes are those that can be counted.
    micrograph
        The image; no point lies in its info bar.
    points
        How many.
    seed
        Gives the same points again.
    by
        Who counts.

    Raises
    ------
    InputError
        If the image can't have so many.
    """
    size = micrograph.pixel_size
    drawn = draw_points(
        (len(micrograph.specimen), micrograph.width),
        points,
        np.random.default_rng(seed),
        (1.0, 1.0) if size is None else (size.y_um, size.x_um),
        micrograph.specimen_analysable,
    )
    return KeptCount(
        size=(micrograph.height, micrograph.width),
        seed=seed,
        classes=project.classes.table,
        points=tuple((int(y), int(x)) for y, x in drawn),
        by=by,
    )


def now_in_words() -> str:
    """Return the time as it stands beside an answer: UTC, to the tenth of a second."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def count_of_image(project: Project, name: str, kept: KeptCount, specimen: str = "") -> ImagePoints:
    """Take stock of the judged points of an image, beside its mask if there is one.

    Parameters
    ----------
    specimen
        What it was taken of, as far as that counts.

    Raises
    ------
    InputError
        If image or mask can't be read.
    """
    table = project.classes.table
    points = [
        CountedPoint(y, x, answer.classes, answer.time)
        for (y, x), answer in zip(kept.points, kept.answers, strict=False)
    ]
    if not project.masks.has(name):
        return count_image(name, points, table, by=kept.by, specimen=specimen)
    size = project.micrographs.read(name).pixel_size
    mask = final_mask(project, name, table, size)
    model = final_origin(project, name, table, size).model
    return count_image(name, points, table, mask, model, kept.by, specimen)


def project_counts(project: Project) -> PointCounts:
    """Take stock of all images that aren't excluded.

    Masks of counts that aren't finished are not looked at.
    """
    finished: dict[str, KeptCount] = {}
    images, begun, problems = [], [], []
    for name in project.micrographs.analysed:
        if not project.points.path(name).exists():
            continue
        try:
            kept = project.points.read(name)
        except MatSSLError as error:
            problems.append(str(error))
            continue
        if kept is not None and kept.finished:
            finished[name] = kept
        elif kept is not None:
            begun.append(name)
    specimens = _specimens(project, tuple(finished))
    for name, kept in finished.items():
        try:
            images.append(count_of_image(project, name, kept, specimens[name]))
        except MatSSLError as error:
            problems.append(str(error))
    return PointCounts(tuple(images), tuple(begun), tuple(problems))


def _specimens(project: Project, names: Sequence[str]) -> dict[str, str]:
    """Name what counts as one specimen; images whose specimen doesn't count stand by themselves.

    Counts of all groups are summarised together, and each group may have a specimen "1".
    """
    places = places_that_count(project, names)
    if not any(places.of(name).specimen for name in names):
        return dict.fromkeys(names, "")
    return {
        name: f"{place.group}: {place.specimen}" if place.specimen else f"image {name}"
        for name in names
        for place in (places.of(name),)
    }


def export_counts(project: Project, out: Path) -> tuple[Path, ...]:
    """Write the tables of all finished counts into a folder.

    Returns
    -------
    Their paths.

    Raises
    ------
    InputError
        If no count is finished.
    OutputError
        If the folder or a table can't be written.
    """
    counts = project_counts(project)
    if not counts.images:
        raise InputError(
            f"No points are counted in {project.folder}.", "Finish the count of an image first."
        )
    check_writable_folder(out)
    frames = {out / name: frame for name, frame in count_tables(project, counts).items()}
    write_frames(frames)
    return tuple(frames)


def count_tables(project: Project, counts: PointCounts) -> dict[str, pd.DataFrame]:
    """Make the tables of finished counts, by the names of their files; none without a count."""
    if not counts.images:
        return {}
    return {
        COUNT: count_frame(counts.images),
        COUNT_SUMMARY: count_summary_frame(counts.images),
        ALL_POINTS: points_frame(counts.images, project.classes.table),
    }
