"""In what a run differs from the recipe's own circumstances: told, never refused."""

from collections.abc import Sequence
from pathlib import Path

from napari_matssl.labels.names import few
from napari_matssl.project.own_folder import FOLDER
from napari_matssl.project.pixel_sizes import agree
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.recipe.contents import STATED, Recipe
from napari_matssl.tasks.recipe.judging import Judged
from napari_matssl.tasks.recipe.machine import Machine

_NAMED = 20
_TEXTS = (".txt", ".hdr", ".csv", ".tsv", ".xlsx", ".xml", ".json", ".ini", ".db", ".md", ".recipe")
"""Suffixes of what lies beside images and holds none."""


def deviations(
    recipe: Recipe,
    here: Machine,
    details: ReportDetails,
    images: Sequence[Judged],
    others: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """List what was otherwise than when the recipe was saved, a line each.

    Parameters
    ----------
    recipe
        With what it was saved.
    here
        What has computed the run.
    details
        Of the report.
    images
        Of the run.
    others
        What else lies in the folder of the images, as of :func:`other_files`.
    """
    saved = recipe.origin
    lines = [
        f"{what}: {now}; the recipe was saved with {then}."
        for what, then, now in (
            ("Version of napari-matssl", saved.program, here.program),
            ("Version of PyTorch", saved.torch, here.torch),
            ("Device", saved.device, here.device),
        )
        if then != now
    ]
    lines += [not_given(name) for name in ("specimen", "operator") if not getattr(details, name)]
    used = [one for one in images if one.light or one.size or one.uncertain is not None]
    without = [one.image for one in used if one.size is None]
    stated = [one.image for one in used if one.size and one.size.source.endswith(STATED)]
    gone = [one.image for one in images if one not in used]
    for what, names in (
        ("Without a pixel size", without),
        ("With the pixel size that is stated in the recipe", stated),
        ("Left out, as they couldn't be used", gone),
        ("In the folder, but no images that are read", others),
    ):
        if names:
            lines.append(f"{what}: {few(names, _NAMED)}.")
    return (*lines, *_several_sizes(used))


def _several_sizes(images: Sequence[Judged]) -> tuple[str, ...]:
    """Return a line on pixel sizes that differ: means are over all images."""
    sized = sorted(
        ((one.size, one.image) for one in images if one.size), key=lambda pair: pair[0].mean_um
    )
    if not sized or all(agree(size, sized[0][0]) for size, _ in sized):
        return ()
    (least, first), (most, last) = sized[0], sized[-1]
    return (f"Pixel sizes differ, from {least.in_words} ({first}) to {most.in_words} ({last}).",)


def other_files(folder: Path, images: Sequence[Path], out: Path) -> tuple[str, ...]:
    """Name what lies beside images and might hold some: folders, and files that are no texts.

    Parameters
    ----------
    folder
        Of the images.
    images
        Those that are read.
    out
        The folder of the results, which may lie there, too.
    """
    read = {path.name for path in images}
    return tuple(
        path.name + "/" * path.is_dir()
        for path in sorted(folder.iterdir())
        if path.name not in {*read, FOLDER}
        and path.name[0] != "."
        and path.suffix.lower() not in _TEXTS
        and path.resolve() != out.resolve()
    )


def not_given(name: str) -> str:
    """Return the line on a detail that nobody has typed."""
    return f"The {name} isn't given."
