"""Measure masks on disk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from napari_matssl.errors import StoppedError
from napari_matssl.labels.names import few
from napari_matssl.measure.field import Field
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.measure.size_distribution import ObjectSizes
from napari_matssl.micrograph.place import ALL
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.batch import Each, Prepared
from napari_matssl.tasks.measuring.field_measures import FieldMeasure, ObjectMeasure, Phases
from napari_matssl.tasks.measuring.masks_to_measure import MeasuredMask, Sources, plan_masks
from napari_matssl.tasks.measuring.measure_memory import check_memory
from napari_matssl.tasks.measuring.measures import Names, make_measures

FIELDS = "fields.csv"


@dataclass(frozen=True)
class MeasuredMasks:
    """What was measured on masks, and the meaning of their values.

    Parameters
    ----------
    rows
        Area fractions, one per class and mask; empty if they weren't asked for.
    remarks
        Lines on what was decided, each worth telling.
    tables
        All tables, by the names of their files.
    masks
        The masks, in the order of the tables.
    sizes
        Sizes of the objects of each group and class; empty if they weren't asked for.
    skipped
        Those that couldn't be measured, and why, where they are left out.
    """

    rows: tuple[PhaseFraction, ...]
    remarks: tuple[str, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    masks: tuple[MeasuredMask, ...] = ()
    sizes: tuple[ObjectSizes, ...] = ()
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class MeasuredField:
    """What was measured of one mask.

    Parameters
    ----------
    row
        Of the table of fields.
    found
        By the name of the measure.
    """

    row: Mapping[str, Any]
    found: Mapping[str, Sequence[Any]]


def measure_masks(
    inputs: Sequence[Path],
    sources: Sources | None = None,
    settings: MeasureSettings | None = None,
    only: Names = (),
) -> MeasuredMasks:
    """Measure masks; one is in memory at a time.

    Parameters
    ----------
    inputs
        Mask images, or folders of them, as
        :func:`~napari_matssl.tasks.measuring.mask_files.find_masks` takes them.
    sources
        Where to look for classes, pixel sizes and groups.
    settings
        What to measure, and how.
    only
        The classes that are measured where a measure takes single ones; empty for all.

    Raises
    ------
    InputError
        If a mask can't be read or holds a value that is no class, the groups don't list it, or
        masks of one group differ in pixel size and the settings don't allow that.
    """
    sources, settings = sources or Sources(), settings or MeasureSettings()
    planned, remarks = plan_masks(inputs, sources, settings, only)
    measures = make_measures(settings, only)
    fields = [_measure(one, measures) for one in planned]
    return _tables(planned, remarks, fields, make_measures(settings, only))


def measure_masks_by(
    each: Each,
    inputs: Sequence[Path],
    sources: Sources,
    settings: MeasureSettings,
    only: Names = (),
    leave_out: bool = False,
) -> Job[MeasuredMasks]:
    """Measure masks as :func:`measure_masks`, in processes that see them under the same names.

    Parameters
    ----------
    each
        Has them do it.
    inputs, sources, settings, only
        As for :func:`measure_masks`.
    leave_out
        Leave out masks that can't be measured, as long as there are others.

    Yields
    ------
    A progress per mask.

    Raises
    ------
    StoppedError
        If it was stopped before all were measured.
    MatSSLError
        As :func:`measure_masks`, and those of `each`.
    """
    paths = [path.absolute() for path in inputs]
    planned, remarks = plan_masks(paths, sources, settings, only)
    found: dict[str, MeasuredField] = {}
    prepare = partial(_measuring, settings, only)
    masks = {one.name: one for one in planned}
    ended = yield from each(prepare, masks, "measuring", found.__setitem__)
    if ended.first is not None and not (leave_out and found):
        raise ended.first
    if ended.stopped:
        raise StoppedError("Stopped before all masks were measured: nothing was written.")
    done = [one for one in planned if one.name in found]
    fields = [found[one.name] for one in done]
    tables = _tables(done, remarks, fields, make_measures(settings, only))
    return replace(tables, skipped=ended.skipped)


def _tables(
    planned: Sequence[MeasuredMask],
    remarks: dict[str, None],
    fields: Sequence[MeasuredField],
    measures: Mapping[str, FieldMeasure],
) -> MeasuredMasks:
    """Make tables and remarks of what was measured, in the order of the masks."""
    for one in fields:
        for name, measure in measures.items():
            measure.add(one.found[name])
    rows = [one.row for one in fields]
    if line := _remark_on_little(rows):
        remarks[line] = None
    runs = {one.origin.run for one in planned if one.origin is not None and one.origin.run}
    if len(runs) > 1:
        remarks[f"The masks are of {len(runs)} runs, listed in the column run."] = None
    tables = {FIELDS: pd.DataFrame(rows)}
    for measure in measures.values():
        tables |= measure.tables()
        remarks |= dict.fromkeys(measure.remarks())
    phases = measures.get("phases")
    fractions = phases.rows if isinstance(phases, Phases) else []
    objects = measures.get("objects")
    found_sizes = objects.sizes() if isinstance(objects, ObjectMeasure) else ()
    remarks |= dict.fromkeys(_remarks_on_lacking(fractions))
    return MeasuredMasks(tuple(fractions), tuple(remarks), tables, tuple(planned), found_sizes)


def _remark_on_little(fields: Iterable[Mapping[str, Any]]) -> str:
    """Return a remark on masks of which little was analysed: 0 may be a class of theirs."""
    little = [
        f"{one['image']} ({100 * one['analysed_pixels'] / pixels:.3g} %)"
        for one in fields
        if 2 * one["analysed_pixels"] < (pixels := one["width_px"] * one["height_px"])
    ]
    return f"Less than half of the pixels was analysed of {few(little, 8)}." if little else ""


def _remarks_on_lacking(rows: Iterable[PhaseFraction]) -> list[str]:
    """Return a remark on each class that the tables of some masks of a group lack."""
    groups: dict[str, dict[str, list[str]]] = {}  # images by group and class
    for row in rows:
        groups.setdefault(row.group, {}).setdefault(row.class_name, []).append(row.image)
    found = []
    for name, classes in groups.items():
        images = dict.fromkeys(image for some in classes.values() for image in some)
        where = "" if name == ALL else f"Group {name}: "
        for one, some in classes.items():
            if lacking := [image for image in images if image not in some]:
                found.append(
                    f"{where}{one} isn't in the class table of {few(lacking, 8)}; its mean is over "
                    f"{len(some)} of {len(images)} images, so means don't add up to 100 %."
                )
    return found


def _measure(one: MeasuredMask, measures: Mapping[str, FieldMeasure]) -> MeasuredField:
    """Measure one mask, which leaves the memory then."""
    field = one.field()
    check_memory(field, measures)
    found = {name: measure.of(field, one.origin) for name, measure in measures.items()}
    return MeasuredField(field_row(field), found)


def _measuring(settings: MeasureSettings, only: Names) -> Prepared[MeasuredMask, MeasuredField]:
    """Make ready to measure masks."""
    measures = make_measures(settings, only)

    def measure(one: MeasuredMask) -> Job[MeasuredField | None]:
        if (yield Progress("measuring", 0, 1)) is Control.STOP:
            return None
        return _measure(one, measures)

    return Prepared(measure)


def field_row(measured: Field) -> dict[str, Any]:
    """Describe a field: where it was taken, and what was measured of it."""
    height, width = measured.mask.shape
    size = measured.pixel_size
    return {
        "image": measured.name,
        "group": measured.group,
        "specimen": measured.specimen,
        "section": measured.section,
        "width_px": width,
        "height_px": height,
        "analysed_pixels": measured.analysed_pixels,
        "pixel_width_um": None if size is None else size.x_um,
        "pixel_height_um": None if size is None else size.y_um,
        "pixel_size_source": "" if size is None else size.source,
        "analysed_area_um2": measured.analysed_area_um2,
        "pixel_size_doubt": "" if size is None else size.doubt,
    }
