"""Measure the masks of a project by any of the measures, each mask again only once it has changed.

The tables are those that the command ``measure`` writes of the same masks: both are made by
:mod:`~napari_matssl.tasks.measuring.field_measures`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from napari_matssl.errors import MatSSLError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.measure.field import Field, field_of_mask
from napari_matssl.measure.intercept_items import Figure
from napari_matssl.measure.items import FieldItems
from napari_matssl.measure.pooled_sizes import PooledSizes, pooled_sizes
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.place import Place
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.project.folder import Project
from napari_matssl.tasks.batch import memory_errors
from napari_matssl.tasks.measuring.field_measures import FieldMeasure, Grains, ObjectMeasure
from napari_matssl.tasks.measuring.mask_sizes import check_sizes
from napari_matssl.tasks.measuring.mask_states import MaskStates
from napari_matssl.tasks.measuring.measure_files import FIELDS, field_row
from napari_matssl.tasks.measuring.measure_memory import check_memory
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.measure_project import final_mask, final_origin, segmented_names
from napari_matssl.tasks.measuring.project_places import places_that_count

_TRIES: Final = 5
"""How often images that change meanwhile are measured again."""


@dataclass(frozen=True)
class MeasuredProject:
    """What was measured of a project.

    Parameters
    ----------
    plan
        What was wanted.
    wanted
        The images that were to be measured.
    states
        Of each image that was, what its figures depend on.
    tables
        All tables, by the names of their files.
    measures
        All measures, by name, with the results that the tables are made of.
    sizes
        Size distributions per class, by the measures that have some.
    uncalibrated
        Images without a pixel size: their figures in um are blank.
    remarks
        Lines on what makes figures doubtful.
    problems
        A line for each image that couldn't be measured.
    """

    plan: MeasurePlan
    wanted: tuple[str, ...]
    states: Mapping[str, object]
    tables: Mapping[str, pd.DataFrame]
    measures: Mapping[str, FieldMeasure]
    sizes: Mapping[str, tuple[PooledSizes, ...]]
    uncalibrated: tuple[str, ...]
    remarks: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def images(self) -> tuple[str, ...]:
        """The images that were measured."""
        return tuple(self.states)

    @property
    def stopped(self) -> bool:
        """Whether the job ended before all images had their turn."""
        return len(self.images) + len(self.problems) < len(self.wanted)


@dataclass(frozen=True)
class _Kept:
    """What is known of an image: the row of its field, and its results by measure and settings."""

    state: object
    place: Place
    row: Mapping[str, object]
    results: dict[object, Sequence[Any]]


class ProjectMeter:
    """Measures a project, one thread at a time.

    Parameters
    ----------
    project
        Its class table and its settings are those at the time of measuring, whoever set them.
    states
        What is known of its files; others may know it, too.
    """

    def __init__(self, project: Project, states: MaskStates | None = None) -> None:
        self.project = project
        self._states = states or MaskStates(project)
        self._kept: dict[str, _Kept] = {}

    def measure(
        self, plan: MeasurePlan, names: Iterable[str] | None = None
    ) -> Job[MeasuredProject]:
        """Measure the final masks of some images; those without a mask are skipped.

        Parameters
        ----------
        plan
            What to measure.
        names
            The images; None takes all that aren't excluded.

        Yields
        ------
        A progress per image; sent STOP, the job returns with the images that are done.

        Raises
        ------
        InputError
            If images differ in pixel size, and the settings don't allow that, or what is set for
            the project can't be read.
        SettingsError
            If a measure needs a class, and none is named.
        """
        self.project.look_again()
        measures = {one: plan.make(one) for one in plan.settings.chosen}
        wanted = segmented_names(self.project, names)
        places = places_that_count(self.project, wanted)
        # Area fractions don't depend on the size of pixels.
        mixed = plan.settings.mixed or plan.settings.chosen == ("phases",)
        sizes: list[tuple[str, str, PixelSize | None]] = []
        problems: list[str] = []
        states: dict[str, object] = {}
        rows: list[Mapping[str, object]] = []
        remarks = {places.remark: None} if places.remark else {}
        for number, name in enumerate(wanted):
            if (yield Progress("measuring", number, len(wanted))) is Control.STOP:
                break
            try:
                with memory_errors(name):
                    kept = self._measured(name, places.of(name), plan, measures)
                    size = self._states.pixel_size(name)
            except MatSSLError as error:
                problems.append(str(error))
                continue
            sizes.append((name, str(kept.row["group"]), size))
            line = check_sizes(sizes, mixed)
            for one, measure in measures.items():
                measure.add(kept.results[plan.key(one), one])
            states[name] = kept.state
            rows.append(kept.row)
        if sizes and line:
            remarks[line] = None
        tables = {FIELDS: pd.DataFrame(rows)}
        for measure in measures.values():
            tables |= measure.tables()
            remarks |= dict.fromkeys(measure.remarks())
        return MeasuredProject(
            plan=plan,
            wanted=wanted,
            states=states,
            tables=tables,
            measures=measures,
            sizes={
                name: pooled_sizes(measure.results, places.of)
                for name, measure in measures.items()
                if isinstance(measure, ObjectMeasure | Grains)
            },
            uncalibrated=tuple(name for name, _, size in sizes if size is None),
            remarks=tuple(remarks),
            problems=tuple(problems),
        )

    def measure_at_once(self, plan: MeasurePlan) -> Job[MeasuredProject]:
        """Measure as :meth:`measure`, again what has changed meanwhile: all is of one moment.

        A user may paint, clean or calibrate while the job runs. One that was stopped returns with
        what it has, and so does one beside which somebody changes things all the time.
        """
        for _ in range(_TRIES):
            measured = yield from self.measure(plan)
            if measured.stopped or not self.changed_since(measured):
                break
        return measured

    def changed_since(self, measured: MeasuredProject) -> tuple[str, ...]:
        """List images that have changed since they were measured, as :func:`changed_images`."""
        return changed_images(self.project, self._states, measured)

    def _measured(
        self,
        name: str,
        place: Place,
        plan: MeasurePlan,
        measures: Mapping[str, FieldMeasure],
    ) -> _Kept:
        """Return what is known of an image, measured where it isn't known yet."""
        table = self.project.classes.table
        state, kept = self._states.of(name, table), self._kept.get(name)
        if kept is not None and (kept.state, kept.place) != (state, place):
            kept = None
        keys = {one: (plan.key(one), one) for one in measures}
        if kept is not None and kept.results.keys() >= {*keys.values()}:
            return kept
        size = self._states.pixel_size(name)
        field = final_field(self.project, name, table, size, place)
        if kept is None:
            kept = _Kept(state, place, field_row(field), {})
        origin = final_origin(self.project, name, table, size)
        known = {key: found for key, found in kept.results.items() if key in keys.values()}
        new = [one for one, key in keys.items() if key not in known]
        if new:
            check_memory(field, new)
        for one, key in keys.items():
            if key not in known:
                known[key] = measures[one].of(field, origin)
        self._kept[name] = _Kept(state, place, kept.row, known)
        return self._kept[name]


def changed_images(
    project: Project, states: MaskStates, measured: MeasuredProject
) -> tuple[str, ...]:
    """List images that have changed, have come, or have gone since they were measured.

    Raises
    ------
    InputError
        If what is set for the project can't be read.
    """
    project.look_again()
    table = project.classes.table
    now = segmented_names(project)
    changed = [name for name in now if _differs(states, name, table, measured)]
    return (*changed, *(name for name in measured.images if name not in now))


def _differs(states: MaskStates, name: str, table: ClassTable, measured: MeasuredProject) -> bool:
    if name not in measured.states:
        return name not in measured.wanted  # else it couldn't be measured, which was told
    try:
        return states.of(name, table) != measured.states[name]
    except MatSSLError:  # it can't be read any more
        return True


def final_field(
    project: Project,
    name: str,
    table: ClassTable,
    pixel_size: PixelSize | None,
    place: Place | None = None,
) -> Field:
    """Make a field of an image's final mask.

    Parameters
    ----------
    place
        Where it was taken, as far as that counts.

    Raises
    ------
    InputError
        If it has none, or it is damaged.
    """
    mask = final_mask(project, name, table, pixel_size)
    at = place or Place()
    return field_of_mask(name, mask, table, pixel_size, at.group, at.specimen, at.section)


def items_of_image(
    project: Project,
    name: str,
    pixel_size: PixelSize | None,
    plan: MeasurePlan,
    measure: str,
    class_name: str,
    figure: Figure | None = None,
) -> FieldItems:
    """List what a measure finds of one class in an image, one by one.

    Parameters
    ----------
    figure
        For grain size: the test figure whose intercepts are listed; None lists grains.

    Raises
    ------
    InputError
        If the image has no mask, or there is no such class.
    """
    table = project.classes.table
    with memory_errors(name):
        return plan.items(
            measure, final_field(project, name, table, pixel_size), class_name, figure
        )
