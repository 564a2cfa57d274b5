"""Find the images that annotation files are about."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    """Match annotations with images by file name, then by stem.

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
        for one in (image for image in file.images if image.annotations):
            candidates = _candidates(one, images)
            if not candidates:
                missing.append(one.name)
            elif len(candidates) > 1:
                names = few([path.name for path in candidates])
                skipped.append(Skipped(one.name, f"{one.name} may be any of {names}."))
            else:
                own.setdefault(candidates[0], []).append(one)
        for path, entries in own.items():
            if len(entries) > 1:
                names = few([entry.name for entry in entries])
                reason = f"{path.name} may be any of {names} in {file.path}."
                skipped.append(Skipped(path.name, reason))
            else:
                found[path].append((file.path, entries[0]))
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
