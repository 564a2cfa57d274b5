"""In what a run differs from the recipe's own circumstances: told, never refused."""

from collections.abc import Sequence

from napari_matssl.labels.names import few
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.recipe.contents import STATED, Recipe
from napari_matssl.tasks.recipe.judging import Judged
from napari_matssl.tasks.recipe.machine import Machine

_NAMED = 20


def deviations(
    recipe: Recipe, here: Machine, details: ReportDetails, images: Sequence[Judged]
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
    ):
        if names:
            lines.append(f"{what}: {few(names, _NAMED)}.")
    return tuple(lines)


def not_given(name: str) -> str:
    """Return the line on a detail that nobody has typed."""
    return f"The {name} isn't given."
