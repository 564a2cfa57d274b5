"""Find the images that annotation files are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from napari_matssl.labels.exchange.shapes import AnnotatedImage, AnnotationFile
from napari_matssl.labels.names import composed, few
from napari_matssl.labels.pairing import stem_of
from napari_matssl.progress import Skipped


@dataclass(frozen=True)
class Matched:
    """An image with what annotation files have on it.

    Parameters
    ----------
    path
        The image.
    parts
        File and annotations, in the order of drawing.
    """

    path: Path
    parts: tuple[tuple[Path, AnnotatedImage], ...]


@dataclass(frozen=True)
class Matching:
    """Images and annotations that belong together.

    Parameters
    ----------
    matched
        In the order of the images.
    skipped
        Annotated images that can't be told apart.
    remarks
        Lines on what has no partner.
    """

    matched: tuple[Matched, ...]
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...]


def match_images(files: Sequence[AnnotationFile], images: Sequence[Path]) -> Matching:
    """Match annotations with images by file name, then by stem; by folders among equal names.

    Parameters
    ----------
    files
        Their order is that of drawing, where several have annotations of one image.
    images
        Image files of different names. If there is one, ROIs and the like, which name no image,
        belong to it.
    """
    found: dict[Path, list[tuple[Path, AnnotatedImage]]] = {path: [] for path in images}
    skipped, missing = list[Skipped](), list[str]()
    for file in files:
        own: dict[Path, list[AnnotatedImage]] = {}
        for one in file.images:
            candidates = _candidates(one, images)
            if len(candidates) == 1:
                own.setdefault(candidates[0], []).append(one)
            elif one.annotations and candidates:
                names = few([path.name for path in candidates])
                skipped.append(Skipped(one.name, f"{one.name} may be any of {names}."))
            elif one.annotations:
                missing.append(one.name)
        for path, entries in own.items():
            closest, others = _closest(entries, path)
            missing += [one.name for one in others if one.annotations]
            meant = [one for one in closest if one.annotations]
            if meant and len(meant) + len({one.name for one in closest} - {meant[0].name}) > 1:
                names = few([entry.name for entry in closest])
                reason = f"{path.name} may be any of {names} in {file.path}."
                skipped.append(Skipped(path.name, reason))
            elif meant:
                found[path].append((file.path, meant[0]))
    ambiguous = {one.name for one in skipped}
    matched = [
        Matched(path, tuple(parts))
        for path, parts in found.items()
        if parts and path.name not in ambiguous
    ]
    return Matching(tuple(matched), tuple(skipped), tuple(_remarks(matched, missing, images)))


def _candidates(one: AnnotatedImage, images: Sequence[Path]) -> list[Path]:
    if one.name == "" and len(images) == 1:
        return list(images)
    name = composed(PurePosixPath(one.name.replace("\\", "/")).name)
    same = [path for path in images if composed(path.name) == name]
    return same or [path for path in images if stem_of(path.name) == stem_of(name)]


def _closest(
    entries: Sequence[AnnotatedImage], path: Path
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Return the entries of a file whose names and folders are most like an image's, and the rest.

    Data sets have images of one name in several folders, of which some have no annotation.
    """

    def likeness(one: AnnotatedImage) -> tuple[bool, int]:
        theirs = [composed(part) for part in reversed(_parts(one.name))]
        ours = [composed(part) for part in reversed(path.absolute().parts)]
        alike = (their == our for their, our in zip(theirs[1:], ours[1:], strict=False))
        return theirs[:1] == ours[:1], sum(takewhile(bool, alike))

    found = [likeness(one) for one in entries]
    pairs = list(zip(entries, found, strict=True))
    closest = [one for one, alike in pairs if alike == max(found)]
    return closest, [one for one, alike in pairs if alike < max(found)]


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _remarks(
    matched: Sequence[Matched], missing: Sequence[str], images: Sequence[Path]
) -> list[str]:
    lines = []
    if missing:
        are = "image isn't" if len(missing) == 1 else "images aren't"
        lines.append(f"{len(missing)} annotated {are} there: {few(list(missing), 20)}.")
    have = {one.path for one in matched}
    without = [path.name for path in images if path not in have]
    if without and len(images) > 1:
        verb = "has" if len(without) == 1 else "have"
        lines.append(
            f"{len(without)} of {len(images)} images {verb} no annotation: {few(without, 20)}."
        )
    for one in matched:
        if len(one.parts) > 1:
            names = few([file.name for file, _ in one.parts])
            lines.append(
                f"{one.path.name} has annotations in several files, drawn in turn: {names}."
            )
    return lines
