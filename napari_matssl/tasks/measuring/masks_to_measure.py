"""Masks that are to be measured, and what belongs to each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.files import stamp_of
from napari_matssl.labels.names import few
from napari_matssl.labels.provenance import Provenance, read_mask_facts
from napari_matssl.measure.field import Field, field_of_mask
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.place import Place
from napari_matssl.project.image_settings import (
    own_folder_of_image,
    remark_on_excluded,
    settings_of_image,
)
from napari_matssl.project.own_folder import FOLDER, RECORD_FILE
from napari_matssl.project.panoramas import default_page
from napari_matssl.project.record import read_record
from napari_matssl.settings import Cleaning
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.group_file import read_groups
from napari_matssl.tasks.measuring.mask_files import AnyMask, find_masks
from napari_matssl.tasks.measuring.mask_sizes import NO_SIZE, MaskSizes, check_sizes, page_of
from napari_matssl.tasks.measuring.measures import Names
from napari_matssl.tasks.measuring.numbered_grains import check_for_numbers, find_numbered_grains
from napari_matssl.tasks.measuring.project_places import Places, places_of_images


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
    named_by_image
        Whether tables name the image of a mask, where there is one, not the mask.
    kept_places
        Whether specimens and groups count that the project of the images keeps.
    """

    classes: Path | None = None
    images: Path | None = None
    pixel_size: PixelSize | None = None
    groups: Path | None = None
    numbered_grains: bool = False
    named_by_image: bool = False
    kept_places: bool = True


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
        """Read the mask.

        Raises
        ------
        InputError
            If it can't be read, or is another one by now.
        """
        place, mask = self.place, self.file.read()
        self.check_unchanged()
        return field_of_mask(
            self.name,
            mask,
            self.file.table,
            self.size,
            place.group,
            place.specimen,
            place.section,
        )

    def check_unchanged(self) -> None:
        """Check that the file is the one of which classes, pixel size and origin were read.

        Raises
        ------
        InputError
            If it isn't: another run may have replaced it, by a mask of other classes.
        """
        seen, now = self.file.seen, stamp_of(self.file.path)
        # Other machines of a cluster number inodes and devices otherwise.
        if seen is None or now is None or now[:2] != seen[:2]:
            raise InputError(
                f"{self.file.path} was replaced while it was measured.",
                "Measure again once no other program writes there.",
            )


def plan_masks(
    inputs: Sequence[Path], sources: Sources, settings: MeasureSettings, only: Names
) -> tuple[list[MeasuredMask], dict[str, None]]:
    """Find masks, what belongs to each, and remarks on that, in the order in which they are told.

    Raises
    ------
    InputError, SettingsError
        As :func:`~napari_matssl.tasks.measuring.measure_files.measure_masks`.
    """
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
    if sources.named_by_image:
        names = [
            name if image is None else image.name for name, image in zip(names, images, strict=True)
        ]
    kept = Places({})
    if groups is None and sources.kept_places:
        kept = places_of_images(dict(zip(names, images, strict=True)))
    stored = _remarks_on_window([file.path.absolute() for file in masks.files])
    remarks |= dict.fromkeys(filter(None, (kept.remark, *stored)))
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
    if line := remark_on_excluded(one for one in images if one is not None):
        remarks[line] = None
    if line := _remark_on_pages(planned):
        remarks[line] = None
    if line := _remark_on_copies(planned):
        remarks[line] = None
    if settings.chosen != ("phases",) and not any(one.size for one in planned):
        remarks[NO_SIZE] = None
    return planned, remarks


def _remark_on_pages(masks: Iterable[MeasuredMask]) -> str:
    """Return a line on masks of pages that don't count in their project; empty without any."""
    names = []
    for one in masks:
        image, page = one.image, page_of(one.file.path)
        if image is None or own_folder_of_image(image) not in one.file.path.absolute().parents:
            continue
        chosen = settings_of_image(image).page
        usual = None in (page, chosen) and _is_default(image, page or chosen)
        if page != chosen and not usual:
            names.append(one.name)
    if not names:
        return ""
    their, count = ("its", "counts") if len(names) == 1 else ("their", "count")
    return f"Of pages that don't count in {their} project, {few(names, 8)} {count} here."


def _is_default(image: Path, page: int | None) -> bool:
    """Whether a page counts where none is chosen; taken to, if the image can't be opened."""
    try:
        return default_page(image) == page
    except InputError:
        return True


def _remark_on_copies(masks: Iterable[MeasuredMask]) -> str:
    """Return a line on masks of one image under several names; empty if there are none."""
    of_image: dict[tuple[str, int | None], list[str]] = {}
    for one in masks:
        if one.origin is not None and one.origin.image_sha256:
            key = one.origin.image_sha256, one.origin.page
            of_image.setdefault(key, []).append(one.name)
    copies = [" and ".join(names) for names in of_image.values() if len(names) > 1]
    if not copies:
        return ""
    return f"The same image under several names counts as several fields: {few(copies, 8)}."


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


def _remarks_on_window(masks: Sequence[Path]) -> Iterator[str]:
    """Yield remarks on projects that show other masks: cleaned, or overruled by what is painted."""
    places = [mask.parent for mask in masks if mask.parent.name == "masks"]
    folders = dict.fromkeys(place.parent for place in places if place.parent.name == FOLDER)
    records = {own: read_record(own / RECORD_FILE) for own in folders}
    cleaned = sorted(own.parent.name for own, one in records.items() if one.cleaning != Cleaning())
    if cleaned:
        yield (
            f"Masks of {few(cleaned, 4)} are measured as the model found them, without the "
            "cleaning that is set in the window: export them there for the same figures."
        )
    counting = [own for own, one in records.items() if one.painted_counts]
    painted = [
        mask.name
        for mask in masks
        if mask.parent.parent in counting
        and (mask.parent.parent / "labels" / f"{mask.stem}.png").is_file()
    ]
    if painted:
        yield (
            f"{few(painted, 4)}: painted pixels overrule the mask in the window, not here: export "
            "the masks there for the same figures."
        )


def _end_of(path: Path, parts: int) -> str:
    return "/".join(path.absolute().parts[-parts:])
