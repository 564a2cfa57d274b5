"""What is left out of pretraining: images by name, and those that show the same fields."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import InputError, StoppedError
from napari_matssl.labels.names import few
from napari_matssl.labels.pairing import stem_of
from napari_matssl.labels.splits import read_exclusions
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import SUFFIXES, find_micrographs, images_in, read_micrograph
from napari_matssl.micrograph.twins import Twin, TwinSearch
from napari_matssl.progress import Control, Job, Progress

_IMAGES = "images"  # folder beside a file of names where they are looked for, too

_STAGE = "looking for copies of excluded images"


@dataclass(frozen=True)
class Exclusion:
    """Images to leave out.

    Parameters
    ----------
    names
        Stems of images that are left out by their name.
    images
        Files whose twins are left out: what shows the field of one of them.
    remarks
        Lines on names that no image was found for.
    """

    names: frozenset[str] = frozenset()
    images: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = ()

    def read(self) -> Iterator[Micrograph]:
        """Read the images whose twins are left out.

        Raises
        ------
        InputError
            If one can't be read: its twins couldn't be found.
        """
        return map(read_micrograph, self.images)


def find_exclusion(exclude: Sequence[Path], folders: Sequence[Path]) -> Exclusion:
    """Find the images to leave out.

    Parameters
    ----------
    exclude
        JSON files with names, as :func:`~napari_matssl.labels.splits.read_exclusions` reads them;
        images, and folders of images. Named images are looked for beside the JSON file, in the
        folder ``images`` there, and in the folders to pretrain on.
    folders
        To pretrain on.

    Raises
    ------
    InputError
        If a file isn't such JSON, or a folder holds no images.
    """
    names, images, remarks = set[str](), list[Path](), list[str]()
    for path in exclude:
        if path.suffix.lower() != ".json":
            images += find_micrographs([path])
            continue
        wanted = read_exclusions(path)
        names |= wanted
        found = _named_images(wanted, path.absolute().parent, folders)
        images += found.values()
        if strange := sorted(wanted - found.keys()):
            remarks.append(
                f"{path} names images that are neither in the folders nor beside it: "
                f"{few(strange, 20)}. Copies of them can't be found unless their folder is "
                "excluded, too."
            )
    return Exclusion(frozenset(names), tuple(dict.fromkeys(images)), tuple(remarks))


def _named_images(names: frozenset[str], beside: Path, folders: Sequence[Path]) -> dict[str, Path]:
    """Find the images of these stems, rather beside their list than in the folders."""

    def inside(folder: Path) -> list[Path]:
        return images_in(folder, SUFFIXES) if folder.is_dir() else []

    found: dict[str, Path] = {}
    for path in (*inside(beside / _IMAGES), *find_micrographs(folders), *inside(beside)):
        if (stem := stem_of(path)) in names:
            found.setdefault(stem, path)
    return found


def without_twins(
    micrographs: Sequence[Micrograph], apart: Iterable[Micrograph]
) -> Job[tuple[list[Micrograph], list[Twin]]]:
    """Leave out the micrographs that show the field of one to keep apart.

    Parameters
    ----------
    micrographs
        Unlabelled ones.
    apart
        To be tested on later.

    Returns
    -------
    The rest, and what was left out.

    Raises
    ------
    InputError
        If none is left.
    """
    search, kept, twins = TwinSearch(apart), list[Micrograph](), list[Twin]()
    if not search:
        return list(micrographs), twins
    for number, micrograph in enumerate(micrographs):
        twin = search.twin_of(micrograph)
        if twin is None:
            kept.append(micrograph)
        else:
            twins.append(twin)
        message = "" if twin is None else f"Left out, as it shows a field to keep apart: {twin}."
        progress = Progress(_STAGE, number + 1, len(micrographs), message=message)
        if (yield progress) is Control.STOP:
            raise StoppedError("Stopped while looking for twins: nothing was written.")
    if not kept:
        raise InputError(
            "Every image shows a field to keep apart.", "Add other images, or exclude fewer."
        )
    return kept, twins
