"""Measure masks on disk."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from napari_matssl.errors import InputError
from napari_matssl.labels.names import few
from napari_matssl.labels.provenance import Provenance, read_mask_facts
from napari_matssl.measure.field import Field, field_of_mask
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.measure.size_distribution import ObjectSizes
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.place import Place
from napari_matssl.project.own_folder import FOLDER, RECORD_FILE
from napari_matssl.project.record import read_record
from napari_matssl.settings import Cleaning
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.field_measures import FieldMeasure, ObjectMeasure, Phases
from napari_matssl.tasks.group_file import read_groups
from napari_matssl.tasks.mask_files import AnyMask, find_masks
from napari_matssl.tasks.mask_sizes import NO_SIZE, MaskSizes, check_sizes
from napari_matssl.tasks.measures import make_measures
from napari_matssl.tasks.numbered_grains import check_for_numbers, find_numbered_grains
from napari_matssl.tasks.project_places import Places, places_of_images

FIELDS = "fields.csv"


@dataclass(frozen=True)
class Sources:
    """Where to look for what masks themselves don't tell.

    Parameters
    ----------
    classes
        Class table of all masks; None looks for one beside each, and in masks of ours.
    images
        Folder of the images, for their pixel sizes.
    pixel_size
        For masks that have none from elsewhere.
    groups
        CSV file with the specimen, section and group of each image; None takes those that the
        project of the images keeps.
    numbered_grains
        Whether the values of masks are numbers of grains, not classes.
    """

    classes: Path | None = None
    images: Path | None = None
    pixel_size: PixelSize | None = None
    groups: Path | None = None
    numbered_grains: bool = False


@dataclass(frozen=True)
class MeasuredMask:
    """A mask that is measured, and what belongs to it.

    Parameters
    ----------
    file
        The mask, whose values are understood.
    name
        What it is called in tables.
    size
        Its pixel size; None if nobody knows one.
    place
        Where its field was taken.
    image
        Its micrograph; None if there is none in the folder of images or in the project.
    origin
        Provenance of the mask, as far as it is stored.
    """

    file: AnyMask
    name: str
    size: PixelSize | None
    place: Place
    image: Path | None = None
    origin: Provenance | None = None

    def field(self) -> Field:
        """Read the mask."""
        place = self.place
        return field_of_mask(
            self.name,
            self.file.read(),
            self.file.table,
            self.size,
            place.group,
            place.specimen,
            place.section,
        )


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
    """

    rows: tuple[PhaseFraction, ...]
    remarks: tuple[str, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    masks: tuple[MeasuredMask, ...] = ()
    sizes: tuple[ObjectSizes, ...] = ()


def measure_masks(
    inputs: Sequence[Path],
    sources: Sources | None = None,
    settings: MeasureSettings | None = None,
    only: Sequence[str] = (),
) -> MeasuredMasks:
    """Measure masks; one is in memory at a time.

    Parameters
    ----------
    inputs
        Mask images, or folders of them, as :func:`~napari_matssl.tasks.mask_files.find_masks`
        takes them.
    sources
        Where to look for classes, pixel sizes and groups.
    settings
        What to measure, and how.
    only
        Names of the classes that are measured where a measure takes single ones; empty for all.

    Raises
    ------
    InputError
        If a mask can't be read or holds a value that is no class, the groups don't list it, or
        masks of one group differ in pixel size and the settings don't allow that.
    """
    sources, settings = sources or Sources(), settings or MeasureSettings()
    if sources.numbered_grains:
        check_for_numbers(settings, only, sources.classes)
        masks = find_numbered_grains(inputs)
    else:
        masks = find_masks(inputs, sources.classes)
    sizes = MaskSizes(sources.images, sources.pixel_size)
    groups = None if sources.groups is None else read_groups(sources.groups)
    remarks = dict.fromkeys(masks.remarks)
    planned: list[MeasuredMask] = []
    names = _names([file.path for file in masks.files], groups is not None)
    images = [sizes.image_of(file.path) for file in masks.files]
    kept = Places({}) if groups else places_of_images(dict(zip(names, images, strict=True)))
    stored = _remark_on_cleaning(file.path for file in masks.files)
    remarks |= dict.fromkeys(filter(None, (kept.remark, stored)))
    for file, name, image in zip(masks.files, names, images, strict=True):
        found = sizes.of(file.path, file.shape)
        remarks |= dict.fromkeys(found.remarks)
        place = kept.of(name) if groups is None else groups.place_of(file.path)
        origin = read_mask_facts(file.path).provenance
        planned.append(MeasuredMask(file, name, found.size, place, image, origin))
    if groups is not None and (line := groups.remark_on_others(f.path for f in masks.files)):
        remarks[line] = None
    if line := check_sizes([(p.name, p.place.group, p.size) for p in planned], settings.mixed):
        remarks[line] = None
    if settings.chosen != ("phases",) and not any(one.size for one in planned):
        remarks[NO_SIZE] = None
    measures = make_measures(settings, only)
    runs, fields = set(), []
    for one in planned:
        fields.append(_measure(one, measures.values()))
        runs |= {one.origin.run} if one.origin is not None and one.origin.run else set()
    if line := _remark_on_little(fields):
        remarks[line] = None
    if len(runs) > 1:
        remarks[f"The masks are of {len(runs)} runs, listed in the column run."] = None
    tables = {FIELDS: pd.DataFrame(fields)}
    for measure in measures.values():
        tables |= measure.tables()
        remarks |= dict.fromkeys(measure.remarks())
    phases = measures.get("phases")
    rows = phases.rows if isinstance(phases, Phases) else []
    objects = measures.get("objects")
    found_sizes = objects.sizes() if isinstance(objects, ObjectMeasure) else ()
    return MeasuredMasks(tuple(rows), tuple(remarks), tables, tuple(planned), found_sizes)


def _names(masks: Sequence[Path], grouped: bool) -> list[str]:
    """Name masks as their files, and with their folders those that share a name."""
    count = Counter(mask.name for mask in masks)
    shared = [mask for mask in masks if count[mask.name] > 1]
    if shared and grouped:
        raise InputError(
            f"{shared[0]} and {shared[1]} are both called {shared[0].name}.",
            "Rename one of them, so that the groups can tell them apart.",
            settings="groups",
        )
    if not shared:
        return [mask.name for mask in masks]
    depth = 2
    while len({_end_of(mask, depth) for mask in masks}) < len(masks):
        depth += 1
    return [_end_of(mask, depth) if mask in shared else mask.name for mask in masks]


def _remark_on_cleaning(masks: Iterable[Path]) -> str:
    """Return a remark on projects that show their masks cleaned; they are stored as found."""
    places = {mask.absolute().parent for mask in masks}
    cleaned = [
        own.parent.name
        for own in sorted(place.parent for place in places if place.name == "masks")
        if own.name == FOLDER and read_record(own / RECORD_FILE).cleaning != Cleaning()
    ]
    if not cleaned:
        return ""
    return (
        f"Masks of {few(cleaned, 4)} are measured as the model found them, without the cleaning "
        "that is set in the window: export them there for the same figures."
    )


def _remark_on_little(fields: Iterable[Mapping[str, Any]]) -> str:
    """Return a remark on masks of which little was analysed: 0 may be a class of theirs."""
    little = [
        f"{one['image']} ({100 * one['analysed_pixels'] / pixels:.3g} %)"
        for one in fields
        if 2 * one["analysed_pixels"] < (pixels := one["width_px"] * one["height_px"])
    ]
    return f"Less than half of the pixels was analysed of {few(little, 8)}." if little else ""


def _end_of(path: Path, parts: int) -> str:
    return "/".join(path.absolute().parts[-parts:])


def _measure(one: MeasuredMask, measures: Iterable[FieldMeasure]) -> dict[str, Any]:
    """Measure one mask, which leaves the memory then; return its row of the table of fields."""
    measured = one.field()
    for measure in measures:
        measure.add(measure.of(measured, one.origin))
    return field_row(measured)


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
