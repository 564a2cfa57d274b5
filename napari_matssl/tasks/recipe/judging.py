"""What becomes of each image of a run by the limits of its recipe, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pandas as pd

from napari_matssl.labels.provenance import DOUBTFUL, UNLIKE, Provenance
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings.acceptance import Level, LimitSettings
from napari_matssl.tasks.recipe.contents import CalibrationRules

UNJUDGED: Final = "the model can't tell whether it is like the painted images"


class Verdict(StrEnum):
    """What becomes of an image, or of a run."""

    PASS = "pass"
    CHECK = "check"
    FAIL = "fail"

    @property
    def severity(self) -> int:
        """0 for pass, 1 for check, 2 for fail."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Judged:
    """What becomes of one image.

    Parameters
    ----------
    image
        Name of its file.
    verdict
        By the limits.
    reasons
        Clauses without a subject, of all but what passes.
    light
        Whether it is like the painted images; empty where that isn't known.
    uncertain
        Share of the area on which the model can't decide; None where that isn't known.
    size
        Its pixel size.
    agreement_percent
        Of its um/px with the model's; None where one of them is missing.
    sha256
        Checksum of its file; empty if it couldn't be used.
    """

    image: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    light: str = ""
    uncertain: float | None = None
    size: PixelSize | None = None
    agreement_percent: float | None = None
    sha256: str = ""


def judge_image(
    image: str,
    origin: Provenance | None,
    size: PixelSize | None,
    by_hand: bool,
    bar_by_hand: bool,
    rules: CalibrationRules,
    limits: LimitSettings,
) -> Judged:
    """Judge an image that was segmented.

    Parameters
    ----------
    image
        Name of its file.
    origin
        Of its mask.
    size
        Its pixel size.
    by_hand
        It was set by hand.
    bar_by_hand
        So was where its info bar begins, or that it has none.
    rules, limits
        Of the recipe.
    """
    known = origin or Provenance()
    expected, agreement = rules.expected_um, None
    found: list[tuple[Level, str]] = []
    if known.light == UNLIKE:
        found.append((limits.unlike, f"{UNLIKE} by its grey values{_why(known)}"))
    elif known.light == DOUBTFUL:
        found.append((limits.doubtful, f"{DOUBTFUL} by its grey values{_why(known)}"))
    elif not known.light:
        found.append(("check", UNJUDGED))
    if bar_by_hand:
        found.append((limits.by_hand, "its info bar was set by hand"))
    if known.unsure:
        found.append((limits.unsure, known.unsure))
    if size is None:
        if expected is not None:
            found.append((limits.no_pixel_size, "no pixel size was found"))
    else:
        if by_hand:
            found.append((limits.by_hand, f"its pixel size was set by hand ({size.in_words})"))
        if size.doubt:
            found.append(("check", size.doubt.rstrip(".")))
        if expected is not None:
            agreement = agreement_percent(size.mean_um, expected)
            if agreement < limits.agreement:
                found.append(
                    (
                        "fail",
                        f"{size.in_words} agrees by {agreement:.3g} % with the {expected:.4g} "
                        f"µm/px of the model, by less than {limits.agreement:g} %",
                    )
                )
    told = [(Verdict(level), reason) for level, reason in found if level != "pass"]
    told.sort(key=lambda one: -one[0].severity)
    return Judged(
        image,
        told[0][0] if told else Verdict.PASS,
        tuple(reason for _, reason in told),
        known.light,
        known.uncertain,
        size,
        agreement,
        known.image_sha256,
    )


def agreement_percent(one_um: float, other_um: float) -> float:
    """Return the smaller of two lengths over the larger, in %."""
    return 100 * min(one_um, other_um) / max(one_um, other_um)


def left_out(image: str, reason: str) -> Judged:
    """Judge an image that couldn't be used."""
    return Judged(image, Verdict.FAIL, (reason,))


def judge_run(images: Iterable[Judged], limits: LimitSettings) -> tuple[Verdict, tuple[str, ...]]:
    """Judge a run: it is as good as its worst image, and fails if too few don't fail.

    Returns
    -------
    The verdict, and its reasons.
    """
    some = list(images)
    of = {one: [i.image for i in some if i.verdict is one] for one in Verdict}
    usable = len(of[Verdict.PASS]) + len(of[Verdict.CHECK])
    reasons = []
    if usable < limits.fields:
        reasons.append(
            f"{_images(usable)} {'does' if usable == 1 else 'do'}n't fail, but "
            f"{limits.fields} are needed"
        )
    for verdict, words in ((Verdict.FAIL, "failed"), (Verdict.CHECK, "to be checked")):
        if of[verdict]:
            reasons.append(f"{_images(len(of[verdict]))} {words}")
    worst = max((one.verdict for one in some), key=lambda v: v.severity, default=Verdict.FAIL)
    return (Verdict.FAIL if usable < limits.fields else worst), tuple(reasons)


def verdicts_frame(images: Sequence[Judged]) -> pd.DataFrame:
    """Make the table of verdicts, a row per image."""
    return pd.DataFrame(
        [
            {
                "image": one.image,
                "verdict": str(one.verdict),
                "reason": "; ".join(one.reasons),
                "light": one.light,
                "uncertain_percent": None if one.uncertain is None else 100 * one.uncertain,
                "pixel_um": None if one.size is None else one.size.mean_um,
                "agreement_percent": one.agreement_percent,
            }
            for one in images
        ],
        columns=[
            "image",
            "verdict",
            "reason",
            "light",
            "uncertain_percent",
            "pixel_um",
            "agreement_percent",
        ],
    )


def _why(origin: Provenance) -> str:
    return f": {'; '.join(origin.reasons)}" if origin.reasons else ""


def _images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"
